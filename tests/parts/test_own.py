"""Parts on a network of the user's own."""

import re

import keras
import numpy as np
import pytest
from keras import layers as L

from tests.models import networks
from tests.parts.drawn import drawn, html_of, text_of
from tfviz.errors import TfvizError
from tfviz.experiment.context import Context, OwnNetwork
from tfviz.experiment.progress import Reporter
from tfviz.parts import (
    class_image,
    class_neuron,
    conv1_filters,
    conv1_units,
    jellyfish_to_mink,
    natural_prior,
    occlusion_map,
    receptive_fields,
)
from tfviz.parts._own import (
    UnfitNetworkError,
    attacked_class,
    class_names,
    in_colours,
    probabilities,
    several_classes,
    source_class,
    target_class,
)
from tfviz.weights.fetch import WeightsFile

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def context_of(tmp_path_factory):
    """A context on a Keras model, which is saved and read again."""

    def made(model, **said):
        path = tmp_path_factory.mktemp("own") / "digits.keras"
        model.save(path)
        file = WeightsFile(path, "0" * 64, "named by the user", "own", published=False)
        own = OwnNetwork("digits", **{"pictures": "[0,1]", **said})
        return Context(0, Reporter(), "own", file, own=own)

    return made


@pytest.fixture(scope="module")
def digits(context_of):
    return context_of(networks.grey(), classes=DIGITS, target_class=3)


def test_numbers_are_labelled(digits):
    assert digits.number(1).network == "your network “digits”"


def test_class_image_of_a_grey_network(digits):
    settings = class_image.Settings(seeds=2, repeats=2, steps=6, pictures=3)
    findings = class_image.run(settings, digits)
    assert findings.facts["class"] == "three"
    assert findings.arrays["logarithm"].shape == (2, 28, 28, 1)
    climbed = findings.arrays["logarithm_probability"]
    assert (climbed[-1] > climbed[0]).all()
    model = digits.model()
    ends = keras.ops.softmax(model(findings.arrays["logarithm"]))
    np.testing.assert_allclose(ends[:, 3], climbed[-1, 0], atol=1e-6)
    assert len(drawn(class_image, findings, settings)) == 3
    text = re.sub("<[^>]+>", "", html_of(class_image, findings, settings))
    assert "sure to see a three (class 3)" in text


def test_a_class_without_a_name_has_its_number(context_of):
    context = context_of(networks.grey(), target_class=3)
    for part, says in (
        (class_image, "until the network is sure to see its class 3? And does"),
        (class_neuron, "the one of class 3? The originals"),
    ):
        findings = part.run(part.QUICK, context)
        page = text_of(html_of(part, findings, part.QUICK, network="your network “digits”"))
        assert says in page
        assert "of “class 3”" in page


def test_occlusion_map_of_a_grey_network(digits):
    findings = occlusion_map.run(occlusion_map.SETTINGS, digits)
    picture, patch = findings.arrays["picture"], findings.facts["patch"]
    assert (picture.shape, patch, findings.facts["stride"]) == ((28, 28, 1), 4, 1)
    model = digits.model()
    seen = np.asarray(keras.ops.softmax(model(picture[None])))[0]
    source = int(seen.argmax())
    assert findings.facts["class"] == DIGITS[source], "what the network itself sees in it"
    hidden = picture.copy()
    hidden[3 : 3 + patch, 5 : 5 + patch] = 0
    np.testing.assert_allclose(
        findings.arrays["probability"][3, 5], keras.ops.softmax(model(hidden[None]))[0, source], atol=1e-6
    )
    assert "body" not in findings.arrays
    assert len(drawn(occlusion_map, findings, occlusion_map.SETTINGS)) == 2
    assert DIGITS[source] in html_of(occlusion_map, findings, occlusion_map.SETTINGS)


def test_conv1_filters_of_a_grey_network(context_of):
    model = networks.grey()
    kernel = model.layers[0].kernel
    kernel.assign(np.asarray(kernel) * (np.arange(16) != 5))
    settings = conv1_filters.Settings(scrambled=2, round_blobs=2, noises=2)
    findings = conv1_filters.run(settings, context_of(model))
    facts = findings.facts
    assert (facts["conv1"], facts["conv2"]) == (model.layers[0].name, model.layers[2].name)
    assert (facts["zero_filters"], findings.numbers["filters"].value) == (1, 15)
    np.testing.assert_array_equal(findings.arrays["filters"][5], np.asarray(kernel)[..., 6])
    assert findings.numbers["conv2_inputs"].value == 16
    assert "conv2" in drawn(conv1_filters, findings, settings)
    assert model.layers[0].name in html_of(conv1_filters, findings, settings)


def test_conv1_filters_without_a_second_convolution_that_reads_them(context_of):
    picture = keras.Input((20, 20, 3))
    x = L.Conv2D(6, 5)(picture)
    x = L.Add()([L.Conv2D(6, 1)(x), x])
    model = keras.Model(picture, L.Dense(2)(L.Flatten()(L.Conv2D(6, 3)(x))))
    settings = conv1_filters.Settings(scrambled=2, round_blobs=2, noises=2)
    findings = conv1_filters.run(settings, context_of(model))
    assert "conv2_inputs" not in findings.numbers, "that of the sum reads no map of conv1's alone"
    assert "conv2" not in drawn(conv1_filters, findings, settings)
    assert "The second layer" not in html_of(conv1_filters, findings, settings)


@pytest.mark.parametrize("part", [class_image, occlusion_map])
def test_a_network_without_classes_is_told_so(context_of, part):
    picture = keras.Input((20, 20, 3))
    with pytest.raises(TfvizError, match="no probabilities of classes: it returns maps"):
        part.run(part.QUICK, context_of(keras.Model(picture, L.Conv2D(2, 3)(picture))))


def test_single_pixels_are_no_pattern(context_of):
    picture = keras.Input((20, 20, 3))
    model = keras.Model(picture, L.Dense(2)(L.Flatten()(L.Conv2D(2, 1)(picture))))
    with pytest.raises(TfvizError, match="weighs single pixels"):
        conv1_filters.run(conv1_filters.QUICK, context_of(model))


@pytest.mark.parametrize(
    ("own", "target"),
    [
        (None, 207),
        (OwnNetwork("x"), 0),
        (OwnNetwork("x", classes=("cat", "golden retriever")), 1),
        (OwnNetwork("x", classes=("cat", "dog"), target_class=1), 1),
    ],
)
def test_the_class_that_is_looked_for(own, target):
    context = Context(0, Reporter(), own=own)
    assert target_class(context, 207) == target
    probabilities = np.array([0.1, 0.6, 0.3])
    assert source_class(context, probabilities) == (107 if own is None else 1)


def test_names_of_classes(digits):
    model = digits.model()
    assert class_names(digits, model) == DIGITS
    assert class_names(Context(0, Reporter(), own=OwnNetwork("x")), model)[:2] == ("class 0", "class 1")
    assert class_names(Context(0, Reporter()), model)[107] == "jellyfish"


def test_pictures_of_any_channels_are_shown_in_three_colours():
    pictures = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(in_colours(pictures), pictures[..., :3])
    np.testing.assert_array_equal(in_colours(pictures[..., :1])[1, 2], [20, 20, 20])
    np.testing.assert_array_equal(in_colours(pictures[..., :2])[1, 2], [20, 21, 0])


def page(part, findings, settings):
    """The text of its page."""
    html = html_of(part, findings, settings, network="your network “digits”")
    return re.sub(r"[\u2066-\u2069]", "", re.sub("<[^>]+>", "", html))


@pytest.fixture(scope="module")
def coloured(context_of):
    """Pictures in 0..255, a base of its own, a filter without weights, an activation in the convolution."""
    keras.utils.set_random_seed(1)
    base = keras.Input((30, 26, 3))
    conv = L.Conv2D(7, 5, strides=2, activation="relu", name="conv")
    inner = keras.Model(base, L.Conv2D(4, 3, activation="gelu", name="next")(conv(base)), name="base")
    conv.set_weights([np.asarray(conv.kernel) * (np.arange(7) != 2), np.linspace(-1, 1, 7)])
    picture = keras.Input((30, 26, 3))
    x = L.GlobalAveragePooling2D()(inner(L.Rescaling(1 / 127.5, -1)(picture)))
    model = keras.Model(picture, L.Dense(3, activation="softmax")(x))
    return context_of(model, pictures=None, classes=("א", "ב", "ג"))


def test_conv1_units_reach_the_bound_of_their_own_network(coloured):
    settings = conv1_units.Settings(channels=(0, 9), repeats=2)
    findings = conv1_units.run(settings, coloured)
    assert (findings.facts["layer"], findings.facts["zero_filters"]) == ("base/conv", 1)
    conv = next(each for each in coloured.model()._flatten_layers() if each.name == "conv")
    kernel, bias = (np.asarray(each) for each in conv.get_weights())
    kept = [0, 1, 3, 4, 5, 6]
    # The network sees 2 x - 1 of a picture in [0, 1]: at its best each value is the sign of its weight.
    bounds = bias[kept] + np.abs(kernel[..., kept]).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(findings.arrays["bounds"], bounds, rtol=1e-4)
    np.testing.assert_allclose(
        findings.arrays["filters"], 2 * np.moveaxis(kernel, -1, 0)[kept], rtol=1e-4, atol=1e-6
    )
    assert [row["channel"] for row in findings.facts["channels"]] == [0, 5]
    for channel in (0, 5):
        reached = findings.numbers[f"activation_channel_{channel}"].value
        assert 0.95 * bounds[channel] < reached <= bounds[channel] + 1e-4
        top, left = (first for first, _last in findings.facts["window"])
        patch = findings.arrays[f"picture_{channel}"][top : top + 5, left : left + 5]
        said = np.sum(kernel[..., kept[channel]] * (2 * patch - 1)) + bias[kept[channel]]
        assert said == pytest.approx(reached, rel=1e-4)
    assert list(drawn(conv1_units, findings, settings)) == ["pictures", "ascent", "all"]
    text = page(conv1_units, findings, settings)
    assert "first convolution of your network “digits”, base/conv, respond most" in text
    assert "AlexNet’s first layer" not in text


def test_conv1_units_of_grey_pictures(digits):
    settings = conv1_units.Settings(channels=(3,), repeats=2)
    findings = conv1_units.run(settings, digits)
    assert findings.arrays["picture_3"].shape == (28, 28, 1)
    kernel, bias = digits.model().layers[1].get_weights()
    positive = np.maximum(kernel, 0).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(findings.arrays["bounds"], positive + bias, rtol=1e-4)
    assert len(drawn(conv1_units, findings, settings)) == 3


def test_units_behind_what_is_not_linear_have_no_closed_form(context_of):
    picture = keras.Input((20, 20, 3))
    x = L.Conv2D(2, 3)(keras.ops.square(picture))
    context = context_of(keras.Model(picture, L.Dense(2)(L.Flatten()(x))))
    with pytest.raises(UnfitNetworkError, match="is not linear in the picture"):
        conv1_units.run(conv1_units.QUICK, context)


def test_class_neuron_of_a_class_of_its_own(digits):
    settings = class_neuron.Settings(steps=6, keep=(0, 6), repeats=2)
    findings = class_neuron.run(settings, digits)
    assert (findings.facts["class_name"], findings.facts["class_index"]) == ("three", 3)
    last = findings.arrays["pictures_falling"][-1:]
    logits = np.asarray(digits.model()(last))
    assert findings.numbers["activation_falling"].value == pytest.approx(logits[0, 3], rel=1e-5)
    assert len(drawn(class_neuron, findings, settings)) == 3
    assert "the one of “three” (class 3)" in page(class_neuron, findings, settings)


def test_natural_prior_in_grey_and_in_colours(digits, coloured, context_of):
    numbered = context_of(networks.grey(), classes=tuple("0123456789"), target_class=3)
    settings = natural_prior.Settings(
        classes=(107, 145), weights_tried=(100.0,), steps=4, keep=(0, 4), short_steps=3
    )
    for context, names, shape in ((numbered, ["3", "0"], (28, 28, 1)), (coloured, ["א", "ב"], (30, 26, 3))):
        findings = natural_prior.run(settings, context)
        assert [entry["name"] for entry in findings.facts["gallery"]] == names
        first = findings.facts["gallery"][0]["index"]
        assert findings.arrays["long_prior"].shape == (2, *shape)
        assert np.isfinite(findings.arrays["power_prior"]).all()
        end = findings.arrays["long_prior"][-1:]
        logit = np.asarray(context.model()(end))[0, first]
        assert findings.arrays["activation_prior"][-1] == pytest.approx(logit, rel=1e-4)
        assert len(drawn(natural_prior, findings, settings)) == 5
        assert "Network: your network “digits”" in page(natural_prior, findings, settings)


def test_the_grey_spectrum_is_that_of_the_mean_colour_of_natural_ones():
    """Against pictures that are drawn with the natural magnitudes, each axis by itself."""
    from tfviz.measures import spectrum

    random = np.random.default_rng(0)
    magnitude, axes = spectrum.natural_magnitude(16, 16), spectrum.colour_axes()
    parts = random.normal(size=(4000, 2, *magnitude.shape)) / np.sqrt(2)
    grey = ((parts[:, 0] + 1j * parts[:, 1]) * magnitude) @ axes.mean(axis=1)
    rms = np.sqrt(np.mean(np.abs(grey) ** 2, axis=0))
    goal = natural_prior._penalty(16, 16, 1)
    pictures = np.fft.irfft2(rms[None, :, :, None], axes=(1, 2), norm="ortho").astype("f4")
    from tfviz.experiment.lab import scores

    identity = keras.Sequential([keras.Input((16, 16, 1)), L.Identity()])
    (off,), _ = scores(identity, goal, pictures)
    (all_of_it,), _ = scores(identity, goal, np.zeros_like(pictures))
    assert abs(off) < 1e-3 * abs(all_of_it)


def test_the_attack_goes_from_what_the_network_says_to_its_second_guess(digits, context_of):
    settings = jellyfish_to_mink.Settings(published_steps=4, steps=40, attempts=1)
    free = context_of(networks.grey(), classes=tuple("אבגדהוזחטי"))
    findings = jellyfish_to_mink.run(settings, free)
    seen = np.asarray(keras.ops.softmax(free.model()(findings.arrays["source"][None])))[0]
    second, first = np.argsort(seen)[-2:]
    assert (findings.facts["source"], findings.facts["target"]) == ("אבגדהוזחטי"[first], "אבגדהוזחטי"[second])
    assert findings.numbers["target_probability_start"].value == pytest.approx(seen[second], abs=1e-6)
    assert findings.arrays["jpeg_75"].shape == (28, 28, 1)
    assert len(drawn(jellyfish_to_mink, findings, settings)) >= 2
    assert "Your network “digits” gives it to “" in page(jellyfish_to_mink, findings, settings)


def test_the_class_that_a_picture_shall_be_taken_for():
    probabilities = np.array([0.5, 0.1, 0.4])
    own = Context(0, Reporter(), own=OwnNetwork("x"))
    assert attacked_class(own, probabilities, 0) == 2
    assert attacked_class(own, probabilities, 1) == 0
    said = Context(0, Reporter(), own=OwnNetwork("x", target_class=1))
    assert attacked_class(said, probabilities, 0) == 1
    with pytest.raises(UnfitNetworkError, match=r"takes the picture for 'class 1' already.*--source-class"):
        attacked_class(said, probabilities, 1)
    assert attacked_class(Context(0, Reporter()), probabilities, 0) == 357


def test_classes_of_a_gallery():
    own = Context(0, Reporter(), own=OwnNetwork("x", target_class=4))
    assert several_classes(Context(0, Reporter()), (107, 1), 1000) == (107, 1)
    assert several_classes(own, (107, 1, 2), 10) == (4, 0, 9)
    assert several_classes(own, (107, 1, 2), 6) == (4, 0, 5)
    two = Context(0, Reporter(), own=OwnNetwork("x"))
    assert several_classes(two, (107, 1, 2, 3), 2) == (0, 1)


def test_probabilities_of_classes_by_themselves():
    picture = keras.Input((4, 4, 1))
    theirs = keras.Model(picture, L.Dense(3, activation="sigmoid")(L.Flatten()(picture)))
    from tfviz.models.own import use

    model = use(theirs, pictures="[0,1]")
    np.testing.assert_allclose(probabilities(model, [[0.0, 0.0, np.log(3)]]), [[0.5, 0.5, 0.75]])


def test_fields_of_its_own_convolutions(coloured):
    numbers = {}
    found = receptive_fields._own_network(coloured, numbers)
    rows = [(row["layers"], row["size"], row["stride"], row["offset"]) for row in found["rows"]]
    assert rows == [
        (["base/conv"], [5, 5], [2, 2], [0, 0]),
        (["base/next"], [9, 9], [2, 2], [0, 0]),
    ]
    assert found["rows"][1]["window"] == [[10, 18], [8, 16]]
    assert [row["measured"] for row in found["rows"]] == [row["window"] for row in found["rows"]]
    assert (numbers["own_layers"].value, numbers["own_layers_disagree"].value) == (2, 0)


def test_fields_of_a_programmed_network_are_said_to_be_unknown():
    from tests.models.test_own import Programmed
    from tfviz.models.own import use

    model = use(Programmed(), shape=(12, 10, 3), head="softmax", pictures="[0,1]")
    context = Context(0, Reporter(), own=OwnNetwork("x"))
    object.__setattr__(context, "model", lambda: model)
    found = receptive_fields._own_network(context, {})
    assert (found["rows"], found["missing"]) == ([], [])
    assert found["hidden"] == "programmed/conv"


@pytest.mark.parametrize(
    ("join", "why"),
    [
        (
            lambda maps: L.UpSampling2D(2, name="up")(maps),
            {"why": "layer", "at": "up", "kind": "UpSampling2D"},
        ),
        (
            lambda maps: L.Add(name="sum")(
                [L.Conv2D(2, 4, strides=2, name="far")(maps), L.Conv2D(2, 11, name="near")(maps)]
            ),
            {"why": "branches", "at": "sum", "kind": "Add"},
        ),
    ],
)
def test_fields_that_cannot_be_followed(context_of, join, why):
    picture = keras.Input((20, 20, 3))
    maps = join(L.Conv2D(2, 3, name="first")(picture))
    model = keras.Model(picture, L.Dense(2)(L.Flatten()(L.Conv2D(3, 3, name="last")(maps))))
    found = receptive_fields._own_network(context_of(model), {})
    assert found["missing"] == [{"layer": "last", **why}]


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (lambda picture: L.Flatten()(picture), "none of its layers returns maps."),
        (
            lambda picture: L.Concatenate()([L.Flatten()(picture), L.Flatten()(L.Conv2D(2, 3)(picture))]),
            "some of what it computes goes past its last maps.",
        ),
    ],
)
def test_why_grad_cam_has_nothing_to_say_in_both_languages(context_of, head, says):
    picture = keras.Input((20, 20, 3))
    context = context_of(keras.Model(picture, L.Dense(3)(head(picture))))
    findings = occlusion_map.run(occlusion_map.QUICK, context)
    assert not findings.arrays["grad_cam"].any()
    page = text_of(html_of(occlusion_map, findings, occlusion_map.QUICK, network="your network “digits”"))
    assert f"has nothing to say of this network: {says}" in page
