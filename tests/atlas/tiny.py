"""Small networks and data sets of which every number can be computed another way."""

import keras
import numpy as np
from keras import layers as L
from PIL import Image

SIDE = (24, 20)


def network():
    """Rescaling -> c1 (affine) -> batch normalisation, ReLU -> a with a ReLU of its own, b -> both -> pool -> c2."""
    keras.utils.set_random_seed(3)
    x = pictures = keras.Input((*SIDE, 3), name="pictures")
    x = L.Rescaling(2.0, -1.0)(x)
    x = L.Conv2D(4, 5, strides=2, padding="same", name="c1", bias_initializer="normal")(x)
    x = L.ReLU()(L.BatchNormalization()(x))
    a = L.Conv2D(3, 3, padding="same", activation="relu", name="a")(x)
    b = L.Conv2D(2, 1, name="b")(x)
    x = L.MaxPooling2D(2)(L.Concatenate(name="both")([a, b]))
    x = L.Conv2D(5, 3, name="c2")(x)
    return keras.Model(pictures, L.Dense(4, name="head")(L.Flatten()(x)), name="tiny")


def wide(units):
    """Three convolutions with so many units in all, and a ReLU after each but the last."""
    keras.utils.set_random_seed(4)
    x = pictures = keras.Input((*SIDE, 3), name="pictures")
    each = units // 3
    x = L.Rescaling(2.0, -1.0)(x)
    x = L.ReLU()(L.Conv2D(each, 5, strides=2, name="c1")(x))
    x = L.ReLU()(L.Conv2D(each, 3, name="c2")(x))
    x = L.Conv2D(units - 2 * each, 3, name="c3")(x)
    return keras.Model(pictures, L.GlobalAveragePooling2D()(x), name="wide")


def pictures(folder, count=12, seed=0):
    """A folder with so many pictures of the network's size, in two folders, and a file that is none."""
    random = np.random.default_rng(seed)
    for number in range(count):
        path = folder / ("even" if number % 2 == 0 else "odd") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (*SIDE, 3), np.uint8)).save(path)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder
