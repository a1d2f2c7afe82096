"""The study of kernels from its first training to its last, on pictures made up."""

import json
import os
import signal

import pytest

from tests.training.made_up import pictures_of
from tfviz.data import cifar10
from tfviz.experiment import kernel_study
from tfviz.experiment.executor import workers
from tfviz.training import loop, study
from tfviz.training.presets import PRESETS

COMMAND = ("--epochs", "1", "--seeds", "1", "--preset", "smoke")


@pytest.fixture
def data(monkeypatch, tmp_path):
    """A folder that is taken for CIFAR-10."""
    place = tmp_path / "data"
    place.mkdir()
    monkeypatch.setattr(cifar10, "find", lambda folder: folder)
    monkeypatch.setattr(cifar10, "read_train", lambda folder: pictures_of(200))
    monkeypatch.setattr(cifar10, "read_test_batch", lambda folder: pictures_of(60, seed=1))
    kernel_study._splits.cache_clear()
    return place


def test_from_end_to_end_and_on_where_it_stopped(data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "study.json"
    command = ["--data-dir", str(data), "--out", str(out), *COMMAND]
    real, trained = loop.finish, []

    def stopping(training, *rest):
        trained.append(training.preset.name)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return real(training, *rest)

    monkeypatch.setattr(loop, "finish", stopping)
    with pytest.raises(KeyboardInterrupt):
        kernel_study.main(command)
    half = study.load(out)
    assert [record.preset.name for record in half.trainings] == trained[:2]
    assert kernel_study.main(command) == 0
    assert trained == [*trained[:3], "study-2-2-2-2", "study-7-5-3-2-unstandardised"]
    whole = study.load(out)
    assert whole.trainings[:2] == half.trainings, "what is finished is kept"
    assert [
        (record.preset.architecture.kernels, record.preset.recipe.standardize) for record in whole.trainings
    ] == list(study.VARIANTS)
    said = capsys.readouterr().out
    assert "study-2-2-2-2, seed 0: 3 of 4" in said
    assert "cifar_study.json" in said

    stored = json.loads(out.read_text(encoding="utf-8"))
    assert stored["settings"] == {"preset": "smoke", "epochs": 1, "seeds": 1}
    assert stored["data"] == "made up"
    for training in stored["trainings"]:
        assert training["seconds"] > 0
        assert 0 <= training["test"]["accuracy"] <= 1
        assert training["test"]["loss"] > 0
        assert training["test"]["views"] == "one"
        assert training["data"] == "made up"
        assert training["versions"]["keras"]
        assert training["commit"]
        assert training["devices"]
        assert (training["mean"] == [0, 0, 0]) == (not training["preset"]["recipe"]["standardize"])

    assert kernel_study.main(command) == 0
    assert len(trained) == 5, "nothing is trained twice"
    assert (
        kernel_study.main(["--data-dir", str(data), "--out", str(out), *COMMAND[:-4], "--preset", "smoke"])
        == 0
    )
    assert {record.seed for record in study.load(out).trainings} == {0, 1, 2}, "more seeds are added"


def test_another_study_is_not_mixed_with_this_one(data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "study.json"
    monkeypatch.setattr(study, "VARIANTS", study.VARIANTS[:1])
    command = ["--data-dir", str(data), "--out", str(out)]
    assert kernel_study.main([*command, *COMMAND]) == 0
    capsys.readouterr()
    assert kernel_study.main([*command, "--epochs", "2", *COMMAND[2:]]) == 2
    assert "other settings or of other data: name another file" in capsys.readouterr().err
    monkeypatch.setattr(cifar10, "read_train", lambda folder: pictures_of(200, seed=9))
    kernel_study._splits.cache_clear()
    assert kernel_study.main([*command, *COMMAND]) == 2
    assert len(study.load(out).trainings) == 1


def test_the_command_line_refuses_what_makes_no_sense(tmp_path, capsys):
    for option in ("--epochs", "--seeds"):
        with pytest.raises(SystemExit):
            kernel_study.main(["--data-dir", str(tmp_path), "--out", str(tmp_path / "x"), option, "0"])
        assert "at least 1" in capsys.readouterr().err
    assert kernel_study.main(["--data-dir", str(tmp_path), "--out", str(tmp_path / "x"), *COMMAND]) == 2
    assert "holds neither" in capsys.readouterr().err


def train_made_up(preset, place, folder, seed, first):
    """`kernel_study._train` on pictures made up, in a worker; the second variant's first worker dies after an epoch."""
    cifar10.read_train, cifar10.read_test_batch = (
        lambda _: pictures_of(200),
        lambda _: pictures_of(60, seed=1),
    )
    mark = place / "died"

    def tell(line):
        if "test" not in line and "3-3-3-3" in line and "epoch 1" in line and mark.exists():
            mark.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    kernel_study.tell = tell
    return _TRAIN(preset, place, folder, seed, first)


_TRAIN = kernel_study._train
TIMES = ("seconds", "finished", "resumed")


def what_was_found(path):
    """The trainings of a study, but for the time that they took."""
    stored = json.loads(path.read_text(encoding="utf-8"))["trainings"]
    for record in stored:
        record["epochs"] = [
            {name: value for name, value in epoch.items() if name not in TIMES} for epoch in record["epochs"]
        ]
    return [{name: value for name, value in record.items() if name not in TIMES} for record in stored]


def test_on_two_workers_one_of_which_is_killed_the_record_is_the_same(data, tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_study, "_train", train_made_up)
    base, found = PRESETS["cifar_cnn"]["smoke"], []
    for killed in (False, True):
        out = tmp_path / str(killed) / "study.json"
        if killed:
            (data / "died").touch()
        with workers(2) as pool:
            failures = kernel_study.train_all(
                out, data, pool, base=base, epochs=2, seeds=1, say=lambda line: None
            )
        assert failures == []
        found.append(what_was_found(out))
    assert not (data / "died").exists()
    assert [record["preset"]["name"] for record in found[0]] == [
        preset.name for preset in study.variants(base, 2)
    ]
    assert found[1] == found[0]
    resumed = [record.resumed for record in study.load(tmp_path / "True" / "study.json").trainings]
    assert resumed == [0, 1, 0, 0]
