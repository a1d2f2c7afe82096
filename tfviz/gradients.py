"""The only file that takes gradients and knows TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfviz.objectives import Goal, Reading
from tfviz.parametrizations import Parametrization
from tfviz.transforms import Transform

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"tfviz takes gradients with TensorFlow, but Keras runs on {keras.backend.backend()}: "
        "set KERAS_BACKEND=tensorflow before Keras is imported."
    )

# Every goal is compiled once and for itself: TensorFlow takes the many small functions for retracing and warns.
tf.get_logger().setLevel("ERROR")

Tensor = Any
_MODEL_OUTPUT = "(output)"  # not a name that a layer can have


def gpus() -> list[str]:
    """Names of the GPUs that TensorFlow uses."""
    return [str(details.get("device_name", "GPU of unknown name")) for details in gpu_details()]


def gpu_details() -> list[dict[str, Any]]:
    """What TensorFlow knows of its GPUs: "device_name" and "compute_capability" (major, minor), where they have one."""
    return [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]


class Probe:
    """A goal bound to a model: pictures in, score and terms out.

    Only the layers that the goal needs are computed.

    Raises:
        ValueError: the model has no layer of a name that the goal reads.
    """

    def __init__(self, model: keras.Model, goal: Goal) -> None:
        known = {layer.name for layer in model.layers}
        for name in goal.layers:
            if name not in known:
                raise ValueError(f"{model.name} has no layer {name!r}; it has {', '.join(sorted(known))}")
        self.goal = goal
        outputs = {name: model.get_layer(name).output for name in goal.layers}
        if goal.reads_logits:
            outputs[_MODEL_OUTPUT] = model.output
        self._model = keras.Model(model.inputs, outputs) if outputs else None

    def __call__(self, pictures: Tensor, seen: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Score (N,) and unweighted terms {name: (N,)} of pictures (N, H, W, 3).

        seen: what the network is shown in place of the pictures, where that differs.
        """
        seen = pictures if seen is None else seen
        layers = dict(self._model(seen, training=False)) if self._model is not None else {}
        logits = layers.pop(_MODEL_OUTPUT, None)
        return self.goal.evaluate(Reading(pictures, logits, layers))


def value_and_gradient(
    model: keras.Model, goal: Goal, pictures: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """The goal and its gradient with respect to each picture.

    Args:
        model: takes (N, H, W, 3).
        goal: one score per picture.
        pictures: (N, H, W, 3).

    Returns:
        scores (N,), terms {name: (N,)}, gradient (N, H, W, 3); float32.
    """
    return gradient_function(model, goal)(pictures)


def gradient_function(
    model: keras.Model, goal: Goal
) -> Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
    """`value_and_gradient` of one model and one goal, to be called many times: it is compiled once per shape.

    Compiled also for a single call: that leaves out the gradient with respect to the weights, for which nobody asks.
    (Eagerly it is computed, and TensorFlow 2.21 on CPUs then writes past its memory for a 1 x 1 kernel with strides
    (2, 1): Conv2DBackpropFilter with oneDNN.)
    """
    probe = Probe(model, goal)

    @tf.function(autograph=False)
    def run(x: Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            scores, terms = probe(x)
        return scores, terms, tape.gradient(scores, x)

    def call(pictures: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
        scores, terms, gradient = run(tf.convert_to_tensor(pictures, tf.float32))
        return scores.numpy(), {name: value.numpy() for name, value in terms.items()}, gradient.numpy()

    return call


@dataclass(frozen=True)
class Stretch:
    """A stretch of the ascent: scores and terms before each step, and the picture after the last."""

    pictures: np.ndarray
    scores: np.ndarray
    terms: dict[str, np.ndarray]


def ascent_loop(
    model: keras.Model,
    goal: Goal,
    start: Parametrization,
    clip: tuple[float, float] | None,
    transforms: Sequence[Transform],
) -> Callable[[Sequence[float], Sequence[np.ndarray]], Stretch]:
    """The loop x <- clip(x + rate * d score / d x), compiled whole; x are the parameters of the picture.

    Returns:
        advance(rates, draws): takes one step per rate and returns scores (steps, N) and terms of the pictures
        *before* each step, and the pictures after the last. draws has, per transform, what it drew for each step.
        Called again, it goes on from there.
    """
    probe = Probe(model, goal)
    x = tf.Variable(start.parameters, dtype=tf.float32)
    names = sorted({term.name for _, term in goal.terms})
    count = start.pictures.shape[0]

    def score(draws: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        pictures = start.to_pictures(tf.convert_to_tensor(x))
        seen = pictures
        for transform, drawn in zip(transforms, draws, strict=True):
            seen = transform.apply(seen, drawn)
        return probe(pictures, seen)

    # Without autograph: what a goal has to say about a model that it does not fit stays one readable line.
    @tf.function(reduce_retracing=True, autograph=False)
    def run(rates: Tensor, draws: Sequence[Tensor]) -> Any:
        steps = tf.shape(rates)[0]

        def body(step: Tensor, arrays: list[tf.TensorArray]) -> tuple[Tensor, list[tf.TensorArray]]:
            with tf.GradientTape() as tape:
                scores, terms = score([drawn[step] for drawn in draws])
            # The scores of a batch do not see each other's pictures: the gradient of their sum is each one's own.
            moved = x + rates[step] * tape.gradient(scores, x)
            with tf.control_dependencies([scores, *terms.values()]):
                x.assign(moved if clip is None else tf.clip_by_value(moved, *clip))
            values = [scores, *(terms[name] for name in names)]
            written = [array.write(step, value) for array, value in zip(arrays, values, strict=True)]
            return step + 1, written

        arrays = [tf.TensorArray(tf.float32, size=steps, element_shape=[count]) for _ in ["score", *names]]
        _, arrays = tf.while_loop(
            lambda step, _: step < steps, body, (tf.constant(0), arrays), parallel_iterations=1
        )
        return [array.stack() for array in arrays]

    def advance(rates: Sequence[float], draws: Sequence[np.ndarray]) -> Stretch:
        inputs = [tf.constant(drawn, tf.float32) for drawn in draws]
        scores, *terms = (values.numpy() for values in run(tf.constant(rates, tf.float32), inputs))
        pictures = start.to_pictures(tf.convert_to_tensor(x)).numpy()
        return Stretch(pictures, scores, dict(zip(names, terms, strict=True)))

    return advance
