"""``tfviz grade``: submissions in, a table on the screen and the course's files out."""

from __future__ import annotations

import argparse
import math
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfviz import backend
from tfviz.course import running
from tfviz.course.apart import StoppedError, apart
from tfviz.course.limits import LIMITS
from tfviz.course.measuring import USERS
from tfviz.course.rows import LATE, MEASURED, Graded, Row, called
from tfviz.course.submissions import RefusedError, Submission, find, listing
from tfviz.errors import BadFileError, WeightsUnavailableError
from tfviz.experiment.context import is_own
from tfviz.experiment.lab import LACKS, Lab
from tfviz.experiment.options import add_weights, add_workers
from tfviz.files.atomic import write_json
from tfviz.files.reading import read_json
from tfviz.parts import PARTS
from tfviz.weights import fetch
from tfviz.weights.catalog import CATALOG

_LINES = 6  # of a submission; the rest is in grades.csv


@dataclass(frozen=True)
class Asked:
    """What was asked for, checked.

    Attributes:
        paths: of submissions.
        out: the output folder, in which nobody else works.
        rubric: a file; None: the usual one.
        files: weights by hand, by network.
        data_dir: where CIFAR-10 is, if anywhere.
        offline: whether nothing is downloaded.
        workers: how many submissions are measured at a time; None: as many as there are cores.
        seed: of what is drawn while grading; None: one that is drawn for the output folder and kept in it, so that
            nobody can make a picture beforehand that passes the samples.
        scheduler: the address of a Dask scheduler whose workers measure; None: this machine does.
    """

    paths: Sequence[Path]
    out: Path
    rubric: Path | None = None
    files: Mapping[str, Path] | None = None
    data_dir: Path | None = None
    offline: bool = False
    workers: int | None = None
    seed: int | None = None
    scheduler: str | None = None


def parser(name: str) -> argparse.ArgumentParser:
    """The options of ``tfviz grade``."""
    parser = argparse.ArgumentParser(
        prog=f"{name} grade",
        description="Measure again what was handed in: which numbers the submitted pictures bear out, and points by a "
        "rubric. Nothing of a submission is executed.",
        epilog="Exit status: 0 all were graded, whatever came out; 1 some could not be opened or measured at all; "
        "2 wrong usage or unusable input; 130 interrupted: the same command goes on.",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="a folder or zip of results, or one with a folder or zip a student in it, as Moodle, Canvas and "
        "Gradescope export them",
    )
    parser.add_argument(
        "--rubric", type=Path, metavar="FILE", help="points for parts and numbers (default: 100 for all)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("grades"), metavar="DIR", help="output folder (default: grades)"
    )
    add_weights(parser)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="folder with CIFAR-10")
    add_workers(
        parser,
        "submissions measured at a time, each on one core (default: all cores)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="of what is measured again by samples (default: drawn once for an output folder, and kept in it)",
    )
    parser.add_argument(
        "--gradescope",
        type=Path,
        metavar="DIR",
        help="write an autograder for Gradescope into a folder; PATH is not needed for it",
    )
    return parser


def lab(asked: Asked, say: Callable[[str], None]) -> Lab:
    """The grader's networks: the published ones that can be had, and those by hand."""
    files: dict[str, Path] = {}
    for name in sorted({name for part in PARTS for name in part.NETWORKS} - (asked.files or {}).keys()):
        try:
            files[name] = fetch.fetch(name, offline=asked.offline, say=say).path.absolute()
        except (WeightsUnavailableError, BadFileError):
            say(f"Without {name}: what was measured with it cannot be measured again.")
    for name, path in (asked.files or {}).items():
        found = fetch.find(name, {name: path})
        if found is not None:
            label = name if found.published or _holds_published(name, path) else f"{name}{USERS}"
            files[label] = path.absolute()
    seed = _kept_seed(asked.out) if asked.seed is None else asked.seed
    data_dir = asked.data_dir and asked.data_dir.absolute()
    return Lab(files, seed, data_dir, asked.out.resolve() / running.FOLDER / "lab")


def _kept_seed(out: Path) -> int:
    """The seed of an output folder, drawn where there is none; one that is damaged is drawn anew."""
    path = out / running.FOLDER / "seed.json"
    try:
        if isinstance(kept := read_json(path), int):
            return kept
    except (BadFileError, OSError):
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, drawn := secrets.randbelow(2**32))
    return drawn


def _holds_published(name: str, path: Path) -> bool:
    if not CATALOG[name].variables_sha256:
        return False
    backend.load()
    from tfviz.models.loading import holds_published

    return holds_published(name, path)


def measured(asked: Asked, say: Callable[[str], None]) -> list[Graded]:
    """Every submission, measured again; without points.

    Raises:
        BadFileError: a path does not exist, or nothing was handed in there.
    """
    submissions = find(asked.paths, [part.ID for part in PARTS], _listed, own=asked.out, say=say)
    if not submissions:
        raise BadFileError("Nothing was found to grade: name folders or zips of submissions.")
    _first(submissions, say)
    count = len(submissions)
    return running.grade(
        submissions,
        asked.out,
        lab(asked, say),
        workers=asked.workers,
        scheduler=asked.scheduler,
        say=lambda graded, done: say(f"[{done} of {count}] {graded.submission}: {_in_short(graded)}"),
    )


def _first(submissions: Sequence[Submission], say: Callable[[str], None]) -> None:
    say(
        f"{len(submissions)} submission{'s' * (len(submissions) != 1)}, each measured in a process of its own"
    )


def _listed(path: Path, inside: tuple[str, ...]) -> list[str]:
    try:
        names: list[str] = apart(listing, path, inside, limits=LIMITS)
    except StoppedError as error:
        raise RefusedError(str(error)) from error
    return names


def _in_short(graded: Graded) -> str:
    if graded.refused:
        return f"not graded: {graded.refused}"
    counts = Counter(row.verdict for row in graded.rows)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in MEASURED if counts[verdict])


def show(graded: Sequence[Graded], console: Console, *, points: bool = True) -> None:
    """The table: a line a submission; below it a line for what is not borne out, and for what was not graded."""
    table = Table(title="Grades", title_justify="left")
    table.add_column("submission")
    for heading in (*["points", "of these unchecked"] * points, *MEASURED, "pass", "fail"):
        table.add_column(heading, justify="right")
    for each in graded:
        verdicts = Counter(row.verdict for row in each.rows)
        statuses = Counter(row.status for row in each.rows)
        table.add_row(
            Text(each.submission),
            *[f"{round(each.points, 2):g} of {each.out_of:g}", f"{round(each.unchecked, 2):g}"] * points,
            *(str(verdicts[verdict]) for verdict in MEASURED),
            str(statuses["pass"]),
            str(statuses["fail"]),
        )
    console.print("\n", table, sep="")
    for each in graded:
        said = lines(each)
        for line in said[:_LINES]:
            _print(console, line)
        if len(said) > _LINES:
            _print(console, f"{each.submission}: {len(said) - _LINES} more in grades.csv")


def lines(graded: Graded) -> list[str]:
    """A line for each number that is not borne out, one for those of a part with one reason; and one if it is late."""
    if graded.refused:
        return [f"{graded.submission}: not graded: {graded.refused}"]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in graded.rows:
        if row.theirs:
            groups.setdefault((row.part, row.reason), []).append(row)
    return [
        *(f"{graded.submission}: {note}" for note in graded.notes if note.startswith(LATE)),
        *(
            f"{graded.submission}: {part}: {called(rows)}: {rows[0].verdict}: {reason}"
            for (part, reason), rows in groups.items()
        ),
    ]


def lacking(graded: Sequence[Graded]) -> list[str]:
    """A line for each network without whose weights points were given that nobody checked."""
    found: dict[str, list[tuple[str, float]]] = {}
    for each in graded:
        for row in each.rows:
            if row.points and row.network and row.reason.startswith(LACKS):
                found.setdefault(row.network, []).append((each.submission, row.points))
    return [
        f"{network}: {round(math.fsum(points for _, points in rows), 2):g} points of "
        f"{_some(list(dict.fromkeys(name for name, _ in rows)))} are unchecked, "
        + (
            "since only the student has its weights"
            if is_own(network)
            else f"since you have no weights of it: --weights {network.partition(' ')[0]}=FILE"
        )
        for network, rows in found.items()
    ]


def _some(names: Sequence[str]) -> str:
    return (
        names[0]
        if len(names) == 1
        else f"{len(names)} submissions ({', '.join(names[:3])}{', ...' * (len(names) > 3)})"
    )


def grade(asked: Asked) -> bool:
    """Measure, give points, show and write all that a course needs; whether every submission was graded.

    Raises:
        BadFileError: of the rubric, before anything is measured; of the paths.
    """
    from tfviz.course import page, rubric, sheets, twins

    points = rubric.load(asked.rubric)
    console = Console()
    if not console.is_terminal:
        console.width = 150
    graded = [points.apply(each) for each in measured(asked, lambda line: _print(console, line))]
    alike = twins.find(graded)
    show(graded, console)
    for line in lacking(graded):
        _print(console, line)
    for each in alike:
        if each.certain:
            _print(console, each.line)
    written = [
        page.write(graded, points, alike, asked.out),
        *sheets.write(graded, points, alike, asked.out),
    ]
    for path in written:
        if path.parent == asked.out:
            _print(console, path.resolve().as_uri())
    return not any(each.refused for each in graded)


def write_autograder(folder: Path, points: Path | None) -> None:
    """Write an autograder for Gradescope by a rubric, and say so."""
    from tfviz.course import gradescope

    for path in gradescope.write(folder, points):
        print(f"written: {path}")


def _print(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=True)
