import os
import signal
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.training.made_up import QUIET, RECIPE, TINY, pictures_of, values
from tfviz import backend
from tfviz.errors import BadFileError
from tfviz.files.program import CHECKOUT
from tfviz.models import cifar
from tfviz.models.architectures import PlainCnn
from tfviz.training import loop
from tfviz.training.evaluate import evaluate, logits_of
from tfviz.training.loop import OneCycle, Training, finish
from tfviz.training.muon import ConvolutionMuon
from tfviz.training.presets import PRESETS

BIT_FOR_BIT = pytest.mark.skipif(
    backend.name() != "tensorflow", reason="promised with TensorFlow on CPUs, not with other frameworks"
)


def test_one_cycle():
    rate = OneCycle(0.5, 4, 20)
    assert float(rate(0)) == pytest.approx(0.125)
    assert float(rate(3)) == pytest.approx(0.5)
    assert float(rate(4)) == pytest.approx(0.5)
    assert float(rate(12)) == pytest.approx(0.25)
    assert float(rate(20)) == 0.0
    assert float(OneCycle(0.5, 0, 10)(0)) == pytest.approx(0.5)
    assert OneCycle.from_config(rate.get_config())(7) == rate(7)


def test_all_of_a_muon_recipe_reaches_what_trains(tmp_path):
    """Each value another than the default."""
    recipe = replace(
        RECIPE,
        learning_rate=0.03,
        warmup=0.3,
        momentum=0.83,
        adam_rate=0.35,
        weight_decay=0.07,
        label_smoothing=0.15,
        batch_norm_momentum=0.6,
        batch_norm_epsilon=2e-3,
        adam_beta_2=0.97,
        muon_iterations=3,
    )
    model = Training(replace(TINY, recipe=recipe), pictures_of(200), tmp_path, seed=0).model
    optimizer = model.optimizer
    assert type(optimizer) is ConvolutionMuon
    assert optimizer.momentum == 0.83
    assert optimizer.adam_lr_ratio == 0.35
    assert optimizer.weight_decay == optimizer.adam_weight_decay == 0.07
    assert optimizer.adam_beta_2 == 0.97
    assert optimizer.ns_steps == 3
    decays = {variable.path: optimizer._use_weight_decay(variable) for variable in model.trainable_variables}
    assert decays == {path: path.endswith("/kernel") for path in decays}
    assert any(decays.values())
    # 100 pictures in batches of 20, twice.
    assert optimizer._learning_rate.get_config() == {"peak": 0.03, "rise": 3, "total": 10}
    assert model.loss.label_smoothing == 0.15
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(layer.momentum, layer.epsilon) for layer in norms} == {(0.6, 2e-3)}


@pytest.mark.parametrize(("weight_decay", "kept"), [(0.05, 0.05), (0.0, None)])
def test_all_of_a_nadam_recipe_reaches_what_trains(weight_decay, kept, tmp_path):
    recipe = replace(
        RECIPE, optimizer="nadam", schedule="constant", learning_rate=0.004, weight_decay=weight_decay
    )
    optimizer = Training(replace(TINY, recipe=recipe), pictures_of(200), tmp_path, seed=0).model.optimizer
    assert type(optimizer) is keras.optimizers.Nadam
    assert optimizer.weight_decay == kept
    assert float(optimizer.learning_rate) == pytest.approx(0.004)


def test_the_smoothed_loss_is_not_the_loss_that_is_reported(undisturbed):
    """The loss by hand: cross-entropy with labels of which a share is spread over all ten classes."""
    data = pictures_of(60, seed=4)
    pictures, labels = data.pictures.astype(np.float32) / 255, np.eye(10)[data.labels]
    judged = evaluate(undisturbed.model, data.pictures, data.labels, "one")
    log_probabilities = np.log(judged.probabilities.astype(float))
    smoothed = RECIPE.label_smoothing / 10 + (1 - RECIPE.label_smoothing) * labels
    reported = undisturbed.model.evaluate(pictures, labels, batch_size=60, verbose=0, return_dict=True)
    assert reported["loss"] == pytest.approx(-(smoothed * log_probabilities).sum(axis=1).mean(), rel=1e-4)
    assert reported["cross_entropy"] == pytest.approx(judged.loss, rel=1e-4)
    assert reported["loss"] > 1.02 * reported["cross_entropy"]


def test_the_penalty_is_half_of_l2_times_the_squares_of_all_kernels(tmp_path):
    l2, data = 0.3, pictures_of(60, seed=4)
    labels = np.eye(10)[data.labels]
    inputs = {"x": data.pictures.astype(np.float32) / 255, "y": labels, "batch_size": 60, "verbose": 0}
    recipe = replace(RECIPE, label_smoothing=0.0)
    losses = {}
    for weight in (0.0, l2):
        preset = replace(TINY, recipe=replace(recipe, l2=weight))
        model = Training(preset, pictures_of(200), tmp_path / str(weight), seed=3).model
        losses[weight] = model.evaluate(**inputs, return_dict=True)
    kernels = [
        np.asarray(variable, float)
        for variable in model.trainable_variables
        if variable.path.endswith("/kernel")
    ]
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(kernels) == len(convolutions) + 1, "and the dense layer"
    penalty = l2 / 2 * sum((kernel**2).sum() for kernel in kernels)
    assert penalty > 1
    assert losses[0.0]["loss"] == pytest.approx(losses[0.0]["cross_entropy"], rel=1e-5)
    assert losses[l2]["cross_entropy"] == losses[0.0]["cross_entropy"], (
        "what is reported has no penalty in it"
    )
    assert losses[l2]["loss"] == pytest.approx(losses[0.0]["loss"] + penalty, rel=1e-5)


def test_without_a_penalty_nothing_is_penalised(undisturbed):
    assert undisturbed.model.losses == []


def test_a_network_may_see_pictures_that_are_not_standardised(tmp_path):
    data = pictures_of(200)
    recipe = replace(RECIPE, standardize=False, whiten=False, epochs=0, cutout=5)
    training = Training(replace(TINY, recipe=recipe), data, tmp_path / "bare", seed=3)
    usual = Training(
        replace(TINY, recipe=replace(recipe, standardize=True)), data, tmp_path / "usual", seed=3
    )
    pictures = data.pictures[:5].astype(np.float32) / 255
    seen = keras.Model(training.model.input, training.model.get_layer("normalize").output)(pictures)
    np.testing.assert_allclose(seen, pictures, atol=1e-6)
    seen = keras.Model(usual.model.input, usual.model.get_layer("normalize").output)(pictures)
    mean, std = usual.training[0].mean((0, 1, 2)) / 255, usual.training[0].std((0, 1, 2)) / 255
    np.testing.assert_allclose(seen, (pictures - mean) / std, atol=1e-4)
    # What cutout blanks is filled with the mean colour all the same.
    np.testing.assert_array_equal(training._colour, usual._colour)
    np.testing.assert_allclose(training._colour, mean, rtol=1e-6)
    record = finish(training, data, pictures_of(90))
    assert (record.mean, record.std) == ([0, 0, 0], [1, 1, 1])
    loaded = cifar.load("cifar_resnet", tmp_path / "bare" / "weights.npz")
    np.testing.assert_allclose(loaded(pictures), training.model(pictures), atol=0.05)


@BIT_FOR_BIT
def test_all_that_regularises_together_goes_on_where_it_stopped(tmp_path):
    """Dropout, penalty and mixed pictures: in two goes as in one."""
    recipe = replace(RECIPE, l2=0.01, mixup=0.3, cutout=6)
    preset = replace(TINY, architecture=replace(TINY.architecture, dropout=0.2), recipe=recipe)
    data = pictures_of(200)
    whole = Training(preset, data, tmp_path / "whole", seed=3)
    whole.run(*QUIET)
    Training(preset, data, tmp_path / "two", seed=3).run(*QUIET, until=1)
    second = Training(preset, data, tmp_path / "two", seed=3)
    second.run(*QUIET)
    for value, again in zip(values(whole), values(second), strict=True):
        np.testing.assert_array_equal(value, again)


def test_a_run_learns_and_says_so(undisturbed):
    epochs = undisturbed.history.epochs
    assert [set(epoch) for epoch in epochs] == [
        {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds"}
    ] * 2
    assert epochs[1]["train_loss"] < epochs[0]["train_loss"]
    assert undisturbed.history.resumed == 0
    assert (undisturbed.folder / "history.json").exists()


@BIT_FOR_BIT
@pytest.mark.parametrize("network", ["cifar_resnet", "cifar_cnn"])
def test_a_run_in_two_goes_ends_with_the_same_numbers(network, tmp_path, monkeypatch):
    """Dropout, momenta, order, augmentation: bit for bit."""
    preset = TINY
    if network == "cifar_cnn":
        architecture = PlainCnn(filters=(4, 4, 4, 4), units=(8, 8, 8), dropout=0.2)
        preset = replace(
            TINY, network=network, architecture=architecture, recipe=replace(RECIPE, whiten=False)
        )
    data = pictures_of(200)
    whole = Training(preset, data, tmp_path / "whole", seed=3)
    whole.run(*QUIET)
    Training(preset, data, tmp_path / "two", seed=3).run(*QUIET, until=1)
    lines = []
    (tmp_path / "two" / ".checkpoint.half.npz").write_bytes(b"of a killed run")
    monkeypatch.setattr(backend, "devices", lambda: ["another processor"])
    second = Training(preset, data, tmp_path / "two", seed=3)
    second.run(lines.append, QUIET[1])
    assert second.history.devices == [*whole.history.devices, "another processor"]
    assert not (tmp_path / "two" / ".checkpoint.half.npz").exists()
    assert lines[0].startswith("going on after epoch 1 of 2")
    assert second.history.resumed == 1

    def numbers(training):
        return [
            {name: value for name, value in epoch.items() if name != "seconds"}
            for epoch in training.history.epochs
        ]

    assert numbers(second) == numbers(whole)
    for value, again in zip(values(whole), values(second), strict=True):
        np.testing.assert_array_equal(value, again)


KILLED = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.training.made_up import TINY, pictures_of, values
from tfviz.training.loop import Training
import numpy as np, os, signal

def progress(done, total, words):
    if done == {at}:
        os.kill(os.getpid(), signal.SIGKILL)

training = Training(TINY, pictures_of(200), Path({folder!r}), seed=3)
training.run(print, progress)
np.savez({folder!r} + "/end.npz", *values(training))
"""


@BIT_FOR_BIT
def test_killed_twice_in_the_middle_of_an_epoch(undisturbed, tmp_path):
    folder = tmp_path / "run"
    for at, ends in ((3, -signal.SIGKILL), (8, -signal.SIGKILL), (None, 0)):
        code = KILLED.format(root=str(CHECKOUT), at=at, folder=str(folder))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
        assert done.returncode == ends, done.stderr
        left = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        assert left == ([] if at == 3 else ["checkpoint.npz", "history.json"] if at == 8 else [*left])
    with np.load(folder / "end.npz") as end:
        for number, value in enumerate(values(undisturbed)):
            np.testing.assert_array_equal(end[f"arr_{number}"], value)


def test_checkpoints_that_cannot_be_used(undisturbed, tmp_path, monkeypatch):
    data = pictures_of(200)
    whole = (undisturbed.folder / "checkpoint.npz").read_bytes()
    path = tmp_path / "checkpoint.npz"
    for content in (b"", b"no zip", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(BadFileError, match="damaged"):
            Training(TINY, data, tmp_path, seed=3)
    path.write_bytes(whole)
    with pytest.raises(BadFileError, match="another run"):
        Training(TINY, data, tmp_path, seed=4)
    with pytest.raises(BadFileError, match="another run"):
        Training(replace(TINY, pictures=180), data, tmp_path, seed=3)
    assert len(Training(TINY, data, tmp_path, seed=3).history.epochs) == 2
    monkeypatch.setattr(loop, "precision_of", lambda recipe: "mixed_bfloat16")
    with pytest.raises(
        BadFileError, match="was computed in float32, this machine would go on in mixed_bfloat16"
    ):
        Training(TINY, data, tmp_path, seed=3)


def test_the_test_split_is_judged_once(undisturbed):
    data, test = pictures_of(200), pictures_of(90, seed=1)
    record = finish(undisturbed, data, test)
    judged = evaluate(undisturbed.model, test.pictures, test.labels, "flip")
    assert record.test.accuracy == judged.accuracy
    assert record.test.loss == pytest.approx(judged.loss)
    assert record.test.confusion == judged.confusion.tolist()
    assert record.parameters == undisturbed.model.count_params()
    assert record.pictures == 100
    assert record.data == "made up"
    assert record.clean["validation_accuracy"] == record.epochs[-1]["validation_accuracy"]
    assert finish(undisturbed, data, None) == record, "nothing is judged again"
    loaded = cifar.load("cifar_resnet", undisturbed.folder / "weights.npz")
    near = logits_of(loaded, test.pictures, "one") - logits_of(undisturbed.model, test.pictures, "one")
    assert np.abs(near).max() < 0.05


def test_the_weights_are_kept_with_the_recipes_epsilon(tmp_path):
    recipe = replace(RECIPE, epochs=0, batch_norm_epsilon=2e-3)
    training = Training(replace(TINY, recipe=recipe), pictures_of(200), tmp_path, seed=0)
    record = finish(training, pictures_of(200), pictures_of(90))
    assert record.preset.recipe == recipe
    loaded = cifar.load("cifar_resnet", tmp_path / "weights.npz")
    assert loaded.get_layer("stem_bn").epsilon == 2e-3


def test_an_unfinished_run_is_not_judged(tmp_path):
    training = Training(TINY, pictures_of(200), tmp_path, seed=0)
    with pytest.raises(ValueError, match="0 of 2 epochs"):
        finish(training, pictures_of(200), pictures_of(90))


def test_divergence_is_named(tmp_path):
    preset = replace(
        TINY, recipe=replace(RECIPE, optimizer="nadam", learning_rate=float("inf"), schedule="constant")
    )
    with pytest.raises(BadFileError, match="diverged in epoch 1"):
        Training(preset, pictures_of(200), tmp_path, seed=0).run(*QUIET)


def test_another_preset_seed_or_data_set_has_another_folder(tmp_path):
    folders = {
        loop.folder_of(tmp_path, preset, data, seed)
        for preset in (TINY, PRESETS["cifar_resnet"]["fast"], PRESETS["cifar_cnn"]["fast"])
        for data in ("data", "other data")
        for seed in (0, 1)
    }
    assert len(folders) == 12


SEVERAL = """
import sys
sys.path.insert(0, {root!r})
from tfviz import backend
backend.load()
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
backend.current().distribution = strategy.scope
from pathlib import Path
from tests.training.made_up import TINY, pictures_of
from tfviz.training.loop import Training
Training(TINY, pictures_of(200), Path({folder!r}), seed=3).run(print, lambda *_: None, until=1)
training = Training(TINY, pictures_of(200), Path({folder!r}), seed=3)
training.run(print, lambda *_: None)
kernel = training.model.get_layer("logits").kernel.value
copies = [copy.numpy() for copy in strategy.experimental_local_results(kernel)]
assert len(copies) == 2 and (copies[0] == copies[1]).all()
losses = [epoch["train_loss"] for epoch in training.history.epochs]
assert losses[1] < losses[0], losses
"""


def test_several_devices_train_together_and_go_on(tmp_path):
    code = SEVERAL.format(root=str(CHECKOUT), folder=str(tmp_path / "run"))
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, env=environment
    )
    assert done.returncode == 0, done.stderr
