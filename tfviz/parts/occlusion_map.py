"""Where in the picture the network sees its class: one block after another is hidden.

Paper: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2. Beside it
gradient x input, Simonyan et al. 2014, "Deep Inside Convolutional Networks", and Shrikumar et al. 2016, "Not Just a
Black Box"; and Grad-CAM, Selvaraju et al. 2017.
Cost: 625 forward passes, a few seconds on two cores, and two gradients.
Expected: the probability drops where the body is (published, in words): at least 80 % of the lowest decile's blocks
overlap the drawn body.
Alone: python run_all.py --only occlusion_map
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import ROUNDING, Lab, close_to, exact, probability_of
from tfviz.experiment.part import (
    Again,
    Drawing,
    Findings,
    NotHandedInError,
    NotMeasurableError,
    array,
    measuring,
    network_of,
)
from tfviz.language import gettext as _
from tfviz.language import marked
from tfviz.models.colours import IMAGENET_MEAN
from tfviz.parts._own import in_proportion, picture_of

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

ID = "occlusion_map"
TITLE = marked("Where the class is: hiding one block after another")
TRACK = "A"
NETWORKS = ("alexnet", "caffe_alexnet", "squeezenet")
ANY_NETWORK = True
INPUTS = ("image", "source_class")

FILLS = {"black": (0.0, 0.0, 0.0), "mean": IMAGENET_MEAN}
"""Colours of the block: black, or the mean colour of ImageNet's pictures, RGB in [0, 1]."""
DRAWN_CLASS = "jellyfish"
"""What the project's own picture shows."""
LIMITS = {"alike": 0.7, "in_part": 0.4, "signs_matter": 0.3, "cancelled": 0.3, "kept": 0.9, "on_body": 0.8}
"""What the words hang on: rank correlations from which two maps order the blocks alike or do in part; how much lower
one is that is far less; the share of a sum below which it cancels; the share of the probability above which it hardly
drops; the share of the lowest blocks that must overlap the body.
"""
NAMED = 4  # winning classes that get a colour of their own
_LAST_MAPS = {"alexnet": "relu5", "caffe_alexnet": "relu5", "squeezenet": "relu10"}  # for Grad-CAM


@dataclass(frozen=True)
class Settings:
    """Block and stride were not stated; fill is one of FILLS, black as published."""

    patch: int = 32
    stride: int = 8
    fill: str = "black"
    precision: str = "float32"


SETTINGS = Settings()
QUICK = Settings(stride=16)

EXPECTED = (
    Expected(
        "lowest_decile_on_body",
        LIMITS["on_body"],
        0.0,
        "own bound",
        marked("the drawn body’s mask"),
        NETWORKS,
        comparison="at least",
        label=marked("share of the lowest tenth of the blocks that overlap the body"),
    ),
)


def run(settings: Settings, context: Context) -> Findings:
    """Hide every block, then compare the drop with what one gradient says."""
    from tfviz.method.attribution import grad_cam
    from tfviz.method.occlusion import occluded_probabilities
    from tfviz.models import description
    from tfviz.parts._own import class_names, require_classes, source_class

    model = context.model()
    require_classes(model)
    names = class_names(context, model)
    picture, drawn_body = picture_of(context, model.input_shape[1:])
    patch, stride = _blocks(settings, context, picture.shape)
    fill = FILLS[settings.fill] if picture.shape[-1] == 3 else float(np.mean(FILLS[settings.fill]))

    logits = model.predict_on_batch(picture[None]).astype(np.float64)
    whole = np.asarray(description.of(model).probabilities(logits))[0]
    source = source_class(context, whole)
    body = drawn_body if names[source] == DRAWN_CLASS else None
    hidden = occluded_probabilities(
        model,
        picture,
        patch=patch,
        stride=stride,
        fill=fill,
        precision=settings.precision,  # type: ignore[arg-type]
        progress=lambda done, total: context.reporter.progress(ID, done, total),
    )
    probability, winners = hidden[..., source], hidden.argmax(axis=-1)
    row, column = (int(at) for at in np.unravel_index(probability.argmin(), probability.shape))

    times_input = _gradient_times_input(model, picture, source, fill)
    cam_layer, cam_missing = _LAST_MAPS.get(str(context.network)), ""
    cam = np.zeros(picture.shape[:2])
    # Not every network of the user's can be followed back from its logits.
    try:
        cam_layer = cam_layer or description.last_maps(model)
        cam_missing = "" if cam_layer else "no maps"
    except ValueError:
        cam_missing = "programmed"
    if cam_layer:
        try:
            cam = grad_cam(model, cam_layer, picture, source)
        except ValueError:
            cam_layer, cam_missing = None, "past"
    saliency = _by_block(times_input, cam, patch, stride)
    middle = (patch - 1) / 2
    found = {"source_probability": float(whole[source])} | _of_maps(
        whole[source], probability, winners != source, saliency, body, patch, stride
    )
    numbers = {
        name: context.number(value, "px" if name in ("lowest_row", "lowest_column") else "")
        for name, value in found.items()
    }
    arrays: dict[str, Array] = {
        "picture": picture,
        "probability": probability,
        "winners": winners,
        "winner_probability": hidden.max(axis=-1),
        "gradient_input": saliency["gradient_input"],
        "gradient_input_signed": saliency["signed"],
        "grad_cam": saliency["grad_cam"],
        "grad_cam_pixels": cam,
    } | ({} if body is None else {"body": body})
    order = [
        (index, count) for index, count in Counter(winners[winners != source].ravel().tolist()).most_common()
    ]
    facts = {
        "drawn": context.inputs.image is None,
        "class": names[source],
        "class_index": source,
        "first": [
            {"class": names[index], "probability": float(whole[index])} for index in np.argsort(-whole)[:3]
        ],
        "seen": bool(whole.argmax() == source),
        "winners": [
            {
                "class": names[index],
                "index": index,
                "blocks": count,
                "probability": float(hidden[..., index].max()),
            }
            for index, count in order[:NAMED]
        ],
        "more_winners": len(order[NAMED:]),
        "names": [[index, names[index]] for index in (source, *(index for index, _count in order))],
        "blocks": list(probability.shape),
        "corner": [row * stride, column * stride],
        "place": [
            third(row * stride + middle, picture.shape[0], ("upper", "middle", "lower")),
            third(column * stride + middle, picture.shape[1], ("left", "middle", "right")),
        ],
        "on_body": None if body is None else on_body(body, row * stride + middle, column * stride + middle),
        "limits": LIMITS,
        "cam_layer": cam_layer or "",
        "cam_missing": cam_missing,
    }
    if context.own is not None:
        facts |= {"patch": patch, "stride": stride}
    return Findings(numbers, arrays, facts)


def _gradient_times_input(model: keras.Model, picture: Array, source: int, fill: Any) -> Array:
    """What hiding each pixel takes off the log-probability to first order: (H, W).

    That is the gradient times (pixel - fill), summed over the colours.
    """
    from tfviz.method.probe import value_and_gradient

    goal = tfviz.objectives.log_probability(source)
    _, _, gradient = value_and_gradient(model, goal, picture[None])
    times_input: Array = (gradient[0] * (picture - np.asarray(fill))).sum(axis=-1)
    return times_input


def _by_block(times_input: Array, cam: Array, patch: int, stride: int) -> dict[str, Array]:
    """Both gradients' maps (H, W) as values of the blocks, (rows, columns)."""
    from tfviz.method.occlusion import block_sums

    return {
        "gradient_input": block_sums(np.abs(times_input), patch, stride) / patch**2,
        "signed": block_sums(times_input, patch, stride),
        "grad_cam": block_sums(cam, patch, stride) / patch**2,
    }


def _of_maps(
    whole: float,
    probability: Array,
    lost: Array,
    saliency: Mapping[str, Array],
    body: Array | None,
    patch: int,
    stride: int,
) -> dict[str, float]:
    """The numbers that the maps give.

    Args:
        whole: the class's probability with nothing hidden.
        probability: the same with each block hidden, (rows, columns).
        lost: where another class wins, (rows, columns) bool.
        saliency: what `_by_block` returns.
        body: (H, W) bool, the drawn body; None: there is none.
        patch: side of the blocks.
        stride: from one to the next.
    """
    from tfviz.method.occlusion import block_sums

    row, column = (int(at) for at in np.unravel_index(probability.argmin(), probability.shape))
    middle = (patch - 1) / 2
    # How much of a block's sum is left when the signs count.
    magnitudes = saliency["gradient_input"].sum() * patch**2
    found = {
        "lowest_probability": probability.min(),
        "lowest_row": row * stride + middle,
        "lowest_column": column * stride + middle,
        "fraction_lost": lost.mean(),
        "signed_sum_left": np.abs(saliency["signed"]).sum() / magnitudes if magnitudes > 0 else 0.0,
    }
    for name, key in (
        ("agreement", "gradient_input"),
        ("agreement_signed", "signed"),
        ("agreement_grad_cam", "grad_cam"),
    ):
        if (agreement := rank_correlation(whole - probability, saliency[key])) is not None:
            found[name] = agreement
    if body is not None:
        share = block_sums(body, patch, stride) / patch**2
        lowest = lowest_decile(probability)
        found |= {
            "lowest_decile_on_body": (share[lowest] > 0).mean(),
            "all_blocks_on_body": (share > 0).mean(),
            "body_in_lowest_decile": share[lowest].mean(),
            "body_in_all_blocks": share.mean(),
            "body_in_lowest_block": share[row, column],
        }
        if lost.any():
            found["lost_on_body"] = (share[lost] > 0).mean()
    return {name: float(value) for name, value in found.items()}


def _blocks(settings: Settings, context: Context, shape: tuple[int, ...]) -> tuple[int, int]:
    """Side and stride of the block, in pixels."""
    patch, stride = (round(in_proportion(context, each, shape)) for each in (settings.patch, settings.stride))
    return max(1, patch), max(1, stride)


def lowest_decile(values: Array) -> npt.NDArray[np.bool_]:
    """The lowest tenth of the entries, rounded up; of equal ones the first come first.

    Args:
        values: (rows, columns).

    Returns:
        (rows, columns) bool.
    """
    lowest = np.zeros(values.size, bool)
    lowest[np.argsort(values, axis=None, kind="stable")[: -(-values.size // 10)]] = True
    return lowest.reshape(values.shape)


def third(position: float, length: float, words: tuple[str, str, str]) -> str:
    """The word for the third of 0 .. length - 1 in which a position lies; positions are those of pixels' middles."""
    return words[min(2, max(0, int(3 * (position + 0.5) // length)))]


def on_body(body: Array, row: float, column: float) -> dict[str, str]:
    """Where a point lies on the drawn jellyfish, read off its mask.

    Args:
        body: (H, W) bool, the bell, and the arms below it.
        row: of the point, level with which the mask is looked at.
        column: of the point.

    Returns:
        "part": "bell" down to the last row where the mask is at least half as wide as at its widest, "arms" below, and
        "" where no body is level with the point. "side": "left of" the middle third of what is there, "at" or "right
        of" it.
    """
    widths = body.any(axis=1) * (body.shape[1] - body.argmax(axis=1) - body[:, ::-1].argmax(axis=1))
    level = min(body.shape[0] - 1, max(0, round(row)))
    if not widths[level]:
        return {"part": "", "side": ""}
    wide = np.flatnonzero(widths >= widths.max() / 2)
    first = int(body[level].argmax())
    return {
        "part": "bell" if level <= wide[-1] else "arms",
        "side": third(column - first, widths[level], ("left of", "at", "right of")),
    }


def rank_correlation(first: Array, second: Array) -> float | None:
    """Spearman's rank correlation of two maps; None where one of them is the same everywhere."""
    from scipy.stats import spearmanr

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second, axis=None).statistic)


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The map over the picture, which in a browser also says who wins where, and the map beside what gradients say."""
    from tfviz import figures as draw
    from tfviz.figures import live
    from tfviz.figures.style import isolated
    from tfviz.parts._own import in_colours

    arrays, facts, numbers = findings.arrays, findings.facts, findings.numbers
    picture, name, probability = (
        in_colours(arrays["picture"]),
        isolated(facts["class"]),
        arrays["probability"],
    )
    patch, stride = facts.get("patch", settings.patch), facts.get("stride", settings.stride)
    whole, lowest = numbers["source_probability"].value, numbers["lowest_probability"].value
    top, left = facts["corner"]
    return [
        Drawing(
            "heat_map",
            _(
                "The picture of 8 bits, and the probability of “{name}” with one {patch} × {patch} block hidden, for "
                "each place of the block: a small square of the map has the colour of the block around its middle. "
                "Framed: the block that costs most."
            ).format(name=name, patch=patch),
            _(
                "The picture, and the same in grey under a map of the probability of “{name}”, which is lowest with "
                "rows {top} to {bottom} and columns {left} to {right} hidden."
            ).format(name=name, top=top, bottom=top + patch - 1, left=left, right=left + patch - 1),
            lambda: draw.maps_over_picture(
                picture,
                [(_("one block hidden"), probability, _("probability of “{name}”").format(name=name))],
                (patch - 1) / 2,
                stride,
                low_is_strong=True,
                block=(top, left, patch),
            ),
            (
                _("One hidden block takes “{name}” from {whole} to {lowest}.")
                if lowest <= LIMITS["kept"] * whole
                else _(
                    "Hiding one block hardly changes “{name}”: {whole} for the whole picture, {lowest} at the least."
                )
            ).format(
                name=name,
                whole=isolated(f"{live.written_percent(whole)}\u202f%"),
                lowest=isolated(f"{live.written_percent(lowest)}\u202f%"),
            ),
            lambda: live.BlockMap(
                picture,
                probability,
                arrays["winners"],
                dict(facts["names"]),
                patch,
                stride,
                (top // stride, left // stride),
                arrays["winner_probability"],
                FILLS[settings.fill],
            ),
        ),
        _saliency(findings, settings),
    ]


def _saliency(findings: Findings, settings: Settings) -> Drawing:
    from tfviz import figures as draw
    from tfviz.figures.style import number
    from tfviz.parts._own import in_colours

    arrays, numbers, facts = findings.arrays, findings.numbers, findings.facts
    agreements = [numbers[name].value for name in ("agreement", "agreement_grad_cam") if name in numbers]
    of_largest = _("of the largest block")
    return Drawing(
        "saliency",
        _(
            "What hiding a block takes off the probability, beside what one gradient says of the block: the mean of "
            "|gradient × input| over its pixels, and the mean of Grad-CAM."
        ),
        _(
            "Three maps over the picture in grey: the drop of the probability, gradient times input, Grad-CAM."
        ),
        lambda: draw.maps_over_picture(
            in_colours(arrays["picture"]),
            [
                (
                    _("one block hidden"),
                    numbers["source_probability"].value - arrays["probability"],
                    _("drop of the probability"),
                ),
                (_("|gradient × input|"), _of_largest(arrays["gradient_input"]), of_largest),
                (_("Grad-CAM"), _of_largest(arrays["grad_cam"]), of_largest),
            ],
            (facts.get("patch", settings.patch) - 1) / 2,
            facts.get("stride", settings.stride),
        ),
        _(
            "Both maps from gradients order the blocks much as hiding them does: rank correlations of {lower} or more."
        ).format(lower=number(min(agreements), 2))
        if len(agreements) == 2 and min(agreements) >= LIMITS["alike"]
        else _("What hiding says, and what gradients say."),
    )


def _of_largest(values: Array) -> Array:
    """Values as shares of the largest; all 0 stays so."""
    return values / values.max() if values.max() > 0 else values


_CHECKED = 64
"""So many blocks of a map are hidden again: half of them of the lowest tenth, the others anywhere else."""
_STEEP = 0.05
"""How far a gradient's map may lie from the grader's, of its largest block. Where pixels are equal, as in a drawing,
rounding decides which of them max-pooling hands the gradient to: 0.03 was measured from a picture that differs in the
last bit."""


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """All of it: the map is compared at some blocks, both gradients everywhere, and the numbers are made of them.

    Which blocks hangs on the map's own content and on the grader's seed: who alters it does not know them.
    """
    from tfviz.method.attribution import grad_cam
    from tfviz.method.occlusion import block_corners

    label = network_of(findings)
    model = lab.model(label)
    found: dict[str, Again] = {}
    with measuring(found, *findings.numbers):
        if settings.precision != "float32":
            raise NotMeasurableError(f"computed in {settings.precision}: this is checked in float32")
        picture, body, source = _handed_in(findings, lab, label)
        patch, stride, fill = settings.patch, settings.stride, FILLS[settings.fill]
        logits = np.asarray(model.predict_on_batch(picture[None]))[0]
        whole = found["source_probability"] = probability_of(logits, source)
        corners = block_corners(picture.shape, patch, stride)
        blocks = (len(corners[0]), len(corners[1]))
        stored = array(findings, "probability", blocks, (0.0, 1.0))
        winners = array(findings, "winners", blocks, (0, len(logits) - 1), "int64")
        winning = array(findings, "winner_probability", blocks, (0.0, 1.0))
        places = _some_blocks(stored, lab.seed)
        hidden = np.repeat(picture[None], len(places), axis=0)
        for each, (row, column) in zip(hidden, places, strict=True):
            top, left = corners[0][row], corners[1][column]
            each[top : top + patch, left : left + patch] = fill
        for answer, place in zip(np.asarray(model.predict_on_batch(hidden)), places, strict=True):
            _check_block(answer, {source: stored[place], int(winners[place]): winning[place]}, place)
        own = _by_block(
            _gradient_times_input(model, picture, source, fill),
            grad_cam(model, _LAST_MAPS[str(label).partition(" ")[0]], picture, source),
            patch,
            stride,
        )
        saliency = {
            key: close_to(
                values,
                array(findings, name, blocks, dtype="float64"),
                _STEEP * float(np.abs(values).max()),
                f"the array {name} is not what the gradient gives",
            )
            for (key, values), name in zip(
                own.items(), ("gradient_input", "gradient_input_signed", "grad_cam"), strict=True
            )
        }
        assert whole.value is not None  # a probability
        found |= {
            name: exact(value)
            for name, value in _of_maps(
                whole.value, stored, winners != source, saliency, body, patch, stride
            ).items()
        }
    return found


def _handed_in(findings: Findings, lab: Lab, label: str | None) -> tuple[Array, Array | None, int]:
    """The picture, its drawn body if it is the drawing and that is what is looked for, and the class."""
    from tfviz.data.labels import imagenet_classes

    shape, names = lab.model(label).input_shape[1:], imagenet_classes()
    picture = array(findings, "picture", shape, (0.0, 1.0))
    source = findings.facts.get("class_index")
    if not isinstance(source, int) or not 0 <= source < len(names):
        raise NotHandedInError("it is not said which class is looked for")
    if findings.facts.get("drawn") is not True:
        return picture, None, source
    drawing, body = picture_of(lab.context(label), shape)
    # A level of 8 bits: where the drawing lies between two, another library rounds to the other.
    close_to(drawing, picture, 1.5 / 255, "the picture is not the drawn jellyfish")
    return picture, body if names[source] == DRAWN_CLASS else None, source


def _some_blocks(stored: Array, seed: int) -> list[tuple[int, int]]:
    """Which blocks of a map (rows, columns) are looked at; the lowest always is."""
    digest = hashlib.sha256(stored.tobytes()).digest()
    random = np.random.default_rng([seed, *digest])
    lowest = lowest_decile(stored)
    places = [np.flatnonzero(lowest), np.flatnonzero(~lowest)]
    chosen = {int(stored.argmin())}
    for place in places:
        chosen |= set(random.choice(place, min(_CHECKED // 2, len(place)), replace=False).tolist())
    return [divmod(index, stored.shape[1]) for index in sorted(chosen)]


def _check_block(logits: Array, claimed: Mapping[int, float], place: tuple[int, int]) -> None:
    """Compare what was stored of a block with what the network answers, (classes,).

    Args:
        logits: the answer.
        claimed: probabilities by class; the last is said to win.
        place: the block's row and column in the map.

    Raises:
        NotHandedInError: it is something else.
    """
    for index, value in claimed.items():
        measured = probability_of(logits, index)
        if abs(float(value) - (measured.value or 0)) > measured.tolerance:
            raise NotHandedInError(
                f"the map is not what hiding blocks gives: {value:.6g}, not {measured.value:.6g}, at {place}"
            )
    *_others, winner = claimed
    if logits[winner] < logits.max() - 2 * ROUNDING * np.abs(logits).max():
        raise NotHandedInError(f"the map is not what hiding blocks gives: another class wins at {place}")
