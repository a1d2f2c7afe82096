import re

import keras
import numpy as np
import pytest
from keras import layers, ops

import tfviz
from tests.tiny import in_unit_range, linear_model
from tfviz.method.occlusion import block_corners, block_sums, occluded_probabilities, occlusion_map
from tfviz.models import squeezenet

BFLOAT16_TOLERANCE = 0.02  # of a probability; bfloat16 has 8 significant bits


def probabilities(model, picture):
    """Softmax of one picture's logits, written out."""
    logits = model(picture[None].astype(np.float32), training=False).numpy()[0].astype(np.float64)
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def by_loop(model, picture, class_index, patch, stride, fill):
    """Every block by itself: a copy of the picture, filled pixel by pixel."""
    rows, columns = ((length - patch) // stride + 1 for length in picture.shape[:2])
    result = np.zeros((rows, columns))
    for r in range(rows):
        for c in range(columns):
            hidden = picture.copy()
            for i in range(r * stride, r * stride + patch):
                for j in range(c * stride, c * stride + patch):
                    hidden[i, j] = fill
            result[r, c] = probabilities(model, hidden)[class_index]
    return result


@pytest.fixture(scope="module")
def model():
    """conv, relu, dense on 13 x 10 pictures; logits so small that no class has it all."""
    made = linear_model(13, 10, classes=4)
    made.get_layer("logits").set_weights([0.03 * w for w in made.get_layer("logits").get_weights()])
    return made


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(1).random((13, 10, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("patch", "stride"),
    [(1, 1), (3, 2), (4, 3), (5, 5), (2, 7), (10, 1), (7, 20)],
)
@pytest.mark.parametrize("fill", [0.0, (0.9, 0.1, 0.4)])
def test_equals_a_loop(model, picture, patch, stride, fill):
    measured = tfviz.occlusion_map(model, picture, 2, patch=patch, stride=stride, fill=fill)
    expected = by_loop(model, picture, 2, patch, stride, fill)
    assert measured.dtype == np.float32
    assert measured.shape == ((13 - patch) // stride + 1, (10 - patch) // stride + 1)
    np.testing.assert_allclose(measured, expected, atol=1e-5, rtol=0)
    if expected.size > 1:
        assert np.ptp(expected) > 1e-3  # else any map would do


@pytest.mark.parametrize(("height", "width"), [(41, 63), (60, 37)])
def test_equals_a_loop_on_a_deep_network(height, width):
    """SqueezeNet takes any size. Its random weights would give each class 1/1000: logits 1000 times as large do not."""
    keras.utils.set_random_seed(2)
    model = squeezenet.build((height, width, 3))
    model.get_layer("conv10").set_weights([1000 * w for w in model.get_layer("conv10").get_weights()])
    picture = np.random.default_rng(2).random((height, width, 3)).astype(np.float32)
    likely = int(probabilities(model, picture).argmax())
    measured = occlusion_map(model, picture, likely, patch=17, stride=11, fill=(1, 0.5, 0))
    expected = by_loop(model, picture, likely, 17, 11, (1, 0.5, 0))
    np.testing.assert_allclose(measured, expected, atol=1e-5, rtol=0)
    assert np.ptp(expected) > 1e-3


def test_a_model_of_any_size_takes_any_picture():
    model = squeezenet.build((None, None, 3))
    picture = np.random.default_rng(0).random((37, 52, 3))
    assert occlusion_map(model, picture, 0, patch=20, stride=16).shape == (2, 3)


@pytest.mark.parametrize("batch", [1, 4, 5, 1000])
def test_the_batch_changes_nothing(model, picture, batch):
    """20 blocks: several whole batches, a short last one, one that is never filled."""
    steps = []
    measured = occluded_probabilities(
        model,
        picture,
        patch=4,
        stride=2,
        batch=batch,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert measured.shape == (5, 4, 4)
    for k in range(4):
        np.testing.assert_allclose(measured[..., k], by_loop(model, picture, k, 4, 2, 0.0), atol=1e-5, rtol=0)
    np.testing.assert_allclose(measured.sum(axis=-1), 1, atol=1e-6)
    assert steps == [(min(20, done), 20) for done in range(batch, 20 + batch, batch)]


def test_the_picture_is_left_alone(model, picture):
    before = picture.copy()
    occlusion_map(model, picture, 0, patch=3, stride=3, fill=7.0)
    np.testing.assert_array_equal(picture, before)


def test_bfloat16_is_close_and_is_not_float32(model, picture):
    exact, rounded = (
        occlusion_map(model, picture, 1, patch=3, stride=2, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    error = np.abs(rounded - exact).max()
    assert rounded.dtype == np.float32
    assert 1e-7 < error < BFLOAT16_TOLERANCE
    assert model.get_layer("conv1").compute_dtype == "float32"  # the model itself stays as it is


@pytest.mark.weights
def test_bfloat16_on_a_real_network(real_weights):
    """Where a block hides what decides, the probability is steep and the error largest: 0.05 there, 0.001 typically."""
    from tfviz.data.drawings import jellyfish

    model = tfviz.load("squeezenet", weights=real_weights("squeezenet").path)
    picture, _ = jellyfish(227, 227)
    exact, rounded = (
        occlusion_map(model, picture, 107, patch=32, stride=24, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    error = np.abs(rounded - exact)
    assert 0 < error.max() < 0.1
    assert np.median(error) < 0.005
    assert exact.min() < 0.6  # a map in which there is something to get wrong


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": 11}, "a block of 11 x 11 pixels does not fit into 13 x 10 pixels"),
        ({"patch": 0}, "a block of 0 x 0 pixels does not fit"),
        ({"patch": 2.5}, "patch must be a whole number, not 2.5"),
        ({"stride": 1.5}, "stride must be 1 or more, not 1.5"),
        ({"class_index": 1.0}, "class_index must be a whole number, not 1.0"),
        ({"fill": float("nan")}, "fill must be finite"),
        ({"picture": np.full((13, 10, 3), np.nan)}, "not finite"),
        ({"picture": np.full((13, 10, 3), 9, np.uint8)}, "whole numbers (uint8)"),
        ({"picture": np.zeros((13, 10, 1))}, "tiny takes pictures of shape (13, 10, 3), not (13, 10, 1)"),
        ({"stride": 0}, "stride must be 1 or more, not 0"),
        ({"class_index": 4}, "the model has 4 classes: there is no class 4"),
        ({"class_index": -1}, "there is no class -1"),
        ({"fill": (0, 1)}, "fill must be a number or 3 colours, not of shape (2,)"),
        ({"precision": "float16"}, "precision must be one of float32, bfloat16, not 'float16'"),
        ({"picture": np.zeros((10, 13, 3))}, "tiny takes pictures of shape (13, 10, 3), not (10, 13, 3)"),
        ({"picture": np.zeros((1, 13, 10, 3))}, "the picture must be (H, W, channels), not (1, 13, 10, 3)"),
    ],
)
def test_what_makes_no_sense_is_said(model, picture, changes, message):
    arguments = {"picture": picture, "class_index": 0, "patch": 3, "stride": 2} | changes
    with pytest.raises(ValueError, match=re.escape(message)):
        occlusion_map(model, **arguments)


def test_batch_must_be_positive(model, picture):
    with pytest.raises(ValueError, match="batch must be 1 or more"):
        occluded_probabilities(model, picture, patch=3, stride=2, batch=0)


def test_a_model_of_maps_is_refused(model, picture):
    maps = keras.Model(model.input, model.get_layer("conv1").output)
    with pytest.raises(ValueError, match=r"returns \(None, 11, 8, 2\), not \(N, classes\)"):
        occlusion_map(maps, picture, 0, patch=3, stride=2)


def test_corners_and_sums_by_hand():
    assert [list(corners) for corners in block_corners((7, 5), 3, 2)] == [[0, 2, 4], [0, 2]]
    values = np.arange(35).reshape(7, 5)
    sums = block_sums(values, 3, 2)
    assert sums.shape == (3, 2)
    assert sums[1, 0] == values[2:5, 0:3].sum()
    assert sums[2, 1] == values[4:7, 2:5].sum()
    assert block_sums(np.ones((4, 4), bool), 4, 1) == 16


SOFTMAXES = {
    "softmax layer": layers.Softmax(),
    "activation": layers.Activation("softmax"),
    "dense": layers.Dense(3, activation="softmax"),
    "sigmoids": layers.Dense(3, activation="sigmoid"),
    "one sigmoid": layers.Dense(1, activation="sigmoid"),
}


@pytest.mark.parametrize("name", SOFTMAXES)
def test_a_softmax_that_the_model_has_taken_is_not_taken_again(model, picture, name):
    """The model's own output, with nothing hidden but a block of the very colour that is there."""
    headed = keras.Model(model.input, SOFTMAXES[name](model.output))
    even = np.full_like(picture, 0.25)
    said = np.asarray(headed(even[np.newaxis]))[0]
    measured = occluded_probabilities(headed, even, patch=5, stride=5, fill=0.25)
    np.testing.assert_allclose(measured, np.broadcast_to(said, (2, 2, said.size)), rtol=1e-5)


def test_what_the_output_means_must_be_known(model, picture):
    unknown = keras.Model(model.input, layers.Lambda(lambda x: ops.softmax(x))(model.output))
    with pytest.raises(ValueError, match="cannot be found: say it with"):
        occlusion_map(unknown, picture, 0, patch=5, stride=5)
    one = keras.Model(model.input, layers.Dense(1)(model.output))
    with pytest.raises(ValueError, match="one value, which is no class"):
        occlusion_map(one, picture, 0, patch=5, stride=5)


def test_a_network_whose_range_is_known_takes_nothing_else(picture):
    known = in_unit_range(linear_model(13, 10))
    with pytest.raises(ValueError, match=re.escape("must be in [0, 1]")):
        occlusion_map(known, picture - 1, 0, patch=5, stride=5)
    with pytest.raises(ValueError, match=re.escape("fill must be in [0, 1]")):
        occlusion_map(known, picture, 0, patch=5, stride=5, fill=128)


def test_a_network_of_nan_is_said(picture):
    broken = linear_model(13, 10)
    broken.set_weights([np.full_like(weight, np.nan) for weight in broken.get_weights()])
    with pytest.raises(ValueError, match="not finite"):
        occlusion_map(broken, picture, 0, patch=5, stride=5)


def test_grey_pictures(picture):
    given = keras.Input((13, 10, 1))
    model = keras.Model(given, layers.Dense(2)(layers.Flatten()(given)))
    grey = picture[..., :1]
    measured = occlusion_map(model, grey, 1, patch=4, stride=3, fill=0.5)
    np.testing.assert_allclose(measured, by_loop(model, grey, 1, 4, 3, 0.5), atol=1e-5)


def test_a_layer_that_was_changed_since_is_seen(picture):
    model = linear_model()
    small = picture[:5, :7]
    model.predict_on_batch(small[None])
    for change in (keras.activations.tanh, keras.activations.linear):
        model.get_layer("conv1").activation = change
        found = occlusion_map(model, small, 1, patch=2, stride=np.array(2))
        np.testing.assert_allclose(found, by_loop(model, small, 1, 2, 2, 0.0), rtol=1e-4, atol=1e-6)


def test_a_picture_that_is_too_small_or_no_model_is_said_in_one_line():
    network = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2D(2, 5), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    )
    with pytest.raises(ValueError, match=r"^.* cannot be called on pictures of \(2, 7, 3\): [^\n]*$"):
        occlusion_map(network, np.full((2, 7, 3), 0.5), 0, patch=1, stride=1)
    with pytest.raises(ValueError, match=r"^the model must be one of Keras"):
        occlusion_map("alexnet", np.full((2, 7, 3), 0.5), 0, patch=1, stride=1)
