"""The quick report under what users' machines set: the same numbers and the same figures as in a clean environment."""

import json
import os
import subprocess
import sys

import pytest

from tfviz.files.program import CHECKOUT

PARTS = ("narrow_network", "training_hardness")  # the cheapest that need no weights; one has convolutions
KEPT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "KERAS_BACKEND", "VIRTUAL_ENV")
RC = """
backend: TkAgg
font.family: cursive
font.size: 31
text.usetex: True
figure.dpi: 7
savefig.format: png
savefig.bbox: tight
savefig.pad_inches: 3
axes.facecolor: red
lines.linewidth: 12
svg.fonttype: none
image.cmap: prism
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """run(variables, here): the results of the quick report, with no other variables set."""

    def run(variables, here=None):
        out = tmp_path_factory.mktemp("out")
        clean = {name: os.environ[name] for name in KEPT if name in os.environ}
        done = subprocess.run(
            [sys.executable, CHECKOUT / "run_all.py", "--quick", "--offline", "--only", *PARTS, "--out", out],
            env=clean | variables,
            cwd=here or tmp_path_factory.mktemp("here"),
            capture_output=True,
            text=True,
            errors="replace",
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed
        assert "Traceback" not in printed
        assert "\x1b" not in printed
        return [json.loads((out / "results" / f"{part}.json").read_text("utf-8")) for part in PARTS]

    return run


@pytest.fixture(scope="module")
def clean(run, tmp_path_factory):
    return run({"HOME": str(tmp_path_factory.mktemp("home"))})


def same(found, clean):
    for here, there in zip(found, clean, strict=True):
        assert here["status"] == "done"
        assert here["numbers"] == there["numbers"]
        assert here["arrays"] == there["arrays"]
        assert len(here["figures"]) >= 1
        assert here["figures"] == there["figures"]


def test_a_notebook_a_matplotlibrc_and_a_home_that_cannot_be_written(run, clean, tmp_path):
    """Nobody may write below /proc, not even root."""
    (tmp_path / "matplotlibrc").write_text(RC)
    variables = {
        "HOME": "/proc/nowhere",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(tmp_path),
        "TERM": "dumb",
        "COLUMNS": "20",
    }
    same(run(variables, here=tmp_path), clean)
    assert [path.name for path in tmp_path.iterdir()] == ["matplotlibrc"]


def test_keras_configuration(run, clean, tmp_path):
    settings = {"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.1}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    same(run({"HOME": str(tmp_path), "KERAS_HOME": str(tmp_path)}), clean)


def test_no_home_and_a_plain_locale(run, clean):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Kiritimati"}
    same(run(plain), clean)
