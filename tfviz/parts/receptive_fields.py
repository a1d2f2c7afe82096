"""Theory 1: receptive fields, weights and multiplications of stacked convolutions, computed and measured.

Papers: Araujo, Norris, Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks" (the recursion);
Luo, Li, Urtasun, Zemel 2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks".
Cost: about half a minute on one core; no weights are needed, but real ones are used where they are in the cache.
Expected: sizes 7, 7, 7, 9 px, weights 49 and 34 for networks 1 and 3, 2,328,676 multiplications for network 1
(published); 1,637,716 for network 3 (the published formula gives another number); AlexNet 11, 51, 99, 131, 163, 195.
Alone: python run_all.py --only receptive_fields
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz import backend
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab, exact, rounded
from tfviz.experiment.part import (
    Again,
    Drawing,
    Findings,
    NotHandedInError,
    NotMeasurableError,
    Number,
    array,
    measuring,
)
from tfviz.language import gettext as _
from tfviz.language import marked, ngettext
from tfviz.measures.costs import Cost, counted_convolution, layer_costs
from tfviz.measures.receptive_field import ReceptiveField

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from tfviz.weights.fetch import WeightsFile

Array = npt.NDArray[Any]

ID = "receptive_fields"
TITLE = marked("Theory 1: what a unit sees, and what it costs")
TRACK = "A"
NETWORKS: tuple[str, ...] = ()
ANY_NETWORK = True  # in a table of its own
ALSO = ("alexnet_features",)
INPUTS: tuple[str, ...] = ()

STACKS: tuple[tuple[int, ...], ...] = ((7,), (3, 3, 3), (5, 3), (3, 3, 3, 3))
"""Kernel sizes of the four networks: one channel, stride 1, no padding, no bias."""
ALEXNET_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "pool5")
(_EFFECTIVE,) = ALSO
_ALEXNET_SIZES = (11, 51, 99, 131, 163, 195)
# Luo et al. 2016, section 3.2: within two standard deviations of a Gaussian lie 95.45 % of it.
_THRESHOLD = 1 - 0.9545
_FIELD_SIDE = (
    80  # pixels: room for two neighbouring units of each of the four networks, with stride 2 as well
)


@dataclass(frozen=True)
class Settings:
    """The picture's side is that of the contract; the rest is ours."""

    side: int = 224
    alexnet_side: int = 451
    random_networks: int = 200
    effective_pictures: int = 96
    effective_side: int = 195


SETTINGS = Settings()
QUICK = Settings(random_networks=40, effective_pictures=16)

_TRACK = marked("track A")
_RECURSION = marked("the recursion, by hand")
_ONCE = marked("each layer’s products once, by hand")
_SUM = marked("the squares of the kernels’ sides, by hand")
_AGAINST = marked("formula against gradient")
_SIDE = marked("network {n}: side of the field")
_WEIGHTS = marked("network {n}: weights")
_MULTIPLICATIONS = marked("network {n}: multiplications")
_ALEXNET_SIDE = {
    "conv1": marked("AlexNet: side of the field of conv1"),
    "conv2": marked("AlexNet: side of the field of conv2"),
    "conv3": marked("AlexNet: side of the field of conv3"),
    "conv4": marked("AlexNet: side of the field of conv4"),
    "conv5": marked("AlexNet: side of the field of conv5"),
    "pool5": marked("AlexNet: side of the field of pool5"),
}
EXPECTED = (
    *(
        Expected(
            f"size_network_{number}",
            size,
            0,
            "published theory",
            _TRACK,
            label=_SIDE,
        )
        for number, size in enumerate((7, 7, 7, 9), 1)
    ),
    Expected("weights_network_1", 49, 0, "published theory", _TRACK, label=_WEIGHTS),
    Expected("weights_network_2", 27, 0, "reference", _SUM, label=_WEIGHTS),
    Expected("weights_network_3", 34, 0, "published theory", _TRACK, label=_WEIGHTS),
    Expected("weights_network_4", 36, 0, "reference", _SUM, label=_WEIGHTS),
    Expected(
        "multiplications_network_1",
        2_328_676,
        0,
        "published theory",
        marked("track A: 49 (n − 6)²"),
        label=_MULTIPLICATIONS,
    ),
    Expected("multiplications_network_2", 1_306_872, 0, "reference", _ONCE, label=_MULTIPLICATIONS),
    Expected("multiplications_network_3", 1_637_716, 0, "reference", _ONCE, label=_MULTIPLICATIONS),
    Expected("multiplications_network_4", 1_726_776, 0, "reference", _ONCE, label=_MULTIPLICATIONS),
    Expected(
        "quantities_disagree",
        0,
        0,
        "reference",
        marked("formula against gradient, and against counting"),
        label=marked("quantities of the four networks that disagree"),
    ),
    *(
        Expected(f"alexnet_size_{layer}", size, 0, "reference", _RECURSION, label=_ALEXNET_SIDE[layer])
        for layer, size in zip(ALEXNET_LAYERS, _ALEXNET_SIZES, strict=True)
    ),
    Expected(
        "alexnet_layers_disagree",
        0,
        0,
        "reference",
        _AGAINST,
        label=marked("layers of AlexNet that disagree"),
    ),
    Expected(
        "alexnet_size_pool5_at_224",
        194,
        0,
        "reference",
        marked("rows 30 to 223 of unit 3"),
        label=marked("AlexNet: most rows that a unit of pool5 sees at 224"),
    ),
    Expected(
        "alexnet_weights",
        61_100_840,
        0,
        "reference",
        marked("torchvision’s count, with biases"),
        label=marked("AlexNet: weights and biases"),
    ),
    Expected(
        "alexnet_multiplications",
        714_188_480,
        0,
        "reference",
        marked("by hand, layer by layer"),
        label=marked("AlexNet: multiplications at 224 × 224"),
    ),
    Expected(
        "random_networks_disagree",
        0,
        0,
        "reference",
        _AGAINST,
        label=marked("random networks that disagree"),
    ),
)

# What the published answer says; the pixels stand for the sizes. None: it says nothing.
_PUBLISHED: Mapping[str, tuple[int | None, ...]] = {
    "pixels": (49, 49, 49, 81),
    "weights": (49, None, 34, None),
}


def run(settings: Settings, context: Context) -> Findings:
    """The four networks, with strides, AlexNet, random networks, AlexNet's effective fields; the user's own network."""
    backend.load()
    numbers: dict[str, Number] = {}
    arrays: dict[str, Array] = {}
    facts: dict[str, Any] = {}
    random = context.random()

    def passed(stage: int) -> None:
        context.reporter.progress(ID, stage, 5)

    # What a unit does not see must be 0: a GPU's convolutions by transforms leave rounding there. Compiling
    # hundreds of small networks for one would take longer than all else, too.
    exactly = backend.current().float64
    with exactly():
        facts |= _four_networks(settings.side, random, numbers)
        passed(1)
        facts |= _strides(numbers)
        passed(2)
        facts |= _alexnet(settings, numbers)
        passed(3)
        facts |= _random_networks(settings.random_networks, random, numbers)
        passed(4)
    weights = context.also.get(_EFFECTIVE)
    fields = _effective(settings, weights.path if weights else None, random, numbers, arrays)
    facts |= _about_effective(fields, weights)
    if context.own is not None:
        with exactly():
            facts["own"] = _own_network(context, numbers)
    passed(5)
    return Findings(numbers, arrays, facts)


def stack(kernels: Sequence[int], strides: Sequence[int], side: int) -> keras.Model:
    """A network of convolutions "layer1", "layer2", ...: one channel, no padding, no bias.

    Args:
        kernels: side of each kernel.
        strides: of each layer.
        side: of the picture (side, side, 1).
    """
    import keras

    x = picture = keras.Input((side, side, 1))
    for number, (kernel, stride) in enumerate(zip(kernels, strides, strict=True), 1):
        x = keras.layers.Conv2D(1, kernel, strides=stride, use_bias=False, name=f"layer{number}")(x)
    return keras.Model(picture, x)


def _four_networks(side: int, random: np.random.Generator, numbers: dict[str, Number]) -> dict[str, Any]:
    from tfviz.measures.measured_field import averaging_copy, bounding_box, unit_gradients
    from tfviz.models.blank import blank

    rows, networks, difference, disagree = [], [], 0.0, 0
    for number, kernels in enumerate(STACKS, 1):
        with blank():
            model, last = stack(kernels, [1] * len(kernels), side), f"layer{len(kernels)}"
        for layer in model.layers[1:]:
            layer.set_weights([random.normal(size=layer.kernel.shape).astype(np.float32)])
        costs = layer_costs(model)
        picture = random.normal(size=(side, side, 1))
        output, products = picture, 0
        for layer in model.layers[1:]:
            output, formed = counted_convolution(output, np.asarray(layer.kernel, np.float64))
            products += formed
        # The loops count a convolution only if they compute one.
        of_keras = model.predict_on_batch(picture[None])[0]
        difference = max(difference, float(np.abs(output - of_keras).max() / np.abs(output).max()))

        middle = output.shape[0] // 2
        gradient = unit_gradients(
            averaging_copy(model), last, [(middle, middle, 0)], np.ones((1, side, side, 1), np.float32)
        )[0, ..., 0]
        (top, bottom), _ = bounding_box(gradient)
        size = tfviz.receptive_field(model, last).size[0]
        found = {
            "size": (size, bottom - top + 1, "px"),
            "pixels": (size**2, int(np.count_nonzero(gradient)), "px"),
            "weights": (sum(cost.weights for cost in costs), model.count_params(), ""),
            "multiplications": (sum(cost.multiplications for cost in costs), products, ""),
        }
        for quantity, (value, measured, unit) in found.items():
            disagree += value != measured
            numbers[f"{quantity}_network_{number}"] = Number(value, unit)
            numbers[f"{quantity}_network_{number}_measured"] = Number(measured, unit)
        networks.append({"number": number, "kernels": list(kernels)})
        for quantity in ("pixels", "weights", "multiplications"):
            published = _PUBLISHED[quantity][number - 1] if quantity in _PUBLISHED else None
            if quantity == "multiplications" and number == 1:
                published = 49 * (side - 6) ** 2
            elif quantity == "multiplications" and number == 3:
                published = 25 * (side - 4) ** 2 * 9 * (side - 6) ** 2
            rows.append(
                {
                    "network": number,
                    "quantity": quantity,
                    "published": published,
                    "holds": None if published is None else published == found[quantity][1],
                }
            )
    numbers["convolution_difference"] = Number(difference)
    numbers["quantities_disagree"] = Number(disagree)
    return {"networks": networks, "rows": rows}


def _strides(numbers: dict[str, Number]) -> dict[str, Any]:
    """Sizes where one layer or all have stride 2, and where a stride has no overlap left to take away."""
    asked: dict[tuple[int, str], tuple[Sequence[int], Sequence[int]]] = {}
    for number, kernels in enumerate(STACKS, 1):
        depth = len(kernels)
        asked[number, "none"] = kernels, [1] * depth
        asked[number, "last"] = kernels, [1] * (depth - 1) + [2]
        asked[number, "first"] = kernels, [2] + [1] * (depth - 1)
        asked[number, "all"] = kernels, [2] * depth
    for stride in (3, 4):  # 3 x 3 windows do not overlap at either
        asked[stride, "gap"] = (3, 3), (stride, 1)
    rows: dict[int, dict[str, Any]] = {}
    gaps = []
    for (number, name), (formula, measured) in zip(asked, _both_ways(list(asked.values())), strict=True):
        sizes = {"size": formula.size[0], "measured": measured.size[0]}
        if name == "gap":
            gaps.append({"stride": number, **sizes})
            continue
        rows.setdefault(number, {"network": number})[name] = sizes
        if name == "all":
            numbers[f"size_network_{number}_stride_2"] = Number(formula.size[0], "px")
            numbers[f"size_network_{number}_stride_2_measured"] = Number(measured.size[0], "px")
    return {"strides": list(rows.values()), "gaps": gaps}


def _both_ways(
    stacks: Sequence[tuple[Sequence[int], Sequence[int]]],
) -> list[tuple[ReceptiveField, ReceptiveField]]:
    """The fields of stacks' last layers, from their kernels and strides, by formula and by gradient."""
    from tfviz.measures.measured_field import Looked, averaging_copy, measured_fields
    from tfviz.models.blank import blank

    with blank():
        models = [stack(kernels, strides, _FIELD_SIDE) for kernels, strides in stacks]
    lasts = [f"layer{len(kernels)}" for kernels, _ in stacks]
    formulas = [tfviz.receptive_field(model, last) for model, last in zip(models, lasts, strict=True)]
    looked = [
        Looked(averaging_copy(model), last, (1, 1), (_FIELD_SIDE, _FIELD_SIDE))
        for model, last in zip(models, lasts, strict=True)
    ]
    return list(zip(formulas, measured_fields(looked), strict=True))


def _alexnet(settings: Settings, numbers: dict[str, Number]) -> dict[str, Any]:
    """AlexNet's geometry: no weights take part."""
    from tfviz.measures.measured_field import (
        Looked,
        averaging_copy,
        bounding_box,
        measured_fields,
        unit_gradients,
    )
    from tfviz.models import alexnet
    from tfviz.models.blank import blank

    side = settings.alexnet_side
    with blank():
        large = alexnet.build_features((side, side, 3), normalize=False)
        small = alexnet.build_features(normalize=False)
    copy, rows, disagree = averaging_copy(large), [], 0
    middles = {layer: large.get_layer(layer).output.shape[1] // 2 for layer in ALEXNET_LAYERS}
    all_measured = measured_fields(
        [Looked(copy, layer, (middle, middle), (side, side)) for layer, middle in middles.items()]
    )
    for layer, measured in zip(ALEXNET_LAYERS, all_measured, strict=True):
        field = tfviz.receptive_field(large, layer)
        for quantity in ("size", "stride", "offset"):
            numbers[f"alexnet_{quantity}_{layer}"] = Number(getattr(field, quantity)[0], "px")
            numbers[f"alexnet_{quantity}_{layer}_measured"] = Number(getattr(measured, quantity)[0], "px")
        disagree += measured != field
        unit = small.get_layer(layer).output.shape[1] // 2  # the middle one of a picture of 224 x 224
        first = field.offset[0] + field.stride[0] * unit
        rows.append({"layer": layer, "unit": unit, "first": first, "size": field.size[0]})

    numbers["alexnet_layers_disagree"] = Number(disagree, "layers")
    field = tfviz.receptive_field(small, "pool5")
    count, height = small.output.shape[1], small.input.shape[1]
    ones = np.ones((count, height, height, 3), np.float32)
    gradients = unit_gradients(averaging_copy(small), "pool5", [(i, i, 0) for i in range(count)], ones)
    boxes = [bounding_box(np.abs(gradient).sum(axis=-1))[0] for gradient in gradients]
    units: list[dict[str, Any]] = [
        {"unit": i, "from": field.offset[0] + field.stride[0] * i, "seen": [first, last]}
        for i, (first, last) in enumerate(boxes)
    ]
    for unit in units:
        unit["to"] = unit["from"] + field.size[0] - 1
    numbers["alexnet_size_pool5_at_224"] = Number(max(last - first + 1 for first, last in boxes), "px")
    whole = -(-max(-field.offset[0], 0) // field.stride[0])  # the first unit that begins inside the picture
    numbers["alexnet_smallest_side"] = Number(field.offset[0] + field.stride[0] * whole + field.size[0], "px")

    with blank():
        costs = [cost for cost in layer_costs(alexnet.build()) if cost.weights]
    numbers["alexnet_weights"] = Number(sum(cost.weights + cost.biases for cost in costs))
    numbers["alexnet_multiplications"] = Number(sum(cost.multiplications for cost in costs))
    convolutions = [cost for cost in costs if cost.layer.startswith("conv")]

    def share(quantity: str) -> float:
        def total(layers: Sequence[Cost]) -> int:
            return sum(getattr(cost, quantity) for cost in layers)

        return total(convolutions) / total(costs)

    return {
        "alexnet": rows,
        "alexnet_side": height,
        "pool5_units": units,
        "alexnet_costs": [
            {
                "layer": cost.layer,
                "weights": cost.weights,
                "biases": cost.biases,
                "multiplications": cost.multiplications,
            }
            for cost in costs
        ],
        "convolutions_share": {
            "weights": share("weights"),
            "multiplications": share("multiplications"),
        },
    }


def _random_networks(count: int, random: np.random.Generator, numbers: dict[str, Number]) -> dict[str, Any]:
    from tfviz.measures.random_networks import compare_random_networks

    results, drawn = compare_random_networks(count, random)
    agree = sum(agrees for agrees, _ in results)
    numbers["random_networks"] = Number(count, "networks")
    numbers["random_networks_agree"] = Number(agree, "networks")
    numbers["random_networks_disagree"] = Number(count - agree, "networks")
    numbers["random_networks_drawn"] = Number(drawn, "networks")
    return {
        "disagreeing": [words for agrees, words in results if not agrees],
        "kinds": {
            kind: sum(kind in words for _, words in results)
            for kind in ("MaxPooling2D", "ZeroPadding2D", "Add", "Concatenate", "DepthwiseConv2D")
        },
    }


def effective_size(gradient: Array) -> float:
    """Side in pixels of a square as large as the effective field, as Luo et al. 2016 count it.

    Args:
        gradient: (rows, columns), the mean magnitude of a unit's gradient; pixels above 4.55 % of the largest count.
    """
    return float(np.sqrt(np.count_nonzero(gradient > _THRESHOLD * gradient.max())))


def _about_effective(fields: Sequence[Mapping[str, Any]], weights: WeightsFile | None) -> dict[str, Any]:
    """The facts about the effective fields, and whose weights they are of."""
    return {
        "effective": fields,
        "effective_network": _EFFECTIVE if weights else None,
        "effective_source": f"{weights.source}, sha256 {weights.sha256[:16]}…" if weights else "",
        "threshold": _THRESHOLD,
    }


def _effective(
    settings: Settings,
    weights: Path | None,
    random: np.random.Generator,
    numbers: dict[str, Number],
    arrays: dict[str, Array],
) -> list[dict[str, Any]]:
    """Where in its field a unit's gradient is large: equal weights, and AlexNet's own if their file is there."""
    from tfviz.measures.measured_field import averaging_copy, unit_gradients
    from tfviz.models import alexnet
    from tfviz.models.blank import blank

    side, count = settings.effective_side, settings.effective_pictures
    shape = (side, side, 3)
    with blank():
        features = alexnet.build_features(shape, normalize=False)
    models = {"equal": averaging_copy(features)}
    if weights is not None:
        models["real"] = tfviz.load(_EFFECTIVE, weights=weights, normalize=False, input_shape=shape)
    # The network's own input: for each colour ImageNet's mean and spread are 0 and 1.
    noise = random.normal(size=(count, *shape)).astype(np.float32)
    fields = []
    for layer in ALEXNET_LAYERS[:-1]:
        output = models["equal"].get_layer(layer).output
        middle, channels = output.shape[1] // 2, output.shape[3]
        units = [(middle, middle, int(channel)) for channel in random.integers(channels, size=count)]
        field = tfviz.receptive_field(models["equal"], layer)
        rows, columns = field.window(middle, middle, (side, side))
        entry: dict[str, Any] = {"layer": layer, "size": field.size[0]}
        for name, model in models.items():
            few = (
                slice(1) if name == "equal" else slice(None)
            )  # a linear unit's gradient is the same everywhere
            gradients = np.abs(unit_gradients(model, layer, units[few], noise[few])).sum(axis=-1)
            # Every unit counts as much as any other, however steep it is.
            shares = gradients / gradients.sum(axis=(1, 2), keepdims=True)
            magnitude = shares.mean(axis=0)[rows, columns]
            arrays[f"effective_{name}_{layer}"] = magnitude
            label = f"effective_size_{layer}" + ("_equal" if name == "equal" else "")
            network = _EFFECTIVE if name == "real" else None
            numbers[label] = Number(effective_size(magnitude), "px", network)
            entry[name] = effective_size(magnitude) / field.size[0]
        fields.append(entry)
    return fields


_MEASURED = 8  # layers of the user's own network


def _own_network(context: Context, numbers: dict[str, Number]) -> dict[str, Any]:
    """The fields of the user's own network's convolutions by formula, and of some of them by gradient.

    Neighbours whose units see the same are one row.

    Returns:
        "rows": each with the layers' paths, size, stride and offset (rows, columns), the middle unit's window as the
        formula has it, cut at the border, and as it was measured, if it was; "missing": of layers without a formula,
        why, as an `UnknownFieldError` has it; "hidden": a programmed layer or model, which hides how its layers hang
        together with the pictures, if that is why there are no rows; "unmeasured": what Keras said where it could not
        be measured, "" otherwise; "shape": of the pictures.
    """
    from tfviz.measures.measured_field import bounding_box, unit_gradients
    from tfviz.measures.receptive_field import UnknownFieldError
    from tfviz.models import graph
    from tfviz.models.trial import one_line

    model = context.model()
    shape = model.input_shape[1:]
    found: dict[str, Any] = {
        "rows": [],
        "missing": [],
        "hidden": "",
        "unmeasured": "",
        "shape": list(shape),
    }
    try:
        calls = graph.calls(model)
    except ValueError:  # it is programmed, not drawn from layers
        return {**found, "hidden": model.name}
    rows: list[dict[str, Any]] = found["rows"]
    for call in calls:
        kernel = getattr(call.layer, "kernel", None)
        made = call.outputs[0].shape
        if kernel is None or len(kernel.shape) != 4 or len(made) != 4:
            continue
        _, high, wide, _ = made
        if high is None or wide is None:
            continue
        try:
            field = tfviz.receptive_field(model, call.path)
        except UnknownFieldError as error:
            found["missing"].append(
                {"layer": call.path, "why": error.why, "at": error.at, "kind": error.kind}
            )
            continue
        same = {"size": list(field.size), "stride": list(field.stride), "offset": list(field.offset)}
        if rows and all(rows[-1][key] == same[key] for key in same):
            rows[-1]["layers"].append(call.path)
            continue
        unit = high // 2, wide // 2
        window = [[part.start, part.stop - 1] for part in field.window(*unit, (shape[0], shape[1]))]
        rows.append({"layers": [call.path], **same, "unit": list(unit), "window": window, "measured": None})
    if not rows:
        hidden = [place.path for place in graph.places(model) if place.call is None]
        if hidden and not found["missing"]:
            found["hidden"] = hidden[0]
        return found
    disagree = 0
    chosen = sorted({round(at) for at in np.linspace(0, len(rows) - 1, _MEASURED)})
    try:
        copy = _measurable(model)
        ones = np.ones((1, *shape), np.float32)
        for row in (rows[at] for at in chosen):
            gradient = unit_gradients(copy, row["layers"][0], [(*row["unit"], None)], ones)[0]
            row["measured"] = [list(ends) for ends in bounding_box(np.abs(gradient).sum(axis=-1))]
            disagree += row["measured"] != row["window"]
    except (ValueError, TypeError) as error:  # Keras' own, of layers that it cannot call once more
        found["unmeasured"] = one_line(error).rstrip(".")
    numbers["own_layers"] = context.number(sum(len(row["layers"]) for row in rows), "layers")
    numbers["own_layers_measured"] = context.number(
        sum(row["measured"] is not None for row in rows), "layers"
    )
    numbers["own_layers_disagree"] = context.number(disagree, "layers")
    return found


def _measurable(model: keras.Model) -> keras.Model:
    """`averaging_copy` of a network as far as it returns maps: what comes after them sees the whole picture anyway.

    Raises:
        ValueError: what a layer of it averages is not known.
    """
    import keras

    from tfviz.measures.measured_field import averaging_copy
    from tfviz.models import graph

    maps = [
        place.tensor
        for place in graph.places(model)
        if place.tensor is not None and len(place.tensor.shape) == 4 and place.tensor.shape[1:3] != (1, 1)
    ]
    return averaging_copy(keras.Model(model.inputs, maps[-1]))


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The cones of the four networks, AlexNet's fields on a picture, and the effective ones."""
    from tfviz import figures as draw
    from tfviz.data.drawings import jellyfish
    from tfviz.figures import live
    from tfviz.figures.style import number as written

    facts, arrays, numbers = findings.facts, findings.arrays, findings.numbers
    stacks = [
        (
            f"{entry['number']}: {', '.join(f'{kernel} × {kernel}' for kernel in entry['kernels'])}",
            entry["kernels"],
        )
        for entry in facts["networks"]
    ]
    sizes = [int(numbers[f"size_network_{number}"].value) for number in range(1, len(stacks) + 1)]
    strided = [int(numbers[f"size_network_{number}_stride_2"].value) for number in range(1, len(stacks) + 1)]
    by_depth = sorted(zip(map(len, (kernels for _name, kernels in stacks)), sizes, strided, strict=True))
    gains = [large - small for _depth, small, large in by_depth]
    depth, few, many = by_depth[-1]
    side, layers, effective = facts["alexnet_side"], facts["alexnet"], facts["effective"]
    deepest = layers[-1]
    missing = deepest["first"] + deepest["size"] - side
    drawn = cache(lambda: jellyfish(side, side)[0])  # for paper and for browsers
    trained = "real" if facts["effective_network"] else "equal"
    shares = [entry[trained] for entry in effective]
    labels = {
        "equal": _("equal\nweights"),
        "real": _("AlexNet’s\nown"),
    }
    rows = [
        (
            labels[name],
            [arrays[f"effective_{name}_{entry['layer']}"] for entry in effective],
            [entry[name] * entry["size"] for entry in effective],
        )
        for name in dict.fromkeys(("equal", trained))
    ]

    def seen(row: Mapping[str, Any]) -> str:
        last = row["first"] + row["size"] - 1
        text = (
            _("{size} × {size} pixels: rows and columns {first} to {last}")
            if last < side
            else _("{size} × {size} pixels: rows and columns {first} to {last}; the picture ends at {end}")
        )
        return text.format(size=row["size"], first=row["first"], last=last, end=side - 1)

    return (
        Drawing(
            "cones",
            _(
                "Pixels at the bottom, a row of units for each layer above; filled: what the unit at the top sees."
            ),
            _(
                "Four panels; from one unit at the top a cone widens layer by layer, down to {sizes} pixels."
            ).format(sizes=", ".join(map(str, sizes))),
            lambda: _smaller(
                draw.receptive_cones([(name, kernels, [1] * len(kernels)) for name, kernels in stacks]),
                1,
                0.7,
            ),
            _("Networks 1 to 3 see windows of one side, {side} pixels; network 4 sees {other}.").format(
                side=sizes[0], other=sizes[-1]
            )
            if sizes[0] == sizes[1] == sizes[2] != sizes[3]
            else _("What one unit of each network sees."),
        ),
        Drawing(
            "cones_stride",
            _(
                "Stride 2 in every layer: units of a later layer lie further apart, so each of their taps reaches "
                "further."
            ),
            _("Four panels as before; the cones end on {sizes} pixels.").format(
                sizes=", ".join(map(str, strided))
            ),
            lambda: _smaller(
                draw.receptive_cones([(name, kernels, [2] * len(kernels)) for name, kernels in stacks]),
                1,
                0.7,
            ),
            _(
                "The more layers, the larger the gain: {depth} layers see {many} pixels in place of {few}."
            ).format(depth=depth, many=many, few=few)
            if all(less < more for less, more in pairwise(gains))
            else _("What a stride of 2 does to the four networks."),
        ),
        Drawing(
            "alexnet_fields",
            _(
                "What the middle unit of each of AlexNet’s layers sees of a picture of {side} × {side} pixels."
            ).format(side=side),
            _(
                "Squares of growing size around the middle of a drawn jellyfish; the largest sticks out below and to "
                "the right."
            )
            if missing > 0
            else _("Squares of growing size around the middle of a drawn jellyfish."),
            lambda: _smaller(
                draw.fields_on_picture(
                    drawn(),
                    [(row["layer"], row["first"], row["size"]) for row in layers],
                ),
                0.55,
                0.55,
            ),
            ngettext(
                "The field of pool5 would need one row and one column more.",
                "The field of pool5 would need {count} rows and {count} columns more.",
                missing,
            ).format(count=missing)
            if missing > 0
            else _("All fields lie within the picture."),
            lambda: live.Fields(
                drawn(),
                [
                    live.Field(row["layer"], row["size"], (row["first"], row["first"]), seen(row))
                    for row in layers
                ],
            ),
        ),
        Drawing(
            "effective",
            _(
                "Mean magnitude of the gradient in the theoretical field, from 0 to its largest value; dashed: a "
                "square as large as the effective field."
            ),
            _(
                "Heat maps for conv1 to conv5, from dark to bright, each with a dashed square; in conv5 its side is "
                "{share} of the panel’s."
            ).format(share=f"{written(100 * shares[-1], 2)}\u202f%"),
            lambda: draw.effective_fields(
                rows,
                [
                    _("{layer}: {side} px").format(layer=entry["layer"], side=entry["size"])
                    for entry in effective
                ],
            ),
            _("The deeper the layer, the smaller the share of its field that counts.")
            if shrinks(shares)
            else _("The share of a field that counts does not shrink from layer to layer."),
        ),
    )


def _smaller(figure: Figure, wide: float, tall: float) -> Figure:
    """A figure in so much of its width and height; its text keeps its size."""
    across, down = figure.get_size_inches()
    figure.set_size_inches(across * wide, down * tall)
    return figure


def shrinks(shares: Sequence[float]) -> bool:
    """Whether the effective field's share of the theoretical one falls from conv2 on, by a tenth or more in all."""
    return list(shares[1:]) == sorted(shares[1:], reverse=True) and shares[-1] < 0.9 * shares[1]


_OTHERS = 20
"""So many random networks the grader takes of its own: the run's hang on its seed."""
_NOISE = 0.75
"""How far the effective fields' sizes may lie from the grader's, relative, times the root of how many pictures of
noise they are of: four standard deviations, as 20 pictures of eight seeds differ."""
_AT_THE_EDGE = 8
"""Pixels of equal weights' fields that rounding puts on either side of the threshold: by symmetry eight at once."""


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """All of it but how many random networks were drawn; nothing handed in is needed but AlexNet's effective fields."""
    backend.load()
    values = lab.once(
        {"part": ID, "network": None, "settings": asdict(settings), "seed": lab.seed},
        lambda: _without_weights(settings, lab),
    )
    disagree = values.pop("random_networks_disagree")
    found = {  # whole numbers to the last digit: some have eight
        name: Again(value) if isinstance(value, int) else exact(value)
        for name, value in values.items()
        if not name.startswith("random_networks")
    }
    found["random_networks"] = exact(settings.random_networks)
    with measuring(found, "random_networks_disagree", "random_networks_agree"):
        if disagree:
            raise NotMeasurableError(f"of {_OTHERS} other random networks {disagree:g} disagree here")
        found |= {
            "random_networks_disagree": exact(0),
            "random_networks_agree": exact(settings.random_networks),
        }
    found["convolution_difference"] = rounded(values["convolution_difference"], 1)
    for layer in ALEXNET_LAYERS[:-1]:
        size = values[f"effective_size_{layer}_equal"]
        found[f"effective_size_{layer}_equal"] = Again(size, _AT_THE_EDGE / (2 * size))
    if any(f"effective_size_{layer}" in findings.numbers for layer in ALEXNET_LAYERS[:-1]):
        found |= _of_weights(findings, settings, lab)
    return found


def _without_weights(settings: Settings, lab: Lab) -> dict[str, float]:
    """The numbers that hang on no weights."""
    random, numbers = lab.context(None).random(), dict[str, Number]()
    _four_networks(settings.side, random, numbers)
    _strides(numbers)
    _alexnet(settings, numbers)
    _random_networks(_OTHERS, random, numbers)
    _effective(replace(settings, effective_pictures=1), None, random, numbers, {})
    return {name: number.value for name, number in numbers.items()}


def _of_weights(findings: Findings, settings: Settings, lab: Lab) -> dict[str, Again]:
    """The sizes of AlexNet's effective fields, which must be near those that the grader's weights give."""
    sizes = dict(zip(ALEXNET_LAYERS, _ALEXNET_SIZES, strict=True))
    names = {f"effective_size_{layer}": layer for layer in ALEXNET_LAYERS[:-1]}
    found: dict[str, Again] = {}
    with measuring(found, *names):
        lab.model(_EFFECTIVE)  # that it is not there is said before anything is asked of the memory

        def measured() -> dict[str, float]:
            numbers: dict[str, Number] = {}
            _effective(settings, lab.files[_EFFECTIVE], lab.context(None).random(), numbers, {})
            return {name: numbers[name].value for name in names}

        own = lab.once(
            {"part": ID, "network": _EFFECTIVE, "settings": asdict(settings), "seed": lab.seed}, measured
        )
        for name, layer in names.items():
            with measuring(found, name):
                size = effective_size(
                    array(findings, f"effective_real_{layer}", (sizes[layer], sizes[layer]), (0.0, 1.0))
                )
                if abs(size - own[name]) > _NOISE / settings.effective_pictures**0.5 * own[name]:
                    raise NotHandedInError(
                        f"the array effective_real_{layer} gives {size:.4g} px; other noise gives {own[name]:.4g}"
                    )
                found[name] = exact(size)
    return found
