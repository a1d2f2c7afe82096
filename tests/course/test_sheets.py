import csv
import io
import json
import re

import pytest

from tfviz.course import rubric, sheets
from tfviz.course.rows import COLUMNS, Graded, Row
from tfviz.course.twins import Twins
from tfviz.parts import PARTS

USUAL = rubric.load()
HEBREW = "דנה לוי"


def row(part="conv1_units", number="activation_channel_0", claimed=62.038, **more):
    about = {
        "submission": "Dana", "measured": 62.0385, "expected": 62.038, "verdict": "borne out", "status": "pass",
        "tolerance": 0.005,
    }  # fmt: skip
    return Row(part=part, number=number, claimed=claimed, **{**about, **more})


FORGED = row(
    claimed=1 / 3, measured=62.0, verdict="not borne out", status="fail", reason="claimed 0.3, measured 62"
)
OTHER = row(
    number="seconds", expected=None, measured=None, verdict="cannot be measured", status="", reason="a time"
)
DANA = USUAL.apply(Graded("Dana", (row(), OTHER), notes=("conv1_units: quick settings",), seconds=3.2))
LEVI = USUAL.apply(Graded("Levi", (FORGED, OTHER)).named(HEBREW))
REFUSED = USUAL.apply(Graded("levicohen_123_456_work.zip", refused="a zip bomb"))
TWINS = (Twins(("Dana", HEBREW), ("conv1_units",), True, "one run"),)


def read(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_a_number_with_these_columns_and_every_digit():
    text = sheets.grades_csv([DANA, LEVI, REFUSED])
    assert text.splitlines()[0] == "submission,part,number,claimed,measured,expected,verdict,points,reason"
    assert text.count("\r\n") == 6
    first, second, third, _, refused = read(text)
    assert tuple(first) == COLUMNS
    assert float(third["claimed"]) == 1 / 3
    assert (second["measured"], second["expected"], second["verdict"]) == ("", "", "cannot be measured")
    assert (third["verdict"], third["points"]) == ("not borne out", "0.0")
    assert [refused[name] for name in ("part", "number", "claimed", "verdict", "points", "reason")] == [
        "", "", "", "cannot be measured", "0.0", "a zip bomb"]  # fmt: skip


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "＠"])
def test_no_text_is_a_formula_and_a_number_stays_one(start):
    shown = row(submission=f"{start}1+1", reason=f'{start}cmd,"x"', claimed=-0.5)
    (found,) = read(sheets.grades_csv([Graded("", (shown,))]))
    assert found["submission"] == f"'{start}1+1"
    assert found["reason"] == f'\'{start}cmd,"x"'
    assert found["claimed"] == "-0.5"


def validated(found):
    """results.json by Gradescope's specification: keys, types and values that there are."""
    formats, visible = {"text", "html", "simple_format", "md", "ansi"}, {
        "hidden", "after_due_date", "after_published", "visible"}  # fmt: skip
    kinds = {
        "score": (int, float), "execution_time": int, "output": str, "output_format": formats,
        "test_output_format": formats, "test_name_format": formats, "visibility": visible,
        "stdout_visibility": visible, "extra_data": dict, "tests": list, "leaderboard": list,
        "max_score": (int, float), "status": {"passed", "failed"}, "name": str, "name_format": formats, "number": str,
        "tags": list,
    }  # fmt: skip
    top = {"score", "execution_time", "output", "output_format", "test_output_format", "test_name_format", "visibility",
           "stdout_visibility", "extra_data", "tests", "leaderboard"}  # fmt: skip
    each = {"score", "max_score", "status", "name", "name_format", "number", "output", "output_format", "tags",
            "visibility", "extra_data"}  # fmt: skip
    for keys, values in ((top, found), *((each, test) for test in found["tests"])):
        assert set(values) <= keys
        for key, value in values.items():
            allowed = kinds[key]
            assert value in allowed if isinstance(allowed, set) else isinstance(value, allowed), key
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def test_gradescope_has_a_test_a_part_and_text():
    found = validated(sheets.gradescope(LEVI, USUAL))
    assert [test["name"] for test in found["tests"]] == [part.TITLE for part in PARTS]
    assert sum(test["max_score"] for test in found["tests"]) == 100
    test = found["tests"][[part.ID for part in PARTS].index("conv1_units")]
    assert test["output"] == (
        "0 borne out, 1 cannot be measured again.\n"
        "activation_channel_0: not borne out: claimed 0.3, measured 62"
    )
    assert (test["status"], test["max_score"], found["stdout_visibility"]) == ("failed", 13, "hidden")
    assert test["score"] == pytest.approx(LEVI.points)
    assert found["score"] == LEVI.points
    assert "Dana" not in json.dumps(found)


def test_gradescope_is_told_what_the_hand_in_kept_from_being_measured():
    own = row(
        verdict="cannot be measured", theirs=True, status="", expected=None, reason="settings of their own"
    )
    found = sheets.gradescope(USUAL.apply(Graded("Dana", (own, OTHER))), USUAL)
    outputs = [test["output"] for test in found["tests"] if "their own" in test["output"]]
    assert outputs == [
        "0 borne out, 2 cannot be measured again.\n"
        "activation_channel_0: cannot be measured: settings of their own"
    ]


def test_of_a_part_forty_lines_are_told():
    rows = tuple(
        row(number=f"n{count}", verdict="not borne out", reason=f"far off {count}") for count in range(50)
    )
    found = sheets.gradescope(USUAL.apply(Graded("Dana", rows)), USUAL)
    (output,) = (test["output"] for test in found["tests"] if "far off" in test["output"])
    first, *lines, last = output.split("\n")
    assert first == "0 borne out, 0 cannot be measured again."
    assert lines == [f"n{count}: not borne out: far off {count}" for count in range(40)]
    assert last == "10 more"


def test_numbers_of_which_the_same_is_said_share_a_line_and_a_part_without_any_has_one():
    rows = (
        FORGED,
        *(row(number=f"n{count}", verdict="not borne out", reason="no array") for count in range(50)),
    )
    found = sheets.gradescope(USUAL.apply(Graded("Dana", rows)), USUAL)
    outputs = {test["name"]: test["output"] for test in found["tests"]}
    titles = {part.ID: part.TITLE for part in PARTS}
    assert outputs[titles["conv1_units"]].split("\n")[1:] == [
        "activation_channel_0: not borne out: claimed 0.3, measured 62",
        "50 numbers (n0, ...): not borne out: no array",
    ]
    assert outputs[titles["normalization"]] == "Nothing was handed in of it."


def test_feedback_is_what_gradescope_shows_as_text():
    text = sheets.feedback(LEVI, USUAL)
    assert text.startswith("6.5 of 100 points.\n\nA plain network trained on CIFAR-10: 0 of 6\nNothing was")
    assert (
        "What a first-layer unit likes best: 6.5 of 13\n0 borne out, 1 cannot be measured again.\n"
        "activation_channel_0: not borne out: claimed 0.3, measured 62\n"
    ) in text
    assert "Dana" not in text
    assert sheets.feedback(REFUSED, USUAL) == "Not graded: a zip bomb\n"


def test_gradescope_is_told_why_nothing_was_graded():
    found = validated(sheets.gradescope(REFUSED, USUAL))
    assert (found["score"], found["output"]) == (0, "Not graded: a zip bomb")
    assert {test["score"] for test in found["tests"]} == {0}


RUNNER = {
    "CLASSROOM": "vision", "ASSIGNMENT": "report", "ASSIGNMENT_TYPE": "individual", "OWNER": "dana",
    "SUBMISSION_TAG": "submit/2026-11-26T10-00-00Z-a1b2c3d", "COMMIT_URL": "https://example.org/c",
    "RELEASE_URL": "https://example.org/r", "REVIEW_URL": "https://example.org/v",
}  # fmt: skip
TIME = r"^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$"
SCHEMA = {  # the rules of classroom50/result/v1
    "type": "object",
    "additionalProperties": False,
    "required": ["schema", "classroom", "assignment", "assignment_type", "owner", "submission", "commit", "release",
                 "review", "datetime", "score", "max-score", "tests"],
    "properties": {
        "schema": {"const": "classroom50/result/v1"},
        **{key: {"type": "string", "minLength": 1}
           for key in ("classroom", "assignment", "owner", "commit", "release", "review")},
        "assignment_type": {"enum": ["individual", "group"]},
        "submission": {"type": "string", "pattern": "^submit/"},
        "datetime": {"type": "string", "pattern": TIME},
        "graded_at": {"type": "string", "pattern": TIME},
        "score": {"type": "integer", "minimum": 0},
        "max-score": {"type": "integer", "minimum": 0},
        "tests": {"type": "array", "items": {
            "type": "object", "required": ["test-name", "passed", "score", "max-score"],
            "properties": {"test-name": {"type": "string", "minLength": 1}, "passed": {"type": "boolean"},
                           "score": {"type": "integer", "minimum": 0}, "max-score": {"type": "integer", "minimum": 0}},
        }},
    },
}  # fmt: skip


@pytest.mark.parametrize("runner", [RUNNER, {}], ids=["in the runner", "elsewhere"])
@pytest.mark.parametrize("graded", [DANA, LEVI, REFUSED], ids=["Dana", "Levi", "refused"])
def test_classroom_50_gets_whole_hundredths_by_its_schema(graded, runner):
    jsonschema = pytest.importorskip("jsonschema")
    found = sheets.classroom50(graded, USUAL, runner)
    jsonschema.validate(found, SCHEMA)
    assert (
        found["score"]
        == sum(test["score"] for test in found["tests"])
        == pytest.approx(100 * graded.points, abs=8)
    )
    assert found["max-score"] == 10_000
    assert all(test["score"] <= test["max-score"] for test in found["tests"])
    assert found["owner"] == runner.get("OWNER", "unknown")
    assert found["submission"] == runner.get("SUBMISSION_TAG", "submit/unknown")


def test_nbgrader_has_the_columns_of_its_export():
    text = sheets.nbgrader_csv([DANA, LEVI])
    assert text.splitlines()[0] == (
        "assignment,duedate,timestamp,student_id,last_name,first_name,email,raw_score,late_submission_penalty,score,"
        "max_score"
    )
    assert [each["student_id"] for each in read(text)] == ["Dana", HEBREW]
    assert float(read(text)[0]["score"]) == DANA.points


def test_canvas_finds_students_by_its_ids_or_by_name():
    header, possible, *students = csv.reader(
        io.StringIO(sheets.canvas_csv([DANA, LEVI, REFUSED], USUAL, "Report"))
    )
    # What its importer asks of the first two rows.
    assert "Student" in header[0]
    assert "ID" in header[1]
    assert re.search(r"SIS\s+User\s+ID", header[2])
    assert re.search(r"SIS\s+Login\s+ID", header[3])
    assert header[4:] == ["Section", "Report"]
    assert "Points Possible" in possible[0]
    assert possible[5] == "100.00"
    assert [each[:2] for each in students] == [["Dana", ""], [HEBREW, ""], ["levicohen", "123"]]
    assert students[0][5] == f"{DANA.points:.2f}"
    late = sheets.canvas_csv([Graded("levicohen_LATE_123")], USUAL)
    assert late.splitlines()[2].startswith("levicohen,123,")


def test_canvas_gets_one_row_a_student():
    several = [
        Graded("levi_12_3_a", points=3.0),
        Graded("levi_LATE_12_4_b", points=5.0),
        Graded("cohen_13_5_c"),
    ]
    students = list(csv.reader(io.StringIO(sheets.canvas_csv(several, USUAL))))[2:]
    assert [(each[0], each[1], each[5]) for each in students] == [
        ("levi", "12", "5.00"),
        ("cohen", "13", "0.00"),
    ]


def test_a_row_a_student_with_what_to_look_at():
    moodle = USUAL.apply(Graded("Zoë Roe_77_assignsubmission_file_", (row(), OTHER)))
    late = Graded("cohen_LATE_12_3_work", (row(),))
    text = sheets.students_csv([DANA, LEVI, REFUSED, moodle, late], USUAL, TWINS)
    dana, levi, refused, zoe, cohen = read(text)
    assert list(dana) == [
        *("submission", "student", "id", "points", "out of", "unchecked"),
        *("borne out", "not borne out", "cannot be measured", "as expected", "not as expected", "remark"),
        *(part.ID for part in PARTS),
    ]
    assert (zoe["submission"], zoe["student"], zoe["id"]) == (moodle.submission, "Zoë Roe", "77")
    assert (cohen["student"], cohen["id"], cohen["remark"][:5]) == ("cohen", "12", "late,")
    assert (dana["student"], dana["id"], dana["out of"]) == ("Dana", "", "100.00")
    given = [each.points for each in DANA.rows]
    assert given == [6.5, 6.5]
    assert (dana["points"], dana["unchecked"]) == ("13.00", "6.50")
    assert (dana["conv1_units"], dana["class_image"]) == (dana["points"], "0.00")
    assert [levi[name] for name in list(levi)[6:11]] == ["0", "1", "1", "0", "1"]
    assert dana["remark"] == f"the same as {HEBREW} (conv1_units)"
    assert levi["remark"] == "the same as Dana (conv1_units)"
    assert refused["remark"] == "not graded: a zip bomb"


def test_excel_is_told_that_names_are_in_utf_8(tmp_path):
    sheets.write([LEVI], USUAL, (), tmp_path)
    assert (tmp_path / "students.csv").read_bytes().startswith(b"\xef\xbb\xbfsubmission,")
    assert (tmp_path / "grades.csv").read_bytes().startswith(b"submission,")  # programs read it


def test_all_files_are_written_and_hold_no_pictures(tmp_path):
    graded = [DANA, LEVI, Graded("a/../b\\c:*?" + 200 * "x")]
    paths = sheets.write(graded, USUAL, TWINS, tmp_path)
    assert all(path.is_file() for path in paths)
    assert {path.name for path in tmp_path.iterdir()} == {
        "grades.csv", "students.csv", "grades.json", "nbgrader.csv", "canvas.csv", "submissions"}  # fmt: skip
    folders = sorted(path.name for path in (tmp_path / "submissions").iterdir())
    assert folders[:2] == ["001 Dana", "002 דנה_לוי"]
    assert re.fullmatch(r"003 a_b_c_x+", folders[2])
    written = json.loads((tmp_path / "grades.json").read_text(encoding="utf-8"))
    assert written["twins"][0]["what"] == "one run"
    assert [each["submission"] for each in written["submissions"]][:2] == ["Dana", HEBREW]
    assert written["submissions"][0]["parts"] == {"conv1_units": pytest.approx(DANA.points)}
    assert written["submissions"][1]["verdicts"]["not borne out"] == 1
    assert not {"pictures", "signatures", "hashes", "runs"} & set(written["submissions"][0])
    assert HEBREW in (tmp_path / "grades.csv").read_bytes().decode("utf-8")


def test_one_submission_alone_has_its_results_where_an_autograder_looks(tmp_path):
    sheets.write([DANA], USUAL, (), tmp_path)
    for name in ("results.json", "result.json", "feedback.txt"):
        assert (tmp_path / name).read_text() == (tmp_path / "submissions" / "001 Dana" / name).read_text()
