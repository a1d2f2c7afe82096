"""Both CIFAR-10 parts: what they show with and without the data, and after a training of their own."""

import html
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
from tfviz.files.program import asset
from tfviz.models import cifar
from tfviz.parts import _cifar, cifar_cnn, cifar_resnet
from tfviz.training import study
from tfviz.training.evaluate import judge, logits_of
from tfviz.training.presets import PRESETS
from tfviz.training.record import RECORDED, Record, load

PARTS = {"cifar_cnn": cifar_cnn, "cifar_resnet": cifar_resnet}
RECORDED_CURVES = {"cifar_cnn": [], "cifar_resnet": ["published_network"]}
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
    text = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"</t[dh]>", " ", page)))
    return re.sub(r"\s+", " ", text)


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
    assert list(drawn(part, findings, part.SETTINGS)) == [
        "curves",
        "minutes",
        "confusion",
        *RECORDED_CURVES[name],
    ]
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
    assert "judged by this run on the test split of made up" in page
    assert "the picture alone (CIFAR-10 (JPEG copy))" in page
    assert "differ in their seed, on CIFAR-10 (JPEG copy): test accuracy (averaged over views)" in page
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
    names = ["curves", "minutes", "confusion", "mistakes", *RECORDED_CURVES[name]]
    assert list(drawn(part, findings, settings)) == names


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
        ((0.9, 0.8, 0.7), "one cycle", "is lowest at the end (0.700): to break this schedule off earlier"),
        (
            (0.9, 0.7, 0.705),
            "one cycle",
            "ends within 2 % of its lowest (0.705; 0.700 after epoch 2): to break",
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
    averaged = "cifar_resnet (fast, JPEG copy, averaged over views)"
    assert label("cifar_resnet", "fast", jpeg, jpeg, "flip and shift") == averaged
    assert (
        label("cifar_resnet", "fast", original, original, "flip")
        == "cifar_resnet (fast, averaged over views)"
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
    for expected, averaged in zip(bounds, (True, False), strict=True):
        assert all(("averaged over views" in label) == averaged for label in expected.networks)


@pytest.fixture(scope="module")
def recorded():
    """What both parts show without the data."""
    return {name: part.run(part.SETTINGS, Context(0, QUIET)) for name, part in PARTS.items()}


def changed(findings, numbers=(), **facts):
    """The findings with other values of numbers, and other facts."""
    other = {name: replace(findings.numbers[name], value=value) for name, value in dict(numbers).items()}
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
        "The originals set out to pass 85 %. What they published of this network does not pass it; the training shown "
        f"here (JPEG copy) {says}"
    ) in page
    page = page_of(cifar_resnet, changed(recorded["cifar_resnet"], numbers))
    assert "What they published of this network passes it;" in page
    assert says in page


def test_the_goal_where_the_picture_alone_is_judged(recorded):
    findings = recorded["cifar_cnn"]
    record = json.loads(json.dumps(findings.facts["record"]))
    record["test"]["views"] = "one"
    page = page_of(cifar_cnn, changed(findings, record=record))
    assert "the training shown here (JPEG copy) passes it." in page
    assert "averaged over views" not in page.split("Over-fitting")[0]
    page = page_of(cifar_cnn, changed(findings, {"test_accuracy": 0.8}, record=record))
    assert "the training shown here (JPEG copy) does not pass it." in page


def test_the_record_of_the_published_network_is_that_of_its_preset(recorded):
    stored = json.loads(asset("cifar_published.json").read_text(encoding="utf-8"))
    assert [training["seed"] for training in stored["trainings"]] == [0, 1, 2]
    for training in stored["trainings"]:
        record = Record.from_json(training)
        assert record.preset == PRESETS["cifar_resnet"]["published"]
        assert len(record.epochs) == 100
        assert np.trace(record.test.confusion) / 10_000 == record.test.accuracy
        assert record.test.views == "one"
    penalised = stored["penalised"]
    assert np.trace(penalised["confusion"]) / 10_000 == penalised["accuracy"]
    assert asset("cifar_published.json").stat().st_size < 1_000_000

    numbers = recorded["cifar_resnet"].numbers
    prefix = "published_network_"
    found = {name.removeprefix(prefix): number for name, number in numbers.items() if name.startswith(prefix)}
    own = "cifar_resnet (published, JPEG copy)"
    labels = {("l2" in name, number.network) for name, number in found.items()}
    assert labels == {(False, own), (True, "cifar_resnet (published with L2, JPEG copy)")}
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
    assert recorded["cifar_resnet"].arrays["published_network_train_loss"].shape == (3, 100)


def test_the_published_network_is_shown_as_recorded_and_never_compared(recorded):
    findings = recorded["cifar_resnet"]
    page = page_of(cifar_resnet, findings)
    assert (
        "Recorded, not of this run: published network, JPEG copy, three seeds, preset published, 100 epochs"
        in page
    )
    assert "s a seed on NVIDIA H200" in page
    assert (
        "the seeds reach 0.8780, 0.8745, 0.8777 at a loss of 0.6240, 0.6101, 0.6159; published: 0.8919 and 0.3675"
        in page
    )
    assert "100 epochs: so many are in its log, while its settings say 128" in page
    assert "30 0.8492 0.9271 0.8788 0.8716" in page, "a row of the table: published, recorded"
    rows = [verdict for verdict in verdicts(cifar_resnet, findings) if "network" in verdict.number]
    assert [verdict.number for verdict in rows] == [
        "published_network_test_accuracy",
        "published_network_test_loss",
    ]
    for verdict in rows:
        assert verdict.status == "not comparable"
        assert "went through JPEG" in verdict.reason
        assert verdict.kind == "published"


def of_record(**values):
    return {f"published_network_{name}": value for name, value in values.items()}


@pytest.mark.parametrize(
    ("numbers", "says", "says_not"),
    [
        (
            {},
            "in a way that was not stated, and ours over-fits (the validation loss was lowest after epoch 15 to 30",
            (),
        ),
        (
            of_record(train_accuracy=0.87),
            "training (0.8700) is not above validation (0.8802): these curves show no over-fitting of ours.",
            ("ours over-fits", "regularised in a way"),
        ),
    ],
)
def test_what_is_said_of_the_published_network_follows_its_numbers(recorded, numbers, says, says_not):
    page = page_of(cifar_resnet, changed(recorded["cifar_resnet"], numbers))
    assert says in page
    assert not [words for words in says_not if words in page]


def test_a_published_run_that_over_fitted_would_be_said_to_have(recorded):
    rows = [list(row) for row in cifar_resnet.PUBLISHED_EPOCHS]
    rows[-1][1:3] = 0.95, 0.9
    page = page_of(cifar_resnet, changed(recorded["cifar_resnet"], published_epochs=rows))
    assert "as in the published run: both over-fit." in page
    assert "regularised in a way" not in page


def test_a_validation_loss_that_is_lowest_at_the_end_is_not_said_to_have_risen(recorded):
    record = {**recorded["cifar_resnet"].facts["published_network"], "lowest_after": [40, 90, 100]}
    page = page_of(cifar_resnet, changed(recorded["cifar_resnet"], published_network=record))
    assert "the validation loss was lowest" not in page
    assert "and ours over-fits." in page


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({}, "test 0.8459, loss 0.4699: less over-fitting, lower accuracy: not the recipe either."),
        (of_record(l2_test_accuracy=0.9), "less over-fitting, and no lower accuracy: nearer to the recipe."),
        (of_record(l2_train_accuracy=0.99), "no less over-fitting, lower accuracy: not the recipe either."),
        (
            of_record(l2_train_accuracy=0.99, l2_test_accuracy=0.9),
            "no less over-fitting, and no lower accuracy.",
        ),
    ],
)
def test_what_is_said_of_the_penalty_follows_its_numbers(recorded, numbers, says):
    page = page_of(cifar_resnet, changed(recorded["cifar_resnet"], numbers))
    assert "With a coupled L2 penalty of 0.0005 instead (95 epochs, one seed)" in page
    assert says in page


def test_published_epochs_are_points_beside_the_curves(recorded):
    findings = recorded["cifar_resnet"]
    figures = drawn(cifar_resnet, findings, cifar_resnet.SETTINGS)
    rows = np.array(cifar_resnet.PUBLISHED_EPOCHS)
    other = "published (another network, original pictures)"
    for name, label, lines in (("curves", other, 1), ("published_network", "published", 3)):
        drawing, figure = figures[name]
        assert "Diamonds: the epochs that were published" in drawing.caption
        assert "original pictures" in drawing.caption
        for axes, columns in zip(figure.axes, ((3, 4), (1, 2)), strict=True):
            assert len(axes.lines) == 2 * lines + 2
            for line, column in zip(axes.lines[2 * lines :], columns, strict=True):
                np.testing.assert_array_equal(line.get_xydata(), rows[:, [0, column]])
        words = [text.get_text() for text in figure.legends[0].get_texts()]
        assert words[2:] == [f"{label}: training", f"{label}: validation"]
    for line, values in zip(
        figures["published_network"][1].axes[1].lines[:3],
        findings.arrays["published_network_train_accuracy"],
        strict=True,
    ):
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert figures["published_network"][0].caption.startswith("Published network, JPEG copy, three seeds:")


def test_points_of_the_same_network_on_the_same_pictures_are_labelled_so(recorded):
    record = json.loads(json.dumps(recorded["cifar_resnet"].facts["record"]))
    record["preset"]["name"], record["data"] = "published", cifar10.ORIGINAL
    figures = drawn(cifar_resnet, changed(recorded["cifar_resnet"], record=record), cifar_resnet.SETTINGS)
    words = [text.get_text() for text in figures["curves"][1].legends[0].get_texts()]
    assert words[2:] == ["published: training", "published: validation"]


@pytest.mark.parametrize(("dropout", "on"), [(0.0, False), (0.3, True)])
def test_dropout_is_said_to_be_on_where_it_is(recorded, dropout, on):
    record = json.loads(json.dumps(recorded["cifar_resnet"].facts["record"]))
    record["preset"]["architecture"]["dropout"] = dropout
    findings = changed(recorded["cifar_resnet"], record=record)
    assert ("on augmented pictures and with dropout on, and" in page_of(cifar_resnet, findings)) == on
    caption = drawn(cifar_resnet, findings, cifar_resnet.SETTINGS)["curves"][0].caption
    assert ("with dropout on" in caption) == on


def study_of(*rows):
    """A made-up study: rows (kernels, standardised, test accuracies of the seeds)."""
    base = load(RECORDED["cifar_cnn"])
    presets = {
        (preset.architecture.kernels, preset.recipe.standardize): preset
        for preset in study.variants(PRESETS["cifar_cnn"]["fast"], 7)
    }
    records = [
        replace(
            base,
            preset=presets[kernels, standardize],
            seed=seed,
            parameters=1000 * max(kernels),
            seconds=100.0 + 10 * seed,
            devices=["a processor"],
            test=replace(base.test, accuracy=accuracy, loss=1 - accuracy),
        )
        for kernels, standardize, accuracies in rows
        for seed, accuracy in enumerate(accuracies)
    ]
    return study.Study({"preset": "fast", "epochs": 7, "seeds": 3}, cifar10.JPEG_COPY, "0" * 64, records)


OURS, THREES, TWOS = (7, 5, 3, 2), (3, 3, 3, 3), (2, 2, 2, 2)


def study_page(findings, *rows):
    compared = cifar_cnn.table_of(study_of(*rows)) if rows else None
    page = page_of(cifar_cnn, changed(findings, study=compared))
    return page.split("Kernels and normalisation of the input")[1].split("Mistakes")[0]


def test_without_a_study_nothing_is_said_to_be_measured(recorded):
    page = study_page(recorded["cifar_cnn"])
    assert "Of the kernels that the originals tried, 7, 5, 3, 2 did best in this network." in page
    assert "Whether they do, and what standardised pictures do for the training, is not measured here" in page
    assert "python -m tfviz.training.study would measure both." in page
    assert "Here " not in page


def test_the_bundled_study_decides_what_is_shown(recorded, tmp_path, monkeypatch):
    stored = study.load(study.RECORDED)
    assert (recorded["cifar_cnn"].facts["study"] is None) == (stored is None)
    monkeypatch.setattr(study, "RECORDED", tmp_path / "study.json")
    assert cifar_cnn.run(cifar_cnn.SETTINGS, Context(0, QUIET)).facts["study"] is None, "no such file"
    made_up = study_of((OURS, True, (0.8, 0.81)), (TWOS, True, (0.7, 0.71)))
    (tmp_path / "study.json").write_text(json.dumps(made_up.as_json()))
    findings = cifar_cnn.run(cifar_cnn.SETTINGS, Context(0, QUIET))
    assert as_stored(findings.facts["study"]) == as_stored(cifar_cnn.table_of(made_up))
    assert "Here 7, 5, 3, 2 have the highest" in page_of(cifar_cnn, findings)


def test_the_table_of_a_study(recorded):
    page = study_page(
        recorded["cifar_cnn"],
        (OURS, True, (0.80, 0.82, 0.81)),
        (THREES, True, (0.79, 0.78, 0.785)),
        (OURS, False, (0.805,)),
    )
    assert "7 epochs on CIFAR-10 (JPEG copy), a processor; test split, the picture alone" in page
    assert (
        "7, 5, 3, 2 standardised 3 7000 81.00 (80.00 to 82.00) 0.190 (0.180 to 0.200) 110 (100 to 120)"
        in page
    )
    assert (
        "3, 3, 3, 3 standardised 3 3000 78.50 (78.00 to 79.00) 0.215 (0.210 to 0.220) 110 (100 to 120)"
        in page
    )
    assert "7, 5, 3, 2 as they are 1 7000 80.50 0.195 100" in page
    assert "not measured" not in page


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            ((OURS, True, (0.80, 0.82)), (THREES, True, (0.79, 0.78))),
            "highest mean accuracy, as in the originals, and each of their seeds is ahead of every seed of the others.",
        ),
        (
            ((OURS, True, (0.80, 0.82)), (THREES, True, (0.79, 0.805))),
            "as in the originals; too few seeds, or seeds that overlap, leave it open which are best.",
        ),
        (
            ((OURS, True, (0.80,)), (THREES, True, (0.79,))),
            "as in the originals; too few seeds, or seeds that overlap, leave it open which are best.",
        ),
        (
            ((OURS, True, (0.80, 0.82)), (TWOS, True, (0.85, 0.86))),
            "Here 2, 2, 2, 2 have the highest mean accuracy, other ones than in the originals, and each of their seeds "
            "is ahead of every seed of the others.",
        ),
        (((OURS, True, (0.80, 0.82)),), "Whether they do is not measured here."),
        (
            ((OURS, True, (0.80, 0.82)),),
            "What standardised pictures do for the training is not measured here.",
        ),
        (
            ((OURS, True, (0.82, 0.83)), (OURS, False, (0.80, 0.81))),
            "mean accuracy is 82.50 %, with pictures as they are 80.50 %: standardising helps, whatever the seed.",
        ),
        (
            ((OURS, True, (0.80, 0.81)), (OURS, False, (0.82, 0.83))),
            "standardising does harm, whatever the seed.",
        ),
        (
            ((OURS, True, (0.80, 0.82)), (OURS, False, (0.81, 0.79))),
            "too few seeds, or seeds that overlap, leave it open whether standardising matters.",
        ),
        (
            ((OURS, True, (0.80,)), (OURS, False, (0.90,))),
            "too few seeds, or seeds that overlap, leave it open whether standardising matters.",
        ),
    ],
)
def test_what_is_said_of_a_study_follows_its_numbers(recorded, rows, says):
    page = study_page(recorded["cifar_cnn"], *rows)
    assert says in page
    others = (
        "ahead of every seed",
        "leave it open which",
        "helps, whatever",
        "does harm",
        "whether standardising matters",
    )
    assert [words for words in others if words in page and words not in says][:1] == []


def test_the_residual_part_names_its_source(recorded):
    page = html_of(cifar_resnet, recorded["cifar_resnet"], cifar_resnet.SETTINGS)
    assert 'href="#ref-he2016"' in page
