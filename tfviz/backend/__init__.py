"""The frameworks under Keras: the only room that names TensorFlow, JAX or torch.

Mathematics is written with `keras.ops`; what Keras has no words for (gradients, a compiled loop, devices, float64) is
asked of `current()`, a module that satisfies `tfviz.backend.protocol.Backend`. To add a framework: one such module, and
its row in `MODULES`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
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


_NUMBERS_CHANGE_WITH = (
    *("TF_", "XLA_FLAGS", "ONEDNN_", "DNNL_", "NVIDIA_TF32_OVERRIDE"),
    *("JAX_", "KERAS_MAX_", "KERAS_NNX_ENABLED"),
)
"""Beginnings of environment variables by which a framework would compute something else, or otherwise."""
_KEPT = (
    *("TF_CPP_", "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_"),
    *("JAX_PLATFORM", "JAX_COMPILATION_CACHE_", "JAX_PERSISTENT_CACHE_", "JAX_TRACEBACK_FILTERING"),
)
"""Those of them that say what is printed or kept, and which part of the machine is used: the user's choice."""
_UNLESS_SAID = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Of a GPU's memory what is needed, as it is needed, not most of it at once: several processes compute on one GPU."""


class UnknownBackendError(TfvizError):
    """Keras is set to a framework on which this program does not run."""


class MissingBackendError(TfvizError):
    """The framework that Keras is set to is not installed, or cannot be imported."""


def name() -> str:
    """The framework that Keras runs on, or will run on: as KERAS_BACKEND says, else Keras' own file, else TensorFlow.

    Raises:
        UnknownBackendError: it is none of `MODULES`.
    """
    chosen, where = _chosen()
    if chosen not in MODULES:
        raise UnknownBackendError(
            f"Keras is set to run on {chosen!r}{where}, on which this program does not run: "
            f"set KERAS_BACKEND to {' or '.join(MODULES)}."
        )
    return chosen


def _chosen() -> tuple[str, str]:
    """The framework, and where it is chosen, in words; "" where Keras is imported already or nothing is said."""
    if "keras" in sys.modules:
        import keras

        return str(keras.backend.backend()), ""
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen, " (KERAS_BACKEND)"
    # As Keras reads it when it is imported (keras/src/backend/config.py).
    path = Path(os.environ.get("KERAS_HOME") or Path("~").expanduser() / ".keras") / "keras.json"
    try:
        chosen = json.loads(path.read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError, RecursionError):
        chosen = None
    return (str(chosen), f" ({path})") if chosen else ("tensorflow", "")


def check() -> None:
    """See that the framework is here, without importing it.

    Raises:
        UnknownBackendError: see `name`.
        MissingBackendError: it is not installed.
    """
    framework = MODULES[name()]
    missing = [package for package in ("keras", *framework.packages) if find_spec(package) is None]
    if missing:
        where = _chosen()[1]
        others = "".join(f", or set KERAS_BACKEND to {other}" for other in MODULES if other != name())
        raise MissingBackendError(
            f"Keras is set to run on {name()}{where}, and {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not installed: pip install -r {framework.requirements}{others}."
        )


def floatx() -> str:
    """Keras' float type: what `load` sets, unless a program has set another since; Keras is not imported for it."""
    if "keras" in sys.modules:
        import keras

        return str(keras.config.floatx())
    return _FLOATX


def is_loaded() -> bool:
    """Whether the framework has been imported."""
    return "keras" in sys.modules and name() in sys.modules


def load(*, search: bool = True) -> None:
    """Import Keras and its framework, set as this program needs them whatever the user's files and variables say.

    What C++ code prints before it reads its log level is not shown: it goes to file descriptor 2, past sys.stderr.

    Args:
        search: look for GPUs, too. Not in a process that will be copied: JAX starts threads for it, and a copy cannot
            use a GPU that was found before.

    Raises:
        UnknownBackendError: see `name`.
        MissingBackendError: the framework is not installed, or its import fails.
    """
    chosen = name()
    if not is_loaded():
        check()
        os.environ["KERAS_BACKEND"] = chosen
        for variable in list(os.environ):
            if variable.startswith(_NUMBERS_CHANGE_WITH) and not variable.startswith(_KEPT):
                del os.environ[variable]
        for variable, value in _UNLESS_SAID.items():
            os.environ.setdefault(variable, value)
    try:
        if not is_loaded():
            with _nothing_on_descriptor_2():
                import_module("keras")
        if search:
            _search()
    except ModuleNotFoundError:
        raise
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise MissingBackendError(
            f"Keras cannot be imported with {chosen} ({why}): "
            f"pip install --force-reinstall -r {MODULES[chosen].requirements}"
        ) from error
    _configure()
    if _full_products is not None:
        current().use_full_products(_full_products)


_full_products: bool | None = None


def use_full_products(full: bool) -> None:
    """Whether products are float32's on GPUs, too, in this process from now on, the framework being loaded or not.

    By themselves TensorFlow and JAX round the factors to 10 bits there (TensorFloat-32), which moves an activation by
    some 1e-4 of itself: enough for training, too much for numbers that are compared.
    """
    global _full_products
    _full_products = full
    if is_loaded():
        current().use_full_products(full)


@cache
def _search() -> None:
    """Have the framework find its GPUs, once: it has its own lines about them."""
    with _nothing_on_descriptor_2():
        current().device_names()


_FLOATX = "float32"


@cache
def _configure() -> None:
    """Set Keras as the networks here are written, once: keras.json may say otherwise."""
    import keras

    keras.config.set_floatx(_FLOATX)
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)


@contextmanager
def _nothing_on_descriptor_2() -> Iterator[None]:
    """Inside, what is written to file descriptor 2 is lost; what fails says so by its exception."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        terminal = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
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
