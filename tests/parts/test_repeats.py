import numpy as np

import tfviz
from tests.parts.class_network import tiny_context
from tfviz.method.ascent import last_bits
from tfviz.parts._repeats import rounded_apart


def test_the_first_is_the_start_and_the_others_are_a_few_last_bits_from_it():
    start = np.random.default_rng(0).normal(0, 0.01, (5, 6, 3)).astype(np.float32)
    batch = rounded_apart(start, 3, np.random.default_rng(1))
    np.testing.assert_array_equal(batch.pictures[0], start)
    assert batch.pictures.dtype == np.float32
    off = np.abs(batch.pictures / start - 1)
    assert (off[1:] > 0).mean() > 0.5
    assert off.max() < 4 * np.finfo(np.float32).eps


def test_they_are_still_apart_where_the_last_bits_of_the_start_are_lost():
    """A step that adds some hundreds swallows the start's last bits; the repeats then differ by those of its end."""
    _, model, _ = tiny_context("alexnet")
    start = np.random.default_rng(0).normal(0, 0.01, model.input_shape[1:]).astype(np.float32)
    goal = 1e5 * tfviz.objectives.logit(3) - tfviz.priors.l2()

    def moved(of, steps):
        return tfviz.ascend(model, goal, of, steps=steps, rate=0.33, clip=None).picture

    def apart(pictures):
        return np.median(np.abs(pictures[1:] / pictures[0] - 1))

    start_alone, last_bits_alone = moved(start, 1), moved(last_bits(start, 3, np.random.default_rng(1)), 1)
    repeats = moved(rounded_apart(start, 3, np.random.default_rng(1)), 1)
    np.testing.assert_allclose(repeats[0], start_alone[0], rtol=1e-6)
    assert apart(last_bits_alone) == 0
    assert 1e-8 < apart(repeats) < 1e-6
    # All of them end at the one fixed point of a linear network.
    np.testing.assert_allclose(
        moved(rounded_apart(start, 3, np.random.default_rng(1)), 60)[1:],
        np.repeat(moved(start, 60), 2, axis=0),
        rtol=1e-5,
    )


def test_of_a_unit_only_what_it_sees_is_computed(monkeypatch):
    """As of plain pixels: the loop gets a window."""
    from keras import Input, Model, layers

    from tfviz.method import loops

    picture = Input((24, 26, 3))
    model = Model(picture, layers.Conv2D(2, 3, name="conv")(layers.Conv2D(4, 3)(picture)))
    windows = []
    compile_loop = loops._compile
    monkeypatch.setattr(loops, "_compile", lambda *args: windows.append(args[-1]) or compile_loop(*args))
    start = np.random.default_rng(0).normal(0, 0.01, (24, 26, 3)).astype(np.float32)
    starts = rounded_apart(start, 3, np.random.default_rng(1))
    goal = tfviz.objectives.neuron("conv", 1, at=(0, 0)) - tfviz.priors.l2()
    ends = tfviz.ascend(model, goal, starts, steps=3, rate=0.1, clip=None).picture
    assert windows[0].size == (5, 5)
    plain = tfviz.ascend(model, goal, start, steps=3, rate=0.1, clip=None).picture
    np.testing.assert_allclose(ends, np.repeat(plain, 3, axis=0), rtol=1e-4, atol=1e-7)
