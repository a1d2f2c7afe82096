"""Two networks for CIFAR-10's 32 x 32 pictures: a plain one and a residual one.

The residual network: K. He and others, "Deep Residual Learning for Image Recognition" (2015), basic blocks; that
pooling before a stage and narrow widths train fastest is what speed records on CIFAR-10 found (K. Jordan, "94% on
CIFAR-10 in 3.29 seconds on a single GPU", 2024). Batch normalisation: S. Ioffe and C. Szegedy (2015).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from tfviz.errors import DAMAGED_ARCHIVE, BadFileError
from tfviz.files.program import asset
from tfviz.files.reading import read_arrays
from tfviz.models import layouts
from tfviz.models.architectures import (
    ARCHITECTURES,
    BATCH_NORM_EPSILON,
    BATCH_NORM_MOMENTUM,
    Architecture,
    PlainCnn,
    ResNet,
)
from tfviz.models.blank import blank
from tfviz.models.layers import BatchNormalization, Convolution
from tfviz.weights import port, readers

CLASSES = 10
SIDE = 32
Colour = Sequence[float]
Norm = Mapping[str, float]
Array = npt.NDArray[Any]

_MOST_PARAMETERS = 300_000_000  # those that come with the program have 4 million

BUNDLED = {"cifar_cnn": asset("cifar_cnn.npz"), "cifar_resnet": asset("cifar_resnet.npz")}
"""The trained weights that come with the project (how they were made: tfviz/assets/README.md)."""


def build(
    name: str,
    architecture: Architecture,
    *,
    mean: Colour,
    std: Colour,
    normalize: bool = True,
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    batch_norm_epsilon: float = BATCH_NORM_EPSILON,
) -> keras.Model:
    """Builds "cifar_cnn" or "cifar_resnet" with random weights.

    Args:
        name: the model's name.
        architecture: its measures.
        mean: of the training split's pixels, red, green, blue, for pictures in [0, 1].
        std: their standard deviation, likewise.
        normalize: whether the model standardises the pictures itself, as its first layer.
        batch_norm_momentum: how much of the moving moments stays at every step of training.
        batch_norm_epsilon: added to the variance.

    Returns:
        A model from pictures (N, 32, 32, 3) RGB in [0, 1], or from standardised ones if not `normalize`, to logits
        (N, 10) in the order of `tfviz.data.cifar10.CLASSES`.
    """
    x = inputs = keras.Input((SIDE, SIDE, 3), name="pictures")
    if normalize:
        variance = [value**2 for value in std]
        x = layers.Normalization(mean=list(mean), variance=variance, name="normalize")(x)
    norm = {"momentum": batch_norm_momentum, "epsilon": batch_norm_epsilon}
    match architecture:
        case PlainCnn():
            logits = _plain_cnn(x, architecture, norm)
        case ResNet():
            logits = _resnet(x, architecture, norm)
    return keras.Model(inputs, logits, name=name)


def _plain_cnn(x: Any, measures: PlainCnn, norm: Norm) -> Any:
    for index, (kernel, filters) in enumerate(zip(measures.kernels, measures.filters, strict=True), 1):
        x = _normalised(x, filters, kernel, 1, f"conv{index}", norm)
        # The largest of four ReLUs is the ReLU of the largest of four, and there is a quarter to compute.
        x = layers.ReLU(name=f"relu{index}")(layers.MaxPooling2D(2, name=f"pool{index}")(x))
        x = layers.Dropout(measures.dropout, name=f"drop{index}")(x)
    x = layers.Flatten(name="flatten")(x)
    for index, units in enumerate(measures.units, len(measures.kernels) + 1):
        x = layers.Dense(units, kernel_initializer="he_normal", name=f"fc{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(x)
        x = layers.Dropout(measures.dense_dropout, name=f"drop{index}")(x)
    return _logits(x)


def _resnet(x: Any, measures: ResNet, norm: Norm) -> Any:
    x = _normalised(
        x, measures.stem_width or measures.widths[0], measures.stem_kernel, measures.stem_stride, "stem", norm
    )
    x = layers.ReLU(name="stem_relu")(x)
    if measures.second_stem:
        x = layers.ReLU(name="stem2_relu")(
            _normalised(x, measures.widths[0], measures.kernel, 1, "stem2", norm, pool=True)
        )
    for stage, (width, blocks) in enumerate(zip(measures.widths, measures.blocks, strict=True), 1):
        stride = 2 if stage > 1 and measures.downsample == "stride" else 1
        if stage > 1 and measures.downsample == "pool":
            x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
        if stage > 1 and measures.downsample == "conv pool":
            x = _normalised(x, width, measures.kernel, 1, f"stage{stage}_down", norm, pool=True)
            x = layers.ReLU(name=f"stage{stage}_down_relu")(x)
        for block in range(1, blocks + 1):
            x = _block(x, width, measures, stride if block == 1 else 1, f"stage{stage}_block{block}", norm)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return _logits(x)


def _logits(x: Any) -> Any:
    # Always float32: under mixed precision the softmax of rounded logits would be off by percents.
    return layers.Dense(CLASSES, dtype="float32", name="logits")(x)


def _block(x: Any, width: int, measures: ResNet, stride: int, name: str, norm: Norm) -> Any:
    shortcut, kernel = x, measures.kernel
    if stride != 1 or x.shape[-1] != width:
        shortcut = _normalised(x, width, 1, stride, f"{name}_projection", norm)
    x = layers.ReLU(name=f"{name}_relu1")(_normalised(x, width, kernel, stride, f"{name}_conv1", norm))
    if measures.dropout:
        x = layers.Dropout(measures.dropout, name=f"{name}_drop")(x)
    x = _normalised(x, width, kernel, 1, f"{name}_conv2", norm)
    return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([x, shortcut]))


def _normalised(
    x: Any, filters: int, kernel: int, stride: int, name: str, norm: Norm, *, pool: bool = False
) -> Any:
    """A convolution without bias and the batch norm that has one; on request with a max-pool between them.

    There it costs a quarter of what it costs after the norm.
    """
    convolution = Convolution(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )
    x = convolution(x)
    if pool:
        x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    return BatchNormalization(**norm, name=f"{name}_bn")(x)


def save(
    path: Path,
    model: keras.Model,
    architecture: Architecture,
    mean: Colour,
    std: Colour,
    batch_norm_epsilon: float = BATCH_NORM_EPSILON,
) -> None:
    """Writes a trained network as float16: variables by name, its measures, and what it takes off the pictures."""
    about = {
        "network": model.name,
        "architecture": asdict(architecture),
        "mean": list(mean),
        "std": list(std),
        "batch_norm_epsilon": batch_norm_epsilon,
    }
    variables = {variable.path: np.asarray(variable, np.float16) for variable in model.weights}
    with open(path, "wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **variables)  # type: ignore[arg-type]


def load(name: str, path: Path, *, normalize: bool = True) -> keras.Model:
    """Builds a network from a file that `save` wrote, or Keras.

    Args:
        name: "cifar_cnn" or "cifar_resnet".
        path: the file. What Keras writes of a model (`.weights.h5`, `.keras`) has only its variables: they go into the
            architecture that comes with the program, which takes off the pictures what it did before.
        normalize: as for `build`.

    Raises:
        BadFileError: the file is missing, damaged, or another network's.
    """
    if path.suffix in (".h5", ".keras"):
        model = load(name, BUNDLED[name], normalize=normalize)
        layouts.fill(model, (), readers.read(path), path=path)
        return model
    try:
        variables = read_arrays(path)
    except BadFileError as error:
        cause = error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else cause
        raise BadFileError(
            f"{path} cannot be read as weights that this program wrote ({reason}): check the path, or get the file "
            "again."
        ) from error
    try:
        about = json.loads(str(variables.pop("about")))
        if about["network"] != name:
            raise BadFileError(
                f"{path} holds the weights of {about['network']}, not of {name}: name that one."
            )
        architecture = ARCHITECTURES[name].from_json(about["architecture"])
        if _claimed(architecture) > _MOST_PARAMETERS:
            raise BadFileError(f"{path} claims a network far larger than its weights. Do not use it.")
        with blank():
            model = build(
                name,
                architecture,
                mean=about["mean"],
                std=about["std"],
                normalize=normalize,
                # The first files did not say it: they were written with what is still the default.
                batch_norm_epsilon=about.get("batch_norm_epsilon", BATCH_NORM_EPSILON),
            )
    except DAMAGED_ARCHIVE as error:
        raise BadFileError(f"{path} is damaged, or not weights of {name} that this program wrote.") from error
    rows = tuple(port.Row(variable.path, variable.path) for variable in model.weights)
    port.assign(model, rows, variables, path=path)
    return model


def _claimed(architecture: Architecture) -> int:
    """At least as many parameters as a network of these measures has in its convolutions, of which most are."""
    if isinstance(architecture, PlainCnn):
        kernel, width = max(architecture.kernels), max(*architecture.filters, *architecture.units)
        layers = len(architecture.kernels) + len(architecture.units)
    else:
        kernel = max(architecture.kernel, architecture.stem_kernel)
        width = max(*architecture.widths, architecture.stem_width or 0)
        layers = 2 * sum(architecture.blocks) + 2 * len(architecture.widths) + 2
    return kernel**2 * width**2 * layers
