"""Looks inside convolutional networks and writes the report.

The public calls are loaded when they are first used: importing ``tfviz`` does not import TensorFlow.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Eager, since the module has the name of the function: loaded later, it would take the function's place here.
from tfviz.receptive_field import ReceptiveField, receptive_field

if TYPE_CHECKING:
    from tfviz import objectives, parametrizations, priors, transforms
    from tfviz.ascent import Trace, ascend
    from tfviz.models.loading import load
    from tfviz.occlusion import occlusion_map

# Read when TensorFlow and Keras are first imported; a user who has set them keeps the choice.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

__version__ = "0.1.0"
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
]

_HOMES = {
    "Trace": "tfviz.ascent",
    "ascend": "tfviz.ascent",
    "load": "tfviz.models.loading",
    "objectives": "tfviz.objectives",
    "occlusion_map": "tfviz.occlusion",
    "parametrizations": "tfviz.parametrizations",
    "priors": "tfviz.priors",
    "transforms": "tfviz.transforms",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tfviz' has no attribute {name!r}")
    import_tensorflow()
    module = import_module(_HOMES[name])
    return module if module.__name__ == f"tfviz.{name}" else getattr(module, name)


def import_tensorflow() -> None:
    """Import TensorFlow without the lines that its C++ side prints before it reads its log level.

    They go to file descriptor 2, past sys.stderr. If the import fails, they are shown after all.
    """
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()  # the search for GPUs has its own lines
        except BaseException:
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
