"""Grades what lies in reports/: run the report first, then ``pytest -m results``."""

import pytest

from tfviz.experiment import grading
from tfviz.experiment.store import Store
from tfviz.files.program import CHECKOUT
from tfviz.parts import PARTS

OUT = CHECKOUT / "reports"
EXPECTED = [(part.ID, expected) for part in PARTS for expected in part.EXPECTED]


@pytest.fixture(scope="module")
def results():
    found = Store(OUT).load_all([part.ID for part in PARTS])
    assert found, f"{OUT} holds no results: python run_all.py"
    return found


@pytest.mark.results
@pytest.mark.parametrize("part", [part.ID for part in PARTS])
def test_part_is_done(results, part):
    assert part in results, "never run"
    assert results[part].status == "done", results[part].reason


@pytest.mark.results
@pytest.mark.parametrize(
    ("part", "expected"), EXPECTED, ids=[f"{part}-{expected.number}" for part, expected in EXPECTED]
)
def test_number(results, part, expected):
    verdict = grading.grade(part, expected, results.get(part))
    if verdict.status == "not comparable":
        pytest.skip(verdict.reason)
    assert verdict.status == "pass", f"{verdict.measured} against {verdict.expected}: {verdict.reason}"
