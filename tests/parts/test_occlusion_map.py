from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.tiny import linear_model
from tfviz.data.pictures import as_bytes
from tfviz.experiment.context import Inputs
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.parts import occlusion_map as part
from tfviz.report.page import TEMPLATES


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
    for text in (drawing.caption + drawing.alt for drawing in part.figures(found)):
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
    assert [drawing.name for drawing in part.figures(findings)] == ["heat_map", "winners", "saliency"]
    unbeaten = replace(findings, facts={**findings.facts, "winners": []})
    assert [drawing.name for drawing in part.figures(unbeaten)] == ["heat_map", "saliency"]


def test_the_template_names_no_class_of_its_own():
    """Whose class may be any: what the project draws is the one jellyfish that may be named."""
    text = Path(TEMPLATES / "parts" / "occlusion_map.html").read_text(encoding="utf-8")
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


def test_grad_cam_by_hand():
    """The logit is linear in the maps: the weight of a channel is the mean of its dense weights."""
    model = linear_model(9, 7)
    picture = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    kernel, _ = model.get_layer("logits").get_weights()
    maps = keras.Model(model.input, model.get_layer("relu1").output)(picture[None]).numpy()[0]
    weights = kernel.reshape(7, 5, 2, 4).mean(axis=(0, 1))
    mixed = maps @ weights  # (7, 5, classes)
    k = int((mixed > 0).sum(axis=(0, 1)).argmax())  # a class of which the ReLU leaves something
    expected = np.maximum(mixed[..., k], 0)
    assert expected.max() > 0
    cam = part.grad_cam(model, "relu1", picture, k)
    assert cam.shape == (9, 7)
    # A 3 x 3 kernel without padding: unit (i, j) looks at pixel (i + 1, j + 1); beyond the last, the last counts.
    np.testing.assert_allclose(cam[1:-1, 1:-1], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cam, np.pad(expected, 1, mode="edge"), rtol=1e-5, atol=1e-6)


def test_grad_cam_is_placed_by_the_receptive_field():
    """Units 4 pixels apart, the first sees rows 0 to 2: their middles are 1, 5, 9, with straight lines between."""
    picture = keras.Input((11, 11, 1))
    x = keras.layers.Conv2D(1, 3, strides=4, use_bias=False, kernel_initializer="ones", name="conv")(picture)
    logits = keras.layers.Dense(2, kernel_initializer="ones")(keras.layers.Flatten()(x))
    model = keras.Model(picture, logits)
    rows = np.repeat(np.arange(11.0, dtype=np.float32)[:, None, None], 11, axis=1)
    cam = part.grad_cam(model, "conv", rows, 0)
    # A unit's output is 9 times its middle row, the weight 1.
    np.testing.assert_allclose(cam, 9 * np.clip(rows[..., 0], 1, 9), rtol=1e-5)
