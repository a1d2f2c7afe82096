"""What judging the two CIFAR-10 networks in six views takes, beside the multiplications that it needs.

    python -m bench.judging [--pictures 2000] [--rounds 5] [--threads 1]

Pictures are random bytes: what they show changes nothing in the cost. Printed for each network are processor seconds
for 10,000 pictures in the views "flip and shift" (`tfviz.training.evaluate.logits_of`, of the network with its batch
norms folded into its convolutions) and the same by `keras.Model.predict`, of the network as it is: median, smallest and
largest; the largest difference of the logits; and how long the multiplications alone would take at the rate of a
product of two large matrices, measured in every round. Contenders take turns in one process. Divided by the number of
cores it is the least that a whole machine needs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_WHOLE = 10_000
_VIEWS = 6
_SIDE = 2048  # rows of the matrices


def seconds_of(run: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds, and what it returns."""
    begun = time.process_time()
    found = run()
    return time.process_time() - begun, found


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):6.1f} s ({min(values):.1f} to {max(values):.1f})"


def main() -> dict[str, dict[str, list[float]]]:
    """Prints the table and returns processor seconds by network and contender."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2000, help="judged in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="0: as many as there are")
    arguments = parser.parse_args()

    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1 if arguments.threads else 0)
    from tfviz.measures.costs import layer_costs
    from tfviz.models import cifar
    from tfviz.models.folding import folded
    from tfviz.training.augment import with_margins
    from tfviz.training.evaluate import logits_of

    def by_predict(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
        padded, side = with_margins(pictures, 1), pictures.shape[1]
        total = np.zeros((len(pictures), cifar.CLASSES), np.float32)
        for start, weight in ((1, 1 / 4), (0, 1 / 8), (2, 1 / 8)):
            view = padded[:, start : start + side, start : start + side]
            for turned in (view, view[:, :, ::-1]):
                total += weight * model.predict(turned.astype(np.float32) / 255, batch_size=500, verbose=0)
        return total

    pictures = np.random.default_rng(0).integers(
        0, 256, (arguments.pictures, cifar.SIDE, cifar.SIDE, 3), np.uint8
    )
    share = _WHOLE / arguments.pictures
    matrix = tf.random.normal((_SIDE, _SIDE), seed=0)
    found: dict[str, dict[str, list[float]]] = {}
    for name, path in cifar.BUNDLED.items():
        model = cifar.load(name, path)
        fewer = folded(model)
        products = _WHOLE * _VIEWS * sum(cost.multiplications for cost in layer_costs(model))
        contenders: dict[str, Callable[[], Any]] = {
            "tfviz": lambda model=fewer: logits_of(model, pictures, "flip and shift"),
            "predict": lambda model=model: by_predict(model, pictures),
        }
        logits = [run() for run in contenders.values()]  # compiled
        times: dict[str, list[float]] = {"tfviz": [], "predict": [], "products": []}
        for _ in range(arguments.rounds):
            for contender, run in contenders.items():
                times[contender].append(share * seconds_of(run)[0])
            seconds, _ = seconds_of(lambda: tf.linalg.matmul(matrix, matrix).numpy())
            times["products"].append(products * seconds / _SIDE**3)
        found[name] = times
        print(
            f"{name}: tfviz {shown(times['tfviz'])}, predict {shown(times['predict'])}, logits off by "
            f"{np.abs(logits[0] - logits[1]).max():.1g}; {products / 1e9:.0f}e9 multiplications: "
            f"{shown(times['products'])}"
        )
    return found


if __name__ == "__main__":
    main()
