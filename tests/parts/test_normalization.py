from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from scipy.special import softmax

from tests.parts.drawn import drawn, html_of
from tfviz.data.labels import imagenet_classes
from tfviz.errors import BadFileError
from tfviz.experiment.context import Context, Inputs
from tfviz.experiment.progress import Reporter
from tfviz.parts import normalization


class LinearContext(Context):
    """A context whose network is linear in the colours' means: small, and its softmax can be computed by hand."""

    def __init__(self, network, inputs=None):
        super().__init__(0, Reporter(Console(quiet=True)), network, inputs=inputs or Inputs())

    @property
    def label(self):
        return self.network

    def model(self, *, normalize=True):
        import keras

        from tfviz.models.colours import IMAGENET_MEAN, IMAGENET_STD, KERAS_MEAN_BGR
        from tfviz.models.layers import CaffePicture

        x = inputs = keras.Input((40, 60, 3))
        if normalize and self.network == "alexnet":
            x = keras.layers.Normalization(mean=IMAGENET_MEAN, variance=np.square(IMAGENET_STD))(x)
        elif normalize:
            x = CaffePicture(KERAS_MEAN_BGR)(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        model = keras.Model(inputs, keras.layers.Dense(1000)(x))
        random = np.random.default_rng(0)
        scale = 1.0 if self.network == "alexnet" else 0.02
        model.set_weights([random.normal(0, scale, (3, 1000)), random.normal(0, 1, 1000)])
        return model


@pytest.fixture
def folder(tmp_path):
    """Three pictures, a damaged one, a text and a hidden file."""
    random = np.random.default_rng(0)
    for name in ("b.png", "a.jpg", "c $x$ <i>.png"):
        Image.fromarray(random.integers(0, 256, (80, 90, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "cut.png").write_bytes((tmp_path / "b.png").read_bytes()[:2000])
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_bytes((tmp_path / "b.png").read_bytes())
    (tmp_path / "subfolder.png").mkdir()
    return tmp_path


def run(network="squeezenet", pictures=None, **settings):
    context = LinearContext(network, Inputs(pictures=pictures))
    return normalization.run(replace(normalization.SETTINGS, **settings), context)


@pytest.mark.parametrize("network", ["alexnet", "squeezenet"])
def test_confidences_by_hand(network):
    findings = run(network)
    pictures = findings.arrays["pictures"].astype(np.float64)
    assert pictures.shape == (5, 40, 60, 3)
    kernel, bias = LinearContext(network).model().get_weights()[-2:]
    if network == "alexnet":
        ways = {
            "normalized": (pictures - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225),
            "raw": pictures,
        }
    else:
        bgr = 255 * pictures[..., ::-1]
        ways = {"normalized": bgr - (103.939, 116.779, 123.68), "raw": bgr, "unscaled": pictures}
    assert findings.facts["ways"] == [*[way for way in ways if way != "normalized"], "normalized"]
    for way, own in ways.items():
        probabilities = softmax(own.mean((1, 2)) @ kernel + bias, axis=1)
        for index, row in enumerate(findings.facts["pictures"]):
            number = findings.numbers[f"confidence_{way}_{index}"]
            assert number.value == pytest.approx(probabilities[index].max(), rel=1e-4)
            assert number.network == network
            guesses = [guess["class"] for guess in row[way]]
            best = np.argsort(-probabilities[index])[:3]
            assert guesses == [imagenet_classes()[index] for index in best]
        mean = findings.numbers[f"mean_confidence_{way}"].value
        assert mean == pytest.approx(probabilities.max(axis=1).mean(), rel=1e-4)


@pytest.mark.parametrize("network", ["alexnet", "squeezenet"])
def test_what_it_is_taken_for_gives_the_same_in_the_usual_way(network):
    findings = run(network)
    model = LinearContext(network).model()
    for way in findings.facts["ways"][:-1]:
        taken = findings.arrays[f"taken_{way}"]
        usual = softmax(np.asarray(model(taken), np.float64), axis=1).max(axis=1)
        measured = [findings.numbers[f"confidence_{way}_{index}"].value for index in range(5)]
        np.testing.assert_allclose(measured, usual, rtol=1e-4)


def test_the_photographs_are_installed_and_of_known_classes():
    findings = run()
    assert findings.facts["unreadable"] == []
    assert findings.facts["known"]
    assert not findings.facts["own"]
    assert [row["title"] for row in findings.facts["pictures"]] == [
        p.title for p in normalization.PHOTOGRAPHS
    ]
    assert findings.facts["pictures"][0]["classes"] == ["tabby", "tiger cat", "Egyptian cat"]
    assert {"correct_raw", "correct_normalized"} <= findings.numbers.keys()
    assert all("CC0" in p.credit or "public domain" in p.credit for p in normalization.PHOTOGRAPHS)


def test_a_folder_of_the_user(folder):
    findings = run(pictures=folder)
    assert [row["title"] for row in findings.facts["pictures"]] == ["a.jpg", "b.png", "c $x$ <i>.png"]
    assert [Path(reason.split(" ")[0]).name for reason in findings.facts["unreadable"]] == [
        "cut.png",
        "notes.txt",
    ]
    assert findings.facts["left_out"] == 0
    assert findings.facts["own"]
    assert "correct_raw" not in findings.numbers


def test_only_the_first_pictures_of_a_folder(folder):
    findings = run(pictures=folder, most_pictures=2)
    assert [row["title"] for row in findings.facts["pictures"]] == ["a.jpg", "b.png"]
    assert findings.facts["left_out"] == 3


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(BadFileError, match="holds no picture that can be read; it is empty"):
        run(pictures=tmp_path)
    (tmp_path / "notes.txt").write_text("not a picture")
    with pytest.raises(BadFileError, match=r"the first: .*notes\.txt is not a picture"):
        run(pictures=tmp_path)
    with pytest.raises(BadFileError, match="cannot be read"):
        run(pictures=tmp_path / "none")


def test_a_name_that_is_no_text(folder):
    (folder / "a.jpg").rename(folder / "a\udcff\n.jpg")
    assert run(pictures=folder).facts["pictures"][0]["title"] == "a??.jpg"


@pytest.mark.parametrize("network", ["alexnet", "squeezenet"])
@pytest.mark.parametrize("own", [True, False])
def test_the_report_shows_it(network, own, folder):
    findings = run(network, folder if own else None)
    html = html_of(normalization, findings, normalization.SETTINGS, network=network)
    assert ("c $x$ &lt;i&gt;.png" in html) == own
    assert ("first guess right" in html) == (not own)
    assert ("pixels in [0, 1]</th>" in html) == (network == "squeezenet")


def test_many_pictures_take_several_figures(folder):
    for number in range(5):
        (folder / f"d{number}.png").write_bytes((folder / "b.png").read_bytes())
    figures = drawn(normalization, run(pictures=folder), normalization.SETTINGS)
    assert list(figures) == ["pictures_0", "pictures_1"]
    assert "8 d4.png" in figures["pictures_1"][0].caption


@pytest.mark.weights
def test_on_the_real_network(context_on):
    """The cat, the coffee and the tripod are recognised; pixels in [0, 1] show the network nothing."""
    findings = normalization.run(normalization.SETTINGS, context_on("squeezenet"))
    assert findings.numbers["correct_normalized"].value == 3
    assert findings.numbers["correct_unscaled"].value == 0
    assert findings.numbers["mean_confidence_normalized"].value == pytest.approx(0.6035, abs=0.002)
    assert findings.numbers["mean_confidence_raw"].value == pytest.approx(0.7624, abs=0.002)
    assert findings.numbers["confidence_normalized_1"].value > 0.97
    assert findings.facts["pictures"][1]["normalized"][0]["class"] == "espresso"
