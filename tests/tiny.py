"""Small models whose values can be written down."""

from dataclasses import replace

import keras
import numpy as np

from tfviz.models import description


def linear_model(height=5, width=7, classes=4, seed=0):
    """conv1 (3 x 3, 2 channels, linear) -> relu1 -> flatten -> logits; seeded weights."""
    picture = keras.Input((height, width, 3))
    x = keras.layers.Conv2D(2, 3, name="conv1")(picture)
    x = keras.layers.ReLU(name="relu1")(x)
    logits = keras.layers.Dense(classes, name="logits")(keras.layers.Flatten()(x))
    model = keras.Model(picture, logits, name="tiny")
    random = np.random.default_rng(seed)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def in_unit_range(model):
    """The model, said to take pictures in [0, 1], as one from `tfviz.load` is."""
    return description.describe(model, replace(description.of(model), pictures="[0,1]"))
