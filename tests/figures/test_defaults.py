import os
import subprocess
import sys

import matplotlib
import pytest
from matplotlib.figure import Figure

from tfviz.figures import defaults, style
from tfviz.files.program import CHECKOUT


def test_a_user_s_settings_reach_no_figure_and_are_there_afterwards(tmp_path):
    @style.styled
    def line():
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([1, 2])
        return figure

    before = style.save(line(), tmp_path / "plain").read_text()
    with matplotlib.rc_context():
        matplotlib.rcParams.update(
            {"savefig.bbox": "tight", "axes.grid": True, "lines.linestyle": ":", "axes.xmargin": 0.4}
        )
        assert style.save(line(), tmp_path / "other").read_text() == before
        assert matplotlib.rcParams["axes.grid"] is True
        assert matplotlib.rcParams["lines.linestyle"] == ":"


def test_settings_named_go_before_the_defaults():
    with defaults.only({"lines.linewidth": 7.0}):
        assert matplotlib.rcParams["lines.linewidth"] == 7.0
        assert matplotlib.rcParams["axes.grid"] is matplotlib.rcParamsDefault["axes.grid"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"text.usetex: True\nbackend: nonsense\nfoo: bar\n"])
def test_a_matplotlibrc_and_a_backend_that_are_nonsense_are_not_read(tmp_path, content):
    (tmp_path / "matplotlibrc").write_bytes(content)
    code = (
        "import os; from tfviz import figures; import matplotlib\n"
        "print(matplotlib.rcParams['text.usetex'], os.getcwd(), os.environ['MPLBACKEND'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "MPLBACKEND": "nonsense",
            "MATPLOTLIBRC": str(tmp_path),
            "PYTHONPATH": str(CHECKOUT),
        },
    )
    assert done.stdout == f"False {tmp_path} nonsense\n"
    assert done.stderr == ""
