"""Trains CIFAR-10 networks, so that it can be watched, stopped and gone on with.

After every epoch everything that decides how training goes on is written to one file, whole or not at all. A run that
was killed continues from there; order, augmentation and dropout of each epoch come from the seed and the epoch's
number, so that it ends with the numbers of a run that was not disturbed (on CPUs bit for bit).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from tfviz import allocator, provenance
from tfviz.data.cifar10 import CLASSES, Batch
from tfviz.errors import DAMAGED_ARCHIVE, BadFileError
from tfviz.models import cifar
from tfviz.models.layers import on_tensorflow_cpu
from tfviz.muon import ConvolutionMuon
from tfviz.presets import ADAM_BETA_2, MUON_ITERATIONS, Preset, Recipe, Views
from tfviz.results import read_json, write_atomically, write_json

Array = npt.NDArray[Any]
Progress = Callable[[float, float, str], None]
_EVALUATION_BATCH = 500


@dataclass
class Progressed:
    """What is known of a training run after some epochs; the content of a checkpoint but for the variables.

    Attributes:
        epochs: one dict per finished epoch: "train_loss", "train_accuracy" (on augmented pictures, dropout on, the mean
            while the weights change), "validation_loss", "validation_accuracy", "seconds"; losses are
            cross-entropies in nats without label smoothing.
        resumed: how often it was taken up again.
        devices: on which it ran; those of all sessions, if it was taken up again elsewhere.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    resumed: int = 0
    devices: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of all epochs, validation included."""
        return sum(epoch["seconds"] for epoch in self.epochs)


@dataclass(frozen=True)
class Evaluation:
    """How a network does on pictures whose labels are known.

    Attributes:
        probabilities: (N, 10).
        loss: mean cross-entropy, nats.
        accuracy: share of pictures whose likeliest class is theirs.
        confusion: (10, 10) counts; rows: the label; columns: what the network says.
    """

    probabilities: Array
    loss: float
    accuracy: float
    confusion: Array


class Augmented(keras.utils.PyDataset):
    """One epoch of augmented pictures, decided by the seed and the epoch's number alone.

    `padded` (N, 32 + 2 shift, 32 + 2 shift, 3) are the pictures with their mirrored margins (see `with_margins`);
    `colour` (3,), in [0, 1], fills what cutout blanks.

    Item i: pictures (batch, 32, 32, 3) float32 in [0, 1] and labels (batch, 10), one-hot. What does not fill a
    batch is left out of this epoch.
    """

    def __init__(
        self, padded: Array, labels: Array, recipe: Recipe, seed: int, epoch: int, colour: Array
    ) -> None:
        # With one worker Keras leaves the threads to tf.data, whose tuner makes the end of an epoch wait for it, up to
        # 12 s (Keras 3.15, TensorFlow 2.21). With two they come in the same order.
        super().__init__(workers=2, max_queue_size=4)
        self.batch, self.labels = recipe.batch, labels
        self.cutout, self.colour = recipe.cutout, np.round(255 * np.asarray(colour)).astype(np.uint8)
        self.padded = padded
        random = np.random.default_rng((seed, epoch))
        count = len(padded)
        self.order = random.permutation(count)
        self.down, self.right = random.integers(0, 2 * recipe.shift + 1, (2, count))
        always = np.random.default_rng((seed,)).random(count) < 0.5
        self.mirrored = (
            always ^ (epoch % 2 == 1) if recipe.flip == "alternate" else random.random(count) < 0.5
        )
        self.top, self.left = random.integers(0, cifar.SIDE - recipe.cutout + 1, (2, count))

    def __len__(self) -> int:
        return len(self.order) // self.batch

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        chosen = self.order[index * self.batch : (index + 1) * self.batch]
        windows = np.lib.stride_tricks.sliding_window_view(self.padded, (cifar.SIDE, cifar.SIDE), axis=(1, 2))
        pictures = windows[chosen, self.down[chosen], self.right[chosen]].transpose(0, 2, 3, 1)
        mirrored = self.mirrored[chosen, None, None, None]
        pictures = np.where(mirrored, pictures[:, :, ::-1], pictures)
        if self.cutout:
            rows = _within(self.top[chosen], self.cutout)[:, :, None, None]
            columns = _within(self.left[chosen], self.cutout)[:, None, :, None]
            pictures = np.where(rows & columns, self.colour, pictures)
        return pictures.astype(np.float32) / 255, one_hot(self.labels[chosen])


def with_margins(pictures: Array, width: int) -> Array:
    """Pictures (N, H, W, C) with margins of `width` pixels in which they are mirrored."""
    return np.pad(pictures, ((0, 0), (width, width), (width, width), (0, 0)), mode="reflect")


def _within(first: Array, length: int) -> Array:
    """(N, 32): which pixels of a row lie in the stretch that begins at `first` (N,)."""
    place = np.arange(cifar.SIDE)
    return (place >= first[:, None]) & (place < first[:, None] + length)


def one_hot(labels: Array) -> Array:
    """(N,) indices as (N, 10) float32."""
    return np.eye(len(CLASSES), dtype=np.float32)[labels]


def split(data: Batch, preset: Preset) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The pictures and labels to train on, and those kept apart: the same ones for every seed of training."""
    order = np.random.default_rng(0).permutation(len(data.labels))[: preset.pictures]
    kept, used = np.split(order, [preset.recipe.validation])
    return (data.pictures[used], data.labels[used]), (data.pictures[kept], data.labels[kept])


def moments(pictures: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (3,) of the colours of pictures (N, H, W, 3) uint8, on the scale [0, 1].

    From how often each value occurs: exact, and without a copy of the data set in larger numbers.
    """
    counts = np.zeros((3, 256), np.int64)
    for start in range(0, len(pictures), 1000):
        colours = pictures[start : start + 1000].reshape(-1, 3).T
        counts += [np.bincount(values, minlength=256) for values in colours]
    values = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    return mean, np.sqrt((shares * (values - mean[:, None]) ** 2).sum(axis=1))


def whitening_kernels(pictures: Array, mean: Array, std: Array, size: int, filters: int) -> Array:
    """Kernels (size, size, 3, n) whose outputs on standardised pictures are uncorrelated and of variance about 1.

    The principal axes of the patches, largest variance first, each divided by its standard deviation, and then their
    negatives, n = 2 * min(filters // 2, 3 * size**2) in all. A small constant keeps the noisy axes small.
    """
    floats = (pictures[:5000] / 255 - mean) / std
    patches = np.lib.stride_tricks.sliding_window_view(floats, (size, size), axis=(1, 2))[:, ::3, ::3]
    patches = patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, size * size * 3)
    variances, axes = np.linalg.eigh(np.cov(patches.T))
    axes = (axes / np.sqrt(variances + 0.01))[:, ::-1][:, : filters // 2]
    return np.concatenate([axes, -axes], axis=1).reshape(size, size, 3, -1)


@keras.saving.register_keras_serializable(package="tfviz")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise of the rate from 0 to `peak` over `rise` steps, then a linear fall to 0 at step `total`."""

    def __init__(self, peak: float, rise: int, total: int) -> None:
        self.peak, self.rise, self.total = peak, rise, total

    def __call__(self, step: Any) -> Any:
        """The rate of the step that comes after `step` steps."""
        done = ops.cast(step, "float32")
        up = (done + 1) / max(self.rise, 1)
        down = (self.total - done) / max(self.total - self.rise, 1)
        return self.peak * ops.maximum(ops.minimum(ops.minimum(up, down), 1.0), 0.0)

    def get_config(self) -> dict[str, Any]:
        """What a saved optimiser needs to make this schedule again."""
        return {"peak": self.peak, "rise": self.rise, "total": self.total}


def optimizer_of(recipe: Recipe, total_steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimiser, not yet built."""
    rate: Any = recipe.learning_rate
    if recipe.schedule == "one cycle":
        rate = OneCycle(recipe.learning_rate, round(recipe.warmup * total_steps), total_steps)
    if recipe.optimizer == "nadam":
        return keras.optimizers.Nadam(rate, weight_decay=recipe.weight_decay or None)
    optimizer = ConvolutionMuon(
        rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        adam_weight_decay=recipe.weight_decay,
        adam_lr_ratio=recipe.adam_rate,
        adam_beta_2=ADAM_BETA_2,
        ns_steps=MUON_ITERATIONS,
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def precision_of(recipe: Recipe) -> str:
    """The Keras policy: "mixed_bfloat16" where the recipe allows it and the processor has instructions for it."""
    if recipe.precision == "auto" and provenance.computes_bfloat16():
        return "mixed_bfloat16"
    return "float32"


def _distribution() -> AbstractContextManager[Any]:
    if keras.backend.backend() != "tensorflow":
        return nullcontext()
    from tfviz import tensorflow_ops

    return tensorflow_ops.distribution()


class Training:
    """One training run in a folder; made again in the same folder, it goes on where that one stopped.

    Files: `checkpoint.npz` (variables of network and optimiser, history), `history.json` (the history, for people).

    Args:
        preset: what is trained, and how.
        data: the training split.
        folder: where its files are; one folder for one preset, seed and data set (see `folder_of`).
        seed: of everything random.

    Raises:
        BadFileError: the folder holds a checkpoint that is damaged or another run's.
    """

    def __init__(self, preset: Preset, data: Batch, folder: Path, *, seed: int) -> None:
        self.preset, self.seed, self.folder = preset, seed, folder
        recipe = preset.recipe
        allocator.keep_freed_memory()
        self.training, self.validation = split(data, preset)
        # Once, not in each epoch: TensorFlow keeps what it was given to iterate over.
        self._padded = with_margins(self.training[0], recipe.shift)
        self.mean, self.std = moments(self.training[0])
        self.steps = len(self.training[0]) // recipe.batch
        keras.utils.set_random_seed(seed)
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(precision_of(recipe))
        try:
            with _distribution():
                self.model = cifar.build(
                    preset.network,
                    preset.architecture,
                    mean=self.mean.tolist(),
                    std=self.std.tolist(),
                )
                if recipe.whiten:
                    self._whiten()
                self.model.compile(
                    optimizer=optimizer_of(recipe, self.steps * recipe.epochs),
                    loss=keras.losses.CategoricalCrossentropy(
                        from_logits=True, label_smoothing=recipe.label_smoothing
                    ),
                    metrics=[
                        keras.metrics.CategoricalCrossentropy(name="cross_entropy", from_logits=True),
                        keras.metrics.CategoricalAccuracy(name="accuracy"),
                    ],
                    # XLA: slower than plain graphs on CPUs.
                    jit_compile=False if on_tensorflow_cpu() else "auto",
                )
                self.model.optimizer.build(self.model.trainable_variables)
        finally:
            keras.config.set_dtype_policy(before)
        self.progressed = Progressed()
        if self._checkpoint.exists():
            self._restore()

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.npz"

    def _whiten(self) -> None:
        first = next(layer for layer in self.model.layers if isinstance(layer, keras.layers.Conv2D))
        kernel = np.asarray(first.kernel).copy()
        axes = whitening_kernels(
            self.training[0], self.mean, self.std, first.kernel_size[0], kernel.shape[-1]
        )
        kernel[..., : axes.shape[-1]] = axes
        first.kernel.assign(kernel)

    def run(self, say: Callable[[str], None], progress: Progress, *, until: int | None = None) -> Progressed:
        """Train up to an epoch, by default the last, saving after each.

        Args:
            say: called with one line per epoch.
            progress: called as progress(steps done, steps in all, words) while it goes on.
            until: how many epochs shall be done at the end.
        """
        recipe = self.preset.recipe
        known = self.progressed.devices
        known.extend(device for device in provenance.devices() if device not in known)
        done = len(self.progressed.epochs)
        for left in self.folder.glob(".*.npz"):
            left.unlink(missing_ok=True)  # half a checkpoint, of a run that was killed while it wrote
        if done:
            self.progressed.resumed += 1
            say(f"going on after epoch {done} of {recipe.epochs}, from {self._checkpoint}")
        for epoch in range(done, recipe.epochs if until is None else until):
            self.progressed.epochs.append(self._epoch(epoch, progress))
            self._save()
            say(self._line())
        return self.progressed

    def _epoch(self, epoch: int, progress: Progress) -> dict[str, float]:
        recipe = self.preset.recipe
        clock = time.perf_counter()
        batches = Augmented(self._padded, self.training[1], recipe, self.seed, epoch, self.mean)
        watch = _Watch(progress, epoch, self.steps, recipe.epochs)
        history = self.model.fit(
            batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0, callbacks=[watch]
        ).history
        # The loss that Keras reports has label smoothing and decay in it; the metric is the cross-entropy alone.
        entry = {"train_loss": history["cross_entropy"][0], "train_accuracy": history["accuracy"][0]}
        if recipe.validation:
            judged = evaluate(self.model, *self.validation, "one")
            entry |= {"validation_loss": judged.loss, "validation_accuracy": judged.accuracy}
        entry = {name: float(value) for name, value in entry.items()}
        if not all(math.isfinite(value) for value in entry.values()):
            raise BadFileError(
                f"{self.folder}: training diverged in epoch {epoch + 1} (the loss is not finite): try another --seed, "
                f"or a lower learning rate in tfviz/presets.py."
            )
        return entry | {"seconds": round(time.perf_counter() - clock, 3)}

    def _line(self) -> str:
        done, epochs = self.progressed.epochs, self.preset.recipe.epochs
        last = done[-1]
        validation = (
            f", validation {last['validation_loss']:.3f} {last['validation_accuracy']:.1%}"
            if "validation_loss" in last
            else ""
        )
        left = (epochs - len(done)) * last["seconds"] / 60
        return (
            f"  epoch {len(done)}/{epochs}: loss {last['train_loss']:.3f}, accuracy {last['train_accuracy']:.1%}"
            f"{validation}; {last['seconds']:.0f} s, about {left:.0f} min left"
        )

    def _variables(self) -> list[Any]:
        """Everything that training changes: weights, moving moments, states of dropout, the optimiser's memory."""
        metrics = {id(variable) for variable in self.model.metrics_variables}
        own = [variable for variable in self.model.variables if id(variable) not in metrics]
        known = {id(variable) for variable in own}
        return own + [variable for variable in self.model.optimizer.variables if id(variable) not in known]

    def _save(self) -> None:
        state = {"run": self._identity(), "progressed": asdict(self.progressed)}
        variables = {f"{index}": np.asarray(value) for index, value in enumerate(self._variables())}
        self.folder.mkdir(parents=True, exist_ok=True)

        def write(path: Path) -> None:
            with open(path, "wb") as file:
                np.savez(file, state=np.array(json.dumps(state)), **variables)  # type: ignore[arg-type]

        write_atomically(self._checkpoint, write)
        write_json(self.folder / "history.json", state)

    def _restore(self) -> None:
        variables = self._variables()
        try:
            with np.load(self._checkpoint, allow_pickle=False) as stored:
                state = json.loads(str(stored["state"]))
                values = [stored[f"{index}"] for index in range(len(stored.files) - 1)]
            before, run = state["run"], self._identity()
            if (precision := before.get("precision", "another precision")) != run["precision"]:
                raise BadFileError(
                    f"{self._checkpoint} was computed in {precision}, this machine would go on in "
                    f"{run['precision']}: go on where it began, or delete the file and train anew."
                )
            if before != run or [value.shape for value in values] != [
                tuple(variable.shape) for variable in variables
            ]:
                raise BadFileError(
                    f"{self._checkpoint} is of another run: name another folder with --out, or delete it."
                )
            self.progressed = Progressed(**state["progressed"])
        except (OSError, *DAMAGED_ARCHIVE) as error:
            raise BadFileError(
                f"{self._checkpoint} is damaged ({type(error).__name__}): delete it and train anew."
            ) from error
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def _identity(self) -> dict[str, Any]:
        return {
            "preset": self.preset.as_json(),
            "seed": self.seed,
            "precision": precision_of(self.preset.recipe),
        }


class _Watch(keras.callbacks.Callback):
    """Hands on how far an epoch is."""

    def __init__(self, progress: Progress, epoch: int, steps: int, epochs: int) -> None:
        super().__init__()
        self.report, self.epoch, self.steps, self.epochs = progress, epoch, steps, epochs

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        logs = logs or {}
        self.report(
            self.epoch * self.steps + batch + 1,
            self.epochs * self.steps,
            f"epoch {self.epoch + 1}/{self.epochs}, loss {float(logs.get('cross_entropy', 0)):.3f}, "
            f"accuracy {float(logs.get('accuracy', 0)):.1%}",
        )


def logits_of(model: keras.Model, pictures: Array, views: Views) -> Array:
    """The mean of a network's logits (N, 10) over views of pictures (N, 32, 32, 3) uint8.

    "flip": the picture and its mirror image. "flip and shift": half of that, and half the same for the picture shifted
    by one pixel up and left, and down and right.
    """

    def of(batch: Array) -> Array:
        predicted = model.predict(batch.astype(np.float32) / 255, batch_size=_EVALUATION_BATCH, verbose=0)
        return np.asarray(predicted, np.float32)

    def both(batch: Array) -> Array:
        return (of(batch) + of(batch[:, :, ::-1])) / 2

    if views == "one":
        return of(pictures)
    if views == "flip":
        return both(pictures)
    padded = with_margins(pictures, 1)
    size = pictures.shape[1]
    shifted = [both(padded[:, start : start + size, start : start + size]) for start in (0, 2)]
    return both(pictures) / 2 + sum(shifted) / 4


def evaluate(model: keras.Model, pictures: Array, labels: Array, views: Views) -> Evaluation:
    """Judge a network on pictures (N, 32, 32, 3) uint8 with labels (N,)."""
    return judge(logits_of(model, pictures, views), labels)


def judge(logits: Array, labels: Array) -> Evaluation:
    """Loss, accuracy and confusion from logits (N, 10) and labels (N,)."""
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    said = logits.argmax(axis=1)
    confusion = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(confusion, (labels, said), 1)
    return Evaluation(
        probabilities=np.exp(log_probabilities).astype(np.float32),
        loss=float(-log_probabilities[np.arange(len(labels)), labels].mean()),
        accuracy=float((said == labels).mean()),
        confusion=confusion,
    )


def folder_of(out: Path, preset: Preset, data_sha256: str, seed: int) -> Path:
    """The folder of a training run: another preset, data set or seed has another one."""
    key = provenance.sha256_of({"preset": preset.as_json(), "data": data_sha256})[:8]
    return out / "training" / f"{preset.network}-{preset.name}-seed{seed}-{key}"


def finished(folder: Path) -> dict[str, Any] | None:
    """The record of a training that came to its end in this folder (see `finish`), or None; weights lie beside it."""
    path = folder / "record.json"
    if not path.exists() or not (folder / "weights.npz").exists():
        return None
    stored: dict[str, Any] = read_json(path)
    return stored


def finish(training: Training, data: Batch, test: Batch) -> dict[str, Any]:
    """Judge a finished training on the test split, once, and keep record and weights beside the checkpoint.

    Files: `record.json` (what is returned), `weights.npz` (see `tfviz.models.cifar.save`). If the record is there
    already, it is returned and the test split is not looked at again.

    Returns:
        JSON values: "network", "preset" (all of it), "seed", "parameters", "epochs" (see `Progressed`), "resumed",
        "seconds", "data", "pictures" (how many were trained on), "mean", "std", "precision", "devices", "versions",
        "commit", "finished"; "clean": loss and accuracy on as many training pictures as validation has, and on
        validation, neither augmented, "one" view; "test": "views", "loss", "accuracy", "accuracy_one_view",
        "confusion", "data".

    Raises:
        ValueError: the training is not at its end.
    """
    preset, recipe = training.preset, training.preset.recipe
    if (stored := finished(training.folder)) is not None:
        return stored
    if len(training.progressed.epochs) < recipe.epochs:
        raise ValueError(f"{len(training.progressed.epochs)} of {recipe.epochs} epochs are done")
    clean: dict[str, float] = {}
    sample = slice(max(len(training.validation[1]), 1))
    for name, (pictures, labels) in (
        ("train", (training.training[0][sample], training.training[1][sample])),
        ("validation", training.validation),
    ):
        if len(labels):
            judged = evaluate(training.model, pictures, labels, "one")
            clean |= {f"{name}_loss": judged.loss, f"{name}_accuracy": judged.accuracy}
    logits = logits_of(training.model, test.pictures, "one")
    one = judge(logits, test.labels)
    full = judge(
        logits if recipe.views == "one" else logits_of(training.model, test.pictures, recipe.views),
        test.labels,
    )
    record = {
        "network": preset.network,
        "preset": preset.as_json(),
        "seed": training.seed,
        "parameters": training.model.count_params(),
        **asdict(training.progressed),
        "seconds": training.progressed.seconds,
        "data": data.source,
        "pictures": len(training.training[1]),
        "mean": training.mean.tolist(),
        "std": training.std.tolist(),
        "precision": precision_of(recipe),
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "finished": provenance.now(),
        "clean": clean,
        "test": {
            "views": recipe.views,
            "loss": full.loss,
            "accuracy": full.accuracy,
            "accuracy_one_view": one.accuracy,
            "confusion": full.confusion.tolist(),
            "data": test.source,
        },
    }
    write_atomically(
        training.folder / "weights.npz",
        lambda temporary: cifar.save(
            temporary, training.model, preset.architecture, training.mean.tolist(), training.std.tolist()
        ),
    )
    write_json(training.folder / "record.json", record)
    return record
