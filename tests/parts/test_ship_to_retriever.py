import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.parts.class_network import tiny_context
from tests.parts.drawn import drawn, html_of, text_of
from tests.parts.graded import check_borne_out
from tfviz.data import cifar10, drawings
from tfviz.experiment.context import Inputs
from tfviz.experiment.part import Findings, Number
from tfviz.parts import ship_to_retriever
from tfviz.parts._toward_class import percent

SETTINGS = replace(ship_to_retriever.SETTINGS, ships=2, repeats=2)


@pytest.fixture(scope="module")
def findings(context_on):
    return ship_to_retriever.run(SETTINGS, context_on("squeezenet"))


@pytest.mark.weights
def test_the_logarithm_reaches_0_998_for_every_ship(findings):
    numbers = findings.numbers
    ships = [numbers[f"target_probability_ship_{ship}"].spread[0] for ship in range(2)]
    assert numbers["target_probability"].spread[0] == min(ships) >= 0.998
    assert numbers["called"].spread == (2, 2)
    assert numbers["target_chaotic"].value == 0


@pytest.mark.weights
def test_distances_are_those_of_the_stored_pictures(findings):
    moved = findings.arrays["logarithm"][1].astype(float) - findings.arrays["start"][1]
    assert findings.numbers["l2_ship_1"].value == pytest.approx(np.sqrt((moved**2).sum()), rel=1e-5)
    assert findings.numbers["linf_ship_1"].value == pytest.approx(np.abs(moved).max(), rel=1e-5)
    assert findings.numbers["moved_ship_1"].value == pytest.approx(np.mean(np.abs(moved) > 0.1), abs=1e-6)
    assert 0.02 < findings.numbers["moved_ship_1"].value < 0.3
    assert 0 < findings.numbers["ssim_ship_1"].value < 1


@pytest.mark.weights
def test_figures(findings):
    figures = drawn(ship_to_retriever, findings, SETTINGS)
    assert list(figures) == ["enlarged", "ships", "probability"]
    text = text_of(html_of(ship_to_retriever, findings, SETTINGS, network="squeezenet"))
    assert "with a rate of 0.5." in text
    assert f"Ships: {findings.facts['source']}." in text
    assert "Each ascent was done 2 times, from starts" in text


def test_movement_by_hand():
    """Two ships, two repeats: nothing moved; a quarter moved by 0.5; all by 0.05; one of the values by 0.2."""
    starts = np.full((2, 8, 8, 3), 0.5, np.float32)
    pictures = np.stack([starts, starts])
    pictures[0, 1, :4, :4] += 0.5
    pictures[1, 0] += 0.05
    pictures[1, 1, 0, 0, 0] -= 0.2
    movement = ship_to_retriever._movement(starts, pictures, 0.1)
    np.testing.assert_allclose(movement["moved"], [[0, 0.25], [0, 1 / 192]])
    np.testing.assert_allclose(movement["linf"], [[0, 0.5], [0.05, 0.2]], rtol=1e-6)
    np.testing.assert_allclose(
        movement["l2"], [[0, np.sqrt(48 * 0.25)], [np.sqrt(192 * 0.05**2), 0.2]], rtol=1e-6
    )
    assert movement["ssim"][0, 0] == pytest.approx(1)
    assert movement["ssim"].shape == (2, 2)


def run_tiny(inputs=None, **changes):
    context, _, _ = tiny_context("squeezenet", height=40, width=48, classes=6)
    if inputs is not None:
        context = replace(context, inputs=inputs)
    settings = replace(SETTINGS, target=3, steps=4, rate=0.1, logarithm_rate=0.01, **changes)
    return ship_to_retriever.run(settings, context), settings


def test_without_cifar_10_different_ships_are_drawn_small_and_enlarged():
    findings, _ = run_tiny(ships=3)
    small = drawings.fleet(3, 32, 32, np.random.default_rng(0))
    starts = findings.arrays["start"]
    assert starts.shape == (3, 40, 48, 3)
    for start, ship in zip(starts, small, strict=True):
        enlarged = Image.fromarray(np.round(255 * ship).astype(np.uint8)).resize((48, 40), Image.BICUBIC)
        np.testing.assert_allclose(start, np.asarray(enlarged) / 255, atol=1e-6)
    assert min(np.abs(starts[i] - starts[j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))) > 0.05
    assert findings.facts["source"] == "drawn by the program at 32 × 32 pixels, enlarged; not CIFAR-10"


def test_with_cifar_10_ships_of_the_test_split_are_taken(tmp_path, monkeypatch):
    """A small batch: its 4 ships are red, all else is green."""
    monkeypatch.setattr(cifar10, "_COUNT", 12)
    labels = [8, 0, 1] * 4
    pictures = np.zeros((12, 3, 1024), np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        picture[0 if label == 8 else 1] = 200
    (tmp_path / "cifar-10-batches-py").mkdir()
    batch = {b"data": pictures.reshape(12, 3072), b"labels": labels}
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
    findings, _ = run_tiny(Inputs(data_dir=tmp_path))
    assert findings.arrays["start"][..., 0].min() > 0.7
    assert findings.arrays["start"][..., 1].max() == 0
    assert findings.facts["source"].startswith(cifar10.OTHER)
    assert "test split, enlarged from 32 × 32 pixels" in findings.facts["source"]


def test_the_first_ship_is_shown_enlarged_after_the_objective_that_got_further():
    findings, settings = run_tiny()
    for which, words in (("published", "the probability"), ("logarithm", "the logarithm of the probability")):
        other = {"published": "logarithm", "logarithm": "published"}[which]
        arrays = dict(findings.arrays)
        arrays[f"{which}_probability"] = np.full((5, 2, 2), 0.8)
        arrays[f"{other}_probability"] = np.full((5, 2, 2), 0.3)
        arrays[which] = arrays["start"] + np.float32(0.02)
        arrays[which][0, 0, 0, 0] -= 0.12
        drawing, figure = drawn(
            ship_to_retriever, Findings(findings.numbers, arrays, findings.facts), settings
        )["enlarged"]
        assert f"after ascent on {words} (" in drawing.caption
        assert "80.0\u202f%), and what changed" in drawing.caption
        assert "a change by 0.1 of the range" in drawing.caption
        wipe = drawing.live()
        np.testing.assert_array_equal(wipe.before.picture, np.clip(arrays["start"][0], 0, 1))
        np.testing.assert_array_equal(wipe.after.picture, np.clip(arrays[which][0], 0, 1))
        assert wipe.after.label == "after: 80.0\u202f%"
        assert wipe.before.pixelated
        assert wipe.after.pixelated
        before, after, difference = (np.asarray(axes.images[0].get_array()) for axes in figure.axes)
        np.testing.assert_array_equal(before, np.clip(arrays["start"][0], 0, 1))
        np.testing.assert_array_equal(after, np.clip(arrays[which][0], 0, 1))
        assert difference[0, 0, 0] == pytest.approx(0, abs=1e-6)  # the largest change, downwards
        assert difference[5, 5, 1] == pytest.approx(0.5 + 0.02 / 0.2, abs=1e-5)


def page(changes):
    """The section with some numbers changed: {name: (lowest, highest) or a plain value}."""
    tiny, settings = run_tiny()
    numbers = dict(tiny.numbers)
    for name, value in changes.items():
        assert name in numbers
        is_range = isinstance(value, tuple)
        numbers[name] = Number(value[0], "", "squeezenet", value, 2) if is_range else Number(value)
    findings = Findings(numbers, tiny.arrays, tiny.facts)
    return text_of(html_of(ship_to_retriever, findings, settings, network="squeezenet"))


def test_where_the_published_objective_is_chaotic_it_is_said_so():
    html = page(
        {
            "published_probability_lowest": (2e-7, 3e-7),
            "published_probability_highest": (0.99, 0.9999),
            "published_chaotic": 2,
            "target_chaotic": 0,
            "called": (2.0, 2.0),
            "published_called": (0.0, 1.0),
            "moved_least": 0.066,
            "moved_most": 0.13,
            "ssim_least": 0.37,
            "ssim_most": 0.51,
            "published_moved_least": 0.0,
            "published_moved_most": 0.23,
            "published_ssim_least": 0.19,
            "published_ssim_most": 1.0,
        }
    )
    assert "does not always arrive on this network: it ends between 2.0 × 10⁻⁷ and 1.00." in html
    assert "Where it ends is chaotic for 2 of 2 ships" in html
    assert (
        "Over all 2 ships and 2 repeats, the ascent on \\log p moved 6.6 % to 13 % of a picture’s values by more than "
        "0.1 and left a structural similarity of 0.37 to 0.51 (1: the same picture; Wang et al. 2004). By that "
        "measure every picture is plainly changed." in html
    )
    assert (
        "moved 0 % to 23 % of them by more than 0.1 and left a similarity of 0.19 to 1. By that measure some pictures "
        "are plainly changed, others hardly." in html
    )
    assert "it calls 2 of 2 “" in html
    assert "after that on the probability 0 to 1." in html
    assert "the originals judged that a person still sees the ship, though “perhaps not as easily”" in html
    assert "works for every ship" not in html
    assert "arrives from no ship" not in html
    assert "It is chaotic for" not in html


def test_where_it_arrives_from_no_ship_that_is_said():
    lowest, highest = (2e-7, 3e-7), (0.1, 0.5)
    html = page({"published_probability_lowest": lowest, "published_probability_highest": highest})
    assert "arrives from no ship on this network: it ends between 2.0 × 10⁻⁷ and 0.50." in html
    assert "does not always arrive" not in html
    assert "works for every ship" not in html


def test_where_it_arrives_and_hardly_moves_that_is_said():
    html = page(
        {
            "published_probability_lowest": (0.998, 0.999),
            "published_probability_highest": (0.999, 0.9999),
            "published_chaotic": 0,
            "target_chaotic": 1,
            "ssim_least": 0.95,
            "ssim_most": 0.97,
            "published_ssim_least": 0.3,
            "published_ssim_most": 0.4,
        }
    )
    assert "the probability itself, works for every ship tried on this network." in html
    assert "does not always arrive" not in html
    assert "Starts that differ in the last bit end within 10 % of each other." in html
    assert "Where it ends is chaotic" not in html
    assert "over the repeats). It is chaotic for 1 of 2 ships." in html
    assert "By that measure every picture is nearly what it was." in html
    assert "0.30 to 0.40. By that measure every picture is plainly changed." in html


def findings_with(numbers=None, ends=None):
    """What the figures find, by name, with some numbers and the first ship's final probabilities changed."""
    tiny, settings = run_tiny()
    arrays = {name: np.array(values) for name, values in tiny.arrays.items()}
    for objective, end in (ends or {}).items():
        arrays[f"{objective}_probability"][-1, 0, 0] = end
    numbers = {**tiny.numbers, **{name: Number(*value) for name, value in (numbers or {}).items()}}
    drawings = ship_to_retriever.figures(Findings(numbers, arrays, tiny.facts), settings)
    return {drawing.name: drawing.finding for drawing in drawings}


@pytest.mark.parametrize(
    ("which", "ssim"), [("published", "published_ssim_ship_0"), ("logarithm", "ssim_ship_0")]
)
def test_the_wiped_ship_is_said_to_be_what_its_numbers_say(which, ssim):
    other = {"published": "logarithm", "logarithm": "published"}[which]
    name = run_tiny()[0].facts["class"]
    seen = [
        findings_with({ssim: (similarity,)}, {which: end, other: 0.01})["enlarged"]
        for end, similarity in ((0.5, 0.5), (0.9, 0.5), (0.9, 0.95))
    ]
    assert seen == [
        f"The first ship does not become a “{name}”.",
        f"The network takes the ship for a “{name}”, and the picture is plainly changed.",
        f"The network takes the ship for a “{name}”, and the picture is nearly what it was.",
    ]


def test_what_the_other_figures_find_hangs_on_counts():
    all_of_them = findings_with({"called": (2, "ships", None, (2, 2), 2), "published_chaotic": (0,)})
    assert all_of_them["ships"].startswith("The ascent on the logarithm makes a “")
    assert all_of_them["probability"] == "Starts that differ in the last bit end together."
    some = findings_with({"called": (2, "ships", None, (1, 2), 2), "published_chaotic": (1,)})
    assert some["ships"].startswith("The ascent on the logarithm does not make a “")
    assert some["probability"] == "Where the ascent on the probability ends is chaotic for 1 ship."


def test_every_ship_is_shown_with_what_the_network_says():
    tiny, settings = run_tiny()
    (ships,) = [each for each in ship_to_retriever.figures(tiny, settings) if each.name == "ships"]
    before, _, by_logarithm = ships.live().rows
    assert [each.label for each in before.pictures] == [f"“{name}”" for name in tiny.facts["before"]]
    ends = tiny.arrays["logarithm_probability"][-1, 0]
    assert [each.label for each in by_logarithm.pictures] == list(map(percent, ends))
    np.testing.assert_array_equal(
        by_logarithm.pictures[1].picture, np.clip(tiny.arrays["logarithm"][1], 0, 1)
    )
    assert by_logarithm.pictures[1].alt == "Ship 2 after ascent on its logarithm"


def test_where_the_ships_are_from_can_be_translated():
    sources = {
        f"{name}, test split, enlarged from 32 × 32 pixels"
        for name in (cifar10.ORIGINAL, cifar10.JPEG_COPY, cifar10.OTHER)
    }
    assert set(ship_to_retriever._TAKEN) == sources


@pytest.mark.weights
def test_a_grader_measures_the_same(findings, real_weights):
    check_borne_out(ship_to_retriever, findings, SETTINGS, "squeezenet", real_weights("squeezenet"))
