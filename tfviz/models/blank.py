"""Networks that are made without random weights, since each of their variables gets its value afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

_INITIALIZERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("glorot_uniform", "GlorotUniform"): np.zeros,
    ("he_normal", "HeNormal"): np.zeros,
    ("zeros", "Zeros"): np.zeros,
    ("ones", "Ones"): np.ones,
}
"""What those of the layers that are made here give, by Keras' names for them; any other does its work as ever."""


@contextmanager
def blank() -> Iterator[None]:
    """A block in which new layers get zeros where they would draw random numbers, in this thread.

    On JAX the draws of every shape are a program that is compiled, 0.3 s each: more than all else that loading a
    network takes. What a layer says of its initialisers is as ever, and what they do after the block. Initialisers that
    were written down by another layer are not concerned: see `unset`.
    """
    made: list[tuple[Any, type]] = []

    def plain(kind: type, values: Callable[..., Any]) -> type:
        def begin(self: Any, *arguments: Any, **named: Any) -> None:
            kind.__init__(self, *arguments, **named)  # type: ignore[misc]
            made.append((self, kind))

        def call(self: Any, shape: Any, dtype: Any = None, **_: Any) -> Any:
            return keras.ops.convert_to_tensor(values(shape, dtype), dtype)

        return type(kind.__name__, (kind,), {"__init__": begin, "__call__": call})

    plain_ones: dict[str, Any] = {}
    for names, values in _INITIALIZERS.items():
        plain_ones |= dict.fromkeys(names, plain(getattr(keras.initializers, names[1]), values))
    with keras.saving.custom_object_scope(plain_ones):
        try:
            yield
        finally:
            for initializer, kind in made:
                initializer.__class__ = kind


def unset(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a layer, from its `get_config`, with zeros in place of Keras' initialisers.

    For a copy that is nobody's to train, and whose variables all get a value: within `blank`.
    """
    return {
        name: "zeros" if isinstance(value, dict) and value.get("module") == "keras.initializers" else value
        for name, value in settings.items()
    }
