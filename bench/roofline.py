"""What this machine can do at most, and what the works of `bench.peers` ask of it at least.

    python -m bench.roofline [--threads 1] [--clock processor] [--peers build/peers/peers.json] [--out FOLDER]

Measured: multiply-adds a second of a large matrix product (oneDNN, float32; with --bfloat16 of one in bfloat16, too),
and bytes a second of reading an array larger than the caches. Counted (`tfviz.measures.costs`): multiply-adds that the
direct algorithm takes, forward and for the picture's gradient, which are as many; and bytes of weights, read once each
way for all pictures at once. A work cannot take less than the larger of the two times with that algorithm; what takes
less leaves something out (rows that a ReLU made 0, places that a unit does not see) or multiplies less (Winograd).
With --peers, the milliseconds measured there stand beside, and a picture is drawn: operations a second against
operations a byte (Williams, Waterman and Patterson 2009, "Roofline").
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.ascent import processor
from bench.peers.works import PAIRINGS, Work

_clock = time.perf_counter

_REPEATS = 7


def fastest(run: Callable[[], Any]) -> float:
    """The shortest of some times, in seconds: what others took of the machine is no part of what it can do."""
    run()
    times = []
    for _ in range(_REPEATS):
        begun = _clock()
        run()
        times.append(_clock() - begun)
    return min(times)


def multiply_adds_a_second(precision: str) -> float:
    """Of a matrix product of 2048 rows, columns and sums."""
    import tensorflow as tf

    size = 2048
    one = tf.cast(tf.random.normal((size, size)), precision)
    product = tf.function(lambda a: tf.linalg.matmul(a, a))
    return size**3 / fastest(lambda: product(one).numpy())


def bytes_a_second() -> float:
    """Of a matrix of 512 MB times a vector, which reads the matrix once and keeps nothing of it."""
    import tensorflow as tf

    matrix = tf.random.normal((8192, 16384))
    vector = tf.random.normal((16384, 1))
    product = tf.function(tf.linalg.matmul)
    return 4 * 8192 * 16384 / fastest(lambda: product(matrix, vector).numpy())


def least(work: Work) -> tuple[float, float]:
    """Multiply-adds and bytes per picture or mask, by the direct algorithm on the whole picture."""
    from tfviz.measures.costs import layer_costs
    from tfviz.models import alexnet

    model = alexnet.build() if work.kind != "unit" else alexnet.build_features((work.size, work.size, 3))
    costs = layer_costs(model)
    if work.kind == "unit":
        costs = costs[: next(at for at, cost in enumerate(costs) if cost.layer == "conv2") + 1]
    passes = 1 if work.kind == "occlusion" else 2
    pictures = work.masks if work.kind == "occlusion" else work.pictures
    multiply_adds = passes * sum(cost.multiplications for cost in costs)
    read = passes * 4 * sum(cost.weights for cost in costs) / pictures
    return float(multiply_adds), float(read + passes * 4 * 3 * work.size**2)


def main() -> dict[str, float]:
    """Prints the table and returns what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--peers", type=Path, help="what bench.peers stored")
    parser.add_argument("--out", type=Path, default=Path("build/peers"))
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="as of bench.peers")
    arguments = parser.parse_args()
    global _clock
    _clock = time.process_time if arguments.clock == "processor" else time.perf_counter

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    peak, width = multiply_adds_a_second("float32"), bytes_a_second()
    found = {"multiply_adds": peak, "bytes": width}
    print(f"{processor()}, {arguments.threads} threads")
    print(f"float32: {peak / 1e9:.1f} G multiply-adds a second; memory: {width / 1e9:.1f} GB a second")
    if arguments.bfloat16:
        found["bfloat16"] = multiply_adds_a_second("bfloat16")
        print(f"bfloat16: {found['bfloat16'] / 1e9:.1f} G multiply-adds a second")
    measured: dict[tuple[Work, str], float] = {}
    if arguments.peers:
        for row in json.loads(arguments.peers.read_text())["found"]:
            measured[Work(**row["work"]), row["contender"]] = statistics.median(row["ms"])
    contenders = sorted({name for _, name in measured})
    print("\n| work | M multiply-adds | MB read | ms at least | " + " | ".join(contenders) + " |")
    print("| --- | ---: | ---: | ---: |" + " ---: |" * len(contenders))
    points = []
    for work in PAIRINGS:
        multiply_adds, read = least(work)
        floor = 1000 * max(multiply_adds / peak, read / width)
        cells = []
        for name in contenders:
            ms = measured.get((work, name))
            cells.append("-" if ms is None else f"{ms:.3g}")
            if ms is not None:
                points.append((name, work, multiply_adds / read, multiply_adds / ms * 1000))
        print(
            f"| {work.name} | {multiply_adds / 1e6:.0f} | {read / 1e6:.1f} | {floor:.3g} | "
            f"{' | '.join(cells)} |"
        )
    if points:
        arguments.out.mkdir(parents=True, exist_ok=True)
        draw(points, peak, width, arguments.out / "roofline.svg")
    return found


def draw(points: list[tuple[str, Work, float, float]], peak: float, width: float, path: Path) -> None:
    """The roof, and a point for every work and contender."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    from bench.peers.__main__ import TOOLS

    figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
    intensity = np.geomspace(1, 1e3, 200)
    axes.plot(intensity, np.minimum(peak, width * intensity) / 1e9, color="0.4", label="this machine")
    markers = dict(zip(PAIRINGS, "osD^", strict=True))
    for at, name in enumerate(sorted({each for each, *_ in points})):
        for other, work, x, y in points:
            if other == name:
                axes.plot(x, y / 1e9, markers[work], color=f"C{at}", markersize=5)
        axes.plot([], [], "o", color=f"C{at}", label=TOOLS[name][0])
    for work, marker in markers.items():
        axes.plot([], [], marker, color="0.5", label=work.name)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="multiply-adds of the direct algorithm a byte",
        ylabel="10⁹ of them a second",
    )
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    print(path)


if __name__ == "__main__":
    main()
