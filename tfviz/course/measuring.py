"""Measures one submission again: what was claimed beside what the grader finds on the arrays that were handed in.

A claim is *borne out* where the part measures the same on the stored arrays, with the grader's own networks; *not
borne out* where it measures something else, or where what was handed in cannot be what the part computed: altered
since, damaged, of another shape; *cannot be measured* where nothing that is stored gives the number again, or the
grader lacks the network or the data.
"""

from __future__ import annotations

import io
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfviz.backend import machine
from tfviz.course.limits import Limits
from tfviz.course.rows import Graded, Measured, Picture, Row, as_json
from tfviz.course.submissions import Opened, RefusedError, Submission, opened
from tfviz.course.twins import run_of
from tfviz.errors import BadFileError, TfvizError
from tfviz.experiment import grading
from tfviz.experiment.grading import Expected, Verdict
from tfviz.experiment.lab import Lab
from tfviz.experiment.part import (
    Again,
    Findings,
    NotHandedInError,
    NotMeasurableError,
    Part,
    settings_from,
)
from tfviz.experiment.store import PartResult, Store
from tfviz.files.hashes import file_sha256
from tfviz.files.reading import read_json
from tfviz.parts import PARTS
from tfviz.report.handed_in import legible
from tfviz.weights.catalog import CATALOG, SameAs

if TYPE_CHECKING:
    import numpy as np

USERS = " (user's file)"
"""How the label of a network ends whose weights are not the published ones (`tfviz.experiment.context`)."""
THUMBNAIL = 96
"""Pixels a side."""
_PICTURES = 24  # of a submission that are shown
_SIGNATURES = 120  # of a submission that are compared with others'
_SIDE = 16  # pixels; what is smaller is no picture
_NUMBERS = 1000  # of a part; the most that one has are 119
_NO_RECORD = (
    "it leaves no array by which it could be measured again (a duration, a training's record, a search)"
)
_OTHER_SETTINGS = "its settings are neither the full nor the quick ones of this version of the program"
_NOT_HANDED_IN = "nothing was handed in of it"


def grade_one(submission: Submission, scratch: Path, lab: Lab, limits: Limits) -> dict[str, Any]:
    """All that grading says of a submission, but for points, as JSON; called in a process of its own.

    Args:
        submission: it.
        scratch: an empty folder for what is unpacked.
        lab: networks and data.
        limits: on what is unpacked.
    """
    clock = time.perf_counter()
    try:
        graded = measured(
            submission.name, opened(submission, scratch, [part.ID for part in PARTS], limits), lab
        )
    except RefusedError as error:
        graded = Graded(submission.name, refused=_line(error))
    return as_json(graded) | {
        "seconds": round(time.perf_counter() - clock, 2),
        "peak_memory_mb": round(machine.peak_memory_mb()),
    }


def measured(name: str, handed_in: Opened, lab: Lab) -> Graded:
    """A folder of results, measured again.

    Args:
        name: the submission's.
        handed_in: its folder; regular files only.
        lab: networks and data.
    """
    store = Store(handed_in.folder)
    rows: list[Row] = []
    notes: list[str] = []
    pictures: list[Picture] = []
    hashes: dict[str, str] = {}
    signatures: dict[str, tuple[float, ...]] = {}
    runs: dict[str, dict[str, Any]] = {}
    for part in PARTS:
        try:
            result, findings = _read(part, store, handed_in)
        except _UnreadableError as error:
            rows += _unread(name, part, error)
            continue
        if result is None or findings is None:
            rows += _not_done(name, part, result)
            continue
        if result.provenance.get("quick"):
            notes.append(f"{part.ID}: quick settings")
        rows += _compared(name, part, result, findings, lab)
        runs[part.ID] = run_of(result, part.INPUTS)
        hashes |= {f"{part.ID}/{_named(key)}": value for key, value in result.arrays.items()}
        for key, picture in _pictures(findings):
            if len(signatures) < _SIGNATURES:
                signatures[f"{part.ID}/{key}"] = signature(picture)
            if len(pictures) < _PICTURES:
                pictures.append(Picture(part.ID, key, thumbnail(picture)))
    return Graded(
        name,
        tuple(rows),
        notes=tuple(notes),
        pictures=tuple(pictures),
        hashes=hashes,
        signatures=signatures,
        runs=runs,
    )


class _UnreadableError(TfvizError):
    """A part's files are not what the program stores.

    Args:
        reason: one line.
        claims: what they say, as far as that can be read.
        verdict: on these.
        handed_in: whether there is anything.
    """

    def __init__(
        self,
        reason: str,
        claims: Mapping[str, float] | None = None,
        verdict: Measured = "not borne out",
        *,
        handed_in: bool = True,
    ) -> None:
        super().__init__(reason)
        self.claims, self.verdict, self.handed_in = claims or {}, verdict, handed_in


def _read(part: Part, store: Store, handed_in: Opened) -> tuple[PartResult | None, Findings | None]:
    """What was handed in of a part; None and None: nothing; no findings: it was not done.

    Raises:
        _UnreadableError: it is not what the program stores.
    """
    if part.ID in handed_in.refused:
        raise _UnreadableError(handed_in.refused[part.ID])
    path = store.out / "results" / f"{part.ID}.json"
    if not path.exists():
        return None, None
    try:
        result = store.load(part.ID)
        if len(result.numbers) > _NUMBERS:
            raise _UnreadableError(f"it claims {len(result.numbers):,} numbers, more than any part has")
        if result.arrays and not (store.out / "arrays" / f"{part.ID}.npz").exists():
            raise _UnreadableError(f"arrays/{part.ID}.npz was not handed in", _claims(path))
        if why := _mislabelled(part, result):
            raise _UnreadableError(why, _claims(path))
        return result, store.findings(result) if result.status == "done" else None
    except BadFileError as error:
        reason = _line(error).replace(f"{store.out}/", "")
        older = "another version of the program" in reason
        raise _UnreadableError(
            reason, {} if older else _claims(path), "cannot be measured" if older else "not borne out"
        ) from error


def _mislabelled(part: Part, result: PartResult) -> str:
    """Why the numbers cannot be of the network that they are said to be of; "": they can."""
    looked_at = result.provenance.get("network")
    others = [number.network for number in result.numbers.values() if number.network not in (None, looked_at)]
    if part.NETWORKS and others:
        return (
            f"its numbers are labelled {_line(others[0])}, and it says that it looked at {_line(looked_at)}"
        )
    if looked_at not in CATALOG:
        return ""
    file = (result.provenance.get("weights") or {}).get("sha256")
    known = {name: _published(name) for name in CATALOG}
    # The published weights in a file of another layout are told by their values where these are in the catalogue.
    if file in known[looked_at] or (
        CATALOG[looked_at].variables_sha256 and not any(file in each for each in known.values())
    ):
        return ""
    return f"it is said to be of {looked_at}, and the file of weights that it names is not that network's"


def _published(network: str) -> set[str]:
    """The hashes of the files that hold a network's published weights."""
    found: set[str] = set()
    for source in CATALOG[network].sources:
        found |= _published(source.name) if isinstance(source, SameAs) else {source.sha256}
    return found


def _claims(path: Path) -> dict[str, float]:
    """The numbers in a result that is not believed, as far as they are numbers."""
    try:
        numbers = read_json(path)["numbers"]
        return {
            str(name): float(number["value"])
            for name, number in list(numbers.items())[:_NUMBERS]
            if isinstance(number["value"], int | float) and not isinstance(number["value"], bool)
        }
    except (BadFileError, KeyError, TypeError, AttributeError):
        return {}


def _unread(name: str, part: Part, error: _UnreadableError) -> Iterator[Row]:
    for number, expected in _expected(part, error.claims).items():
        yield Row(
            submission=name,
            part=part.ID,
            number=number,
            claimed=error.claims.get(number),
            measured=None,
            expected=expected.value if expected else None,
            verdict=error.verdict,
            reason=str(error),
            status="missing" if expected else "",
            tolerance=expected.tolerance if expected else None,
            comparison=expected.comparison if expected else "equal",
            kind=expected.kind if expected else "",
            theirs=error.handed_in,
        )


def _not_done(name: str, part: Part, result: PartResult | None) -> Iterator[Row]:
    reason = _NOT_HANDED_IN if result is None else f"the part {_line(f'{result.status}: {result.reason}')}"
    yield from _unread(name, part, _UnreadableError(reason, verdict="cannot be measured", handed_in=False))


def _expected(part: Part, claims: Mapping[str, object]) -> dict[str, Expected | None]:
    """What is expected of each number of a part; those that are claimed and of which nothing is come last."""
    found: dict[str, Expected | None] = {}
    for expected in part.EXPECTED:
        found.setdefault(expected.number, expected)
    return found | {_named(name): None for name in claims if name not in found}


def _named(number: str) -> str:
    """A number's name, which may be anything."""
    return number if re.fullmatch(r"[\w.-]{1,80}", number, re.ASCII) else ascii(number)[:80]


def _compared(name: str, part: Part, result: PartResult, findings: Findings, lab: Lab) -> Iterator[Row]:
    """A row for each number that is expected or claimed."""
    none = Again(None, reason=_NO_RECORD)
    again: Mapping[str, Again] = {}
    try:
        settings = settings_from(part, result.settings)
        if settings not in (part.SETTINGS, part.QUICK):
            none = Again(None, reason=_OTHER_SETTINGS)
        elif measure := getattr(part, "again", None):
            again = measure(findings, settings, _own(lab, result))
    except BadFileError:
        none = Again(None, reason=_OTHER_SETTINGS)
    except NotMeasurableError as error:
        none = Again(None, reason=_line(error), theirs=isinstance(error, NotHandedInError))
    except MemoryError:
        raise
    except Exception as error:  # what was made up may break anything
        why = f"what was handed in cannot be measured ({type(error).__name__}: {_line(error)})"
        none = Again(None, reason=why, theirs=True)
    verdicts: dict[str, Verdict] = {}
    for expected in part.EXPECTED:  # of several for one number, one that can be compared
        compared = grading.grade(part.ID, expected, result)
        if expected.number not in verdicts or compared.status in ("pass", "fail"):
            verdicts[expected.number] = compared
    for number in dict.fromkeys([*verdicts, *result.numbers]):
        claim = result.numbers.get(number)
        graded = verdicts.get(number)
        found = again.get(number, none)
        verdict, reason = judged(None if claim is None else claim.value, found)
        yield Row(
            submission=name,
            part=part.ID,
            number=_named(number),
            claimed=None if claim is None else float(claim.value),
            measured=_finite(found.value),
            expected=graded.expected if graded else None,
            verdict=verdict,
            reason=reason,
            status=graded.status if graded else "",
            network=None if claim is None or claim.network is None else legible(claim.network),
            tolerance=graded.tolerance if graded else None,
            comparison=graded.comparison if graded else "equal",
            kind=graded.kind if graded else "",
            allowed=None if found.value is None else _finite(found.tolerance),
            theirs=verdict == "not borne out" or (claim is not None and found.reason == _OTHER_SETTINGS),
        )


def _own(lab: Lab, result: PartResult) -> Lab:
    """The grader's networks without a file that is called as the student's own was, and is another."""
    claimed = (result.provenance.get("weights") or {}).get("sha256")
    others = [
        label for label, file in lab.files.items() if label.endswith(USERS) and file_sha256(file) != claimed
    ]
    return replace(lab, files={k: v for k, v in lab.files.items() if k not in others}) if others else lab


def judged(claimed: float | None, found: Again) -> tuple[Measured, str]:
    """Whether a claim is borne out by what was measured, and why not."""
    if claimed is None:
        return "cannot be measured", "no such number was handed in"
    if found.value is None:
        return "not borne out" if found.theirs else "cannot be measured", _line(found.reason)
    if abs(claimed - found.value) <= found.tolerance:
        return "borne out", ""
    return (
        "not borne out",
        f"claimed {claimed:.6g}, measured again {found.value:.6g}: {abs(claimed - found.value):.2g} apart, "
        f"{found.tolerance:.2g} is allowed",
    )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _line(text: object) -> str:
    """One printable line of what may hold a submission's words."""
    return legible(" ".join(str(text).split())) if len(str(text)) > 400 else _printable(str(text))


def _printable(text: str) -> str:
    return "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in " ".join(text.split())
    )


def _pictures(findings: Findings) -> Iterator[tuple[str, np.ndarray]]:
    """The coloured pictures among a part's arrays, each with a name."""
    for name, found in findings.arrays.items():
        if found.dtype.kind != "f" or found.ndim not in (3, 4) or found.shape[-1] != 3:
            continue
        if min(found.shape[-3:-1]) < _SIDE:
            continue
        if found.ndim == 3:
            yield _named(name), found
        else:
            for index, picture in enumerate(found[:8], 1):
                yield f"{_named(name)} {index}", picture


def _stretched(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) in [0, 1]; one that leaves that range is stretched into it."""
    import numpy as np

    values = np.nan_to_num(np.clip(picture.astype(np.float32), -1e6, 1e6))
    low, high = float(values.min()), float(values.max())
    return values if low >= 0 and high <= 1 else (values - low) / max(high - low, 1e-6)


def thumbnail(picture: np.ndarray) -> bytes:
    """A picture (H, W, 3) as PNG of at most `THUMBNAIL` pixels a side."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(np.round(255 * _stretched(picture)).astype(np.uint8), "RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def signature(picture: np.ndarray) -> tuple[float, ...]:
    """What stays of a picture (H, W, 3) when it is encoded anew: 8 x 8 means of its grey, of mean 0 and norm 1.

    The product of two signatures is the correlation of the pictures, as far as 8 x 8 blocks show them. Of a picture
    of one grey all are 0.
    """
    import numpy as np
    from PIL import Image

    grey = Image.fromarray(_stretched(picture).mean(axis=-1, dtype=np.float32))
    blocks = np.asarray(grey.resize((8, 8), Image.Resampling.BOX), np.float64).ravel()
    blocks -= blocks.mean()
    norm = float(np.linalg.norm(blocks))
    return tuple(np.round(blocks / norm, 4).tolist()) if norm > 1e-3 else (0.0,) * 64
