"""Muon for convolutions: momentum whose every step is made orthogonal.

K. Jordan and others, "Muon: An optimizer for hidden layers in neural networks" (2024); the scale of the step after
J. Liu and others, "Muon is Scalable for LLM Training" (2025, arXiv 2502.16982).
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfviz")
class ConvolutionMuon(keras.optimizers.Muon):
    """`keras.optimizers.Muon`, which knows matrices only, for kernels of convolutions too.

    A kernel (rows, columns, C, F) is taken as a matrix (rows * columns * C, F). All else is trained by Adam, as Keras'
    Muon does with what is no matrix: the first convolution (three colours are no hidden layer), vectors, and dense
    layers, whose outputs no batch norm scales: steps that are right for the convolutions are too large for them.
    """

    def __init__(
        self,
        learning_rate: Any,
        *,
        momentum: float,
        weight_decay: float,
        adam_lr_ratio: float,
        adam_beta_2: float,
        ns_steps: int,
        name: str = "muon",
    ) -> None:
        # What else Keras' Muon takes is not offered: the rule below would ignore its lists of layers.
        super().__init__(
            learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            adam_weight_decay=weight_decay,
            adam_lr_ratio=adam_lr_ratio,
            adam_beta_2=adam_beta_2,
            ns_steps=ns_steps,
            name=name,
        )

    def get_config(self) -> dict[str, Any]:
        """What a saved optimiser needs to make this one again."""
        config = super().get_config()
        own = (
            "learning_rate",
            "momentum",
            "weight_decay",
            "adam_lr_ratio",
            "adam_beta_2",
            "ns_steps",
            "name",
        )
        return {name: config[name] for name in own}

    def _should_use_adamw(self, variable: Any) -> bool:
        return len(variable.shape) != 4 or bool(variable.shape[2] == 3)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """The nearest matrix with orthogonal rows or columns, nearly, in the shape of x.

        Keras multiplies the whole matrix in every iteration, X <- (a I + b A + c A^2) X with A = X X^T. The factors
        commute, so here the iteration runs on A, which has the shorter side, and X is multiplied once at the end: the
        same numbers for a third of the arithmetic.
        """
        rows, columns = math.prod(x.shape[:-1]), x.shape[-1]
        matrix = ops.reshape(x, (rows, columns))
        if rows > columns:
            matrix = ops.transpose(matrix)
        matrix = matrix / (ops.norm(matrix) + 1e-7)
        square = ops.matmul(matrix, ops.transpose(matrix))
        identity = ops.eye(min(rows, columns))
        product = identity
        for _ in range(steps):
            factor = self.muon_a * identity + self.muon_b * square + self.muon_c * ops.matmul(square, square)
            product = ops.matmul(factor, product)
            square = ops.matmul(factor, ops.matmul(square, factor))
        matrix = ops.matmul(product, matrix)
        if rows > columns:
            matrix = ops.transpose(matrix)
        return ops.reshape(matrix, x.shape)

    def lr_adjust(self, x: Any) -> Any:
        """The step scaled so that its root mean square is `rms_rate` times the rate, whatever the shape."""
        return x * (self.rms_rate * math.sqrt(max(math.prod(x.shape[:-1]), x.shape[-1])))
