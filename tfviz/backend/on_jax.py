"""JAX: pure functions, into which the variables are handed; the loop is one compiled while loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.custom_derivatives import SymbolicZero

from tfviz.backend.protocol import NO_GRADIENT, Chunk, Loop, Operations, Scores, Tensor

_FEWEST = 16  # steps for which room is made; more in powers of 2, so that few lengths are compiled
_USUAL = 1024  # likewise, where so many steps draw few numbers: one program then serves nearly all lengths
_FEW_NUMBERS = 1024  # a step


def _values(variables: Sequence[Any]) -> list[Tensor]:
    return [variable.value for variable in variables]


def _float32(arrays: Any) -> Any:
    """Arrays as NumPy's, which compiled functions take as they are; to make them JAX's is a program for each shape."""
    return jax.tree.map(lambda array: np.asarray(array, np.float32), arrays)


def _reading(variables: Sequence[Any], values: Sequence[Tensor]) -> AbstractContextManager[Any]:
    """A block in which layers read these values in place of their variables': inputs, not constants in the program."""
    return keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True)))  # type: ignore[no-any-return]


@jax.custom_jvp
def _depending(x: Tensor, scores: Tensor) -> Tensor:
    """The scores, which are refused as soon as a gradient is taken and they do not depend on x: JAX's would be 0."""
    return scores


@partial(_depending.defjvp, symbolic_zeros=True)
def _derivative(primals: tuple[Tensor, Tensor], tangents: tuple[Any, Any]) -> tuple[Tensor, Any]:
    if isinstance(tangents[1], SymbolicZero):
        raise ValueError(NO_GRADIENT)
    return primals[1], tangents[1]


def gradient_function(
    score: Callable[[Tensor], Scores], variables: Sequence[Any]
) -> Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
    """See `tfviz.backend.protocol.Backend`."""

    def total(x: Tensor, values: Sequence[Tensor]) -> Any:
        with _reading(variables, values):
            scores, terms = score(x)
        return jnp.sum(_depending(x, scores)), (scores, terms)

    run = jax.jit(jax.value_and_grad(total, has_aux=True))

    def call(pictures: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
        (_, (scores, terms)), gradient = run(_float32(pictures), _values(variables))
        return (
            np.asarray(scores),
            {name: np.asarray(term) for name, term in terms.items()},
            jax.tree.map(np.asarray, gradient),
        )

    return call


def gradients_once(
    score: Callable[[Sequence[Tensor]], Tensor], variables: Sequence[Any], arrays: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """See `tfviz.backend.protocol.Backend`."""

    def total(xs: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
        with _reading(variables, values):
            return _depending(xs, score(xs))

    on = jax.config.jax_default_device or jax.devices()[0]  # type: ignore[attr-defined]
    options = {"xla_backend_optimization_level": 0} if on.platform == "cpu" else None
    run = jax.jit(jax.grad(total), compiler_options=options)
    return [np.asarray(gradient) for gradient in run(_float32(list(arrays)), _values(variables))]


def outputs(model: Any, pictures: np.ndarray) -> np.ndarray:
    """See `tfviz.backend.protocol.Backend`; Keras keeps what it compiles for it with the model."""
    return np.asarray(model.predict_on_batch(pictures))


def at_once(compute: Callable[..., Tensor], variables: Sequence[Any] = ()) -> Callable[..., np.ndarray]:
    """See `tfviz.backend.protocol.Backend`."""

    @jax.jit
    def run(values: Sequence[Tensor], *arrays: Tensor) -> Tensor:
        with _reading(variables, values):
            return compute(*arrays)

    return lambda *arrays: np.asarray(run(_values(variables), *arrays))


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

    def total(x: Tensor, drawn: Sequence[Tensor], data: Sequence[Tensor], values: Sequence[Tensor]) -> Any:
        with _reading(variables, values):
            scores, terms = score(x, drawn, data)
        return jnp.sum(_depending(x, scores)), jnp.stack([scores, *(terms[name] for name in names)])

    # Traced once, then read: the loop's body is traced again for every room.
    gradient_of = jax.jit(jax.grad(total, has_aux=True))
    fewest = _USUAL if sum(map(prod, draws)) <= _FEW_NUMBERS else _FEWEST

    start, *given = (jax.ShapeDtypeStruct(each, np.float32) for each in (shape, *draws))  # type: ignore[no-untyped-call]
    traced = jax.eval_shape(
        gradient_of, start, given, [np.asarray(array) for array in data], _values(variables)
    )
    history_shape = traced[1].shape

    @jax.jit
    def run(
        x: Tensor,
        steps: Tensor,
        rates: Tensor,
        draws: Sequence[Tensor],
        data: Sequence[Tensor],
        values: Sequence[Tensor],
    ) -> Any:
        def body(step: Tensor, carried: Any) -> Any:
            x, history = carried
            gradient, scored = gradient_of(x, [drawn[step] for drawn in draws], data, values)
            moved = x + rates[step] * gradient
            return moved if clip is None else jnp.clip(moved, *clip), history.at[step].set(scored)

        history = jnp.zeros((len(rates), *history_shape), jnp.float32)
        x, history = jax.lax.fori_loop(0, steps, body, (x, history))
        return x, to_pictures(x), history

    def advance(
        x: Tensor, rates: Sequence[float], draws: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> tuple[Tensor, Chunk]:
        steps = len(rates)
        room = max(fewest, 1 << (steps - 1).bit_length())

        def padded(values: Any) -> np.ndarray:
            array = np.asarray(values, np.float32)
            return np.concatenate([array, np.zeros((room - steps, *array.shape[1:]), np.float32)])

        x, pictures, history = run(
            x if isinstance(x, jax.Array) else _float32(x),
            steps,
            padded(rates),
            [padded(drawn) for drawn in draws],
            [np.asarray(array) for array in data],
            _values(variables),
        )
        scores, *terms = np.moveaxis(np.asarray(history)[:steps], 1, 0)
        return x, Chunk(np.asarray(pictures), scores, dict(zip(names, terms, strict=True)))

    return advance


def _gpus() -> list[Any]:
    return [device for device in jax.devices() if device.platform == "gpu"]


def device_names() -> list[str]:
    """Names of the accelerators that JAX uses."""
    return [str(device.device_kind) for device in jax.devices() if device.platform != "cpu"]


def gpus_compute_bfloat16() -> bool | None:
    """Whether all GPUs have instructions for bfloat16; None: there is no GPU.

    NVIDIA's have them from compute capability 8.0 on (CUDA C++ programming guide, "Compute capabilities").
    """
    if not (gpus := _gpus()):
        return None
    return all(float(getattr(gpu, "compute_capability", "0") or 0) >= 8 for gpu in gpus)


@contextmanager
def float64() -> Iterator[None]:
    """64-bit types, which JAX leaves out unless asked, on the processor and with full products."""
    with (
        jax.enable_x64(True),
        jax.default_device(jax.devices("cpu")[0]),
        jax.default_matmul_precision("highest"),
    ):
        yield


def use_full_products(full: bool) -> None:
    """See `tfviz.backend.protocol.Backend`."""
    jax.config.update("jax_default_matmul_precision", "highest" if full else None)  # type: ignore[no-untyped-call]


def distribution() -> AbstractContextManager[Any]:
    """One device: how Keras shares a batch on JAX is not used here."""
    return nullcontext()


def operations() -> Operations | None:
    """None: XLA's are the fast ones."""
    return None
