"""The picture that a unit of the first layer likes best.

Paper: activation maximisation, Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network".
Cost: a second per channel on two cores.
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
    """As published; the noise's standard deviation reads "0.01" there."""

    channels: tuple[int, ...] = (0, 5, 10, 20)
    height: int = 224
    width: int = 224
    noise_mean: float = 0.5
    noise_std: float = 0.01
    steps: int = 30
    rate: float = 5.0
    low: float = 0.0
    high: float = 1.0


SETTINGS = Settings()
QUICK = SETTINGS

_CLOSED_FORM = "closed form of a linear unit on a box, from the weights"
_NETWORKS = ("alexnet", "alexnet_features")
EXPECTED = (
    Expected("activation_channel_0", 62.0380, 0.005, "published", "track B", _NETWORKS),
    Expected("activation_channel_5", 34.98, 0.01, "published", "track B", _NETWORKS),
    Expected("activation_channel_10", 47.12, 0.01, "reference", "the same loop in PyTorch", _NETWORKS),
    Expected("activation_channel_20", 104.0, 0.01, "published", "track B", _NETWORKS),
    Expected("bound_channel_0", 62.0403, 0.0005, "reference", _CLOSED_FORM, _NETWORKS),
)


def run(settings: Settings, context: Context) -> Findings:
    """Ascend from the same noise for each channel, and compare with the largest value there can be."""
    model = context.model()
    from tfviz.models.colours import IMAGENET_MEAN, IMAGENET_STD

    kernel, bias = (np.asarray(weight) for weight in model.get_layer("conv1").get_weights())
    noise = context.random().normal(
        settings.noise_mean, settings.noise_std, (settings.height, settings.width, 3)
    )
    rows, columns = model.get_layer("conv1").output.shape[1:3]
    field = tfviz.receptive_field(model, "conv1")
    window = field.window(rows // 2, columns // 2, (settings.height, settings.width))

    numbers: dict[str, Number] = {}
    arrays: dict[str, Array] = {"window": np.array([[part.start, part.stop] for part in window])}
    for index, channel in enumerate(settings.channels):
        trace = tfviz.ascend(
            model,
            tfviz.objectives.neuron("conv1", channel, at="center"),
            noise,
            steps=settings.steps,
            rate=settings.rate,
            clip=(settings.low, settings.high),
        )
        bound, best = linear_maximum(
            kernel[..., channel],
            float(bias[channel]),
            IMAGENET_MEAN,
            IMAGENET_STD,
            settings.low,
            settings.high,
        )
        numbers[f"activation_channel_{channel}"] = context.number(trace.scores[-1, 0])
        numbers[f"bound_channel_{channel}"] = context.number(bound)
        numbers[f"start_channel_{channel}"] = context.number(trace.scores[0, 0])
        arrays[f"picture_{channel}"] = trace.picture[0]
        arrays[f"scores_{channel}"] = trace.scores[:, 0]
        arrays[f"filter_{channel}"] = kernel[..., channel]
        arrays[f"best_patch_{channel}"] = best
        context.reporter.progress(ID, index + 1, len(settings.channels))
    facts = {
        "channels": [
            {
                "channel": channel,
                "reached": numbers[f"activation_channel_{channel}"].value
                / numbers[f"bound_channel_{channel}"].value,
            }
            for channel in settings.channels
        ],
        "window": [[part.start, part.stop - 1] for part in window],
    }
    return Findings(numbers, arrays, facts)


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
    """The pictures, the patch that changed next to the filter and the best patch, and the ascent."""
    from tfviz import figures as draw

    arrays = findings.arrays
    channels = settings.channels
    (top, bottom), (left, right) = arrays["window"]
    headings = [f"channel {channel}" for channel in channels]

    bounds = [findings.numbers[f"bound_channel_{channel}"].value for channel in channels]

    size = f"{bottom - top} × {right - left}"
    return (
        Drawing(
            "pictures",
            f"After the ascent: the whole picture, the {size} pixels in its middle that the unit sees (enlarged), "
            "the filter's weights (grey is 0), and the patch that no other can beat.",
            f"Four columns, one for each of the channels {', '.join(map(str, channels))}. The pictures are grey "
            "noise but for a small coloured patch in the middle, which looks like the filter driven to full contrast.",
            lambda: draw.picture_table(
                [
                    ("whole picture", [arrays[f"picture_{channel}"] for channel in channels]),
                    (
                        "what the unit sees",
                        [arrays[f"picture_{channel}"][top:bottom, left:right] for channel in channels],
                    ),
                    ("the filter", [draw.centred(arrays[f"filter_{channel}"]) for channel in channels]),
                    ("best possible", [arrays[f"best_patch_{channel}"] for channel in channels]),
                ],
                headings,
                cell=1.45,
            ),
        ),
        Drawing(
            "ascent",
            "The unit's output at each step; dotted: the closed-form bound.",
            "Four rising curves that flatten at their dotted bounds well before the last step.",
            lambda: draw.curves(
                [(f"channel {channel}", arrays[f"scores_{channel}"]) for channel in channels],
                xlabel="step",
                ylabel="output before the ReLU",
                bounds=bounds,
            ),
        ),
    )
