"""The picture that a unit of the first layer likes best.

Paper: activation maximisation, Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network".
Cost: two seconds per channel on two cores, and six for the Gabor functions of all filters.
Expected: 62.0380, 34.98 and 104 for channels 0, 5 and 20 (published), 47.12 for channel 10 (reference).
Alone: python run_all.py --only conv1_units
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab, exact, extreme, ratio, rounded, scores
from tfviz.experiment.part import Again, Drawing, Findings, Number, array, measuring, network_of
from tfviz.language import gettext as _
from tfviz.language import marked

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[np.floating]

ID = "conv1_units"
TITLE = marked("What a first-layer unit likes best")
TRACK = "B"
NETWORKS = ("alexnet_features",)
ANY_NETWORK = True
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

_CLOSED_FORM = marked("closed form of a linear unit on a box, from the weights")
_ENDS, _BOUND = marked("channel {n}: end of the ascent"), marked("channel {n}: bound")
_NETWORKS = ("alexnet", "alexnet_features")
EXPECTED = (
    Expected(
        "activation_channel_0",
        62.038,
        0.005,
        "published",
        "track B",
        _NETWORKS,
        written="62.0380",
        label=_ENDS,
    ),
    Expected("activation_channel_5", 34.98, 0.01, "published", "track B", _NETWORKS, label=_ENDS),
    Expected(
        "activation_channel_10",
        47.12,
        0.01,
        "reference",
        marked("the same loop in PyTorch"),
        _NETWORKS,
        label=_ENDS,
    ),
    Expected("activation_channel_20", 104.0, 0.01, "published", "track B", _NETWORKS, label=_ENDS),
    Expected("bound_channel_0", 62.0403, 0.0005, "reference", _CLOSED_FORM, _NETWORKS, label=_BOUND),
)


def run(settings: Settings, context: Context) -> Findings:
    """Ascend from the same noise for each channel, and compare with the largest value there can be."""
    from tfviz.measures import gabor
    from tfviz.method.ascent import last_bits

    units = _units(context, settings)
    model, kernel, bounds, patches, norms = (
        units.model,
        units.kernel,
        units.bounds,
        units.patches,
        units.norms,
    )
    ranks = 1 + bounds.argsort().argsort()
    channels, shape = units.shown(settings.channels), model.input_shape[1:]

    random = context.random()
    noise = random.normal(settings.noise_mean, settings.noise_std, shape)
    # The published 0.01 may have been the variance: one more start tells what that would change.
    wider = random.normal(settings.noise_mean, settings.noise_std**0.5, shape)
    starts = np.concatenate(
        [last_bits(noise, settings.repeats, random), wider[np.newaxis].astype(np.float32)]
    )
    window = units.window

    on = context.number
    numbers: dict[str, Number] = {}
    arrays: dict[str, Array] = {
        "window": np.array([[part.start, part.stop] for part in window]),
        "best_patches": patches,
        "filters": np.moveaxis(kernel, -1, 0),
        "bounds": bounds,
        "l1": norms,
    }
    fits = [gabor.fit(gabor.first_spatial_component(weights)[0]) for weights in arrays["filters"]]
    arrays["fits"] = np.array([fit.picture(kernel.shape[:2]) for fit in fits])
    arrays["fitted"] = np.array([fit.variance_explained for fit in fits])
    with_filter: list[float] = []
    with_sign: list[float] = []
    at_end: list[float] = []
    changes, ranges = [], []
    for index, channel in enumerate(channels):
        trace = tfviz.ascend(
            model,
            tfviz.objectives.neuron(units.layer, int(units.numbers[channel]), at="center"),
            starts,
            steps=settings.steps,
            rate=settings.rate,
            clip=(settings.low, settings.high),
        )
        reached = trace.scores[-1, : settings.repeats]
        weights, seen = kernel[..., channel], trace.picture[0][window[0], window[1]]
        for values, value in zip(
            (with_filter, with_sign, at_end), likeness(seen, weights, patches[channel]), strict=True
        ):
            values.append(value)
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
        context.reporter.progress(ID, index + 1, len(channels))
    ratios = [numbers[f"activation_over_l1_channel_{channel}"].value for channel in channels]
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
    by_value = sorted(channels, key=lambda channel: numbers[f"activation_channel_{channel}"].value)
    facts = {
        "channels": [
            {
                "channel": channel,
                "reached": numbers[f"activation_channel_{channel}"].value
                / numbers[f"bound_channel_{channel}"].value,
            }
            for channel in channels
        ],
        "lowest": by_value[0],
        "highest": by_value[-1],
        "window": [[part.start, part.stop - 1] for part in window],
    }
    if context.own is not None:
        facts |= {"layer": units.path, "zero_filters": units.zeros}
    return Findings(numbers, arrays, facts)


@dataclass(frozen=True)
class _Units:
    """The units of the first convolution, whose output before the activation is linear in the picture.

    Attributes:
        model: from pictures to that output, or farther.
        layer: its name there.
        path: and in the network.
        numbers: (n,) the channels that are looked at: all whose weights are not all 0.
        kernel: (h, w, colours, n), what the unit in the middle weighs.
        bounds: (n,) the largest outputs that there can be.
        patches: (n, h, w, colours) with which a unit has them.
        norms: (n,) L1 norms of the kernel.
        window: rows and columns that the unit in the middle sees.
        zeros: how many channels are left out.
    """

    model: keras.Model
    layer: str
    path: str
    numbers: npt.NDArray[np.integer]
    kernel: Array
    bounds: Array
    patches: Array
    norms: Array
    window: tuple[slice, slice]
    zeros: int = 0

    def shown(self, wanted: Sequence[int]) -> tuple[int, ...]:
        """Those of the wanted channels that there are, or where one is missing, as many, evenly spaced."""
        count = len(self.numbers)
        if max(wanted) < count:
            return tuple(wanted)
        return tuple(int(at) for at in np.unique(np.linspace(0, count - 1, len(wanted)).round()))


def _units(context: Context, settings: Settings) -> _Units:
    """Of conv1, in closed form; of the user's own network, from the gradients of its first convolution's units.

    Raises:
        UnfitNetworkError: the user's own has no such units.
    """
    model = context.model()
    if context.own is None:
        kernel, bounds, patches, norms = _closed_forms(model, settings)
        all_of_them, window = np.arange(len(norms)), _window(model, settings)
        return _Units(model, "conv1", "conv1", all_of_them, kernel, bounds, patches, norms, window)
    from tfviz.measures.measured_field import unit_gradients
    from tfviz.models import description
    from tfviz.models.own import before_activation
    from tfviz.parts._own import UnfitNetworkError

    try:
        path = description.first_convolution(model).path
        first = before_activation(model, path)
        field = tfviz.receptive_field(first, _LAST)
    except ValueError as error:
        raise UnfitNetworkError(str(error)) from error
    *shape, colours = first.input_shape[1:]
    rows, columns, channels = first.output_shape[1:]
    window = field.window(rows // 2, columns // 2, (shape[0], shape[1]))
    if min(part.stop - part.start for part in window) < 2:
        raise UnfitNetworkError(f"Its first convolution, {path}, weighs single pixels: that is no pattern.")
    middle = (settings.low + settings.high) / 2
    grey: Array = np.full((1, *shape, colours), middle, np.float32)
    ends: Array = np.asarray(
        context.random().uniform(settings.low, settings.high, grey.shape), dtype=np.float32
    )
    at_grey, at_ends = (
        np.asarray(first(picture), np.float64)[0, rows // 2, columns // 2] for picture in (grey, ends)
    )
    every = [(rows // 2, columns // 2, channel) for channel in range(channels)]
    gradients = [
        unit_gradients(first, _LAST, some, np.repeat(grey, len(some), axis=0))
        for some in (every[begin : begin + _AT_ONCE] for begin in range(0, channels, _AT_ONCE))
    ]
    kernel = np.moveaxis(np.concatenate(gradients)[:, window[0], window[1]], 0, -1)
    # What comes before it may not be linear: then no gradient says what the units can reach.
    expected = at_grey + np.einsum("hwc,hwcn->n", (ends - grey)[0][window].astype(np.float64), kernel)
    norms = np.abs(kernel).sum(axis=(0, 1, 2), dtype=np.float64)
    if (np.abs(at_ends - expected) > _LINEAR * np.maximum(norms, np.abs(at_grey))).any():
        raise UnfitNetworkError(
            f"What comes before its first convolution, {path}, is not linear in the picture: its units have no largest "
            "output in closed form."
        )
    kept = np.flatnonzero(norms > 0)
    if not kept.size:
        raise UnfitNetworkError(f"All weights of its first convolution, {path}, are 0.")
    half = (settings.high - settings.low) / 2
    patches = np.where(np.moveaxis(kernel, -1, 0) > 0, settings.high, settings.low).astype(np.float64)
    return _Units(
        first,
        _LAST,
        path,
        kept,
        kernel[..., kept],
        (at_grey + half * norms)[kept],
        patches[kept],
        norms[kept],
        window,
        channels - len(kept),
    )


_LAST = "tfviz_last"  # of `tfviz.models.own.before_activation`
_AT_ONCE = 16  # units whose gradients are in memory together
_LINEAR = 1e-3  # relative: float32's sums, and what mixed precision leaves of a picture


def _closed_forms(model: keras.Model, settings: Settings) -> tuple[Array, Array, Array, Array]:
    """Of conv1: the kernel (h, w, 3, n); each unit's bound (n,), best patch (n, h, w, 3) and L1 norm (n,)."""
    from tfviz.models.colours import IMAGENET_MEAN, IMAGENET_STD

    kernel, bias = (np.asarray(weight) for weight in model.get_layer("conv1").get_weights())
    best = [
        linear_maximum(weights, float(own), IMAGENET_MEAN, IMAGENET_STD, settings.low, settings.high)
        for weights, own in zip(np.moveaxis(kernel, -1, 0), bias, strict=True)
    ]
    bounds, patches = np.array([bound for bound, _ in best]), np.array([patch for _, patch in best])
    return kernel, bounds, patches, np.abs(kernel).sum(axis=(0, 1, 2), dtype=np.float64)


def _window(model: keras.Model, settings: Settings) -> tuple[slice, slice]:
    """The rows and columns that the unit in the middle of conv1's map sees."""
    rows, columns = model.get_layer("conv1").output.shape[1:3]
    field = tfviz.receptive_field(model, "conv1")
    return field.window(rows // 2, columns // 2, (settings.height, settings.width))


def likeness(seen: Array, weights: Array, best: Array) -> tuple[float, float, float]:
    """Of a patch (h, w, 3): correlation with the weights and with their signs; share of values as in the best patch."""
    return (
        correlation(seen, weights),
        correlation(seen, np.sign(weights)),
        float(np.mean(seen == best)),
    )


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
    from tfviz.figures import live
    from tfviz.figures.style import number as written
    from tfviz.parts._own import in_colours

    arrays, numbers = findings.arrays, findings.numbers
    channels = [row["channel"] for row in findings.facts["channels"]]
    arrays = {
        name: in_colours(each) if name == "best_patches" or name.startswith("picture_") else each
        for name, each in arrays.items()
    }
    (top, bottom), (left, right) = arrays["window"]
    headings = [_("channel {channel}").format(channel=channel) for channel in channels]
    bounds = [numbers[f"bound_channel_{channel}"].value for channel in channels]
    norms, patches, filters = arrays["l1"], arrays["best_patches"], arrays["filters"]
    order = [int(channel) for channel in norms.argsort()]
    near_signs = (
        numbers["lowest_correlation_with_sign"].value > numbers["highest_correlation_with_filter"].value
    )
    apart = 1 - min(row["reached"] for row in findings.facts["channels"])
    rows = [
        (_("whole picture"), [arrays[f"picture_{channel}"] for channel in channels]),
        (
            _("what the unit sees"),
            [arrays[f"picture_{channel}"][top:bottom, left:right] for channel in channels],
        ),
        (_("the weights"), [in_colours(draw.centred(filters[channel])) for channel in channels]),
        (_("best possible: their signs"), [patches[channel] for channel in channels]),
    ]

    def ascent(channel: int) -> live.Curve | None:
        if channel not in channels:
            return None
        scores = arrays[f"scores_{channel}"]
        label = _("output from {first} to {last} in {steps} steps; dotted: the bound").format(
            first=written(float(scores[0]), 3), last=written(float(scores[-1]), 4), steps=len(scores) - 1
        )
        return live.Curve(label, scores, float(arrays["bounds"][channel]))

    def wall() -> live.Wall:
        return live.Wall(
            [
                live.Tile(
                    str(channel),
                    patches[channel],
                    {
                        _("rank by L1 norm"): str(rank + 1),
                        _("L1 norm of the weights"): written(float(norms[channel]), 4),
                        _("largest output"): written(float(arrays["bounds"][channel]), 4),
                        _("largest output / L1 norm"): written(
                            float(arrays["bounds"][channel] / norms[channel]), 3
                        ),
                        _("variance explained by the Gabor function"): written(
                            float(arrays["fitted"][channel]), 3
                        ),
                    },
                    [
                        live.Labelled(
                            _("the weights"),
                            in_colours(draw.centred(filters[channel])),
                            _("Weights of channel {channel}; grey is zero").format(channel=channel),
                        ),
                        live.Labelled(
                            _("Gabor fit"),
                            arrays["fits"][channel],
                            _("The Gabor function fitted to filter {channel}").format(channel=channel),
                        ),
                    ],
                    ascent(channel),
                )
                for rank, channel in enumerate(order)
            ],
            _("Channel {name}"),
            _("its best patch"),
            _("ascent"),
        )

    return (
        Drawing(
            "pictures",
            _(
                "The whole picture after the ascent; the {rows} × {columns} pixels in its middle that the unit sees, "
                "enlarged; the filter’s weights, where grey is zero; and their signs, the patch that no other can "
                "beat: each colour of each pixel full on where its weight is positive, off where it is not."
            ).format(rows=bottom - top, columns=right - left),
            _(
                "A column for each of the channels {channels}. The pictures are grey noise but for a small coloured "
                "patch in the middle. Enlarged, it correlates with the last row, the weights’ signs, at {signs} or "
                "more, and with the shades of the weights at {weights} or less."
            ).format(
                channels=", ".join(map(str, channels)),
                signs=f"{numbers['lowest_correlation_with_sign'].value:.3f}",
                weights=f"{numbers['highest_correlation_with_filter'].value:.2f}",
            ),
            lambda: draw.picture_table(rows, headings, largest=0.85),
            _("Every unit is given the signs of its own weights.")
            if near_signs
            else _("The ascent has not come to the signs of the weights yet."),
            lambda: live.Pictures(
                [
                    live.PicturesRow(
                        label,
                        [
                            live.Labelled("", np.clip(picture, 0, 1), f"{heading}: {label}")
                            for heading, picture in zip(headings, pictures, strict=True)
                        ],
                    )
                    for label, pictures in rows
                ],
                headings,
            ),
        ),
        Drawing(
            "ascent",
            _("The unit’s output at each step; dotted: the closed-form bound."),
            _("Rising curves, one a channel, each with its bound as a dotted line above."),
            lambda: draw.curves(
                [
                    (heading, arrays[f"scores_{channel}"])
                    for heading, channel in zip(headings, channels, strict=True)
                ],
                xlabel=_("step"),
                ylabel=_("output before the activation")
                if "layer" in findings.facts
                else _("output before the ReLU"),
                bounds=bounds,
            ),
            _("The ascent that ends furthest from its bound is {share} below it.").format(
                share=f"{written(100 * apart, 2)}\u202f%"
            )
            if apart > 0
            else _("Every ascent reaches its bound."),
        ),
        Drawing(
            "all",
            _(
                "The best possible patch of each of the {count} channels, in closed form, with its channel; in rows, "
                "from the smallest L1 norm of the weights to the largest."
            ).format(count=len(norms)),
            _("A wall of small patches in saturated colours, from channel {first} to channel {last}.").format(
                first=order[0], last=order[-1]
            ),
            lambda: draw.numbered_tiles(patches[order], order),
            _("The largest of these L1 norms is {ratio} times the smallest.").format(
                ratio=written(numbers["l1_ratio"].value, 3)
            ),
            wall,
        ),
    )


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """The units' outputs and patches from the pictures, all else from the grader's own weights.

    Of the starts and the repeats no picture was kept.
    """
    model = lab.model(network_of(findings))
    kernel, bounds, patches, norms = _closed_forms(model, settings)
    ranks = 1 + bounds.argsort().argsort()
    window = _window(model, settings)
    found = {
        "channels": exact(len(bounds)),
        "lowest_bound_over_l1": exact((bounds / norms).min()),
        "highest_bound_over_l1": exact((bounds / norms).max()),
        "correlation_bound_l1": exact(correlation(bounds, norms)),
        "l1_ratio": exact(norms.max() / norms.min()),
    }
    of_pictures = (
        "activation_over_l1",
        "correlation_with_filter",
        "correlation_with_sign",
        "at_end",
    )
    for channel in settings.channels:
        found |= {
            f"bound_channel_{channel}": exact(bounds[channel]),
            f"l1_channel_{channel}": exact(norms[channel]),
            f"rank_channel_{channel}": exact(ranks[channel]),
        }
        activation, *others = (f"{name}_channel_{channel}" for name in ("activation", *of_pictures))
        with measuring(found, activation, *others):
            shape = (settings.height, settings.width, 3)
            picture = array(findings, f"picture_{channel}", shape, (settings.low, settings.high))
            goal = tfviz.objectives.neuron("conv1", channel, at="center")
            reached = rounded(scores(model, goal, picture[np.newaxis])[0][0], bounds[channel])
            found[activation] = reached
            over = ratio(reached, exact(norms[channel]))
            alike = likeness(picture[window], kernel[..., channel], patches[channel])
            found |= zip(others, (over, *map(exact, alike)), strict=True)
    for name, of, choose in (
        ("lowest_over_l1", "activation_over_l1", min),
        ("highest_over_l1", "activation_over_l1", max),
        ("lowest_correlation_with_filter", "correlation_with_filter", min),
        ("highest_correlation_with_filter", "correlation_with_filter", max),
        ("lowest_correlation_with_sign", "correlation_with_sign", min),
        ("lowest_at_end", "at_end", min),
    ):
        found[name] = extreme([found[f"{of}_channel_{channel}"] for channel in settings.channels], choose)
    return found
