from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from rich.console import Console

from tests.parts.drawn import drawn, html_of, text_of
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


def with_numbers(findings, **changes):
    numbers = {name: replace(findings.numbers[name], value=value) for name, value in changes.items()}
    return replace(findings, numbers={**findings.numbers, **numbers})


def page(findings, **changes):
    return text_of(html_of(training_hardness, with_numbers(findings, **changes), SETTINGS))


def test_the_words_hang_on_the_numbers(findings):
    one = page(
        findings, not_in_time=90, solved_later=12, latest_step=876, unsolved=78, stuck_fraction=0.99, fall=0.4
    )
    assert (
        "90 instances are not solved in 200 steps. For 12 of them the optimum only lay farther away: they are solved "
        "within 1000 steps, the last at step 876."
    ) in one
    assert "After these, 78 instances are not solved. Of these" in one
    assert "99 % of all that are not solved are stuck: the gradient’s norm is below 0.001 and" in one
    assert "which of these it is was not measured. Further steps of this size hardly move them." in one
    assert "there is still a gap of 0.40" in one
    assert "far more than chance explains" in one
    assert "With 5 times the steps it still falls, from" in one
    assert "farther away is not seen here" not in one
    assert "is open" not in one

    other = page(findings, not_in_time=90, solved_later=0, stuck_fraction=0.9, fall=-0.1, fall_long=-0.1)
    assert (
        "None of them is solved in 1000 either: that an optimum lies farther away is not seen here." in other
    )
    assert "whether more steps would lead to the optimum is open" in other
    assert "does not fall by more than chance explains" in other
    assert "which is no longer beyond chance" in other
    assert "only lay farther away" not in other
    assert "hardly move them" not in other
    assert "far more than chance" not in other
    assert "it still falls" not in other

    all_solved = page(findings, not_in_time=0, solved_later=0, unsolved=0, largest_rise=0.02)
    assert "0 instances are not solved in 200 steps. After these, every instance is solved." in all_solved
    assert "the largest rise is 0.020" in all_solved
    assert "It falls from each size to the next." not in all_solved
    assert "It falls from each size to the next." in page(findings, largest_rise=-0.1)

    single = page(findings, not_in_time=1, solved_later=1, latest_step=876, unsolved=1, jumping=1)
    assert (
        "1 instance is not solved in 200 steps. For 1 of them the optimum only lay farther away: it is"
        in single
    )
    assert (
        "After these, 1 instance is not solved. Of these 1 was still jumping to and fro; it was given"
        in single
    )


@pytest.mark.parametrize(
    ("changes", "size", "steps"),
    [
        (
            {"fall": 0.4, "largest_rise": -0.1, "solved_later": 3, "not_in_time": 90},
            "The larger the instance, the less often so many steps are enough.",
            "Some optima only lie farther away; most of what is left is not reached in 1000 steps.",
        ),
        (
            {"fall": 0.4, "largest_rise": 0.1, "solved_later": 0, "not_in_time": 90},
            "Of the largest instances fewer are solved than of the smallest.",
            "When the optimum is reached.",
        ),
        (
            {"fall": -0.1, "largest_rise": -0.1, "solved_later": 50, "not_in_time": 90},
            "How often so many steps are enough.",
            "When the optimum is reached.",
        ),
    ],
)
def test_what_a_figure_is_said_to_show_hangs_on_the_numbers(findings, changes, size, steps):
    figures = drawn(training_hardness, with_numbers(findings, **changes), SETTINGS)
    assert [drawing.finding for drawing, _figure in figures.values()] == [size, steps]


def test_the_table_has_a_row_a_size(findings):
    html = html_of(training_hardness, findings, SETTINGS)
    rows = html.split('id="training_hardness-sizes"')[1].split("</table>")[0].split("<tbody>")[1]
    assert rows.count("<tr>") == len(SETTINGS.sizes)
    row = findings.facts["rows"][1]
    assert f"{row['stuck']} of {row['unsolved']}" in text_of(rows.split("<tr>")[2])
    assert "Wilson’s (Wilson 1927), 95 %" in text_of(html)


def test_the_answer_cites_its_sources(findings):
    html = html_of(training_hardness, findings, SETTINGS)
    for source in ("judd1988", "blum1992", "wilson1927"):
        assert f'href="#ref-{source}"' in html
    assert "may lie “farther away than K steps”" in text_of(html)


def test_figures_are_drawn_from_the_findings(findings):
    figures = drawn(training_hardness, findings, SETTINGS)
    assert list(figures) == ["against_size", "against_steps"]
    for drawing, _figure in figures.values():
        assert drawing.alt
        assert drawing.alt != drawing.caption
    assert "95\u202f% intervals" in figures["against_size"][0].caption
