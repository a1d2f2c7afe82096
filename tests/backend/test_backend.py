import ast
import inspect
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tfviz import backend
from tfviz.backend import machine
from tfviz.backend.protocol import Backend
from tfviz.files.program import CHECKOUT, PACKAGE

ASKED = [name for name in vars(Backend) if not name.startswith("_")]


def functions(path: Path):
    tree = ast.parse(path.read_text())
    return {
        node.name: [arg.arg for arg in node.args.args]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("framework", backend.MODULES)
def test_every_module_satisfies_the_protocol(framework):
    have = functions(PACKAGE / "backend" / f"{backend.MODULES[framework].module}.py")
    for name in ASKED:
        wanted = list(inspect.signature(getattr(Backend, name)).parameters)[1:]
        assert have[name] == wanted, f"{framework}: {name}"


def test_every_framework_s_requirements_are_a_file():
    for framework in backend.MODULES.values():
        text = (CHECKOUT / framework.requirements).read_text()
        assert all(f"\n{package}==" in text for package in framework.packages)


def test_the_framework_is_keras_own(monkeypatch):
    import keras

    assert backend.name() == keras.backend.backend()
    monkeypatch.setattr(keras.backend, "backend", lambda: "theano")
    with pytest.raises(
        backend.UnknownBackendError, match=r"'theano'.*set KERAS_BACKEND to tensorflow or jax"
    ):
        backend.name()


def test_the_framework_comes_from_the_environment_before_keras_is_imported(monkeypatch):
    monkeypatch.delitem(backend.sys.modules, "keras")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend.name() == "jax"
    assert backend.versions().keys() == {"python", "jax", "jaxlib", "keras", "numpy", "scipy"}
    monkeypatch.delenv("KERAS_BACKEND")
    assert backend.name() == "tensorflow"


def test_versions_of_what_is_not_installed_say_so():
    assert machine.versions("no-such-package")["no-such-package"] == "not installed"


@pytest.mark.parametrize(
    ("flags", "gpus", "computes"),
    [
        ({"avx2"}, None, False),
        ({"avx512_bf16"}, None, True),
        ({"amx_bf16"}, None, True),
        ({"avx512_bf16"}, False, False),
        ({"avx2"}, True, True),
    ],
)
def test_bfloat16_is_the_gpus_matter_where_there_are_some(monkeypatch, flags, gpus, computes):
    module = import_module(f"tfviz.backend.{backend.MODULES[backend.name()].module}")
    monkeypatch.setattr(machine, "processor_flags", lambda: frozenset(flags))
    monkeypatch.setattr(module, "gpus_compute_bfloat16", lambda: gpus)
    monkeypatch.setattr(backend, "is_loaded", lambda: True)
    assert backend.computes_bfloat16() is computes


@pytest.mark.skipif(
    find_spec("jax") is None, reason="JAX is not installed: pip install -r requirements-jax.txt"
)
def test_jax_s_loop_makes_room_in_powers_of_two_and_goes_on():
    """Steps in several calls end where one call ends, whatever room was made for them."""
    code = (
        "import numpy as np\n"
        "from tfviz.backend import on_jax\n"
        "def loop():\n"
        "    score = lambda x, draws: ((-(x - draws[0]) ** 2).sum(axis=(1, 2)), {'a': x[:, 0, 0]})\n"
        "    return on_jax.ascent_loop(score, lambda x: 2 * x, np.ones((2, 3, 4)), [], ['a'], (-5.0, 5.0))\n"
        "rates, draws = [0.1] * 37, np.arange(37.0)[:, None] / 10\n"
        "whole = loop()(rates, [draws])\n"
        "half = loop(); first = half(rates[:20], [draws[:20]]); second = half(rates[20:], [draws[20:]])\n"
        "np.testing.assert_allclose(second.pictures, whole.pictures, rtol=1e-6)\n"
        "np.testing.assert_allclose(np.concatenate([first.scores, second.scores]), whole.scores, rtol=1e-5)\n"
        "assert whole.terms['a'].shape == (37, 2)\n"
        "x = 1.0\n"
        "for step in range(37):\n"
        "    assert abs(whole.terms['a'][step, 0] - x) < 1e-5, step\n"
        "    x = min(5.0, x - 0.2 * (x - step / 10))\n"
        "assert abs(whole.pictures[0, 0, 0] - 2 * x) < 1e-5\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=CHECKOUT, env={**os.environ, "KERAS_BACKEND": "jax"}
    )
