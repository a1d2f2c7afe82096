from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfviz.errors import BadFileError
from tfviz.weights.port import Row, assign, fc_after_flatten, oihw_to_hwio, transpose

PATH = Path("some.pth")
ROWS = (
    Row("conv1/kernel", "features.0.weight", oihw_to_hwio),
    Row("conv1/bias", "features.0.bias"),
    Row("fc/kernel", "classifier.weight", transpose),
)


class Variable:
    def __init__(self, path, shape):
        self.path, self.shape = path, shape
        self.values = []

    def assign(self, value):
        self.values.append(value)


def model(**shapes):
    return SimpleNamespace(name="small", weights=[Variable(path, shape) for path, shape in shapes.items()])


@pytest.fixture
def small():
    return model(**{"conv1/kernel": (2, 3, 4, 5), "conv1/bias": (5,), "fc/kernel": (7, 6)})


@pytest.fixture
def tensors():
    numbers = np.random.default_rng(0)
    shapes = {"features.0.weight": (5, 4, 2, 3), "features.0.bias": (5,), "classifier.weight": (6, 7)}
    return {name: numbers.normal(size=shape) for name, shape in shapes.items()}


def message(small, rows, tensors, **options):
    with pytest.raises(BadFileError) as caught:
        assign(small, rows, tensors, path=PATH, **options)
    assert all(not variable.values for variable in small.weights), "nothing may change"
    text = str(caught.value)
    assert text.startswith("some.pth does not fit the network small")
    assert "\n" not in text
    return text


def test_everything_lands_where_it_belongs(small, tensors):
    assign(small, ROWS, tensors, path=PATH)
    kernel, bias, dense = (variable.values for variable in small.weights)
    assert [len(values) for values in (kernel, bias, dense)] == [1, 1, 1]
    assert all(values[0].dtype == np.float32 for values in (kernel, bias, dense))
    source = tensors["features.0.weight"].astype(np.float32)
    assert kernel[0][1, 2, 3, 4] == source[4, 3, 1, 2]
    np.testing.assert_array_equal(bias[0], tensors["features.0.bias"].astype(np.float32))
    np.testing.assert_array_equal(dense[0], tensors["classifier.weight"].T.astype(np.float32))


def test_variable_inside_a_nested_model(tensors):
    nested = model(**{"net/conv1/kernel": (2, 3, 4, 5), "net/conv1/bias": (5,), "net/fc/kernel": (7, 6)})
    assign(nested, ROWS, tensors, path=PATH)
    assert nested.weights[2].values[0].shape == (7, 6)


def test_a_row_does_not_match_half_a_layer_name(tensors):
    other = model(**{"myconv1/kernel": (2, 3, 4, 5), "conv1/bias": (5,), "fc/kernel": (7, 6)})
    text = message(other, ROWS, tensors)
    assert "no variables conv1/kernel" in text
    assert "the variable myconv1/kernel has no row" in text


def test_ambiguous_variable(tensors):
    twice = model(
        **{"a/conv1/bias": (5,), "b/conv1/bias": (5,), "conv1/kernel": (2, 3, 4, 5), "fc/kernel": (7, 6)}
    )
    assert "2 variables conv1/bias" in message(twice, ROWS, tensors)


def test_missing_tensor(small, tensors):
    del tensors["features.0.bias"]
    assert "features.0.bias is missing" in message(small, ROWS, tensors)


def test_unknown_tensor_unless_ignored(small, tensors):
    tensors["head/Conv_0/kernel"] = np.zeros(3)
    assert "head/Conv_0/kernel is not known" in message(small, ROWS, tensors, ignored=["tail/*"])
    assign(small, ROWS, tensors, ignored=["head/*"], path=PATH)


def test_two_rows_for_one_variable(small, tensors):
    tensors["more"] = np.zeros(5)
    assert "conv1/bias has two rows" in message(small, [*ROWS, Row("conv1/bias", "more")], tensors)


def test_two_rows_for_one_tensor(small, tensors):
    rows = [*ROWS[:2], Row("fc/kernel", "features.0.bias")]
    text = message(small, rows, tensors)
    assert "features.0.bias has 2 rows" in text
    assert "classifier.weight is not known" in text


def test_variable_without_row(small, tensors):
    del tensors["features.0.bias"]
    assert "the variable conv1/bias has no row" in message(small, [ROWS[0], ROWS[2]], tensors)


def test_other_shape(small, tensors):
    tensors["classifier.weight"] = np.zeros((6, 8))
    text = message(small, ROWS, tensors)
    assert "classifier.weight of shape (6, 8) gives (8, 6) for fc/kernel (7, 6)" in text


def test_other_rank_is_a_message_not_a_crash(small, tensors):
    tensors["features.0.weight"] = np.zeros((5, 4))
    assert "features.0.weight of shape (5, 4) does not fit conv1/kernel (2, 3, 4, 5)" in message(
        small, ROWS, tensors
    )


def test_same_number_of_values_is_not_enough(small, tensors):
    tensors["features.0.bias"] = np.zeros((5, 1))
    assert "gives (5, 1) for conv1/bias (5,)" in message(small, ROWS, tensors)


def test_many_differences_are_counted_not_listed(small, tensors):
    text = message(small, ROWS, {f"layer{n}": np.zeros(1) for n in range(50)})
    # 3 missing tensors and 50 unknown ones, of which 6 in all are shown.
    assert text.endswith("; and 47 more.")
    assert len(text) < 500


def test_numbers_of_other_widths_are_converted(small, tensors):
    tensors["features.0.bias"] = np.array([0.1, 1 / 3, 65504, 6e-8, -0.5], np.float16)
    tensors["classifier.weight"] = np.full((6, 7), np.pi)
    assign(small, ROWS, tensors, path=PATH)
    np.testing.assert_array_equal(small.weights[1].values[0], tensors["features.0.bias"].astype(np.float64))
    assert small.weights[2].values[0][0, 0] == np.float32(np.pi)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_values_that_are_not_finite_as_float32(small, tensors, value):
    tensors["classifier.weight"][2, 3] = value
    with pytest.raises(BadFileError) as caught:
        assign(small, ROWS, tensors, path=PATH)
    assert str(caught.value).startswith(
        "some.pth is damaged: classifier.weight has values that are not finite"
    )
    assert all(not variable.values for variable in small.weights)


def test_quantised_kernels(small, tensors):
    tensors["classifier.weight"] = np.ones((6, 7), np.int8)
    with pytest.raises(BadFileError, match=r"holds classifier\.weight as int8, not as floating-point"):
        assign(small, ROWS, tensors, path=PATH)
    assert all(not variable.values for variable in small.weights)


def test_fc_after_flatten_gives_the_same_outputs():
    numbers = np.random.default_rng(1)
    kernel = numbers.normal(size=(5, 2 * 3 * 4))
    picture = numbers.normal(size=(2, 3, 4))  # channels, rows, columns
    expected = kernel @ picture.reshape(-1)
    ported = fc_after_flatten(2, 3, 4)(kernel)
    np.testing.assert_allclose(picture.transpose(1, 2, 0).reshape(-1) @ ported, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(5, 23), (24,), (5, 2, 3, 4)])
def test_fc_after_flatten_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"shape|values|axes"):
        fc_after_flatten(2, 3, 4)(np.zeros(shape))


def test_keras_model_computes_what_the_tensors_say():
    keras = pytest.importorskip("keras")
    numbers = np.random.default_rng(2)
    tensors = {
        "conv.weight": numbers.normal(size=(3, 2, 2, 2)),  # out, in, rows, columns
        "conv.bias": numbers.normal(size=3),
        "fc.weight": numbers.normal(size=(4, 3 * 3 * 2)),
        "fc.bias": numbers.normal(size=4),
    }
    network = keras.Sequential(
        [
            keras.Input((4, 3, 2)),
            keras.layers.Conv2D(3, 2, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(4, name="fc"),
        ]
    )
    rows = [
        Row("conv/kernel", "conv.weight", oihw_to_hwio),
        Row("conv/bias", "conv.bias"),
        Row("fc/kernel", "fc.weight", fc_after_flatten(3, 3, 2)),
        Row("fc/bias", "fc.bias"),
    ]
    assign(network, rows, tensors, path=PATH)
    picture = numbers.normal(size=(2, 4, 3))  # channels first, as in torch
    windows = np.lib.stride_tricks.sliding_window_view(picture, (2, 2), axis=(1, 2))
    maps = np.einsum("oikl,irckl->orc", tensors["conv.weight"], windows) + tensors["conv.bias"][:, None, None]
    expected = tensors["fc.weight"] @ maps.reshape(-1) + tensors["fc.bias"]
    found = network(picture.transpose(1, 2, 0)[None].astype(np.float32)).numpy()[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
