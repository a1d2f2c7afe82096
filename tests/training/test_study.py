"""The study of kernels and of standardised pictures, from its first training to its last, on pictures made up."""

import json
from dataclasses import asdict

import pytest

from tests.training.made_up import pictures_of
from tfviz.data import cifar10
from tfviz.errors import BadFileError
from tfviz.files.program import PACKAGE
from tfviz.training import loop, study
from tfviz.training.presets import PRESETS

SMOKE = PRESETS["cifar_cnn"]["smoke"]
COMMAND = ("--epochs", "1", "--seeds", "1", "--preset", "smoke")


@pytest.fixture
def data(monkeypatch, tmp_path):
    """A folder that is taken for CIFAR-10."""
    place = tmp_path / "data"
    place.mkdir()
    monkeypatch.setattr(cifar10, "find", lambda folder: folder)
    monkeypatch.setattr(cifar10, "read_train", lambda folder: pictures_of(200))
    monkeypatch.setattr(cifar10, "read_test_batch", lambda folder: pictures_of(60, seed=1))
    return place


def test_variants_differ_in_kernels_and_standardisation_alone():
    presets = study.variants(PRESETS["cifar_cnn"]["fast"], 7)
    assert [preset.name for preset in presets] == [
        "study-7-5-3-2",
        "study-3-3-3-3",
        "study-2-2-2-2",
        "study-7-5-3-2-unstandardised",
    ]
    assert [(preset.architecture.kernels, preset.recipe.standardize) for preset in presets] == list(
        study.VARIANTS
    )
    for varied in ("architecture", "recipe"):
        rest = [
            {k: v for k, v in asdict(getattr(preset, varied)).items() if k not in ("kernels", "standardize")}
            for preset in presets
        ]
        assert all(other == rest[0] for other in rest)
    recipe = presets[0].recipe
    assert (recipe.epochs, recipe.whiten, recipe.views) == (7, False, "one")
    with pytest.raises(ValueError, match="no kernels"):
        study.variants(PRESETS["cifar_resnet"]["fast"], 7)


def test_a_third_of_the_epochs():
    assert study.epochs_of(PRESETS["cifar_cnn"]["fast"]) == 7
    assert study.epochs_of(SMOKE) == 1


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
        study.main(command)
    half = study.load(out)
    assert [record.preset.name for record in half.trainings] == trained[:2]
    assert study.main(command) == 0
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

    assert study.main(command) == 0
    assert len(trained) == 5, "nothing is trained twice"
    assert study.main(["--data-dir", str(data), "--out", str(out), *COMMAND[:-4], "--preset", "smoke"]) == 0
    assert {record.seed for record in study.load(out).trainings} == {0, 1, 2}, "more seeds are added"


def test_another_study_is_not_mixed_with_this_one(data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "study.json"
    monkeypatch.setattr(study, "VARIANTS", study.VARIANTS[:1])
    command = ["--data-dir", str(data), "--out", str(out)]
    assert study.main([*command, *COMMAND]) == 0
    capsys.readouterr()
    assert study.main([*command, "--epochs", "2", *COMMAND[2:]]) == 2
    assert "other settings or of other data: name another file" in capsys.readouterr().err
    monkeypatch.setattr(cifar10, "read_train", lambda folder: pictures_of(200, seed=9))
    assert study.main([*command, *COMMAND]) == 2
    assert len(study.load(out).trainings) == 1


def test_what_is_no_study_is_refused(tmp_path):
    path = tmp_path / "study.json"
    assert study.load(path) is None
    path.write_text('{"trainings": []}')
    assert study.load(path) is None
    for content in ("{}", "[1]", '{"trainings": [{}]}', "no JSON"):
        path.write_text(content)
        with pytest.raises(BadFileError):
            study.load(path)


def test_the_command_line_refuses_what_makes_no_sense(tmp_path, capsys):
    for option in ("--epochs", "--seeds"):
        with pytest.raises(SystemExit):
            study.main(["--data-dir", str(tmp_path), "--out", str(tmp_path / "x"), option, "0"])
        assert "at least 1" in capsys.readouterr().err
    assert study.main(["--data-dir", str(tmp_path), "--out", str(tmp_path / "x"), *COMMAND]) == 2
    assert "holds neither" in capsys.readouterr().err


def test_the_study_that_comes_with_the_program_can_be_read():
    assert study.RECORDED.parent == PACKAGE / "assets"
    stored = study.load(study.RECORDED)
    if stored is not None:
        presets = study.variants(PRESETS["cifar_cnn"]["fast"], stored.settings["epochs"])
        assert all(record.preset in presets for record in stored.trainings)
