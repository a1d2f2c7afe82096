"""Options that several commands have, each with the same words."""

from __future__ import annotations

from argparse import ArgumentParser

from tfviz.weights.catalog import CATALOG


def add_own_network(parser: ArgumentParser) -> None:
    """`--model-input` and `--model-head`: what a user's network does not say of itself."""
    parser.add_argument(
        "--model-input",
        choices=("[0,1]", "[-1,1]", "0..255", "caffe", "torch"),
        metavar="RANGE",
        help="in which range it takes pictures, where its first layers do not show it: %(choices)s",
    )
    parser.add_argument(
        "--model-head",
        choices=("logits", "softmax", "sigmoid", "values"),
        metavar="HEAD",
        help="what its last layer returns, where that cannot be found: %(choices)s (values: no classes)",
    )


def add_weights(parser: ArgumentParser) -> None:
    """`--weights` and `--offline`."""
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help=f"weights of a network from a file by hand; NAME: {', '.join(CATALOG)}; may be repeated",
    )
    parser.add_argument("--offline", action="store_true", help="download nothing; use what is cached")


def add_workers(parser: ArgumentParser, workers: str) -> None:
    """`--workers` and `--scheduler`; workers: what the first one says."""
    parser.add_argument("--workers", type=int, metavar="N", help=workers)
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="leave it to the workers of a Dask scheduler, such as tcp://host:8786; files that they do not see are "
        "sent to them",
    )
