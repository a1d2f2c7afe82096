"""Layers may have any name that Keras takes."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import keras


@cache
def allow_any_name() -> None:
    """Have layers run whatever they are called, in this process from now on.

    Keras opens a scope of a layer's name at each call, and TensorFlow's graphs refuse scopes with spaces in their
    names, or with letters beyond ASCII. Nobody sees these: a layer's own name and its variables' paths stay.
    """
    begin = keras.name_scope.__init__

    def named(self: Any, name: str, *arguments: Any, **more: Any) -> None:
        begin(self, _plain(name), *arguments, **more)
        self.name = name

    keras.name_scope.__init__ = named


def _plain(name: str) -> str:
    """A name that any framework takes for a scope."""
    plain = re.sub(r"[^A-Za-z0-9_./-]", "_", name)
    return plain if re.match(r"[A-Za-z0-9.]|$", plain) else f"x{plain}"
