"""How the tensors of a weights file become a network's variables: one layout per kind of file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tfviz.weights import port


@dataclass(frozen=True)
class Layout:
    """One way in which files hold a network's weights.

    Attributes:
        name: What people call such a file.
        rows: Which tensor goes into which variable.
        ignored: Names of tensors that the network has no use for; `*` stands for anything.
    """

    name: str
    rows: tuple[port.Row, ...]
    ignored: tuple[str, ...] = ()


def fill(
    model: keras.Model, layouts: tuple[Layout, ...], tensors: Mapping[str, np.ndarray], *, path: Path
) -> None:
    """Copies a file's tensors into the model's variables, all of them or none.

    The layout is the one of which most tensors are there, those in which Keras itself writes the model among them;
    whether all are, `port.assign` decides. Integers and single numbers that the layout does not name are settings of
    an operator (an ONNX Reshape's shape, a Dropout's ratio), not weights: they are left out.

    Args:
        model: The network to fill.
        layouts: The layouts it is known to come in.
        tensors: The file's content, name to array.
        path: The file, for the message.

    Raises:
        BadFileError: The tensors are not those of any layout. The model is unchanged.
    """
    saved = (Layout("Keras' own", rows, ignored=("optimizer*",)) for rows in port.rows_of_keras(model))
    layout = max((*layouts, *saved), key=lambda layout: sum(row.source in tensors for row in layout.rows))
    settings = [name for name, tensor in tensors.items() if not tensor.ndim or tensor.dtype.kind in "biu"]
    port.assign(model, layout.rows, tensors, ignored=(*layout.ignored, *settings), path=path)
