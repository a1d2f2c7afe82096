"""What a grader measures again of maps, theory and trainings: an honest run is borne out, and nothing else is."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tests.parts.test_again import OneModel, hostile, refuted
from tests.parts.test_normalization import LinearContext
from tests.training.made_up import pictures_of
from tfviz.data import cifar10
from tfviz.experiment.context import Context, Inputs
from tfviz.experiment.lab import Lab
from tfviz.experiment.part import NotMeasurableError, Number
from tfviz.experiment.progress import Reporter
from tfviz.parts import (
    cifar_cnn,
    cifar_resnet,
    narrow_network,
    normalization,
    occlusion_map,
    receptive_fields,
    training_hardness,
)

QUIET = Reporter(Console(quiet=True))


def lost(again):
    """The numbers that what was handed in does not bear out, by reason."""
    assert all(found.theirs for found in again.values() if found.value is None)
    return {name: found.reason for name, found in again.items() if found.value is None}


def borne_out(honest, again, *but):
    """All numbers were measured again but those named, and are what was claimed."""
    assert not lost(again)
    assert not refuted(honest, again)
    assert again.keys() == honest.numbers.keys() - set(but)


def with_arrays(findings, **arrays):
    return replace(findings, arrays={**findings.arrays, **arrays})


def with_facts(findings, **facts):
    return replace(findings, facts={**findings.facts, **facts})


def with_number(findings, name, value):
    number = findings.numbers[name]
    return replace(findings, numbers={**findings.numbers, name: Number(value, network=number.network)})


# Normalisation


def normalized(network="squeezenet", **inputs):
    return normalization.run(normalization.SETTINGS, LinearContext(network, Inputs(**inputs)))


def normalized_again(findings, network="squeezenet"):
    lab = OneModel(of=LinearContext(network), label=network)
    return normalization.again(findings, normalization.SETTINGS, lab)


@pytest.mark.parametrize("network", ["squeezenet", "alexnet"])
def test_confidences_with_and_without_normalisation(network):
    honest = normalized(network)
    again = normalized_again(honest, network)
    borne_out(honest, again)
    for name, number in honest.numbers.items():
        off = 0.01 if "confidence" in name else 1
        for value in (number.value - off, number.value + off):
            assert refuted(with_number(honest, name, value), again) == {name}
    with pytest.raises(NotMeasurableError, match="no weights of alexnet_features"):
        normalized_again(
            replace(honest, numbers={"pictures": Number(5), "raised": Number(1, network="alexnet_features")}),
            network,
        )


def test_the_program_s_pictures_are_the_grader_s_own():
    honest = normalized()
    pictures = honest.arrays["pictures"]
    # Two levels are another library; more is another picture.
    near = np.clip(pictures + np.float32(2 / 255), 0, 1)
    assert not lost(normalized_again(with_arrays(honest, pictures=near)))
    other = pictures.copy()
    other[3, 0, 0] += np.float32(3 / 255)
    again = normalized_again(with_arrays(honest, pictures=other))
    assert set(lost(again)) == {
        name
        for name in honest.numbers
        if name.endswith("_3") or name.startswith(("mean", "correct", "raised", "changed"))
    }
    assert set(lost(again).values()) == {"picture 4 is not the program’s own (rocket)"}
    swapped = normalized_again(with_arrays(honest, pictures=pictures[[1, 0, 2, 3, 4]]))
    assert swapped["confidence_raw_0"].reason == "picture 1 is not the program’s own (cat)"
    assert swapped["confidence_raw_1"].theirs
    assert swapped["confidence_raw_2"].value is not None
    few = lost(normalized_again(with_arrays(honest, pictures=pictures[:4])))
    assert few["raised"] == "4 pictures, not the 5 that come with the program"


def test_one_s_own_pictures_are_measured_and_nobody_knows_what_is_right(tmp_path):
    random = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(random.integers(0, 256, (80, 90, 3), np.uint8)).save(tmp_path / f"{name}.png")
    honest = normalized(pictures=tmp_path)
    borne_out(honest, normalized_again(honest))
    many = np.repeat(honest.arrays["pictures"], 7, axis=0)
    assert set(lost(normalized_again(with_arrays(honest, pictures=many))).values()) == {
        "14 pictures: the part takes 12"
    }


def test_pictures_that_are_none():
    honest = normalized()
    for there, said in hostile(honest.arrays["pictures"]):
        assert said in lost(normalized_again(with_arrays(honest, pictures=there)))["raised"]
    bright = honest.arrays["pictures"] + np.float32(0.5)
    assert "outside 0 to 1" in lost(normalized_again(with_arrays(honest, pictures=bright)))["raised"]


def test_a_count_is_open_where_rounding_decides():
    logits = np.array([[5.0, 5.0, 0.0], [5.0, 4.0, 0.0]])
    assert normalization._close(logits) == 1
    assert normalization._close(logits + np.array([[0, 3e-4, 0], [0, 0, 0]])) == 0


# Occlusion

BLOCKS = replace(occlusion_map.SETTINGS, patch=16, stride=4)


@cache
def with_maps(seed):
    import keras

    picture = keras.Input((64, 72, 3))
    maps = keras.layers.ReLU(name="relu10")(keras.layers.Conv2D(6, 5, strides=3, name="conv")(picture))
    logits = keras.layers.Dense(1000, name="logits")(keras.layers.Flatten()(maps))
    model = keras.Model(picture, logits)
    random = np.random.default_rng(seed)
    model.set_weights([random.normal(0, 0.05, weight.shape) for weight in model.get_weights()])
    return model


@dataclass(frozen=True)
class Mapped(Context):
    """A context on a small network with the layer that Grad-CAM looks at."""

    weights_seed: int = 0
    label = "squeezenet"

    def model(self, *, normalize=True):
        return with_maps(self.weights_seed)


@cache
def occluded(weights=0, source=107):
    inputs = Inputs(source_class=source)
    return occlusion_map.run(BLOCKS, Mapped(0, QUIET, "squeezenet", inputs=inputs, weights_seed=weights))


def occluded_again(findings, seed=0):
    lab = OneModel(of=Mapped(0, QUIET, "squeezenet"), seed=seed)
    return occlusion_map.again(findings, BLOCKS, lab)


def test_the_occlusion_map():
    honest = occluded()
    again = occluded_again(honest)
    borne_out(honest, again)
    assert again["lowest_decile_on_body"].tolerance <= 1e-6
    for name, number in honest.numbers.items():
        changed = with_number(honest, name, number.value + 0.001 + 0.001 * abs(number.value))
        assert refuted(changed, again) == {name}
    other = occluded(source=3)
    borne_out(other, occluded_again(other))
    assert "lowest_decile_on_body" not in occluded_again(other)


@pytest.mark.parametrize("name", ["probability", "winners", "winner_probability"])
def test_a_map_of_another_network_is_found(name):
    honest = occluded()
    forged = with_arrays(honest, **{name: occluded(weights=1).arrays[name]})
    reasons = lost(occluded_again(forged))
    assert reasons.keys() == honest.numbers.keys() - {"source_probability"}
    assert all(reason.startswith("the map is not what hiding blocks gives: ") for reason in reasons.values())


def test_a_few_blocks_that_were_lowered_are_found():
    """The lowest of all is always looked at, and half of the lowest tenth."""
    honest = occluded()
    lower = honest.arrays["probability"].copy()
    lower.flat[40] = lower.min() / 2
    place = divmod(40, lower.shape[1])
    reason = lost(occluded_again(with_arrays(honest, probability=lower)))["lowest_decile_on_body"]
    assert reason.startswith("the map is not what hiding blocks gives: ")
    assert reason.endswith(f"at {place}")


def test_which_blocks_are_looked_at_hangs_on_the_map_and_the_grader():
    stored = np.random.default_rng(0).random((25, 25), np.float32)
    chosen = occlusion_map._some_blocks(stored, 0)
    assert chosen == occlusion_map._some_blocks(stored.copy(), 0)
    assert divmod(int(stored.argmin()), 25) in chosen
    lowest = occlusion_map.lowest_decile(stored)
    assert sum(lowest[place] for place in chosen) in (32, 33)
    assert sum(not lowest[place] for place in chosen) == 32
    assert chosen != occlusion_map._some_blocks(stored, 1)
    assert chosen != occlusion_map._some_blocks(np.nextafter(stored, np.float32(1)), 0)
    assert len(occlusion_map._some_blocks(stored[:2, :3], 0)) == 6


@pytest.mark.parametrize("name", ["gradient_input", "gradient_input_signed", "grad_cam"])
def test_gradients_are_compared_everywhere(name):
    honest = occluded()
    there = honest.arrays[name]
    moved = there.copy()
    moved.flat[17] += 0.1 * np.abs(there).max()
    reasons = lost(occluded_again(with_arrays(honest, **{name: moved})))
    assert f"the array {name} is not what the gradient gives: " in reasons["agreement"]
    assert reasons.keys() == honest.numbers.keys() - {"source_probability"}
    near = there + 0.01 * np.abs(there).max()
    assert not lost(occluded_again(with_arrays(honest, **{name: near})))


def test_maps_that_are_none():
    honest = occluded()
    for there, said in hostile(honest.arrays["probability"]):
        assert said in lost(occluded_again(with_arrays(honest, probability=there)))["lowest_decile_on_body"]
    for name, changed, said in (
        ("winners", honest.arrays["winners"].astype(np.float64), "float64, not int64"),
        ("winners", honest.arrays["winners"] + 1000, "outside 0 to 999"),
        ("probability", 2 + honest.arrays["probability"], "outside 0 to 1"),
        ("grad_cam", honest.arrays["grad_cam"][1:], "of shape"),
    ):
        assert said in lost(occluded_again(with_arrays(honest, **{name: changed})))["lowest_decile_on_body"]


def test_the_drawn_body_counts_for_the_drawing_alone():
    honest = occluded()
    picture = np.clip(honest.arrays["picture"] + np.float32(0.02), 0, 1)
    reason = lost(occluded_again(with_arrays(honest, picture=picture)))["lowest_decile_on_body"]
    assert reason.startswith("the picture is not the drawn jellyfish: 0.02 apart")
    again = occluded_again(with_facts(honest, drawn=False))
    assert not lost(again)
    assert "lowest_probability" in again
    assert "lowest_decile_on_body" not in again


@pytest.mark.parametrize("index", [-1, 1000, 107.0, "107", None, [107]])
def test_a_class_that_there_is_not(index):
    again = occluded_again(with_facts(occluded(), class_index=index))
    assert set(lost(again).values()) == {"it is not said which class is looked for"}


# Receptive fields

FIELDS = receptive_fields.Settings(side=24, random_networks=5, effective_pictures=3)


@pytest.fixture(scope="module")
def fields():
    return receptive_fields.run(FIELDS, Context(1, QUIET))


def test_receptive_fields_are_the_grader_s_own_and_computed_once(fields, tmp_path, monkeypatch):
    """Nothing that was handed in is believed; another seed gives the same but what noise decides."""
    monkeypatch.setattr(receptive_fields, "_OTHERS", 2)
    lab = Lab(memory=tmp_path)
    again = receptive_fields.again(fields, FIELDS, lab)
    borne_out(fields, again, "random_networks_drawn")
    for expected in receptive_fields.EXPECTED:
        value = fields.numbers[expected.number].value
        for changed in (value + 1, value - 1):
            forged = with_number(fields, expected.number, changed)
            assert refuted(forged, again) == {expected.number}
    assert again["convolution_difference"].tolerance == 2e-5
    assert again["effective_size_conv5_equal"].tolerance < 0.05
    monkeypatch.setattr(receptive_fields, "_without_weights", None)
    assert receptive_fields.again(fields, FIELDS, lab) == again
    claimed = replace(fields, numbers={"effective_size_conv3": Number(90.0, network="alexnet_features")})
    found = receptive_fields.again(claimed, FIELDS, lab)["effective_size_conv3"]
    assert found.reason == "the grader has no weights of alexnet_features"
    assert not found.theirs


@pytest.mark.weights
def test_effective_fields_are_near_the_grader_s(real_weights, tmp_path):
    weights = real_weights("alexnet_features")
    numbers, arrays = {}, {}
    receptive_fields._effective(FIELDS, weights.path, np.random.default_rng(5), numbers, arrays)
    lab = Lab({"alexnet_features": weights.path}, memory=tmp_path)

    def again(**changed):
        found = receptive_fields.Findings(numbers, {**arrays, **changed})
        return receptive_fields._of_weights(found, FIELDS, lab)

    honest = again()
    assert len(honest) == 5
    assert not lost(honest)
    assert not refuted(receptive_fields.Findings(numbers), honest)
    point = np.zeros_like(arrays["effective_real_conv5"])
    point[80:84, 80:84] = 0.1
    assert set(lost(again(effective_real_conv5=point))) == {"effective_size_conv5"}
    reason = lost(again(effective_real_conv5=point))["effective_size_conv5"]
    assert reason.startswith("the array effective_real_conv5 gives 4 px; other noise gives 1")
    for there, said in hostile(arrays["effective_real_conv2"]):
        assert said in lost(again(effective_real_conv2=there))["effective_size_conv2"]


# A narrow network

NARROW = replace(narrow_network.QUICK, units=(1, 3, 24), functions_each=3, points=501, shown_units=3)


@pytest.fixture(scope="module")
def narrow():
    return narrow_network.run(NARROW, Context(1, QUIET))


def test_the_narrow_network(narrow):
    again = narrow_network.again(narrow, NARROW, Lab())
    borne_out(narrow, again)
    for expected in narrow_network.EXPECTED:
        value = narrow.numbers[expected.number].value
        for changed in (1.01 * value, 0.99 * value):
            assert refuted(with_number(narrow, expected.number, changed), again) == {expected.number}


def test_differences_are_those_of_rounding_and_of_one_run(narrow):
    number = "largest_difference"
    there = narrow.arrays["differences_float64"]

    def reason(**arrays):
        found = lost(narrow_network.again(with_arrays(narrow, **arrays), NARROW, Lab()))
        assert found.keys() <= {number}
        return found.get(number)

    large = there.copy()
    large[8] = 1e-12
    more = "the array differences_float64 is more than rounding explains"
    assert reason(differences_float64=large) == more
    assert reason(differences_float64=there + 1e-13) == more
    apart = "the arrays differences_float64 and off_float64 are not of one run"
    assert reason(differences_float64=there[::-1].copy()) == apart
    assert reason(off_float64=narrow.arrays["off_float64"] / 2) == apart
    assert "float32, not float64" in reason(differences_float64=there.astype(np.float32))
    assert "of shape" in reason(differences_float64=there[1:])
    assert "no finite numbers" in reason(differences_float64=there * np.nan)


# Hardness

HARD = replace(
    training_hardness.SETTINGS, sizes=(6, 14), instances=100, steps=200, long_steps=500, settling=50
)


@pytest.fixture(scope="module")
def hard():
    return training_hardness.run(HARD, Context(1, QUIET))


def test_solved_fractions_are_counted_again(hard, tmp_path, monkeypatch):
    lab = Lab(memory=tmp_path)
    again = training_hardness.again(hard, HARD, lab)
    borne_out(hard, again, "stuck_fraction", "wrong_most", "saved", "jumping")
    for name in again:
        forged = with_number(hard, name, hard.numbers[name].value + 0.005)
        assert refuted(forged, again) == {name}
    monkeypatch.setattr(training_hardness, "_of_others", None)
    assert training_hardness.again(hard, HARD, lab) == again

    def reasons(**arrays):
        return lost(training_hardness.again(with_arrays(hard, **arrays), HARD, lab))

    there = hard.arrays["solved_at_14"]
    made_up = reasons(solved_at_14=np.zeros_like(there))
    assert made_up.keys() == again.keys() - {"optimum_errors"}
    assert made_up["fall"].startswith("of size 14 it says 100 of 100 were solved; of other instances, ")
    assert "outside -1 to 500" in reasons(solved_at_14=there + 501)["fall"]
    assert "float64, not int64" in reasons(solved_at_14=there.astype(np.float64))["fall"]
    assert "of shape 99, not 100" in reasons(solved_at_6=there[1:])["fall"]


# CIFAR-10

TRAININGS = {"cifar_cnn": cifar_cnn, "cifar_resnet": cifar_resnet}


@pytest.fixture(params=TRAININGS)
def training(request):
    return TRAININGS[request.param]


def recorded(part, **inputs):
    return part.run(part.SETTINGS, Context(0, QUIET, inputs=Inputs(**inputs)))


def trained_again(part, findings, **lab):
    return part.again(findings, part.SETTINGS, Lab(**lab))


def test_a_recorded_training_is_the_grader_s_copy(training):
    honest = recorded(training)
    again = trained_again(training, honest)
    borne_out(honest, again)
    for name, number in honest.numbers.items():
        assert refuted(with_number(honest, name, 1e-4 + 1.0001 * number.value), again) == {name}
    curve = honest.arrays["validation_loss"].copy()
    curve[3] += 1e-9
    reasons = lost(trained_again(training, with_arrays(honest, validation_loss=curve)))
    assert "the array validation_loss is not the recorded training's: 1e-09 apart" in reasons["test_accuracy"]
    confusion = honest.arrays["confusion"].copy()
    confusion[3, 3:5] += [1, -1]
    reasons = lost(trained_again(training, with_arrays(honest, confusion=confusion)))
    assert reasons["test_accuracy"] == (
        "the array confusion is not that of the recorded network; pictures that differ: 1"
    )
    assert not any(name.startswith("published_network_") for name in reasons)


def test_judged_on_the_same_pictures_some_may_be_in_another_cell(training):
    honest = with_facts(recorded(training), tested_now=True)
    confusion = honest.arrays["confusion"].copy()
    confusion[:4, 5:] += [[1, -1, 0, 0, 0]] * 4
    moved = with_arrays(honest, confusion=confusion)
    again = trained_again(training, moved)
    assert not lost(again)
    assert again["test_accuracy"].value == np.trace(confusion) / 10_000
    assert again["test_loss"].tolerance == pytest.approx(5e-4)
    confusion[:, 0] += 10
    confusion[range(10), range(10)] -= 10
    reasons = lost(trained_again(training, with_arrays(honest, confusion=confusion)))
    assert reasons["test_accuracy"].endswith("; pictures that differ: 94")


def test_the_published_network_is_the_grader_s_copy():
    honest = recorded(cifar_resnet)
    curves = honest.arrays["published_network_train_loss"]
    again = trained_again(cifar_resnet, with_arrays(honest, published_network_train_loss=curves[::-1].copy()))
    assert set(lost(again)) == {name for name in honest.numbers if name.startswith("published_network_")}
    assert not refuted(honest, again)


def test_a_number_of_another_network_is_not_this_one_s(training):
    honest = recorded(training)
    numbers = {**honest.numbers}
    published = f"{training.ID} (published)"
    numbers["test_accuracy"] = replace(numbers["test_accuracy"], network=published)
    reasons = lost(trained_again(training, replace(honest, numbers=numbers)))
    assert reasons == {
        "test_accuracy": f"this is a number of {honest.numbers['test_accuracy'].network}",
    }


def test_on_other_pictures_a_sample_says_whether_it_may_be(training, monkeypatch, tmp_path):
    monkeypatch.setattr(cifar10, "read_test_batch", lambda place: pictures_of(120, seed=1))
    honest = recorded(training, data_dir=tmp_path)
    place = {"data_dir": tmp_path, "memory": tmp_path}
    borne_out(honest, trained_again(training, honest, **place))
    confusion = np.diag(honest.arrays["confusion"].sum(axis=1))
    reasons = lost(trained_again(training, with_arrays(honest, confusion=confusion), **place))
    assert reasons["test_accuracy"].startswith(
        "the array confusion says 1 are right; of 120 of the pictures "
    )
    found = trained_again(training, honest)["test_accuracy"]
    assert (found.reason, found.theirs) == ("the grader has no CIFAR-10", False)
    other = with_facts(honest, tested_on="made up elsewhere")
    found = trained_again(training, other, **place)["test_accuracy"]
    assert found.reason == "it was tested on other pictures than the grader’s made up"


def test_a_training_of_one_s_own_is_what_its_confusion_says(training):
    """Its weights are not handed in."""
    honest = with_facts(recorded(training), trained_now=True, tested_now=True)
    again = trained_again(training, honest)
    assert not lost(again)
    assert not refuted(honest, again)
    measured = {"test_accuracy", "most_confused", "last_validation_loss", "epochs", "minutes", "seconds"}
    assert measured <= again.keys()
    assert again.keys() & {"one_view_accuracy", "test_loss", "clean_train_loss", "parameters"} == set()
    assert refuted(with_number(honest, "test_accuracy", 0.95), again) == {"test_accuracy"}
    confusion = honest.arrays["confusion"]
    for there, said in (
        (2 * confusion, "not of 1,000 pictures of each class"),
        (confusion - 1000, "outside 0 to "),
        (confusion.astype(np.float64), "float64, not int64"),
        (confusion[:9], "of shape 9 x 10, not 10 x 10"),
    ):
        reasons = lost(trained_again(training, with_arrays(honest, confusion=there)))
        assert said in reasons["test_accuracy"]
    nothing = with_facts(with_arrays(honest, confusion=0 * confusion), tested_on="elsewhere")
    assert "of no picture" in lost(trained_again(training, nothing))["test_accuracy"]
    curve = honest.arrays["train_loss"].astype(np.float32)
    assert set(lost(trained_again(training, with_arrays(honest, train_loss=curve)))) == {"last_train_loss"}


@pytest.mark.parametrize("said", [None, 3, ["CIFAR-10"], {"a": 1}, "x" * 1000])
def test_data_that_are_called_something_odd(training, said):
    honest = with_facts(recorded(training), tested_on=said, tested_now=True)
    again = trained_again(training, honest)
    assert again["test_accuracy"].reason == "the grader has no CIFAR-10"
