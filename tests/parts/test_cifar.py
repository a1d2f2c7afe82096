"""Both CIFAR-10 parts: what they show with and without the data, and after a training of their own."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.parts.drawn import as_stored, drawn, html_of
from tests.training.made_up import pictures_of
from tfviz.data import cifar10
from tfviz.errors import BadFileError, DataUnavailableError
from tfviz.experiment import grading
from tfviz.experiment.context import Context, Inputs
from tfviz.experiment.part import Number
from tfviz.experiment.progress import Reporter
from tfviz.experiment.store import PartResult
from tfviz.models import cifar
from tfviz.parts import _cifar, cifar_cnn, cifar_resnet
from tfviz.training.evaluate import judge, logits_of
from tfviz.training.presets import PRESETS
from tfviz.training.record import RECORDED

PARTS = {"cifar_cnn": cifar_cnn, "cifar_resnet": cifar_resnet}
QUIET = Reporter(Console(quiet=True))


@pytest.fixture
def data(monkeypatch, tmp_path):
    """A place that the readers take for CIFAR-10: pictures made up for the test."""
    place = tmp_path / "data"
    place.mkdir()
    monkeypatch.setattr(cifar10, "read_train", lambda place: pictures_of(300))
    monkeypatch.setattr(cifar10, "read_test_batch", lambda place: pictures_of(120, seed=1))
    return place


def page_of(part, findings, settings=None):
    """The part's section as text, from findings that went through JSON as stored ones do."""
    page = html_of(part, findings, settings or part.SETTINGS).split('<section class="part"')[1]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page)).replace("\xa0", " ")


def verdicts(part, findings):
    result = PartResult(part.ID, "done", findings.numbers)
    return [grading.grade(part.ID, expected, result) for expected in part.EXPECTED]


@pytest.mark.parametrize("name", PARTS)
def test_without_the_data_the_recorded_numbers_are_shown_as_such(name):
    part = PARTS[name]
    record = json.loads(RECORDED[name].read_text(encoding="utf-8"))
    findings = part.run(part.SETTINGS, Context(0, QUIET))
    assert findings.facts["tested_now"] is findings.facts["trained_now"] is False
    assert as_stored(findings.facts["record"]) == record
    numbers = {key: number.value for key, number in findings.numbers.items()}
    assert numbers["test_accuracy"] == record["test"]["accuracy"]
    assert numbers["epochs"] == len(record["epochs"])
    assert numbers["seconds"] == pytest.approx(sum(epoch["seconds"] for epoch in record["epochs"]))
    clean = record["clean"]
    assert numbers["gap_accuracy"] == pytest.approx(clean["train_accuracy"] - clean["validation_accuracy"])
    accuracies = [numbers[f"accuracy_{label}"] for label in cifar10.CLASSES]
    assert np.mean(accuracies) == pytest.approx(record["test"]["accuracy"])  # as many pictures of each class
    assert "mistakes" not in findings.arrays
    label = findings.numbers["test_accuracy"].network
    assert label == _cifar.label_of(name, record["preset"]["name"], record["data"], record["test"]["data"])
    assert list(drawn(part, findings, part.SETTINGS)) == ["curves", "minutes", "confusion"]
    for verdict in verdicts(part, findings):
        assert verdict.status == ("not comparable" if verdict.kind == "published" else "pass"), verdict
    page = page_of(part, findings)
    assert "CIFAR-10 is not on this machine, so nothing was judged anew" in page
    assert f"A recorded training: preset {record['preset']['name']}" in page
    assert f"on {record['data']}" in page


@pytest.mark.parametrize("name", PARTS)
def test_with_the_data_the_weights_are_judged_anew(name, data):
    part = PARTS[name]
    settings = replace(part.SETTINGS, mistakes=5)
    findings = part.run(settings, Context(0, QUIET, inputs=Inputs(data_dir=data)))
    assert findings.facts["tested_now"]
    test = pictures_of(120, seed=1)
    assert findings.arrays["confusion"].sum() == 120
    accuracy = findings.numbers["test_accuracy"].value
    assert accuracy == pytest.approx(np.trace(findings.arrays["confusion"]) / 120)
    record = json.loads(RECORDED[name].read_text(encoding="utf-8"))
    own = _cifar.label_of(name, record["preset"]["name"], record["data"], record["data"])
    for number, value in findings.numbers.items():
        judged_now = number in {"test_accuracy", "test_loss", "most_confused"} or number.startswith(
            "accuracy_"
        )
        assert ("tested on made up" in value.network) == judged_now, number
        assert judged_now or value.network == own
    page = page_of(part, findings, settings)
    assert "judged by this run on the test split of made up" in page
    assert "the picture alone (CIFAR-10 (JPEG copy))" in page
    assert "differ in their seed, on CIFAR-10 (JPEG copy)" in page
    assert findings.arrays["mistakes"].shape == (5, 32, 32, 3)
    known = {picture.tobytes() for picture in test.pictures}
    for picture, mistake in zip(findings.arrays["mistakes"], findings.facts["mistakes"], strict=True):
        assert picture.tobytes() in known
        assert mistake["label"] != mistake["said"]
        assert mistake["probability"] > 0.1  # the largest of ten
    logits = logits_of(cifar.load(name, cifar.BUNDLED[name]), test.pictures, record["test"]["views"])
    given = judge(logits, test.labels).probabilities[np.arange(120), test.labels]
    wrong = np.flatnonzero(logits.argmax(axis=1) != test.labels)
    worst = sorted(wrong, key=lambda index: given[index])[:5]
    np.testing.assert_array_equal(findings.arrays["mistakes"], test.pictures[worst])
    assert list(drawn(part, findings, settings)) == ["curves", "minutes", "confusion", "mistakes"]


@pytest.mark.parametrize("name", PARTS)
def test_smoke_training_is_taken_up_again_and_never_graded(name, data, tmp_path):
    part = PARTS[name]
    context = Context(0, QUIET, inputs=Inputs(data_dir=data, train="smoke"), work=tmp_path)
    findings = part.run(part.SETTINGS, context)
    (folder,) = (tmp_path / "training").iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "checkpoint.npz",
        "history.json",
        "record.json",
        "weights.npz",
    }
    assert findings.facts["trained_now"]
    assert findings.numbers["epochs"].value == 3
    assert findings.numbers["test_accuracy"].network == f"{name} (smoke, made up)"
    assert {verdict.status for verdict in verdicts(part, findings)} == {"not comparable"}
    assert list(drawn(part, findings, part.SETTINGS))[:3] == ["curves", "minutes", "confusion"]
    page = page_of(part, findings)
    assert "Trained by this run: preset smoke, 3 epochs over 200 pictures of made up" in page
    assert "A shorter training than the network needs" in page
    (folder / "checkpoint.npz").unlink()
    again = part.run(part.SETTINGS, context)
    assert again.numbers == findings.numbers, "the finished training is used, not repeated"
    (folder / "record.json").unlink()
    (folder / "checkpoint.npz").write_bytes(b"")
    with pytest.raises(BadFileError, match="damaged"):
        part.run(part.SETTINGS, context)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("losses", "schedule", "says"),
    [
        ((0.9, 0.8, 0.7), "one cycle", "is lowest at the end (0.700), so stopping earlier"),
        (
            (0.9, 0.7, 0.705),
            "one cycle",
            "ends within 2 % of its lowest (0.705; 0.700 after epoch 2), so stopping",
        ),
        (
            (0.9, 0.7, 0.8),
            "one cycle",
            "(0.700 after epoch 2; 0.800 at the end): the last epochs over-fitted.",
        ),
        (
            (0.9, 0.7, 0.8),
            "constant",
            "(0.700 after epoch 2; 0.800 at the end): what of that is over-fitting",
        ),
    ],
)
def test_what_is_said_of_over_fitting_follows_the_validation_loss(losses, schedule, says):
    findings = cifar_resnet.run(cifar_resnet.SETTINGS, Context(0, QUIET))
    record = json.loads(json.dumps(findings.facts["record"]))
    record["epochs"] = [{**record["epochs"][0], "validation_loss": loss} for loss in losses]
    record["preset"]["recipe"]["schedule"] = schedule
    page = page_of(cifar_resnet, replace(findings, facts={**findings.facts, "record": record}))
    assert says in page
    assert ("warmup" in page) == (schedule == "one cycle")


def test_training_without_data_says_what_to_do(tmp_path):
    context = Context(0, QUIET, inputs=Inputs(train="smoke"), work=tmp_path)
    with pytest.raises(DataUnavailableError, match="--data-dir"):
        cifar_cnn.run(cifar_cnn.SETTINGS, context)


def test_labels():
    label = _cifar.label_of
    original, jpeg = cifar10.ORIGINAL, cifar10.JPEG_COPY
    assert label("cifar_resnet", "published", original, original) == "cifar_resnet (published)"
    assert label("cifar_resnet", "fast", jpeg, jpeg) == "cifar_resnet (fast, JPEG copy)"
    assert (
        label("cifar_resnet", "fast", jpeg, original)
        == "cifar_resnet (fast, trained on JPEG copy, tested on CIFAR-10)"
    )


def test_the_most_frequent_mistake():
    confusion = np.diag([90] * 10)
    confusion[3, 5], confusion[5, 3] = 7, 6
    assert _cifar.most_confused(confusion) == ("cat", "dog")


def test_published_values_are_graded_on_the_published_network_alone():
    own = PRESETS["cifar_resnet"]["published"]
    label = _cifar.label_of(own.network, own.name, cifar10.ORIGINAL, cifar10.ORIGINAL)
    for expected in cifar_resnet.EXPECTED:
        if expected.kind == "published":
            assert expected.networks == (label,)
        else:
            assert not any("smoke" in network or "published" in network for network in expected.networks)
    assert own.recipe.epochs == 100
    assert own.recipe.batch == 128
    assert own.recipe.optimizer == "nadam"


@pytest.mark.parametrize(
    ("accuracy", "loss", "resnet", "cnn"),
    [
        (0.95, 0.2, ["pass", "pass", "pass"], "pass"),
        (0.885, 0.4, ["pass", "pass", "pass"], "pass"),
        (0.83, 0.45, ["fail", "fail", "pass"], "fail"),
    ],
)
def test_doing_better_than_published_is_no_failure(accuracy, loss, resnet, cnn):
    def statuses(part, kind):
        values = {"test_accuracy": accuracy, "test_loss": loss, "epochs": 100}
        label = f"{part.ID} (published)"
        result = PartResult(
            part.ID, "done", {name: Number(value, "", label) for name, value in values.items()}
        )
        return [
            grading.grade(part.ID, expected, result).status
            for expected in part.EXPECTED
            if expected.kind == kind
        ]

    assert statuses(cifar_resnet, "published") == resnet
    assert statuses(cifar_cnn, "published") == ["not comparable"]
    assert statuses(cifar_cnn, "reference") == [cnn]
