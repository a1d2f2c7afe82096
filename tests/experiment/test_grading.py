import csv
import io
from dataclasses import fields, replace

import pytest

from tfviz.experiment.grading import (
    KINDS,
    Expected,
    Verdict,
    as_csv,
    as_json,
    by_kind,
    grade,
    grade_all,
    summary,
)
from tfviz.experiment.part import Number
from tfviz.experiment.store import PartResult
from tfviz.parts import PARTS

ALEXNET = ("alexnet", "alexnet_features")


def result(value, network="alexnet"):
    return PartResult("p", "done", {"n": Number(value, "", network)})


@pytest.mark.parametrize(
    ("comparison", "measured", "status"),
    [
        ("equal", 10.0, "pass"),
        ("equal", 10.5, "pass"),
        ("equal", 9.5, "pass"),
        ("equal", 10.51, "fail"),
        ("equal", 9.49, "fail"),
        ("at least", 99.0, "pass"),
        ("at least", 9.5, "pass"),
        ("at least", 9.4, "fail"),
        ("at most", -99.0, "pass"),
        ("at most", 10.6, "fail"),
    ],
)
def test_tolerance_counts_on_the_wrong_side(comparison, measured, status):
    expected = Expected("n", 10.0, 0.5, "published", "track B", ALEXNET, comparison)
    assert grade("p", expected, result(measured)).status == status


def test_another_network_is_not_comparable_however_right_the_number():
    expected = Expected("n", 10.0, 0.5, "published", "track B", ALEXNET)
    verdict = grade("p", expected, result(10.0, "squeezenet"))
    assert (verdict.status, verdict.measured, verdict.network) == ("not comparable", 10.0, "squeezenet")
    assert grade("p", expected, result(10.0, "alexnet_features")).status == "pass"
    assert grade("p", expected, result(10.0, None)).status == "not comparable"


def test_what_can_never_be_compared_says_why_on_its_own_network_too():
    expected = Expected(
        "n", 10.0, 0.5, "published", "track A", ALEXNET, not_comparable="their photograph is lost"
    )
    verdict = grade("p", expected, result(10.0))
    assert (verdict.status, verdict.measured, verdict.reason) == (
        "not comparable",
        10.0,
        "their photograph is lost",
    )
    assert grade("p", expected, None).status == "missing"


def test_what_was_not_measured_is_missing_with_its_reason():
    expected = Expected("n", 10.0, 0.5, "published", "track B")
    assert grade("p", expected, None).status == "missing"
    assert grade("p", expected, PartResult("p", "done")).reason == "not measured"
    failed = grade("p", expected, PartResult("p", "failed", reason="the disk burned"))
    assert (failed.status, failed.measured, failed.reason) == ("missing", None, "the disk burned")


def test_the_file_is_the_contract():
    expectations = {
        "p": [Expected("n", 10.0, 0.5, "published", "track B")],
        "q": [Expected("m", 1, 0, "reference", "x")],
    }
    verdicts = grade_all(expectations, {"p": result(11.0)})
    assert summary(verdicts) == {"pass": 0, "fail": 1, "missing": 1, "not comparable": 0}
    first = as_json(verdicts)["verdicts"][0]
    keys = ("part", "number", "expected", "measured", "tolerance", "kind", "source", "status")
    assert {key: first[key] for key in keys} == {
        "part": "p",
        "number": "n",
        "expected": 10.0,
        "measured": 11.0,
        "tolerance": 0.5,
        "kind": "published",
        "source": "track B",
        "status": "fail",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("comparison", "spread", "status"),
    [
        ("at most", (8.0, 10.4), "pass"),
        ("at most", (8.0, 10.6), "fail"),
        ("at least", (9.6, 12.0), "pass"),
        ("at least", (9.4, 12.0), "fail"),
        ("equal", (9.6, 10.4), "pass"),
        ("equal", (9.4, 10.0), "fail"),
    ],
)
def test_of_repeats_the_worst_counts(comparison, spread, status):
    repeated = PartResult("p", "done", {"n": Number(10.0, "", "alexnet", spread, 3)})
    verdict = grade("p", Expected("n", 10.0, 0.5, "own bound", "x", (), comparison), repeated)
    assert (verdict.status, verdict.measured, verdict.spread, verdict.repeats) == (status, 10.0, spread, 3)


def test_a_spread_holds_its_value():
    assert Number(1.0, spread=[0.5, 1.5], repeats=2).spread == (0.5, 1.5)
    for spread in ((1.1, 2.0), (0.0, float("nan"))):
        with pytest.raises(ValueError, match=r"lie within|finite"):
            Number(1.0, spread=spread)


def test_verdicts_are_counted_by_kind():
    expectations = {"p": [Expected("n", 10.0, 0.5, kind, "x") for kind in KINDS]}
    counts = by_kind(grade_all(expectations, {"p": result(10.0)}))
    assert list(counts) == ["published", "published theory", "reference", "own bound"]
    assert all(
        count == {"pass": 1, "fail": 0, "missing": 0, "not comparable": 0} for count in counts.values()
    )


def test_a_bound_that_the_project_set_is_called_so():
    """A one-sided value is published or the project's own; of references only rounding errors have bounds."""
    for part in PARTS:
        for expected in part.EXPECTED:
            assert expected.kind in KINDS
            if expected.comparison != "equal" and expected.kind == "reference":
                assert expected.value <= 1e-5, f"{part.ID}: {expected.number}"


VERDICT = Verdict("p", "n", 10.0, -0.1, 0.5, "reference", "x", "pass", "at least", "alexnet", "")


def table(*verdicts):
    """The rows of grades.csv, read back."""
    return list(csv.DictReader(io.StringIO(as_csv(verdicts), newline="")))


def test_the_table_has_a_row_a_verdict_and_numbers_to_their_last_digit():
    graded = grade("p", Expected("n", 10.0, 0.5, "published", "track B"), result(1 / 3))
    missing = grade("q", Expected("m", 1, 0, "reference", "by hand, twice"), None)
    (first, second) = table(graded, missing)
    assert list(first) == [
        name
        for field in fields(Verdict)
        for name in (("spread_low", "spread_high") if field.name == "spread" else (field.name,))
    ]
    assert (first["part"], first["number"], first["status"], first["network"]) == (
        "p",
        "n",
        "fail",
        "alexnet",
    )
    assert float(first["measured"]) == 1 / 3
    assert (first["spread_low"], first["spread_high"]) == ("", "")
    assert (second["measured"], second["network"], second["source"]) == ("", "", "by hand, twice")


def test_the_table_has_both_ends_of_a_range():
    (row,) = table(replace(VERDICT, spread=(-0.2, 0.3), repeats=3))
    assert (row["spread_low"], row["spread_high"], row["repeats"]) == ("-0.2", "0.3", "3")


def test_the_table_is_one_by_rfc_4180():
    text = as_csv([replace(VERDICT, source='two\nlines, "quoted"')])
    assert text.count("\r\n") == 2
    assert ',"two\nlines, ""quoted""",' in text
    assert text.endswith("\r\n")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_in_the_table_is_no_formula_and_a_number_is_a_number(start):
    (row,) = table(replace(VERDICT, network=f"{start}1+1", measured=-0.1))
    assert row["network"] == f"'{start}1+1"
    assert row["measured"] == "-0.1"
