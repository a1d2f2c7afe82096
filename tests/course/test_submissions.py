"""Folders and zips as learning platforms export them, and ones that somebody made up."""

import io
import os
import stat
import zipfile

import pytest

from tfviz.course import submissions
from tfviz.course.limits import Limits
from tfviz.course.submissions import RefusedError, Submission, find, identity, listing, opened
from tfviz.errors import BadFileError

PARTS = ("one", "two")
FILES = ("results/one.json", "arrays/one.npz", "results/two.json", "arrays/two.npz")


def results(folder, files=FILES, content="of {}"):
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.format(name))
    return folder


def zipped(path, content=None, at="reports/", files=FILES):
    """A zip of results, or of {name: bytes}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {f"{at}{name}": f"of {name}" for name in files} if content is None else content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in content.items():
            archive.writestr(name, each)
    return path


def names(path):
    return [each.name for each in find([path], PARTS)]


def taken(submission, scratch, limits=None):
    scratch.mkdir()
    found = opened(submission, scratch, PARTS, limits or Limits())
    files = sorted(path for path in scratch.rglob("*") if not path.is_dir())
    assert all(stat.S_ISREG(path.lstat().st_mode) for path in files)
    return {path.relative_to(scratch).as_posix(): path.read_text() for path in files}, found.refused


WHOLE = {name: f"of {name}" for name in FILES}


def moodle(folder):
    results(folder / "Dana Levi_101_assignsubmission_file_" / "reports")
    zipped(folder / "דנה לוי_102_assignsubmission_file_" / "העבודה שלי.zip")
    (folder / "Nobody_103_assignsubmission_file_").mkdir()
    return {
        "Dana Levi_101_assignsubmission_file_": True,
        "Nobody_103_assignsubmission_file_": False,
        "דנה לוי_102_assignsubmission_file_": True,
    }


def canvas(folder):
    zipped(folder / "levidana_101_9001_reports.zip")
    zipped(folder / "cohenben_LATE_102_9002_my work.zip", at="")
    (folder / "roezoe_103_9003_report.pdf").write_text("only a page")
    (folder / "levidana_101_9004_report.pdf").write_text("beside the zip")
    return {
        "cohenben_LATE_102_9002_my work": True,
        "levidana_101_9001_reports": True,
        "roezoe_103_9003_report": False,
    }


def gradescope(folder):
    folder.mkdir()
    (folder / "submission_metadata.yml").write_text("submission_1: {}")
    results(folder / "submission_1")
    results(folder / "submission_2" / "work" / "reports")
    return {"submission_1": True, "submission_2": True}


def by_hand(folder):
    results(folder / "dana" / "reports")
    zipped(folder / "dana" / "old.zip")
    zipped(folder / "ben.zip", at="")
    (folder / "zoë" / "empty").mkdir(parents=True)
    (folder / "zipped otherwise.7z").write_text("7z")
    (folder / ".DS_Store").write_text("junk")
    (folder / "__MACOSX").mkdir()
    (folder / "grades.xlsx").write_text("the teacher's own")
    return {"ben": True, "dana": True, "zipped otherwise": False, "zoë": False}


LAYOUTS = [moodle, canvas, gradescope, by_hand]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_exports_have_a_submission_a_student_whoever_handed_in_nothing_too(tmp_path, layout):
    course = tmp_path / "course"
    wanted = layout(course)
    found = find([course], PARTS)
    assert {each.name for each in found} == set(wanted)
    for index, each in enumerate(found):
        if wanted[each.name]:
            assert taken(each, tmp_path / f"scratch{index}") == (WHOLE, {})
        else:
            with pytest.raises(RefusedError, match=r"no results of this program|neither a folder nor a zip"):
                taken(each, tmp_path / f"scratch{index}")


def several(folder):
    """Students of whom there is more than one file, as folders and one by one."""
    whole = folder / "whole"
    zipped(whole / "Dana Levi_101_assignsubmission_file_" / "reports.zip")
    text = whole / "Dana Levi_101_assignsubmission_onlinetext_" / "onlinetext.html"
    text.parent.mkdir()
    text.write_text("see the file")
    zipped(whole / "Ben Cohen_102_assignsubmission_file_" / "code.zip", {"src/main.py": ""})
    zipped(whole / "Ben Cohen_102_assignsubmission_file_" / "work.zip")
    for name in ("a.zip", "b.zip"):
        zipped(whole / "Zoë Roe_103_assignsubmission_file_" / name)
        zipped(whole / "No Body_104_assignsubmission_file_" / name, {"main.py": ""})
    loose = folder / "loose"
    zipped(loose / "Dana Levi_101_assignsubmission_file_reports.zip")
    (loose / "Dana Levi_101_assignsubmission_file_report.pdf").write_text("a page")
    (loose / "Ben Cohen_102_assignsubmission_file_report.pdf").write_text("a page")
    (loose / "Ben Cohen_102_assignsubmission_onlinetext.html").write_text("a word")
    zipped(loose / "roezoe_103_9003_code.zip", {"src/main.py": ""})
    zipped(loose / "roezoe_103_9004_reports.zip")
    return whole, loose


@pytest.mark.parametrize("packed", [False, True])
def test_a_student_with_several_files_is_one_submission(tmp_path, packed):
    wanted = (
        {
            "Ben Cohen_102_assignsubmission_file_": "",
            "Dana Levi_101_assignsubmission_file_": "",
            "No Body_104_assignsubmission_file_": "None of its zips holds results of this program: a.zip, b.zip.",
            "Zoë Roe_103_assignsubmission_file_": "It holds 2 zips (a.zip, b.zip): hand in one.",
        },
        {
            "Ben Cohen_102_assignsubmission_file_report": "It is neither a folder nor a zip",
            "Dana Levi_101_assignsubmission_file_reports": "",
            "roezoe_103_9004_reports": "",
        },
    )
    for course, said in zip(several(tmp_path), wanted, strict=True):
        path = course
        if packed:
            path = course.with_suffix(".zip")
            with zipfile.ZipFile(path, "w") as archive:
                for each in sorted(course.rglob("*")):
                    archive.write(each, each.relative_to(course))
        found = {each.name: each for each in find([path], PARTS)}
        assert list(found) == list(said)
        for place, (name, why) in enumerate(said.items()):
            if why:
                with pytest.raises(RefusedError) as refused:
                    taken(found[name], tmp_path / f"{course.name}{place}")
                assert str(refused.value).startswith(why)
            else:
                assert taken(found[name], tmp_path / f"{course.name}{place}") == (WHOLE, {})


def test_no_more_than_a_few_zips_of_one_student_are_looked_into(tmp_path):
    for number in range(20):
        zipped(tmp_path / "moodle" / "Dana_1_assignsubmission_file_" / f"{number}.zip", {"main.py": ""})
        zipped(tmp_path / "canvas" / f"dana_1_{number}_work.zip", {"main.py": ""})
    looked = []
    (one,) = find([tmp_path / "moodle"], PARTS, lambda *zipped: looked.append(zipped) or [])
    (_,) = find([tmp_path / "canvas"], PARTS, lambda *zipped: looked.append(zipped) or [])
    assert looked == []
    with pytest.raises(RefusedError, match=r"It holds 20 zips"):
        opened(one, tmp_path / "scratch", PARTS)


def test_what_is_left_aside_is_said(tmp_path):
    by_hand(tmp_path / "course")
    results(tmp_path / "one" / "dana")
    (tmp_path / "one" / "ben").mkdir()
    said = []
    assert [each.name for each in find([tmp_path / "one"], PARTS, say=said.append)] == ["one"]
    find([tmp_path / "course"], PARTS, say=said.append)
    assert said == [
        "one: taken for one submission, since only dana in it holds results; left aside: ben. If they are several "
        "students', name each by itself.",
        "course: left aside, neither a folder nor a zip: grades.xlsx.",
    ]


def test_the_graders_own_output_is_no_submission(tmp_path):
    for name in ("dana", "ben"):
        results(tmp_path / name)
    results(tmp_path / "grades" / "submissions" / "001 dana", ["results.json"])
    found = find([tmp_path], PARTS, own=tmp_path / "other" / ".." / "grades")
    assert [each.name for each in found] == ["ben", "dana"]


def test_what_grading_wrote_earlier_is_no_submission(tmp_path):
    for name in ("dana", "ben"):
        results(tmp_path / name)
    results(
        tmp_path / "old",
        ["graded/seed.json", "grades.html", "grades.csv", "submissions/001 dana/result.json"],
    )
    results(tmp_path / "zoë", ["graded/seed.json", "grades.csv"])  # not all of it: somebody's
    said = []
    found = find([tmp_path], PARTS, say=said.append)
    assert [each.name for each in found] == ["ben", "dana", "zoë"]
    assert said == [f"{tmp_path.name}: left aside, what grading wrote: old."]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"report.pdf": ""}, "only report.pdf."),
        (
            {"work.rar": "", "a/report.pdf": ""},
            "only work.rar, a/report.pdf (of archives zips alone are opened: hand in a zip).",
        ),
        ({"__MACOSX/._x": "", ".DS_Store": ""}, "nothing at all."),
        ({f"{n}.txt": "" for n in range(9)}, "only 0.txt, 1.txt, 2.txt, 3.txt and 5 more."),
    ],
)
def test_what_is_there_in_place_of_results_is_said(tmp_path, content, said):
    wanted = f"It holds no results of this program: no folder with results/ and arrays/ in it, {said}"
    path = zipped(tmp_path / "a.zip", content)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    for each in (path, tmp_path / "folder"):
        with pytest.raises(RefusedError) as refused:
            opened(find([each], PARTS)[0], tmp_path / "scratch", PARTS)
        assert str(refused.value) == wanted


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_exports_as_one_zip_and_with_a_folder_around_them(tmp_path, layout):
    wanted = layout(tmp_path / "course")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in sorted((tmp_path / "course").rglob("*")):
            archive.write(path, f"assignment 3 export/{path.relative_to(tmp_path / 'course')}")
    found = find([tmp_path / "export.zip"], PARTS)
    assert {each.name for each in found} == set(wanted)
    for index, each in enumerate(found):
        if wanted[each.name]:
            assert taken(each, tmp_path / f"scratch{index}") == (WHOLE, {})
        else:
            with pytest.raises(RefusedError):
                taken(each, tmp_path / f"scratch{index}")


def test_one_student_is_named_as_the_path_is(tmp_path):
    results(tmp_path / "dana" / "reports")
    results(tmp_path / "ben")
    zipped(tmp_path / "zoë.zip")
    zipped(tmp_path / "noa" / "final version.zip")
    results(tmp_path / "guy" / "reports")
    results(tmp_path / "guy" / "second try")
    assert [names(tmp_path / each) for each in ("dana", "ben", "zoë.zip", "noa", "guy")] == [
        ["dana"],
        ["ben"],
        ["zoë"],
        ["noa"],
        ["guy"],
    ]


def test_no_two_have_one_name(tmp_path):
    results(tmp_path / "a" / "dana")
    results(tmp_path / "b" / "dana")
    paths = [tmp_path / "a" / "dana", tmp_path / "b" / "dana"]
    assert [each.name for each in find(paths, PARTS)] == ["dana", "dana (2)"]


def test_a_path_that_is_not_there_is_the_graders_mistake(tmp_path):
    with pytest.raises(BadFileError, match="nowhere does not exist"):
        find([tmp_path / "nowhere"], PARTS)


def test_two_sets_of_results_are_not_chosen_between_and_the_usual_folder_is(tmp_path):
    results(tmp_path / "first")
    results(tmp_path / "second")
    with pytest.raises(RefusedError, match=r"holds 2 sets of results \(first, second\)"):
        taken(Submission("x", tmp_path), tmp_path / "scratch")
    (tmp_path / "second").rename(tmp_path / "reports")
    assert taken(Submission("x", tmp_path), tmp_path / "scratch2") == (WHOLE, {})


def test_only_what_is_read_is_taken(tmp_path):
    folder = results(tmp_path / "dana", (*FILES, "results/three.json", "report.html", "evil.py"))
    assert taken(Submission("dana", folder), tmp_path / "scratch") == (WHOLE, {})


def test_links_are_not_followed(tmp_path):
    (tmp_path / "secret.json").write_text("secret")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "one.npz").write_text("secret")
    folder = results(tmp_path / "dana")
    (folder / "results" / "one.json").unlink()
    (folder / "results" / "one.json").symlink_to(tmp_path / "secret.json")
    files, refused = taken(Submission("dana", folder), tmp_path / "scratch")
    assert "secret" not in files.values()
    assert refused == {"one": "results/one.json was not read: it is a link, and links are not followed."}
    for path in (folder / "arrays").iterdir():
        path.unlink()
    (folder / "arrays").rmdir()
    (folder / "arrays").symlink_to(tmp_path / "secrets")
    files, refused = taken(Submission("dana", folder), tmp_path / "scratch2")
    assert "secret" not in files.values()
    assert set(refused) == {"one", "two"}


def test_a_folder_that_is_a_link_is_refused_and_named(tmp_path):
    results(tmp_path / "elsewhere" / "reports")
    results(tmp_path / "course" / "a")
    results(tmp_path / "course" / "b")
    (tmp_path / "course" / "c").symlink_to(tmp_path / "elsewhere")
    found = find([tmp_path / "course"], PARTS)
    assert [each.name for each in found] == ["a", "b", "c"]
    with pytest.raises(RefusedError, match="It is a link"):
        taken(found[2], tmp_path / "scratch")


def test_a_pipe_in_a_files_place_is_not_waited_for(tmp_path):
    folder = results(tmp_path / "dana")
    (folder / "results" / "one.json").unlink()
    os.mkfifo(folder / "results" / "one.json")
    files, refused = taken(Submission("dana", folder), tmp_path / "scratch")
    assert set(refused) == {"one"}
    assert "results/two.json" in files


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "..\\evil", "\\evil"])
def test_a_zip_with_names_that_lead_out_is_not_opened(tmp_path, name):
    path = zipped(tmp_path / "dana.zip", {"results/one.json": "{}", name: "evil"})
    (submission,) = find([path], PARTS)
    with pytest.raises(RefusedError, match=r"evil.*, whose name"):
        taken(submission, tmp_path / "scratch")
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["dana.zip", "scratch"]


def of_kind(mode):
    entry = zipfile.ZipInfo("results/one.json")
    entry.create_system, entry.external_attr = 3, mode << 16
    return entry


def test_links_and_devices_in_a_zip_are_not_unpacked(tmp_path):
    for kind, said in (
        (stat.S_IFLNK, "a link"),
        (stat.S_IFCHR, "no regular file"),
        (stat.S_IFIFO, "no regular"),
    ):
        path = tmp_path / f"{kind}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(of_kind(kind | 0o777), "/etc/passwd")
            archive.writestr("results/two.json", "{}")
        files, refused = taken(Submission("x", path), tmp_path / f"scratch{kind}")
        assert files == {"results/two.json": "{}"}
        assert said in refused["one"]


def test_encrypted_and_repeated_files_and_other_packings_are_not_unpacked(tmp_path):
    path = zipped(tmp_path / "encrypted.zip", {"results/one.json": "{}", "results/two.json": "{}"})
    raw = bytearray(path.read_bytes())
    place = raw.index(b"PK\x01\x02")
    raw[place + 8] |= 1  # of the first file in the directory
    raw[6] |= 1
    path.write_bytes(raw)
    files, refused = taken(Submission("x", path), tmp_path / "scratch")
    assert files == {"results/two.json": "{}"}
    assert "it is encrypted" in refused["one"]

    path = zipped(
        tmp_path / "twice.zip", {"results/one.json": "{}", "results/ONE.json": "{}", "results/two.json": ""}
    )
    files, refused = taken(Submission("x", path), tmp_path / "scratch2")
    assert list(files) == ["results/two.json"]
    assert "twice" in refused["one"]

    path = tmp_path / "lzma.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("results/one.json", "{}")
    assert "packed in a way" in taken(Submission("x", path), tmp_path / "scratch3")[1]["one"]


def test_bombs_are_told_by_what_they_say_of_themselves_and_by_what_they_hold(tmp_path):
    zeros = bytes(30_000_000)
    path = zipped(tmp_path / "bomb.zip", {"results/one.json": "{}", "arrays/one.npz": zeros})
    files, refused = taken(Submission("x", path), tmp_path / "scratch")
    assert files == {"results/one.json": "{}"}
    assert "would become 30,000,000" in refused["one"]
    with pytest.raises(RefusedError, match="Unpacked, it would have more than 10 MB"):
        taken(Submission("x", path), tmp_path / "scratch2", Limits(unpacked=10_000_000))

    with pytest.raises(RefusedError, match="It has more than 0 MB"):
        taken(Submission("x", path), tmp_path / "scratch5", Limits(packed=1000))

    # It says that it holds 10 bytes.
    raw = path.read_bytes().replace((30_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(raw)
    files, refused = taken(Submission("x", path), tmp_path / "scratch3")
    assert set(refused) == {"one"}
    assert sum(map(len, files.values())) <= 10_000

    folder = results(tmp_path / "large")
    files, refused = taken(Submission("x", folder), tmp_path / "scratch4", Limits(unpacked=40))
    assert sum(map(len, files.values())) <= 40
    assert set(refused) == {"two"}


def test_what_grows_while_it_is_read_is_cut_off(tmp_path):
    assert submissions._written(io.BytesIO(bytes(10)), tmp_path / "new" / "ten", 10) == 10
    assert (tmp_path / "new" / "ten").read_bytes() == bytes(10)
    with pytest.raises(RefusedError, match="more than 10 bytes"):
        submissions._written(io.BytesIO(bytes(11)), tmp_path / "eleven", 10)
    assert (tmp_path / "eleven").read_bytes() == b""


def test_too_many_files_and_folders_too_deep(tmp_path):
    many = zipped(tmp_path / "many.zip", {f"reports/results/one.json{'x' * i}": "" for i in range(30)})
    with pytest.raises(RefusedError, match="more than 20 files"):
        taken(Submission("x", many), tmp_path / "scratch", Limits(entries=20))
    deep = tmp_path / "deep"
    results(deep.joinpath(*"abcdefghij"))
    with pytest.raises(RefusedError, match="no results"):
        taken(Submission("x", deep), tmp_path / "scratch2")


def test_a_student_with_too_many_files_is_one_that_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "LIMITS", Limits(entries=20))
    results(tmp_path / "course" / "a")
    results(tmp_path / "course" / "b", [f"deeper/{index}" for index in range(30)])
    assert names(tmp_path / "course") == ["a", "b"]
    with pytest.raises(RefusedError, match="more than 20 files"):
        taken(find([tmp_path / "course"], PARTS)[1], tmp_path / "scratch", Limits(entries=20))


def nested(path, *inner):
    content = zipped(path, at="").read_bytes()
    for name in inner:
        content = io_zip({name: content})
    path.write_bytes(content)
    return path


def io_zip(content):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, each in content.items():
            archive.writestr(name, each)
    return held.getvalue()


def test_zips_in_zips_one_level(tmp_path):
    once = nested(tmp_path / "once.zip", "reports.zip")
    assert taken(Submission("x", once), tmp_path / "scratch") == (WHOLE, {})
    twice = nested(tmp_path / "twice.zip", "reports.zip", "again.zip")
    with zipfile.ZipFile(tmp_path / "course.zip", "w") as archive:
        for name in ("once", "twice"):
            archive.write(tmp_path / f"{name}.zip", f"{name}_1_assignsubmission_file_/work.zip")
    exported = find([tmp_path / "course.zip"], PARTS)  # the platform's own zip is none of the student's
    assert taken(exported[0], tmp_path / "scratch3") == (WHOLE, {})
    with pytest.raises(RefusedError, match="a zip in a zip in a zip"):
        taken(exported[1], tmp_path / "scratch4")
    with pytest.raises(RefusedError, match="a zip in a zip in a zip"):
        taken(Submission("x", twice), tmp_path / "scratch2")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 but no more", b"PK\x05\x06" + b"\xff" * 18, b"Rar!\x1a"]
)
def test_what_is_no_zip_is_a_submission_that_is_refused(tmp_path, content):
    (tmp_path / "dana.zip").write_bytes(content)
    (submission,) = find([tmp_path / "dana.zip"], PARTS)
    assert "not a zip, or is damaged" in submission.refused
    with pytest.raises(RefusedError, match="not a zip"):
        taken(submission, tmp_path / "scratch")
    results(tmp_path / "course" / "a")
    results(tmp_path / "course" / "b")
    (tmp_path / "course" / "c.zip").write_bytes(content)
    assert names(tmp_path / "course") == ["a", "b", "c"]


def test_zips_cut_anywhere_are_refused_or_read_and_nothing_else(tmp_path):
    whole = zipped(tmp_path / "whole.zip").read_bytes()
    for cut in range(0, len(whole), 7):
        path = tmp_path / f"{cut}.zip"
        path.write_bytes(whole[:cut] + whole[cut + 3 :])
        (tmp_path / f"scratch{cut}").mkdir()
        try:
            found = opened(Submission("x", path), tmp_path / f"scratch{cut}", PARTS)
        except RefusedError:
            continue
        assert set(found.refused) <= set(PARTS)


def test_identity_is_that_of_what_is_read(tmp_path):
    one = Submission("a", results(tmp_path / "a" / "reports").parent)
    other = Submission("b", results(tmp_path / "b"))
    assert identity(one, PARTS) == identity(other, PARTS)
    (tmp_path / "b" / "report.html").write_text("another page")
    assert identity(one, PARTS) == identity(other, PARTS)
    (tmp_path / "b" / "arrays" / "two.npz").write_text("another")
    assert identity(one, PARTS) != identity(other, PARTS)
    export = zipped(tmp_path / "export.zip", {"s/a/results/one.json": "1", "s/b/results/one.json": "2"})
    first, second = find([export], PARTS)
    assert identity(first, PARTS) != identity(second, PARTS)


def test_identity_of_a_zip_that_was_written_anew_is_another(tmp_path):
    submission = Submission("dana", zipped(tmp_path / "dana.zip", {"results/one.json": "1"}))
    before = identity(submission, PARTS)
    assert identity(submission, PARTS) == before
    zipped(tmp_path / "dana.zip", {"results/one.json": "2"})
    os.utime(tmp_path / "dana.zip", ns=(1, 1))
    assert identity(submission, PARTS) != before


@pytest.mark.parametrize("name", ["results/one.json", "arrays"])
def test_identity_of_what_is_linked_is_not_that_of_what_it_leads_to(tmp_path, name):
    theirs = results(tmp_path / "theirs")
    folder = results(tmp_path / "dana")
    assert identity(Submission("dana", folder), PARTS) == identity(Submission("theirs", theirs), PARTS)
    (folder / name).rename(tmp_path / "aside")
    (folder / name).symlink_to(theirs / name)
    assert identity(Submission("dana", folder), PARTS) != identity(Submission("theirs", theirs), PARTS)


def test_names_on_the_screen_are_printable(tmp_path):
    results(tmp_path / "course" / "a\x1b[31m\nb")
    results(tmp_path / "course" / "c")
    assert all(name.isprintable() for name in names(tmp_path / "course"))
    assert len(listing(zipped(tmp_path / "x.zip"))) == len(FILES)
    assert find([], PARTS) == []
