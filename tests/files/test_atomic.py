import json
import os
import signal
import subprocess
import sys

import pytest

from tfviz.files.atomic import clear, remove_unfinished, write_atomically, write_json


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float("nan")})

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["value.json"]


def test_what_a_killed_write_left_is_taken_away_and_nothing_else(tmp_path):
    """A process that is killed in the middle of a write; the name of what it leaves is ours alone."""
    code = f"""
import os, signal
from pathlib import Path
from tfviz.files.atomic import write_atomically
def write(temporary):
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
write_atomically(Path({str(tmp_path / "report.pdf")!r}), write)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".tfviz-")
    assert left.name.endswith("-report.pdf")
    (tmp_path / ".tfviz-fake" / "figures").mkdir(parents=True)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "mine").write_text("mine")
    (tmp_path / ".tfviz-link").symlink_to(kept)
    for name in (".hidden", "report.pdf", ".tfviz.lock", "a.tfviz-x"):
        (tmp_path / name).write_text("")
    remove_unfinished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "kept",
        ".hidden",
        "report.pdf",
        ".tfviz.lock",
        "a.tfviz-x",
    }
    assert (kept / "mine").read_text() == "mine"


def test_clear_takes_away_whatever_stands_there(tmp_path):
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    for name in ("folder", "file", "fifo", "nothing"):
        clear(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_json_says_nothing_to_a_terminal(tmp_path):
    text = "\x1b[31m \x9b2J \x7f \u202egnp.exe \u2028 שלום ≥ ✓"
    write_json(tmp_path / "a.json", {text: text})
    written = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(written) == {text: text}
    assert all(letter.isprintable() or letter == "\n" for letter in written)
    assert "שלום ≥ ✓" in written


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_who_may_read_a_file_is_what_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_json(tmp_path / "value.json", 1)
    finally:
        os.umask(before)
    assert (tmp_path / "value.json").stat().st_mode & 0o777 == mode
