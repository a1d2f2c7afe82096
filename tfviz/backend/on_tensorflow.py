"""TensorFlow: the picture a variable, the weights frozen, one tf.function for the whole loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfviz.backend.protocol import NO_GRADIENT, Chunk, Loop, Operations, Scores, Tensor
from tfviz.backend.tensorflow_mends import convolve_one_channel_beside_zeros

# Every goal is compiled once and for itself: TensorFlow takes the many small functions for retracing and warns.
tf.get_logger().setLevel("ERROR")
convolve_one_channel_beside_zeros()


def gradient_function(
    score: Callable[[Tensor], Scores], variables: Sequence[Any]
) -> Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
    """See `tfviz.backend.protocol.Backend`; the variables are found by TensorFlow itself.

    Compiled also for a single call: that leaves out the gradient with respect to the weights, for which nobody asks.
    (Eagerly it is computed, and TensorFlow 2.21 on CPUs then writes past its memory for a 1 x 1 kernel with strides
    (2, 1): Conv2DBackpropFilter with oneDNN.)
    """

    @tf.function(autograph=False)
    def run(x: Tensor) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            scores, terms = score(x)
        return scores, terms, _gradient(tape, scores, x)

    def call(pictures: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
        scores, terms, gradient = run(tf.convert_to_tensor(pictures, tf.float32))
        return scores.numpy(), {name: value.numpy() for name, value in terms.items()}, gradient.numpy()

    return call


def gradients_once(
    score: Callable[[Sequence[Tensor]], Tensor], variables: Sequence[Any], arrays: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """See `tfviz.backend.protocol.Backend`; compiled as in `gradient_function`."""

    @tf.function(autograph=False)
    def run(*xs: Tensor) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(xs)
            total = score(xs)
        gradients = tape.gradient(total, xs) if tf.is_tensor(total) else [None]
        if all(gradient is None for gradient in gradients):
            raise ValueError(NO_GRADIENT)
        return [
            tf.zeros_like(x) if gradient is None else gradient
            for x, gradient in zip(xs, gradients, strict=True)
        ]

    return [
        gradient.numpy() for gradient in run(*(tf.convert_to_tensor(array, tf.float32) for array in arrays))
    ]


def outputs(model: Any, pictures: np.ndarray) -> np.ndarray:
    """See `tfviz.backend.protocol.Backend`; called as it is: a call or two take less time than compiling it."""
    return np.asarray(model(pictures, training=False))


def at_once(compute: Callable[..., Tensor], variables: Sequence[Any] = ()) -> Callable[..., np.ndarray]:
    """See `tfviz.backend.protocol.Backend`: TensorFlow needs nothing."""
    return lambda *arrays: np.asarray(compute(*arrays))


def ascent_loop(
    score: Callable[[Tensor, Sequence[Tensor], Sequence[Tensor]], Scores],
    to_pictures: Callable[[Tensor], Tensor],
    shape: tuple[int, ...],
    draws: Sequence[tuple[int, ...]],
    data: Sequence[np.ndarray],
    variables: Sequence[Any],
    names: Sequence[str],
    clip: tuple[float, float] | None,
) -> Loop:
    """See `tfviz.backend.protocol.Backend`."""
    from tfviz.backend import tensorflow_operations

    signature = (
        tf.TensorSpec(shape, tf.float32),
        tf.TensorSpec([None], tf.float32),
        [tf.TensorSpec([None, *drawn], tf.float32) for drawn in draws],
        [tf.TensorSpec(array.shape, array.dtype) for array in data],
    )

    # A function of its own, not put into the loop: in a graph with a cycle the pass that chooses oneDNN's kernels meets
    # some gradients of a pool before their pool, and leaves them TensorFlow's own, which took 30 times as long.
    # Without autograph: what a goal has to say about a model that it does not fit stays one readable line.
    @tf.function(autograph=False, experimental_attributes={"_noinline": True})
    def move(x: Tensor, rate: Tensor, drawn: Sequence[Tensor], data: Sequence[Tensor]) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            scores, terms = score(x, drawn, data)
        # The scores of a batch do not see each other's pictures: the gradient of their sum is each one's own.
        # Of pictures of one channel TensorFlow forgets how many there are.
        moved = tf.ensure_shape(x + rate * _gradient(tape, scores, x), shape)
        moved.set_shape(shape)  # some gradients forget how many pictures there are
        return moved if clip is None else tf.clip_by_value(moved, *clip), [
            scores,
            *(terms[name] for name in names),
        ]

    @tf.function(autograph=False, input_signature=signature)
    def run(x: Tensor, rates: Tensor, draws: Sequence[Tensor], data: Sequence[Tensor]) -> Any:
        steps = tf.shape(rates)[0]

        def body(step: Tensor, x: Tensor, arrays: list[tf.TensorArray]) -> Any:
            moved, values = move(x, rates[step], [drawn[step] for drawn in draws], data)
            written = [array.write(step, value) for array, value in zip(arrays, values, strict=True)]
            return step + 1, moved, written

        arrays = [tf.TensorArray(tf.float32, size=steps) for _ in ["score", *names]]
        with tensorflow_operations.before_steps(tf.compat.v1.get_default_graph()):
            _, x, arrays = tf.while_loop(
                lambda step, *_: step < steps, body, (tf.constant(0), x, arrays), parallel_iterations=1
            )
        return x, to_pictures(x), [array.stack() for array in arrays]

    run.get_concrete_function()

    def advance(
        x: Tensor, rates: Sequence[float], draws: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> tuple[Tensor, Chunk]:
        x, pictures, (scores, *terms) = run(
            tf.convert_to_tensor(x, tf.float32),
            tf.constant(rates, tf.float32),
            [tf.constant(drawn, tf.float32) for drawn in draws],
            [tf.constant(array) for array in data],
        )
        values = {name: term.numpy() for name, term in zip(names, terms, strict=True)}
        return x, Chunk(pictures.numpy(), scores.numpy(), values)

    return advance


def _gradient(tape: tf.GradientTape, scores: Tensor, x: Tensor) -> Tensor:
    gradient = tape.gradient(scores, x) if tf.is_tensor(scores) else None
    if gradient is None:
        raise ValueError(NO_GRADIENT)
    return gradient


def _gpu_details() -> list[dict[str, Any]]:
    """What TensorFlow knows of its GPUs: "device_name" and "compute_capability" (major, minor), where they have one."""
    return [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]


def device_names() -> list[str]:
    """Names of the GPUs that TensorFlow uses."""
    return [str(details.get("device_name", "GPU of unknown name")) for details in _gpu_details()]


def gpus_compute_bfloat16() -> bool | None:
    """Whether all GPUs have instructions for bfloat16; None: there is no GPU.

    NVIDIA's have them from compute capability 8.0 on (CUDA C++ programming guide, "Compute capabilities").
    """
    details = _gpu_details()
    if not details:
        return None
    return all(each.get("compute_capability", (0, 0)) >= (8, 0) for each in details)


def float64() -> AbstractContextManager[Any]:
    """The processor: GPUs round the factors of float32 products to 10 bits (TensorFloat-32)."""
    return keras.device("cpu:0")  # type: ignore[no-any-return]


def use_full_products(full: bool) -> None:
    """See `tfviz.backend.protocol.Backend`."""
    tf.config.experimental.enable_tensor_float_32_execution(not full)


def distribution() -> AbstractContextManager[Any]:
    """The block in which a model is to be made: on several GPUs each gets a copy and its share of every batch."""
    if len(devices := tf.config.list_logical_devices("GPU")) < 2:
        return nullcontext()
    return tf.distribute.MirroredStrategy([device.name for device in devices]).scope()  # type: ignore[no-any-return]


def operations() -> Operations | None:
    """Those of `tfviz.backend.tensorflow_operations` on processors; on a GPU TensorFlow's own kernels are fast."""
    if tf.config.list_physical_devices("GPU"):
        return None
    from tfviz.backend import tensorflow_operations

    return tensorflow_operations
