import keras
import numpy as np
import pytest
import tensorflow as tf

from tfviz import backend
from tfviz.backend import machine, on_tensorflow, tensorflow_operations
from tfviz.models.layers import BatchNormalization, Convolution

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return tf.constant(RANDOM.normal(size=shape), tf.float32)


@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (4, 4), (5, 3), (2, 7)])
@pytest.mark.parametrize(("channels", "flags"), [(3, {"avx512f"}), (3, {"avx2"}), (7, {"avx2"})])
def test_convolution_and_its_gradients_are_tensorflows(kernel, channels, flags, monkeypatch):
    monkeypatch.setattr(machine, "processor_flags", lambda: flags)
    pictures, weights = normal(3, 8, 9, channels), normal(*kernel, channels, 6)
    seen = normal(3, 8, 9, 6)

    def gradients(convolve):
        @tf.function
        def run():
            with tf.GradientTape() as tape:
                tape.watch([pictures, weights])
                maps = convolve(pictures, weights)
                total = tf.reduce_sum(maps * seen)
            return maps, *tape.gradient(total, [pictures, weights])

        return run()

    ours = gradients(tensorflow_operations.convolution)
    theirs = gradients(lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME"))
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (2, 5)])
@pytest.mark.parametrize("form", ["kernel_gradient_by_convolution", "kernel_gradient_by_products"])
def test_every_form_of_the_kernels_gradient_is_tensorflows(kernel, form):
    maps, out = normal(5, 6, 7, 3), normal(5, 6, 7, 4)
    shape = tf.TensorShape((*kernel, 3, 4))
    theirs = tf.raw_ops.Conv2DBackpropFilter(
        input=maps, filter_sizes=shape, out_backprop=out, strides=[1, 1, 1, 1], padding="SAME"
    )
    np.testing.assert_allclose(
        getattr(tensorflow_operations, form)(maps, out, shape), theirs, rtol=1e-4, atol=1e-4
    )


def test_the_gradients_of_a_wide_convolution_in_bfloat16():
    maps, weights = normal(2, 4, 4, 256), normal(3, 3, 256, 128) / 48
    seen = normal(2, 4, 4, 128)

    def gradients(convolve, dtype):
        with tf.GradientTape() as tape:
            x, kernel = tf.cast(maps, dtype), tf.cast(weights, dtype)
            tape.watch([x, kernel])
            total = tf.reduce_sum(tf.cast(convolve(x, kernel), tf.float32) * seen)
        return [tf.cast(gradient, tf.float32) for gradient in tape.gradient(total, [x, kernel])]

    ours = gradients(tensorflow_operations.convolution, tf.bfloat16)
    exact = gradients(lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME"), tf.float32)
    for our, true in zip(ours, exact, strict=True):
        np.testing.assert_allclose(our, true, atol=0.02 * float(tf.reduce_max(tf.abs(true))))


def trained(layer, maps, seen):
    """The layer's output in training, the gradients for maps, scale and offset, and the moving moments after it."""
    with tf.GradientTape() as tape:
        tape.watch(maps)
        out = layer(maps, training=True)
        total = tf.reduce_sum(tf.cast(out, tf.float32) * seen)
    gradients = tape.gradient(total, [maps, *(variable.value for variable in layer.trainable_variables)])
    return [out, *gradients, *layer.non_trainable_variables]


@pytest.mark.parametrize(
    ("options", "count"), [({}, 6), ({"scale": False}, 5), ({"center": False}, 5), ({"axis": 1}, 6)]
)
def test_batch_normalization_is_keras(options, count):
    maps, seen = 3 * normal(5, 4, 6, 7) + 2, normal(5, 4, 6, 7)
    options = {"momentum": 0.9, "epsilon": 1e-5, **options}
    ours = trained(BatchNormalization(**options), maps, seen)
    theirs = trained(keras.layers.BatchNormalization(**options), maps, seen)
    assert len(ours) == len(theirs) == count
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=2e-4, atol=2e-4)


def test_batch_normalization_in_bfloat16():
    maps = 3 * normal(16, 8, 8, 4) + 2
    layer = BatchNormalization(dtype="mixed_bfloat16")
    out = layer(tf.cast(maps, tf.bfloat16), training=True)
    assert out.dtype == tf.bfloat16
    wanted = (maps - tf.reduce_mean(maps, (0, 1, 2))) / tf.math.reduce_std(maps, (0, 1, 2))
    np.testing.assert_allclose(tf.cast(out, tf.float32), wanted, atol=0.03)
    assert all(variable.dtype == "float32" for variable in layer.variables)


def test_outside_of_training_the_moving_moments_count():
    layer = BatchNormalization(epsilon=0.0)
    layer.build((None, 4, 4, 2))
    layer.moving_mean.assign([1.0, 2.0])
    layer.moving_variance.assign([4.0, 9.0])
    maps = normal(2, 4, 4, 2)
    np.testing.assert_allclose(layer(maps), (maps - [1.0, 2.0]) / [2.0, 3.0], rtol=1e-5, atol=1e-6)


def test_a_stride_is_left_to_keras():
    maps = normal(2, 9, 9, 3)
    ours, theirs = Convolution(4, 3, strides=2, padding="same"), keras.layers.Conv2D(4, 3, 2, padding="same")
    ours.build(maps.shape)
    theirs.build(maps.shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(maps), theirs(maps), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("kernel", "stride"), [((1, 1), 1), ((3, 3), 1), ((2, 5), 1), ((3, 4), 2), ((5, 3), 3), ((11, 11), 4)]
)
def test_a_frozen_convolution_and_its_gradient_are_tensorflows(kernel, stride, padding, groups):
    weights = normal(*kernel, 4 // groups, 6)

    def gradients(convolve, pictures):
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            maps = convolve(pictures)
            total = tf.reduce_sum(maps * tf.reshape(tf.range(tf.size(maps), dtype=tf.float32), maps.shape))
        return maps, tape.gradient(total, pictures)

    def plain(pictures):
        parts = zip(tf.split(pictures, groups, 3), tf.split(weights, groups, 3), strict=True)
        return tf.concat([tf.nn.conv2d(part, own, stride, padding.upper()) for part, own in parts], 3)

    for size in ((15, 14), (23, 16), (24, 18)):
        pictures = normal(2, *size, 4)
        ours = gradients(
            lambda x: tensorflow_operations.frozen_convolution(x, weights, stride, padding, groups), pictures
        )
        for our, their in zip(ours, gradients(plain, pictures), strict=True):
            scale = float(tf.reduce_max(tf.abs(their)))
            np.testing.assert_allclose(our, their, rtol=0, atol=1e-6 * scale)


def test_a_kernel_is_turned_before_the_steps_and_read_at_every_call():
    kernel = tf.Variable(normal(3, 3, 2, 5))
    calls = []

    def score(x, draws, data):
        calls.append(tensorflow_operations.frozen_convolution(x, kernel, 1, "same"))
        return tf.reduce_sum(calls[-1] ** 2, axis=(1, 2, 3)), {}

    loop = on_tensorflow.ascent_loop(score, lambda x: x, (1, 6, 7, 2), [], [], [], [], None)
    steps = calls[0].graph
    assert not any(operation.type == "ReverseV2" for operation in steps.get_operations())
    graph = steps
    while not any(operation.type == "ReverseV2" for operation in graph.get_operations()):
        graph = graph.outer_graph
    assert any("While" in operation.type for operation in graph.get_operations())

    start = normal(1, 6, 7, 2)
    for _ in range(2):
        x, expected = loop(start, [0.01, 0.01], [], [])[0], start
        for _ in range(2):
            with tf.GradientTape() as tape:
                tape.watch(expected)
                total = tf.reduce_sum(tf.nn.conv2d(expected, kernel, 1, "SAME") ** 2)
            expected = expected + 0.01 * tape.gradient(total, expected)
        np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-5)
        kernel.assign(0.5 * kernel)


@pytest.mark.parametrize(
    ("gpus", "flags", "computes"),
    [
        ([], {"avx2"}, False),
        ([], {"avx2", "avx512_bf16"}, True),
        ([], {"amx_bf16"}, True),
        ([{"compute_capability": (8, 0)}], {"avx2"}, True),
        ([{"compute_capability": (7, 5)}], {"amx_bf16"}, False),
        ([{"compute_capability": (9, 0)}, {"compute_capability": (7, 0)}], set(), False),
        ([{"device_name": "of another maker"}], {"amx_bf16"}, False),
    ],
)
def test_who_computes_bfloat16(gpus, flags, computes, monkeypatch):
    monkeypatch.setattr(on_tensorflow, "_gpu_details", lambda: gpus)
    monkeypatch.setattr(machine, "processor_flags", lambda: frozenset(flags))
    assert backend.computes_bfloat16() is computes


def test_a_compiled_function_takes_any_size_and_is_traced_once():
    traced = []

    def compute(maps, places):
        traced.append(maps[0].shape.as_list())
        return [tf.gather(maps[0], places[0]) + maps[1], tf.shape(places[0])]

    run = tensorflow_operations.compiled(compute)
    for rows, count in ((4, 2), (7, 5)):
        maps = [RANDOM.normal(size=(rows, 3)).astype(np.float32), normal(1, 3)]
        place = RANDOM.integers(rows, size=(2, count)).astype(np.int32)
        made, shape = run(maps, [place])
        np.testing.assert_allclose(made, maps[0][place] + maps[1], rtol=1e-6)
        assert shape.numpy().tolist() == [2, count]
    assert traced == [[None, 3]]
