"""Finds submissions in folders and zips as learning platforms export them, and opens one without believing it.

Moodle gives a folder `Name_123_assignsubmission_file_` a student, or each file by itself with that before its name;
Gradescope a folder `submission_123`, Canvas a file `name_123_456_work.zip` beside the others'. In each, whatever it is
called and however deep, a folder of results is looked for: one with `results/PART.json`. Of it `results/PART.json` and
`arrays/PART.npz` are read and nothing else: nothing is executed, no link is followed, and what an archive says of
itself is checked before anything is unpacked.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Literal, cast

from tfviz.course.limits import LIMITS, Limits
from tfviz.errors import DAMAGED_ARCHIVE, BadFileError, some
from tfviz.experiment.inputs import Input
from tfviz.files.hashes import file_sha256, json_sha256
from tfviz.files.reading import open_regular
from tfviz.report.handed_in import legible

_USUAL = "reports"  # the output folder, unless --out names another
_EXPORTED = re.compile(
    r"(?:(.*)_assignsubmission_(?:file|onlinetext)|(.+?_(?:LATE_)?\d+)_\d+_).*|submission_\d+"
)
"""What Moodle, Canvas and Gradescope call what they export; the groups say whose it is, where several may be one's."""
_GRADES = {"graded", "grades.html", "grades.csv"}  # in a folder that grading wrote
_MOST_ZIPS = 6  # of one student that are looked into, to find the one with results
_ARCHIVES = (".7z", ".rar", ".tar", ".gz", ".tgz", ".xz", ".bz2")
_JUNK = re.compile(r"\..*|__MACOSX|__pycache__|node_modules|site-packages|Thumbs\.db|desktop\.ini")

Kind = Literal["zip", "file", "link"]
Node = Path | Mapping[str, "Node"] | Kind
"""A folder on the disk; a folder in an archive, by name; or what else there is."""


@dataclass(frozen=True)
class Submission:
    """What one student handed in.

    Attributes:
        name: for people; two submissions never have the same.
        path: a folder or a zip on the disk.
        inside: where in it the student's things lie, folder by folder.
        refused: one line, why it cannot be opened; "": perhaps it can.
    """

    name: str
    path: Path
    inside: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True)
class Opened:
    """A folder of results that holds regular files only.

    Attributes:
        folder: it.
        refused: why a part's files were not taken, by the part's id.
    """

    folder: Path
    refused: Mapping[str, str] = field(default_factory=dict)


class RefusedError(BadFileError):
    """A submission that is not opened: the message says why, in a sentence without the submission's name."""


def find(
    paths: Sequence[Path],
    parts: Collection[str],
    listed: Callable[[Path, tuple[str, ...]], Sequence[str]] | None = None,
    *,
    own: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> list[Submission]:
    """The submissions in folders and zips, in the order of their names within each.

    A path with results in one place is one submission, by the path's name; one with several folders or zips that hold
    some is a course, with a submission for each folder and zip in it, those without results too. A student of whom
    there are several files is one submission, where only one of them holds results.

    Args:
        paths: named by the grader.
        parts: the ids of the parts that there are.
        listed: the names in a zip, by `listing`, wherever that is called.
        own: the grader's output folder, which nobody handed in.
        say: called with a line on what is left aside.

    Raises:
        BadFileError: a path is not there.
    """
    found: list[Submission] = []
    search = _Search(parts, listed or listing, own and own.resolve(), say)
    for path in paths:
        if not path.exists():
            raise BadFileError(f"{path} does not exist: name folders or zips of submissions.")
        place = path.resolve()
        try:
            node: Node = place if place.is_dir() else _tree(search.listed(place, ()))
        except BadFileError as error:
            found.append(Submission(legible(path.name), place, refused=str(error)))
            continue
        found += search.submissions(node, place.name if place.is_dir() else place.stem, place, ())
    return _distinct(found)


def listing(path: Path, inside: tuple[str, ...] = ()) -> list[str]:
    """The names in a zip, or in a zip in it.

    Raises:
        RefusedError: it is none, is damaged, or has names that no honest tool writes.
    """
    with _archive(path) as archive:
        if not inside:
            return [entry.filename for entry in archive.infolist()]
        own = [entry for entry in archive.infolist() if _steps(entry.filename) == inside]
        with tempfile.TemporaryDirectory() as scratch:
            inner = Path(scratch) / "inner.zip"
            _unpack(archive, own, inner, LIMITS.packed, LIMITS)
            return listing(inner)


def opened(submission: Submission, scratch: Path, parts: Collection[str], limits: Limits = LIMITS) -> Opened:
    """Copy or unpack what will be read of a submission.

    Args:
        submission: it.
        scratch: an empty folder, to be filled.
        parts: the ids of the parts that there are.
        limits: on all that is looked at and read.

    Raises:
        RefusedError: no results can be found in it, or it is not what an honest tool writes.
    """
    path = _place(submission, parts, limits)
    if path.is_dir():
        return _copied(path, scratch, parts, limits)
    inside = submission.inside if submission.path.is_file() else ()
    return _unpacked(path, inside, scratch, parts, limits)


def identity(submission: Submission, parts: Collection[str], limits: Limits = LIMITS) -> str:
    """What tells a submission's content from another's: the same for the same files, whoever handed them in.

    Raises:
        RefusedError: as `opened`.
        OSError: a file cannot be read.
    """
    path = _place(submission, parts, limits)
    if path.is_file():
        inside = submission.inside if submission.path.is_file() else ()
        return json_sha256([_of_file(path, path.stat().st_mtime_ns), *inside])
    found = {}
    for files in _needed(parts).values():
        for place, name in files:
            each = path / place / name
            if each.parent.is_symlink() or each.is_symlink():
                found[f"{place}/{name}"] = "a link"
            elif each.exists():
                regular = each.is_file() and each.stat().st_size <= limits.unpacked
                found[f"{place}/{name}"] = file_sha256(each) if regular else "no file, or a large one"
    return json_sha256(found)


def to_be_read(
    submission: Submission, parts: Collection[str], limits: Limits = LIMITS
) -> tuple[Submission, Input]:
    """The same submission for another process, and what that reads of it; errors as `identity`."""
    path = _place(submission, parts, limits)
    if path.is_file():
        inside = submission.inside if submission.path.is_file() else ()
        return Submission(submission.name, path.absolute(), inside), Input(path.absolute())
    names = [f"{place}/{name}" for files in _needed(parts).values() for place, name in files]
    there = Submission(submission.name, path.absolute())
    return there, Input(there.path, tuple(names), believed=False)


@lru_cache(maxsize=64)
def _of_file(path: Path, time: int) -> str:
    """An export is read once for all the submissions in it."""
    return file_sha256(path)


def _place(submission: Submission, parts: Collection[str], limits: Limits) -> Path:
    """The folder of results, or the zip, on the disk that a submission is opened from."""
    if submission.refused:
        raise RefusedError(submission.refused)
    if submission.path.is_file():
        return submission.path
    at = _at(submission.path, submission.inside)
    if isinstance(at, str) and at != "zip":
        raise RefusedError(_WHAT[at])
    place = () if isinstance(at, str) else _chosen(at, parts, limits)
    return submission.path.joinpath(*submission.inside, *place)


_WHAT = {
    "file": "It is neither a folder nor a zip: hand in the folder with results/ and arrays/, or a zip of it.",
    "link": "It is a link, and links are not followed: hand in the folder itself.",
}


def _entries(node: Node) -> Mapping[str, Node]:
    """What is in a folder, by name, and no more of it than one more than is looked at."""
    if isinstance(node, str):
        return {}
    if not isinstance(node, Path):
        return {name: each for name, each in node.items() if not _JUNK.fullmatch(name)}
    found: dict[str, Node] = {}
    try:
        with os.scandir(node) as entries:
            for entry in entries:
                if len(found) > LIMITS.entries:
                    break
                if not _JUNK.fullmatch(entry.name):
                    found[entry.name] = _kind(entry)
    except OSError:
        return {}
    return dict(sorted(found.items()))


def _kind(entry: os.DirEntry[str]) -> Node:
    if entry.is_dir(follow_symlinks=False):
        return Path(entry.path)
    if not entry.is_file(follow_symlinks=False):
        return "link"
    return "zip" if entry.name.lower().endswith(".zip") else "file"


def _is_folder(node: Node | None) -> bool:
    return node is not None and not isinstance(node, str)


def _is_results(node: Node, parts: Collection[str]) -> bool:
    results = _entries(node).get("results")
    return results is not None and any(f"{part}.json" in _entries(results) for part in parts)


@dataclass(frozen=True)
class _Search:
    """Looks for submissions; the fields are what `find` is given."""

    parts: Collection[str]
    listed: Callable[[Path, tuple[str, ...]], Sequence[str]]
    own: Path | None
    say: Callable[[str], None]

    def submissions(self, node: Node, name: str, path: Path, inside: tuple[str, ...]) -> Iterator[Submission]:
        """Those in a folder or zip, which itself may be the only one."""
        entries = {
            each: kind for each, kind in _entries(node).items() if self.own is None or kind != self.own
        }
        if earlier := [each for each, kind in entries.items() if _entries(kind).keys() >= _GRADES]:
            self.say(f"{legible(name)}: left aside, what grading wrote: {_some(earlier)}.")
            entries = {each: kind for each, kind in entries.items() if each not in earlier}
        if len(inside) >= LIMITS.depth or _is_results(node, self.parts):
            yield Submission(legible(name), path, inside)
            return
        handed_in = {
            each: kind
            for each, kind in entries.items()
            if _is_folder(kind) or kind == "zip" or each.lower().endswith(_ARCHIVES) or kind == "link"
        }
        holding = [each for each, kind in handed_in.items() if _may_hold(kind, self.parts)]
        students: dict[str, list[str]] = {}
        exported = False
        for each in entries:
            match = _EXPORTED.fullmatch(each)
            exported |= match is not None
            if match or each in handed_in:
                students.setdefault((match and (match[1] or match[2])) or each, []).append(each)
        whole = _USUAL in handed_in and _is_results(entries[_USUAL], self.parts)
        if (exported or len(holding) > 1) and not whole:
            for theirs in students.values():
                for each in self._of_one(entries, theirs, path, inside):
                    yield self._one(
                        entries[each],
                        each if _is_folder(entries[each]) else Path(each).stem,
                        path,
                        (*inside, each),
                    )
            taken = [each for theirs in students.values() for each in theirs]
            if left := [each for each in entries if each not in taken]:
                self.say(f"{legible(name)}: left aside, neither a folder nor a zip: {_some(left)}.")
        elif len(holding) == 1 and _is_folder(entries[holding[0]]) and not whole:
            if left := [each for each in handed_in if each not in holding]:
                self.say(
                    f"{legible(name)}: taken for one submission, since only {legible(holding[0])} in it holds results; "
                    f"left aside: {_some(left)}. If they are several students', name each by itself."
                )
            yield from self.submissions(entries[holding[0]], name, path, (*inside, holding[0]))
        else:
            yield self._one(node, name, path, inside)

    def _of_one(
        self, entries: Mapping[str, Node], theirs: Sequence[str], path: Path, inside: tuple[str, ...]
    ) -> Sequence[str]:
        """Which of one student's files hold results; where none does, one that says why not."""
        if len(theirs) == 1:
            return theirs
        few = sum(entries[each] == "zip" for each in theirs) <= _MOST_ZIPS
        holding = [each for each in theirs if few and self._holds(entries[each], path, (*inside, each))]
        return holding or sorted(theirs, key=lambda each: (entries[each] == "file", each))[:1]

    def _one(self, node: Node, name: str, path: Path, inside: tuple[str, ...]) -> Submission:
        """One student's; of several zips in a folder the one with results."""
        zips = self._zips(node)
        if 1 < len(zips) <= _MOST_ZIPS:
            holding = [each for each in zips if self._holds("zip", path, (*inside, *each))]
            if len(holding) == 1:
                return Submission(legible(name), path, (*inside, *holding[0]))
            if not holding:
                names = _some(["/".join(each) for each in zips])
                return Submission(
                    legible(name), path, inside, f"None of its zips holds results of this program: {names}."
                )
        return Submission(legible(name), path, inside)

    def _zips(self, node: Node) -> Sequence[tuple[str, ...]]:
        """Where in a folder without a folder of results the zips lie."""
        try:
            places = _places(node, self.parts, LIMITS)
        except RefusedError:
            return ()
        return () if places and _is_results(_at(node, places[0]), self.parts) else places

    def _holds(self, node: Node, path: Path, inside: tuple[str, ...]) -> bool:
        """Whether there are results in a folder or zip; the zip is looked into."""
        try:
            if node != "zip":
                return bool(_places(node, self.parts, LIMITS))
            zipped = (path, inside) if path.is_file() else (path.joinpath(*inside), ())
            return bool(_places(_tree(self.listed(*zipped)), self.parts, LIMITS))
        except RefusedError:
            return False


def _at(node: Node, place: Sequence[str]) -> Node:
    """What lies at a place in a folder; "file": nothing does."""
    for name in place:
        node = _entries(node).get(name, "file")
    return node


def _some(names: Sequence[str]) -> str:
    return some([legible(each) for each in names], 4)


def _may_hold(node: Node, parts: Collection[str]) -> bool:
    """Whether there are results in a folder or zip, as far as that is told from outside."""
    try:
        return node == "zip" or bool(_places(node, parts, LIMITS))
    except RefusedError:  # it holds more than is looked at, and is refused when it is opened
        return True


def _places(node: Node, parts: Collection[str], limits: Limits) -> list[tuple[str, ...]]:
    """Where the folders of results are that lie least deep, else the zips that do."""
    level: list[tuple[tuple[str, ...], Node]] = [((), node)]
    zips: list[tuple[str, ...]] = []
    seen = 0
    for _ in range(limits.depth + 1):
        if found := [place for place, each in level if _is_results(each, parts)]:
            return found
        below = []
        for place, each in level:
            for name, kind in _entries(each).items():
                seen += 1
                if _is_folder(kind):
                    below.append(((*place, name), kind))
                elif kind == "zip":
                    zips.append((*place, name))
            if seen > limits.entries:
                raise RefusedError(f"It holds more than {limits.entries:,} files and folders.")
        level = below
    return [place for place in zips if len(place) == min(map(len, zips))]


def _chosen(node: Node, parts: Collection[str], limits: Limits) -> tuple[str, ...]:
    """Where in a student's things the one folder of results is, or the one zip."""
    places = _places(node, parts, limits)
    usual = [place for place in places if place and place[-1] == _USUAL]
    if len(places) > 1 and len(usual) != 1:
        names = _some(["/".join(place) for place in places])
        what = "sets of results" if _is_results(_at(node, places[0]), parts) else "zips"
        raise RefusedError(f"It holds {len(places)} {what} ({names}): hand in one.")
    if not places:
        raise RefusedError(
            f"It holds no results of this program: no folder with results/ and arrays/ in it, {_instead(node)}."
        )
    return (usual or places)[0]


def _instead(node: Node) -> str:
    """What is there in place of results."""
    names: list[str] = []
    level = [("", node)]
    for _ in range(LIMITS.depth):
        below = []
        for place, each in level:
            for name, kind in _entries(each).items():
                if _is_folder(kind):
                    below.append((f"{place}{name}/", kind))
                else:
                    names.append(f"{place}{name}" + " (a link, which is not followed)" * (kind == "link"))
        level = below
        if len(names) > 4:
            break
    unread = any(name.lower().endswith(_ARCHIVES) for name in names)
    more = " (of archives zips alone are opened: hand in a zip)" * unread
    return f"only {_some(names)}{more}" if names else "nothing at all"


def _distinct(found: Sequence[Submission]) -> list[Submission]:
    """Each with a name of its own."""
    names: set[str] = set()
    distinct = []
    for each in found:
        name, count = each.name, 1
        while name in names:
            count += 1
            name = f"{each.name} ({count})"
        names.add(name)
        distinct.append(Submission(name, each.path, each.inside, each.refused))
    return distinct


def _needed(parts: Collection[str]) -> dict[str, tuple[tuple[str, str], tuple[str, str]]]:
    """The files of a folder of results that are read, by part."""
    return {part: (("results", f"{part}.json"), ("arrays", f"{part}.npz")) for part in parts}


def _copied(folder: Path, scratch: Path, parts: Collection[str], limits: Limits) -> Opened:
    """Copy what is read of a folder; links on the way are refused, not followed."""
    refused = {}
    left = limits.unpacked
    for part, files in _needed(parts).items():
        for place, name in files:
            path = folder / place / name
            try:
                if any(stat.S_ISLNK(each.lstat().st_mode) for each in (path.parent, path)):
                    raise RefusedError("it is a link, and links are not followed")
                with open_regular(path, left) as source:
                    left -= _written(source, scratch / place / name, left)
            except FileNotFoundError:
                break  # arrays without a result are nobody's
            except (OSError, RefusedError) as error:
                refused[part] = f"{place}/{name} was not read: {_said(error)}."
    return Opened(scratch, refused)


def _said(error: Exception) -> str:
    return str((isinstance(error, OSError) and error.strerror) or error)


def _written(source: IO[bytes], path: Path, largest: int) -> int:
    """Write a file from another, and how many bytes it has.

    Raises:
        RefusedError: there are more than `largest`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with path.open("xb") as target:
        while content := source.read(1 << 20):
            written += len(content)
            if written > largest:
                target.truncate(0)
                raise RefusedError(f"unpacked, it has more than {largest:,} bytes")
            target.write(content)
    return written


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip, looked over; nothing of it is unpacked.

    Raises:
        RefusedError: it is none, is damaged, or has names that no honest tool writes.
    """
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(open_regular(path))))
        except OSError as error:
            raise RefusedError(f"It cannot be read ({error.strerror or error}).") from error
        except Exception as error:  # zipfile has many for headers that were made up
            raise RefusedError(f"It is not a zip, or is damaged ({legible(str(error))}).") from error
        for name in archive.namelist():
            if bad := _bad(name):
                raise RefusedError(f"The zip has a file {legible(name)!a}, {bad}: it was not opened.")
        yield archive


def _bad(name: str) -> str:
    if "\0" in name or not name:
        return "whose name is none"
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name):
        return "whose name begins at the root of a disk"
    return "whose name leads out of it" if ".." in _steps(name) else ""


def _steps(name: str) -> tuple[str, ...]:
    return tuple(step for step in name.replace("\\", "/").split("/") if step not in ("", "."))


def _tree(names: Sequence[str]) -> Mapping[str, Node]:
    """A zip's names as folders in each other."""
    tree: dict[str, Node] = {}
    for name in names:
        steps = _steps(name)
        at = tree
        for step in steps[:-1]:
            below = at.setdefault(step, {})
            if isinstance(below, str):  # a file and a folder of one name
                below = at[step] = {}
            at = cast(dict[str, Node], below)
        if steps:
            kind: Kind = "zip" if steps[-1].lower().endswith(".zip") else "file"
            at.setdefault(steps[-1], {} if name.endswith(("/", "\\")) else kind)
    return tree


def _unpacked(
    path: Path,
    inside: tuple[str, ...],
    scratch: Path,
    parts: Collection[str],
    limits: Limits,
    deeper: int | None = None,
) -> Opened:
    """Unpack what is read of a zip, or of a zip in it: so many deeper, one more where it is a course's."""
    deeper = 1 + bool(inside) if deeper is None else deeper
    if not inside and path.stat().st_size > limits.packed:
        raise RefusedError(f"It has more than {limits.packed // 1_000_000} MB.")
    with _archive(path) as archive:
        below = [entry for entry in archive.infolist() if _steps(entry.filename)[: len(inside)] == inside]
        if len(below) > limits.entries:
            raise RefusedError(f"It holds more than {limits.entries:,} files and folders.")
        if sum(entry.file_size for entry in below) > limits.unpacked:
            raise RefusedError(f"Unpacked, it would have more than {limits.unpacked // 1_000_000} MB.")
        at = _at(_tree([entry.filename for entry in below]), inside)
        if at == "file":
            raise RefusedError(_WHAT["file"])
        place = inside if at == "zip" else (*inside, *_chosen(at, parts, limits))
        named: dict[tuple[str, ...], list[zipfile.ZipInfo]] = {}
        for entry in below:
            named.setdefault(tuple(step.casefold() for step in _steps(entry.filename)), []).append(entry)
        own = named.get(tuple(step.casefold() for step in place), [])
        if place and place[-1].lower().endswith(".zip") and own and not own[0].is_dir():
            if not deeper:
                raise RefusedError("It is a zip in a zip in a zip: hand in one zip.")
            inner = scratch / f"inner{deeper}.zip"
            try:
                _unpack(archive, own, inner, limits.packed, limits)
            except (OSError, RefusedError) as error:
                raise RefusedError(f"The zip in it was not opened: {_said(error)}.") from error
            opened = _unpacked(inner, (), scratch, parts, limits, deeper - 1)
            inner.unlink()
            return opened
        refused = {}
        left = limits.unpacked
        for part, files in _needed(parts).items():
            for folder, name in files:
                entries = named.get(tuple(step.casefold() for step in (*place, folder, name)), [])
                try:
                    left -= _unpack(archive, entries, scratch / folder / name, left, limits) if entries else 0
                except (OSError, RefusedError) as error:
                    refused[part] = f"{folder}/{name} was not read: {_said(error)}."
        return Opened(scratch, refused)


def _unpack(
    archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], path: Path, largest: int, limits: Limits
) -> int:
    """Unpack one file, and how many bytes it has.

    Raises:
        RefusedError: there are several of that name, it is no regular file, cannot be unpacked, or is too large.
    """
    if len(entries) > 1:
        raise RefusedError("the zip has it twice (capital letters are no difference)")
    entry = entries[0]
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        what = "a link, and links are not followed" if kind == stat.S_IFLNK else "no regular file"
        raise RefusedError(f"it is {what}")
    if entry.flag_bits & 1:
        raise RefusedError("it is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusedError("it is packed in a way that zips usually are not: make the zip anew")
    if entry.file_size > largest:
        raise RefusedError(f"unpacked, it has {entry.file_size:,} bytes, more than are read")
    if entry.file_size > 1_000_000 + limits.ratio * entry.compress_size:
        raise RefusedError(f"{entry.compress_size:,} bytes would become {entry.file_size:,}")
    try:
        with archive.open(entry) as source:
            return _written(source, path, min(largest, entry.file_size))
    except (*DAMAGED_ARCHIVE, RuntimeError) as error:
        path.unlink(missing_ok=True)
        raise RefusedError(f"it is damaged ({legible(str(error))})") from error
