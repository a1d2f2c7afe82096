"""What worker processes are copies of."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tfviz.files.program import CHECKOUT

COPIED = """
import {module}
import tfviz.figures
from matplotlib import rcParams
print(rcParams["font.size"])
"""


@pytest.mark.parametrize("module", ["tfviz.experiment.ready", "tfviz.course.ready"])
def test_a_users_matplotlib_stops_no_worker(module, tmp_path):
    """Keras imports Matplotlib, too: neither a file that cannot be read nor a backend that is none may reach it."""
    (tmp_path / "matplotlibrc").write_bytes(b"font.size: 31\n\xff\xfe\n")
    done = subprocess.run(
        [sys.executable, "-c", COPIED.format(module=module)],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "MPLBACKEND": "nonsense"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "10.0\n", done.stderr


FROM_ELSEWHERE = """
import sys
sys.path.insert(0, {checkout!r})
from tfviz.experiment.processes import Processes
if __name__ == "__main__":
    with Processes(1, 1) as pool:
        print(pool.submit(eval, "'keras' in __import__('sys').modules").result())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each process imports for itself")
def test_workers_are_copies_whatever_the_folder_is_in_which_it_starts(tmp_path):
    """Python 3.11's server has not the path of the process that starts it."""
    program = tmp_path / "elsewhere.py"
    program.write_text(FROM_ELSEWHERE.format(checkout=str(CHECKOUT)))
    done = subprocess.run(
        [sys.executable, program],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "True\n", done.stderr


COPIED_SAFELY = """
import os
import {module}
from tfviz import backend
print(backend.name(), len(os.listdir("/proc/self/task")))
backend.load()
print(len(backend.devices()))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or find_spec("jax") is None, reason="JAX, or Linux' list of threads, is missing"
)
@pytest.mark.parametrize("module", ["tfviz.experiment.ready", "tfviz.course.ready"])
def test_nothing_is_searched_on_jax_before_a_worker_is_copied(module, tmp_path):
    """JAX starts threads as it looks for GPUs, and no copy of that process could use one."""
    done = subprocess.run(
        [sys.executable, "-c", COPIED_SAFELY.format(module=module)],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "jax 1\n1\n", done.stderr
