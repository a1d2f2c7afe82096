"""Looks inside convolutional networks and writes the report.

The public calls are loaded when they are first used: importing ``tfviz`` does not import Keras or its framework.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfviz.measures.receptive_field import ReceptiveField, receptive_field
    from tfviz.method import objectives, parametrizations, priors, transforms
    from tfviz.method.ascent import Trace, ascend
    from tfviz.method.occlusion import occlusion_map
    from tfviz.models.loading import load
    from tfviz.models.own import use

# Read when TensorFlow is first imported; a user who has set it keeps the choice.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.2.0"
__all__ = [
    "ReceptiveField",
    "Trace",
    "ascend",
    "load",
    "objectives",
    "occlusion_map",
    "parametrizations",
    "priors",
    "receptive_field",
    "transforms",
    "use",
]

HOMES = {
    "ReceptiveField": "tfviz.measures.receptive_field",
    "Trace": "tfviz.method.ascent",
    "ascend": "tfviz.method.ascent",
    "load": "tfviz.models.loading",
    "objectives": "tfviz.method.objectives",
    "occlusion_map": "tfviz.method.occlusion",
    "parametrizations": "tfviz.method.parametrizations",
    "priors": "tfviz.method.priors",
    "receptive_field": "tfviz.measures.receptive_field",
    "transforms": "tfviz.method.transforms",
    "use": "tfviz.models.own",
}
"""The module in which each public name lives."""


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'tfviz' has no attribute {name!r}")
    from tfviz import backend

    backend.load()
    module = import_module(HOMES[name])
    return module if HOMES[name].endswith(f".{name}") and not hasattr(module, name) else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
