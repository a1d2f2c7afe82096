import keras
import numpy as np
import pytest
from keras import layers as L

import tfviz

NAMES = (("a", "b", "c", "d"), ("my conv", "שכבה 2", "a\\b:c", "_d"), ("😀", "&", "-", "%s\n<>"))


def network(names):
    keras.utils.set_random_seed(5)
    photo = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, name=names[0])(photo)
    inner = keras.Sequential([keras.Input(x.shape[1:]), L.BatchNormalization(name=names[2])], name=names[1])
    x = L.MaxPooling2D(name=names[3])(inner(x))
    return keras.Model(photo, L.Dense(3)(L.Flatten()(x)))


@pytest.mark.parametrize("names", NAMES[1:], ids=["spaces", "signs"])
def test_layers_run_compiled_whatever_they_are_called(names):
    """As those of a network of the same weights with plain names do; their own names stay."""
    plain, strange = (tfviz.use(network(each), pictures="[0,1]") for each in (NAMES[0], names))
    picture = np.random.default_rng(0).random((1, 8, 8, 3), dtype=np.float32)
    moved = [
        tfviz.ascend(model, tfviz.objectives.logit(1), picture, steps=2, rate=0.1).picture
        for model in (plain, strange)
    ]
    assert np.abs(moved[0] - picture).max() > 0
    np.testing.assert_array_equal(*moved)
    assert strange.get_layer(names[0]).kernel.path.startswith(names[0])
