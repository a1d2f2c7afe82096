"""How long the gradient of a convolution's kernel takes: TensorFlow's operation, a convolution, products of matrices.

    python -m bench.kernel_gradient [--precision bfloat16] [--batch 128] [--repeat 30]

The shapes are those of this project's networks. All three forms of one shape are measured in turn, again and again;
printed are the medians in milliseconds. `tfviz.backend.tensorflow_operations` chooses by what is found here.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

SHAPES = (
    # Side of the maps, channels, filters, side of the kernel. The plain network:
    (32, 3, 32, 7),
    (16, 32, 96, 5),
    (8, 96, 192, 3),
    (4, 192, 256, 2),
    # The residual network, preset `fast`:
    (32, 3, 32, 3),
    (32, 32, 64, 3),
    (16, 64, 64, 3),
    (16, 64, 128, 3),
    (8, 128, 128, 3),
    (8, 128, 256, 3),
    (4, 256, 256, 3),
    # The published one:
    (32, 64, 64, 3),
    (8, 256, 256, 3),
    (4, 512, 512, 3),
    (4, 512, 512, 2),
)


def forms(side: int, channels: int, filters: int, kernel: int) -> Mapping[str, Callable[..., Any]]:
    """The three forms, each a function of the maps and the output's gradient."""
    import tensorflow as tf

    from tfviz.backend import tensorflow_operations

    shape = tf.TensorShape((kernel, kernel, channels, filters))

    def operation(maps: Any, out: Any) -> Any:
        return tf.raw_ops.Conv2DBackpropFilter(
            input=maps, filter_sizes=shape, out_backprop=out, strides=[1, 1, 1, 1], padding="SAME"
        )

    return {
        "operation": tf.function(operation),
        "convolution": tf.function(
            lambda maps, out: tensorflow_operations.kernel_gradient_by_convolution(maps, out, shape)
        ),
        "products": tf.function(
            lambda maps, out: tensorflow_operations.kernel_gradient_by_products(maps, out, shape)
        ),
    }


def medians(
    side: int, channels: int, filters: int, kernel: int, arguments: argparse.Namespace
) -> dict[str, float]:
    """Milliseconds by form."""
    import tensorflow as tf

    maps = tf.cast(tf.random.normal((arguments.batch, side, side, channels)), arguments.precision)
    out = tf.cast(tf.random.normal((arguments.batch, side, side, filters)), arguments.precision)
    contenders = forms(side, channels, filters, kernel)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(arguments.warm_up + arguments.repeat):
        for name, run in contenders.items():
            clock = time.perf_counter()
            run(maps, out).numpy()
            if round_ >= arguments.warm_up:
                seconds[name].append(time.perf_counter() - clock)
    return {name: 1e3 * statistics.median(found) for name, found in seconds.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=5)
    arguments = parser.parse_args()
    from tfviz import backend

    backend.load()
    from tfviz.training import allocator

    allocator.keep_freed_memory()
    print(f"{arguments.precision}, {arguments.batch} pictures, milliseconds")
    for shape in SHAPES:
        found = medians(*shape, arguments)
        side, channels, filters, kernel = shape
        columns = "  ".join(f"{name} {value:7.2f}" for name, value in found.items())
        print(
            f"{side:2} x {side:2}, {channels:3} to {filters:3}, kernel {kernel} x {kernel}: {columns}",
            flush=True,
        )


if __name__ == "__main__":
    main()
