"""Which submissions hold the same arrays, or arrays that are another's encoded anew; and what that says.

The program computes the same from the same seed and settings: two honest students who changed neither hold the same
arrays, to the bit on the same kind of machine, and nearly the same or, where an ascent is chaotic, quite other ones on
another. So equal arrays alone are no sign of copying. What no honest run gives is called *certain* here:

- one run in two submissions: a part with the same start, duration and peak memory;
- the pictures of another seed, in a part whose pictures change with it (as the course's other submissions show, of
  those with equal settings, networks and inputs): equal, or encoded anew;
- another's pictures mirrored, whatever their seeds.

Everything else that is alike is named too, as *to be expected* or not to be told, for the assistant to look at. A copy
of which the times were altered, with the usual seed, is among the latter: nothing tells it from an honest run.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from tfviz.course.rows import Graded
from tfviz.experiment.store import PartResult
from tfviz.files.hashes import json_sha256
from tfviz.report.handed_in import legible

if TYPE_CHECKING:
    import numpy as np

ALIKE = 0.97
"""Correlation of two signatures from which pictures are one another, encoded anew: JPEG at quality 75, a brightness
changed by a tenth or a shift by a pixel leave 0.97 and more of smooth pictures, and of most others."""
_FAR = 6.0  # standard deviations beyond what pictures of different seeds have in common
_LEAST = 0.25  # the standard deviation where a course is too small to tell: that of 19 independent blocks
_TELLING = 0.9985  # pictures that differ by less from seed to seed tell nothing
_LOPSIDED = 0.8  # correlation with its mirror image, of a picture that is not much the same mirrored


@dataclass(frozen=True)
class Twins:
    """Submissions that hold the same.

    Attributes:
        submissions: their names, two or more.
        parts: of which they hold the same, by id.
        certain: whether no two honest runs give that.
        what: one line, without the names.
    """

    submissions: tuple[str, ...]
    parts: tuple[str, ...]
    certain: bool
    what: str

    @property
    def line(self) -> str:
        """One line for the assistant."""
        return f"{listed(self.submissions)}: {listed(self.parts)}: {self.what}"


def run_of(result: PartResult, inputs: Sequence[str] = ()) -> dict[str, Any]:
    """What a result says of the run that it is from, as far as it can be compared; of a file that nobody believes.

    Args:
        result: it.
        inputs: the names of the user's inputs that the part uses.
    """
    told = result.provenance
    seed = told.get("seed")
    return {
        "started": legible(str(told.get("started", "")))[:40],
        "seconds": _number(told.get("seconds")),
        "memory": _number(told.get("peak_memory_mb")),
        "seed": seed if isinstance(seed, int) and abs(seed) < 1 << 63 else None,
        "settings": _recipe(result, inputs),
        "machine": json_sha256([told.get(key) for key in ("devices", "versions", "backend")])[:16],
    }


def _recipe(result: PartResult, inputs: Sequence[str]) -> str | None:
    """What decides a part's arrays beside the seed; None: something of the student's own, or that all are given."""
    facts = result.facts
    shown = facts.get("pictures")
    given = shown if isinstance(shown, list) else []
    if (
        "train" in inputs  # a recorded training is the same for every seed
        or ("image" in inputs and facts.get("drawn") is not True)
        or (
            "pictures" in inputs and not all(isinstance(each, dict) and each.get("package") for each in given)
        )
    ):
        return None
    networks = sorted({str(number.network) for number in result.numbers.values()})
    source = str(facts.get("source")) if "data_dir" in inputs else ""
    return json_sha256([dict(result.settings), networks, source])[:16]


def find(graded: Sequence[Graded]) -> list[Twins]:
    """What submissions hold in common, certain signs first."""
    graded = [each for each in graded if each.runs or each.hashes]
    parts = list(dict.fromkeys(name.split("/")[0] for each in graded for name in (*each.runs, *each.hashes)))
    found: dict[tuple[tuple[str, ...], bool, str], list[str]] = defaultdict(list)
    for part in parts:
        for same in _of_part([_Handed(each, part) for each in graded if part in each.runs]):
            found[same].append(part)
    merged: dict[tuple[bool, str, tuple[str, ...]], list[set[str]]] = defaultdict(list)
    for (names, certain, what), of in found.items():
        groups = merged[certain, what, tuple(of)]
        # A run that was copied under another seed is everybody's who has it: one line, not one a pair.
        one = set(names).union(*(each for each in groups if certain and each & set(names)))
        groups[:] = [*(each for each in groups if not each <= one), one]
    order = {each.submission: place for place, each in enumerate(graded)}
    twins = [
        Twins(tuple(sorted(names, key=order.__getitem__)), of, certain, what)
        for (certain, what, of), groups in merged.items()
        for names in groups
    ]
    return sorted(twins, key=lambda each: (not each.certain, -len(each.parts)))


class _Handed:
    """One part of one submission."""

    def __init__(self, graded: Graded, part: str) -> None:
        own = f"{part}/"
        self.name = graded.submission
        self.run = graded.runs[part]
        self.seed = self.run.get("seed")
        self.recipe = self.run.get("settings")
        self.hashes = {name: value for name, value in graded.hashes.items() if name.startswith(own)}
        self.signatures = {
            name: values
            for name, values in graded.signatures.items()
            if name.startswith(own)
            and len(values) == 64
            and all(abs(value) <= 1 for value in values)
            and any(values)
        }

    def differs(self, other: _Handed) -> bool:
        """Whether nothing but the seed is said to differ."""
        seeds = (self.seed, other.seed)
        return None not in (*seeds, self.recipe) and seeds[0] != seeds[1] and self.recipe == other.recipe

    @property
    def times(self) -> tuple[Any, ...] | None:
        """What no two runs have in common; None: it does not say."""
        times = tuple(self.run.get(name) for name in ("started", "seconds", "memory"))
        return times if all(times) else None


def _of_part(handed: Sequence[_Handed]) -> Iterator[tuple[tuple[str, ...], bool, str]]:
    """Names, whether it is certain, and what, of each set of submissions that hold the same of one part."""
    seen: set[tuple[str, ...]] = set()
    for group in _grouped(handed, [each.times for each in handed]):
        seen |= set(combinations(_names(group), 2))
        yield (
            _names(group),
            True,
            "one run, with the same start, duration and peak memory, was handed in by all",
        )
    likeness = _Likeness(handed)
    recipes = _grouped(handed, [each.recipe for each in handed])
    arrays = (found for group in recipes for found in _strange_arrays(group))
    for names, what in (*likeness.strange(), *arrays):
        if names not in seen:
            seen.add(names)
            yield names, True, what
    for names, what in likeness.usual():
        if not set(combinations(names, 2)) <= seen:
            yield names, False, what


def _strange_arrays(handed: Sequence[_Handed]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Pairs of one recipe with equal arrays without pictures, though these hang on the seed, as equal machines show."""
    pairs = [
        (first, second) for first, second in combinations(handed, 2) if first.hashes and first.differs(second)
    ]
    equal = [first.hashes == second.hashes for first, second in pairs]
    comparable = [
        same
        for same, (first, second) in zip(equal, pairs, strict=True)
        if first.run.get("machine") == second.run.get("machine")
    ]
    if (
        any(each.signatures for each in handed)
        or len(comparable) < 3
        or 2 * sum(comparable) >= len(comparable)
    ):
        return
    for same, pair in zip(equal, pairs, strict=True):
        if same:
            yield (
                _names(pair),
                "the same arrays to the bit, though the seeds are said to differ, and others' arrays do",
            )


class _Likeness:
    """How alike the pictures of one part are, of every two submissions; matrices are (pictures, n, n).

    NaN stands where one of two lacks the picture; nothing is alike, or unlike, to that.
    """

    def __init__(self, handed: Sequence[_Handed]) -> None:
        import numpy as np

        self._handed = handed
        names = list(dict.fromkeys(name for each in handed for name in each.signatures))
        blocks = np.full((len(names), len(handed), 64), np.nan)
        for place, name in enumerate(names):
            for index, each in enumerate(handed):
                blocks[place, index] = each.signatures.get(name, np.nan)
        mirrored = blocks.reshape(len(names), len(handed), 8, 8)[..., ::-1].reshape(blocks.shape)
        self._plain = np.einsum("mif,mjf->mij", blocks, blocks)
        self._mirrored = np.einsum("mif,mjf->mij", blocks, mirrored)
        # Signatures of 64 equal numbers are zeros: see `tfviz.course.measuring.signature`.
        self._there = np.isfinite(self._plain)

    def strange(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Pairs that hold what no two honest runs do."""
        import numpy as np

        for which, of, what in (
            (*self._turned(), "mirrored in the other"),
            *(
                (
                    *alike,
                    "one another, equal or encoded anew, though the seeds are said to differ, and others' do",
                )
                for alike in self._copied()
            ),
        ):
            there, most = which.sum(axis=0), of.sum(axis=0)
            # One picture may be drawn twice from a small store (a ship of a thousand), half a part may not.
            for first, second in zip(*np.nonzero(np.triu((there > 0) & (2 * there >= most), 1)), strict=True):
                yield (
                    _names((self._handed[first], self._handed[second])),
                    f"{there[first, second]} of {most[first, second]} telling pictures are {what}",
                )

    def _turned(self) -> tuple[np.ndarray, np.ndarray]:
        """Which pictures of which pairs are mirrored, and of which that could be told."""
        import numpy as np

        own = np.diagonal(
            self._mirrored, axis1=1, axis2=2
        )  # of a picture with its mirror image (pictures, n)
        lopsided = (own < _LOPSIDED)[:, :, None] & (own < _LOPSIDED)[:, None, :] & self._there
        bounds = _bounds(self._mirrored, ~np.eye(len(self._handed), dtype=bool), 1, 0.5)
        return lopsided & (self._plain < _LOPSIDED) & (self._mirrored >= bounds), lopsided

    def _copied(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same for pictures that are alike though they change with the seed, of each recipe by itself."""
        import numpy as np

        count = len(self._handed)
        different = np.array([[a.differs(b) for b in self._handed] for a in self._handed], bool)
        for recipe in dict.fromkeys(each.recipe for each in self._handed):
            among = different.reshape(count, count) & np.array(
                [[each.recipe == recipe] for each in self._handed]
            )
            bounds = _bounds(self._plain, among, 3)
            telling = self._there & among & (bounds < _TELLING)
            yield telling & (self._plain >= bounds), telling

    def usual(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Sets that hold the same, as honest runs may."""
        import numpy as np

        equal = list(
            _grouped(self._handed, [tuple(sorted(each.hashes.items())) or None for each in self._handed])
        )
        for group in equal:
            recipes = {(each.seed, each.recipe) for each in group}
            yield (
                _names(group),
                "the same arrays to the bit, as equal seeds and settings give"
                if len(recipes) == 1
                else "the same arrays to the bit, though seeds or settings differ: not every part hangs on them",
            )
        alike = self._there & (self._plain >= ALIKE)
        near = 2 * alike.sum(axis=0) >= np.maximum(self._there.sum(axis=0), 1)
        left = list(range(len(self._handed)))
        while left:
            like = [place for place in left if place == left[0] or near[left[0], place]]
            left = [place for place in left if place not in like]
            names = _names(self._handed[place] for place in like)
            if len(names) > 1 and not any(set(names) <= set(_names(each)) for each in equal):
                yield (
                    names,
                    "much the same pictures, not to the bit: as another kind of machine gives, or encoded anew",
                )


def _bounds(values: np.ndarray, among: np.ndarray, least: int, common: float = math.inf) -> np.ndarray:
    """The correlation from which two pictures are one, (pictures, 1, 1); infinite where that cannot be told.

    Fisher's z of correlations that chance gives is normal (R. A. Fisher, "On the probable error of a coefficient of
    correlation deduced from a small sample", 1921). Its centre is what the pictures have in common anyway; centre and
    spread are estimated by medians, which a few copies do not move.

    Args:
        values: correlations (pictures, n, n).
        among: the pairs (n, n) that chance made.
        least: pairs that are needed.
        common: the most that pictures can have in common anyway, as z.
    """
    import numpy as np

    bounds = np.full((len(values), 1, 1), np.inf)
    among = np.triu(among, 1)
    for place, each in enumerate(values):
        here = each[among]
        z = np.arctanh(np.clip(here[np.isfinite(here)], -0.99999, 0.99999))
        if len(z) >= least:
            centre = float(np.median(z))
            spread = max(_LEAST, 1.4826 * float(np.median(np.abs(z - centre))))
            bounds[place] = max(ALIKE, math.tanh(min(centre, common) + _FAR * spread))
    return bounds


def _grouped(handed: Sequence[_Handed], keys: Sequence[object]) -> Iterator[list[_Handed]]:
    """Those with the same key, two or more; None is no key."""
    groups: dict[object, list[_Handed]] = defaultdict(list)
    for each, key in zip(handed, keys, strict=True):
        if key is not None:
            groups[key].append(each)
    yield from (group for group in groups.values() if len(group) > 1)


def _names(group: Iterable[_Handed]) -> tuple[str, ...]:
    return tuple(each.name for each in group)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them; of many the first five."""
    if len(names) > 6:
        return f"{', '.join(names[:5])} and {len(names) - 5} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
