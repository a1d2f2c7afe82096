from dataclasses import replace

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of
from tfviz.experiment.context import Inputs
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.parts import jellyfish_to_mink as part

SHORT = replace(part.SETTINGS, published_rates=(1e-3,), published_steps=9, steps=60, attempts_8bit=1)


@pytest.fixture(scope="module")
def findings(context_on):
    return part.run(SHORT, context_on("squeezenet"))


@pytest.mark.weights
def test_the_nearest_picture_reaches_the_published_probability_also_in_8_bits(findings):
    for name in ("target_probability", "target_probability_8bit", "png_probability"):
        assert findings.numbers[name].value >= 0.977706
        assert findings.numbers[name].network == "squeezenet"
    assert findings.numbers["png_probability"].value == findings.numbers["target_probability_8bit"].value
    assert findings.numbers["source_probability"].value > 0.9
    assert findings.numbers["l2"].value < 2
    assert findings.numbers["l2_8bit"].value < 2


@pytest.mark.weights
def test_distances_are_those_of_the_stored_pictures(findings):
    source = findings.arrays["source"]
    for array, prefix, suffix in (
        ("published", "published_loss_", ""),
        ("nearest", "", ""),
        ("nearest_8bit", "", "_8bit"),
    ):
        difference = findings.arrays[array].astype(float) - source
        numbers = {name: findings.numbers[f"{prefix}{name}{suffix}"].value for name in ("l2", "linf", "ssim")}
        assert numbers["l2"] == pytest.approx(np.sqrt((difference**2).sum()))
        assert numbers["linf"] == pytest.approx(np.abs(difference).max())
        assert 0.9 < numbers["ssim"] <= 1
    for array in ("source", "nearest_8bit"):
        levels = findings.arrays[array] * 255
        np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)


@pytest.mark.weights
def test_the_published_loss_does_not_leave_the_picture(findings):
    """Its gradient at the original is shorter than the distance's: the original is a local minimum."""
    assert findings.numbers["target_probability_start"].value < 1e-9
    assert findings.numbers["published_slope_start"].value < 1
    assert findings.facts["published_cannot_move"]
    assert findings.numbers["published_loss_probability"].value < 1e-9
    assert findings.numbers["published_slope_nearest"].value > 1


@pytest.mark.weights
def test_verdicts(findings):
    result = PartResult(part.ID, "done", findings.numbers)
    verdicts = [grade(part.ID, expected, result) for expected in part.EXPECTED]
    photograph = next(verdict for verdict in verdicts if verdict.number == "source_probability")
    assert (photograph.status, photograph.reason) == (
        "not comparable",
        "the published photograph is not available",
    )
    reached = [verdict for verdict in verdicts if verdict.number.startswith("target_probability")]
    assert [verdict.status for verdict in reached] == ["not comparable", "pass", "pass"]


@pytest.mark.weights
def test_section_is_drawn_and_names_the_users_classes(findings):
    names = list(drawn(part, findings, SHORT))
    assert names == ["pictures", "differences", "strip", "published_curves", "search_curves"]
    renamed = replace(findings, facts={**findings.facts, "source": "red fox", "target": "zebra"})
    text = html_of(part, renamed, SHORT, network="squeezenet")
    assert "“zebra”" in text
    # The run's own class stands where the network is quoted, and nowhere else.
    assert "mink" not in text.replace("“mink”", "").replace("jellyfish_to_mink", "")
    assert "cannot leave this picture" in text


@pytest.mark.weights
def test_the_users_picture_and_classes_are_taken(context_on, tmp_path):
    from PIL import Image

    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(tmp_path / "noise.png")
    context = replace(context_on("squeezenet"), inputs=Inputs(tmp_path / "noise.png", 1, 2))
    tiny = replace(SHORT, published_steps=1, steps=2)
    found = part.run(tiny, context)
    assert found.facts["source"] == "goldfish"
    assert found.facts["target"] == "great white shark"
    assert not found.facts["drawn"]
    assert found.arrays["source"].std() > 0.1
    assert len(drawn(part, found, tiny)) == 5
    assert found.facts["rates"][0]["counted"]
