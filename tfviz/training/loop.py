"""Trains CIFAR-10 networks, so that it can be watched, stopped and gone on with.

After every epoch everything that decides how training goes on is written to one file, whole or not at all. A run that
was killed continues from there; order, augmentation and dropout of each epoch come from the seed and the epoch's
number, so that it ends with the numbers of a run that was not disturbed (with TensorFlow on CPUs bit for bit).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from tfviz import backend
from tfviz.backend import machine
from tfviz.data.cifar10 import Batch
from tfviz.errors import DAMAGED_ARCHIVE, BadFileError
from tfviz.files.atomic import write_atomically, write_json
from tfviz.files.hashes import json_sha256
from tfviz.files.program import commit
from tfviz.files.reading import read_arrays
from tfviz.models import cifar
from tfviz.training import allocator
from tfviz.training.augment import Augmented, moments, split, whitening_kernels, with_margins
from tfviz.training.evaluate import evaluate, judge, logits_of
from tfviz.training.muon import ConvolutionMuon
from tfviz.training.presets import Preset, Recipe
from tfviz.training.record import Judged, Record, finished

Array = npt.NDArray[Any]
Progress = Callable[[float, float, str], None]


@dataclass
class History:
    """What is known of a training run after some epochs; the content of a checkpoint but for the variables.

    Attributes:
        epochs: one dict per finished epoch: "train_loss", "train_accuracy" (on augmented pictures, dropout on, the mean
            while the weights change), "validation_loss", "validation_accuracy", "seconds"; losses are
            cross-entropies in nats without label smoothing and penalty.
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
        adam_lr_ratio=recipe.adam_rate,
        adam_beta_2=recipe.adam_beta_2,
        ns_steps=recipe.muon_iterations,
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def precision_of(recipe: Recipe) -> str:
    """The Keras policy: "mixed_bfloat16" where the recipe allows it and the processor has instructions for it."""
    if recipe.precision == "auto" and backend.computes_bfloat16():
        return "mixed_bfloat16"
    return "float32"


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
        self._colour = self.mean  # which fills what cutout blanks
        if not recipe.standardize:
            self.mean, self.std = np.zeros(3), np.ones(3)
        self.steps = len(self.training[0]) // recipe.batch
        keras.utils.set_random_seed(seed)
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(precision_of(recipe))
        try:
            with backend.current().distribution():
                self.model = cifar.build(
                    preset.network,
                    preset.architecture,
                    mean=self.mean.tolist(),
                    std=self.std.tolist(),
                    batch_norm_momentum=recipe.batch_norm_momentum,
                    batch_norm_epsilon=recipe.batch_norm_epsilon,
                )
                if recipe.whiten:
                    self._whiten()
                if recipe.l2:
                    self._penalise()
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
                    jit_compile="auto" if backend.current().operations() is None else False,
                )
                self.model.optimizer.build(self.model.trainable_variables)
        finally:
            keras.config.set_dtype_policy(before)
        self.history = History()
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

    def _penalise(self) -> None:
        for variable in self.model.trainable_variables:
            if variable.path.endswith("/kernel"):
                variable.regularizer = keras.regularizers.L2(
                    self.preset.recipe.l2 / 2
                )  # Keras does not halve it

    def run(self, say: Callable[[str], None], progress: Progress, *, until: int | None = None) -> History:
        """Train up to an epoch, by default the last, saving after each.

        Args:
            say: called with one line per epoch.
            progress: called as progress(steps done, steps in all, words) while it goes on.
            until: how many epochs shall be done at the end.
        """
        recipe = self.preset.recipe
        known = self.history.devices
        known.extend(device for device in backend.devices() if device not in known)
        done = len(self.history.epochs)
        for left in self.folder.glob(".*.npz"):
            left.unlink(missing_ok=True)  # half a checkpoint, of a run that was killed while it wrote
        if done:
            self.history.resumed += 1
            say(f"going on after epoch {done} of {recipe.epochs}, from {self._checkpoint}")
        for epoch in range(done, recipe.epochs if until is None else until):
            self.history.epochs.append(self._epoch(epoch, progress))
            self._save()
            say(self._line())
        return self.history

    def _epoch(self, epoch: int, progress: Progress) -> dict[str, float]:
        recipe = self.preset.recipe
        clock = time.perf_counter()
        batches = Augmented(self._padded, self.training[1], recipe, self.seed, epoch, self._colour)
        watch = _Watch(progress, epoch, self.steps, recipe.epochs)
        history = self.model.fit(
            batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0, callbacks=[watch]
        ).history
        # The loss that Keras reports has label smoothing and the penalty in it; the metric is the cross-entropy alone.
        entry = {"train_loss": history["cross_entropy"][0], "train_accuracy": history["accuracy"][0]}
        if recipe.validation:
            judged = evaluate(self.model, *self.validation, "one")
            entry |= {"validation_loss": judged.loss, "validation_accuracy": judged.accuracy}
        entry = {name: float(value) for name, value in entry.items()}
        if not all(math.isfinite(value) for value in entry.values()):
            raise BadFileError(
                f"{self.folder}: training diverged in epoch {epoch + 1} (the loss is not finite): try another --seed, "
                f"or a lower learning rate in tfviz/training/presets.py."
            )
        return entry | {"seconds": round(time.perf_counter() - clock, 3)}

    def _line(self) -> str:
        done, epochs = self.history.epochs, self.preset.recipe.epochs
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
        state = {"run": self._identity(), "history": asdict(self.history)}
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
            stored = read_arrays(self._checkpoint, then="delete it and train anew")
            state = json.loads(str(stored["state"]))
            values = [stored[f"{index}"] for index in range(len(stored) - 1)]
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
            self.history = History(**state["history"])
        except (RecursionError, *DAMAGED_ARCHIVE) as error:
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


def folder_of(out: Path, preset: Preset, data_sha256: str, seed: int) -> Path:
    """The folder of a training run: another preset, data set or seed has another one."""
    key = json_sha256({"preset": preset.as_json(), "data": data_sha256})[:8]
    return out / "training" / f"{preset.network}-{preset.name}-seed{seed}-{key}"


def finish(training: Training, data: Batch, test: Batch) -> Record:
    """Judge a finished training on the test split, once, and keep record and weights beside the checkpoint.

    Files: `record.json` (what is returned), `weights.npz` (see `tfviz.models.cifar.save`). If the record is there
    already, it is returned and the test split is not looked at again.

    Raises:
        ValueError: the training is not at its end.
    """
    preset, recipe = training.preset, training.preset.recipe
    if (stored := finished(training.folder)) is not None:
        return stored
    if len(training.history.epochs) < recipe.epochs:
        raise ValueError(f"{len(training.history.epochs)} of {recipe.epochs} epochs are done")
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
    one_view = judge(logits, test.labels)
    full = judge(
        logits if recipe.views == "one" else logits_of(training.model, test.pictures, recipe.views),
        test.labels,
    )
    record = Record(
        network=preset.network,
        preset=preset,
        seed=training.seed,
        parameters=training.model.count_params(),
        **asdict(training.history),
        seconds=training.history.seconds,
        data=data.source,
        pictures=len(training.training[1]),
        mean=training.mean.tolist(),
        std=training.std.tolist(),
        precision=precision_of(recipe),
        versions=backend.versions(),
        commit=commit(),
        finished=machine.now(),
        clean=clean,
        test=Judged(
            views=recipe.views,
            loss=full.loss,
            accuracy=full.accuracy,
            accuracy_one_view=one_view.accuracy,
            confusion=full.confusion.tolist(),
            data=test.source,
        ),
    )
    write_atomically(
        training.folder / "weights.npz",
        lambda temporary: cifar.save(
            temporary, training.model, preset.architecture, record.mean, record.std, recipe.batch_norm_epsilon
        ),
    )
    write_json(training.folder / "record.json", record.as_json())
    return record
