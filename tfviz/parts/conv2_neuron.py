"""One unit of the second convolution, driven by plain gradient descent.

Papers: Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network" (a unit's picture by gradient ascent);
Simonyan et al. 2014, "Deep Inside Convolutional Networks" (the squared norm); the loss is track A's.
Cost: about ten seconds on one core.
Expected: only the unit's receptive field changes; everything else shrinks by 0.34 a step.
Alone: python run_all.py --only conv2_neuron
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import ROUNDING, Lab, exact, ratio, rounded, scores
from tfviz.experiment.part import Again, Drawing, Findings, array, measuring, network_of
from tfviz.language import gettext as _
from tfviz.language import marked

if TYPE_CHECKING:
    import keras

    from tfviz.method.ascent import Trace
    from tfviz.method.objectives import Goal

Array = npt.NDArray[np.floating]

ID = "conv2_neuron"
TITLE = marked("One unit of the second convolution")
TRACK = "A"
NETWORKS = ("alexnet_features", "caffe_alexnet")
WHY_NOT_ANY = "it follows one unit through AlexNet's first two layers, whose shapes its formulas are of"
INPUTS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """As published; the decaying rates are this project's.

    Attributes:
        weight: of the unit in the loss -weight * unit + ||x||^2.
        rate: of the published run, constant.
        tenth: the constant rate of the second run. The third run's rate falls in a straight line from rate to 0.
        checked_steps: over how many steps the update is checked against its closed forms.
        conv1_channel: the conv1 unit that shows what a fixed point looks like.
        repeats: of every run, from starts that differ in the last bit and are rounded apart at every step.
        last_steps: at the end of the published run, over which its objective is watched.
        visible_grid: from which `grid_excess` on a grid is called visible; noise in a corner of 33 x 33 pixels has
            0 +- 0.02, squares that repeat have 1 or more.
    """

    channel: int = 0
    row: int = 0
    column: int = 0
    weight: float = 1000.0
    rate: float = 0.33
    tenth: float = 0.033
    steps: int = 1000
    noise_std: float = 0.01
    keep: tuple[int, ...] = (0, 8, 64, 512, 1000)
    checked_steps: int = 60
    conv1_channel: int = 5
    repeats: int = 4
    last_steps: int = 100
    visible_grid: float = 0.1


SETTINGS = Settings()
QUICK = Settings(steps=200, keep=(0, 8, 64, 200), repeats=2)

_MILLION = 1e6
_SUFFIXES = ("", "_tenth", "_decaying")
"""Of numbers that each rate has."""
_UPDATE = marked("closed form of the update")
EXPECTED = (
    Expected(
        "shrink_error",
        1e-5,
        0.0,
        "reference",
        _UPDATE,
        comparison="at most",
        label=marked("distance from the closed form outside the field"),
    ),
    Expected(
        "unrolled_error",
        1e-5,
        0.0,
        "reference",
        _UPDATE,
        comparison="at most",
        label=marked("distance from the closed form inside the field"),
    ),
    Expected(
        "conv1_fixed_point_error",
        1e-5,
        0.0,
        "reference",
        marked("x = 500 w for a linear unit"),
        comparison="at most",
        label=marked("distance of a conv1 unit’s picture from its fixed point"),
    ),
    Expected(
        "outside_field_max",
        1e-30,
        0.0,
        "own bound",
        marked("nothing but the norm pulls there"),
        comparison="at most",
        label=marked("largest value outside the field"),
    ),
    Expected(
        "decaying_gain",
        1.0,
        0.0,
        "own bound",
        marked("a smaller last step loses nothing"),
        comparison="at least",
        label=marked("objective with a falling rate over that with the published one"),
    ),
)


def run(settings: Settings, context: Context) -> Findings:
    """The same descent with three rates, each repeated, and the checks of the update."""
    model = context.model(normalize=False)
    from tfviz.method.ascent import falling
    from tfviz.method.probe import value_and_gradient
    from tfviz.parts._repeats import rounded_apart

    unit = tfviz.objectives.neuron("conv2", settings.channel, at=(settings.row, settings.column))
    goal = settings.weight * unit - tfviz.priors.l2()
    random = context.random()
    start = random.normal(0, settings.noise_std, model.input_shape[1:]).astype(np.float32)
    starts = rounded_apart(start, settings.repeats, random)
    field = _field(model, settings)
    rates: dict[str, float | Callable[[int], float]] = {
        "published": settings.rate,
        "tenth": settings.tenth,
        "decaying": falling(settings.rate, settings.steps),
    }
    traces: dict[str, Trace] = {}
    for index, (name, rate) in enumerate(rates.items()):
        traces[name] = tfviz.ascend(
            model, goal, starts, steps=settings.steps, rate=rate, clip=None, keep=settings.keep
        )
        context.reporter.progress(ID, index + 1, len(rates) + 1)

    published = traces["published"]
    outside = np.ones(start.shape[:2], bool)
    outside[field] = False
    checked = _checked(model, unit, start, settings)
    corner = checked[:, *field]
    conv1_picture = _conv1_picture(model, start, settings)
    conv1_window = _conv1_window(model, settings)
    beyond = np.ones(start.shape[:2], bool)
    beyond[conv1_window] = False
    context.reporter.progress(ID, len(rates) + 1, len(rates) + 1)
    strides = _strides(model)

    on, repeated = context.number, context.repeated
    unit_name = unit.terms[0][1].name
    numbers = {
        "outside_field_max": on(np.abs(published.picture[:, outside]).max()),
        "shrink_error": on(shrink_error(dict(enumerate(checked)), field, settings)),
        "unrolled_error": on(unrolled_error(model, unit, corner, field, settings)),
        "conv1_fixed_point_error": on(conv1_fixed_point_error(model, conv1_picture[conv1_window], settings)),
        "conv1_outside_max": on(np.abs(conv1_picture[beyond]).max()),
        # What it must be: that of the start times (1 - 2 rate) to the number of steps.
        "conv1_outside_expected": on(
            abs(1 - 2 * settings.rate) ** settings.checked_steps * np.abs(start[beyond]).max()
        ),
    }
    half = settings.weight / 2
    for name, trace in traces.items():
        _, _, gradient = value_and_gradient(model, unit, trace.picture)
        largest = np.abs(trace.picture).max(axis=(1, 2, 3))
        corners = [picture[field] for picture in trace.picture]
        measured = {
            "activation": trace.terms[unit_name][-1],
            "objective": trace.scores[-1],
            "stationarity_residual": np.abs(trace.picture - half * gradient).max(axis=(1, 2, 3)) / largest,
            "largest_value": largest,
            **{
                f"grid_{grid}": np.array([grid_excess(corner, stride) for corner in corners])
                for grid, stride in strides.items()
            },
        }
        suffix = "" if name == "published" else f"_{name}"
        numbers.update({f"{measure}{suffix}": repeated(values) for measure, values in measured.items()})
        numbers[f"rounding_effect{suffix}"] = on(np.ptp(trace.scores[-1]) / abs(trace.scores[-1, 0]))
    last = published.scores[-settings.last_steps :, 0]
    numbers["objective_last_min"], numbers["objective_last_max"] = on(last.min()), on(last.max())
    ends = {name: trace.scores[-1].astype(np.float64) for name, trace in traces.items()}
    numbers["decaying_gain"] = repeated(ends["decaying"] / ends["published"])

    arrays: dict[str, Array] = {
        "steps": np.array(settings.keep),
        "field": np.array([[part.start, part.stop] for part in field]),
        "checked_start": checked[0],
        "checked_end": checked[-1],
        "checked_corner": corner,
        "conv1_corner": conv1_picture[conv1_window],
    }
    for name, trace in traces.items():
        arrays[f"picture_{name}"] = trace.picture[0]
        arrays[f"objective_{name}"] = trace.scores[:, 0]
        arrays[f"corner_{name}"] = np.stack([trace.snapshots[step][0][field] for step in settings.keep])
    arrays["unit_published"] = published.terms[unit_name][:, 0]
    arrays["l2_published"] = published.terms["l2"][:, 0]
    whole = tfviz.receptive_field(model, "conv2")
    facts = {
        "field_size": whole.size[0],
        "field_offset": whole.offset[0],
        "field_last": field[0].stop - 1,
        "conv1_size": tfviz.receptive_field(model, "conv1").size[0],
        "strides": strides,
    }
    return Findings(numbers, arrays, facts)


def grid_excess(picture: Array, period: int) -> float:
    """How much a picture repeats itself along rows and columns with a period, beyond how smooth it is.

    The correlation of the picture with itself moved by the period, less the mean of those moved by half and by one and
    a half periods; mean over both directions. Lines a pixel wide that repeat have 1, squares next to gaps as wide as
    they are 2, noise 0.

    Args:
        picture: (H, W, 3) about 0, larger than one and a half periods.
        period: pixels, even.
    """

    def correlation(axis: int, lag: int) -> float:
        length = picture.shape[axis]
        first = picture.take(range(length - lag), axis).astype(np.float64)
        second = picture.take(range(lag, length), axis).astype(np.float64)
        return float(np.sum(first * second) / np.sqrt(np.sum(first**2) * np.sum(second**2)))

    between = (period // 2, period + period // 2)
    excesses = [
        correlation(axis, period) - np.mean([correlation(axis, lag) for lag in between]) for axis in (0, 1)
    ]
    return float(np.mean(excesses))


def _field(model: keras.Model, settings: Settings) -> tuple[slice, slice]:
    """The rows and columns that the unit sees."""
    size = model.input_shape[1:3]
    return tfviz.receptive_field(model, "conv2").window(settings.row, settings.column, size)


def _strides(model: keras.Model) -> dict[str, int]:
    """Pixels from one unit to the next, of the grids that the picture may show."""
    return {
        name: tfviz.receptive_field(model, layer).stride[0]
        for name, layer in (("conv1", "conv1"), ("pool", "pool1"))
    }


def _checked(model: keras.Model, unit: Goal, start: Array, settings: Settings) -> Array:
    """The published descent's first pictures x_0 to x_T: (checked_steps + 1, H, W, 3)."""
    total = settings.checked_steps
    goal = settings.weight * unit - tfviz.priors.l2()
    trace = tfviz.ascend(
        model, goal, start, steps=total, rate=settings.rate, clip=None, keep=range(total + 1)
    )
    return np.concatenate([trace.snapshots[step] for step in range(total + 1)])


def shrink_error(pictures: Mapping[int, Array], field: tuple[slice, slice], settings: Settings) -> float:
    """How far x_t is from s^t x_0 outside the field, s = 1 - 2 rate, relative to each pixel's exact value: the largest.

    Args:
        pictures: x_t (H, W, 3) by t, x_0 among them.
        field: what the unit sees.
        settings: the rate.
    """
    exact_start = pictures[0].astype(np.float64)
    outside = np.ones(exact_start.shape, bool)
    outside[field] = False
    outside &= exact_start != 0
    shrink = 1 - 2 * settings.rate
    return max(
        float(np.abs(picture[outside] / (shrink**step * exact_start[outside]) - 1).max())
        for step, picture in pictures.items()
    )


def unrolled_error(
    model: keras.Model,
    unit: Goal,
    corners: Array,
    field: tuple[slice, slice],
    settings: Settings,
    rounded_apart: float = 1.0,
) -> float:
    """How far x_T is inside the field from the unrolled sum, relative to the largest value of x_T.

    x_T = s^T x_0 + rate weight sum over t of s^(T-1-t) g_t, where s = 1 - 2 rate and g_t is the unit's gradient at x_t:
    taken here from the stored x_t, apart from the loop, and summed in float64.

    Args:
        model: takes the network's own input.
        unit: whose gradient.
        corners: x_0 to x_T in the field, all that the unit sees: (T + 1, h, w, 3).
        field: where they are.
        settings: rate and weight.
        rounded_apart: a factor near 1 of what the gradient is taken at.
    """
    from tfviz.method.probe import value_and_gradient

    corners = np.asarray(corners, np.float64)
    total = len(corners) - 1
    pictures = np.zeros((total, *model.input_shape[1:]))
    pictures[:, *field] = rounded_apart * corners[:-1]
    _, _, gradients = value_and_gradient(model, unit, pictures)
    shrink = 1 - 2 * settings.rate
    decay = shrink ** (total - 1 - np.arange(total))
    unrolled = shrink**total * corners[0] + settings.rate * settings.weight * np.tensordot(
        decay, gradients[:, *field].astype(np.float64), axes=1
    )
    return float(np.abs(unrolled - corners[-1]).max() / np.abs(corners[-1]).max())


def _conv1_picture(model: keras.Model, start: Array, settings: Settings) -> Array:
    """A conv1 unit's picture (H, W, 3) by the same descent."""
    goal = settings.weight * tfviz.objectives.neuron("conv1", settings.conv1_channel) - tfviz.priors.l2()
    trace = tfviz.ascend(model, goal, start, steps=settings.checked_steps, rate=settings.rate, clip=None)
    picture: Array = trace.picture[0]
    return picture


def _conv1_window(model: keras.Model, settings: Settings) -> tuple[slice, slice]:
    """The rows and columns that this unit sees."""
    rows, columns = model.get_layer("conv1").output.shape[1:3]
    return tfviz.receptive_field(model, "conv1").window(rows // 2, columns // 2, model.input_shape[1:3])


def conv1_fixed_point_error(model: keras.Model, seen: Array, settings: Settings) -> float:
    """How far what a conv1 unit sees of its picture (h, w, 3) is from weight / 2 times its filter.

    The largest distance, relative to the largest value.
    """
    kernel = np.asarray(model.get_layer("conv1").get_weights()[0])[..., settings.conv1_channel]
    expected = settings.weight / 2 * kernel
    return float(np.abs(seen - expected).max() / np.abs(expected).max())


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The picture and the corner that the unit sees, the corner over the steps, the objective and its terms."""
    from tfviz import figures as draw
    from tfviz.figures import live
    from tfviz.figures.style import number

    arrays, numbers = findings.arrays, findings.numbers
    steps = [int(step) for step in arrays["steps"]]
    names = {
        "published": _("published rate"),
        "tenth": _("a tenth of it"),
        "decaying": _("falling to 0"),
    }
    pictures = {name: arrays[f"picture_{name}"] for name in names}
    (top, bottom), (left, right) = arrays["field"]
    scale = ", ".join(f"±{number(float(np.abs(picture).max()), 3)}" for picture in pictures.values())
    ends = sorted(names, key=lambda name: -arrays[f"objective_{name}"][-1])
    rows = [
        (_("whole picture"), [draw.centred(picture) for picture in pictures.values()]),
        (
            _("its corner"),
            [draw.centred(picture[top:bottom, left:right]) for picture in pictures.values()],
        ),
    ]
    corners = {name: [draw.centred(corner) for corner in arrays[f"corner_{name}"]] for name in names}

    alone = numbers["outside_field_max"].value < 1e-6 * numbers["largest_value"].value
    grids = [numbers[f"grid_{grid}{suffix}"].value for grid in ("conv1", "pool") for suffix in _SUFFIXES]
    low, high = numbers["decaying_gain"].spread or (numbers["decaying_gain"].value,) * 2
    if low > 1:
        gain = _("A rate that falls to 0 ends {times} times as high as the published one.").format(
            times=number(numbers["decaying_gain"].value, 3)
        )
    elif high <= 1:
        gain = _("The published rate loses nothing against one that falls to 0.")
    else:
        gain = _("Whether a rate that falls to 0 ends higher hangs on rounding.")

    return (
        Drawing(
            "pictures",
            _(
                "The picture after the last step, and enlarged its top left corner of {rows} × {columns} pixels, which "
                "is all that the unit sees. Grey is 0, the mean colour; full contrast is {scale} with the published "
                "rate, a tenth of it, and one that falls to 0."
            ).format(rows=bottom - top, columns=right - left, scale=scale),
            _(
                "A grey square with a small coloured patch in its top left corner; and that patch, enlarged, for each "
                "of three rates."
            ),
            lambda: draw.picture_table(
                [("", [rows[0][1][0], *rows[1][1]])], [_("whole picture"), *names.values()]
            ),
            _("Only the corner that the unit sees is drawn on.")
            if alone
            else _("More than the corner that the unit sees is left of the start."),
            lambda: live.Pictures(
                [
                    live.PicturesRow(
                        label,
                        [
                            live.Labelled("", picture, f"{heading}: {label}", pixelated=True)
                            for heading, picture in zip(names.values(), each, strict=True)
                        ],
                    )
                    for label, each in rows
                ],
                list(names.values()),
            ),
        ),
        Drawing(
            "corner",
            _("The corner at several steps, each picture scaled to its own largest value."),
            _("A row of small pictures for each rate, from the noise at the start to the last step."),
            lambda: draw.picture_table(
                [(label, corners[name]) for name, label in names.items()],
                [_("step {step}").format(step=step) for step in steps],
                largest=0.82,
            ),
            _("A grid of squares can be seen in the corner.")
            if max(grids) > settings.visible_grid
            else _("What fills the corner is no grid of squares."),
            lambda: live.Steps(
                steps,
                [
                    live.StepsRow(
                        label,
                        corners[name],
                        [number(float(arrays[f"objective_{name}"][step]) / _MILLION, 3) for step in steps],
                    )
                    for name, label in names.items()
                ],
                _("objective (millions)"),
            ),
        ),
        Drawing(
            "objective",
            _(
                "The objective, weight · unit − squared norm, at each step, from the first start; and of the published "
                "run these two terms."
            ),
            _("Five curves; of the three objectives, from the highest end to the lowest: {order}.").format(
                order=", ".join(names[name] for name in ends)
            ),
            lambda: draw.curves(
                [
                    *((label, arrays[f"objective_{name}"] / _MILLION) for name, label in names.items()),
                    (_("weight · unit"), settings.weight * arrays["unit_published"] / _MILLION),
                    (_("squared norm"), arrays["l2_published"] / _MILLION),
                ],
                xlabel=_("step"),
                ylabel=_("objective (millions)"),
            ),
            gain,
        ),
    )


_CHECKED = 2e-6
"""How far the three relative errors of the update, each a few last places of float32, may be from those claimed."""
_LAST_BITS = 2 * float(np.finfo(np.float32).eps)


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """What the first repeat's pictures show; of the others no picture was kept.

    The stationarity's residuals are not measured: their gradients jump with the last bit.
    """
    model = lab.model(network_of(findings), normalize=False)
    shape = model.input_shape[1:]
    unit = tfviz.objectives.neuron("conv2", settings.channel, at=(settings.row, settings.column))
    goal = settings.weight * unit - tfviz.priors.l2()
    field, strides = _field(model, settings), _strides(model)
    found: dict[str, Again] = {}
    for run, suffix in zip(("published", "tenth", "decaying"), _SUFFIXES, strict=True):
        names = ("activation", "objective", "largest_value", *(f"grid_{grid}" for grid in strides))
        with measuring(found, *(f"{name}{suffix}" for name in names)):
            picture = array(findings, f"picture_{run}", shape)
            score, terms = scores(model, goal, picture[np.newaxis])
            activation, norm = terms[unit.terms[0][1].name][0], terms["l2"][0]
            measured = (
                rounded(activation),
                rounded(score[0], settings.weight * abs(activation) + norm),
                exact(np.abs(picture).max()),
                *(exact(grid_excess(picture[field], stride)) for stride in strides.values()),
            )
            found |= {f"{name}{suffix}": value for name, value in zip(names, measured, strict=True)}
    with measuring(found, "outside_field_max"):
        outside = np.ones(shape[:2], bool)
        outside[field] = False
        left = float(np.abs(array(findings, "picture_published", shape)[outside]).max())
        # Of all repeats the number is: they are some last bits apart, and no less than the least that float32 keeps.
        found["outside_field_max"] = Again(left, ROUNDING * left + float(np.finfo(np.float32).tiny))
    found["decaying_gain"] = ratio(found["objective_decaying"], found["objective"])
    with measuring(found, "shrink_error"):
        ends = {0: array(findings, "checked_start", shape)}
        ends[settings.checked_steps] = array(findings, "checked_end", shape)
        # The number is the largest of all steps; what rounding loses grows with them, and the last one has nearly all.
        found["shrink_error"] = Again(shrink_error(ends, field, settings), _CHECKED)
    with measuring(found, "unrolled_error"):
        height, width = (part.stop - part.start for part in field)
        corners = array(findings, "checked_corner", (settings.checked_steps + 1, height, width, 3))
        error = unrolled_error(model, unit, corners, field, settings)
        if error > _CHECKED:
            # The input of a ReLU may be 0 but for rounding: there another machine's gradient jumps.
            other = (
                unrolled_error(model, unit, corners, field, settings, by)
                for by in (1 + _LAST_BITS, 1 - _LAST_BITS)
            )
            error = min(error, *other)
        found["unrolled_error"] = Again(error, _CHECKED)
    with measuring(found, "conv1_fixed_point_error"):
        height, width = (part.stop - part.start for part in _conv1_window(model, settings))
        seen = array(findings, "conv1_corner", (height, width, 3))
        found["conv1_fixed_point_error"] = Again(conv1_fixed_point_error(model, seen, settings), _CHECKED)
    return found
