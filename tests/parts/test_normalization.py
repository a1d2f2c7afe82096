from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from scipy.special import softmax

from tests.parts.drawn import drawn, html_of, text_of
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
    assert ("here, right" in html) == (not own)
    assert ("pixels in [0,\u00a01]</th>" in html) == (network == "squeezenet")
    assert ("right: tabby, tiger cat, Egyptian cat CC0; in skimage" in text_of(html)) == (not own)


def page(network, numbers, right=None):
    """The section with other numbers; right: whether each normalised first guess is."""
    findings = run(network)
    known = {name: replace(findings.numbers[name], value=value) for name, value in numbers.items()}
    pictures = findings.facts["pictures"]
    if right is not None:
        pictures = [
            {**row, "normalized": [{**row["normalized"][0], "right": each}, *row["normalized"][1:]]}
            for row, each in zip(pictures, right, strict=True)
        ]
    changed = replace(
        findings, numbers={**findings.numbers, **known}, facts={**findings.facts, "pictures": pictures}
    )
    return text_of(html_of(normalization, changed, normalization.SETTINGS, network=network))


def test_where_only_lost_contrast_lowers_confidence_it_is_said_so():
    """As SqueezeNet has it: the mean left in makes it surer, lost contrast makes it doubt."""
    text = page(
        "squeezenet",
        {
            "mean_confidence_raw": 0.762,
            "mean_confidence_unscaled": 0.231,
            "mean_confidence_normalized": 0.604,
            "raised": 0,
            "raised_unscaled": 5,
            "correct_raw": 3,
            "correct_unscaled": 0,
            "correct_normalized": 3,
            "changed_raw": 0,
            "changed_unscaled": 5,
        },
        [True, True, True, False, False],
    )
    assert "an orange tree even “traffic light” at 100 %" in text
    assert "a laptop with a notebook became an “iPod”" in text
    assert (
        "Against “raw, mean left in” normalisation raised the confidence for 0 of 5 pictures and lowered its mean "
        "from 76.2 % to 60.4 %. The originals saw it rise. It is not their experiment: SqueezeNet 1.1 takes BGR"
        in text
    )
    assert (
        "AlexNet’s raw pixels keep 22.6 % of the contrast that it is used to. Pixels in [0, 1] keep 0.392 %"
        in text
    )
    assert (
        "Against “pixels in [0, 1]” normalisation raised the confidence for 5 of 5 pictures and raised its mean from "
        "23.1 % to 60.4 %. Where contrast is lost and given back, confidence rises here as well." in text
    )
    assert (
        "As many of the first guesses were right before: 3 before, 3 after. 0 of 5 are right with the pixels"
        in text
    )
    assert "Neither sure nor right, with normalisation: rocket (“" in text
    assert "Confidence is not correctness" not in text
    assert "Leaving the mean in decides nothing, taking nearly all contrast away decides most." in text
    assert "raw, mean left in most confidences between 0.19 and 0.53, the guesses wrong" in text
    assert "4 of 5 above 98 %, and still not all right" in text
    assert "60.4 % 3 of 5" in text
    assert "For most of them preprocessing decides" not in text
    assert "So did the originals see it." not in text
    assert "does not rise" not in text


def test_where_confidence_rises_or_does_not_the_other_words_stand():
    text = page(
        "squeezenet",
        {
            "mean_confidence_raw": 0.3,
            "mean_confidence_unscaled": 0.9,
            "mean_confidence_normalized": 0.9,
            "raised": 5,
            "correct_raw": 1,
            "correct_normalized": 4,
            "changed_unscaled": 0,
        },
        [True] * 5,
    )
    assert "raised its mean from 30 % to 90 %. So did the originals see it. It is not" in text
    assert (
        "hardly changed its mean, from 90 % to 90 %. Here confidence does not rise even where contrast"
        in text
    )
    assert "It made more of the first guesses right: 1 before, 4 after." in text
    assert "For none of them does preprocessing decide what is seen, unlike" in text
    assert "Confidence is not correctness" not in text
    assert "Neither sure nor right" not in text
    assert "The originals saw it rise." not in text
    assert "as the originals concluded" not in text


def test_a_wrong_guess_counts_as_sure_above_the_setting():
    findings = run("alexnet")
    first, second, *others = findings.facts["pictures"]

    def guessed(row, share, right):
        return {**row, "normalized": [{**row["normalized"][0], "confidence": share, "right": right}]}

    rows = [
        guessed(first, 0.515, False),
        guessed(second, 0.485, False),
        *(guessed(each, 1, True) for each in others),
    ]
    changed = replace(findings, facts={**findings.facts, "pictures": rows})
    text = text_of(html_of(normalization, changed, normalization.SETTINGS, network="alexnet"))
    name, other = (row["normalized"][0]["class"] for row in rows[:2])
    assert f"Sure and wrong, with normalisation: cat (“{name}”, 51.5 %)." in text
    assert f"Neither sure nor right, with normalisation: cup of coffee (“{other}”, 48.5 %)." in text


def test_on_alexnet_the_experiment_is_the_originals():
    text = page("alexnet", {"mean_confidence_raw": 0.3, "mean_confidence_normalized": 0.9, "changed_raw": 2})
    assert "So did the originals see it. Raw values are to the network a pale picture" in text
    assert "with 22.6 % of its contrast" in text
    assert "another for 2 of 5 pictures without normalisation. For some of them preprocessing decides" in text
    assert "not their experiment" not in text
    fewer = page("alexnet", {"correct_raw": 3, "correct_normalized": 2, "changed_raw": 3})
    assert "It made fewer of the first guesses right: 3 before, 2 after." in fewer
    assert "For most of them preprocessing decides what is seen, as the originals concluded" in fewer


@pytest.mark.parametrize("network", ["alexnet", "squeezenet"])
def test_a_browser_shows_the_first_guess_under_each_picture(network):
    findings = run(network)
    drawing = drawn(normalization, findings, normalization.SETTINGS)["pictures_0"][0]
    table = drawing.live()
    ways = ["normalized", *findings.facts["ways"][:-1]]
    assert table.headings[1] == "2 cup of coffee"
    for row, way in zip(table.rows, ways, strict=True):
        own = "pictures" if way == "normalized" else f"taken_{way}"
        for each, facts, picture in zip(
            row.pictures, findings.facts["pictures"], findings.arrays[own], strict=True
        ):
            np.testing.assert_array_equal(each.picture, np.clip(picture, 0, 1))
            assert each.label.startswith(f"{facts[way][0]['class']}, ")
    least = min(findings.facts["contrast"][way] for way in ways[1:])
    assert f"as little as {100 * least:.3g} % of the contrast" in drawing.finding.replace("\u202f", " ")


@pytest.mark.parametrize("network", ["alexnet", "squeezenet"])
def test_what_preprocessing_changes_is_counted(network):
    findings = run(network)
    for way, suffix in (("raw", ""), ("unscaled", "_unscaled"))[: len(findings.facts["ways"]) - 1]:
        rows = findings.facts["pictures"]
        others = [row[way][0]["class"] != row["normalized"][0]["class"] for row in rows]
        surer = [row["normalized"][0]["confidence"] > row[way][0]["confidence"] for row in rows]
        assert findings.numbers[f"changed_{way}"].value == sum(others)
        assert findings.numbers[f"raised{suffix}"].value == sum(surer)


def test_contrast_is_what_is_left_of_a_step_from_black_to_white():
    for network in ("alexnet", "squeezenet"):
        findings = run(network)
        black_and_white = np.stack([np.zeros((4, 4, 3)), np.ones((4, 4, 3))]).astype(np.float32)
        for way, own in normalization._raw_inputs(network, black_and_white).items():
            taken = normalization._taken_for(network, own)
            step = (taken[1] - taken[0]).mean()
            assert findings.facts["contrast"][way] == pytest.approx(step, rel=1e-4)


def test_many_pictures_take_several_figures(folder):
    for number in range(5):
        (folder / f"d{number}.png").write_bytes((folder / "b.png").read_bytes())
    figures = drawn(normalization, run(pictures=folder), normalization.SETTINGS)
    assert list(figures) == ["pictures_0", "pictures_1"]
    assert "8 d4.png" in figures["pictures_1"][0].caption
    assert figures["pictures_1"][0].live().headings[-1] == "8 d4.png"


@pytest.mark.weights
def test_on_the_real_network(context_on):
    """The cat, the coffee and the tripod are recognised; pixels in [0, 1] show the network nothing."""
    findings = normalization.run(normalization.SETTINGS, context_on("squeezenet"))
    assert findings.numbers["correct_normalized"].value == 3
    assert findings.numbers["correct_unscaled"].value == 0
    assert findings.numbers["mean_confidence_normalized"].value == pytest.approx(0.6035, abs=0.002)
    assert findings.numbers["mean_confidence_raw"].value == pytest.approx(0.7577, abs=0.002)
    assert findings.numbers["confidence_normalized_1"].value > 0.97
    assert findings.facts["pictures"][1]["normalized"][0]["class"] == "espresso"
    assert findings.numbers["raised"].value == 0
    assert findings.numbers["raised_unscaled"].value == 5
    assert findings.numbers["changed_unscaled"].value == 5
