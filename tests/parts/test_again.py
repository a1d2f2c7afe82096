"""What a grader measures again on stored arrays: an honest run is borne out, and nothing else is."""

from dataclasses import dataclass, field, replace
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.parts.class_network import tiny_context
from tests.parts.graded import refuted
from tfviz.experiment.context import Context
from tfviz.experiment.lab import ROUNDING, Lab
from tfviz.experiment.part import Again, NotMeasurableError, Number
from tfviz.experiment.progress import Reporter
from tfviz.measures import gabor
from tfviz.measures.similarity import distances
from tfviz.parts import (
    class_image,
    class_neuron,
    conv1_filters,
    conv1_units,
    conv2_neuron,
    jellyfish_to_mink,
    natural_prior,
    ship_to_retriever,
)


@dataclass(frozen=True)
class OneModel(Lab):
    """A lab of one network, that of a context."""

    of: Any = None
    label: str = "squeezenet"

    def model(self, label, *, normalize=True):
        if label != self.label:
            raise NotMeasurableError(f"the grader has no weights of {label}")
        return self.of.model(normalize=normalize)


@cache
def tiny(seed, weights, height=64, width=72, classes=8):
    """A context on a linear network, whose weights are drawn with a seed, too; called squeezenet."""
    context, model, _ = tiny_context("squeezenet", height, width, classes)
    kernel = np.random.default_rng(weights).normal(scale=0.01, size=model.get_weights()[0].shape)
    model.set_weights([kernel])
    return replace(context, seed=seed)


@cache
def small_alexnet(weights, normalize):
    from tfviz.models import alexnet

    model = alexnet.build_features((63, 67, 3), normalize=normalize)
    random = np.random.default_rng(weights)
    model.set_weights([random.normal(size=weight.shape) * 0.1 for weight in model.get_weights()])
    return model


@dataclass(frozen=True)
class Convolutions(Context):
    """A context on AlexNet's convolutions, drawn at random, for small pictures."""

    weights_seed: int = 0
    label = "squeezenet"

    def model(self, *, normalize=True):
        return small_alexnet(self.weights_seed, normalize)


def convolutions(seed, weights):
    return Convolutions(seed, Reporter(), weights_seed=weights)


@dataclass(frozen=True)
class Case:
    """A part, settings for a short run and for another one, a graded number and the array that decides it."""

    part: ModuleType
    settings: Any
    number: str
    array: str
    context: Any = tiny
    size: dict = field(default_factory=dict)
    others: dict = field(default_factory=dict)

    def run(self, seed=0, weights=0, **changes):
        return self.part.run(replace(self.settings, **changes), self.context(seed, weights, **self.size))

    def again(self, findings, weights=0):
        context = self.context(0, weights, **self.size)
        return self.part.again(findings, self.settings, OneModel(of=context))


CASES = [
    Case(
        class_image,
        replace(class_image.SETTINGS, target=5, seeds=2, repeats=2, steps=3, rate=0.5),
        "target_probability",
        "logarithm",
        size={"height": 8, "width": 9},
    ),
    Case(
        ship_to_retriever,
        replace(
            ship_to_retriever.SETTINGS, target=3, ships=2, repeats=2, steps=3, rate=0.1, logarithm_rate=0.01
        ),
        "target_probability",
        "logarithm",
        size={"height": 40, "width": 48},
    ),
    Case(
        class_neuron,
        replace(class_neuron.SETTINGS, class_index=3, steps=4, keep=(0, 4), rate=1e-3, tenth=1e-4),
        "objective_gain",
        "pictures_falling",
    ),
    Case(
        natural_prior,
        replace(
            natural_prior.SETTINGS,
            classes=(2, 3),
            weights_tried=(5.0,),
            prior_weight=2.0,
            rate=1e-3,
            steps=3,
            keep=(0, 3),
            short_steps=3,
        ),
        "spectrum_slope_long",
        "long_prior",
    ),
    Case(
        jellyfish_to_mink,
        replace(
            jellyfish_to_mink.SETTINGS,
            published_rates=(1e-3,),
            published_steps=2,
            steps=20,
            attempts=2,
            probability=0.5,
        ),
        "target_probability",
        "nearest",
        size={"height": 40, "width": 48, "classes": 400},
        others={"probability": 0.4},
    ),
    Case(
        conv1_units,
        replace(conv1_units.SETTINGS, height=63, width=67, steps=3, rate=0.01, repeats=2),
        "activation_channel_0",
        "picture_0",
        context=convolutions,
    ),
    Case(
        conv2_neuron,
        replace(
            conv2_neuron.SETTINGS, steps=6, keep=(0, 6), checked_steps=40, repeats=2, last_steps=2, rate=0.3
        ),
        "decaying_gain",
        "picture_decaying",
        context=convolutions,
    ),
]
FIT = (1.0, 5.0, 5.0, 2.0, 2.5, 0.4, 0.2, 0.7)
PICTURES = ("class_image", "ship_to_retriever", "jellyfish_to_mink", "conv1_units")
"""Whose pictures lie in [0, 1]."""


@pytest.fixture(autouse=True, scope="module")
def quick_fits():
    """Nothing here hangs on how well a Gabor function fits; a good fit takes a tenth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gabor, "fit", lambda component: gabor.GaborFit(*FIT, float(np.ptp(component)) % 1))
        yield


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.part.ID)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def honest(case):
    return honest_run(case.part)


def test_an_honest_run_is_borne_out_in_every_graded_number(case, honest):
    again = case.again(honest)
    assert again.keys() <= honest.numbers.keys()
    assert not refuted(honest, again)
    assert not [name for name, found in again.items() if found.value is None]
    assert {expected.number for expected in case.part.EXPECTED} & honest.numbers.keys() <= again.keys()


def test_a_changed_number_is_not_borne_out(case, honest):
    """By a hundredth, or by a millionth where it is less: tolerances leave no room for a claim."""
    again = case.again(honest)
    for name in {expected.number for expected in case.part.EXPECTED} & honest.numbers.keys():
        number = honest.numbers[name]
        off = 0.01 * abs(number.value) + 3e-6
        for value in (number.value + off, number.value - off):
            changed = replace(honest, numbers={**honest.numbers, name: Number(value, network="squeezenet")})
            assert refuted(changed, again) == {name}


def test_another_run_s_picture_is_not_taken_for_one_s_own(case, honest):
    other = case.run(seed=1, **case.others)
    swapped = replace(honest, arrays={**honest.arrays, case.array: other.arrays[case.array]})
    again = case.again(swapped)
    assert case.number in refuted(honest, again) or again[case.number].theirs


def test_a_picture_of_another_network_is_not_taken_for_one_of_this(case):
    other = case.run(weights=1)
    again = case.again(other)
    assert case.number in refuted(other, again) or again[case.number].theirs


def test_a_network_that_the_grader_lacks_is_named(case, honest):
    numbers = {name: replace(number, network="alexnet") for name, number in honest.numbers.items()}
    with pytest.raises(NotMeasurableError, match="the grader has no weights of alexnet"):
        case.again(replace(honest, numbers=numbers))
    mixed = {**honest.numbers, case.number: replace(honest.numbers[case.number], network="alexnet")}
    with pytest.raises(NotMeasurableError, match="labelled with 2 networks"):
        case.again(replace(honest, numbers=mixed))


def hostile(array):
    """Arrays in its place, each with what is said of it."""
    spoilt = array.copy()
    spoilt.flat[7] = np.nan
    endless = array.copy()
    endless.flat[3] = -np.inf
    yield spoilt, "no finite numbers"
    yield endless, "no finite numbers"
    yield array.astype(np.float64), "float64, not float32"
    yield array.astype(object), "object, not float32"
    yield array[..., :2], "of shape"
    yield array[np.newaxis], "of shape"
    yield array[:0], "of shape"
    yield array.tolist(), "not float32"


def test_what_is_no_such_array_is_said(case, honest):
    for there, said in hostile(honest.arrays[case.array]):
        again = case.again(replace(honest, arrays={**honest.arrays, case.array: there}))
        assert again[case.number].value is None
        assert again[case.number].theirs
        assert case.array in again[case.number].reason
        assert said in again[case.number].reason
    without = {name: array for name, array in honest.arrays.items() if name != case.array}
    again = case.again(replace(honest, arrays=without))
    assert again[case.number].reason == f"the array {case.array} was not handed in"


def test_pictures_lie_in_0_to_1(case, honest):
    there = honest.arrays[case.array].copy()
    there.flat[0] = 1.25
    again = case.again(replace(honest, arrays={**honest.arrays, case.array: there}))
    if case.part.ID in PICTURES:
        assert "outside 0 to 1" in again[case.number].reason
    else:
        assert again[case.number].value is not None


@pytest.mark.parametrize("part", [case.part for case in CASES if case.part.ID not in PICTURES])
def test_values_too_large_for_the_network_are_not_measured(part):
    case, honest = of(part), honest_run(part)
    there = np.full_like(honest.arrays[case.array], 3e38)
    there[..., ::2] *= -1
    with np.errstate(all="ignore"):
        again = case.again(replace(honest, arrays={**honest.arrays, case.array: there}))
    assert again[case.number].value is None
    assert again[case.number].theirs


def test_a_slope_is_that_of_a_picture_of_the_claimed_activation():
    """Any photograph has a natural slope: that alone shows nothing."""
    case, honest = of(natural_prior), honest_run(natural_prior)
    photograph = np.cumsum(np.random.default_rng(0).normal(size=(64, 72, 3)), 0).astype(np.float32)
    again = case.again(replace(honest, arrays={**honest.arrays, "picture_3_prior": photograph}))
    assert "activation_3_prior" in refuted(honest, again)
    for number in ("spectrum_slope_3_prior", "slope_gain_min", "moved_lower_total_variation"):
        assert again[number].theirs
        assert "has not the claimed activation_3_prior: " in again[number].reason
    assert again["spectrum_slope"].value is not None


def of(part):
    return next(case for case in CASES if case.part is part)


@cache
def honest_run(part):
    return of(part).run()


def test_the_update_s_errors_are_those_of_the_kept_pictures():
    """And a step that is not the loop's shows in the one and in the other."""
    case, honest = of(conv2_neuron), honest_run(conv2_neuron)
    names = ("shrink_error", "unrolled_error", "conv1_fixed_point_error")
    again = case.again(honest)
    assert all(abs(again[name].value - honest.numbers[name].value) <= 2e-6 for name in names)
    for name, array, number in (
        ("shrink_error", "checked_end", np.float32(1.01)),
        ("unrolled_error", "checked_corner", np.float32(1)),
        ("conv1_fixed_point_error", "conv1_corner", np.float32(1.01)),
    ):
        changed = honest.arrays[array] * number
        if array == "checked_corner":
            changed[-1] *= np.float32(1.01)
        again = case.again(replace(honest, arrays={**honest.arrays, array: changed}))
        assert again[name].value == pytest.approx(0.01, rel=0.05)


def test_where_a_gradient_jumps_with_the_last_bit_one_of_three_roundings_is_enough(monkeypatch):
    case, honest = of(conv2_neuron), honest_run(conv2_neuron)
    kept = conv2_neuron.unrolled_error

    def jumping(*arguments):
        return kept(*arguments) if arguments[5:] and arguments[5] < 1 else 0.01

    monkeypatch.setattr(conv2_neuron, "unrolled_error", jumping)
    assert case.again(honest)["unrolled_error"].value < 2e-6
    monkeypatch.setattr(conv2_neuron, "unrolled_error", lambda *_: 0.01)
    assert case.again(honest)["unrolled_error"].value == 0.01


def test_the_original_and_the_nearest_of_8_bits_are_of_8_bits():
    case, honest = of(jellyfish_to_mink), honest_run(jellyfish_to_mink)
    there = honest.arrays["nearest_8bit"].copy()
    there[0, 0, 0] = 0.5
    again = case.again(replace(honest, arrays={**honest.arrays, "nearest_8bit": there}))
    for name in ("target_probability_8bit", "l2_8bit", "png_probability", "jpeg_probability_75"):
        assert again[name].reason == "the array nearest_8bit holds values that are no multiples of 1/255"
    assert again["l2"].value == pytest.approx(
        distances(honest.arrays["source"], honest.arrays["nearest"])["l2"]
    )
    with pytest.raises(NotMeasurableError, match="the array source holds values that are no multiples"):
        case.again(replace(honest, arrays={**honest.arrays, "source": honest.arrays["nearest"]}))


def test_a_jpeg_is_that_of_the_nearest_picture():
    case, honest = of(jellyfish_to_mink), honest_run(jellyfish_to_mink)
    # Another reader of JPEGs gives other last levels; another picture is another picture.
    near = np.clip(np.rint(honest.arrays["jpeg_75"] * 255) + 1, 0, 255).astype(np.float32) / np.float32(255)
    again = case.again(replace(honest, arrays={**honest.arrays, "jpeg_75": near}))
    assert again["jpeg_probability_75"].value is not None
    again = case.again(replace(honest, arrays={**honest.arrays, "jpeg_75": honest.arrays["jpeg_75"][::-1]}))
    assert "is not nearest_8bit, saved and read again" in again["jpeg_probability_75"].reason
    assert again["jpeg_probability_90"].value is not None


@pytest.mark.parametrize("name", ["no such class", "", None, 7, ["mink"], {"mink": 1}])
def test_a_class_that_there_is_not_is_not_measured(name):
    case, honest = of(jellyfish_to_mink), honest_run(jellyfish_to_mink)
    with pytest.raises(NotMeasurableError, match="no class is named"):
        case.again(replace(honest, facts={**honest.facts, "target": name}))


def test_of_two_classes_of_one_name_the_more_probable_one_counts():
    logits = np.zeros(1000)
    logits[517] = 1  # "crane", the machine; the bird is 134
    found = replace(honest_run(jellyfish_to_mink), facts={"target": "crane"})
    assert jellyfish_to_mink._class_of(found, "target", logits) == 517
    assert jellyfish_to_mink._class_of(found, "target", -logits) == 134


def test_a_ship_s_numbers_need_the_ship():
    case, honest = of(ship_to_retriever), honest_run(ship_to_retriever)
    there = {**honest.arrays, "start": honest.arrays["logarithm"]}
    again = case.again(replace(honest, arrays=there))
    assert "no multiples of 1/255" in again["start_probability"].reason
    assert "l2_ship_0" not in again
    assert again["target_probability"].value is not None
    again = case.again(honest)
    moved = distances(honest.arrays["start"][1], honest.arrays["published"][1])
    assert again["published_l2_ship_1"] == Again(moved["l2"], 1e-6 * moved["l2"])
    assert again["published_ssim_ship_1"].tolerance == ROUNDING


def test_conv1_s_counts_are_the_grader_s_own_and_computed_once(tmp_path, monkeypatch):
    """Nothing that was handed in is needed for them; the memory keeps them for the next submission."""
    from tests.parts.test_conv1_filters import SETTINGS, HandMade

    context = HandMade(0, Reporter())
    honest = conv1_filters.run(SETTINGS, context)
    labelled = {
        name: replace(number, network="squeezenet" if name != "simple_cells" else None)
        for name, number in honest.numbers.items()
    }
    honest = replace(honest, numbers=labelled, arrays={})
    weights = tmp_path / "weights"
    weights.write_bytes(b"its hash is what the memory knows it by")
    lab = OneModel({"squeezenet": weights}, memory=tmp_path / "memory", of=context)
    again = conv1_filters.again(honest, SETTINGS, lab)
    assert not refuted(honest, again)
    assert {"conv2_inputs", "conv2_outputs", "conv2_kernel", "gabor_like", "blobs"} <= again.keys()
    assert not [name for name in again if name.startswith(("scrambled", "noises", "round"))]
    monkeypatch.setattr(conv1_filters, "run", None)
    assert conv1_filters.again(honest, SETTINGS, lab) == again
    weights.write_bytes(b"other weights")
    with pytest.raises(TypeError):  # it is run again
        conv1_filters.again(honest, SETTINGS, lab)


@pytest.mark.weights
def test_rounding_is_far_less_than_what_a_number_may_be_off(real_weights):
    """SqueezeNet's logits of pictures one by one and together, relative to the largest."""
    from tfviz.data.drawings import fleet

    model = Lab({"squeezenet": real_weights("squeezenet").path}).model("squeezenet")
    pictures = fleet(4, 227, 227, np.random.default_rng(0)).astype(np.float32)
    together = np.asarray(model(pictures))
    alone = np.concatenate([np.asarray(model(picture[np.newaxis])) for picture in pictures])
    assert np.abs(together - alone).max() < ROUNDING / 10 * np.abs(together).max()
