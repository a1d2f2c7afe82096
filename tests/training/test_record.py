"""The record of a training as it is kept, and those that come with the program."""

import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from tests.training.made_up import TINY
from tfviz.errors import BadFileError
from tfviz.training.presets import PRESETS
from tfviz.training.record import (
    RECORDED,
    Judged,  # a class named Test* would be collected
    Record,
    Seed,
    finished,
    load,
)

LOSSES = {"validation_loss", "validation_accuracy", "train_loss", "train_accuracy"}

RECORD = Record(
    network="cifar_resnet",
    preset=TINY,
    seed=1,
    parameters=1234,
    epochs=[{"train_loss": 1.5, "seconds": 2.5}, {"train_loss": 0.5, "seconds": 2.0}],
    resumed=1,
    devices=["a processor"],
    seconds=4.5,
    data="made up",
    pictures=100,
    mean=[0.1, 0.2, 0.3],
    std=[0.4, 0.5, 0.6],
    precision="float32",
    versions={"python": "3"},
    commit="none",
    finished="today",
    clean={"train_loss": 0.25},
    test=Judged("flip", 0.75, 0.5, 0.25, [[9, 1], [2, 8]], "made up, too"),
    seeds=(Seed(0, 0.5, 0.4, 0.75, 4.0), Seed(1, 0.6, 0.5, 0.65, 4.5)),
)

PLACES = ((), ("test",), ("seeds", 1), ("preset",), ("preset", "recipe"), ("preset", "architecture"))
"""Where a stored record has entries: how one gets there from the top."""


def as_stored(record):
    return json.loads(json.dumps(record.as_json()))


def entries_at(stored, place):
    for step in place:
        stored = stored[step]
    return stored


def in_words(place):
    return "/".join(map(str, place))


def fits(value, hint):
    """Whether a value, with all that is in it, is of an annotated type."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in inner)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(each, inner[0]) for each in value)
    if origin is Sequence:
        return isinstance(value, list | tuple) and all(fits(each, inner[0]) for each in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(
            fits(name, inner[0]) and fits(each, inner[1]) for name, each in value.items()
        )
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return type(value) is hint and all(
            fits(getattr(value, field.name), hints[field.name]) for field in fields(hint)
        )
    if hint is float:
        return type(value) in (float, int)
    return type(value) is hint


@pytest.mark.parametrize("network", PRESETS)
def test_a_record_survives_json(network):
    record = replace(RECORD, network=network, preset=PRESETS[network]["smoke"])
    assert fits(record, Record)
    again = Record.from_json(as_stored(record))
    assert again == record
    assert fits(again, Record)
    assert as_stored(again) == as_stored(record)


def test_a_training_of_one_seed_lists_none():
    single = replace(RECORD, seeds=())
    stored = as_stored(single)
    assert Record.from_json(stored) == single
    del stored["seeds"]
    assert Record.from_json(stored) == single


@pytest.mark.parametrize("name", RECORDED)
def test_the_recorded_trainings_are_typed_and_complete(name):
    record = load(RECORDED[name])
    assert fits(record, Record)
    stored = json.loads(RECORDED[name].read_text(encoding="utf-8"))
    assert as_stored(record) == stored, "nothing is left out, nothing filled in"
    assert record.network == record.preset.network == name
    recipe = record.preset.recipe
    assert len(record.epochs) == recipe.epochs
    assert all(set(epoch) == LOSSES | {"seconds"} for epoch in record.epochs)
    assert set(record.clean) == LOSSES
    assert record.seconds == pytest.approx(sum(epoch["seconds"] for epoch in record.epochs))
    assert record.pictures == record.preset.pictures - recipe.validation
    assert record.test.views == recipe.views
    confusion = np.array(record.test.confusion)
    assert confusion.sum(axis=1).tolist() == [1000] * 10
    assert np.trace(confusion) / 10_000 == record.test.accuracy


@pytest.mark.parametrize("name", RECORDED)
def test_the_recorded_training_is_the_middle_one_of_its_seeds(name):
    record = load(RECORDED[name])
    test = record.test
    own = Seed(record.seed, test.accuracy, test.accuracy_one_view, test.loss, record.seconds)
    assert own in record.seeds
    assert [seed.seed for seed in record.seeds] == sorted({seed.seed for seed in record.seeds})
    assert test.accuracy == np.median([seed.accuracy for seed in record.seeds])


def refusal(path, stored):
    """Why a stored record is refused; "" if it is not."""
    path.write_text(json.dumps(stored))
    try:
        load(path)
    except BadFileError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("place", PLACES, ids=in_words)
def test_what_is_missing_is_refused(place, tmp_path):
    taken = []
    for name in entries_at(as_stored(RECORD), place):
        stored = as_stored(RECORD)
        del entries_at(stored, place)[name]
        if "record.json is no record" not in refusal(tmp_path / "record.json", stored):
            taken.append(name)
    assert taken == ([] if place else ["seeds"])


@pytest.mark.parametrize("place", PLACES, ids=in_words)
def test_what_is_not_known_is_refused(place, tmp_path):
    stored = as_stored(RECORD)
    entries_at(stored, place)["colour"] = 1
    said = refusal(tmp_path / "record.json", stored)
    assert "record.json is no record" in said
    assert "colour" in said


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", '"record"', '{"network": "cifar_cnn"}'])
def test_what_is_no_record_is_refused(content, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(BadFileError, match=r"record\.json"):
        load(path)
    with pytest.raises(BadFileError, match="cannot be read"):
        load(tmp_path / "none.json")


def test_a_record_of_an_unknown_network_is_refused(tmp_path):
    stored = as_stored(RECORD)
    stored["preset"]["network"] = "lenet"
    (tmp_path / "record.json").write_text(json.dumps(stored))
    with pytest.raises(BadFileError, match=r"KeyError: 'lenet'"):
        load(tmp_path / "record.json")


def test_a_training_is_finished_where_record_and_weights_lie(tmp_path):
    assert finished(tmp_path) is None
    (tmp_path / "record.json").write_text(json.dumps(as_stored(RECORD)))
    assert finished(tmp_path) is None
    (tmp_path / "weights.npz").write_bytes(b"of this training")
    assert finished(tmp_path) == RECORD
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(BadFileError, match="no record"):
        finished(tmp_path)
