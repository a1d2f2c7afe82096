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

    A kernel (rows, columns, C, F) is taken as a matrix (rows * columns * C, F). Kernels of the first convolution (three
    colours are no hidden layer), of dense layers named "logits", and all vectors are trained by Adam, as Muon does.
    """

    def _should_use_adamw(self, variable: Any) -> bool:
        if len(variable.shape) == 4:
            return bool(variable.shape[2] == 3)
        return len(variable.shape) != 2 or "logits" in variable.path

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """The nearest matrix with orthogonal rows or columns, nearly, in the shape of x."""
        if len(x.shape) == 2:
            return super().zeropower_via_newtonschulz5(x, steps)
        rows, filters = math.prod(x.shape[:-1]), x.shape[-1]
        return ops.reshape(
            super().zeropower_via_newtonschulz5(ops.reshape(x, (rows, filters)), steps), x.shape
        )

    def lr_adjust(self, x: Any) -> Any:
        """The step scaled so that its root mean square is `rms_rate` times the rate, whatever the shape."""
        return x * (self.rms_rate * math.sqrt(max(math.prod(x.shape[:-1]), x.shape[-1])))
