import re
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from rich.console import Console

from tests.parts.drawn import drawn, html_of
from tfviz.experiment.context import Context
from tfviz.experiment.grading import grade
from tfviz.experiment.progress import Reporter
from tfviz.experiment.store import PartResult
from tfviz.parts import training_hardness

SETTINGS = replace(
    training_hardness.SETTINGS, sizes=(6, 9, 14), instances=80, steps=200, long_steps=1000, settling=2000
)


@pytest.fixture(scope="module")
def findings():
    return training_hardness.run(SETTINGS, Context(0, Reporter(Console(quiet=True))))


def test_the_fraction_falls_with_the_size(findings):
    fractions = [findings.numbers[f"solved_fraction_{size}"].value for size in SETTINGS.sizes]
    assert fractions[0] > fractions[1] > fractions[2]
    result = PartResult("training_hardness", "done", findings.numbers)
    assert {grade("p", expected, result).status for expected in training_hardness.EXPECTED} == {"pass"}


def test_more_steps_do_not_cure_it(findings):
    numbers = {name: number.value for name, number in findings.numbers.items()}
    assert numbers["solved_fraction_14_long"] < 0.6
    assert numbers["fall_long"] > 0
    assert numbers["stuck_fraction"] > 0.8
    assert numbers["wrong_most"] >= 1


def test_the_numbers_are_counted_from_the_steps(findings):
    for size in SETTINGS.sizes:
        solved_at = findings.arrays[f"solved_at_{size}"]
        assert solved_at.shape == (80,)
        assert solved_at.max() <= 1000
        for suffix, steps in (("", 200), ("_long", 1000)):
            fraction = np.mean((solved_at >= 0) & (solved_at <= steps))
            assert findings.numbers[f"solved_fraction_{size}{suffix}"].value == fraction


def test_the_same_seed_gives_the_same_numbers(findings):
    smaller = replace(SETTINGS, sizes=(6,))
    again = training_hardness.run(smaller, Context(0, Reporter(Console(quiet=True))))
    np.testing.assert_array_equal(again.arrays["solved_at_6"], findings.arrays["solved_at_6"])
    assert again.numbers["largest_rise"].value == -1


@pytest.mark.parametrize(("successes", "trials"), [(0, 20), (7, 20), (200, 200)])
def test_wilson_by_its_formula(successes, trials):
    z, share = 1.959963984540054, successes / trials
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    assert training_hardness.wilson(successes, trials) == pytest.approx(
        (middle - half, middle + half), abs=1e-12
    )


def test_what_is_solved_later_is_counted_from_the_steps(findings):
    at = np.concatenate([findings.arrays[f"solved_at_{size}"] for size in SETTINGS.sizes])
    assert findings.numbers["solved_later"].value == np.sum(at > 200) > 0
    assert findings.numbers["not_in_time"].value == np.sum((at > 200) | (at < 0))
    assert findings.numbers["latest_step"].value == at.max()
    rows = findings.facts["rows"]
    assert [row["later"] for row in rows] == [
        int(np.sum(findings.arrays[f"solved_at_{size}"] > 200)) for size in SETTINGS.sizes
    ]
    for row in rows:
        long, short = (findings.numbers[f"solved_fraction_{row['size']}{end}"].value for end in ("_long", ""))
        assert row["later"] == round(80 * (long - short))


def page(findings, **changes):
    numbers = {name: replace(findings.numbers[name], value=value) for name, value in changes.items()}
    html = html_of(training_hardness, replace(findings, numbers={**findings.numbers, **numbers}), SETTINGS)
    return " ".join(re.sub(r"<[^>]*>", "", html).replace("&nbsp;", " ").split())


def test_the_words_hang_on_the_numbers(findings):
    one = page(
        findings, not_in_time=90, solved_later=12, latest_step=876, unsolved=78, stuck_fraction=0.99, fall=0.4
    )
    assert (
        "90 instances are not solved in 200 steps. For 12 of these the optimum only lay farther away:" in one
    )
    assert "within 1000 steps, the last at step 876." in one
    assert "78 instances are not solved. Of these," in one
    assert "which of these it is was not measured. Further steps of this size hardly move them." in one
    assert "there is still a gap of 0.40" in one
    assert "farther away is not seen here" not in one
    assert "is open" not in one

    other = page(findings, not_in_time=90, solved_later=0, stuck_fraction=0.5, fall=-0.1, fall_long=-0.1)
    assert (
        "None of them is solved in 1000 either: that an optimum lies farther away is not seen here." in other
    )
    assert "whether more steps would lead to the optimum is open" in other
    assert "does not fall by more than chance explains" in other
    assert "the fall is no longer beyond chance" in other
    assert "only lay farther away" not in other
    assert "hardly move them" not in other

    all_solved = page(findings, not_in_time=0, solved_later=0, unsolved=0, largest_rise=0.02)
    assert "0 instances are not solved in 200 steps. With" in all_solved
    assert "After them, every instance is solved." in all_solved
    assert "the largest rise is 0.020" in all_solved


def test_figures_are_drawn_from_the_findings(findings):
    assert list(drawn(training_hardness, findings, SETTINGS)) == ["against_size", "against_steps"]
    html_of(training_hardness, findings, SETTINGS)
