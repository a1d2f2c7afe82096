import subprocess
import sys

from tfviz.files.program import CHECKOUT


def test_killed_runs_leave_nothing_half(tmp_path):
    """Three of the hundred kills of `python -m tests.hostile.kills --kills 100`."""
    command = [sys.executable, "-m", "tests.hostile.kills", "--kills", "3", "--folder", tmp_path]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for nothing in ("half files: 0", "differing numbers: 0", "left-over files: 0"):
        assert nothing in done.stdout.splitlines()
