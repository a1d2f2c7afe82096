"""The study of kernels and of standardised pictures: what is compared, and the file that it is kept in."""

from dataclasses import asdict

import pytest

from tfviz.errors import BadFileError
from tfviz.files.program import PACKAGE
from tfviz.training import study
from tfviz.training.presets import PRESETS

SMOKE = PRESETS["cifar_cnn"]["smoke"]


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


def test_what_is_no_study_is_refused(tmp_path):
    path = tmp_path / "study.json"
    assert study.load(path) is None
    path.write_text('{"trainings": []}')
    assert study.load(path) is None
    for content in ("{}", "[1]", '{"trainings": [{}]}', "no JSON"):
        path.write_text(content)
        with pytest.raises(BadFileError):
            study.load(path)


def test_the_study_that_comes_with_the_program_can_be_read():
    assert study.RECORDED.parent == PACKAGE / "assets"
    stored = study.load(study.RECORDED)
    if stored is not None:
        presets = study.variants(PRESETS["cifar_cnn"]["fast"], stored.settings["epochs"])
        assert all(record.preset in presets for record in stored.trainings)
