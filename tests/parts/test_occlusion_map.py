from dataclasses import replace

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of
from tfviz.data.pictures import as_bytes
from tfviz.experiment.context import Inputs
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.files.program import templates
from tfviz.parts import occlusion_map as part


@pytest.fixture(scope="module")
def findings(context_on):
    return part.run(part.QUICK, context_on("squeezenet"))


def with_inputs(context, **inputs):
    return replace(context, inputs=Inputs(**inputs))


@pytest.mark.weights
def test_the_drawn_jellyfish(findings):
    """The published finding, in numbers: the probability drops where the body is."""
    numbers = findings.numbers
    assert {number.network for number in numbers.values()} == {"squeezenet"}
    assert numbers["source_probability"].value > 0.98
    assert numbers["lowest_probability"].value < 0.3
    assert numbers["lowest_decile_on_body"].value >= 0.8
    assert numbers["body_in_lowest_decile"].value > 2 * numbers["body_in_all_blocks"].value
    assert 0.2 < numbers["all_blocks_on_body"].value < 0.8  # blocks that say something by lying on the body
    assert numbers["agreement"].value > 0.6
    assert numbers["agreement_grad_cam"].value > 0.6
    result = PartResult(part.ID, "done", numbers)
    assert [grade(part.ID, expected, result).status for expected in part.EXPECTED] == ["pass"]


@pytest.mark.weights
def test_numbers_and_maps_say_the_same(findings):
    probability, facts = findings.arrays["probability"], findings.facts
    assert probability.shape == tuple(facts["blocks"]) == (13, 13)
    assert findings.numbers["lowest_probability"].value == probability.min()
    top, left = facts["corner"]
    assert probability[top // 16, left // 16] == probability.min()
    assert findings.numbers["lowest_row"].value == top + 15.5
    assert findings.numbers["lowest_column"].value == left + 15.5
    lost = findings.arrays["winners"] != 107
    assert findings.numbers["fraction_lost"].value == lost.mean()
    if not facts["more_winners"]:
        assert sum(entry["blocks"] for entry in facts["winners"]) == lost.sum()
    assert (probability[lost] <= 0.5).all()


@pytest.mark.weights
def test_the_users_picture_and_class(context_on, tmp_path):
    """A picture in place of the drawn one has no known body; the class asked for may not be what is seen."""
    from PIL import Image

    from tfviz.data.drawings import ship

    path = tmp_path / "ship.png"
    Image.fromarray(as_bytes(ship(227, 227))).save(path)
    context = with_inputs(context_on("squeezenet"), image=path, source_class=9)
    settings = part.Settings(patch=64, stride=80, fill="mean", precision="bfloat16")
    found = part.run(settings, context)
    assert found.facts["class"] == "ostrich"
    assert not found.facts["drawn"]
    assert not found.facts["seen"]
    assert found.numbers["fraction_lost"].value == 1
    assert "lowest_decile_on_body" not in found.numbers
    assert found.facts["fill"].startswith("the mean colour")
    figures = drawn(part, found, settings)
    assert list(figures) == ["heat_map", "winners", "saliency"]
    for text in (drawing.caption + drawing.alt for drawing, _ in figures.values()):
        assert "ellyfish" not in text
        assert "ostrich" in text or "gradient" in text or "wins" in text


@pytest.mark.weights
def test_another_class_of_the_drawn_jellyfish_has_no_body(context_on):
    settings = part.Settings(patch=64, stride=80)
    found = part.run(settings, with_inputs(context_on("squeezenet"), source_class=417))
    assert "lowest_decile_on_body" not in found.numbers
    assert found.facts["drawn"]


@pytest.mark.weights
def test_figures_are_drawn_from_the_findings(findings):
    assert list(drawn(part, findings, part.QUICK)) == ["heat_map", "winners", "saliency"]
    html = html_of(part, findings, part.QUICK, network="squeezenet")
    assert "Here the block has 32 × 32 pixels and moves by\n16" in html
    unbeaten = replace(findings, facts={**findings.facts, "winners": []})
    assert list(drawn(part, unbeaten, part.QUICK)) == ["heat_map", "saliency"]


def test_the_template_names_no_class_of_its_own():
    """Whose class may be any: what the project draws is the one jellyfish that may be named."""
    text = (templates() / "parts" / "occlusion_map.html").read_text(encoding="utf-8")
    assert text.count("jellyfish") == text.count("jellyfish that the project draws") == 2


def test_lowest_decile_by_hand():
    values = np.array([[5.0, 1, 7, 1], [9, 8, 1, 6], [2, 3, 4, 5]])  # 12 entries: 2 of them
    np.testing.assert_array_equal(np.argwhere(part.lowest_decile(values)), [[0, 1], [0, 3]])
    assert part.lowest_decile(np.zeros((5, 5))).sum() == 3


def test_rank_correlation_by_hand():
    """No ties: 1 - 6 sum d^2 / (n (n^2 - 1)); here the ranks differ by 0, 1, -1, 0."""
    first = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert part.rank_correlation(first, np.array([[0.1, 30.0], [20.0, 1000.0]])) == pytest.approx(
        1 - 6 * 2 / (4 * 15)
    )
    assert part.rank_correlation(first, -first) == pytest.approx(-1)
    assert part.rank_correlation(first, np.ones((2, 2))) is None
