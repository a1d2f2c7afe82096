"""The frameworks under Keras: the only room that names TensorFlow, JAX or torch.

Mathematics is written with `keras.ops`; what Keras has no words for (gradients, a compiled loop, devices, float64) is
asked of `current()`, a module that satisfies `tfviz.backend.protocol.Backend`. To add a framework: one such module, and
its row in `MODULES`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from tfviz.errors import TfvizError

if TYPE_CHECKING:
    from tfviz.backend.protocol import Backend


class Framework(NamedTuple):
    """What must be known of a framework before it is imported.

    Attributes:
        module: the module here that satisfies the protocol.
        packages: the installed packages whose versions decide the numbers.
        requirements: the file that installs it.
    """

    module: str
    packages: tuple[str, ...]
    requirements: str


MODULES = {
    "tensorflow": Framework("on_tensorflow", ("tensorflow",), "requirements.txt"),
    "jax": Framework("on_jax", ("jax", "jaxlib"), "requirements-jax.txt"),
}


class UnknownBackendError(TfvizError):
    """Keras is set to a framework on which this program does not run."""


def name() -> str:
    """The framework that Keras runs on, or will run on: the environment variable KERAS_BACKEND, else TensorFlow.

    Raises:
        UnknownBackendError: it is none of `MODULES`.
    """
    if "keras" in sys.modules:
        import keras

        chosen = str(keras.backend.backend())
    else:
        chosen = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if chosen not in MODULES:
        raise UnknownBackendError(
            f"Keras is set to run on {chosen!r}, on which this program does not run: "
            f"set KERAS_BACKEND to {' or '.join(MODULES)}."
        )
    return chosen


def floatx() -> str:
    """Keras' float type, "float32" unless it was set otherwise; Keras is not imported for it."""
    if "keras" in sys.modules:
        import keras

        return str(keras.config.floatx())
    # As Keras reads it when it is imported (keras/src/backend/config.py).
    home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    try:
        settings = json.loads(Path(home, "keras.json").read_text(encoding="utf-8"))
        return str(settings.get("floatx", "float32"))
    except (OSError, ValueError, AttributeError):
        return "float32"


def is_loaded() -> bool:
    """Whether the framework has been imported."""
    return "keras" in sys.modules and name() in sys.modules


def load() -> None:
    """Import Keras and its framework, without the lines that C++ code prints before it reads its log level.

    They go to file descriptor 2, past sys.stderr. If the import fails, they are shown after all.

    Raises:
        UnknownBackendError: see `name`.
        ModuleNotFoundError: the framework is not installed.
    """
    name()
    if is_loaded():
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import_module("keras")
            current().device_names()  # the search for GPUs has its own lines
        except BaseException:
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def current() -> Backend:
    """The framework that Keras runs on."""
    return cast("Backend", import_module(f"tfviz.backend.{MODULES[name()].module}"))


def devices() -> list[str]:
    """The processor, and the GPUs that the framework uses where it is loaded."""
    from tfviz.backend import machine

    return [machine.processor(), *(current().device_names() if is_loaded() else ())]


def computes_bfloat16() -> bool:
    """Whether there are instructions for bfloat16: on the GPUs where there are some, else on the processor (x86)."""
    from tfviz.backend import machine

    on_gpus = current().gpus_compute_bfloat16() if is_loaded() else None
    if on_gpus is not None:
        return on_gpus
    return not machine.processor_flags().isdisjoint({"amx_bf16", "avx512_bf16"})


def versions() -> dict[str, str]:
    """Versions of Python, the framework in use, Keras, NumPy and SciPy; none of them is imported."""
    from tfviz.backend import machine

    return machine.versions(*MODULES[name()].packages, "keras", "numpy", "scipy")
