"""The command line: ``tfviz``, ``python -m tfviz``, ``python run_all.py``."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import filesize
from rich.console import Console
from rich.table import Table

from tfviz import backend
from tfviz.errors import BadFileError, TfvizError
from tfviz.experiment.context import Inputs
from tfviz.experiment.grading import Verdict, summary
from tfviz.experiment.part import Part
from tfviz.experiment.runner import Options, Runner
from tfviz.parts import PARTS
from tfviz.report.numbers import expected_value, like
from tfviz.training.presets import PRESETS
from tfviz.weights.catalog import CATALOG

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_NO_PDF, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

_NAME = "tfviz"
_TRAINED = frozenset(PRESETS)  # the parts that --train is for


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog=_NAME,
        description="Look inside convolutional networks, write the report (HTML and PDF), grade the numbers.",
        epilog="Exit status: 0 all that was asked for was done; 1 a part failed or could not run (the report shows "
        "it); 2 wrong usage or unusable input; 3 the HTML is written, the PDF is not (Pango is missing); "
        "130 interrupted.",
    )
    parser.add_argument("--list", action="store_true", help="list the parts and stop")
    parser.add_argument("--only", nargs="+", metavar="ID", help="run these parts only (see --list)")
    parser.add_argument("--quick", action="store_true", help="shorter settings, labelled so in the report")
    parser.add_argument("--force", action="store_true", help="run again what is unchanged, too")
    parser.add_argument("--report-only", action="store_true", help="render stored results, run nothing")
    parser.add_argument(
        "--out", type=Path, default=Path("reports"), metavar="DIR", help="output folder (default: reports)"
    )
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help=f"weights of a network from a file by hand; NAME: {', '.join(CATALOG)}; may be repeated",
    )
    parser.add_argument(
        "--image", type=Path, metavar="FILE", help="your picture in place of the drawn jellyfish"
    )
    parser.add_argument(
        "--source-class", metavar="CLASS", help="what it shows: name or index (default: jellyfish)"
    )
    parser.add_argument(
        "--target-class", metavar="CLASS", help="what it shall be taken for: name or index (default: mink)"
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="your pictures, for the part normalization"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder with CIFAR-10 (cifar-10-batches-py or cifar-10-python.tar.gz); without it the cache of this "
        "program and Keras' are looked into",
    )
    parser.add_argument(
        "--train",
        choices=sorted({name for presets in PRESETS.values() for name in presets}),
        metavar="PRESET",
        help="train the CIFAR-10 networks: smoke (a minute), fast (as long as the recorded run that the report "
        "shows) or published (the residual network: nine to twelve hours on two cores with AVX-512, longer without); "
        "CIFAR-10 is downloaded if need be (170 MB); goes on where an earlier run stopped",
    )
    parser.add_argument("--offline", action="store_true", help="download nothing; use what is cached")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of every random number (default: 0)"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without "≥" shows "?"
    command = parser()
    options = command.parse_args(arguments)
    if options.list:
        print("\n".join(f"{part.ID:<20} {part.TITLE}" for part in PARTS))
        return EXIT_DONE
    known = {part.ID: part for part in PARTS}
    if unknown := [part for part in options.only or () if part not in known]:
        command.error(f"no part {', '.join(unknown)}; there are: {', '.join(known)}")
    if not 0 <= options.seed < 2**32:
        command.error(f"--seed must be from 0 to {2**32 - 1}")
    if options.train and not _TRAINED.intersection(options.only or known):
        command.error(f"--train is for {' and '.join(sorted(_TRAINED))}; --only names neither")
    files = dict(_weights_option(command, text) for text in options.weights)
    chosen = [known[part] for part in dict.fromkeys(options.only or known)]
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        if options.report_only:
            return _publish(options.out, asked_for=(), redraw=True)
        inputs = _inputs(options)
        _check_weights(files)
        _run(
            chosen,
            Options(
                options.out.resolve(),
                options.quick,
                options.force,
                options.offline,
                options.seed,
                files,
                inputs,
            ),
        )
        return _publish(options.out, asked_for=[part.ID for part in chosen])
    except TfvizError as error:
        return _stop(str(error))
    except ModuleNotFoundError as error:
        return _stop(
            f"{error.name} is not installed: pip install -r {backend.MODULES[backend.name()].requirements}"
        )
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _stop(f"{error.strerror or error}{where}: what was finished before is in {options.out}.")
    except KeyboardInterrupt:
        print(f"\nInterrupted: what was finished is in {options.out}; run again to go on.", file=sys.stderr)
        return EXIT_INTERRUPTED


def _stop(message: str) -> int:
    print(f"{_NAME}: {message}", file=sys.stderr)
    return EXIT_USAGE


def _weights_option(command: argparse.ArgumentParser, text: str) -> tuple[str, Path]:
    match = re.fullmatch(r"(\w+)=(.+)", text)
    if not match:
        command.error(f"--weights {text}: write NAME=FILE, for example alexnet=alexnet-owt-7be5be79.pth")
    if match[1] not in CATALOG:
        command.error(f"--weights {text}: no network {match[1]}; there are: {', '.join(CATALOG)}")
    return match[1], Path(match[2]).expanduser()


def _check_weights(files: dict[str, Path]) -> None:
    """Read the user's files before anything runs: a bad one stops here and costs nothing."""
    import tfviz

    for name, path in files.items():
        tfviz.load(name, weights=path)


def _inputs(options: argparse.Namespace) -> Inputs:
    """The user's pictures, classes and data, checked before anything runs."""
    from tfviz.data.labels import class_index
    from tfviz.data.pictures import read_picture

    for folder in (options.pictures, options.data_dir):
        if folder is not None and not folder.is_dir():
            raise BadFileError(f"{folder} is not a folder.")
    if options.image is not None:
        read_picture(options.image, 224, 224)
    classes: dict[str, Any] = {
        name: class_index(text)
        for name in ("source_class", "target_class")
        if (text := getattr(options, name)) is not None
    }
    return Inputs(
        image=options.image,
        pictures=options.pictures,
        data_dir=_cifar10(options.data_dir, download=options.train is not None, offline=options.offline),
        train=options.train,
        **classes,
    )


def _cifar10(data_dir: Path | None, *, download: bool, offline: bool) -> Path | None:
    """Where CIFAR-10 is; downloaded if it is needed and nowhere."""
    from tfviz.data import cifar10

    if data_dir is not None or not download:
        return cifar10.find(data_dir)
    from tfviz.experiment.progress import Reporter

    with Reporter() as reporter:
        return cifar10.fetch(offline=offline, progress=reporter.progress, say=reporter.say)


def _run(chosen: Sequence[Part], options: Options) -> None:
    from tfviz.experiment.progress import Reporter

    with Reporter() as reporter:
        runner = Runner(options, reporter)
        for part in chosen:
            runner.run(part)


def _publish(out: Path, asked_for: Sequence[str], *, redraw: bool = False) -> int:
    """Draw, grade and render what is stored, print the verdicts; returns the exit status."""
    from tfviz.experiment.progress import Reporter
    from tfviz.report import publish

    with Reporter() as reporter:
        published = publish.publish(out, PARTS, reporter.say, redraw=redraw)
    if not published.results:
        return _stop(f"{out} holds no results: run without --report-only first.")
    results = published.results
    whole = all(results[part].status == "done" and not results[part].not_drawn for part in asked_for)
    status = EXIT_DONE if whole else EXIT_FAILED
    if published.no_pdf:
        print(f"{_NAME}: {published.no_pdf}", file=sys.stderr)
        status = status or EXIT_NO_PDF
    _print_verdicts(published.verdicts)
    for result in results.values():
        if result.status != "done":
            print(f"{result.part}: {result.status}: {result.reason}")
    for path in published.files:
        print(f"{path}  ({filesize.decimal(path.stat().st_size)})")
    return status


def _print_verdicts(verdicts: Sequence[Verdict]) -> None:
    table = Table(title="Measured against expected", title_justify="left")
    for heading in ("part", "number", "expected", "measured", "kind", "verdict"):
        table.add_column(heading, justify="right" if heading in ("expected", "measured") else "left")
    for verdict in verdicts:
        expected = expected_value(verdict)
        measured = "" if verdict.measured is None else like(verdict.measured, verdict.tolerance)
        table.add_row(verdict.part, verdict.number, expected, measured, verdict.kind, verdict.status)
    console = Console()
    if not console.is_terminal:
        console.width = 150
    console.print(table)
    print("   ".join(f"{count} {status}" for status, count in summary(verdicts).items()))
