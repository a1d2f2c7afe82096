"""Pictures made up for tests, and a training on them that takes seconds."""

import numpy as np

from tfviz.data.cifar10 import Batch
from tfviz.models.architectures import ResNet
from tfviz.training.presets import Preset, Recipe

QUIET = (lambda line: None, lambda done, total, words: None)

RECIPE = Recipe(
    epochs=2,
    batch=20,
    optimizer="muon",
    learning_rate=0.02,
    schedule="one cycle",
    warmup=0.2,
    weight_decay=0.02,
    label_smoothing=0.1,
    shift=2,
    flip="alternate",
    whiten=True,
    validation=40,
    views="flip",
)
ARCHITECTURE = ResNet(widths=(4, 8), blocks=(1, 1), kernel=3, stem_kernel=4, stem_stride=2, downsample="pool")
TINY = Preset("cifar_resnet", "tiny", ARCHITECTURE, RECIPE, pictures=140)


def pictures_of(count, seed=0):
    """Pictures whose class can be learnt: each class has its colour, under noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count)
    colours = np.random.default_rng(99).integers(40, 216, (10, 1, 1, 3))
    noisy = colours[labels] + random.normal(0, 25, (count, 32, 32, 3))
    return Batch(np.clip(noisy, 0, 255).astype(np.uint8), labels, "made up")


def values(training):
    """Everything that a training changes, as arrays."""
    return [np.asarray(variable) for variable in training._variables()]
