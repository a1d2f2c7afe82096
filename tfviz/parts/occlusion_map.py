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

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Findings
from tfviz.language import gettext as _
from tfviz.language import marked
from tfviz.models.colours import IMAGENET_MEAN

Array = npt.NDArray[Any]

ID = "occlusion_map"
TITLE = marked("Where the class is: hiding one block after another")
TRACK = "A"
NETWORKS = ("alexnet", "caffe_alexnet", "squeezenet")
INPUTS = ("image", "source_class")

FILLS = {"black": (0.0, 0.0, 0.0), "mean": IMAGENET_MEAN}
"""Colours of the block: black, or the mean colour of ImageNet's pictures, RGB in [0, 1]."""
DRAWN_CLASS = 107
"""What the project's own picture shows: a jellyfish."""
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
    from scipy.special import softmax

    from tfviz.data.labels import imagenet_classes
    from tfviz.method.attribution import grad_cam
    from tfviz.method.occlusion import block_sums, occluded_probabilities
    from tfviz.method.probe import value_and_gradient

    model = context.model()
    picture, body = _picture(context, model.input_shape[1:3])
    source = context.inputs.source_class
    patch, stride, fill = settings.patch, settings.stride, FILLS[settings.fill]
    names = imagenet_classes()

    whole = softmax(model.predict_on_batch(picture[None])[0].astype(np.float64))
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

    goal = tfviz.objectives.log_probability(source)
    _, _, gradient = value_and_gradient(model, goal, picture[None])
    # To first order, hiding a pixel takes off gradient times (pixel - fill), summed over the colours.
    times_input = (gradient[0] * (picture - np.asarray(fill))).sum(axis=-1)
    cam = grad_cam(model, _LAST_MAPS[str(context.network)], picture, source)
    saliency = {
        "gradient_input": block_sums(np.abs(times_input), patch, stride) / patch**2,
        "signed": block_sums(times_input, patch, stride),
        "grad_cam": block_sums(cam, patch, stride) / patch**2,
    }
    drop = whole[source] - probability
    # How much of a block's sum is left when the signs count.
    magnitudes = saliency["gradient_input"].sum() * patch**2

    number, lost = context.number, winners != source
    middle = (patch - 1) / 2
    numbers = {
        "source_probability": number(whole[source]),
        "lowest_probability": number(probability.min()),
        "lowest_row": number(row * stride + middle, "px"),
        "lowest_column": number(column * stride + middle, "px"),
        "fraction_lost": number(lost.mean()),
        "signed_sum_left": number(np.abs(saliency["signed"]).sum() / magnitudes if magnitudes > 0 else 0.0),
    }
    for name, key in (
        ("agreement", "gradient_input"),
        ("agreement_signed", "signed"),
        ("agreement_grad_cam", "grad_cam"),
    ):
        if (agreement := rank_correlation(drop, saliency[key])) is not None:
            numbers[name] = number(agreement)
    if body is not None:
        share = block_sums(body, patch, stride) / patch**2
        lowest = lowest_decile(probability)
        numbers |= {
            "lowest_decile_on_body": number((share[lowest] > 0).mean()),
            "all_blocks_on_body": number((share > 0).mean()),
            "body_in_lowest_decile": number(share[lowest].mean()),
            "body_in_all_blocks": number(share.mean()),
            "body_in_lowest_block": number(share[row, column]),
        }
        if lost.any():
            numbers["lost_on_body"] = number((share[lost] > 0).mean())
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
        "cam_layer": _LAST_MAPS[str(context.network)],
    }
    return Findings(numbers, arrays, facts)


def _picture(context: Context, shape: tuple[int, int]) -> tuple[Array, Array | None]:
    """The user's picture, or the drawn jellyfish; its body where the class looked for is the one drawn.

    As 8 bits hold it, so that all parts speak of one picture.
    """
    from tfviz.data.pictures import as_bytes, read_picture

    def rounded(picture: Array) -> Array:
        return as_bytes(picture).astype(np.float32) / np.float32(255)

    if context.inputs.image is not None:
        return rounded(read_picture(context.inputs.image, *shape)), None
    from tfviz.data.drawings import jellyfish

    picture, body = jellyfish(*shape)
    return rounded(picture), body if context.inputs.source_class == DRAWN_CLASS else None


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

    arrays, facts, numbers = findings.arrays, findings.facts, findings.numbers
    picture, name, probability = arrays["picture"], isolated(facts["class"]), arrays["probability"]
    patch, stride = settings.patch, settings.stride
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
            _("One hidden block takes “{name}” from {whole} to {lowest}.").format(
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

    arrays, numbers = findings.arrays, findings.numbers
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
            arrays["picture"],
            [
                (
                    _("one block hidden"),
                    numbers["source_probability"].value - arrays["probability"],
                    _("drop of the probability"),
                ),
                (_("|gradient × input|"), _of_largest(arrays["gradient_input"]), of_largest),
                (_("Grad-CAM"), _of_largest(arrays["grad_cam"]), of_largest),
            ],
            (settings.patch - 1) / 2,
            settings.stride,
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
