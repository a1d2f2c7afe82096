"""The picture that a unit of the first layer likes best.

Paper: activation maximisation, Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network".
Cost: two seconds per channel on two cores.
Expected: 62.0380, 34.98 and 104 for channels 0, 5 and 20 (published), 47.12 for channel 10 (reference).
Alone: python run_all.py --only conv1_units
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Findings, Number

Array = npt.NDArray[np.floating]

ID = "conv1_units"
TITLE = "The picture that a conv1 unit likes best"
TRACK = "B"
NETWORKS = ("alexnet_features",)
INPUTS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """As published; the noise's standard deviation reads "0.01" there.

    Attributes:
        repeats: how many starts that differ in the last bit, so that a value comes with its range.
    """

    channels: tuple[int, ...] = (0, 5, 10, 20)
    height: int = 224
    width: int = 224
    noise_mean: float = 0.5
    noise_std: float = 0.01
    steps: int = 30
    rate: float = 5.0
    low: float = 0.0
    high: float = 1.0
    repeats: int = 3


SETTINGS = Settings()
QUICK = Settings(repeats=2)

_CLOSED_FORM = "closed form of a linear unit on a box, from the weights"
_NETWORKS = ("alexnet", "alexnet_features")
EXPECTED = (
    Expected("activation_channel_0", 62.038, 0.005, "published", "track B", _NETWORKS, written="62.0380"),
    Expected("activation_channel_5", 34.98, 0.01, "published", "track B", _NETWORKS),
    Expected("activation_channel_10", 47.12, 0.01, "reference", "the same loop in PyTorch", _NETWORKS),
    Expected("activation_channel_20", 104.0, 0.01, "published", "track B", _NETWORKS),
    Expected("bound_channel_0", 62.0403, 0.0005, "reference", _CLOSED_FORM, _NETWORKS),
)


def run(settings: Settings, context: Context) -> Findings:
    """Ascend from the same noise for each channel, and compare with the largest value there can be."""
    model = context.model()
    from tfviz.method.ascent import last_bits
    from tfviz.models.colours import IMAGENET_MEAN, IMAGENET_STD

    kernel, bias = (np.asarray(weight) for weight in model.get_layer("conv1").get_weights())
    best = [
        linear_maximum(weights, float(own), IMAGENET_MEAN, IMAGENET_STD, settings.low, settings.high)
        for weights, own in zip(np.moveaxis(kernel, -1, 0), bias, strict=True)
    ]
    bounds, patches = np.array([bound for bound, _ in best]), np.array([patch for _, patch in best])
    norms = np.abs(kernel).sum(axis=(0, 1, 2), dtype=np.float64)
    ranks = 1 + bounds.argsort().argsort()

    random = context.random()
    shape = (settings.height, settings.width, 3)
    noise = random.normal(settings.noise_mean, settings.noise_std, shape)
    # The published 0.01 may have been the variance: one more start tells what that would change.
    wider = random.normal(settings.noise_mean, settings.noise_std**0.5, shape)
    starts = np.concatenate(
        [last_bits(noise, settings.repeats, random), wider[np.newaxis].astype(np.float32)]
    )
    rows, columns = model.get_layer("conv1").output.shape[1:3]
    field = tfviz.receptive_field(model, "conv1")
    window = field.window(rows // 2, columns // 2, (settings.height, settings.width))

    on = context.number
    numbers: dict[str, Number] = {}
    arrays: dict[str, Array] = {
        "window": np.array([[part.start, part.stop] for part in window]),
        "best_patches": patches,
        "l1": norms,
    }
    with_filter, with_sign, at_end, changes, ranges = [], [], [], [], []
    for index, channel in enumerate(settings.channels):
        trace = tfviz.ascend(
            model,
            tfviz.objectives.neuron("conv1", channel, at="center"),
            starts,
            steps=settings.steps,
            rate=settings.rate,
            clip=(settings.low, settings.high),
        )
        reached = trace.scores[-1, : settings.repeats]
        weights, seen = kernel[..., channel], trace.picture[0][window[0], window[1]]
        with_filter.append(correlation(seen, weights))
        with_sign.append(correlation(seen, np.sign(weights)))
        at_end.append(float(np.mean(seen == patches[channel])))
        ranges.append(float(np.ptp(reached)))
        changes.append(abs(float(trace.scores[-1, -1]) - float(reached[0])))
        numbers |= {
            f"activation_channel_{channel}": context.repeated(reached),
            f"bound_channel_{channel}": on(bounds[channel]),
            f"start_channel_{channel}": on(trace.scores[0, 0]),
            f"l1_channel_{channel}": on(norms[channel]),
            f"activation_over_l1_channel_{channel}": context.repeated(reached / norms[channel]),
            f"rank_channel_{channel}": on(ranks[channel]),
            f"correlation_with_filter_channel_{channel}": on(with_filter[-1]),
            f"correlation_with_sign_channel_{channel}": on(with_sign[-1]),
            f"at_end_channel_{channel}": on(at_end[-1]),
        }
        arrays[f"picture_{channel}"] = trace.picture[0]
        arrays[f"scores_{channel}"] = trace.scores[:, 0]
        arrays[f"filter_{channel}"] = weights
        context.reporter.progress(ID, index + 1, len(settings.channels))
    ratios = [numbers[f"activation_over_l1_channel_{channel}"].value for channel in settings.channels]
    numbers |= {
        "channels": on(len(bounds), "channels"),
        "lowest_over_l1": on(min(ratios)),
        "highest_over_l1": on(max(ratios)),
        "lowest_bound_over_l1": on((bounds / norms).min()),
        "highest_bound_over_l1": on((bounds / norms).max()),
        "correlation_bound_l1": on(correlation(bounds, norms)),
        "l1_ratio": on(norms.max() / norms.min()),
        "lowest_correlation_with_filter": on(min(with_filter)),
        "highest_correlation_with_filter": on(max(with_filter)),
        "lowest_correlation_with_sign": on(min(with_sign)),
        "lowest_at_end": on(min(at_end)),
        "change_with_wider_noise": on(max(changes)),
        "largest_range": on(max(ranges)),
    }
    by_value = sorted(settings.channels, key=lambda channel: numbers[f"activation_channel_{channel}"].value)
    facts = {
        "channels": [
            {
                "channel": channel,
                "reached": numbers[f"activation_channel_{channel}"].value
                / numbers[f"bound_channel_{channel}"].value,
            }
            for channel in settings.channels
        ],
        "lowest": by_value[0],
        "highest": by_value[-1],
        "window": [[part.start, part.stop - 1] for part in window],
    }
    return Findings(numbers, arrays, facts)


def correlation(first: Array, second: Array) -> float:
    """Pearson's, over all entries of two arrays of one shape; 0 where one is constant."""
    one, other = (np.asarray(values, np.float64) - np.mean(values) for values in (first, second))
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.sum(one * other)) / size if size > 0 else 0.0


def linear_maximum(
    kernel: Array,
    bias: float,
    mean: Sequence[float],
    std: Sequence[float],
    low: float,
    high: float,
) -> tuple[float, Array]:
    """The largest value of bias + sum kernel * (x - mean) / std over pictures x in [low, high].

    The sum is linear in x, so each pixel sits at one end of its range: high under a positive weight, low under a
    negative one.

    Args:
        kernel: (h, w, colours).
        bias: the unit's.
        mean: per colour, in the picture's units.
        std: per colour, positive.
        low: smallest value of a pixel.
        high: largest value of a pixel.

    Returns:
        The maximum, and the patch (h, w, colours) that reaches it.
    """
    best = np.where(kernel > 0, high, low).astype(np.float64)
    return bias + float(np.sum(kernel * (best - np.asarray(mean)) / np.asarray(std))), best


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The pictures, the patch that changed next to the filter and the best patch, the ascent, and all best patches."""
    from tfviz import figures as draw

    arrays, numbers = findings.arrays, findings.numbers
    channels = settings.channels
    (top, bottom), (left, right) = arrays["window"]
    headings = [f"channel {channel}" for channel in channels]
    bounds = [numbers[f"bound_channel_{channel}"].value for channel in channels]
    norms, patches = arrays["l1"], arrays["best_patches"]
    order = norms.argsort()

    size = f"{bottom - top} × {right - left}"
    return (
        Drawing(
            "pictures",
            f"After the ascent: the whole picture, the {size} pixels in its middle that the unit sees (enlarged), "
            "the filter's weights (grey is 0), and their signs, which is the patch that no other can beat: each colour "
            "of each pixel full on where its weight is positive, off where it is not.",
            f"A column for each of the channels {', '.join(map(str, channels))}. The pictures are grey noise but for a "
            f"small coloured patch in the middle. Enlarged, it correlates with the last row, the weights' signs, at "
            f"{numbers['lowest_correlation_with_sign'].value:.3f} or more, and with the shades of the weights at "
            f"{numbers['highest_correlation_with_filter'].value:.2f} or less.",
            lambda: draw.picture_table(
                [
                    ("whole picture", [arrays[f"picture_{channel}"] for channel in channels]),
                    (
                        "what the unit\nsees",
                        [arrays[f"picture_{channel}"][top:bottom, left:right] for channel in channels],
                    ),
                    ("the weights", [draw.centred(arrays[f"filter_{channel}"]) for channel in channels]),
                    ("best possible:\ntheir signs", [patches[channel] for channel in channels]),
                ],
                headings,
                cell=1.2,
            ),
        ),
        Drawing(
            "ascent",
            "The unit's output at each step; dotted: the closed-form bound.",
            "Rising curves, one a channel, each with its bound as a dotted line above.",
            lambda: draw.curves(
                [(f"channel {channel}", arrays[f"scores_{channel}"]) for channel in channels],
                xlabel="step",
                ylabel="output before the ReLU",
                bounds=bounds,
            ),
        ),
        Drawing(
            "all",
            f"The best possible patch of each of the {len(norms)} channels, in closed form, its channel over it; in "
            "rows, from the smallest L1 norm of the weights to the largest.",
            f"A wall of small patches in saturated colours, from channel {order[0]} to channel {order[-1]}.",
            lambda: draw.numbered_tiles(patches[order], [int(channel) for channel in order]),
        ),
    )
