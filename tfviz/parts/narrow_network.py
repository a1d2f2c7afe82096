"""Theory 2: a one-hidden-layer ReLU network of one number as a deep network with three units a layer.

Paper: Hanin and Sellke 2017, "Approximating Continuous Functions by ReLU Nets of Minimal Width".
Cost: about 15 s on two cores, nearly all of it to make Keras' layers.
Expected: the two functions differ by at most 1e-12 of the largest value in float64, and by 1e-5 in float32.
Alone: python run_all.py --only narrow_network
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tfviz import backend
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab, exact
from tfviz.experiment.part import Again, Drawing, Findings, NotHandedInError, Number, array, measuring
from tfviz.language import gettext as _
from tfviz.language import marked

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[np.floating]

ID = "narrow_network"
TITLE = marked("Theory 2: three units a layer are enough")
TRACK = "A"
NETWORKS: tuple[str, ...] = ()
INPUTS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """All are ours: nothing was stated.

    Attributes:
        bound: L; the functions are compared on |x| <= L.
        units: how many units the random functions have; a and w are drawn from N(0, 1).
        bends: where a unit bends, -b / w, is drawn evenly from |x| <= bends * bound. Not from all of the interval: a
            function that leaves 0 only at its very end is mostly rounding in float32, however it is computed.
        functions_each: how many functions of each number of units.
        points: evenly spaced over the interval, its ends included.
        shown_units: which function is drawn: the first with so many units; one of units.
    """

    bound: float = 3.0
    units: tuple[int, ...] = (1, 2, 5, 10, 20, 40, 70, 100, 150, 200)
    bends: float = 0.8
    functions_each: int = 10
    points: int = 10_001
    shown_units: int = 200


SETTINGS = Settings()
QUICK = Settings(units=(1, 5, 20, 60), functions_each=3, shown_units=60)

_LIMITS = {"float64": 1e-12, "float32": 1e-5}
_ROUNDING = marked("rounding of up to 200 additions")
EXPECTED = (
    Expected(
        "largest_difference",
        _LIMITS["float64"],
        0.0,
        "reference",
        _ROUNDING,
        comparison="at most",
        label=marked("largest difference, float64, of the largest value"),
    ),
    Expected(
        "largest_difference_float32",
        _LIMITS["float32"],
        0.0,
        "reference",
        _ROUNDING,
        comparison="at most",
        label=marked("largest difference, float32, of the largest value"),
    ),
    Expected(
        "hidden_width", 3, 0.0, "reference", marked("the claim"), label=marked("units of every hidden layer")
    ),
    Expected(
        "counterexample_difference",
        1.0,
        0.0,
        "reference",
        marked("|x| by hand: the published network is 0"),
        label=marked("what the published layers miss of |x|"),
    ),
)

# |x| = relu(x) + relu(-x), on |x| <= 1.
_COUNTEREXAMPLE = {"a": (1.0, 1.0), "w": (1.0, -1.0), "b": (0.0, 0.0)}


def run(settings: Settings, context: Context) -> Findings:
    """Compare each random function with its narrow network, and evaluate the published construction on |x|."""
    backend.load()
    with backend.current().float64():
        return _run(settings, context)


def _run(settings: Settings, context: Context) -> Findings:
    from tfviz.models import narrow

    random = context.random()
    x = np.linspace(-settings.bound, settings.bound, settings.points)
    differences: dict[str, list[float]] = {name: [] for name in _LIMITS}
    direct: list[float] = []
    widths: set[int] = set()
    arrays: dict[str, Array] = {"x": x}
    for index, units in enumerate(settings.units):
        models = {"float64": narrow.empty(units), "float32": narrow.empty(units, dtype="float32")}
        widths.update(layer.units for model in models.values() for layer in model.layers[1:-1])
        for number in range(settings.functions_each):
            a, w, b = _drawn(settings, units, random)
            wanted = narrow.shallow(a, w, b, x)
            direct.append(_largest(shallow_float32(a, w, b, x), wanted))
            for name, model in models.items():
                narrow.fill(model, a, w, b, settings.bound)
                values = evaluate(model, x)
                differences[name].append(_largest(values, wanted))
                if units == settings.shown_units and number == 0:
                    off = _relative(values - wanted, wanted)
                    arrays |= {"f": wanted, "narrow": evaluate(models["float64"], x), f"off_{name}": off}
        context.reporter.progress(ID, index + 1, len(settings.units))
    (width,) = widths  # one width for all hidden layers of all models, or this fails

    numbers = {
        "largest_difference": Number(max(differences["float64"])),
        "largest_difference_float32": Number(max(differences["float32"])),
        "shallow_difference_float32": Number(max(direct)),
        "hidden_width": Number(width, "units"),
        "functions": Number(len(differences["float64"])),
        "units_most": Number(max(settings.units)),
        "hidden_layers_most": Number(max(settings.units)),
        "points": Number(settings.points),
    }
    arrays["units"] = np.repeat(settings.units, settings.functions_each)
    arrays |= {f"differences_{name}": np.array(values) for name, values in differences.items()}

    of_counterexample, drawn = _counterexample()
    return Findings(numbers | of_counterexample, arrays | drawn, {"limits": _LIMITS})


def _drawn(settings: Settings, units: int, random: np.random.Generator) -> tuple[Array, Array, Array]:
    """A random function: a, w and b, (units,) each."""
    a, w = random.normal(size=(2, units))
    bends = random.uniform(-settings.bends, settings.bends, units) * settings.bound
    return a, w, -w * bends


def _largest(values: Array, wanted: Array) -> float:
    """The largest relative difference of a function's values from those wanted, (points,) both."""
    return float(np.abs(_relative(values - wanted, wanted)).max())


def _counterexample() -> tuple[dict[str, Number], dict[str, Array]]:
    """The published construction on |x|, read in each way: numbers, and arrays of what is drawn."""
    from tfviz.models import narrow

    a, w, b = (np.array(_COUNTEREXAMPLE[name]) for name in "awb")
    grid = np.linspace(-1, 1, 201)
    readings = {
        "no_inner_relu": published(a, w, b, grid, relu_inside=False, passes_negative=True),
        "no_negative": published(a, w, b, grid, relu_inside=True, passes_negative=False),
        "one_layer": evaluate(one_layer_reading(a, w, b), grid),
        "right": evaluate(narrow.build(a, w, b, 1.0), grid),
    }
    truth = narrow.shallow(a, w, b, grid)
    numbers: dict[str, Number] = {}
    arrays: dict[str, Array] = {"counterexample_x": grid, "counterexample_f": truth}
    for name, values in readings.items():
        arrays[f"counterexample_{name}"] = values
    ends = {"left": 0, "right": -1}
    for side, place in ends.items():
        numbers[f"true_{side}"] = Number(float(truth[place]))
        for name, values in readings.items():
            numbers[f"{name}_{side}"] = Number(float(values[place]))
    numbers["counterexample_difference"] = Number(float(np.abs(readings["one_layer"] - truth).max()))
    numbers["counterexample_right_difference"] = Number(float(np.abs(readings["right"] - truth).max()))
    return numbers, arrays


def evaluate(model: keras.Model, x: Array) -> Array:
    """The model at points x (points,), as float64."""
    (dtype,) = {tensor.dtype for tensor in model.inputs}
    return np.asarray(model(x[:, None].astype(dtype), training=False), np.float64)[:, 0]


def shallow_float32(a: Array, w: Array, b: Array, x: Array) -> Array:
    """The function itself at points x (points,), all of it in float32: what rounding alone does."""
    a, w, b, x = (values.astype(np.float32) for values in (a, w, b, x))
    return np.asarray(np.maximum(np.outer(x, w) + b, 0) @ a, np.float64)


def published(a: Array, w: Array, b: Array, x: Array, *, relu_inside: bool, passes_negative: bool) -> Array:
    """The published construction at points x, with its two faults granted or not.

    Layer i has h1 <- relu(h1 + a_i r) if a_i > 0, h3 <- relu(h3 - a_i r) if a_i < 0, and h2 <- x; the output is
    h1 - h3.

    Args:
        a: (units,); w, b likewise.
        w: slopes.
        b: offsets.
        x: (points,).
        relu_inside: whether r is relu(w_i h2 + b_i), which needs a layer of its own, or w_i h2 + b_i.
        passes_negative: whether h2 stays x, or becomes relu(x), as a ReLU unit's output must.

    Returns:
        (points,).
    """
    h1, h2, h3 = np.zeros_like(x), x, np.zeros_like(x)
    for a_i, w_i, b_i in zip(a, w, b, strict=True):
        inner = w_i * h2 + b_i
        if relu_inside:
            inner = np.maximum(inner, 0)
        if a_i > 0:
            h1 = np.maximum(h1 + a_i * inner, 0)
        else:
            h3 = np.maximum(h3 - a_i * inner, 0)
        if not passes_negative:
            h2 = np.maximum(h2, 0)
    return h1 - h3


def one_layer_reading(a: Array, w: Array, b: Array) -> keras.Model:
    """The published construction as what it says it is: one layer of three ReLU units for each term."""
    import keras

    from tfviz.models.blank import blank

    start = hidden = keras.Input((1,), dtype="float64")
    for index, (a_i, w_i, b_i) in enumerate(zip(a, w, b, strict=True)):
        with blank():
            layer = keras.layers.Dense(3, activation="relu", dtype="float64")
            hidden = layer(hidden)
        # Columns: h1, h2, h3; rows: the same before the layer, or x alone before the first.
        kernel = np.eye(3)
        bias = np.zeros(3)
        column = 0 if a_i > 0 else 2
        kernel[1, column] = abs(a_i) * w_i
        bias[column] = abs(a_i) * b_i
        layer.set_weights([kernel if index else kernel[1:2], bias])
    with blank():
        last = keras.layers.Dense(1, dtype="float64")
        model = keras.Model(start, last(hidden))
    last.set_weights([np.array([[1.0], [0.0], [-1.0]]), np.zeros(1)])
    return model


def _relative(off: Array, wanted: Array) -> Array:
    """Differences relative to the largest value; absolute where the function is 0 on the whole interval."""
    largest = np.abs(wanted).max()
    return off / largest if largest > 0 else off


_READINGS = (
    ("no_inner_relu", marked("no inner ReLU")),
    ("no_negative", marked("negative x lost")),
    ("one_layer", marked("both: one real layer")),
    ("right", marked("the right network")),
)
"""What is made of |x|, by the names of their numbers and arrays."""


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """One function and its narrow network, and the counterexample."""
    from tfviz import figures as draw
    from tfviz.figures.style import isolated, number

    arrays, numbers = findings.arrays, findings.numbers
    truth = arrays["counterexample_f"]
    off = {name: float(np.abs(arrays[f"counterexample_{name}"] - truth).max()) for name, _words in _READINGS}
    ends = {
        name: tuple(number(numbers[f"{name}_{side}"].value, 2) for side in ("left", "right"))
        for name, _words in _READINGS
    }
    wrong = min(off[name] for name, _words in _READINGS[:-1])
    pair = "({},\u00a0{})"
    return (
        Drawing(
            "functions",
            _(
                "One of the random functions, of {units} units, and its narrow network, of {units} hidden layers, on "
                "top; below, their difference relative to the largest |f|, in both precisions."
            ).format(units=settings.shown_units),
            _(
                "Above, a crooked line of straight pieces and a dashed line over it. Below, two noisy lines around 0, "
                "on scales far smaller."
            ),
            lambda: draw.function_and_copy(
                arrays["x"],
                (_("f(x)"), arrays["f"]),
                (_("three units a layer"), arrays["narrow"]),
                [(name, arrays[f"off_{name}"]) for name in _LIMITS],
                _("difference / max |f|"),
            ),
            _("In float64 the two functions differ by {most} of the largest value at most.").format(
                most=isolated(number(float(np.abs(arrays["off_float64"]).max()), 2))
            ),
        ),
        Drawing(
            "counterexample",
            _(
                "|x| (wide line) and what is made of it (narrow line). From the left: the published layers without a "
                "ReLU inside the sum, x passed on by a unit that is not a ReLU; with a ReLU inside the sum, as if that "
                "were one layer, x passed on by a ReLU; as real layers of three ReLU units each (a Keras model); the "
                "network of the proof. In brackets: the values at {left} and at {right}."
            ).format(left=isolated("−1"), right=isolated("1")),
            _(
                "Four small plots of the V-shaped |x|; from left to right the narrow line ends at {ends}, on the left "
                "and on the right of each."
            ).format(ends=isolated("; ".join(" / ".join(pair) for pair in ends.values()))),
            lambda: draw.line_panels(
                arrays["counterexample_x"],
                (_("|x|"), truth),
                [
                    (
                        f"{_(words)} {isolated(pair.format(*ends[name]))}",
                        arrays[f"counterexample_{name}"],
                    )
                    for name, words in _READINGS
                ],
            ),
            _("Each fault costs a part of |x|, and both together miss it by up to {missed}.").format(
                missed=isolated(number(off["one_layer"], 2))
            )
            if wrong > _LIMITS["float64"] >= off["right"]
            else _("|x|, and what networks make of it."),
        ),
    )


_TYPICAL, _LARGEST = 50, 2000
"""Units in the last place of the largest value by which rounding moves half of the functions at most, and any of them.

Half of them are moved by 2.5. Where the terms nearly cancel, the largest value is small beside what is added up: 33 is
the most of a hundred functions. Summed in float32 without the network, which loses a third of that, the most of a
run's functions is above 52 in one of a thousand runs, and 67 in the worst of 1,500."""


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """The counterexample wholly; the largest differences from those of each function, which rounding must explain.

    The functions hang on the run's seed; but for one they were not kept.
    """
    from tfviz.models import narrow

    backend.load()
    with backend.current().float64():
        widths = {layer.units for layer in narrow.empty(min(settings.units)).layers[1:-1]}
        counterexample, _arrays = _counterexample()
    most = max(settings.units)
    found = {
        "hidden_width": exact(max(widths)),
        "functions": exact(len(settings.units) * settings.functions_each),
        "units_most": exact(most),
        "hidden_layers_most": exact(most),
        "points": exact(settings.points),
    }
    # Values up to 1, of one or two additions.
    found |= {name: Again(float(number.value), _LIMITS["float64"]) for name, number in counterexample.items()}

    units = np.repeat(settings.units, settings.functions_each)
    for name, number in (
        ("float64", "largest_difference"),
        ("float32", "largest_difference_float32"),
    ):
        with measuring(found, number):
            differences = array(findings, f"differences_{name}", units.shape, (0.0, 1.0), "float64")
            eps = float(np.finfo(name).eps)
            if np.median(differences) > _TYPICAL * eps or differences.max() > _LARGEST * eps:
                raise NotHandedInError(f"the array differences_{name} is more than rounding explains")
            shown = int(np.flatnonzero(units == settings.shown_units)[0])
            off = array(findings, f"off_{name}", (settings.points,), (-1.0, 1.0), "float64")
            if not np.isclose(np.abs(off).max(), differences[shown], rtol=1e-9, atol=0):
                raise NotHandedInError(f"the arrays differences_{name} and off_{name} are not of one run")
            found[number] = exact(differences.max())

    x = np.linspace(-settings.bound, settings.bound, settings.points)
    a, w, b = _drawn(settings, most, lab.context(None).random())
    # Another function than theirs: of both it is rounding alone that is measured.
    found["shallow_difference_float32"] = Again(
        _largest(shallow_float32(a, w, b, x), narrow.shallow(a, w, b, x)),
        _LARGEST * float(np.finfo("float32").eps),
    )
    return found
