"""Goes on with the search for how the published residual network was regularised, on a GPU.

KERAS_BACKEND=jax python -m tfviz.assets.train_published DATA RECORD --seconds 330

Each setting below is trained for so many epochs as the published log's second row says; the one whose four numbers lie
nearest to that row (the sum of the absolute differences) is then trained for the whole 100 epochs, from as many seeds
as the time allows. Network, split, order, augmentation, optimiser and judge are the program's own; only the loop over
the steps is this file's: an epoch is one compiled scan over pictures that stay on the device.

DATA holds CIFAR-10; RECORD is written anew after every training, so that one that is cut off loses nothing.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from tfviz.data import cifar10
from tfviz.files.atomic import write_json
from tfviz.files.program import commit
from tfviz.models import cifar
from tfviz.parts.cifar_resnet import PUBLISHED_EPOCHS
from tfviz.training.augment import Augmented, moments, split, with_margins
from tfviz.training.evaluate import judge
from tfviz.training.loop import optimizer_of
from tfviz.training.presets import PRESETS, Preset

PUBLISHED = PRESETS["cifar_resnet"]["published"]
NUMBERS = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")
SETTINGS: tuple[dict[str, float], ...] = (
    {"dropout": 0.1},
    {"dropout": 0.2},
    {"dropout": 0.3},
)


def preset_of(setting: dict[str, float], epochs: int) -> Preset:
    """The published preset with these of its settings changed."""
    recipe = {name: value for name, value in setting.items() if name != "dropout"}
    return replace(
        PUBLISHED,
        architecture=replace(PUBLISHED.architecture, dropout=setting.get("dropout", 0.0)),
        recipe=replace(PUBLISHED.recipe, epochs=epochs, **recipe),  # type: ignore[arg-type]
    )


class Trainer:
    """The data on the device; `epochs` trains on it."""

    def __init__(self, folder: Path) -> None:
        data, self.test = cifar10.read_train(folder), cifar10.read_test_batch(folder)
        (self.pictures, self.labels), (self.held, self.held_labels) = split(data, PUBLISHED)
        self.mean, self.std = moments(self.pictures)
        self.padded = jax.device_put(with_margins(self.pictures, PUBLISHED.recipe.shift))
        self.on_device = jax.device_put(np.asarray(self.labels, np.int32))
        self.source = data.source

    def epochs(self, preset: Preset, seed: int) -> Iterator[tuple[dict[str, float], Any]]:
        """Train; yields what is known after each epoch, and what judges pictures (N, 32, 32, 3) uint8 then."""
        recipe = preset.recipe
        steps = len(self.labels) // recipe.batch
        keras.utils.set_random_seed(seed)
        model = cifar.build(
            preset.network, preset.architecture, mean=self.mean.tolist(), std=self.std.tolist()
        )
        optimizer = optimizer_of(recipe, steps * recipe.epochs)
        optimizer.build(model.trainable_variables)
        state = tuple(
            [variable.value for variable in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
        )
        penalised = [variable.path.endswith("kernel") for variable in model.trainable_variables]

        def loss(weights: Any, rest: Any, pictures: Any, labels: Any) -> Any:
            logits, rest = model.stateless_call(weights, rest, pictures, training=True)
            entropy = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()
            penalty = sum(jnp.sum(w**2) for w, counts in zip(weights, penalised, strict=True) if counts)
            return entropy + recipe.l2 / 2 * penalty, (rest, entropy, (logits.argmax(1) == labels).mean())

        def crop(padded: Any, index: Any, down: Any, right: Any) -> Any:
            return jax.lax.dynamic_slice(padded[index], (down, right, 0), (cifar.SIDE, cifar.SIDE, 3))

        @jax.jit
        def epoch_of(state: Any, batches: Any, padded: Any, labels: Any) -> Any:
            def step(state: Any, batch: Any) -> Any:
                (weights, rest, memory), (index, down, right, mirrored) = state, batch
                pictures = jax.vmap(crop, (None, 0, 0, 0))(padded, index, down, right)
                pictures = jnp.where(mirrored[:, None, None, None], pictures[:, :, ::-1], pictures)
                (_, (rest, entropy, right_ones)), gradient = jax.value_and_grad(loss, has_aux=True)(
                    weights, rest, pictures.astype(jnp.float32) / 255, labels[index]
                )
                weights, memory = optimizer.stateless_apply(memory, gradient, weights)
                return (weights, rest, memory), (entropy, right_ones)

            state, (entropies, right_ones) = jax.lax.scan(step, state, batches)
            return state, entropies.mean(), right_ones.mean()

        @jax.jit
        def logits_of(weights: Any, rest: Any, pictures: Any) -> Any:
            return model.stateless_call(weights, rest, pictures.astype(jnp.float32) / 255, training=False)[0]

        for epoch in range(recipe.epochs):
            begun = time.perf_counter()
            # The order and the changes of the program's own epochs; their pictures are cut out on the device.
            drawn = Augmented(
                np.zeros((len(self.labels), 1, 1, 1), np.uint8), self.labels, recipe, seed, epoch, self.mean
            )
            order = drawn.order[: steps * recipe.batch]
            batches = tuple(
                jnp.asarray(np.asarray(values)[order].reshape(steps, recipe.batch))
                for values in (np.arange(len(self.labels)), drawn.down, drawn.right, drawn.mirrored)
            )
            state, entropy, right_ones = epoch_of(state, batches, self.padded, self.on_device)
            weights, rest, _ = state

            def said(pictures: Any, weights: Any = weights, rest: Any = rest) -> np.ndarray:
                each = [
                    logits_of(weights, rest, pictures[at : at + 1000]) for at in range(0, len(pictures), 1000)
                ]
                return np.concatenate([np.asarray(logits) for logits in each])

            judged = judge(said(self.held), self.held_labels)
            numbers = (float(right_ones), judged.accuracy, float(entropy), judged.loss)
            yield (
                dict(zip(NUMBERS, numbers, strict=True)) | {"seconds": round(time.perf_counter() - begun, 3)},
                said,
            )


def distance(epoch: dict[str, float], row: tuple[float, ...]) -> float:
    """How far an epoch's four numbers lie from a row (epoch, four numbers) of the published log."""
    return sum(abs(epoch[name] - value) for name, value in zip(NUMBERS, row[1:], strict=True))


def main() -> None:
    """Writes the record and prints a line a training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("record", type=Path, metavar="RECORD")
    parser.add_argument("--seconds", type=float, default=330, help="after which no training is begun")
    parser.add_argument("--epochs", type=int, default=PUBLISHED_EPOCHS[-1][0], help="of the whole training")
    options = parser.parse_args()
    begun = time.perf_counter()
    trainer = Trainer(options.data)
    record: dict[str, Any] = {
        "data": trainer.source,
        "pictures": len(trainer.labels),
        "devices": sorted({device.device_kind for device in jax.devices()}),
        "precision": "float32 variables, products in TensorFloat-32 (JAX's default on this GPU)",
        "versions": {"jax": jax.__version__, "keras": keras.__version__, "numpy": np.__version__},
        "commit": commit(),
        "trainings": [],
    }

    def train(setting: dict[str, float], epochs: int, seed: int) -> dict[str, Any]:
        start = time.perf_counter()
        history = []
        for epoch, said in trainer.epochs(preset_of(setting, epochs), seed):
            history.append(epoch)
            logits_of = said
        tested = judge(logits_of(trainer.test.pictures), trainer.test.labels)
        training = {
            "setting": setting,
            "seed": seed,
            "epochs": history,
            "seconds": round(time.perf_counter() - start, 1),
            "test": {
                "accuracy": tested.accuracy,
                "loss": tested.loss,
                "confusion": tested.confusion.tolist(),
            },
        }
        record["trainings"].append(training)
        write_json(options.record, record)
        last = " ".join(f"{history[-1][name]:.4f}" for name in NUMBERS)
        print(
            setting, "seed", seed, epochs, "epochs:", last, "test", f"{tested.accuracy:.4f} {tested.loss:.4f}",
            f"in {training['seconds']} s", flush=True,
        )  # fmt: skip
        return training

    row = PUBLISHED_EPOCHS[1]
    short = min(row[0], options.epochs)
    tried = [train(setting, short, 0) for setting in SETTINGS]
    nearest = min(tried, key=lambda training: distance(training["epochs"][-1], row))
    record["nearest"] = nearest["setting"]
    longest, seed = 0.0, 0
    while seed < 3 and time.perf_counter() - begun + longest < options.seconds:
        longest = max(longest, train(nearest["setting"], options.epochs, seed)["seconds"])
        seed += 1
    record["preset"] = asdict(preset_of(nearest["setting"], options.epochs))
    write_json(options.record, record)


if __name__ == "__main__":
    main()
