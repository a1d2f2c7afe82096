"""The command line: ``tfviz``, ``python -m tfviz``, ``python run_all.py``."""

from __future__ import annotations

import argparse
import io
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich import filesize
from rich.console import Console
from rich.table import Table

from tfviz import backend, language
from tfviz.errors import BadFileError, TfvizError
from tfviz.experiment.context import Inputs
from tfviz.experiment.durations import expected, took
from tfviz.experiment.grading import STATUSES, Verdict, by_kind, summary
from tfviz.experiment.part import Part
from tfviz.experiment.runner import Options, Runner
from tfviz.parts import PARTS
from tfviz.report.export import KINDS as EXPORTS
from tfviz.report.numbers import expected_value, like
from tfviz.report.personal import PAPERS, Personal
from tfviz.training.presets import PRESETS
from tfviz.weights.catalog import CATALOG

if TYPE_CHECKING:
    from tfviz.report.publish import Published

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_NO_PDF, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

_NAME = "tfviz"
_TRAINED = frozenset(PRESETS)  # the parts that --train is for


def parser() -> argparse.ArgumentParser:
    """The command line of ``tfviz run``, which is meant where no command is named."""
    parser = argparse.ArgumentParser(
        prog=_NAME,
        usage="%(prog)s [run] [option ...]\n       %(prog)s init [DIR]",
        description="Look inside convolutional networks, write the report (HTML and PDF), grade the numbers. "
        "`tfviz init` writes a report.toml and answers/ to fill in: the names on the cover, and your own words.",
        epilog="Exit status: 0 all that was asked for was done; 1 a part failed or could not run (the report shows "
        "it); 2 wrong usage or unusable input; 3 the HTML is written, the PDF is not (Pango is missing); "
        "130 interrupted.",
    )
    parser.add_argument("--list", action="store_true", help="list the parts and stop")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="ID",
        help="run these parts only (see --list); the report has these and what is stored",
    )
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
    parser.add_argument(
        "--export",
        action="append",
        choices=EXPORTS,
        default=[],
        metavar="KIND",
        help="the report also as markdown (report.md, with the figures' files) or notebook (report.ipynb, which "
        "recomputes parts); may be repeated",
    )
    parser.add_argument("--offline", action="store_true", help="download nothing; use what is cached")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of every random number (default: 0)"
    )
    yours = parser.add_argument_group(
        "whose report it is", "Each of these goes before what report.toml says; `tfviz init` writes one."
    )
    yours.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: report.toml in the current folder, if it is there",
    )
    yours.add_argument(
        "--answers",
        type=Path,
        metavar="DIR",
        help="your own words, a file PART.md a part; default: answers beside report.toml, if it is there",
    )
    yours.add_argument("--title", metavar="TEXT", help="on the cover")
    yours.add_argument("--subtitle", metavar="TEXT", help="below the title")
    yours.add_argument(
        "--author", action="append", dest="authors", metavar="NAME", help="who hands it in; may be repeated"
    )
    yours.add_argument(
        "--id",
        action="append",
        dest="ids",
        metavar="ID",
        help="an author's id, in their order; may be repeated",
    )
    yours.add_argument("--course", metavar="TEXT", help="for which it is")
    yours.add_argument("--date", metavar="TEXT", help="on the cover; default: when the results were computed")
    yours.add_argument(
        "--lang",
        dest="language",
        metavar="CODE",
        help="the report's language: " + ", ".join(language.available()),
    )
    yours.add_argument("--paper", choices=PAPERS, help="of the PDF (default: a4)")
    yours.add_argument("--hero", type=Path, metavar="FILE", help="a picture for the cover")
    return parser


def _init_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{_NAME} init",
        description="Write a report.toml and answers/ with commented examples, to be filled in.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where to (default: the current folder)",
    )
    return parser


def parse(arguments: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """The command that the arguments name, "run" where they name none, and its options."""
    named = bool(arguments) and not arguments[0].startswith("-")
    command = arguments[0] if named else "run"
    if command not in _COMMANDS:
        parser().error(f"no command {command}; there are: {', '.join(_COMMANDS)}")
    return command, _COMMANDS[command].parser().parse_args(arguments[named:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without "≥" shows "?"
    command, options = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        return _COMMANDS[command].do(options)
    except TfvizError as error:
        return _stop(str(error))
    except ModuleNotFoundError as error:
        return _stop(
            f"{error.name} is not installed: pip install -r {backend.MODULES[backend.name()].requirements}"
        )
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        kept = f": what was finished before is in {options.out}" if "out" in options else ""
        return _stop(f"{error.strerror or error}{where}{kept}.")


def _stop(message: str) -> int:
    print(f"{_NAME}: {message}", file=sys.stderr)
    return EXIT_USAGE


def _init(options: argparse.Namespace) -> int:
    """``tfviz init``."""
    from tfviz.report import starter

    started = starter.write(options.folder, [(part.ID, part.TITLE) for part in PARTS])
    for path in started.written:
        print(f"written: {path}")
    for path in started.kept:
        print(f"kept as it was: {path}")
    return EXIT_DONE


def _run(options: argparse.Namespace) -> int:
    """``tfviz run``: compute what was asked for, then publish it."""
    if options.list:
        print("\n".join(f"{part.ID:<20} {part.TITLE}" for part in PARTS))
        return EXIT_DONE
    known = {part.ID: part for part in PARTS}
    wrong = parser().error
    if unknown := [part for part in options.only or () if part not in known]:
        wrong(f"no part {', '.join(unknown)}; there are: {', '.join(known)}")
    if not 0 <= options.seed < 2**32:
        wrong(f"--seed must be from 0 to {2**32 - 1}")
    if options.train and not _TRAINED.intersection(options.only or known):
        wrong(f"--train is for {' and '.join(sorted(_TRAINED))}; --only names neither")
    files = dict(_weights_option(text) for text in options.weights)
    chosen = [known[part] for part in dict.fromkeys(options.only or known)]
    report = _report(options)
    options.out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    finished: list[str] = []
    try:
        with _terminated_like_interrupted():
            if options.report_only:
                return _finish(report, chosen if options.only else None, computed=False)
            inputs = _inputs(options)
            _check_weights(files)
            try:
                _compute(
                    chosen,
                    Options(
                        report.out,
                        options.quick,
                        options.force,
                        options.offline,
                        options.seed,
                        files,
                        inputs,
                    ),
                    report,
                    finished,
                )
            except KeyboardInterrupt:
                return _interrupted(report, finished, len(chosen))
            status = _finish(report, chosen)
    except KeyboardInterrupt:
        print(f"\nInterrupted: what was finished is in {options.out}; run again to go on.", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(f"Finished in {took(time.monotonic() - begun)}.")
    return status


class _Command(NamedTuple):
    parser: Callable[[], argparse.ArgumentParser]
    do: Callable[[argparse.Namespace], int]


_COMMANDS = {"run": _Command(parser, _run), "init": _Command(_init_parser, _init)}


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Inside, SIGTERM is what Ctrl-C is."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # where Python allows no handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class _Report:
    """What is published, all of it checked.

    Attributes:
        out: the output folder.
        only: the parts that were named with --only; None: none were.
        personal: whose report it is.
        answers: the folder with the author's own words.
    """

    out: Path
    only: Sequence[str] | None
    personal: Personal
    answers: Path | None
    exports: Sequence[str] = ()

    def publish(self, say: Callable[[str], None], **how: Any) -> Published:
        """Draw, grade and render what is stored; how: as `tfviz.report.publish.publish` has it."""
        from tfviz.report import publish

        return publish.publish(
            self.out,
            PARTS,
            say,
            **{
                "asked_for": self.only,
                "personal": self.personal,
                "answers": self.answers,
                "exports": self.exports,
                **how,
            },
        )

    def grow(self, pending: Mapping[str, str]) -> None:
        """Render the page as it stands while a run goes on; figures that fail are said at the end."""
        with language.use(self.personal.language or language.SOURCE):
            said = {part: language.gettext(why) for part, why in pending.items()}
        self.publish(lambda _: None, pending=said, pdf=False, exports=())


def _report(options: argparse.Namespace) -> _Report:
    """Read report.toml, the options that go before it, and the language: a bad one stops here."""
    from tfviz.report import personal

    here = Path("report.toml")
    config = options.config or (here if here.is_file() else None)
    beside = (config.parent if config else Path()) / "answers"
    folder = options.answers or (beside if beside.is_dir() else None)
    if folder and not folder.is_dir():
        raise BadFileError(f"{folder} is not a folder: name the one that holds your answers with --answers.")
    names = ("title", "subtitle", "authors", "ids", "course", "date", "language", "paper", "hero")
    who = personal.load(config, **{name: getattr(options, name) for name in names})
    language.load(who.language or language.SOURCE)  # a catalogue may be there and be damaged
    return _Report(options.out.resolve(), options.only, who, folder, options.export)


def _weights_option(text: str) -> tuple[str, Path]:
    match = re.fullmatch(r"(\w+)=(.+)", text)
    if not match:
        parser().error(f"--weights {text}: write NAME=FILE, for example alexnet=alexnet-owt-7be5be79.pth")
    if match[1] not in CATALOG:
        parser().error(f"--weights {text}: no network {match[1]}; there are: {', '.join(CATALOG)}")
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


def _compute(chosen: Sequence[Part], options: Options, report: _Report, finished: list[str]) -> None:
    """Run the parts, adding to `finished` the ids of those that are through; the report grows meanwhile."""
    from tfviz.experiment.growing import Growing
    from tfviz.experiment.progress import Reporter

    with Reporter() as reporter:
        runner = Runner(options, reporter)
        waiting = runner.waiting(chosen)
        seconds = expected(
            chosen,
            runner.store.load_all([part.ID for part in chosen]),
            quick=options.quick,
            train=options.inputs.train is not None,
        )
        reporter.plan({part: seconds[part] if part in waiting else 0.0 for part in seconds})
        growing = Growing(report.grow, waiting, reporter.say)
        if growing.begin():
            page = (report.out / "report.html").as_uri()
            reporter.say(f"The report can be opened now; it grows as parts finish:\n{page}")
        for part in chosen:
            runner.run(part)
            finished.append(part.ID)
            growing.ends(part.ID)


def _interrupted(report: _Report, finished: Sequence[str], count: int) -> int:
    """Render what there is; a second interrupt ends that."""
    print("\nStopped: rendering what there is. Ctrl-C again stops at once.", file=sys.stderr)
    try:
        published = report.publish(print, asked_for=finished)
    except (TfvizError, OSError) as error:
        print(f"{_NAME}: the report could not be rendered: {error}", file=sys.stderr)
        return EXIT_INTERRUPTED
    if not published.results:  # the page that was to grow shows nothing but what will not come
        (report.out / "report.html").unlink(missing_ok=True)
    _print_files(published)
    print(f"{len(finished)} of {count} parts are done; run again to go on.")
    return EXIT_INTERRUPTED


def _finish(report: _Report, chosen: Sequence[Part] | None, *, computed: bool = True) -> int:
    """Publish, say what came of it; returns the exit status.

    Args:
        report: what is published.
        chosen: the parts that were asked for; None: those that are stored.
        computed: whether these were computed before: then one that is not whole is a failure, and figures that would
            come out the same are not drawn again.
    """
    from tfviz.experiment.progress import Reporter

    with Reporter() as reporter:
        reporter.say("Rendering the report")
        if computed:
            published = report.publish(reporter.say)
        else:
            published = report.publish(
                reporter.say, asked_for=[part.ID for part in chosen or ()], redraw=True
            )
    if not published.results:
        return _stop(f"{report.out} holds no results: run without --report-only first.")
    results = published.results
    asked = [part.ID for part in chosen] if chosen is not None else list(results)
    whole = all(results[part].status == "done" and not results[part].not_drawn for part in asked if computed)
    status = EXIT_DONE if whole else EXIT_FAILED
    if published.no_pdf:
        print(f"{_NAME}: {published.no_pdf}", file=sys.stderr)
        status = status or EXIT_NO_PDF
    _print_summary(published, asked)
    _print_files(published)
    return status


def _print_summary(published: Published, parts: Sequence[str]) -> None:
    """How these parts stand, and any that cannot be shown; what is not as expected; how many numbers passed."""
    verdicts = [verdict for verdict in published.verdicts if verdict.part in parts]
    broken = {part: result for part, result in published.results.items() if result.status != "done"}
    print()
    for part in dict.fromkeys([*parts, *broken]):
        if part in broken:
            print(f"{part}: {broken[part].status}: {broken[part].reason}")
            continue
        own = summary([verdict for verdict in verdicts if verdict.part == part])
        counted = ", ".join(f"{count} {status}" for status, count in own.items() if count)
        print(f"{part:<20} {counted or 'nothing to compare'}")
    _print_failures([verdict for verdict in verdicts if verdict.status == "fail"])
    print()
    for kind, own in by_kind(verdicts).items():
        if count := sum(own.values()):
            others = ", ".join(f"{own[status]} {status}" for status in STATUSES[1:] if own[status])
            print(f"{kind + ':':<17} {own['pass']} of {count} pass" + (f" ({others})" if others else ""))
    print("   ".join(f"{count} {status}" for status, count in summary(verdicts).items()))


def _print_failures(verdicts: Sequence[Verdict]) -> None:
    if not verdicts:
        return
    table = Table(title="Not as expected", title_justify="left")
    for heading in ("part", "number", "expected", "measured", "kind"):
        table.add_column(heading, justify="right" if heading in ("expected", "measured") else "left")
    for verdict in verdicts:
        measured = "" if verdict.measured is None else like(verdict.measured, verdict.tolerance)
        table.add_row(verdict.part, verdict.number, expected_value(verdict), measured, verdict.kind)
    console = Console()
    if not console.is_terminal:
        console.width = 150
    console.print("\n", table, sep="")


def _print_files(published: Published) -> None:
    for note in published.notes:
        print(f"{_NAME}: {note}")
    for path in published.files:
        print(f"{path.resolve().as_uri()}  ({filesize.decimal(path.stat().st_size)})")
