import keras
import numpy as np
import pytest

from tfviz.models import narrow


def values(model, x):
    (dtype,) = {tensor.dtype for tensor in model.inputs}
    return np.asarray(model(np.asarray(x, dtype)[:, None]), np.float64)[:, 0]


@pytest.mark.parametrize("seed", range(4))
def test_exactly_the_same_where_nothing_is_rounded(seed):
    """With small whole numbers every sum is exact, so the two functions are equal to the last bit."""
    random = np.random.default_rng(seed)
    a, w, b = random.integers(-5, 6, (3, 12)).astype(float)
    x = np.arange(-64, 65) / 16
    wanted = [sum(a_i * max(w_i * x_i + b_i, 0) for a_i, w_i, b_i in zip(a, w, b, strict=True)) for x_i in x]
    np.testing.assert_array_equal(narrow.shallow(a, w, b, x), wanted)
    # A bend can lie at a third, so that the shift is not a whole number: float64 then rounds it.
    np.testing.assert_allclose(values(narrow.build(a, w, b, 4.0), x), wanted, rtol=0, atol=1e-12)
    w = np.sign(w)  # now it lies at a whole number
    np.testing.assert_array_equal(values(narrow.build(a, w, b, 4.0), x), narrow.shallow(a, w, b, x))


@pytest.mark.parametrize(("dtype", "allowed"), [("float64", 1e-13), ("float32", 5e-6)])
@pytest.mark.parametrize("order", ["given", "sorted"])
def test_random_functions(dtype, allowed, order):
    random = np.random.default_rng(3)
    a, w, b = random.normal(size=(3, 40))
    if order == "sorted":  # all that goes down first: the worst order for a running sum
        a = np.sort(a)
    x = np.linspace(-2, 2, 501)
    wanted = narrow.shallow(a, w, b, x)
    model = narrow.build(a, w, b, 2.0, dtype=dtype)
    assert {variable.dtype for variable in model.weights} == {dtype}
    assert np.abs(values(model, x) - wanted).max() <= allowed * np.abs(wanted).max()


def test_what_the_layers_add_as_they_round_it_is_taken_away():
    a, w, b = np.random.default_rng(3).normal(size=(3, 40))
    *hidden, last = narrow.build(a, w, b, 2.0, dtype="float32").layers[1:]
    added = sum(float(layer.bias[2]) for layer in hidden)
    assert float(last.bias[0]) == np.float32(-added)


def test_three_relu_units_in_every_hidden_layer():
    model = narrow.build([1.0, -2.0, 3.0], [1.0, 1.0, -1.0], [0.0, 0.5, 0.0], 1.0)
    *hidden, last = model.layers[1:]
    assert [layer.units for layer in hidden] == [3, 3, 3]
    assert all(type(layer) is keras.layers.Dense for layer in (*hidden, last))
    assert {layer.activation for layer in hidden} == {keras.activations.relu}
    assert last.units == 1
    assert last.activation is keras.activations.linear


def test_it_is_another_function_outside():
    """|x| on |x| <= 1; to the left of -1 the carried x + 1 is cut off at 0."""
    model = narrow.build([1.0, 1.0], [1.0, -1.0], [0.0, 0.0], 1.0)
    assert values(model, [-1.0, 1.0]).tolist() == [1.0, 1.0]
    assert values(model, [-3.0])[0] != 3.0


def test_units_that_never_or_always_work():
    a, w, b = [2.0, -1.0, 5.0, -4.0], [0.0, 0.0, 1.0, 1.0], [3.0, -1.0, -9.0, 9.0]
    x = np.linspace(-1, 1, 9)
    np.testing.assert_allclose(values(narrow.build(a, w, b, 1.0), x), 6 - 4 * (x + 9), rtol=1e-14)


def test_shifts_are_the_smallest():
    """-relu(x + 1) + 2 relu(x): the first sum's least value on |x| <= 1 is -2, at x = 1."""
    a, w, b = np.array([-1.0, 2.0, 1.0]), np.array([1.0, 1.0, 1.0]), np.array([1.0, 0.0, 0.0])
    np.testing.assert_array_equal(narrow.shifts(a, w, b, 1.0), [0, 2, 1])


def test_shifts_keep_every_running_sum_from_0():
    random = np.random.default_rng(0)
    a, w, b = random.normal(size=(3, 15))
    x = np.linspace(-2, 2, 20_001)
    terms = a * np.maximum(np.outer(x, w) + b, 0)
    sums = np.cumsum(terms, axis=1)[:, :-1].min(axis=0)
    np.testing.assert_allclose(narrow.shifts(a, w, b, 2.0)[1:], np.maximum(-sums, 0), atol=1e-3)
    assert (narrow.shifts(a, w, b, 2.0)[1:] + sums >= -1e-12).all()


def test_quiet_order_is_an_order_with_a_smaller_range():
    random = np.random.default_rng(1)
    a, w, b = random.normal(size=(3, 30))
    order = narrow.quiet_order(a, w, b, 2.0)
    assert sorted(order) == list(range(30))
    terms = a * np.maximum(np.outer(np.linspace(-2, 2, 201), w) + b, 0)

    def mean_range(chosen):
        return np.ptp(np.cumsum(terms[:, chosen], axis=1), axis=0).mean()

    assert mean_range(order) < 0.6 * mean_range(np.arange(30))
    assert mean_range(order) < 0.3 * mean_range(np.argsort(a))


@pytest.mark.parametrize(
    ("a", "bound"), [([], 1.0), ([1.0, 2.0], 1.0), ([np.nan], 1.0), ([1.0], 0.0), ([1.0], np.inf)]
)
def test_what_is_refused(a, bound):
    with pytest.raises(ValueError, match=r"must be finite|one length|positive"):
        narrow.build(a, a[:1], a[:1], bound)


def test_a_model_of_another_depth_is_refused():
    with pytest.raises(ValueError, match="2 hidden layers, but the function has 1 units"):
        narrow.fill(narrow.empty(2), [1.0], [1.0], [0.0], 1.0)
