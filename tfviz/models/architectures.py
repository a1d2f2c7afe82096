"""Measures of the CIFAR-10 networks. A table: it imports no framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

BATCH_NORM_MOMENTUM = 0.9
"""How much of the moving moments stays at every step, unless a recipe says otherwise."""
BATCH_NORM_EPSILON = 1e-5
"""Added to the variance, unless a recipe says otherwise."""


@dataclass(frozen=True)
class PlainCnn:
    """The plain network's measures; kernels are published, the rest is ours.

    Attributes:
        kernels: side of each convolution's kernel; each is followed by batch norm, ReLU, max-pool and dropout.
        filters: of each convolution.
        units: of the fully connected layers before the last, each followed by ReLU and dropout.
        dropout: after each convolution.
        dense_dropout: after each fully connected layer but the last.
    """

    kernels: tuple[int, ...] = (7, 5, 3, 2)
    filters: tuple[int, ...] = (32, 96, 192, 256)
    units: tuple[int, ...] = (256, 128, 64)
    dropout: float = 0.05
    dense_dropout: float = 0.1

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The measures from JSON values."""
        measures: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
        }
        return cls(**measures)


@dataclass(frozen=True)
class ResNet:
    """The residual network's measures; the defaults are the published ones, blocks per stage the usual two.

    Attributes:
        widths: channels of each stage.
        blocks: residual blocks of each stage.
        kernel: side of the kernels in the blocks.
        stem_kernel: side of the first convolution's kernel.
        stem_stride: its stride.
        stem_width: its channels; None: those of the first stage.
        second_stem: whether a second convolution, to the channels of the first stage, and a max-pool follow it.
        downsample: how a stage after the first halves its maps: "stride" of its first convolution (and projection),
            "pool": max-pool before the stage, or "conv pool": a convolution and a max-pool before the stage, whose
            blocks then need no projection (D. Page, "How to train your ResNet", 2018).
        dropout: in the blocks, between their convolutions, after the ReLU (S. Zagoruyko and N. Komodakis, "Wide
            Residual Networks", 2016); 0: no such layer.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512)
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    kernel: int = 2
    stem_kernel: int = 3
    stem_stride: int = 1
    stem_width: int | None = None
    second_stem: bool = False
    downsample: Literal["stride", "pool", "conv pool"] = "stride"
    dropout: float = 0.0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The measures from JSON values."""
        measures: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
        }
        return cls(**measures)


Architecture = PlainCnn | ResNet

ARCHITECTURES: dict[str, type[PlainCnn] | type[ResNet]] = {"cifar_cnn": PlainCnn, "cifar_resnet": ResNet}
"""The kind of measures that each network has."""
