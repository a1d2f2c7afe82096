import io
import os
import subprocess
import sys

import pytest

from tfviz.experiment import terminal
from tfviz.files.program import CHECKOUT

CODE = """
import os, sys
from tfviz.experiment import terminal
with terminal.forgiving():
    with open(sys.argv[1], "w") as file:
        for line in range(20_000):
            print("a line \u2265", line)
        print("an error", file=sys.stderr)
        sys.stdout.flush()
        try:
            os.write(2, b"past Python")
        except OSError:
            pass
        file.write("done")
"""


def run(redirection, path, **environment):
    """The exit status, what came out, and what was written into a file meanwhile."""
    done = subprocess.run(
        ["sh", "-c", f'{sys.executable} -c "$0" "$1" {redirection}', CODE, str(path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr, path.read_text()


@pytest.mark.parametrize(
    "redirection", [">&-", "2>&-", ">&- 2>&- <&-", ">/dev/full", "2>/dev/full", "| head -1"]
)
def test_what_nobody_hears_costs_nothing_and_reaches_no_file(redirection, tmp_path):
    status, out, err, written = run(redirection, tmp_path / "file")
    assert status == 0
    assert written == "done"
    assert "Traceback" not in out + err
    if redirection == "| head -1":
        assert out == "a line \u2265 0\n"
        assert err == "an error\npast Python"


def test_what_a_stream_cannot_show_is_a_question_mark(tmp_path):
    status, out, _, _ = run("| head -1", tmp_path / "file", PYTHONIOENCODING="ascii")
    assert (status, out) == (0, "a line ? 0\n")


def test_streams_of_others_stay_and_all_are_as_before_afterwards(monkeypatch):
    class Others(io.StringIO):
        pass

    others = Others()
    monkeypatch.setattr(sys, "stdout", others)
    monkeypatch.setattr(sys, "stderr", None)
    with terminal.forgiving():
        assert sys.stdout is others
        print("lost", file=sys.stderr)
        print("heard")
    assert (sys.stdout, sys.stderr) == (others, None)
    assert others.getvalue() == "heard\n"
