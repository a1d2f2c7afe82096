"""A context for class parts without real weights."""

import keras
import numpy as np
from rich.console import Console

from tfviz.experiment.context import Context
from tfviz.experiment.progress import Reporter


def tiny_context(network, height=64, width=72, classes=8):
    """A context whose network is linear: logits = flattened picture times weights, whatever it is called.

    Returns:
        The context, the model, and a list to which every call of `context.model` adds its `normalize`.
    """
    picture = keras.Input((height, width, 3))
    logits = keras.layers.Dense(classes, name="logits", use_bias=False)(keras.layers.Flatten()(picture))
    model = keras.Model(picture, logits, name="linear")
    weights = np.random.default_rng(0).normal(scale=0.01, size=(height * width * 3, classes))
    model.set_weights([weights])
    normalized = []

    class Tiny(Context):
        label = network

        def model(self, *, normalize=True):
            normalized.append(normalize)
            return model

    return Tiny(0, Reporter(Console(quiet=True)), network), model, normalized
