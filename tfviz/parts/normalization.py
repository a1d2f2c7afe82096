"""What a network sees with and without its normalisation of the input.

Cost: a second or two.
Expected: nothing to grade, since the published photographs are not available. Published for five of them: without
normalisation low confidence and mostly wrong, with it high confidence and mostly right.
Alone: python run_all.py --only normalization (--pictures DIR: your pictures in place of those that come along)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz import backend
from tfviz.data.labels import imagenet_classes
from tfviz.data.pictures import read_picture
from tfviz.errors import BadFileError
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import ROUNDING, Lab, combined, exact, probability_of
from tfviz.experiment.part import (
    Again,
    Drawing,
    Findings,
    NotHandedInError,
    NotMeasurableError,
    Number,
    array,
    measuring,
    network_of,
)
from tfviz.language import gettext as _
from tfviz.language import marked, ngettext

Array = npt.NDArray[np.floating]

ID = "normalization"
TITLE = marked("With and without normalisation")
TRACK = "B"
NETWORKS = ("alexnet", "squeezenet")
WHY_NOT_ANY = "it takes ImageNet's standardisation of pictures away, and asks for ImageNet's classes"
INPUTS = ("pictures",)


@dataclass(frozen=True)
class Settings:
    """How much is shown.

    Attributes:
        most_pictures: of a folder that the user names; the first ones by name.
        top: how many predictions of each.
        moved: a mean confidence that changes by no more than this hardly changes.
        sure: a first guess of a higher confidence counts as sure.
    """

    most_pictures: int = 12
    top: int = 3
    moved: float = 0.05
    sure: float = 0.5


SETTINGS = Settings()
QUICK = SETTINGS
EXPECTED: tuple[Expected, ...] = ()

_PER_FIGURE = 5  # columns of pictures

PUBLISHED = {
    "lowest": 0.19,
    "highest": 0.53,
    "normalized": 0.98,
    "normalized_above": 4,
    "pictures": 5,
    "wrong_raw": {"guess": "traffic light", "confidence": 1.0},
    "wrong_normalized": {"guess": "iPod"},
}
"""What was reported for other photographs: most confidences without lay between lowest and highest; with
normalisation so many of so many lay above normalized. One wrong guess was told of each way: of an orange tree, and of
a laptop with a notebook."""


@dataclass(frozen=True)
class Photograph:
    """A photograph that one of the program's dependencies brings along.

    Attributes:
        title: what it shows; translated where it is shown.
        package: the installed package.
        file: its path in the package.
        credit: author and licence.
        classes: the ImageNet classes that are right for it.
    """

    title: str
    package: str
    file: str
    credit: str
    classes: tuple[int, ...]


PHOTOGRAPHS = (
    # A striped house cat: three classes that even people keep apart by convention only.
    Photograph(marked("cat"), "skimage", "data/chelsea.png", "CC0", (281, 282, 285)),
    # An espresso in a cup: both are classes.
    Photograph(marked("cup of coffee"), "skimage", "data/coffee.png", "CC0", (967, 968)),
    # The camera on it is a film camera, which is no class.
    Photograph(marked("camera on a tripod"), "skimage", "data/camera.png", "CC0", (872,)),
    # Rockets that fly into space are no class of their own: missile, and projectile.
    Photograph(marked("rocket"), "skimage", "data/rocket.jpg", marked("public domain"), (657, 744)),
    Photograph(
        marked("naval uniform"),
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        marked("U.S. Navy, public domain"),
        (652,),
    ),
)
"""Five whose licence lets a report show them. As files: functions of these packages may download."""


def run(settings: Settings, context: Context) -> Findings:
    """Predict each picture from its raw values and from the normalised ones."""
    from scipy.special import softmax

    model, bare = context.model(), context.model(normalize=False)
    height, width = model.input_shape[1:3]
    rows, pictures, unreadable, left_out = _pictures(settings, context.inputs.pictures, height, width)
    raw = _raw_inputs(str(context.network), pictures)
    probabilities: dict[str, Array] = {
        name: softmax(logits, axis=1) for name, logits in _logits(model, bare, raw, pictures).items()
    }

    numbers: dict[str, Number] = {}
    arrays: dict[str, Array] = {"pictures": pictures}
    for name, own in raw.items():
        arrays[f"taken_{name}"] = _taken_for(str(context.network), own)
    names = imagenet_classes()
    known = [bool(row["classes"]) for row in rows]
    for name, each in probabilities.items():
        for index, (row, chances) in enumerate(zip(rows, each, strict=True)):
            best = np.argsort(-chances, kind="stable")[: settings.top]
            numbers[f"confidence_{name}_{index}"] = context.number(chances[best[0]])
            row[name] = [
                {"class": names[c], "confidence": float(chances[c]), "right": int(c) in row["classes"]}
                for c in best
            ]
        numbers[f"mean_confidence_{name}"] = context.number(each.max(axis=1).mean())
        if all(known):
            right = sum(row[name][0]["right"] for row in rows)
            numbers[f"correct_{name}"] = context.number(right)
    usual = probabilities["normalized"]
    for name in raw:
        each, suffix = probabilities[name], "" if name == "raw" else f"_{name}"
        numbers[f"raised{suffix}"] = context.number(int(np.sum(usual.max(axis=1) > each.max(axis=1))))
        changed = usual.argmax(axis=1) != each.argmax(axis=1)
        numbers[f"changed_{name}"] = context.number(int(changed.sum()))
    numbers["pictures"] = Number(len(rows))

    facts = {
        "pictures": [
            {**row, "classes": [names[c] for c in row["classes"]], "number": index + 1}
            for index, row in enumerate(rows)
        ],
        "known": all(known),
        "own": context.inputs.pictures is not None,
        "unreadable": unreadable,
        "left_out": left_out,
        "ways": [*raw, "normalized"],
        "labels": {name: _LABELS[str(context.network), name] for name in probabilities},
        "taken": {
            name: [float(arrays[f"taken_{name}"].min()), float(arrays[f"taken_{name}"].max())] for name in raw
        },
        "contrast": _contrasts(raw),
        "published": PUBLISHED,
    }
    return Findings(numbers, arrays, facts)


_LABELS = {
    ("alexnet", "raw"): marked("raw, [0, 1]"),
    ("alexnet", "normalized"): marked("normalised"),
    ("squeezenet", "raw"): marked("raw, mean left in"),
    ("squeezenet", "unscaled"): marked("pixels in [0, 1]"),
    ("squeezenet", "normalized"): marked("normalised"),
}


def _raw_inputs(network: str, pictures: Array) -> dict[str, Array]:
    """What goes into the network itself when its normalisation is left out, by name of the way.

    AlexNet's own input is standardised pixels in [0, 1], so "raw" is those pixels. SqueezeNet's is BGR in 0..255 less
    the mean: "raw" leaves the mean in, "unscaled" gives it the pixels in [0, 1] as AlexNet gets them.
    """
    if network == "alexnet":
        return {"raw": pictures}
    return {"raw": 255 * pictures[..., ::-1], "unscaled": pictures}


def _logits(model: Any, bare: Any, raw: Mapping[str, Array], pictures: Array) -> dict[str, Array]:
    """What the network answers each way, (N, classes) float64; the last is the usual one."""
    ways: dict[str, Array] = {
        name: np.asarray(backend.current().outputs(bare, own), np.float64) for name, own in raw.items()
    }
    return ways | {"normalized": np.asarray(backend.current().outputs(model, pictures), np.float64)}


def _contrasts(ways: Collection[str]) -> dict[str, float]:
    """What each way leaves of the contrast that the network is used to, and what AlexNet's raw pixels leave of it."""
    from tfviz.models.colours import IMAGENET_STD

    pale = float(np.mean(IMAGENET_STD))
    own = {"raw": 1.0, "unscaled": 1 / 255} if "unscaled" in ways else {"raw": pale}
    return own | {"published": pale}


def _taken_for(network: str, own: Array) -> Array:
    """The picture from which the network's normalisation would have made this input; it may go beyond [0, 1]."""
    if network == "alexnet":
        from tfviz.models.colours import IMAGENET_MEAN, IMAGENET_STD

        pictures: Array = own * np.array(IMAGENET_STD, np.float32) + np.array(IMAGENET_MEAN, np.float32)
        return pictures
    from tfviz.models.colours import KERAS_MEAN_BGR

    return (own + np.array(KERAS_MEAN_BGR, np.float32))[..., ::-1] / np.float32(255)


def _pictures(
    settings: Settings, folder: Path | None, height: int, width: int
) -> tuple[list[dict[str, Any]], Array, list[str], int]:
    """The pictures: a row of facts each, (N, height, width, 3); why others cannot be read; how many are left out."""
    if folder is None:
        candidates = [
            (_installed(photo), photo.title, photo.credit, photo.package, photo.classes)
            for photo in PHOTOGRAPHS
        ]
    else:
        try:
            files = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
        except OSError as error:
            raise BadFileError(
                f"{folder} cannot be read ({error.strerror}): name a folder of pictures."
            ) from error
        candidates = [(path, path.name, "", "", ()) for path in files]
    rows: list[dict[str, Any]] = []
    pictures: list[Array] = []
    unreadable: list[str] = []
    left_out = 0
    for path, title, credit, package, classes in candidates:
        if len(rows) == settings.most_pictures:
            left_out += 1
            continue
        try:
            pictures.append(read_picture(path, height, width))
        except BadFileError as error:
            unreadable.append(_printable(str(error)))
            continue
        rows.append({"title": _printable(title), "credit": credit, "package": package, "classes": classes})
    if not rows:
        why = f"the first: {unreadable[0]}" if unreadable else "it is empty."
        raise BadFileError(f"{folder or 'The installed packages'} holds no picture that can be read; {why}")
    return rows, np.stack(pictures), unreadable, left_out


def _printable(text: str) -> str:
    """Text with the name of a stranger's file in it, as one line that can be stored."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _installed(photo: Photograph) -> Path:
    """Where an installed package keeps a file; the package itself is not imported."""
    package = find_spec(photo.package)
    folders = package.submodule_search_locations if package else None
    return Path(next(iter(folders or ("",)))) / photo.file


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The pictures, and below each what the network takes it for without the normalisation."""
    from tfviz import figures as draw
    from tfviz.figures import live
    from tfviz.figures.style import isolated

    arrays, facts = findings.arrays, findings.facts
    rows = facts["pictures"]
    labels, names = facts["labels"], [row["title"] for row in rows]
    titles = [isolated(name) if facts["own"] else _(name) for name in names]
    shown = [
        (_("the picture"), "normalized", arrays["pictures"]),
        *(
            (
                _("it sees: {input}").format(input=_(label)),
                way,
                np.clip(arrays[f"taken_{way}"], 0, 1),
            )
            for way, label in labels.items()
            if way != "normalized"
        ),
    ]
    least = _percent(min(facts["contrast"][way] for way in labels if way != "normalized"))

    def alive(part: slice) -> live.Pictures:
        return live.Pictures(
            [
                live.PicturesRow(
                    label,
                    [
                        live.Labelled(
                            f"{row[way][0]['class']}, {_percent(row[way][0]['confidence'])}",
                            picture,
                            f"{title}: {label}",
                        )
                        for row, title, picture in zip(rows[part], titles[part], pictures[part], strict=True)
                    ],
                )
                for label, way, pictures in shown
            ],
            [f"{row['number']} {title}" for row, title in zip(rows[part], titles[part], strict=True)],
        )

    drawings = []
    for first in range(0, len(rows), _PER_FIGURE):
        part = slice(first, first + _PER_FIGURE)
        listed = ", ".join(
            f"{row['number']} {title}" for row, title in zip(rows[part], titles[part], strict=True)
        )
        drawings.append(
            Drawing(
                f"pictures_{first // _PER_FIGURE}",
                _(
                    "{titles}. Below each the picture that the network takes it for when its values are put in without "
                    "normalisation: the one that would give the same input in the usual way, cut to [0, 1]."
                ).format(titles=listed),
                ngettext(
                    "One picture, and again with wrong brightness and contrast.",
                    "{count} pictures in a row, and each again with wrong brightness and contrast.",
                    len(rows[part]),
                ).format(count=len(rows[part])),
                partial(
                    draw.picture_table,
                    [(label, list(pictures[part])) for label, _way, pictures in shown],
                    [f"{row['number']}" for row in rows[part]],
                ),
                _(
                    "Without normalisation the network gets as little as {share} of the contrast that it knows."
                ).format(share=least),
                partial(alive, part),
            )
        )
    return drawings


def _percent(share: float) -> str:
    from tfviz.figures.style import number

    return f"{number(100 * share, 3)}\u202f%"


_LEVELS = 2.5 / 255
"""How far the program's photographs may lie from the grader's: two levels. Another version of a library unpacks a JPEG,
converts a colour profile or resamples to a neighbouring one."""


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """All of it from the pictures; those that come with the program must be the grader's own."""
    label = network_of(findings)
    model, bare = lab.model(label), lab.model(label, normalize=False)
    found: dict[str, Again] = {}
    with measuring(found, *findings.numbers):
        height, width = model.input_shape[1:3]
        pictures = array(findings, "pictures", (None, height, width, 3), (0.0, 1.0))
        classes, strange = _known(findings, settings, pictures)
        logits = _logits(model, bare, _raw_inputs(str(label).partition(" ")[0], pictures), pictures)
        chances = {
            way: [
                strange.get(index) or probability_of(one, int(one.argmax()))
                for index, one in enumerate(answers)
            ]
            for way, answers in logits.items()
        }
        first = {way: answers.argmax(axis=1) for way, answers in logits.items()}
        close = {way: _close(answers) for way, answers in logits.items()}
        usual = chances["normalized"]

        def counted(count: int, undecided: int) -> Again:
            return next(iter(strange.values()), Again(count, undecided))

        found["pictures"] = exact(len(pictures))
        for way, each in chances.items():
            found |= {f"confidence_{way}_{index}": chance for index, chance in enumerate(each)}
            found[f"mean_confidence_{way}"] = combined(lambda *values: fmean(values), *each)
            if classes:
                right = sum(guess in own for guess, own in zip(first[way].tolist(), classes, strict=True))
                found[f"correct_{way}"] = counted(right, close[way])
            if way == "normalized":
                continue
            apart = [
                ((one.value or 0) - (other.value or 0), one.tolerance + other.tolerance)
                for one, other in zip(usual, each, strict=True)
            ]
            found["raised" if way == "raw" else f"raised_{way}"] = counted(
                sum(by > 0 for by, _open in apart), sum(abs(by) <= left_open for by, left_open in apart)
            )
            found[f"changed_{way}"] = counted(
                int(np.sum(first["normalized"] != first[way])), close["normalized"] + close[way]
            )
    return found


def _known(
    findings: Findings, settings: Settings, pictures: Array
) -> tuple[list[tuple[int, ...]], dict[int, Again]]:
    """The right classes of each picture, none where they are the user's own; which are not those of the program."""
    if findings.facts.get("own") is True:
        if len(pictures) > settings.most_pictures:
            raise NotHandedInError(f"{len(pictures)} pictures: the part takes {settings.most_pictures}")
        return [], {}
    rows, own, unreadable, _left_out = _pictures(settings, None, *pictures.shape[1:3])
    if unreadable:
        raise NotMeasurableError(unreadable[0])
    if len(own) != len(pictures):
        raise NotHandedInError(f"{len(pictures)} pictures, not the {len(own)} that come with the program")
    strange = {
        index: Again(
            None,
            reason=f"picture {index + 1} is not the program’s own ({rows[index]['title']})",
            theirs=True,
        )
        for index, off in enumerate(np.abs(pictures - own).max(axis=(1, 2, 3)))
        if off > _LEVELS
    }
    return [row["classes"] for row in rows], strange


def _close(logits: Array) -> int:
    """Of how many pictures rounding may change the first guess: logits (N, classes)."""
    second, first = np.sort(logits, axis=1)[:, -2:].T
    return int(np.sum(first - second <= 2 * ROUNDING * np.abs(logits).max(axis=1)))
