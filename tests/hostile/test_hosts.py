"""Workers that die and are cut off on hosts of their own."""

import os
import shutil
import subprocess
import sys

import pytest

from tfviz.files.program import CHECKOUT


def may_have_hosts():
    """Whether this user may make network namespaces."""
    if sys.platform != "linux" or os.geteuid() or not shutil.which("ip"):
        return False
    name = f"tfviz-may-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode == 0
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return made


@pytest.mark.skipif(not may_have_hosts(), reason="only root may make network namespaces")
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("", "missing: 0, kept twice: 0, different: 0, computed twice: 0, left on the shelf: 0"),
        (
            "--atlas --steps 8 --pause 8",
            "units missing: 0, chunks kept twice: 0, chunks computed twice: 0, units with other numbers: 0, "
            "units with other pictures: 0, left on the shelf: 0",
        ),
    ],
)
def test_nothing_is_missing_different_or_done_twice(options, found):
    """A small one of `python -m tests.hostile.hosts --kills 20 --cut 30`, and of its atlas."""
    pytest.importorskip("distributed")
    asked = ["--kills", "2", "--cut", "2", "--tasks", "30", *options.split()]
    command = [sys.executable, "-m", "tests.hostile.hosts", *asked]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failures: 0" in done.stdout
    assert found in done.stdout.splitlines()
