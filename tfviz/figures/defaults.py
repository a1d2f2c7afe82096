"""Matplotlib as it comes, whatever a user's matplotlibrc and MPLBACKEND say; imported before all else of this room."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def _import() -> None:
    """Import Matplotlib from its own folder, whose matplotlibrc is the first that it looks for and holds its defaults.

    A user's file may not even be readable, and a backend may be none. The user's choice of a backend, which nothing
    here uses, stays for what a notebook draws afterwards.
    """
    spec = find_spec("matplotlib")
    if "matplotlib" in sys.modules or spec is None or spec.origin is None:
        return
    chosen = os.environ.pop("MPLBACKEND", None)
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(Path(spec.origin).parent / "mpl-data")
        import matplotlib
    finally:
        os.chdir(before)
        os.close(before)
        if chosen is not None:
            os.environ["MPLBACKEND"] = chosen
    with suppress(ValueError):
        if chosen:
            matplotlib.rcParams["backend"] = chosen


_import()


@contextmanager
def only(style: Mapping[str, Any]) -> Iterator[None]:
    """Inside, Matplotlib's settings are its defaults but for these; afterwards they are what they were."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style)  # type: ignore[arg-type]
        yield
