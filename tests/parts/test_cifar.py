"""Both CIFAR-10 parts: what they show with and without the data, and after a training of their own."""

import json
import re
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.parts.drawn import as_stored, drawn, html_of, text_of
from tests.training.made_up import pictures_of
from tfviz import language
from tfviz.data import cifar10
from tfviz.errors import BadFileError, DataUnavailableError
from tfviz.experiment import grading
from tfviz.experiment.context import Context, Inputs
from tfviz.experiment.part import Findings, Number
from tfviz.experiment.progress import Reporter
from tfviz.experiment.store import PartResult
from tfviz.figures import live
from tfviz.files.program import asset
from tfviz.models import cifar
from tfviz.parts import _cifar, cifar_cnn, cifar_resnet
from tfviz.report.numbers import significant
from tfviz.training import study
from tfviz.training.evaluate import judge, logits_of
from tfviz.training.presets import PRESETS
from tfviz.training.record import RECORDED, Record, load

PARTS = {"cifar_cnn": cifar_cnn, "cifar_resnet": cifar_resnet}
OTHERS = {"cifar_cnn": [], "cifar_resnet": ["published_network"]}
STUDY = {"cifar_cnn": ["study"] if study.load(study.RECORDED) else [], "cifar_resnet": []}
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
    page = page.split('<section id="verdicts"')[0]
    return text_of(re.sub(r"</t[dh]>", " ", page))


def figures_of(name, mistakes=()):
    """The names of a part's figures where the program comes without a study."""
    return ["curves", *STUDY[name], "confusion", *mistakes, *OTHERS[name]]


def number(share):
    """A share as the page writes it, in per cent."""
    return f"{significant(100 * share)} %"


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
    names = name, record["preset"]["name"], record["data"], record["test"]["data"]
    assert label == _cifar.label_of(*names, record["test"]["views"])
    assert label.endswith(", averaged over views)")
    assert findings.numbers["one_view_accuracy"].network == _cifar.label_of(*names)
    assert list(drawn(part, findings, part.SETTINGS)) == figures_of(name)
    for verdict in verdicts(part, findings):
        assert verdict.status == ("not comparable" if verdict.kind == "published" else "pass"), verdict
    page = page_of(part, findings)
    assert "Not judged anew. CIFAR-10 is not on this machine: test accuracy" in page
    assert f"To judge it anew: python run_all.py --only {name} --data-dir DIR." in page
    assert (
        "A recorded training, whose weights come with the program (rounded to 16 bits): preset fast" in page
    )
    assert f"48 000 pictures of {record['data']} in " in page
    assert "The pictures went through JPEG compression" in page
    assert "judged by this run" not in page


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
    names = name, record["preset"]["name"], record["data"], record["data"]
    averaged = {"recorded_test_accuracy", "mean_test_accuracy", "std_test_accuracy"}
    for number, value in findings.numbers.items():
        if number.startswith("published_network_"):
            continue
        judged_now = number in {"test_accuracy", "test_loss", "most_confused"} or number.startswith(
            "accuracy_"
        )
        assert ("tested on made up" in value.network) == judged_now, number
        assert ("averaged over views" in value.network) == (judged_now or number in averaged), number
        views = record["test"]["views"] if number in averaged else "one"
        assert judged_now or value.network == _cifar.label_of(*names, views)
    page = page_of(part, findings, settings)
    assert "The weights were judged by this run on the test split of made up." in page
    one = record["test"]["accuracy_one_view"]
    assert re.search(
        rf"recorded from the picture alone were {100 * one:.2f} % \(.*\), on CIFAR-10 \(JPEG", page
    )
    assert f"before the weights were rounded, were {100 * record['test']['accuracy']:.2f} % and" in page
    assert "averaged over views (mean" in page
    assert "Not judged anew" not in page
    for number in ("test_accuracy", "test_loss"):
        assert findings.numbers[number].spread is None, "the seeds were judged on other pictures"
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
    figures = drawn(part, findings, settings)
    assert list(figures) == figures_of(name, ["mistakes"])
    mistaken, cells = findings.arrays["mistaken"], findings.arrays["mistaken_cells"]
    counts = Counter(map(tuple, cells.tolist()))
    assert counts == {
        (row, column): min(settings.mistakes_per_cell, count)
        for (row, column), count in np.ndenumerate(findings.arrays["confusion"])
        if count and row != column
    }
    said = logits.argmax(axis=1)
    for cell in counts:
        of_cell = [index for index in wrong if (test.labels[index], said[index]) == cell]
        expected = sorted(of_cell, key=lambda index: given[index])[: settings.mistakes_per_cell]
        shown = [picture for picture, each in zip(mistaken, cells, strict=True) if tuple(each) == cell]
        np.testing.assert_array_equal(shown, test.pictures[expected])
    matrix = figures["confusion"][0].live()
    assert {cell: len(pictures) for cell, pictures in matrix.cell_pictures.items()} == counts
    np.testing.assert_array_equal(matrix.counts, findings.arrays["confusion"])
    drawing = figures["mistakes"][0]
    shares = [mistake["probability"] for mistake in findings.facts["mistakes"]]
    low, high = (_cifar.percent(end(shares), 3) for end in (min, max))
    assert drawing.finding == f"In its worst mistakes the network is {low} to {high} sure of another class."
    table = drawing.live()
    assert [len(row.pictures) for row in table.rows] == [5]
    first = findings.facts["mistakes"][0]
    assert table.rows[0].pictures[0].label.startswith(f"{first['label']}: {first['said']}, ")


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
    assert findings.numbers["test_accuracy"].spread is None
    figures = list(drawn(part, findings, part.SETTINGS))
    assert figures[0] == "curves"
    assert "confusion" in figures
    page = page_of(part, findings)
    assert "Trained by this run: preset smoke, 3 epochs over 200 pictures of made up" in page
    assert "A shorter training than the network needs (3 epochs): its accuracy says" in page
    assert "--train fast trains it in full." in page
    assert "averaged over views" not in page.split("Published beside measured")[0]
    assert "JPEG compression" not in page
    assert "that differ in their seed" not in page
    (folder / "checkpoint.npz").unlink()
    again = part.run(part.SETTINGS, context)
    assert again.numbers == findings.numbers, "the finished training is used, not repeated"
    (folder / "record.json").unlink()
    (folder / "checkpoint.npz").write_bytes(b"")
    with pytest.raises(BadFileError, match="damaged"):
        part.run(part.SETTINGS, context)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("losses", "train", "schedule", "says", "finding"),
    [
        (
            (0.9, 0.8, 0.7),
            0.95,
            "one cycle",
            "is lowest at the end (0.700): to break this schedule off earlier would not have helped. The network "
            "over-fits in the sense that it knows its own pictures better",
            "The validation loss is lowest at the end of the training.",
        ),
        (
            (0.9, 0.7, 0.705),
            0.95,
            "one cycle",
            "ends at 0.705, near its lowest (0.700 after epoch 2): to break this schedule off earlier would hardly "
            "have helped. The network over-fits in the sense that it knows its own pictures better",
            "The validation loss ends near its lowest.",
        ),
        (
            (0.9, 0.7, 0.705),
            0.91,
            "one cycle",
            "near its lowest (0.700 after epoch 2): to break this schedule off earlier would hardly have helped. There "
            "is next to no over-fitting;",
            "The validation loss ends near its lowest.",
        ),
        (
            (0.9, 0.7, 0.8),
            0.95,
            "one cycle",
            "was lowest after epoch 2 (0.700; 0.800 at the end): the last epochs over-fitted.",
            "The validation loss is lowest before the end of the training.",
        ),
        (
            (0.9, 0.7, 0.8),
            0.95,
            "constant",
            "was lowest after epoch 2 (0.700; 0.800 at the end): what of that is over-fitting",
            "The validation loss is lowest before the end of the training.",
        ),
    ],
)
def test_what_is_said_of_over_fitting_follows_the_validation_loss(
    recorded, losses, train, schedule, says, finding
):
    findings = recorded["cifar_cnn"]
    record = json.loads(json.dumps(findings.facts["record"]))
    record["epochs"] = [{**record["epochs"][0], "validation_loss": loss} for loss in losses]
    record["preset"]["recipe"]["schedule"] = schedule
    record["clean"] |= {"train_accuracy": train, "validation_accuracy": 0.9}
    over_fitting = _cifar.over_fitting(Record.from_json(record))
    findings = changed(findings, record=record, over_fitting=over_fitting)
    page = page_of(cifar_cnn, findings)
    assert says in page
    claims = (
        "lowest at the end (",
        "near its lowest (",
        "next to no",
        "knows its own",
        "over-fitted.",
        "what of that",
    )
    assert [claim for claim in claims if claim in page] == [claim for claim in claims if claim in says]
    assert ("warmup" in page) == (schedule == "one cycle")
    assert drawn(cifar_cnn, findings, cifar_cnn.SETTINGS)["curves"][0].finding == finding


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (
            0.80,
            "validation stands above training (85.70 % and 80 %), which alone does not show that the network",
        ),
        (
            0.90,
            "validation stands below training (85.70 % and 90 %), although training numbers are of augmented",
        ),
    ],
)
def test_training_and_validation_are_compared_with_care(recorded, last, says):
    page = page_of(cifar_cnn, changed(recorded["cifar_cnn"], {"last_train_accuracy": last}))
    assert f"In the last epoch {says}" in page
    assert (
        "right in 91.65 % of training and 85.70 % of validation pictures (cross-entropy 0.327 and 0.483): a gap of "
        "5.95 points, and of 0.156 nats."
    ) in page


def test_without_validation_nothing_is_said_of_over_fitting(recorded):
    record = json.loads(json.dumps(recorded["cifar_cnn"].facts["record"]))
    record["clean"] = {}
    assert _cifar.over_fitting(Record.from_json(record)) is None
    findings = changed(recorded["cifar_cnn"], over_fitting=None)
    assert "In the last epoch" not in page_of(cifar_cnn, findings)
    assert _cifar.what_validation_does(findings) == "How the training went."


def test_the_range_is_that_of_the_seeds_and_the_worst_of_them_is_graded(recorded):
    for name, part in PARTS.items():
        seeds = load(RECORDED[name]).seeds
        for number, attribute in (
            ("test_accuracy", "accuracy"),
            ("recorded_test_accuracy", "accuracy"),
            ("one_view_accuracy", "accuracy_one_view"),
            ("test_loss", "loss"),
        ):
            values = [getattr(seed, attribute) for seed in seeds]
            assert recorded[name].numbers[number].spread == (min(values), max(values))
            assert recorded[name].numbers[number].repeats == len(seeds) == 3
        bound = next(each for each in part.EXPECTED if each.number == "one_view_accuracy")
        number = recorded[name].numbers["one_view_accuracy"]
        lowest = replace(number, spread=(bound.value - bound.tolerance - 1e-4, number.spread[1]))
        statuses = [
            grading.grade(name, bound, PartResult(name, "done", {"one_view_accuracy": each})).status
            for each in (number, lowest)
        ]
        assert statuses == ["pass", "fail"]


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
    averaged = "cifar_resnet (fast, JPEG copy, averaged over views)"
    assert label("cifar_resnet", "fast", jpeg, jpeg, "flip and shift") == averaged
    assert (
        label("cifar_resnet", "fast", original, original, "flip")
        == "cifar_resnet (fast, averaged over views)"
    )


def test_a_share_stays_in_one_piece_where_text_runs_from_right_to_left():
    assert _cifar.percent(0.85701) == "85.7\u202f%"
    with language.use("he"):
        assert _cifar.percent(0.85701) == "\u206685.7\u202f%\u2069"


def test_the_most_frequent_mistake():
    confusion = np.diag([90] * 10)
    confusion[3, 5], confusion[5, 3] = 7, 6
    assert _cifar.most_confused(confusion) == ("cat", "dog")


def test_published_values_are_graded_on_the_published_network_alone():
    own = PRESETS["cifar_resnet"]["published"]
    label = _cifar.label_of(own.network, own.name, cifar10.ORIGINAL, cifar10.ORIGINAL)
    for expected in cifar_resnet.EXPECTED:
        if expected.kind == "published":
            recorded = expected.number.startswith("published_network_")
            assert expected.networks == ((cifar_resnet.PUBLISHED_NETWORK,) if recorded else (label,))
            assert bool(expected.not_comparable) == recorded
        else:
            assert not any("smoke" in network or "published" in network for network in expected.networks)
    assert own.recipe.epochs == 100
    assert own.recipe.batch == 128
    assert own.recipe.optimizer == "nadam"


@pytest.mark.parametrize(
    ("accuracy", "alone", "loss", "resnet", "cnn"),
    [
        (0.95, 0.95, 0.2, ["pass", "pass", "pass"], ["pass", "pass"]),
        (0.885, 0.841, 0.4, ["pass", "pass", "pass"], ["pass", "fail"]),
        (0.83, 0.86, 0.45, ["fail", "fail", "pass"], ["fail", "pass"]),
    ],
)
def test_doing_better_than_published_is_no_failure(accuracy, alone, loss, resnet, cnn):
    def statuses(part, kind, views):
        own = _cifar.label_of(part.ID, "published", cifar10.ORIGINAL, cifar10.ORIGINAL)
        label = _cifar.label_of(part.ID, "published", cifar10.ORIGINAL, cifar10.ORIGINAL, views)
        numbers = {
            "test_accuracy": Number(accuracy, "", label),
            "test_loss": Number(loss, "nats", label),
            "epochs": Number(100, "", own),
            "one_view_accuracy": Number(alone, "", own),
        }
        result = PartResult(part.ID, "done", numbers)
        return [
            grading.grade(part.ID, expected, result).status
            for expected in part.EXPECTED
            if expected.kind == kind and not expected.number.startswith("published_network_")
        ]

    assert statuses(cifar_resnet, "published", "one") == resnet
    assert statuses(cifar_cnn, "published", "flip and shift") == ["not comparable"]
    assert statuses(cifar_cnn, "own bound", "flip and shift") == cnn


@pytest.mark.parametrize("name", PARTS)
def test_a_bound_says_over_what_the_views_are_averaged(name):
    bounds = [expected for expected in PARTS[name].EXPECTED if expected.kind == "own bound"]
    assert [expected.number for expected in bounds] == ["test_accuracy", "one_view_accuracy"]
    assert ["averaged over views" in expected.source for expected in bounds] == [True, False]
    assert "the picture alone" in bounds[1].source
    assert "0.005" in bounds[1].source
    assert [expected.tolerance for expected in bounds] == [0.0, 0.005]
    assert [expected.label for expected in bounds] == [
        "test accuracy, averaged over views",
        "test accuracy, the picture alone",
    ]
    for expected, averaged in zip(bounds, (True, False), strict=True):
        assert all(("averaged over views" in label) == averaged for label in expected.networks)


@pytest.fixture(scope="module")
def recorded():
    """What both parts show without the data."""
    return {name: part.run(part.SETTINGS, Context(0, QUIET)) for name, part in PARTS.items()}


def changed(findings, numbers=(), **facts):
    """The findings with other values of numbers, and other facts."""
    other = {
        name: replace(findings.numbers[name], value=value, spread=None)
        for name, value in dict(numbers).items()
    }
    return replace(findings, numbers={**findings.numbers, **other}, facts={**findings.facts, **facts})


@pytest.mark.parametrize(
    ("averaged", "alone", "says"),
    [
        (0.86, 0.84, "passes it averaged over views, but not from the picture alone."),
        (0.86, 0.851, "passes it, both averaged over views and from the picture alone."),
        (0.85, 0.84, "does not pass it, neither averaged over views nor from the picture alone."),
        (0.84, 0.86, "passes it from the picture alone, but not averaged over views."),
    ],
)
def test_the_goal_of_the_originals(recorded, averaged, alone, says):
    numbers = {"test_accuracy": averaged, "one_view_accuracy": alone}
    page = page_of(cifar_cnn, changed(recorded["cifar_cnn"], numbers))
    assert (
        "The originals set out to pass 85 %; what they published of this network does not. The training shown here "
        f"{says}"
    ) in page
    assert f"right in {number(averaged)} of the pictures averaged over views, at a cross-entropy of" in page
    assert f"and in {number(alone)} from the picture alone." in page
    page = page_of(cifar_resnet, changed(recorded["cifar_resnet"], numbers))
    assert "The originals set out to pass 85 %, and what they published of this network does." in page
    assert says in page


@pytest.mark.parametrize(
    ("spread", "astride"), [((0.849, 0.86), True), ((0.851, 0.86), False), ((0.83, 0.85), False)]
)
def test_seeds_on_both_sides_of_the_goal_are_said_to_be(recorded, spread, astride):
    findings = recorded["cifar_cnn"]
    numbers = {
        name: replace(findings.numbers[name], value=spread[1], spread=ends)
        for name, ends in (("test_accuracy", spread), ("one_view_accuracy", (spread[1], spread[1])))
    }
    page = page_of(cifar_cnn, replace(findings, numbers={**findings.numbers, **numbers}))
    assert ("Not every seed falls on the same side." in page) == astride
    low, high = number(spread[0]).removesuffix(" %"), number(spread[1])
    assert f"{high} ({low} to {high.removesuffix(' %')}) of the pictures" in page


def test_the_goal_where_the_picture_alone_is_judged(recorded):
    findings = recorded["cifar_cnn"]
    record = json.loads(json.dumps(findings.facts["record"]))
    record["test"]["views"] = "one"
    page = page_of(cifar_cnn, changed(findings, record=record))
    assert "The training shown here passes it." in page
    assert "averaged over views" not in page.split("Published beside measured")[0]
    page = page_of(cifar_cnn, changed(findings, {"test_accuracy": 0.8}, record=record))
    assert "The training shown here does not pass it." in page


def test_every_seed_is_named(recorded):
    assert (
        "Seeds. In brackets is the range of 3 trainings that differ in their seed: 85.65 %, 85.58 %, 85.43 % averaged "
        "over views (mean 85.55 %, standard deviation 0.11 %), 84.49 %, 84.71 %, 84.87 % from the picture alone, in "
        "14.0, 14.0, 14.8 min."
    ) in page_of(cifar_cnn, recorded["cifar_cnn"])


def test_the_record_of_the_published_network_is_that_of_its_preset(recorded):
    stored = json.loads(asset("cifar_published.json").read_text(encoding="utf-8"))
    assert [training["seed"] for training in stored["trainings"]] == [0, 1, 2]
    for training in stored["trainings"]:
        record = Record.from_json(training)
        assert record.preset == PRESETS["cifar_resnet"]["published"]
        assert len(record.epochs) == 100
        assert np.trace(record.test.confusion) / 10_000 == record.test.accuracy
        assert record.test.views == "one"
    for other in ("penalised", "dropout"):
        assert np.trace(stored[other]["confusion"]) / 10_000 == stored[other]["accuracy"]
    assert asset("cifar_published.json").stat().st_size < 1_000_000

    numbers = recorded["cifar_resnet"].numbers
    prefix = "published_network_"
    found = {name.removeprefix(prefix): number for name, number in numbers.items() if name.startswith(prefix)}
    own = "cifar_resnet (published, JPEG copy)"
    others = ("l2", "dropout")
    labels = {(*(other in name for other in others), number.network) for name, number in found.items()}
    assert labels == {
        (False, False, own),
        (True, False, "cifar_resnet (published with L2, JPEG copy)"),
        (False, True, "cifar_resnet (published with dropout, JPEG copy)"),
    }
    for seed, accuracy, loss in ((0, 0.8780, 0.6240), (1, 0.8745, 0.6101), (2, 0.8777, 0.6159)):
        assert found[f"test_accuracy_seed_{seed}"].value == accuracy
        assert found[f"test_loss_seed_{seed}"].value == pytest.approx(loss, abs=5e-5)
    middle = {
        "test_accuracy": 0.8777,
        "test_loss": 0.6159,
        "train_accuracy": 0.9842,
        "validation_accuracy": 0.8802,
    }
    for name, value in middle.items():
        assert found[name].value == pytest.approx(value, abs=5e-5), name
        of_seeds = sorted(found[f"{name}_seed_{seed}"].value for seed in range(3))
        assert found[name].value == of_seeds[1]
    assert found["l2_test_accuracy"].value == 0.8459
    assert found["dropout_test_accuracy"].value == 0.8834
    facts = recorded["cifar_resnet"].facts["published_network"]
    assert (facts["dropout"], facts["dropouts_tried"], facts["dropout_epochs"]) == (0.3, [0.1, 0.2, 0.3], 100)
    row = cifar_resnet.PUBLISHED_EPOCHS[1]
    names = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")
    nearest = min(
        stored["dropout"]["tried"],
        key=lambda tried: sum(abs(tried[name] - value) for name, value in zip(names, row[1:], strict=True)),
    )
    assert (nearest["epochs"], nearest["dropout"]) == (row[0], facts["dropout"])
    assert recorded["cifar_resnet"].arrays["published_network_train_loss"].shape == (3, 100)


def test_the_published_network_is_shown_as_recorded_and_never_compared(recorded):
    findings = recorded["cifar_resnet"]
    page = page_of(cifar_resnet, findings)
    assert (
        "Recorded. Not of this run: preset published on CIFAR-10 (JPEG copy), 3 seeds of 100 epochs in 125 s each on "
        "NVIDIA H200, float32 variables"
    ) in page
    assert (
        "its seeds reach 87.80 %, 87.45 %, 87.77 % at a loss of 0.6240, 0.6101, 0.6159; published: 89.19 % and 0.3675."
    ) in page
    assert "What was published is of the original pictures" in page
    assert "100 epochs: so many are in its log, while its settings say 128" in page
    assert "30 84.92 92.71 87.88 87.16 0.4434 0.2059" in page, "a row of the table: published, recorded"
    rows = [verdict for verdict in verdicts(cifar_resnet, findings) if "network" in verdict.number]
    assert [verdict.number for verdict in rows] == [
        "published_network_test_accuracy",
        "published_network_test_loss",
    ]
    for verdict in rows:
        assert verdict.status == "not comparable"
        assert "went through JPEG" in verdict.reason
        assert verdict.kind == "published"
        of_seeds = [
            findings.numbers[f"{verdict.number}_seed_{seed}"].value
            for seed in findings.facts["published_network"]["seeds"]
        ]
        assert (verdict.spread, verdict.repeats) == ((min(of_seeds), max(of_seeds)), 3)


def of_record(**values):
    return {f"published_network_{name}": value for name, value in values.items()}


@pytest.mark.parametrize(
    ("numbers", "says", "says_not", "finding"),
    [
        (
            {},
            "in a way that was not stated, and ours over-fits. Our validation loss was lowest after epoch 15 to 30, at "
            "0.4097 to 0.4425, and ends at 0.5892 to 0.6307.",
            (),
            "Training ends above validation here, and ended below it in the published run.",
        ),
        (
            of_record(train_accuracy=0.87),
            "training (87 %) is not above validation (88.02 %): these curves show no over-fitting of ours.",
            ("ours over-fits", "regularised in a way", "What tells our training of their network"),
            "The published network ends with training not above validation.",
        ),
    ],
)
def test_what_is_said_of_the_published_network_follows_its_numbers(
    recorded, numbers, says, says_not, finding
):
    values = {
        name: replace(recorded["cifar_resnet"].numbers[name], value=value, spread=None)
        for name, value in numbers.items()
    }
    findings = replace(recorded["cifar_resnet"], numbers={**recorded["cifar_resnet"].numbers, **values})
    page = page_of(cifar_resnet, findings)
    assert says in page
    assert not [words for words in says_not if words in page]
    figures = drawn(cifar_resnet, findings, cifar_resnet.SETTINGS)
    assert figures["published_network"][0].finding == finding


def test_a_published_run_that_over_fitted_would_be_said_to_have(recorded):
    rows = [list(row) for row in cifar_resnet.PUBLISHED_EPOCHS]
    rows[-1][1:3] = 0.95, 0.9
    findings = changed(recorded["cifar_resnet"], published_epochs=rows)
    page = page_of(cifar_resnet, findings)
    assert "as in the published run: both over-fit." in page
    assert "regularised in a way" not in page
    finding = drawn(cifar_resnet, findings, cifar_resnet.SETTINGS)["published_network"][0].finding
    assert finding == "Training ends above validation, as in the published run."


def test_a_validation_loss_that_is_lowest_at_the_end_is_not_said_to_have_risen(recorded):
    record = {**recorded["cifar_resnet"].facts["published_network"], "lowest_after": [40, 90, 100]}
    page = page_of(cifar_resnet, changed(recorded["cifar_resnet"], published_network=record))
    assert "Our validation loss was lowest" not in page
    assert "and ours over-fits." in page
    record["lowest_after"] = [40, 40]
    page = page_of(cifar_resnet, changed(recorded["cifar_resnet"], published_network=record))
    assert "Our validation loss was lowest after epoch 40, at" in page


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({}, "Less over-fitting, lower accuracy: not the recipe either."),
        (of_record(l2_test_accuracy=0.9), "Less over-fitting, and no lower accuracy: nearer to the recipe."),
        (of_record(l2_train_accuracy=0.99), "No less over-fitting, lower accuracy: not the recipe either."),
        (
            of_record(l2_train_accuracy=0.99, l2_test_accuracy=0.9),
            "No less over-fitting, and no lower accuracy.",
        ),
    ],
)
def test_what_is_said_of_the_penalty_follows_its_numbers(recorded, numbers, says):
    page = page_of(cifar_resnet, changed(recorded["cifar_resnet"], numbers))
    assert "With a coupled L2 penalty of 0.0005 instead (95 epochs, one seed)" in page
    assert re.search(rf"test [\d.]+ %, loss 0\.4699\. {re.escape(says)}", page)


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({}, "Less over-fitting, and no lower accuracy: nearer to the recipe."),
        (of_record(dropout_test_accuracy=0.8), "Less over-fitting, lower accuracy: not the recipe either."),
        (of_record(dropout_train_accuracy=1.0), "No less over-fitting, and no lower accuracy."),
    ],
)
def test_what_is_said_of_dropout_follows_its_numbers(recorded, numbers, says):
    page = page_of(cifar_resnet, changed(recorded["cifar_resnet"], numbers))
    assert (
        "at that rate of 0.1, 0.2, 0.3 which lay nearest to the published log after 30 epochs, 0.3 (100"
        in page
    )
    assert re.search(rf"test [\d.]+ %, loss 0\.4957\. {re.escape(says)}", page)


def test_published_epochs_are_points_beside_the_curves(recorded):
    findings = recorded["cifar_resnet"]
    figures = drawn(cifar_resnet, findings, cifar_resnet.SETTINGS)
    rows = np.array(cifar_resnet.PUBLISHED_EPOCHS)
    for name, lines, others in (("curves", 1, 3), ("published_network", 3, 0)):
        drawing, figure = figures[name]
        assert "Squares and circles: the epochs that were published" in drawing.caption
        assert "original pictures" in drawing.caption
        for axes, columns, scale in zip(figure.axes, ((1, 2), (3, 4)), (100, 1), strict=True):
            points = axes.lines[2 * lines : 2 * lines + 2]
            assert len(axes.lines) == 2 * lines + 2 + (others if scale == 100 else 0) + (
                1 if others and scale == 100 else 0
            )
            for line, column in zip(points, columns, strict=True):
                np.testing.assert_allclose(line.get_xydata(), rows[:, [0, column]] * (1, scale))
        words = [text.get_text() for text in figure.legends[0].get_texts()]
        assert words[2:4] == ["published: training", "published: validation"]
    for line, values in zip(
        figures["published_network"][1].axes[0].lines[:3],
        findings.arrays["published_network_train_accuracy"],
        strict=True,
    ):
        np.testing.assert_allclose(line.get_ydata(), 100 * values)
    caption = figures["published_network"][0].caption
    assert caption.startswith("The published network on CIFAR-10 (JPEG copy), 3 seeds, after each epoch")
    finding = "After 16 epochs validation stands at 89.9 %; the published run stood at 89.84 % after 100."
    assert figures["curves"][0].finding == finding.replace(" %", "\u202f%")


@pytest.mark.parametrize(
    ("preset", "data", "says"),
    [
        ("fast", cifar10.JPEG_COPY, "published, of another network on the original pictures."),
        ("fast", cifar10.ORIGINAL, "published, of another network."),
        ("published", cifar10.JPEG_COPY, "published, on the original pictures."),
        ("published", cifar10.ORIGINAL, "published."),
    ],
)
def test_the_caption_says_what_the_points_are_of(recorded, preset, data, says):
    record = json.loads(json.dumps(recorded["cifar_resnet"].facts["record"]))
    record["preset"]["name"], record["data"] = preset, data
    figures = drawn(cifar_resnet, changed(recorded["cifar_resnet"], record=record), cifar_resnet.SETTINGS)
    assert f"Squares and circles: the epochs that were {says} Diamond:" in figures["curves"][0].caption
    assert "Squares" not in drawn(cifar_cnn, recorded["cifar_cnn"], cifar_cnn.SETTINGS)["curves"][0].caption


@pytest.mark.parametrize(
    ("views", "spread", "says"),
    [
        ("flip", (0.91, 0.92), "at the end, averaged over views; its bar: the range of 3 seeds."),
        ("flip", None, "at the end, averaged over views. Dashed"),
        ("one", (0.91, 0.92), "at the end; its bar: the range of 3 seeds."),
        ("one", None, "at the end. Dashed"),
    ],
)
def test_the_caption_says_what_the_test_accuracy_is_of(recorded, views, spread, says):
    findings = recorded["cifar_resnet"]
    record = json.loads(json.dumps(findings.facts["record"]))
    record["test"]["views"] = views
    number = replace(findings.numbers["recorded_test_accuracy"], spread=spread)
    findings = replace(findings, numbers={**findings.numbers, "recorded_test_accuracy": number})
    drawing, figure = drawn(cifar_resnet, changed(findings, record=record), cifar_resnet.SETTINGS)["curves"]
    assert f"Diamond: the test accuracy recorded {says}" in drawing.caption
    ((*_mark, (bar,)),) = figure.axes[0].containers
    low, high = spread or (number.value, number.value)
    np.testing.assert_allclose(bar.get_segments()[0][:, 1], [100 * low, 100 * high])


@pytest.mark.parametrize("name", PARTS)
def test_the_matrix_answers_in_a_browser_and_is_small_in_print(recorded, name):
    drawing, figure = drawn(PARTS[name], recorded[name], PARTS[name].SETTINGS)["confusion"]
    matrix = drawing.live()
    assert isinstance(matrix, live.Matrix)
    np.testing.assert_array_equal(matrix.counts, recorded[name].arrays["confusion"])
    assert not matrix.cell_pictures, "there are no pictures on this machine"
    assert figure.get_figheight() < 3
    count = recorded[name].numbers["most_confused"].value
    assert drawing.finding == f"“cat” called “dog” is the most frequent mistake: {count} pictures."
    shares = [recorded[name].numbers[f"accuracy_{label}"].value for label in cifar10.CLASSES]
    assert (
        f"by class {_cifar.percent(min(shares), 3)} (“cat”) to {_cifar.percent(max(shares), 3)}"
        in drawing.caption
    )
    assert drawing.alt != drawing.caption


@pytest.mark.parametrize(("dropout", "on"), [(0.0, False), (0.3, True)])
def test_dropout_is_said_to_be_on_where_it_is(recorded, dropout, on):
    record = json.loads(json.dumps(recorded["cifar_resnet"].facts["record"]))
    record["preset"]["architecture"]["dropout"] = dropout
    findings = changed(recorded["cifar_resnet"], record=record)
    caption = drawn(cifar_resnet, findings, cifar_resnet.SETTINGS)["curves"][0].caption
    assert ("on augmented pictures and with dropout on;" in caption) == on
    assert ("on augmented pictures;" in caption) != on


def study_of(*rows):
    """A made-up study: rows (kernels, standardised, test accuracies of the seeds, validation accuracies half-way)."""
    base = load(RECORDED["cifar_cnn"])
    presets = {
        (preset.architecture.kernels, preset.recipe.standardize): preset
        for preset in study.variants(PRESETS["cifar_cnn"]["fast"], 7)
    }
    records = []
    for kernels, standardize, accuracies, *halfway in rows:
        for seed, accuracy in enumerate(accuracies):
            way = [0.3, 0.4, 0.5, halfway[0][seed] if halfway else 0.6, 0.7, 0.75, accuracy]
            record = replace(
                base,
                preset=presets[kernels, standardize],
                seed=seed,
                parameters=1000 * max(kernels),
                seconds=10.0 * sum(kernels) + 10 * seed,
                devices=["a processor"],
                epochs=[{**base.epochs[0], "validation_accuracy": each} for each in way],
                test=replace(base.test, accuracy=accuracy, loss=1 - accuracy),
            )
            records.append(record)
    return study.Study({"preset": "fast", "epochs": 7, "seeds": 3}, cifar10.JPEG_COPY, "0" * 64, records)


OURS, THREES, TWOS = (7, 5, 3, 2), (3, 3, 3, 3), (2, 2, 2, 2)


def table_of(*rows):
    return cifar_cnn.table_of(study_of(*rows), OURS)


def study_page(findings, *rows):
    page = page_of(cifar_cnn, changed(findings, study=table_of(*rows) if rows else None))
    return page.split("Kernels and normalisation")[1].split("Mistakes")[0]


def test_without_a_study_nothing_is_said_to_be_measured(recorded):
    page = study_page(recorded["cifar_cnn"])
    assert "Of the kernels that the originals tried, 7, 5, 3, 2 did best in this network." in page
    assert "Whether they do, and what standardised pictures do for the training, is not measured here" in page
    assert "python -m tfviz.experiment.kernel_study would measure both." in page
    assert "Here " not in page
    findings = changed(recorded["cifar_cnn"], study=None)
    assert "study" not in drawn(cifar_cnn, findings, cifar_cnn.SETTINGS)


def test_the_bundled_study_decides_what_is_shown(recorded, tmp_path, monkeypatch):
    stored = study.load(study.RECORDED)
    assert (recorded["cifar_cnn"].facts["study"] is None) == (stored is None)
    monkeypatch.setattr(study, "RECORDED", tmp_path / "study.json")
    assert cifar_cnn.run(cifar_cnn.SETTINGS, Context(0, QUIET)).facts["study"] is None, "no such file"
    rows = (OURS, True, (0.8, 0.81)), (TWOS, True, (0.7, 0.71))
    (tmp_path / "study.json").write_text(json.dumps(study_of(*rows).as_json()))
    findings = cifar_cnn.run(cifar_cnn.SETTINGS, Context(0, QUIET))
    assert as_stored(findings.facts["study"]) == as_stored(table_of(*rows))
    assert "They do here, too" in page_of(cifar_cnn, findings)


def test_the_table_of_a_study(recorded):
    page = study_page(
        recorded["cifar_cnn"],
        (OURS, True, (0.80, 0.82, 0.81)),
        (THREES, True, (0.79, 0.78, 0.785)),
        (OURS, False, (0.805,)),
    )
    assert "The recipe of the training above for 7 epochs on CIFAR-10 (JPEG copy), on a processor," in page
    assert "Recorded short trainings (python -m tfviz.experiment.kernel_study) on the test split" in page
    assert "7, 5, 3, 2 standardised 3 7000 81 (80 to 82) 0.190 (0.180 to 0.200) 170 to 190" in page
    assert "3, 3, 3, 3 standardised 3 3000 78.50 (78 to 79) 0.215 (0.210 to 0.220) 120 to 140" in page
    assert "7, 5, 3, 2 as they are 1 7000 80.50 0.195 170" in page
    assert "not measured" not in page


def test_the_figure_of_a_study(recorded):
    rows = (OURS, True, (0.80, 0.82), (0.5, 0.6)), (THREES, True, (0.79, 0.78)), (OURS, False, (0.81,))
    findings = changed(recorded["cifar_cnn"], study=table_of(*rows))
    drawing, figure = drawn(cifar_cnn, findings, cifar_cnn.SETTINGS)["study"]
    seeds, way = figure.axes
    names = [text.get_text() for text in seeds.get_yticklabels()]
    assert names == ["7, 5, 3, 2", "3, 3, 3, 3", "7, 5, 3, 2\nnot standardised"]
    for marks, (_kernels, _standardised, accuracies, *_way) in zip(seeds.lines[1::2], rows, strict=True):
        np.testing.assert_allclose(marks.get_xdata(), 100 * np.array(accuracies))
    np.testing.assert_allclose(way.lines[0].get_ydata(), [30, 40, 50, 55, 70, 75, 81])
    assert "between 78\u202f% and 82\u202f%" in drawing.alt
    assert "on CIFAR-10 (JPEG copy)" in drawing.caption


@pytest.mark.parametrize(
    ("rows", "says", "finding"),
    [
        (
            ((OURS, True, (0.80, 0.82)), (THREES, True, (0.79, 0.78))),
            "They do here, too: 81 % on average, and each of their seeds is ahead of every seed of the others.",
            "With kernels of 7, 5, 3, 2 every seed is ahead of every seed of the other kernels.",
        ),
        (
            ((OURS, True, (0.80, 0.82)), (THREES, True, (0.79, 0.805))),
            "Here, too, they have the highest mean, 81 %; but too few seeds, or seeds that overlap, leave it open",
            "The kernels’ seeds do not lie apart: which kernels are best stays open.",
        ),
        (
            ((OURS, True, (0.80,)), (THREES, True, (0.79,))),
            "Here, too, they have the highest mean, 80 %; but too few seeds, or seeds that overlap, leave it open",
            "The kernels’ seeds do not lie apart: which kernels are best stays open.",
        ),
        (
            ((OURS, True, (0.80, 0.82)), (TWOS, True, (0.85, 0.86))),
            "Here 2, 2, 2, 2 do better: 85.50 % on average, 4.5 points more, and each of their seeds is ahead of every",
            "With kernels of 2, 2, 2, 2 every seed is ahead of every seed of the other kernels.",
        ),
        (
            ((OURS, True, (0.80, 0.85)), (TWOS, True, (0.84, 0.86))),
            "Here 2, 2, 2, 2 have the highest mean, 85 %, 2.5 points more; but too few seeds",
            "The kernels’ seeds do not lie apart: which kernels are best stays open.",
        ),
        (
            ((OURS, True, (0.80, 0.82)),),
            "Whether they do is not measured here.",
            "What short trainings reach.",
        ),
        (
            ((TWOS, True, (0.80, 0.82)), (THREES, True, (0.7, 0.6))),
            "Whether they do is not measured here.",
            "What short trainings reach.",
        ),
    ],
)
def test_what_is_said_of_the_kernels_follows_the_study(recorded, rows, says, finding):
    page = study_page(recorded["cifar_cnn"], *rows)
    assert says in page
    claims = (
        "They do here, too",
        "Here, too, they have",
        "do better:",
        "have the highest mean,",
        "Whether they do is",
    )
    assert [claim for claim in claims if claim in page][:1] == [claim for claim in claims if claim in says][
        :1
    ]
    findings = changed(recorded["cifar_cnn"], study=table_of(*rows))
    assert drawn(cifar_cnn, findings, cifar_cnn.SETTINGS)["study"][0].finding == finding


def test_the_largest_network_and_the_longest_training_are_named(recorded):
    rows = (OURS, True, (0.80, 0.82)), (THREES, True, (0.79, 0.78)), (TWOS, True, (0.7, 0.7))
    page = study_page(recorded["cifar_cnn"], *rows)
    assert "The network with them also has the most parameters." in page
    assert (
        "A training takes longest with 7, 5, 3, 2 (170 s at the least) and is over first with 2, 2, 2, 2 (80 s)."
        in page
    )
    page = study_page(recorded["cifar_cnn"], (OURS, True, (0.80, 0.82)), (THREES, True, (0.89, 0.88)))
    assert "most parameters" not in page


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            ((OURS, True, (0.80, 0.82)),),
            ["What standardised pictures do for the training is not measured here."],
        ),
        (
            ((OURS, True, (0.82, 0.83), (0.6, 0.6)), (OURS, False, (0.80, 0.81), (0.6, 0.6))),
            [
                "Standardising helps, whatever the seed: a mean accuracy of 82.50 %, with pictures as they are 80.50",
                "On the way, after epoch 4, validation stands at 60 % and 60 %, and the seeds overlap or are too few",
            ],
        ),
        (
            ((OURS, True, (0.80, 0.81), (0.7, 0.8)), (OURS, False, (0.82, 0.83), (0.6, 0.6))),
            [
                "Standardising does harm, whatever the seed: a mean accuracy of 80.50 %, with pictures as they are 82",
                "On the way standardised pictures are ahead with every seed: after epoch 4 validation stands at 75 % "
                "and 60 %.",
            ],
        ),
        (
            ((OURS, True, (0.80, 0.82), (0.5, 0.5)), (OURS, False, (0.81, 0.79), (0.6, 0.6))),
            [
                "too few seeds, or seeds that overlap, leave it open whether standardising matters in the end.",
                "On the way pictures as they are come first with every seed: after epoch 4 validation stands at 50 % "
                "for standardised ones and 60 %.",
            ],
        ),
        (
            ((OURS, True, (0.80,)), (OURS, False, (0.90,))),
            [
                "too few seeds, or seeds that overlap, leave it open whether standardising matters in the end.",
                "and the seeds overlap or are too few.",
            ],
        ),
    ],
)
def test_what_is_said_of_standardising_follows_the_study(recorded, rows, says):
    page = study_page(recorded["cifar_cnn"], *rows)
    assert [words for words in says if words not in page] == []
    claims = (
        "pictures do for the training is not measured",
        "Standardising helps",
        "Standardising does harm",
        "open whether standardising matters",
        "On the way standardised pictures are ahead",
        "On the way pictures as they are",
        "the seeds overlap or are too few",
    )
    assert [each for each in claims if each in page] == [each for each in claims if each in " ".join(says)]


def test_the_abstract_says_what_its_accuracy_is_of(recorded):
    findings = recorded["cifar_resnet"]
    record = findings.facts["record"]
    for views, stands in (("one", False), ("flip", True)):
        facts = {**findings.facts, "record": {**record, "test": {**record["test"], "views": views}}}
        changed = Findings(findings.numbers, findings.arrays, facts)
        text = text_of(html_of(cifar_resnet, changed, cifar_resnet.SETTINGS))
        abstract = text.partition("A small residual network reaches")[2].partition("of training.")[0]
        assert abstract
        assert ("averaged over views of each picture" in abstract) == stands


def test_the_residual_part_names_its_source(recorded):
    page = html_of(cifar_resnet, recorded["cifar_resnet"], cifar_resnet.SETTINGS)
    assert 'href="#ref-he2016"' in page
