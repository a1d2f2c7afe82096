import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tfviz.course import rubric
from tfviz.course.rows import Graded, Row
from tfviz.errors import BadFileError
from tfviz.parts import PARTS

USUAL = rubric.load()

A, B = ("activation_channel_0", 62.038, 0.005, "published"), ("bound_channel_0", 62.0403, 0.0005, "reference")


def row(number="activation_channel_0", claimed=62.038, verdict="borne out", status="pass", **more):
    """A row of conv1_units; of published kind, weight 8."""
    about = {A[0]: A, B[0]: B}.get(number)
    expected = (
        dict(zip(("expected", "tolerance", "kind"), about[1:], strict=True)) if about else {"expected": None}
    )
    return Row(
        "Dana",
        "conv1_units",
        number,
        claimed,
        None,
        **{**expected, "verdict": verdict, "status": status, **more},
    )


def points(of, *rows, **graded):
    return of.apply(Graded("Dana", rows, **graded))


def written(tmp_path, text):
    path = tmp_path / "rubric.toml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(tmp_path, text):
    return rubric.load(written(tmp_path, text))


def test_the_usual_one_sums_to_100_over_all_parts():
    assert list(USUAL.parts) == [part.ID for part in PARTS]
    assert math.fsum(part.points for part in USUAL.parts.values()) == USUAL.out_of == 100
    weights = USUAL.weights
    assert weights["published"] > weights["published theory"] > weights["reference"] > weights["own bound"]


def test_a_part_is_shared_out_by_kind_and_what_is_not_expected_weighs_as_one(tmp_path):
    of = loaded(tmp_path, "[weights]\npublished = 3\nreference = 2\nother = 1\n[parts]\nconv1_units = 12\n")
    rows = (row(), row("bound_channel_0", 62.04), row("x", 1.0, status=""), row("y", 2.0, status=""))
    assert [each.points for each in points(of, *rows).rows] == [6, 4, 1, 1]
    assert points(of, *rows).points == points(of, *rows).out_of == 12
    assert [each.points for each in points(of, *rows[:2]).rows] == [6, 4]  # leaving out gains nothing


@pytest.mark.parametrize(
    ("change", "share", "reason"),
    [
        ({}, 1, ""),
        ({"verdict": "not borne out", "reason": "far off"}, 0, "far off"),
        ({"verdict": "cannot be measured", "reason": "a duration"}, 0.75, "a duration; not measured again: 75% of"),
        ({"status": "fail", "claimed": 62.02}, 0, "not as expected: 0% of"),
        ({"status": "fail", "claimed": 62.0381}, 0.5, "as expected, but not in every repeat: 50% of"),
        ({"verdict": "cannot be measured", "theirs": True, "reason": "own settings"}, 0, "own settings"),
        ({"status": "fail", "claimed": 62.0285}, 0.5, "not as expected: 50% of"),
        ({"status": "not comparable", "claimed": 3.0}, 0.9, "not comparable: 90% of"),
        ({"status": "missing", "claimed": None, "verdict": "cannot be measured"}, 0, ""),
        ({"status": "not comparable", "verdict": "cannot be measured"}, 0.675, "not comparable: 90% of the points; n"),
    ],
)  # fmt: skip
def test_the_share_of_one_number_and_why(tmp_path, change, share, reason):
    shares = "unmeasured = 0.75\nnot_comparable = 0.9\nnear = [[2, 0.5]]\n"
    text = f"{shares}[weights]\nother = 0\n[parts]\nconv1_units = 10\n"
    (graded,) = points(loaded(tmp_path, text), row(**change)).rows
    assert graded.points == pytest.approx(10 * share)
    assert graded.reason.startswith(reason)
    assert bool(graded.reason) == bool(reason)


@pytest.mark.parametrize(
    ("comparison", "claimed", "share"),
    [
        ("at least", 0.96, 0.5),
        ("at least", 0.89, 0),
        ("at most", 1.2, 0),
        ("equal", 0.9, 0.5),
        ("equal", 0.97, 0.5),
    ],
)
def test_ranges_of_one_number(tmp_path, comparison, claimed, share):
    text = (
        "near = []\n[weights]\nother = 0\n[parts.conv1_units]\npoints = 5\n"
        "numbers.activation_channel_0 = { points = 4, ranges = [[0.9, 0.97, 0.5]] }\n"
    )
    shown = row(claimed=claimed, status="fail", comparison=comparison, expected=1.0, tolerance=0.0)
    assert points(loaded(tmp_path, text), shown).rows[0].points == 4 * share


@pytest.mark.parametrize(
    ("comparison", "claimed", "share"),
    [
        ("equal", 0.8125, 0.5),
        ("equal", 1.1875, 0.5),
        ("equal", 1.3125, 0),
        ("at least", 0.8125, 0.5),
        ("at least", 0.6875, 0),
        ("at most", 1.1875, 0.5),
        ("at most", 1.3125, 0),
    ],
)
def test_what_is_near_is_measured_from_the_expected_value_to_the_wrong_side(
    tmp_path, comparison, claimed, share
):
    of = loaded(tmp_path, "near = [[2, 0.5]]\n[weights]\nother = 0\n[parts.conv1_units]\nnumbers.n = 4\n")
    shown = row("n", claimed, status="fail", comparison=comparison, expected=1.0, tolerance=0.125)
    (graded,) = points(of, shown).rows
    assert graded.points == 4 * share
    assert graded.reason == f"not as expected: {share:.0%} of the points"


def test_of_several_ranges_the_best_share_counts(tmp_path):
    text = (
        "near = [[9, 0.25]]\n[weights]\nother = 0\n[parts.conv1_units]\npoints = 5\n"
        "numbers.n = { points = 4, ranges = [[0.0, 0.9, 0.5], [0.0, 0.5, 0.75]] }\n"
    )
    shown = row("n", 0.5, status="fail", expected=1.0, tolerance=0.125)
    assert points(loaded(tmp_path, text), shown).rows[0].points == 3


def test_a_number_that_the_rubric_names_has_a_row_where_it_was_not_handed_in(tmp_path):
    of = loaded(tmp_path, "[weights]\nother = 0\n[parts.conv1_units]\npoints = 5\nnumbers.lost = 2\n")
    first, lost = points(of, row()).rows
    assert (first.points, lost.number, lost.points, lost.claimed) == (3, "lost", 0, None)
    assert lost.reason == "no such number was handed in"
    assert points(of, row()).out_of == 5


def test_what_the_rubric_does_not_name_gives_nothing(tmp_path):
    of = loaded(tmp_path, "[parts]\nnormalization = 3\n")
    assert points(of, row(verdict="cannot be measured", reason="x")).rows[0] == row(
        verdict="cannot be measured", reason="x"
    )


def test_late_is_what_canvas_marks_and_what_was_computed_after_the_deadline(tmp_path):
    text = "deadline = 2026-11-26T10:00:00+02:00\n[weights]\nother = 0\n[parts]\nconv1_units = 4\n"
    of = loaded(tmp_path, text)
    runs = {name: {"conv1_units": {"started": started}} for name, started in (
        ("in time", "2026-11-26T07:59:59+00:00"), ("late", "2026-11-26T08:00:01+00:00"), ("odd", "yesterday"),
        ("no zone", "2026-11-27T08:00:01"))}  # fmt: skip
    assert {name: points(of, row(), runs=run).points for name, run in runs.items()} == {
        "in time": 4, "late": 0, "odd": 4, "no zone": 4}  # fmt: skip
    late = points(of, row(), runs=runs["late"])
    assert late.rows[0].reason == "late, computed 2026-11-26 08:00:01+00:00: no points" == late.notes[0]
    graded = replace(of, late=0.25).apply(Graded("dana_LATE_123_456_work", (row(),)))
    assert (graded.points, graded.rows[0].reason) == (1, "late, as Canvas marks it: 25% of the points")
    assert of.deadline == datetime(2026, 11, 26, 8, tzinfo=UTC)


def test_what_was_not_graded_gives_nothing():
    graded = USUAL.apply(Graded("Dana", refused="a zip bomb"))
    assert (graded.points, graded.out_of, graded.rows) == (0, 100, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "parts is missing"),
        ("[parts]\n", "parts gives no points"),
        ("parts = 3\n", "parts must be a table, not 3"),
        ("[parts]\nconv1_units = -1\n", "parts.conv1_units must be from 0 to 1e+06, not -1"),
        ("[parts]\nconv1_units = nan\n", "parts.conv1_units must be a finite number, not nan"),
        ("[parts]\nconv1_units = inf\n", "parts.conv1_units must be a finite number, not inf"),
        ("[parts]\nconv1_units = true\n", "parts.conv1_units must be a number, not true"),
        ('[parts]\nconv1_units = "10"\n', "parts.conv1_units must be a number, not '10'"),
        ("[parts]\nconv1_unit = 1\n", "parts.conv1_unit is no key of a rubric; did you mean conv1_units?"),
        ("late_ = 1\n[parts]\nconv1_units = 1\n", "late_ is no key of a rubric; did you mean late?"),
        ("late = 1.5\n[parts]\nconv1_units = 1\n", "late must be from 0 to 1, not 1.5"),
        ("near = [[1, 2, 3]]\n[parts]\nconv1_units = 1\n", "near must be a list of lists of 2 numbers"),
        ("near = [[1, 2]]\n[parts]\nconv1_units = 1\n", "near must be from 0 to 1, not 2"),
        ("[weights]\npublishd = 1\n[parts]\nconv1_units = 1\n", "weights.publishd is no key of a rubric"),
        ("[parts.conv1_units]\npoints = 1\nnumbers.a = 2\n", "has numbers with 2 points together, more than its own 1"),
        ("[parts.conv1_units]\nnumbers.a = { ranges = [] }\n", "parts.conv1_units.numbers.a lacks points"),
        ("[parts.conv1_units]\nnumbers.a = { points = 1, ranges = [[2, 1, 0.5]] }\n", "the lower end goes first"),
        ("deadline = 2026-12-01T10:00:00\n[parts]\nconv1_units = 1\n", "deadline must be a time with its zone"),
        ("x = [\n", "is not TOML"),
        ("x = " + 4000 * "[" + "\n", "nested too deeply"),
        ("x = '\x1b[31m'", "is not TOML"),
        ("#" + 70000 * "x", "larger than 64 kB"),
    ],
)  # fmt: skip
def test_what_a_rubric_cannot_be_is_said_in_a_line_with_file_and_key(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(BadFileError) as error:
        rubric.load(path)
    line = str(error.value)
    assert said in line
    assert str(path) in line
    assert line.isprintable()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadFileError, match=r"none\.toml"):
        rubric.load(tmp_path / "none.toml")


def test_what_a_rubric_does_not_say_is_as_usual(tmp_path):
    of = loaded(tmp_path, "[parts]\nconv1_units = 1\n")
    assert (of.near, of.unmeasured, of.late, of.weights) == (
        USUAL.near,
        USUAL.unmeasured,
        USUAL.late,
        USUAL.weights,
    )
