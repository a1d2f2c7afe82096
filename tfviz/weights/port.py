"""Copies weights into a Keras model by a table, strictly both ways.

Every variable of the model gets a value exactly once, and every tensor of the file is used exactly once or
is on the list of those that are left out. If anything differs, nothing is copied.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.errors import BadFileError

Array = NDArray[Any]
_SHOWN = 6


def identity(tensor: Array) -> Array:
    """The tensor as it is."""
    return tensor


def oihw_to_hwio(kernel: Array) -> Array:
    """A convolution kernel of torch or ONNX (out, in, rows, columns) for Keras (rows, columns, in, out)."""
    return kernel.transpose(2, 3, 1, 0)


def transpose(kernel: Array) -> Array:
    """A dense kernel of torch or ONNX (out, in) for Keras (in, out)."""
    return kernel.transpose(1, 0)


def fc_after_flatten(channels: int, rows: int, columns: int) -> Callable[[Array], Array]:
    """A transform for the dense kernel that follows the flattening of a map.

    Torch, ONNX and Caffe flatten in channel-row-column order, Keras in row-column-channel order. The kernel
    (out, channels * rows * columns) becomes (rows * columns * channels, out).
    """

    def reorder(kernel: Array) -> Array:
        outputs, _ = kernel.shape
        by_place = kernel.reshape(outputs, channels, rows, columns).transpose(2, 3, 1, 0)
        return by_place.reshape(rows * columns * channels, outputs)

    return reorder


@dataclass(frozen=True)
class Row:
    """One variable and the tensor that goes into it.

    Attributes:
        variable: The variable's path, or the end of it: "conv1/kernel".
        source: The tensor's name in the file.
        transform: What is done to the tensor on the way.
    """

    variable: str
    source: str
    transform: Callable[[Array], Array] = identity


def assign(
    model: Any, rows: Iterable[Row], tensors: Mapping[str, Array], *, ignored: Iterable[str] = (), path: Path
) -> None:
    """Copies tensors into the variables of a model, all of them or none.

    The variables are float32: float16 widens without loss, float64 is rounded to the nearest.

    Args:
        model: A Keras model.
        rows: The table.
        tensors: What `readers.read` returned.
        ignored: Names of tensors that are left out; `*` stands for anything.
        path: The file that the tensors are from, for the message.

    Raises:
        BadFileError: File, table and model do not fit together; the message lists how. Or a tensor of the table is not
            of floating-point numbers that are finite as float32. Nothing was copied.
    """
    rows, ignored = list(rows), list(ignored)
    variables = {variable.path: variable for variable in model.weights}
    values: dict[str, Array] = {}
    unfit: list[str] = []
    wrong: list[str] = []
    for row in rows:
        places = [place for place in variables if f"/{place}".endswith(f"/{row.variable}")]
        if len(places) != 1:
            wrong.append(f"the model has {len(places) or 'no'} variables {row.variable}")
        elif places[0] in values:
            wrong.append(f"the variable {row.variable} has two rows")
        elif row.source in tensors:
            (place,) = places
            shape, tensor = tuple(variables[place].shape), tensors[row.source]
            try:
                with np.errstate(over="ignore"):  # what becomes infinite is refused below
                    values[place] = np.asarray(row.transform(tensor), dtype=np.float32)
            except ValueError:  # wrong rank or number of values: shown as a shape that differs
                values[place] = tensor
                wrong.append(f"{row.source} of shape {tensor.shape} does not fit {row.variable} {shape}")
            else:
                if values[place].shape != shape:
                    wrong.append(
                        f"{row.source} of shape {tensor.shape} gives {values[place].shape} "
                        f"for {row.variable} {shape}"
                    )
                if tensor.dtype.kind != "f":
                    unfit.append(
                        f"holds {row.source} as {tensor.dtype}, not as floating-point numbers: take the file from "
                        "before it was quantised."
                    )
                elif not np.isfinite(values[place]).all():
                    unfit.append(
                        f"is damaged: {row.source} has values that are not finite as float32. Get the file again."
                    )
    uses = Counter(row.source for row in rows)
    missing = [name for name in uses if name not in tensors]
    wrong += [f"{name} is missing" for name in missing]
    wrong += [f"{name} has {count} rows" for name, count in uses.items() if count > 1]
    rest = [name for name in tensors if name not in uses]
    wrong += [
        f"{name} is not known" for name in rest if not any(fnmatchcase(name, pattern) for pattern in ignored)
    ]
    named = {row.variable for row in rows}
    wrong += [
        f"the variable {place} has no row"
        for place in variables
        if not any(f"/{place}".endswith(f"/{name}") for name in named)
    ]
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise BadFileError(
            f"{path} does not fit the network {model.name}; it looks like the weights of another network: "
            f"{'; '.join(wrong[:_SHOWN])}{more}."
        )
    if unfit:
        raise BadFileError(f"{path} {unfit[0]}")
    for place, value in values.items():
        variables[place].assign(value)


def rows_of_keras(model: Any) -> tuple[tuple[Row, ...], ...]:
    """The tables of the files that Keras writes of a model: `.weights.h5` (also in a `.keras`), and `.h5` before that.

    The first names a layer by its class and its place among those of that class, the others by its name. Layers in
    layers have names of their own there: of such a model no table is given.

    Args:
        model: A functional or sequential Keras model.
    """
    by_class: list[Row] = []
    by_name: list[Row] = []
    seen: Counter[str] = Counter()
    for layer in model.layers:
        kind = _snake_case(type(layer).__name__)
        place = f"{kind}_{seen[kind]}" if seen[kind] else kind
        seen[kind] += 1
        for number, variable in enumerate(layer.weights):
            by_class.append(Row(variable.path, f"layers/{place}/vars/{number}"))
            by_name.append(Row(variable.path, f"{layer.name}/{variable.path}"))
    whole = tuple(Row(row.variable, f"model_weights/{row.source}") for row in by_name)
    return tuple(by_class), tuple(by_name), whole


def _snake_case(name: str) -> str:
    """The name of a class as Keras writes it: "Conv2D" is "conv2d", "BatchNormalization" "batch_normalization"."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
