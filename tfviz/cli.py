"""The command line: ``tfviz``, ``python -m tfviz``, ``python run_all.py``."""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tfviz import backend, language
from tfviz.backend import machine
from tfviz.errors import BadFileError, TfvizError, printable
from tfviz.experiment import executor, terminal
from tfviz.experiment.context import Inputs, OwnNetwork
from tfviz.experiment.durations import expected, took
from tfviz.experiment.grading import STATUSES, Verdict, by_kind, summary
from tfviz.experiment.growing import STOPPED, Growing
from tfviz.experiment.options import add_own_network, add_weights, add_workers
from tfviz.experiment.part import Part
from tfviz.experiment.runner import Options, Runner, takes_any_network
from tfviz.experiment.store import PartResult, Store
from tfviz.parts import PARTS
from tfviz.report import EXPORTS
from tfviz.report.numbers import expected_value, like
from tfviz.report.personal import PAPERS, Personal
from tfviz.training.presets import PRESETS
from tfviz.weights.catalog import CATALOG

if TYPE_CHECKING:
    from tfviz.report.publish import Published

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_NO_PDF, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

_ENDING = [signal.SIGTERM, *([] if sys.platform == "win32" else [signal.SIGHUP])]  # the terminal is closed

_NAME = "tfviz"
_TRAINED = frozenset(PRESETS)  # the parts that --train is for
_SOON = 5.0  # seconds of a part that does not wait for the long ones
_AT_ONCE = 3  # parts, since the longest takes a third of the time of all
_ON_A_GPU = 8  # likewise, where arithmetic takes next to no time
_OF_A_GPU = 4 << 30  # bytes of its memory for each


def parser() -> argparse.ArgumentParser:
    """The command line of ``tfviz run``, which is meant where no command is named."""
    parser = argparse.ArgumentParser(
        prog=_NAME,
        usage="%(prog)s [run] [option ...]\n       %(prog)s init [DIR]\n       %(prog)s grade PATH ... [option ...]\n"
        "       %(prog)s atlas NETWORK|--model FILE [option ...]",
        description="Look inside convolutional networks, write the report (HTML and PDF), grade the numbers. "
        "`tfviz init` writes a report.toml and answers/ to fill in: the names on the cover, and your own words. "
        "`tfviz grade` measures again what others handed in. `tfviz atlas` draws every unit of a network.",
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
    parser.add_argument(
        "--force", action="store_true", help="run, draw and render again what is unchanged, too"
    )
    parser.add_argument("--report-only", action="store_true", help="render stored results, run nothing")
    parser.add_argument(
        "--out", type=Path, default=Path("reports"), metavar="DIR", help="output folder (default: reports)"
    )
    add_weights(parser)
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="your own network, whole: a .keras file or .h5 (a SavedModel is a program and is not run); the parts that "
        "can look into any network run on it",
    )
    parser.add_argument(
        "--model-classes",
        type=Path,
        metavar="FILE",
        help="names of its classes: text, one a line, or JSON such as imagenet_class_index.json",
    )
    add_own_network(parser)
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
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of every random number (default: 0)"
    )
    add_workers(
        parser,
        "parts computed at a time, each in a process with its share of the cores; 1: one after the other, here, on "
        f"all of them (default: as many as cores, {_AT_ONCE} at most, {_ON_A_GPU} where there is a GPU; 1 with "
        "--train)",
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


def _grade_parser() -> argparse.ArgumentParser:
    from tfviz.course import command as course  # what measures is no matter of ``tfviz run``

    return course.parser(_NAME)


def parse(arguments: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """The command that the arguments name, "run" where they name none, and its options."""
    named = bool(arguments) and not arguments[0].startswith("-")
    if "--grade" in arguments:  # as run_all.py has it
        arguments = ["grade", *(each for each in arguments if each != "--grade")]
        named = True
    command = arguments[0] if named else "run"
    if command not in _COMMANDS:
        parser().error(f"no command {command}; there are: {', '.join(_COMMANDS)}")
    return command, _COMMANDS[command].parser().parse_args(arguments[named:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    with terminal.forgiving(), _terminated_like_interrupted():
        try:
            return _done(arguments)
        except KeyboardInterrupt:
            print(f"\nInterrupted. To go on: {_again(arguments)}", file=sys.stderr)
            return EXIT_INTERRUPTED


def _done(arguments: Sequence[str]) -> int:
    command, options = parse(arguments)
    options.again = _again(arguments)
    try:
        return _COMMANDS[command].do(options)
    except TfvizError as error:
        return _stop(str(error))
    except ModuleNotFoundError as error:
        return _stop(
            f"{error.name} is not installed: pip install -r {backend.MODULES[backend.name()].requirements}"
        )
    except OSError as error:
        if _is_stranded():
            return _stop("The current folder was deleted: change into one that is there, and run again.")
        where = f" ({error.filename})" if error.filename else ""
        where += "; change its permissions" if isinstance(error, PermissionError) else ""
        kept = f": what was finished before is in {options.out}" if "out" in options else ""
        return _stop(f"{error.strerror or error}{where}{kept}. To go on: {options.again}")


def _is_stranded() -> bool:
    """Whether the current folder is no longer there."""
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def _again(arguments: Sequence[str]) -> str:
    """The command line that goes on where these arguments' run stopped; with --force it would begin anew."""
    kept = [each for each in arguments if len(each) < 3 or not "--force".startswith(each)]
    return _typed(*kept)


def _typed(*arguments: str) -> str:
    """A command line that begins as this one did."""
    script = Path(sys.argv[0])
    start = {"run_all.py": ["python", str(script)], "__main__.py": ["python", "-m", _NAME]}.get(
        script.name, [_NAME]
    )
    return shlex.join([*start, *arguments])


def _stop(message: str) -> int:
    print(printable(f"{_NAME}: {message}"), file=sys.stderr)
    return EXIT_USAGE


def _init(options: argparse.Namespace) -> int:
    """``tfviz init``."""
    from tfviz.report import starter

    started = starter.write(options.folder, [(part.ID, part.TITLE) for part in PARTS])
    for path in started.written:
        print(f"written: {path}")
    for path in started.kept:
        print(f"kept as it was: {path}")
    here = started.folder.resolve() == Path().resolve()
    config = () if here else ("--config", str(started.folder / "report.toml"))
    print(f"Fill in what you like of these, then: {_typed(*config)}")
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
    if options.workers is not None and options.workers < 1:
        wrong("--workers must be positive")
    if options.train and not _TRAINED.intersection(options.only or known):
        wrong(f"--train is for {' and '.join(sorted(_TRAINED))}; --only names neither")
    if options.model is None and (options.model_classes or options.model_input or options.model_head):
        wrong("--model-classes, --model-input and --model-head say more about --model FILE")
    files = dict(_weights_option(text) for text in options.weights)
    usual = known if options.model is None else [part.ID for part in PARTS if takes_any_network(part)]
    chosen = [known[part] for part in dict.fromkeys(options.only or usual)]
    report = _report(options)
    if options.report_only:
        if not options.out.is_dir():
            return _stop(_nothing_in(options.out))
        with _alone_in(options.out):
            return _finish(report, chosen if options.only else None, computed=False, anew=options.force)
    backend.check()
    inputs = _inputs(options)
    _check_weights(files)
    own = _own(options)
    begun = time.monotonic()
    finished: list[str] = []
    with _alone_in(options.out):
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
                    own,
                    options.model,
                ),
                report,
                finished,
                options.workers or _usual_workers(train=options.train is not None),
                options.scheduler,
            )
            status = _finish(report, chosen, anew=options.force)
        except KeyboardInterrupt:
            return _interrupted(report, chosen, finished, options.again)
        finally:
            report.leave()
    print(f"Finished in {took(time.monotonic() - begun)}.")
    return status


def _grade(options: argparse.Namespace) -> int:
    """``tfviz grade``: measure again what was handed in, and write what a course needs of it."""
    from tfviz.course import command as course

    if options.gradescope is None and not options.paths:
        course.parser(_NAME).error("name folders or zips of submissions")
    if not (options.workers is None or options.workers > 0) or not 0 <= (options.seed or 0) < 2**32:
        course.parser(_NAME).error(f"--workers must be positive, --seed from 0 to {2**32 - 1}")
    files = dict(_weights_option(text) for text in options.weights)
    if options.gradescope is not None:
        try:
            course.write_autograder(options.gradescope, options.rubric)
        except OSError as error:
            raise BadFileError(
                f"{options.gradescope} cannot be written into ({error.strerror}): name another folder with "
                "--gradescope."
            ) from error
    if not options.paths:
        return EXIT_DONE
    if (options.out / "manifest.json").exists():
        raise BadFileError(
            f"{options.out} holds a run, whose grades.json would be lost: name another folder with --out."
        )
    backend.check()
    _check_weights(files)
    asked = course.Asked(
        options.paths,
        options.out,
        options.rubric,
        files,
        _cifar10(options.data_dir, download=False, offline=options.offline),
        options.offline,
        options.workers,
        options.seed,
        options.scheduler,
    )
    with _alone_in(options.out):
        return EXIT_DONE if course.grade(asked) else EXIT_FAILED


def _atlas_parser() -> argparse.ArgumentParser:
    from tfviz.atlas import command as atlas

    return atlas.parser(_NAME)


def _atlas(options: argparse.Namespace) -> int:
    """``tfviz atlas``: draw every unit of a network, and write the page of it."""
    from tfviz.atlas import command as atlas

    wrong = atlas.parser(_NAME).error
    if (options.network is None) == (options.model is None):
        wrong("name a network, or a file of your own with --model")
    if options.model is None and (options.model_input or options.model_head):
        wrong("--model-input and --model-head say more about --model FILE")
    if not (options.workers is None or options.workers > 0) or not 0 <= options.seed < 2**32:
        wrong(f"--workers must be positive, --seed from 0 to {2**32 - 1}")
    files = dict(_weights_option(text) for text in options.weights)
    backend.check()
    _check_weights(files)
    names = ("network", "out", "model", "layers", "units", "pictures", "recipe", "quick", "seed")
    more = ("workers", "scheduler", "offline", "model_input", "model_head")
    asked = atlas.Asked(files=files, **{name: getattr(options, name) for name in (*names, *more)})
    with _alone_in(options.out):
        return EXIT_DONE if atlas.make(asked) else EXIT_FAILED


def _nothing_in(out: Path) -> str:
    return f"{out} holds no results: run without --report-only first."


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Inside, the output folder is there, can be written, and no other run works in it.

    Raises:
        BadFileError: it cannot be made or written.
        BusyError: another run works there.
    """
    with ExitStack() as stack:
        if not os.path.lexists(out):
            stack.callback(_remove_empty, out)
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(Store(out).alone())
        except OSError as error:
            # os.path, since Path.exists raises where a folder may not be looked into or a name is too long.
            each = (out, *out.parents)
            taken = next((path for path in each if os.path.lexists(path) and not os.path.isdir(path)), None)
            kind = "a link that leads nowhere" if taken and taken.is_symlink() else "a file, not a folder"
            why = f"{taken} is {kind}" if taken else error.strerror
            raise BadFileError(
                f"{out} cannot be written into ({why}): name another folder with --out."
            ) from error
        yield


def _remove_empty(folder: Path) -> None:
    """Take a folder away again that nothing was written into."""
    with suppress(OSError):
        folder.rmdir()


class _Command(NamedTuple):
    parser: Callable[[], argparse.ArgumentParser]
    do: Callable[[argparse.Namespace], int]


_COMMANDS = {
    "run": _Command(parser, _run),
    "init": _Command(_init_parser, _init),
    "grade": _Command(_grade_parser, _grade),
    "atlas": _Command(_atlas_parser, _atlas),
}


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Inside, SIGTERM, and SIGHUP unless it is ignored, are what Ctrl-C is."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # where Python allows no handlers
        yield
        return
    signals = _heard(_ENDING)
    before = [signal.signal(which, interrupt) for which in signals]
    try:
        yield
    finally:
        for which, handler in zip(signals, before, strict=True):
            signal.signal(which, handler)


def _heard(signals: Sequence[signal.Signals]) -> list[signal.Signals]:
    """Those of the signals that are not to be ignored, as nohup has it."""
    return [which for which in signals if signal.getsignal(which) != signal.SIG_IGN]


@dataclass
class _Report:
    """What is published, all of it checked.

    Attributes:
        out: the output folder.
        only: the parts that were named with --only, or that --model means; None: none were.
        personal: whose report it is.
        answers: the folder with the author's own words.
        exports: what else is written, of `tfviz.report.EXPORTS`.
        grows: whether report.html says that more is to come.
    """

    out: Path
    only: Sequence[str] | None
    personal: Personal
    answers: Path | None
    exports: Sequence[str] = ()
    grows: bool = False

    def publish(self, say: Callable[[str], None], **how: Any) -> Published:
        """Draw, grade and render what is stored; how: as `tfviz.report.publish.publish` has it."""
        from tfviz.report import publish

        published = publish.publish(
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
        self.grows = False
        return published

    def draw(self, part: Part) -> None:
        """Draw a part's figures, if it has some to be drawn; those that fail are said at the end."""
        from tfviz.report import publish

        store = Store(self.out)
        result = store.load(part.ID)
        if result.status == "done":
            with self._language():
                publish.draw(store, part, result, lambda _: None)

    def grow(self, pending: Mapping[str, str]) -> None:
        """Render the page as it stands while a run goes on; figures that fail are said at the end."""
        said = self.said(pending)
        try:
            self.publish(lambda _: None, pending=said, pdf=False, exports=())
        finally:
            self.grows = True

    def said(self, pending: Mapping[str, str]) -> dict[str, str]:
        """Why parts are not there yet, in the report's language."""
        with self._language():
            return {part: language.gettext(why) for part, why in pending.items()}

    def leave(self) -> None:
        """Take away a page that says that more is to come: now nothing does."""
        if self.grows:
            with suppress(OSError):
                (self.out / "report.html").unlink(missing_ok=True)

    def _language(self) -> AbstractContextManager[object]:
        return language.use(self.personal.language or language.SOURCE)


def _report(options: argparse.Namespace) -> _Report:
    """Read report.toml, the options that go before it, and the language: a bad one stops here."""
    from tfviz.report import personal

    here = Path("report.toml")
    config = options.config or (here if here.is_file() else None)
    if config is None and (like := personal.misnamed(Path())):
        raise BadFileError(f"{like} is not read: name it {here}, or name it with --config.")
    beside = (config.parent if config else Path()) / "answers"
    folder = options.answers or (beside if beside.is_dir() else None)
    if folder and not folder.is_dir():
        raise BadFileError(f"{folder} is not a folder: name the one that holds your answers with --answers.")
    names = ("title", "subtitle", "authors", "ids", "course", "date", "language", "paper", "hero")
    who = personal.load(config, **{name: getattr(options, name) for name in names})
    language.load(who.language or language.SOURCE)  # a catalogue may be there and be damaged
    only = options.only
    if only is None and options.model is not None:
        only = [part.ID for part in PARTS if takes_any_network(part)]
    return _Report(options.out.resolve(), only, who, folder, options.export)


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
    from tfviz.weights import readers

    for path in files.values():
        readers.read(path)  # most are told from this, before a framework is loaded
    for name, path in files.items():
        tfviz.load(name, weights=path)


def _own(options: argparse.Namespace) -> OwnNetwork | None:
    """What is said of the user's own network, opened before anything runs: what cannot be used stops here."""
    if options.model is None:
        return None
    from tfviz.data.labels import UnknownClassError, class_index, read_classes

    names = None if options.model_classes is None else read_classes(options.model_classes)
    own = OwnNetwork(
        printable(options.model.resolve().stem)[:60], options.model_input, options.model_head, names
    )
    backend.load()
    from tfviz.models import description
    from tfviz.models.files import open_own

    model = open_own(options.model, name=own.name, pictures=own.pictures, head=own.head, classes=own.classes)
    about = description.of(model)
    print(printable(f"Your network {own.name}: {about.summary}."))
    numbers = [str(number) for number in range(model.output_shape[-1])]
    asked: dict[str, Any] = {
        name: class_index(text, names or numbers)
        for name in ("source_class", "target_class")
        if (text := getattr(options, name)) is not None
    }
    if len(asked) == 2 and (twice := asked["source_class"]) == asked["target_class"]:
        raise UnknownClassError(_same(twice, (names or numbers)[twice]))
    return replace(own, **asked)


def _same(index: int, name: str) -> str:
    return f"--source-class and --target-class are the same, {index} ({name}): name two."


def _inputs(options: argparse.Namespace) -> Inputs:
    """The user's pictures, classes and data, checked before anything runs."""
    from tfviz.data.labels import UnknownClassError, class_index, imagenet_classes
    from tfviz.data.pictures import read_picture

    if options.pictures is not None and not options.pictures.is_dir():
        raise BadFileError(f"{options.pictures} is not a folder.")
    if options.pictures is not None:
        _check_pictures(options.pictures)
    if options.image is not None:
        read_picture(options.image, 224, 224)
    classes: dict[str, Any] = {
        name: class_index(text)
        for name in ("source_class", "target_class")
        if options.model is None and (text := getattr(options, name)) is not None
    }
    if (twice := classes.get("source_class", Inputs.source_class)) == classes.get(
        "target_class", Inputs.target_class
    ):
        raise UnknownClassError(_same(twice, imagenet_classes()[twice]))
    return Inputs(
        image=options.image,
        pictures=options.pictures,
        data_dir=_cifar10(options.data_dir, download=options.train is not None, offline=options.offline),
        train=options.train,
        **classes,
    )


def _check_pictures(folder: Path) -> None:
    """See that one file of a folder is a picture."""
    from tfviz.data.pictures import read_picture

    first = "it is empty"
    for path in sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != "."):
        try:
            read_picture(path, 224, 224)
            return
        except BadFileError as error:
            first = str(error) if first == "it is empty" else first
    raise BadFileError(f"--pictures {folder} holds no picture that can be read: {first}")


def _cifar10(data_dir: Path | None, *, download: bool, offline: bool) -> Path | None:
    """Where CIFAR-10 is; downloaded if it is needed and nowhere."""
    from tfviz.data import cifar10

    if data_dir is not None or not download:
        return cifar10.find(data_dir)
    from tfviz.experiment.progress import Reporter

    with Reporter() as reporter:
        return cifar10.fetch(offline=offline, progress=reporter.progress, say=reporter.say)


def _usual_workers(*, train: bool) -> int:
    """How many parts are computed at a time if nobody says; a training is best left to one process."""
    if train:
        return 1
    if machine.has_gpu():
        return max(1, min(machine.cores(), _ON_A_GPU, (machine.free_gpu_memory() or 0) // _OF_A_GPU))
    return min(machine.cores(), _AT_ONCE)


def _compute(
    chosen: Sequence[Part],
    options: Options,
    report: _Report,
    finished: list[str],
    workers: int,
    scheduler: str | None,
) -> None:
    """Run the parts, adding to `finished` the ids of those that are through; the report grows meanwhile."""
    from tfviz.experiment.progress import Reporter

    with ExitStack() as stack, Reporter() as reporter:
        runner = Runner(options, reporter)
        waiting = runner.waiting(chosen)
        seconds = expected(
            chosen,
            runner.store.load_all([part.ID for part in chosen]),
            quick=options.quick,
            train=options.inputs.train is not None,
        )
        pool = stack.enter_context(
            executor.workers(max(1, min(workers, len(waiting))), scheduler=scheduler if waiting else None)
        )
        if not pool.here:
            reporter.say(f"Computed on {pool.words}.")
            chosen = _in_turn(chosen, waiting, seconds)
        reporter.plan(
            {part.ID: seconds[part.ID] if part.ID in waiting else 0.0 for part in chosen}, pool.at_once
        )
        known = {part.ID: part for part in chosen}
        growing = Growing(
            report.grow,
            lambda part: report.draw(known[part]),
            {part.ID: seconds[part.ID] for part in chosen if part.ID in waiting},
            reporter.say,
            at_once=pool.at_once,
        )
        printed = (report.out / "report.pdf").exists()
        if growing.begin():
            page = (report.out / "report.html").as_uri()
            gone = (
                " (report.pdf was another rendering's and is gone; it is made anew at the end)"
                if printed
                else ""
            )
            reporter.say(f"The report can be opened now; it grows as parts finish{gone}:\n{page}")
        if waiting and pool.here:
            backend.load()

        def ended(result: PartResult) -> None:
            finished.append(result.part)
            growing.ends(result.part)

        runner.run_all(chosen, pool, ended)


def _in_turn(
    chosen: Sequence[Part], waiting: Sequence[str], seconds: Mapping[str, float | None]
) -> list[Part]:
    """For several at a time: what is kept, the longest, those that are on the page soon, the rest from the longest on.

    What takes longest would else be alone at the end; and a reader does not wait for it to see a first part.
    """

    def length(part: Part) -> float:
        known = seconds[part.ID]
        return math.inf if known is None else known

    kept = [part for part in chosen if part.ID not in waiting]
    falling = sorted((part for part in chosen if part.ID in waiting), key=length, reverse=True)
    soon = [part for part in falling[1:] if length(part) <= _SOON]
    return kept + falling[:1] + soon[::-1] + [part for part in falling[1:] if part not in soon]


def _interrupted(report: _Report, chosen: Sequence[Part], finished: Sequence[str], again: str) -> int:
    """Render what there is: the page in any case, the PDF unless all was computed or a second interrupt ends that."""
    stored = Store(report.out).load_all([part.ID for part in PARTS])
    pending = report.said({part.ID: STOPPED for part in chosen if part.ID not in stored})
    how = {"asked_for": finished, "pending": pending}
    published = None
    if stored:
        print("\nStopped: rendering what there is. Ctrl-C again leaves the PDF out.", file=sys.stderr)
        try:
            with _interrupts_noted() as noted:  # what says that the run goes on must not stay
                published = report.publish(print, **how, pdf=False, exports=())
            if not noted and len(finished) < len(chosen):
                published = report.publish(lambda _: None, **how)
        except KeyboardInterrupt:
            pass
        except (TfvizError, OSError) as error:
            print(f"{_NAME}: the report could not be rendered: {error}", file=sys.stderr)
    if published:
        _print_files(published)
    print(f"{len(finished)} of {len(chosen)} parts are done. To go on: {again}")
    return EXIT_INTERRUPTED


@contextmanager
def _interrupts_noted() -> Iterator[list[int]]:
    """Inside, Ctrl-C, SIGTERM and SIGHUP do nothing but enter a list."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    signals = _heard([signal.SIGINT, *_ENDING])
    before = [signal.signal(which, lambda number, _: noted.append(number)) for which in signals]
    try:
        yield noted
    finally:
        for which, handler in zip(signals, before, strict=True):
            signal.signal(which, handler)


def _finish(
    report: _Report, chosen: Sequence[Part] | None, *, computed: bool = True, anew: bool = False
) -> int:
    """Publish, say what came of it; returns the exit status.

    Args:
        report: what is published.
        chosen: the parts that were asked for; None: those that are stored.
        computed: whether these were computed before.
        anew: whether to draw and render also what would come out the same.
    """
    from tfviz.experiment.progress import Reporter

    with Reporter() as reporter:
        reporter.say("Rendering the report")
        if computed:
            published = report.publish(reporter.say, redraw=anew)
        else:
            published = report.publish(
                reporter.say, asked_for=[part.ID for part in chosen or ()], redraw=anew
            )
    if not published.results:
        return _stop(_nothing_in(report.out))
    asked = [part.ID for part in chosen] if chosen is not None else list(published.results)
    missing = {part: PartResult(part, "not run", reason="nothing is stored of it") for part in asked}
    published = replace(published, results=missing | dict(published.results))
    whole = all(
        published.results[part].status == "done" and not published.results[part].not_drawn for part in asked
    )
    status = EXIT_DONE if whole else EXIT_FAILED
    if published.no_pdf:
        print(printable(f"{_NAME}: {published.no_pdf}"), file=sys.stderr)
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
            print(printable(f"{part}: {broken[part].status}: {broken[part].reason}"))
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
    from rich.console import Console
    from rich.table import Table

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
    from rich import filesize

    for note in published.notes:
        print(printable(f"{_NAME}: {note}"))
    for path in published.files:
        print(f"{path.resolve().as_uri()}  ({filesize.decimal(path.stat().st_size)})")
