import keras
import pytest
from keras import layers as L

from tfviz.models import graph


def nested(size=(None, None, 3)):
    """A base of two convolutions and a shared one, called inside another model."""
    picture = keras.Input(size)
    base = keras.Model(
        picture, L.ReLU(name="end")(L.Conv2D(4, 3, strides=2, name="conv")(picture)), name="base"
    )
    outer = keras.Input((9, 11, 3), name="outer")
    twice = L.Conv2D(4, 1, name="twice")
    x = twice(twice(base(outer * 2)))
    return keras.Model(outer, L.Dense(2, name="logits")(L.GlobalAveragePooling2D(name="mean")(x)), name="net")


def test_calls_of_a_nested_model_stand_in_its_place():
    model = nested()
    found = graph.calls(model)
    names = [call.path for call in found]
    times = names[1]  # Keras numbers operations through
    assert times.startswith("multiply")
    assert names == ["outer", times, "base/conv", "base/end", "twice#0", "twice#1", "mean", "logits"]
    by_path = dict(zip(names, found, strict=True))
    assert by_path["base/conv"].inputs == by_path[times].outputs, "through the nested model's input"
    assert by_path["twice#0"].inputs == by_path["base/end"].outputs, "and out of it again"
    assert by_path[times].arguments[0] == (by_path["outer"].outputs[0], 2)
    assert [call.path for call in found if call.is_input] == ["outer"]


def test_shapes_are_those_of_the_outer_pictures():
    assert graph.find(nested(), "conv").outputs[0].shape == (None, 4, 5, 4)


def test_the_way_leads_there_and_no_further():
    picture = keras.Input((8, 8, 3), name="picture")
    left, right = L.Conv2D(2, 3, name="left")(picture), L.Conv2D(2, 3, name="right")(picture)
    model = keras.Model(picture, L.Add(name="sum")([left, L.ReLU(name="relu")(right)]))
    assert [call.path for call in graph.way(model, "relu")] == ["picture", "right", "relu"]
    assert {call.path for call in graph.way(model, "sum")} == {"picture", "left", "right", "relu", "sum"}


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("base/conv", "base/conv"),
        ("conv", "base/conv"),
        ("conv#0", "base/conv"),
        ("twice#1", "twice#1"),
        ("base", "base/end"),
    ],
)
def test_found_by_path_or_by_the_last_name(asked, path):
    assert graph.find(nested(), asked).path == path


def test_an_own_name_goes_before_a_nested_one():
    inner = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(2, 3, name="conv")], name="inner")
    picture = keras.Input((8, 8, 3))
    model = keras.Model(picture, L.Conv2D(2, 3, name="conv")(inner(picture)))
    assert graph.find(model, "conv").path == "conv"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("twice", "'twice' may be any of twice#0, twice#1 in net: name one of them"),
        ("twice#2", "net has no call 'twice#2'; there are twice#0, twice#1"),
        ("conv1", "net has no layer 'conv1'; names like it are base/conv"),
        ("zzz", "net has no layer 'zzz'; it has base, base/conv, base/end, logits"),
    ],
)
def test_not_found(asked, why):
    with pytest.raises(ValueError, match=why) as caught:
        graph.find(nested(), asked)
    assert "\n" not in str(caught.value)


def test_numbers_follow_the_order_in_which_calls_were_written():
    """Keras executes the deeper branch first, whichever was written first."""
    picture = keras.Input((8, 8, 3), name="picture")
    shared = L.Conv2D(3, 3, padding="same", name="shared")
    first = shared(picture)
    second = shared(L.ReLU(name="relu")(picture))
    model = keras.Model(picture, L.Add()([first, second]))
    assert [call.path for call in graph.way(model, "shared#0")] == ["picture", "shared#0"]
    assert [call.path for call in graph.way(model, "shared#1")] == ["picture", "relu", "shared#1"]


def test_a_programmed_model_has_layers_but_no_ways():
    class Programmed(keras.Model):
        def __init__(self):
            super().__init__(name="programmed")
            self.blocks = [
                L.Conv2D(2, 3, name="a"),
                keras.Sequential([L.Conv2D(2, 3, name="b")], name="block"),
            ]

        def call(self, x):
            return self.blocks[1](self.blocks[0](x))

    model = Programmed()
    model(keras.ops.zeros((1, 8, 8, 3)))
    assert graph.paths(model) == ("a", "block", "block/b")
    assert graph.locate(model, "b").path == "block/b"
    with pytest.raises(ValueError, match=r"programmed is programmed \(Programmed\)"):
        graph.calls(model)
