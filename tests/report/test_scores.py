import pytest

from tests.report.test_page import verdict
from tfviz.experiment.store import PartResult
from tfviz.report import scores
from tfviz.report.page import Section


def section(identifier="p", *verdicts, status="done", quick=False, seconds=60.0, pending=""):
    provenance = {"seconds": seconds, "quick": quick}
    result = PartResult(identifier, status, provenance=provenance, reason="" if status == "done" else "why")
    return Section(identifier, "T", "A", result, verdicts, pending=pending)


def test_experiments_count_where_all_their_published_numbers_pass():
    found = scores.of(
        [
            section("whole", verdict(), verdict(), verdict(kind="own bound", status="fail")),
            section("half", verdict(), verdict(status="not comparable")),
            section("wrong", verdict(status="fail"), verdict(status="not comparable")),
            section("theory", verdict(kind="published theory")),
            section("checks", verdict(kind="reference"), verdict(kind="reference", status="missing")),
        ]
    )
    assert found.experiments == scores.Tally(1, 3)
    assert (found.incomparable, found.differing) == (1, 1)
    assert found.numbers == scores.Tally(3, 6)
    assert found.theory == scores.Tally(1, 1)
    assert found.checks == scores.Tally(1, 2)
    assert found.bounds == scores.Tally(0, 1)
    assert found.missing == 1


def test_what_failed_or_did_not_run_is_counted_as_not_measured_and_what_is_still_to_come_is_not():
    lost = [verdict(status="missing"), verdict(kind="own bound", status="missing")]
    assert (
        scores.of([section("a", *lost, status="failed"), section("b", *lost, status="not run")]).missing == 4
    )
    assert scores.of([section("a", *lost, pending="being computed"), section("b", verdict())]).missing == 0


def test_time_is_that_of_results_that_are_there():
    failed = section("failed", status="failed", seconds=5.0, quick=True)
    found = scores.of([section("a", seconds=60.0), section("b", seconds=30.5), failed])
    assert found.seconds == 90.5
    assert scores.of([section("a", quick=True)]).quick
    assert not scores.of([]).quick


@pytest.mark.parametrize(
    ("verdicts", "word"),
    [
        ((), "shown"),
        ((verdict(kind="reference"), verdict(kind="own bound")), "checked"),
        ((verdict(), verdict(kind="reference")), "agrees"),
        ((verdict(kind="published theory"),), "agrees"),
        ((verdict(), verdict(status="not comparable")), "not comparable"),
        ((verdict(), verdict(kind="reference", status="missing")), "missing"),
        ((verdict(status="missing"), verdict(kind="own bound", status="fail")), "differs"),
    ],
)
def test_a_part_stands_as_its_worst_verdict(verdicts, word):
    assert scores.standing(section("p", *verdicts)) == word


def test_a_part_without_result_stands_as_its_status():
    assert scores.standing(section(status="failed")) == "failed"
    assert scores.standing(section(status="not run")) == "not run"
    assert scores.standing(section(pending="being computed")) == "pending"
    assert scores.standing(Section("p", "T", "A", None, ())) == "not run"
