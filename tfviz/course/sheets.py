"""What was graded as files: CSV, JSON, and those of Gradescope, Classroom 50, nbgrader and Canvas.

The formats, as they are published:

- CSV: RFC 4180, UTF-8; students.csv, which is for people, with the mark by which Excel knows that.
- Gradescope: results.json, https://gradescope-autograders.readthedocs.io/en/latest/specs/.
- Classroom 50, GitHub Classroom's successor: result.json, schemas/result-v1.schema.json and its wiki's Advanced
  Autograding in https://github.com/foundation50/classroom50.
- nbgrader: the columns of its CSV export, nbgrader/plugins/export.py in https://github.com/jupyter/nbgrader.
- Canvas: what its gradebook imports, lib/gradebook_importer.rb in https://github.com/instructure/canvas-lms.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfviz.course.rows import COLUMNS, MEASURED, Graded, Row, as_json, called
from tfviz.course.rubric import Rubric
from tfviz.course.twins import Twins, listed
from tfviz.files.atomic import write_json, write_text
from tfviz.parts import PARTS

ASSIGNMENT = "tfviz"
"""What the work is called in gradebooks, unless the teacher names it."""

_LINES = 40  # of a part that Gradescope shows
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # with these a spreadsheet's formula begins
_EXPORTED = re.compile(r"(?P<name>.+?)_(?:LATE_)?(?P<id>\d+)(?:_(?:\d+|assignsubmission)_.*)?")
"""A name in Canvas' or Moodle's export of submissions."""
_NBGRADER = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score"),
)
_UNKNOWN = "unknown"  # to Classroom 50's runner, which says who submitted what, nothing was said


def write(
    graded: Sequence[Graded], rubric: Rubric, twins: Sequence[Twins], out: Path, assignment: str = ASSIGNMENT
) -> list[Path]:
    """Write all of them; what is for one student goes into a folder of theirs below submissions/.

    Where there is one submission only, that lies in the output folder too: there an autograder looks.

    Args:
        graded: with points.
        rubric: by which they were given.
        twins: for grades.json; students never see them.
        out: the output folder.
        assignment: what the work is called.
    """
    texts = {
        "grades.csv": grades_csv(graded),
        "students.csv": "\ufeff" + students_csv(graded, rubric, twins),
        "nbgrader.csv": nbgrader_csv(graded, assignment),
        "canvas.csv": canvas_csv(graded, rubric, assignment),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    write_json(out / "grades.json", grades_json(graded, rubric, twins))
    paths = [out / name for name in (*texts, "grades.json")]
    for number, each in enumerate(graded, 1):
        for folder in (out / "submissions" / _folder(number, each.submission), *[out] * (len(graded) == 1)):
            write_json(folder / "results.json", gradescope(each, rubric))
            write_json(folder / "result.json", classroom50(each, rubric, os.environ))
            write_text(folder / "feedback.txt", feedback(each, rubric))
            paths += [folder / name for name in ("results.json", "result.json", "feedback.txt")]
    return paths


def grades_csv(graded: Sequence[Graded]) -> str:
    """The content of grades.csv: a row a submission and number, numbers to their last digit.

    Of what was not graded at all there is one, which says why.
    """
    rows = [row for each in graded for row in (each.rows if not each.refused else (_refused(each),))]
    return _csv([COLUMNS, *([getattr(row, name) for name in COLUMNS] for row in rows)])


def students_csv(graded: Sequence[Graded], rubric: Rubric, twins: Sequence[Twins]) -> str:
    """A row a submission: whose it is, points and counts of verdicts, what to look at, and the points of each part.

    The student's name and id are those that Canvas and Moodle put into a submission's name.
    """
    rows: list[dict[str, Any]] = []
    for each in graded:
        found = _EXPORTED.fullmatch(each.submission)
        points = points_by_part(each)
        rows.append(
            {
                "submission": each.submission,
                "student": found["name"] if found else each.submission,
                "id": found["id"] if found else "",
                "points": f"{each.points:.2f}",
                "out of": f"{rubric.out_of:.2f}",
                "unchecked": f"{each.unchecked:.2f}",
                **_verdicts(each),
                "as expected": sum(row.status == "pass" for row in each.rows),
                "not as expected": sum(row.status == "fail" for row in each.rows),
                "remark": "; ".join(_remarks(each, rubric, twins)),
                **{part: f"{points.get(part, 0.0):.2f}" for part in rubric.parts},
            }
        )
    return _csv([list(rows[0]) if rows else [], *(list(row.values()) for row in rows)])


def _remarks(graded: Graded, rubric: Rubric, twins: Sequence[Twins]) -> list[str]:
    found = [f"not graded: {graded.refused}"] if graded.refused else []
    found += [late] if (late := rubric.lateness(graded)) else []
    for each in twins:
        if each.certain and graded.submission in each.submissions:
            others = tuple(name for name in each.submissions if name != graded.submission)
            found.append(f"the same as {listed(others)} ({listed(each.parts)})")
    return found


def _refused(graded: Graded) -> Row:
    return Row(graded.submission, "", "", None, None, None, "cannot be measured", reason=graded.refused)


def grades_json(graded: Sequence[Graded], rubric: Rubric, twins: Sequence[Twins]) -> dict[str, Any]:
    """The content of grades.json: all but pictures and what they are compared by."""
    return {
        "submissions": [
            {
                key: value
                for key, value in as_json(replace(each, pictures=())).items()
                if key not in ("pictures", "signatures", "hashes", "runs")
            }
            | {"parts": points_by_part(each), "verdicts": _verdicts(each), "unchecked": each.unchecked}
            for each in graded
        ],
        "twins": [asdict(each) for each in twins],
        "out_of": rubric.out_of,
        "parts": {part: points.points for part, points in rubric.parts.items()},
    }


def points_by_part(graded: Graded) -> dict[str, float]:
    """Points by part, in the order of the report."""
    found: dict[str, list[float]] = {}
    for row in graded.rows:
        found.setdefault(row.part, []).append(row.points)
    return {part: round(math.fsum(points), 9) for part, points in found.items()}


def _verdicts(graded: Graded) -> dict[str, int]:
    return {verdict: sum(row.verdict == verdict for row in graded.rows) for verdict in MEASURED}


def gradescope(graded: Graded, rubric: Rubric) -> dict[str, Any]:
    """The content of Gradescope's results.json: a test for each part that gives points; text, never HTML.

    A student sees the points and what is not borne out or not as expected; of others' submissions nothing.
    """
    points = points_by_part(graded)
    return {
        "score": graded.points,
        "execution_time": math.ceil(graded.seconds),
        "output": f"Not graded: {graded.refused}"
        if graded.refused
        else "\n".join((f"{round(graded.points, 2):g} of {graded.out_of:g} points.", *graded.notes)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": _title(part),
                "number": str(number),
                "score": min(points.get(part, 0.0), of.points),
                "max_score": of.points,
                "status": "passed" if _whole(points.get(part, 0.0), of.points) else "failed",
                "output": _said([row for row in graded.rows if row.part == part], graded.refused),
                "output_format": "text",
                "visibility": "visible",
            }
            for number, (part, of) in enumerate(rubric.parts.items(), 1)
        ],
    }


def feedback(graded: Graded, rubric: Rubric) -> str:
    """The same as text, for a platform that takes files or a mail."""
    told = gradescope(graded, rubric)
    tests = [
        f"{test['name']}: {round(test['score'], 2):g} of {test['max_score']:g}\n{test['output']}\n"
        for test in told["tests"]
    ]
    return "\n".join((told["output"], "", *([] if graded.refused else tests)))


def classroom50(graded: Graded, rubric: Rubric, runner: Mapping[str, str]) -> dict[str, Any]:
    """The content of Classroom 50's result.json; its points are whole numbers, so these are hundredths of points.

    Args:
        graded: with points.
        rubric: by which they were given.
        runner: the environment variables by which Classroom 50's runner says whose submission it is; what it does not
            say is "unknown", and the time is that of grading.
    """
    points = points_by_part(graded)
    tests = []
    for part, of in rubric.parts.items():
        most = round(100 * of.points)
        tests.append(
            {
                "test-name": _title(part),
                "passed": _whole(points.get(part, 0.0), of.points),
                "score": min(round(100 * points.get(part, 0.0)), most),
                "max-score": most,
                "output": _said([row for row in graded.rows if row.part == part], graded.refused),
            }
        )
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    tag = runner.get("SUBMISSION_TAG", "")
    commit = runner.get("COMMIT_URL") or _UNKNOWN
    group = runner.get("ASSIGNMENT_TYPE") == "group"
    return {
        "schema": "classroom50/result/v1",
        "classroom": runner.get("CLASSROOM") or _UNKNOWN,
        "assignment": runner.get("ASSIGNMENT") or _UNKNOWN,
        "assignment_type": "group" if group else "individual",
        "owner": runner.get("OWNER") or runner.get("USERNAME") or _UNKNOWN,
        "submission": tag if tag.startswith("submit/") else f"submit/{_UNKNOWN}",
        "commit": commit,
        "release": runner.get("RELEASE_URL") or _UNKNOWN,
        "review": runner.get("REVIEW_URL") or commit,
        "datetime": now,
        "graded_at": now,
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }


def nbgrader_csv(graded: Sequence[Graded], assignment: str = ASSIGNMENT) -> str:
    """A gradebook in the columns of nbgrader's export; what the grader does not know is empty."""
    return _csv(
        [
            _NBGRADER,
            *(
                [assignment, "", "", each.submission, "", "", "", each.points, 0.0, each.points, each.out_of]
                for each in graded
            ),
        ]
    )


def canvas_csv(graded: Sequence[Graded], rubric: Rubric, assignment: str = ASSIGNMENT) -> str:
    """A gradebook that Canvas imports, with its own ids where the submissions' names are from its export.

    A student without an id is found by name; of one with several submissions the best counts. Points have two
    decimals, as Canvas shows them.
    """
    rows: list[Sequence[Any]] = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment],
        ["    Points Possible", "", "", "", "", f"{rubric.out_of:.2f}"],
    ]
    best: dict[tuple[str, str], float] = {}
    for each in graded:
        found = _EXPORTED.fullmatch(each.submission)
        student = (found["name"], found["id"]) if found else (each.submission, "")
        best[student] = max(best.get(student, 0.0), each.points)
    rows += [[*student, "", "", "", f"{points:.2f}"] for student, points in best.items()]
    return _csv(rows)


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([[cell(value) for value in row] for row in rows])
    return file.getvalue()


def cell(value: Any) -> Any:
    """What a cell of a CSV file holds; a text that a spreadsheet would take for a formula has a ' before it."""
    if isinstance(value, str) and unicodedata.normalize("NFKC", value[:1]).startswith(_FORMULA):
        return f"'{value}"
    return value


def _said(rows: Sequence[Row], refused: str) -> str:
    """What a student is told of a part: a line for each number, or numbers alike, that is not wholly right."""
    if refused:
        return "Not graded."
    if not rows:
        return "Nothing was handed in of it."
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.verdict == "not borne out" or row.theirs or row.status in ("fail", "missing"):
            what = row.status if row.verdict == "borne out" else row.verdict
            alike.setdefault((what, row.reason), []).append(row)
    lines = [
        ": ".join((called(each) or each[0].part, what, *[reason] * bool(reason)))
        for (what, reason), each in alike.items()
    ]
    borne, doubtful = (
        sum(row.verdict == verdict for row in rows) for verdict in ("borne out", "cannot be measured")
    )
    more = [f"{len(lines) - _LINES} more"] * (len(lines) > _LINES)
    return "\n".join((f"{borne} borne out, {doubtful} cannot be measured again.", *lines[:_LINES], *more))


def _title(part: str) -> str:
    return next((each.TITLE for each in PARTS if part == each.ID), part)


def _whole(points: float, of: float) -> bool:
    return points >= of - 1e-9


def _folder(number: int, name: str) -> str:
    """A folder's name that is one on every system, and of no other submission."""
    return f"{number:03d} " + re.sub(r"[^\w-]+", "_", name)[:60].strip("_")
