"""Ways to train the CIFAR-10 networks, by name. A table: it imports no framework."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from tfviz.models.architectures import (
    ARCHITECTURES,
    BATCH_NORM_EPSILON,
    BATCH_NORM_MOMENTUM,
    Architecture,
    PlainCnn,
    ResNet,
)

Views = Literal["one", "flip", "flip and shift"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: passes over the training pictures.
        batch: pictures a step.
        optimizer: "nadam", or "muon" (see `tfviz.training.muon`).
        learning_rate: the highest.
        schedule: "constant", or "one cycle": a linear rise over `warmup`, then a linear fall to 0 (L. Smith 2018).
        warmup: share of the steps.
        momentum: of Muon.
        adam_rate: rate of Adam's steps inside Muon, as a share of the learning rate.
        weight_decay: decoupled, per step times the rate; with Muon of kernels only.
        l2: coupled: l2 / 2 times the sum of the squares of all kernels is added to the loss, and so l2 times the kernel
            to its gradient.
        label_smoothing: share of each label spread over all classes (C. Szegedy and others 2015).
        shift: how many pixels pictures are shifted by at most, each way; what comes in is mirrored.
        cutout: side of the square, somewhere in every picture, that is blanked to the mean colour (T. DeVries and
            G. Taylor 2017; random erasing is much the same); 0: none.
        mixup: each picture and its label are averaged with another of its batch, with shares from the distribution
            Beta(mixup, mixup) (H. Zhang and others 2018); 0: not.
        flip: "random", or "alternate": every picture is mirrored every other epoch (K. Jordan 2024).
        standardize: whether the network takes the training pictures' mean off and divides by their standard deviation;
            else it sees them as they are, in [0, 1].
        whiten: whether half of the first kernels start as the principal axes of the pictures' patches, scaled to equal
            variance, and the other half as their negatives (D. Page 2019; K. Jordan 2024).
        validation: training pictures kept apart.
        views: what is averaged over when the test split is judged: the picture, its mirror image too, or both also
            shifted by a pixel.
        precision: "float32", or "auto": bfloat16 where the processor computes with it.
        batch_norm_momentum: how much of the moving moments stays at every step.
        batch_norm_epsilon: added to the variance.
        adam_beta_2: of the Adam in Muon.
        muon_iterations: Newton-Schulz iterations of a step of Muon.
    """

    epochs: int = 100
    batch: int = 128
    optimizer: Literal["nadam", "muon"] = "nadam"
    learning_rate: float = 1e-3
    schedule: Literal["constant", "one cycle"] = "constant"
    warmup: float = 0.0
    momentum: float = 0.9
    adam_rate: float = 0.2
    weight_decay: float = 0.0
    l2: float = 0.0
    label_smoothing: float = 0.0
    shift: int = 4
    cutout: int = 0
    mixup: float = 0.0
    flip: Literal["random", "alternate"] = "random"
    standardize: bool = True
    whiten: bool = False
    validation: int = 5000
    views: Views = "one"
    precision: Literal["float32", "auto"] = "float32"
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM
    batch_norm_epsilon: float = BATCH_NORM_EPSILON
    adam_beta_2: float = 0.99
    muon_iterations: int = 4


@dataclass(frozen=True)
class Preset:
    """A network and how it is trained.

    Attributes:
        network: "cifar_cnn" or "cifar_resnet".
        name: of the preset.
        architecture: the network's measures.
        recipe: how it is trained.
        pictures: how many of the training pictures are used at most.
    """

    network: str
    name: str
    architecture: Architecture
    recipe: Recipe
    pictures: int = 50_000

    def as_json(self) -> dict[str, Any]:
        """Everything that decides the result, as JSON values."""
        stored: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Preset:
        """The preset that `as_json` wrote.

        Raises:
            KeyError, TypeError: it is none.
        """
        kind = ARCHITECTURES[stored["network"]]
        for of, entries in ((cls, stored), (kind, stored["architecture"]), (Recipe, stored["recipe"])):
            if wrong := {field.name for field in fields(of)} ^ set(entries):
                raise KeyError(f"{of.__name__}: missing or unknown entries {sorted(wrong)}")
        architecture = kind.from_json(stored["architecture"])
        return cls(
            stored["network"], stored["name"], architecture, Recipe(**stored["recipe"]), stored["pictures"]
        )


# Channels in multiples of 16: the batch norm of 24 takes five times as long as that of 32 (oneDNN, AVX-512).
_SMALL_RESNET = ResNet(
    widths=(64, 128, 256),
    blocks=(1, 1, 1),
    kernel=3,
    stem_kernel=3,
    stem_width=32,
    second_stem=True,
    downsample="conv pool",
)
_FAST = Recipe(
    epochs=16,
    batch=250,
    optimizer="muon",
    learning_rate=0.04,
    schedule="one cycle",
    warmup=0.15,
    weight_decay=0.02,
    label_smoothing=0.1,
    shift=4,
    cutout=8,
    flip="alternate",
    whiten=True,
    validation=2000,
    views="flip and shift",
    precision="auto",
)
# It learns more slowly than the residual network, and knows less by heart: less augmentation.
_CNN = replace(_FAST, epochs=20, adam_rate=0.05, shift=3, cutout=0)

PRESETS: dict[str, dict[str, Preset]] = {
    "cifar_cnn": {
        # What was published of its training is nothing: "published" and "fast" are one recipe.
        "published": Preset("cifar_cnn", "published", PlainCnn(), _CNN),
        "fast": Preset("cifar_cnn", "fast", PlainCnn(), _CNN),
        "smoke": Preset(
            "cifar_cnn",
            "smoke",
            PlainCnn(filters=(4, 8, 8, 8), units=(16, 16, 16)),
            replace(_CNN, epochs=3, batch=50, validation=100, views="one"),
            pictures=600,
        ),
    },
    "cifar_resnet": {
        # Learning rate, augmentation and validation size were not published.
        "published": Preset("cifar_resnet", "published", ResNet(), Recipe()),
        "fast": Preset("cifar_resnet", "fast", _SMALL_RESNET, _FAST),
        "smoke": Preset(
            "cifar_resnet",
            "smoke",
            replace(_SMALL_RESNET, widths=(8, 8, 8), stem_width=4),
            replace(_FAST, epochs=3, batch=50, validation=100, views="one"),
            pictures=600,
        ),
    },
}
"""By network, then by the name that `--train` takes."""
