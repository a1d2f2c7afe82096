"""What the program asks of a framework; each module beside this one answers it for one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Tensor = Any
Scores = tuple[Tensor, dict[str, Tensor]]
"""Score (N,) of each picture, and values (N,) by name that are reported beside it."""
NO_GRADIENT = "the goal does not depend on the picture: it has no gradient to follow"
"""What a ValueError says where no differentiable way leads from the picture to the score."""


@dataclass(frozen=True)
class Chunk:
    """Some steps of an ascent.

    Attributes:
        pictures: (N, H, W, 3) after the last of them.
        scores: (steps, N) before each step.
        terms: {name: (steps, N)} before each step.
    """

    pictures: np.ndarray
    scores: np.ndarray
    terms: dict[str, np.ndarray]


class Loop(Protocol):
    """A compiled loop."""

    def __call__(
        self, x: Tensor, rates: Sequence[float], draws: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> tuple[Tensor, Chunk]:
        """Takes one step per rate.

        Args:
            x: float32, an array or what was returned before.
            rates: one or more.
            draws: per transform, (steps, ...).
            data: handed on to score.

        Returns:
            x after the last step, and what happened on the way.
        """
        ...


class Operations(Protocol):
    """What `tfviz.models.layers` and `tfviz.method.shortcuts` compute with where Keras' own operations are slow."""

    def convolution(self, pictures: Tensor, kernel: Tensor) -> Tensor:
        """A convolution with stride 1 and padding "same"; see `tfviz.backend.tensorflow_operations`."""
        ...

    def product(self, values: Tensor, kernel: Tensor) -> Tensor:
        """A product of matrices, of values that are mostly 0; see `tfviz.backend.tensorflow_operations`."""
        ...

    def frozen_convolution(
        self, pictures: Tensor, kernel: Any, stride: int, padding: str, groups: int = 1
    ) -> Tensor:
        """A convolution whose kernel has no gradient; see `tfviz.backend.tensorflow_operations`."""
        ...

    def local_response_normalization(
        self, maps: Tensor, size: int, bias: float, alpha: float, beta: float
    ) -> Tensor:
        """The layer of that name; see `tfviz.backend.tensorflow_operations`."""
        ...

    def compiled(self, compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """A function of lists of tensors of any size; see `tfviz.backend.tensorflow_operations`."""
        ...

    def batch_normalization(
        self, maps: Tensor, scale: Tensor, offset: Tensor, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Batch normalisation by the batch's own moments; see `tfviz.backend.tensorflow_operations`."""
        ...


class Backend(Protocol):
    """A module with these functions.

    Functions that are handed over compute with `keras.ops` and layers only; the variables that they read are named, so
    that a framework without hidden state can hand them in.
    """

    def gradient_function(
        self, score: Callable[[Tensor], Scores], variables: Sequence[Any]
    ) -> Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
        """Compile score and its gradient; the scores of a batch do not see each other's pictures.

        Args:
            score: pictures (N, ...) float32 -> scores.
            variables: Keras variables that it reads; they are not changed, and no gradient is taken of them.

        Returns:
            A function from an array (N, ...) to scores (N,), terms {name: (N,)} and the gradient (N, ...), float32; it
            raises a ValueError, `NO_GRADIENT`, where there is none.
        """
        ...

    def gradients_once(
        self,
        score: Callable[[Sequence[Tensor]], Tensor],
        variables: Sequence[Any],
        arrays: Sequence[np.ndarray],
    ) -> list[np.ndarray]:
        """The gradients of a score with respect to each of several arrays, by one program that is used once.

        What makes a program run faster and takes time to compile is left out.

        Args:
            score: arrays float32 -> ().
            variables: as for `gradient_function`.
            arrays: of any shapes.

        Raises:
            ValueError: `NO_GRADIENT`: it depends on none of them.
        """
        ...

    def outputs(self, model: Any, pictures: np.ndarray) -> np.ndarray:
        """What a model returns of pictures (N, ...): one array."""
        ...

    def at_once(
        self, compute: Callable[..., Tensor], variables: Sequence[Any] = ()
    ) -> Callable[..., np.ndarray]:
        """A function of arrays, and of variables that it reads, as one program where each operation would be one."""
        ...

    def ascent_loop(
        self,
        score: Callable[[Tensor, Sequence[Tensor], Sequence[Tensor]], Scores],
        to_pictures: Callable[[Tensor], Tensor],
        shape: tuple[int, ...],
        draws: Sequence[tuple[int, ...]],
        data: Sequence[np.ndarray],
        variables: Sequence[Any],
        names: Sequence[str],
        clip: tuple[float, float] | None,
    ) -> Loop:
        """The loop x <- clip(x + rate * d score / d x), compiled whole; score is traced at once.

        Args:
            score: (x, what each transform drew for this step, data) -> scores.
            to_pictures: x -> pictures (N, H, W, 3).
            shape: of x.
            draws: the shape of what each transform draws for one step.
            data: arrays of the shapes and types that the loop will get.
            variables: as for `gradient_function`.
            names: of the terms that are reported.
            clip: smallest and largest value of x; None: not clipped.

        Raises:
            ValueError: `NO_GRADIENT`.
        """
        ...

    def device_names(self) -> list[str]:
        """Names of the accelerators in use; empty on a processor alone."""
        ...

    def gpus_compute_bfloat16(self) -> bool | None:
        """Whether all GPUs have instructions for bfloat16; None: there is no GPU."""
        ...

    def float64(self) -> AbstractContextManager[Any]:
        """A block in which layers and arrays may be float64, and float32 products are exact to float32."""
        ...

    def use_full_products(self, full: bool) -> None:
        """Whether float32 products keep their factors' 23 bits on GPUs, too; else as the framework sees fit."""
        ...

    def distribution(self) -> AbstractContextManager[Any]:
        """The block in which a model that is trained is made: on several GPUs each gets its share of every batch."""
        ...

    def operations(self) -> Operations | None:
        """Operations that are faster here than Keras' own; None: Keras' are the fast ones."""
        ...
