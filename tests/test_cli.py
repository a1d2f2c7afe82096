import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tests.fake_part import FakePart
from tests.forged import forge
from tfviz import backend, cli
from tfviz.data import cifar10
from tfviz.errors import BadFileError, DataUnavailableError, TfvizError
from tfviz.experiment.durations import expected
from tfviz.experiment.grading import Verdict
from tfviz.experiment.growing import BEING_COMPUTED, NOT_YET, STOPPED
from tfviz.experiment.store import SCHEMA, PartResult, Store
from tfviz.files import lock, program
from tfviz.parts import PARTS
from tfviz.report import environment, personal, printing, publish
from tfviz.report import page as report

PDF = report.pdf


@pytest.fixture(autouse=True)
def empty_folder(tmp_path_factory, monkeypatch):
    """No report.toml and no answers of whoever runs the tests; parts run in this process if nobody says otherwise."""
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    monkeypatch.setattr(cli, "_usual_workers", lambda *, train: 1)


@pytest.fixture
def parts(monkeypatch):
    """The command with made-up parts in place of the real ones; their sections use the real templates' names."""
    made_up = (FakePart(ID="good"), FakePart(ID="bad", error=BadFileError("x.npy is empty: copy it again.")))
    monkeypatch.setattr(cli, "PARTS", made_up)
    return made_up


@pytest.fixture
def templates(tmp_path_factory, monkeypatch):
    """The real page around templates of the made-up parts."""
    folder = tmp_path_factory.mktemp("whole") / "templates"
    shutil.copytree(program.templates(), folder)
    for name in ("good", "bad"):
        (folder / "parts" / f"{name}.html").write_text(
            '{% from "macros.html" import value, figure %}<p>It is {{ value(result, "sum") }}.</p>'
            '{{ figure(result, "line") }}'
        )
    for module in (report, environment):
        monkeypatch.setattr(module, "templates", lambda: folder)

    monkeypatch.setattr(report, "pdf", lambda out, page: b"quickly made")
    monkeypatch.setattr(printing, "at_once", lambda: False)


@pytest.fixture
def pdf(templates, monkeypatch):
    """The PDF is made as it is for users, which takes seconds."""
    monkeypatch.setattr(report, "pdf", PDF)


@pytest.fixture
def published(monkeypatch):
    """How the report was asked for, in order; nothing is rendered, `answer` is what came of it if it is set."""
    calls = []

    def fake(out, parts, say, **how):
        calls.append({name: value for name, value in how.items() if name not in ("personal", "answers")})
        done = publish.Published(Store(out).load_all([part.ID for part in parts]), ())
        return fake.answer(done, **how) if fake.answer else done

    fake.answer, fake.calls = None, calls
    monkeypatch.setattr(publish, "publish", fake)
    return fake


def exit_status(arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    return stopped.value.code


def verdicts_on(*statuses, part="good", kind="reference"):
    return [
        Verdict(part, f"n{place}", 1.0, 2.5, 0.01, kind, "x", status, "at least", None, "")
        for place, status in enumerate(statuses)
    ]


def test_the_summary_says_what_failed_and_counts_the_rest(tmp_path, parts, published, capsys):
    verdicts = [
        *verdicts_on("pass", "pass", "not comparable", kind="published"),
        *verdicts_on("pass", "fail", part="bad"),
    ]
    both = {"good": PartResult("good", "done"), "bad": PartResult("bad", "done")}

    def answer(done, **_):
        (tmp_path / "report.html").write_text("0123456789")
        return replace(done, results=both, verdicts=verdicts, files=[tmp_path / "report.html"], notes=["n."])

    published.answer = answer
    assert cli.main(["--report-only", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for line in (
        "good                 2 pass, 1 not comparable",
        "bad                  1 pass, 1 fail",
        "published:        2 of 3 pass (1 not comparable)",
        "reference:        1 of 2 pass (1 fail)",
        "3 pass   1 fail   0 missing   1 not comparable",
        "tfviz: n.",
        f"{(tmp_path / 'report.html').as_uri()}  (10 bytes)",
    ):
        assert line in printed.splitlines(), line
    (row,) = [line for line in printed.splitlines() if "n1" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["bad", "n1", "≥ 1", "2.500", "reference"]
    assert "own bound" not in printed
    assert cli.main(["--report-only", "--only", "good", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "2 pass   0 fail   0 missing   1 not comparable" in printed
    assert "Not as expected" not in printed


def test_done(tmp_path, parts, templates, pdf, capsys):
    assert cli.main(["--only", "good", "--out", str(tmp_path), "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert "1 pass   0 fail   0 missing   0 not comparable" in printed
    html = (tmp_path / "report.html").read_text()
    assert "A level line." in html
    assert "bad" not in html, "it was not asked for"
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    grades = json.loads((tmp_path / "grades.json").read_text())
    assert [row["status"] for row in grades["verdicts"]] == ["pass"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [part["status"] for part in manifest["parts"]] == ["done", "not run"]
    assert parts[0].runs[0].context.seed == 3


def test_a_failed_part_gives_1_and_the_report_shows_it(tmp_path, parts, templates, capsys):
    assert cli.main(["--out", str(tmp_path)]) == 1
    assert "bad: failed: x.npy is empty: copy it again." in capsys.readouterr().out
    assert "x.npy is empty" in (tmp_path / "report.html").read_text()


def test_report_only_runs_nothing(tmp_path, parts, templates, capsys):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    (tmp_path / "report.html").unlink()
    assert cli.main(["--report-only", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").exists()
    assert len(parts[0].runs) == 1


def test_a_result_of_another_version_is_named_and_not_shown(tmp_path, parts, templates, capsys):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    forge(
        tmp_path / "results" / "good.json",
        lambda result: result["numbers"].update(total=result["numbers"].pop("sum")),
    )
    capsys.readouterr()
    assert cli.main(["--report-only", "--out", str(tmp_path)]) == 1
    assert "good: not run: its stored result is not of this version of the program" in capsys.readouterr().out
    assert "its stored result is not of this version" in (tmp_path / "report.html").read_text()


def test_a_part_of_which_nothing_is_stored_is_named(tmp_path, parts, templates, capsys):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    capsys.readouterr()
    assert cli.main(["--report-only", "--only", "bad", "good", "--out", str(tmp_path)]) == 1
    assert "bad: not run: nothing is stored of it" in capsys.readouterr().out


def test_one_damaged_result_does_not_cost_the_report(tmp_path, parts, templates, capsys):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    (tmp_path / "results" / "bad.json").write_text("{")
    assert cli.main(["--only", "good", "--out", str(tmp_path)]) == 0
    assert "bad.json cannot be read" in capsys.readouterr().out


def test_a_result_of_another_schema_is_named_and_not_shown(tmp_path, parts, templates, capsys):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    stored = tmp_path / "results" / "good.json"
    stored.write_text(stored.read_text().replace(f'"schema": {SCHEMA}', '"schema": 1'))
    capsys.readouterr()
    assert cli.main(["--report-only", "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "good.json was stored by another version of the program (schema 1" in printed
    assert "schema 1" in (tmp_path / "report.html").read_text()


def test_lost_figures_are_drawn_again(tmp_path, parts, templates):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    drawn = (tmp_path / "figures" / "good" / "line.svg").read_bytes()
    for arguments in (["--report-only"], ["--only", "good"]):
        shutil.rmtree(tmp_path / "figures")
        assert cli.main([*arguments, "--out", str(tmp_path)]) == 0
        assert (tmp_path / "figures" / "good" / "line.svg").read_bytes() == drawn
    assert len(parts[0].runs) == 1


def test_a_figure_that_fails_costs_that_figure_and_the_status_says_so(tmp_path, parts, templates, capsys):
    parts[0].drawing_error = ValueError("no <b>room</b>")
    assert cli.main(["--only", "good", "--out", str(tmp_path)]) == 1
    assert "good: figure line could not be drawn: ValueError: no <b>room</b>" in capsys.readouterr().out
    html = (tmp_path / "report.html").read_text()
    assert "This figure could not be drawn:</b> ValueError: no &lt;b&gt;room" in html
    assert "It is" in html, "the numbers stay"
    grades = json.loads((tmp_path / "grades.json").read_text())
    assert grades["verdicts"][0]["status"] == "pass"
    parts[0].drawing_error = None
    assert cli.main(["--only", "good", "--out", str(tmp_path)]) == 0
    assert len(parts[0].runs) == 1
    assert "could not be drawn" not in (tmp_path / "report.html").read_text()


def test_report_only_without_results(tmp_path, parts, capsys):
    assert cli.main(["--report-only", "--out", str(tmp_path)]) == 2
    assert "holds no results" in capsys.readouterr().err


def test_no_pango_gives_3_and_the_html(tmp_path, parts, templates, capsys, monkeypatch):
    def refuse(out, page):
        raise report.PdfUnavailableError(f"no Pango: {report.PANGO}")

    monkeypatch.setattr(report, "pdf", refuse)
    assert cli.main(["--only", "good", "--out", str(tmp_path)]) == 3
    assert (tmp_path / "report.html").exists()
    assert "apt-get install" in capsys.readouterr().err


def test_without_pango_no_pdf_of_another_rendering_stays(tmp_path, parts, templates, capsys, monkeypatch):
    assert cli.main(["--only", "good", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "report.pdf").exists()

    def refuse(out, page):
        raise report.PdfUnavailableError("no Pango")

    monkeypatch.setattr(report, "pdf", refuse)
    assert cli.main(["--only", "good", "--title", "Another", "--out", str(tmp_path)]) == 3
    assert not (tmp_path / "report.pdf").exists()
    assert f"{tmp_path / 'report.pdf'}, of an earlier rendering, is removed" in capsys.readouterr().err


def test_no_page_is_written_whose_pdf_fails(tmp_path, parts, templates, capsys, monkeypatch):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    before = {name: (tmp_path / name).read_bytes() for name in ("report.html", "report.pdf")}

    def fails(out, page):
        raise TfvizError("The report shows what cannot be read: x.")

    monkeypatch.setattr(report, "pdf", fails)
    for arguments in (["--report-only", "--title", "Another"], ["--only", "good", "--title", "Another"]):
        assert cli.main([*arguments, "--out", str(tmp_path)]) == 2
        assert "shows what cannot be read" in capsys.readouterr().err
        assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert cli.main(["--only", "good", "--force", "--out", str(tmp_path)]) == 2
    assert not any((tmp_path / name).exists() for name in before), "the page that was to grow does not stay"


def test_list(parts, capsys):
    assert cli.main(["--list"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["good", "A"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--only", "conv1_unit"], "no part conv1_unit; there are: good, bad"),
        (["--only"], "expected at least one argument"),
        (["--wrong"], "unrecognized arguments: --wrong"),
        (["--seed", "x"], "invalid int value"),
        (["--seed", "-1"], "from 0 to 4294967295"),
        (["--seed", "4294967296"], "from 0 to 4294967295"),
        (["--train", "fast", "--only", "good"], "--only names neither"),
        (["--train", "slow"], "invalid choice: 'slow'"),
        (["--weights", "alexnet"], "write NAME=FILE"),
        (["--weights", "resnet=a.pth"], "no network resnet; there are: alexnet"),
    ],
)
def test_wrong_usage_gives_2(parts, arguments, says, capsys):
    assert exit_status(arguments) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "does not exist"), (b"", "empty"), (b"\x80\x02cposix\nsystem\n.", "posix.system")],
)
def test_a_bad_weights_file_stops_before_anything_runs(tmp_path, parts, content, says, capsys):
    file = tmp_path / "mine.pth"
    if content is not None:
        file.write_bytes(content)
    assert cli.main(["--weights", f"alexnet={file}", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert str(file) in error
    assert error.count("\n") == 1
    assert parts[0].runs == []


def test_the_users_inputs_reach_the_parts(tmp_path, parts, templates):
    Image.new("RGB", (40, 30)).save(tmp_path / "mine.png")
    arguments = [
        "--image",
        str(tmp_path / "mine.png"),
        "--source-class",
        "golden retriever",
        "--target-class",
        "9",
    ]
    out = tmp_path / "out"
    (tmp_path / "test_batch").write_bytes(b"looked for, not read")
    assert cli.main([*arguments, "--only", "good", "--out", str(out), "--data-dir", str(tmp_path)]) == 0
    inputs = parts[0].runs[0].context.inputs
    assert (inputs.image, inputs.source_class, inputs.target_class) == (tmp_path / "mine.png", 207, 9)
    assert inputs.data_dir == tmp_path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--image", "none.png"], "none.png does not exist"),
        (["--source-class", "crane"], "134 (crane), 517 (crane)"),
        (["--target-class", "1000"], "from 0 to 999"),
        (["--source-class", "-1"], "-1"),
        (["--source-class", "1e3"], "1e3"),
        (["--source-class", "107", "--target-class", "jellyfish"], "are the same, 107 (jellyfish)"),
        (["--source-class", "357"], "are the same, 357 (mink)"),
        (["--pictures", "none"], "none is not a folder"),
        (["--pictures", "."], "--pictures . holds no picture that can be read: it is empty"),
        (["--data-dir", "none"], "none is not a folder"),
    ],
)
def test_unusable_inputs_stop_before_anything_runs(tmp_path, parts, arguments, says, capsys):
    assert cli.main([*arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert parts[0].runs == []


def test_an_output_folder_that_cannot_be_made_or_written(tmp_path, parts, capsys, monkeypatch):
    (tmp_path / "file").write_text("")

    def error_of(out):
        assert cli.main(["--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.endswith("name another folder with --out.\n")
        return error

    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        assert f"{out} cannot be written into ({tmp_path / 'file'} is a file, not a folder)" in error_of(out)
    (tmp_path / "link").symlink_to("nowhere/out")
    assert f"({tmp_path / 'link'} is a link that leads nowhere)" in error_of(tmp_path / "link")
    assert "(File name too long)" in error_of(tmp_path / ("a" * 300))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]
    monkeypatch.setattr(lock.os, "open", denied(os.open))
    assert f"{tmp_path} cannot be written into (Permission denied)" in error_of(tmp_path)
    assert parts[0].runs == []


@pytest.mark.parametrize("option", ["--data-dir", "--pictures", "--answers"])
def test_an_input_that_this_user_may_not_read(tmp_path, parts, monkeypatch, capsys, option):
    is_dir = Path.is_dir

    def denied(path):
        if str(path) == "theirs":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", denied)
    assert cli.main([option, "theirs", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("tfviz: Permission denied (theirs); change its permissions")
    assert said.count("\n") == 1


def test_a_run_that_is_refused_leaves_no_empty_folder(tmp_path, capsys):
    assert cli.main(["grade", "none", "--out", str(tmp_path / "grades")]) == 2
    assert "none does not exist" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    assert cli.main(["grade", "none", "--out", str(tmp_path / "mine")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_grades_do_not_go_where_a_run_is(tmp_path, parts, published, capsys):
    for name in ("manifest.json", "grades.json"):
        (tmp_path / name).write_text("of a run")
    assert cli.main(["grade", str(tmp_path), "--out", str(tmp_path)]) == 2
    said = (
        f"tfviz: {tmp_path} holds a run, whose grades.json would be lost: name another folder with --out.\n"
    )
    assert capsys.readouterr().err == said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grades.json", "manifest.json"]
    assert (tmp_path / "grades.json").read_text() == "of a run"


def test_an_autograder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["grade", "--gradescope", str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"tfviz: {tmp_path / 'file'} cannot be written into (")
    assert said.endswith("): name another folder with --gradescope.\n")


def test_a_current_folder_that_was_deleted_is_one_line(tmp_path, parts, monkeypatch, capsys):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    assert cli.main([]) == 2
    said = "tfviz: The current folder was deleted: change into one that is there, and run again.\n"
    assert capsys.readouterr().err == said


def denied(opening):
    """`os.open` where nothing may be written."""

    def fake(path, flags, *rest, **how):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opening(path, flags, *rest, **how)

    return fake


@pytest.mark.parametrize(("where", "runs"), [("_save", 1), ("save", 1)])
def test_a_disk_that_is_full_stops_the_run_and_says_what_is_kept(
    tmp_path, parts, published, capsys, monkeypatch, where, runs
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, where, full)
    assert cli.main(["--out", str(tmp_path), "--force"]) == 2
    error = capsys.readouterr().err
    assert (
        f"No space left on device: what was finished before is in {tmp_path}. To go on: python -m tfviz"
        in error
    )
    assert error.count("\n") == 1
    assert len(parts[0].runs) == runs
    assert parts[1].runs == []
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("script", "arguments", "line"),
    [
        ("run_all.py", ["--only", "a b"], "python run_all.py --only 'a b'"),
        ("/x/tfviz/__main__.py", ["run", "--force", "--quick"], "python -m tfviz run --quick"),
        ("/usr/bin/tfviz", ["--forc", "--offline"], "tfviz --offline"),
    ],
)
def test_how_to_go_on(script, arguments, line, monkeypatch):
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    assert cli._again(arguments) == line


def test_run_is_meant_where_no_command_is_named(tmp_path, parts, published):
    assert cli.main(["run", "--only", "good", "--out", str(tmp_path), "--seed", "3"]) == 0
    assert parts[0].runs[0].context.seed == 3


def test_a_command_that_there_is_not(parts, capsys):
    assert exit_status(["atlsa"]) == 2
    assert "no command atlsa; there are: run, init" in capsys.readouterr().err


def test_init_writes_what_there_is_to_fill_in_and_it_can_be_used_as_it_is(
    tmp_path, parts, published, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", "new"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "written: new/report.toml" in said
    assert said[-1].endswith(" --config new/report.toml")
    assert cli.main(["init", "new"]) == 0
    assert "kept as it was: new/report.toml" in capsys.readouterr().out.splitlines()
    monkeypatch.chdir(tmp_path / "new")
    assert cli.main(["init"]) == 0
    assert "--config" not in capsys.readouterr().out
    assert cli._report(cli.parser().parse_args([])).answers == Path("answers")
    assert cli.main(["--only", "good"]) == 0


@pytest.mark.parametrize("name", ["report.toml.txt", "Report.TOML"])
def test_a_report_toml_under_another_name_stops_the_run(parts, capsys, name):
    Path(name).write_text('authors = ["A"]')
    assert cli.main(["--only", "good"]) == 2
    assert f"{name} is not read: name it report.toml, or name it with --config." in capsys.readouterr().err
    assert cli._report(cli.parser().parse_args(["--config", name])).personal.authors == ("A",)
    Path("report.toml").write_text("")
    assert cli._report(cli.parser().parse_args([])).personal.authors == ()


@pytest.fixture
def read(parts):
    """What the command line says of whose report it is."""
    return lambda *arguments: cli._report(cli.parser().parse_args(arguments))


def test_options_go_before_report_toml(tmp_path, read):
    (tmp_path / "report.toml").write_text(
        'title = "Mine"\nauthors = ["A"]\nids = ["1"]\ncourse = "C"\ndate = "today"\npaper = "letter"\n'
    )
    Image.new("RGB", (40, 30)).save(tmp_path / "hero.png")
    config = ["--config", str(tmp_path / "report.toml")]
    plain = read(*config).personal
    assert (plain.title, plain.authors, plain.ids, plain.paper) == ("Mine", ("A",), ("1",), "letter")
    given = read(
        *config,
        *("--title", "Yours", "--subtitle", "S", "--author", "B", "--author", "C", "--id", "2", "--id", "3"),
        *(
            "--course",
            "D",
            "--date",
            "1 May",
            "--lang",
            "en",
            "--paper",
            "a4",
            "--hero",
            str(tmp_path / "hero.png"),
        ),
    ).personal
    assert (given.hero.width, given.hero.height) == (40, 30)
    assert replace(given, hero=None) == personal.Personal(
        "Yours", "S", ("B", "C"), ("2", "3"), "D", "1 May", "en", "a4"
    )


def test_report_toml_and_answers_are_found_where_one_stands(tmp_path, read, monkeypatch):
    assert read().personal == personal.Personal()
    assert read().answers is None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers").mkdir()
    assert read().answers == Path("answers")
    (tmp_path / "report.toml").write_text('title = "Mine"\n')
    assert read().personal.title == "Mine"
    other = tmp_path / "other"
    (other / "answers").mkdir(parents=True)
    (other / "report.toml").write_text('title = "Another"\n')
    assert read("--config", str(other / "report.toml")).personal.title == "Another"
    assert read("--config", str(other / "report.toml")).answers == other / "answers"
    assert read("--answers", str(other / "answers")).answers == other / "answers"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--config", "report.toml"], "report.toml"),
        (["--config", "none.toml"], "none.toml"),
        (["--lang", "xx"], "must be one of en"),
        (["--answers", "none"], "none is not a folder"),
        (["--hero", "none.png"], "none.png"),
    ],
)
def test_what_the_report_cannot_be_made_with_stops_before_anything_runs(
    tmp_path, parts, published, arguments, says, capsys
):
    Path("report.toml").write_text("colour = 3\n")
    if "--config" not in arguments:
        Path("report.toml").unlink()
    for more in ([], ["--report-only"]):
        assert cli.main([*arguments, *more, "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
    assert parts[0].runs == []
    assert published.calls == []
    assert not (tmp_path / "out").exists()


def test_a_bad_report_toml_costs_no_stored_result(tmp_path, parts, templates, capsys):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    Path("report.toml").write_text("title = 3\n")
    assert cli.main(["--report-only", "--out", str(tmp_path)]) == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_page_is_there_before_the_first_part_and_grows(tmp_path, parts, templates, capsys, monkeypatch):
    seen = []

    class Looking(FakePart):
        def run(self, settings, context):
            seen.append((tmp_path / "report.html").read_text())
            return super().run(settings, context)

    monkeypatch.setattr("tfviz.experiment.growing.SHARE", 1e9)
    monkeypatch.setattr(cli, "PARTS", (Looking(ID="good"), Looking(ID="bad")))
    assert cli.main(["--out", str(tmp_path)]) == 0
    first, second = seen
    assert BEING_COMPUTED in first
    assert NOT_YET in first
    assert "It is" not in first
    assert BEING_COMPUTED in second
    assert NOT_YET not in second
    assert "It is" in second
    last = (tmp_path / "report.html").read_text()
    assert BEING_COMPUTED not in last
    printed = capsys.readouterr().out
    assert printed.index((tmp_path / "report.html").as_uri()) < printed.index("[1 of 2] good: running")
    assert "[2 of 2] bad: done in" in printed


def test_how_often_the_report_is_rendered(tmp_path, parts, published, monkeypatch):
    """Before the first part, after each that is not the last, and at the end; what is kept makes no page anew."""
    monkeypatch.setattr("tfviz.experiment.growing.SHARE", 1e9)
    cli.main(["--out", str(tmp_path)])
    assert published.calls == [
        {"asked_for": None, "pending": {"good": BEING_COMPUTED, "bad": NOT_YET}, "pdf": False, "exports": ()},
        {"asked_for": None, "pending": {"bad": BEING_COMPUTED}, "pdf": False, "exports": ()},
        {"asked_for": None, "redraw": False, "exports": []},
    ]
    published.calls.clear()
    cli.main(["--out", str(tmp_path), "--only", "good"])
    assert published.calls == [{"asked_for": ["good"], "redraw": False, "exports": []}]
    published.calls.clear()
    cli.main(["--out", str(tmp_path), "--report-only"])
    cli.main(["--out", str(tmp_path), "--report-only", "--only", "good", "--export", "markdown", "--force"])
    assert published.calls == [
        {"asked_for": [], "redraw": False, "exports": []},
        {"asked_for": ["good"], "redraw": True, "exports": ["markdown"]},
    ]


def test_the_time_that_is_left_is_that_of_what_will_be_computed(
    tmp_path, parts, published, capsys, monkeypatch
):
    asked = []

    def expected(chosen, stored, **how):
        asked.append(({part.ID for part in chosen}, set(stored), how))
        return {"good": 7200.0, "bad": 10_800.0}

    monkeypatch.setattr(cli, "expected", expected)
    cli.main(["--out", str(tmp_path)])
    assert "[1 of 2] good: running, about 5.0 h left" in capsys.readouterr().out
    cli.main(["--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "[1 of 2] good: unchanged, kept" in printed
    assert "[2 of 2] bad: running, about 3.0 h left" in printed
    cli.main(["--out", str(tmp_path), "--quick", "--only", "good"])
    both, full = {"good", "bad"}, {"quick": False, "train": False}
    assert asked == [
        (both, set(), full),
        (both, both, full),
        ({"good"}, {"good"}, {"quick": True, "train": False}),
    ]


def test_the_page_that_grows_speaks_the_report_s_language(tmp_path, parts, published, monkeypatch):
    used = []

    @contextmanager
    def use(code):
        used.append(code)
        monkeypatch.setattr(cli.language, "gettext", str.upper)
        yield
        monkeypatch.setattr(cli.language, "gettext", str)

    monkeypatch.setattr(cli.language, "load", used.append)
    monkeypatch.setattr(cli.language, "use", use)
    monkeypatch.setattr(personal, "load", lambda *_, **__: personal.Personal(language="he"))
    cli.main(["--out", str(tmp_path), "--only", "good"])
    assert published.calls[0]["pending"] == {"good": BEING_COMPUTED.upper()}
    assert used == ["he", "he"]


def test_a_page_that_fails_meanwhile_stops_nothing(tmp_path, parts, published, capsys):
    def answer(done, pending=None, **_):
        if pending:
            raise ValueError("no room")
        return done

    published.answer = answer
    assert cli.main(["--out", str(tmp_path), "--only", "good"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("cannot be rendered yet (ValueError: no room)") == 1
    assert "can be opened now" not in printed
    assert "good                 nothing to compare" in printed


def test_interrupted_renders_what_is_there(tmp_path, parts, templates, pdf, capsys):
    parts[1].error = KeyboardInterrupt()
    assert cli.main(["--out", str(tmp_path)]) == 130
    printed = capsys.readouterr()
    assert "Stopped: rendering what there is." in printed.err
    assert f"1 of 2 parts are done. To go on: python -m tfviz --out {tmp_path}\n" in printed.out
    html = (tmp_path / "report.html").read_text()
    assert "It is" in html
    assert BEING_COMPUTED not in html
    assert STOPPED in html
    assert "Nothing is shown in its place" not in html
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "report.pdf").as_uri() in printed.out
    assert Store(tmp_path).load("good").status == "done"
    assert not (tmp_path / "results" / "bad.json").exists()


def test_interrupted_before_anything_was_done_leaves_no_page_of_what_will_not_come(
    tmp_path, parts, templates, capsys
):
    parts[0].error = KeyboardInterrupt()
    assert cli.main(["--out", str(tmp_path)]) == 130
    assert "0 of 2 parts are done" in capsys.readouterr().out
    assert not (tmp_path / "report.html").exists()


def test_interrupted_twice_leaves_the_pdf_out_and_a_page_that_says_so(
    tmp_path, parts, templates, capsys, monkeypatch
):
    def interrupted(out, page):
        raise KeyboardInterrupt

    parts[1].error = KeyboardInterrupt()
    (tmp_path / "report.pdf").write_bytes(b"of another rendering")
    monkeypatch.setattr(report, "pdf", interrupted)
    assert cli.main(["--out", str(tmp_path)]) == 130
    printed = capsys.readouterr().out
    assert "report.pdf was another rendering's and is gone" in printed
    assert "1 of 2 parts are done. To go on:" in printed
    html = (tmp_path / "report.html").read_text()
    assert BEING_COMPUTED not in html
    assert STOPPED in html
    assert not (tmp_path / "report.pdf").exists()


def test_interrupted_again_while_the_page_is_rendered_only_leaves_the_pdf_out(
    tmp_path, parts, templates, monkeypatch
):
    rendered = []
    write_html = report.write_html

    def again(out, page):
        rendered.append(page)
        if STOPPED in page:
            os.kill(os.getpid(), signal.SIGINT)
        return write_html(out, page)

    parts[1].error = KeyboardInterrupt()
    monkeypatch.setattr(report, "write_html", again)
    assert cli.main(["--out", str(tmp_path)]) == 130
    assert (tmp_path / "report.html").read_text() == rendered[-1]
    assert STOPPED in rendered[-1]
    assert not (tmp_path / "report.pdf").exists()
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_interrupted_while_the_report_is_rendered_leaves_a_whole_page(
    tmp_path, parts, templates, capsys, monkeypatch
):
    def interrupted(out, page):
        raise KeyboardInterrupt

    parts[1].error = None
    monkeypatch.setattr(report, "pdf", interrupted)
    assert cli.main(["--out", str(tmp_path)]) == 130
    html = (tmp_path / "report.html").read_text()
    assert BEING_COMPUTED not in html
    assert STOPPED not in html
    assert "2 of 2 parts are done. To go on:" in capsys.readouterr().out


def test_interrupted_before_the_run_is_one_line(tmp_path, parts, monkeypatch, capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_inputs", interrupted)
    assert cli.main(["--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == f"\nInterrupted. To go on: python -m tfviz --out {tmp_path}\n"


def test_interrupted_and_the_report_fails(tmp_path, parts, published, capsys):
    def answer(done, pending=None, **_):
        if pending != {"good": BEING_COMPUTED, "bad": NOT_YET}:
            raise BadFileError("x is gone.")
        (tmp_path / "report.html").write_text("it grows")
        return done

    parts[1].error, published.answer = KeyboardInterrupt(), answer
    assert cli.main(["--out", str(tmp_path)]) == 130
    assert "the report could not be rendered: x is gone." in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGHUP])
def test_terminated_is_interrupted(tmp_path, parts, published, capsys, monkeypatch, which):
    """Also where the terminal is closed."""

    class Killed(FakePart):
        def run(self, settings, context):
            os.kill(os.getpid(), which)
            return super().run(settings, context)

    monkeypatch.setattr(cli, "PARTS", (parts[0], Killed(ID="bad")))
    before = signal.getsignal(which)
    assert cli.main(["--out", str(tmp_path)]) == 130
    stopped = {"asked_for": ["good"], "pending": {"bad": STOPPED}}
    assert published.calls[-2:] == [
        {**stopped, "pdf": False, "exports": ()},
        {**stopped, "exports": []},
    ]
    assert signal.getsignal(which) == before
    assert "1 of 2 parts are done" in capsys.readouterr().out


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path, parts, published, monkeypatch):
    class HungUp(FakePart):
        def run(self, settings, context):
            os.kill(os.getpid(), signal.SIGHUP)
            return super().run(settings, context)

    monkeypatch.setattr(cli, "PARTS", (parts[0], HungUp(ID="bad")))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        cli.main(["--out", str(tmp_path)])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert {part: result.status for part, result in Store(tmp_path).load_all(["good", "bad"]).items()} == {
        "good": "done",
        "bad": "done",
    }


@pytest.fixture
def trained(monkeypatch, tmp_path_factory, published):
    """A part that asks for CIFAR-10, which is neither here nor to be had but from a replaced `fetch`."""
    part = FakePart(ID="cifar_cnn", INPUTS=("data_dir", "train"))
    monkeypatch.setattr(cli, "PARTS", (part, FakePart(ID="good")))
    monkeypatch.setattr(cifar10, "find", lambda data_dir=None: data_dir)
    part.asked = []

    def fetch(*, offline, progress, say):
        part.asked.append(offline)
        if offline:
            raise DataUnavailableError("CIFAR-10 is not to be had: downloads are forbidden (--offline).")
        return tmp_path_factory.mktemp("cache")

    monkeypatch.setattr(cifar10, "fetch", fetch)
    return part


def test_only_training_fetches_cifar10(tmp_path, trained, capsys):
    def run(*arguments):
        return cli.main([*arguments, "--out", str(tmp_path / "out")])

    assert run() == 0
    assert trained.asked == []
    assert trained.runs[-1].context.inputs.data_dir is None
    assert run("--train", "smoke") == 0
    assert trained.asked == [False]
    assert "cifar_cnn: running\n" in capsys.readouterr().out, "nobody knows how long"
    assert trained.runs[-1].context.inputs.train == "smoke"
    assert trained.runs[-1].context.inputs.data_dir.is_dir()
    count = len(trained.runs)
    assert run("--train", "smoke", "--offline") == 2
    assert len(trained.runs) == count
    assert "--offline" in capsys.readouterr().err
    assert run("--train", "smoke", "--data-dir", str(tmp_path)) == 0
    assert trained.asked == [False, True], "what was named is not fetched"
    assert trained.runs[-1].context.inputs.data_dir == tmp_path


def test_run_all_and_the_module_are_the_same_command(tmp_path):
    for command in (["run_all.py"], ["-m", "tfviz"]):
        done = subprocess.run(
            [sys.executable, *command, "--list"],
            capture_output=True,
            text=True,
            check=True,
            cwd=program.CHECKOUT,
        )
        assert done.stdout.splitlines()[0].split()[0] == PARTS[0].ID
        assert len(done.stdout.splitlines()) == len(PARTS)


def test_a_framework_that_is_not_known_is_refused_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "run_all.py", "--only", "conv1_units", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=program.CHECKOUT,
        env={**os.environ, "KERAS_BACKEND": "theano"},
    )
    assert done.returncode == 2
    assert "Keras is set to run on 'theano'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_framework_that_is_not_installed_stops_before_anything_runs(tmp_path, parts, capsys, monkeypatch):
    monkeypatch.setattr(backend, "name", lambda: "jax")
    monkeypatch.setattr(backend, "find_spec", lambda package: None if package == "jaxlib" else package)
    assert cli.main(["--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "jaxlib is not installed: pip install -r requirements-jax.txt" in error
    assert error.count("\n") == 1
    assert parts[0].runs == []
    assert not (tmp_path / "out").exists()


def test_parts_are_computed_on_several_processes_and_come_out_the_same(tmp_path, published, capsys):
    """The longest first; what is kept is said before."""
    names = ["narrow_network", "training_hardness"]
    few = ["--quick", "--offline", "--only", *names, "--out"]
    assert cli.main([*few, str(tmp_path / "one"), "--workers", "1"]) == 0
    capsys.readouterr()
    assert cli.main([*few, str(tmp_path / "two"), "--workers", "2"]) == 0
    printed = capsys.readouterr().out
    assert "Computed on 2 processes with " in printed
    of_names = [part for part in PARTS if part.ID in names]
    seconds = expected(of_names, {}, quick=True, train=False)
    longest, other = sorted(names, key=lambda name: seconds[name], reverse=True)
    assert f"[1 of 2] {longest}: done in" in printed
    assert f"[2 of 2] {other}: done in" in printed
    one, two = (Store(tmp_path / name).load_all(names) for name in ("one", "two"))
    for name in names:
        assert two[name].status == "done"
        assert two[name].numbers.keys() == one[name].numbers.keys()
        assert two[name].provenance["fingerprint"] == one[name].provenance["fingerprint"]
    found = [
        {name: number.value for name, number in each["narrow_network"].numbers.items() if number.unit != "s"}
        for each in (one, two)
    ]
    assert found[1] == pytest.approx(found[0], rel=1e-3, abs=1e-4)
    capsys.readouterr()
    assert cli.main([*few, str(tmp_path / "two"), "--workers", "2"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("unchanged, kept") == 2
    assert "Computed on" not in printed


def test_the_order_of_parts_that_are_computed_side_by_side():
    seconds = {"kept": 9.0, "c": 30.0, "quick": 4.0, "a": None, "b": 40.0, "quicker": 1.0}
    chosen = [SimpleNamespace(ID=name) for name in seconds]
    found = cli._in_turn(chosen, [name for name in seconds if name != "kept"], seconds)
    assert [part.ID for part in found] == ["kept", "a", "quicker", "quick", "b", "c"]
    assert cli._in_turn(chosen[:1], ["kept"], seconds) == chosen[:1]
    assert cli._in_turn(chosen[2:3], ["quick"], seconds) == chosen[2:3]


def test_how_many_parts_are_computed_at_a_time(tmp_path, parts, published, monkeypatch):
    monkeypatch.undo()
    none = {1: 1, 2: 2, 3: 3, 64: 3}
    for gpu, memory, counts in (
        (False, None, none),
        (True, 80 << 30, {1: 1, 4: 4, 64: 8}),
        (True, 12 << 30, {1: 1, 64: 3}),
        (True, 2 << 30, {64: 1}),
        (True, None, {64: 1}),
    ):
        monkeypatch.setattr(cli.machine, "has_gpu", lambda gpu=gpu: gpu)
        monkeypatch.setattr(cli.machine, "free_gpu_memory", lambda memory=memory: memory)
        for cores, count in counts.items():
            monkeypatch.setattr(cli.machine, "cores", lambda cores=cores: cores)
            assert cli._usual_workers(train=False) == count
            assert cli._usual_workers(train=True) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "0"], "--workers must be positive"),
        (["grade", "x", "--workers", "0"], "--workers must be positive"),
    ],
)
def test_workers_that_are_none(options, said, capsys):
    assert exit_status(options) == 2
    assert said in capsys.readouterr().err


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path, parts, published, capsys):
    pytest.importorskip("distributed")
    assert cli.main(["--scheduler", "tcp://127.0.0.1:1", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("tfviz: No Dask scheduler answers at tcp://127.0.0.1:1 (")
    assert said.count("\n") == 1
