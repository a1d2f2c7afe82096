import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from tfviz import backend
from tfviz.files.program import CHECKOUT

TOLERANCES = {
    # what: largest difference between two frameworks, relative to the array's largest value
    "gradient": 1e-5,
    "ascent": 1e-4,  # twenty steps, each on the last one's picture
    "spectrum": 1e-4,
    "occlusion": 1e-5,
    "grad cam": 1e-4,
    "features": 1e-5,
    "unit gradients": 1e-5,
    "grouped, LRN": 1e-5,
    "attack/distance": 1e-2,  # where the search stops depends on the last digits
    "attack/reached": 0,
    "float64": 1e-13,
    "convolution in bfloat16": 2e-2,
}


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """{framework: {name: array}} for every framework that is installed."""
    found = {}
    for name, framework in backend.MODULES.items():
        if not all(find_spec(package) for package in framework.packages):
            continue
        path = tmp_path_factory.mktemp(name) / "numbers.npz"
        subprocess.run(
            [sys.executable, "-m", "tests.backend.sample_numbers", str(path)],
            check=True,
            cwd=CHECKOUT,
            env={**os.environ, "KERAS_BACKEND": name},
        )
        with np.load(path) as stored:
            found[name] = dict(stored)
    return found


def tolerance(name):
    return next(limit for what, limit in TOLERANCES.items() if name == what or name.startswith(f"{what}/"))


def test_frameworks_agree_within_the_table(numbers):
    if len(numbers) < 2:
        pytest.skip("only one framework is installed: pip install -r requirements-jax.txt")
    (first, ours), *others = numbers.items()
    for other, theirs in others:
        assert ours.keys() == theirs.keys()
        for name, values in ours.items():
            off = np.abs(values.astype(float) - theirs[name]).max()
            largest = np.abs(values.astype(float)).max()
            assert off <= tolerance(name) * largest, (
                f"{name}: {first} and {other} differ by {off / largest:.2g}"
            )


def test_float64_is_float64_on_every_framework(numbers):
    for name, arrays in numbers.items():
        assert arrays["float64"].dtype == np.float64, name
        np.testing.assert_allclose(arrays["float64"], arrays["float64/exact"], atol=1e-13)


def test_the_samples_are_not_trivial(numbers):
    for name, values in numbers[backend.name()].items():
        assert np.isfinite(values).all(), name
        assert values.size == 1 or np.ptp(values) > 0, name
