import os
import signal
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from tfviz import training
from tfviz.data.cifar10 import Batch
from tfviz.errors import BadFileError
from tfviz.presets import PRESETS, PlainCnn, Preset, Recipe, ResNet
from tfviz.provenance import ROOT
from tfviz.training import Augmented, OneCycle, Training, finish, judge

QUIET = (lambda line: None, lambda done, total, words: None)


def pictures_of(count, seed=0):
    """Pictures whose class can be learnt: each class has its colour, under noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count)
    colours = np.random.default_rng(99).integers(40, 216, (10, 1, 1, 3))
    noisy = colours[labels] + random.normal(0, 25, (count, 32, 32, 3))
    return Batch(np.clip(noisy, 0, 255).astype(np.uint8), labels, "made up")


MEAN = np.array([0.5, 0.4, 0.3])
RECIPE = Recipe(
    epochs=2,
    batch=20,
    optimizer="muon",
    learning_rate=0.02,
    schedule="one cycle",
    warmup=0.2,
    weight_decay=0.02,
    label_smoothing=0.1,
    shift=2,
    flip="alternate",
    whiten=True,
    validation=40,
    views="flip",
)
ARCHITECTURE = ResNet(widths=(4, 8), blocks=(1, 1), kernel=3, stem_kernel=4, stem_stride=2, downsample="pool")
TINY = Preset("cifar_resnet", "tiny", ARCHITECTURE, RECIPE, pictures=140)


def test_an_epoch_shows_every_picture_once_shifted_and_mirrored():
    data = pictures_of(60)
    recipe = replace(RECIPE, shift=3)
    padded = training.with_margins(data.pictures, 3)
    np.testing.assert_array_equal(padded[:, :3, 3:-3], data.pictures[:, 3:0:-1])
    epoch = Augmented(padded, data.labels, recipe, seed=5, epoch=1, colour=MEAN)
    assert len(epoch) == 3
    seen = []
    for number in range(3):
        batch, labels = epoch[number]
        assert batch.dtype == np.float32
        for picture, label in zip(batch, labels, strict=True):
            index = epoch.order[len(seen)]
            top, left = epoch.down[index], epoch.right[index]
            wanted = padded[index, top : top + 32, left : left + 32]
            wanted = wanted[:, ::-1] if epoch.mirrored[index] else wanted
            np.testing.assert_array_equal(picture, wanted.astype(np.float32) / 255)
            assert label.tolist() == np.eye(10)[data.labels[index]].tolist()
            seen.append(index)
    assert sorted(seen) == list(range(60))
    assert {0, 6} <= set(epoch.down.tolist())
    again = Augmented(padded, data.labels, recipe, seed=5, epoch=1, colour=MEAN)
    np.testing.assert_array_equal(again[0][0], epoch[0][0])
    other = Augmented(padded, data.labels, recipe, seed=5, epoch=2, colour=MEAN)
    np.testing.assert_array_equal(other.mirrored, ~epoch.mirrored)  # alternate
    assert other.order.tolist() != epoch.order.tolist()


def test_cutout_blanks_one_square_of_every_picture():
    data = pictures_of(60)
    data.pictures[:] = 255
    padded = training.with_margins(data.pictures, RECIPE.shift)
    epoch = Augmented(padded, data.labels, replace(RECIPE, cutout=9), seed=5, epoch=1, colour=MEAN)
    seen = set()
    for number in range(3):
        for picture in epoch[number][0]:
            rows, columns = np.nonzero((picture != 1).any(axis=-1))
            assert len(rows) == 81
            assert np.ptp(rows) == np.ptp(columns) == 8
            blank = picture[rows, columns]
            np.testing.assert_allclose(blank, np.broadcast_to(MEAN, blank.shape), atol=0.5 / 255 + 1e-6)
            seen |= {rows.min(), rows.max()}
    assert {0, 31} <= seen, "squares reach the edges"


def test_the_pictures_kept_apart():
    data = pictures_of(200)
    (used, _), (kept, labels) = training.split(data, TINY)
    assert len(used) == 100
    assert len(kept) == len(labels) == 40
    assert not {one.tobytes() for one in used} & {one.tobytes() for one in kept}
    np.testing.assert_array_equal(training.split(data, TINY)[1][0], kept)


def test_moments():
    pictures = np.random.default_rng(0).integers(0, 200, (1007, 32, 32, 3), np.uint8)
    mean, std = training.moments(pictures)
    np.testing.assert_allclose(mean, (pictures / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, (pictures / 255).std((0, 1, 2)), rtol=1e-12)


def test_whitening_kernels():
    pictures = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), np.uint8)
    pictures = (pictures // 2 + np.roll(pictures, 1, axis=2) // 2).astype(np.uint8)  # neighbours alike
    mean, std = pictures.mean((0, 1, 2)) / 255, pictures.std((0, 1, 2)) / 255
    kernels = training.whitening_kernels(pictures, mean, std, 3, 24)
    assert kernels.shape == (3, 3, 3, 24)
    np.testing.assert_array_equal(kernels[..., :12], -kernels[..., 12:])
    floats = ((pictures / 255 - mean) / std).astype(np.float32)
    maps = keras.ops.conv(floats, kernels[..., :12].astype(np.float32), padding="valid")
    covariance = np.cov(np.asarray(maps).reshape(-1, 12).T)
    np.testing.assert_allclose(covariance, np.eye(12), atol=0.05)
    assert training.whitening_kernels(pictures, mean, std, 2, 64).shape == (2, 2, 3, 24)


def test_one_cycle():
    rate = OneCycle(0.5, 4, 20)
    assert float(rate(0)) == pytest.approx(0.125)
    assert float(rate(3)) == pytest.approx(0.5)
    assert float(rate(4)) == pytest.approx(0.5)
    assert float(rate(12)) == pytest.approx(0.25)
    assert float(rate(20)) == 0.0
    assert float(OneCycle(0.5, 0, 10)(0)) == pytest.approx(0.5)
    assert OneCycle.from_config(rate.get_config())(7) == rate(7)


def test_judging():
    logits = np.array([[2.0, 0, 0], [0, 1.0, 0], [0, 0, 3.0]])
    logits = np.concatenate([logits, np.full((3, 7), -1e9)], axis=1)
    judged = judge(logits, np.array([0, 2, 2]))
    assert judged.accuracy == pytest.approx(2 / 3)
    terms = [np.log(np.exp(2) + 2) - 2, np.log(np.e + 2), np.log(np.exp(3) + 2) - 3]
    assert judged.loss == pytest.approx(np.mean(terms))
    assert judged.confusion.sum() == 3
    assert (judged.confusion[0, 0], judged.confusion[2, 1], judged.confusion[2, 2]) == (1, 1, 1)
    np.testing.assert_allclose(judged.probabilities.sum(axis=1), 1, rtol=1e-6)


def test_views():
    """On a linear network the mean over views is the network of the mean picture."""
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(inputs)))
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect") / 255

    def mean_of(*views):
        return np.asarray(model(sum(views) / len(views)))

    plain, up, down = padded[:, 1:33, 1:33], padded[:, :32, :32], padded[:, 2:, 2:]
    flips = [view[:, :, ::-1] for view in (plain, up, down)]
    for views, wanted in (
        ("one", mean_of(plain)),
        ("flip", mean_of(plain, flips[0])),
        ("flip and shift", mean_of(plain, plain, flips[0], flips[0], up, flips[1], down, flips[2])),
    ):
        np.testing.assert_allclose(training.logits_of(model, pictures, views), wanted, atol=1e-4)


def values(one):
    return [np.asarray(variable) for variable in one._variables()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    one = Training(TINY, pictures_of(200), tmp_path_factory.mktemp("run") / "a", seed=3)
    one.run(*QUIET)
    return one


def test_a_run_learns_and_says_so(undisturbed):
    epochs = undisturbed.progressed.epochs
    assert [set(epoch) for epoch in epochs] == [
        {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds"}
    ] * 2
    assert epochs[1]["train_loss"] < epochs[0]["train_loss"]
    assert undisturbed.progressed.resumed == 0
    assert (undisturbed.folder / "history.json").exists()


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
    monkeypatch.setattr(training.provenance, "devices", lambda: ["another processor"])
    second = Training(preset, data, tmp_path / "two", seed=3)
    second.run(lines.append, QUIET[1])
    assert second.progressed.devices == [*whole.progressed.devices, "another processor"]
    assert not (tmp_path / "two" / ".checkpoint.half.npz").exists()
    assert lines[0].startswith("going on after epoch 1 of 2")
    assert second.progressed.resumed == 1

    def numbers(one):
        return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in one]

    assert numbers(second.progressed.epochs) == numbers(whole.progressed.epochs)
    for one, other in zip(values(whole), values(second), strict=True):
        np.testing.assert_array_equal(one, other)


KILLED = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.test_training import TINY, pictures_of, values
from tfviz.training import Training
import numpy as np, os, signal

def progress(done, total, words):
    if done == {at}:
        os.kill(os.getpid(), signal.SIGKILL)

one = Training(TINY, pictures_of(200), Path({folder!r}), seed=3)
one.run(print, progress)
np.savez({folder!r} + "/end.npz", *values(one))
"""


def test_killed_twice_in_the_middle_of_an_epoch(undisturbed, tmp_path):
    folder = tmp_path / "run"
    for at, ends in ((3, -signal.SIGKILL), (8, -signal.SIGKILL), (None, 0)):
        code = KILLED.format(root=str(ROOT), at=at, folder=str(folder))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
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
    assert len(Training(TINY, data, tmp_path, seed=3).progressed.epochs) == 2
    monkeypatch.setattr(training, "precision_of", lambda recipe: "mixed_bfloat16")
    with pytest.raises(
        BadFileError, match="was computed in float32, this machine would go on in mixed_bfloat16"
    ):
        Training(TINY, data, tmp_path, seed=3)


def test_the_test_split_is_judged_once(undisturbed):
    data, test = pictures_of(200), pictures_of(90, seed=1)
    record = finish(undisturbed, data, test)
    judged = training.evaluate(undisturbed.model, test.pictures, test.labels, "flip")
    assert record["test"]["accuracy"] == judged.accuracy
    assert record["test"]["loss"] == pytest.approx(judged.loss)
    assert record["test"]["confusion"] == judged.confusion.tolist()
    assert record["parameters"] == undisturbed.model.count_params()
    assert record["pictures"] == 100
    assert record["data"] == "made up"
    assert record["clean"]["validation_accuracy"] == record["epochs"][-1]["validation_accuracy"]
    assert finish(undisturbed, data, None) == record, "nothing is judged again"
    loaded = training.cifar.load("cifar_resnet", undisturbed.folder / "weights.npz")
    near = training.logits_of(loaded, test.pictures, "one") - training.logits_of(
        undisturbed.model, test.pictures, "one"
    )
    assert np.abs(near).max() < 0.05


def test_an_unfinished_run_is_not_judged(tmp_path):
    one = Training(TINY, pictures_of(200), tmp_path, seed=0)
    with pytest.raises(ValueError, match="0 of 2 epochs"):
        finish(one, pictures_of(200), pictures_of(90))


def test_divergence_is_named(tmp_path):
    preset = replace(
        TINY, recipe=replace(RECIPE, optimizer="nadam", learning_rate=float("inf"), schedule="constant")
    )
    with pytest.raises(BadFileError, match="diverged in epoch 1"):
        Training(preset, pictures_of(200), tmp_path, seed=0).run(*QUIET)


def test_another_preset_seed_or_data_set_has_another_folder(tmp_path):
    folders = {
        training.folder_of(tmp_path, preset, data, seed)
        for preset in (TINY, PRESETS["cifar_resnet"]["fast"], PRESETS["cifar_cnn"]["fast"])
        for data in ("one", "other")
        for seed in (0, 1)
    }
    assert len(folders) == 12


SEVERAL = """
import sys
sys.path.insert(0, {root!r})
import tfviz
tfviz.import_tensorflow()
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from tfviz import tensorflow_ops
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
tensorflow_ops.distribution = strategy.scope
from pathlib import Path
from tests.test_training import TINY, pictures_of
from tfviz.training import Training
Training(TINY, pictures_of(200), Path({folder!r}), seed=3).run(print, lambda *_: None, until=1)
one = Training(TINY, pictures_of(200), Path({folder!r}), seed=3)
one.run(print, lambda *_: None)
kernel = one.model.get_layer("logits").kernel.value
copies = [copy.numpy() for copy in strategy.experimental_local_results(kernel)]
assert len(copies) == 2 and (copies[0] == copies[1]).all()
losses = [epoch["train_loss"] for epoch in one.progressed.epochs]
assert losses[1] < losses[0], losses
"""


def test_several_devices_train_together_and_go_on(tmp_path):
    code = SEVERAL.format(root=str(ROOT), folder=str(tmp_path / "run"))
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr
