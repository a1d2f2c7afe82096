import ast
import inspect
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

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
    monkeypatch.setenv("KERAS_HOME", "none")
    assert backend.name() == "tensorflow"


def test_keras_own_file_chooses_where_the_environment_does_not(monkeypatch, tmp_path):
    monkeypatch.delitem(backend.sys.modules, "keras")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for content, name in (
        ('{"backend": "jax"}', "jax"),
        ("{", "tensorflow"),
        ("[]", "tensorflow"),
        ("{}", "tensorflow"),
    ):
        (tmp_path / "keras.json").write_text(content)
        assert backend.name() == name
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    with pytest.raises(backend.UnknownBackendError, match=rf"'torch' \({tmp_path / 'keras.json'}\)"):
        backend.check()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend.name() == "jax", "the environment goes before it"
    monkeypatch.setattr(backend, "find_spec", lambda package: None if "jax" in package else package)
    with pytest.raises(
        backend.MissingBackendError,
        match=r"^Keras is set to run on jax \(KERAS_BACKEND\), and jax and jaxlib are not installed: "
        r"pip install -r requirements-jax.txt, or set KERAS_BACKEND to tensorflow.$",
    ):
        backend.check()


def test_what_is_set_for_other_programs_does_not_reach_the_numbers(tmp_path):
    """Keras' file and variables that change what is computed; descriptor 2 is closed, too."""
    (tmp_path / "keras.json").write_text(
        '{"floatx": "float16", "epsilon": 0.1, "backend": "tensorflow", "image_data_format": "channels_first"}'
    )
    code = (
        "import os, sys\n"
        "from tfviz import backend\n"
        "before = backend.floatx()\n"
        "backend.load()\n"
        "import keras\n"
        "layer = keras.layers.Conv2D(2, 3); layer.build((None, 8, 8, 5))\n"
        "print(before, backend.floatx(), keras.config.epsilon(), keras.config.image_data_format(),\n"
        "      layer.kernel.shape, layer.kernel.dtype, keras.config.max_epochs(),\n"
        "      sorted(name for name in os.environ if name[:3] in ('TF_', 'XLA', 'ONE', 'JAX')))\n"
    )
    done = subprocess.run(
        ["sh", "-c", f'{sys.executable} -c "$0" 2>&-', code],
        check=True,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **{name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"},
            "KERAS_HOME": str(tmp_path),
            "KERAS_MAX_EPOCHS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
            "XLA_FLAGS": "--nonsense",
            "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
            "JAX_ENABLE_X64": "1",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        },
    )
    assert done.stdout == (
        "float32 float32 1e-07 channels_last (3, 3, 5, 2) float32 None "
        "['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', 'TF_CPP_MIN_LOG_LEVEL', 'TF_FORCE_GPU_ALLOW_GROWTH', "
        "'XLA_PYTHON_CLIENT_PREALLOCATE']\n"
    )


def test_an_import_that_fails_is_one_line(monkeypatch):
    def broken(name):
        raise ImportError("libx.so: cannot open\n  shared object")

    monkeypatch.setattr(backend, "is_loaded", lambda: False)
    monkeypatch.setattr(backend, "import_module", broken)
    with pytest.raises(
        backend.MissingBackendError, match=r"\(libx.so: cannot open shared object\): pip install"
    ) as raised:
        backend.load()
    assert "\n" not in str(raised.value)


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
        "score = lambda x, draws, data: ((-(x - draws[0]) ** 2).sum(axis=(1, 2)), {'a': data[0] * x[:, 0, 0]})\n"
        "one = np.ones(1, np.float32)\n"
        "loop = on_jax.ascent_loop(score, lambda x: 2 * x, (2, 3, 4), [()], [one], [], ['a'], (-5.0, 5.0))\n"
        "start, rates, draws = np.ones((2, 3, 4)), [0.1] * 37, np.arange(37.0) / 10\n"
        "_, whole = loop(start, rates, [draws], [one])\n"
        "x, first = loop(start, rates[:20], [draws[:20]], [one])\n"
        "_, second = loop(x, rates[20:], [draws[20:]], [3 * one])\n"
        "np.testing.assert_allclose(second.pictures, whole.pictures, rtol=1e-6)\n"
        "np.testing.assert_allclose(np.concatenate([first.scores, second.scores]), whole.scores, rtol=1e-5)\n"
        "np.testing.assert_allclose(second.terms['a'], 3 * whole.terms['a'][20:], rtol=1e-5)\n"
        "assert whole.terms['a'].shape == (37, 2)\n"
        "of_many = lambda x, draws, data: score(x, [draws[0][0]], data)\n"
        "many = on_jax.ascent_loop(of_many, lambda x: x, (2, 3, 4), [(2000,)], [one], [], ['a'], (-5.0, 5.0))\n"
        "_, same = many(start, rates, [np.repeat(draws[:, None], 2000, 1)], [one])\n"
        "np.testing.assert_allclose(same.scores, whole.scores, rtol=1e-5)\n"
        "x = 1.0\n"
        "for step in range(37):\n"
        "    assert abs(whole.terms['a'][step, 0] - x) < 1e-5, step\n"
        "    x = min(5.0, x - 0.2 * (x - step / 10))\n"
        "assert abs(whole.pictures[0, 0, 0] - 2 * x) < 1e-5\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=CHECKOUT, env={**os.environ, "KERAS_BACKEND": "jax"}
    )


def test_full_products_are_asked_for_before_the_framework_is_there_too(monkeypatch):
    asked = []
    monkeypatch.setattr(backend, "_full_products", None)
    monkeypatch.setattr(backend, "current", lambda: SimpleNamespace(use_full_products=asked.append))
    backend.load(search=False)
    assert asked == []  # a library's user keeps what the framework does by itself
    backend.use_full_products(True)
    backend.load(search=False)
    assert asked == [True, True]
    monkeypatch.setattr(backend, "is_loaded", lambda: False)
    backend.use_full_products(False)
    assert asked == [True, True]


def test_full_products_of_each_framework():
    """On a processor they are anyhow; what a GPU is told stands in the framework's own setting."""
    program = (
        "from tfviz import backend; backend.use_full_products(True); backend.load(); import sys; "
        "print(sys.modules['jax'].config.jax_default_matmul_precision if backend.name() == 'jax' else "
        "sys.modules['tensorflow'].config.experimental.tensor_float_32_execution_enabled())"
    )
    for name, said in (("jax", "highest"), ("tensorflow", "False")):
        environment = {**os.environ, "KERAS_BACKEND": name}
        run = [sys.executable, "-c", program]
        done = subprocess.run(run, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == said


@pytest.mark.parametrize(
    ("program", "free"),
    [("echo 81000; echo 4096", 4096 << 20), ("echo '[N/A]'", None), ("exit 9", None), (None, None)],
)
def test_free_memory_of_a_gpu(tmp_path, monkeypatch, program, free):
    if program:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.free_gpu_memory() == free
