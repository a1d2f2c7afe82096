import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from tfviz.files import lock
from tfviz.files.lock import held


class RefusedError(Exception):
    pass


def refuse(holder):
    raise RefusedError(holder)


@contextmanager
def holder(path):
    """Another process that holds the lock until its input ends."""
    code = f"""
import sys
from pathlib import Path
from tfviz.files.lock import held
with held(Path({str(path)!r}), sys.exit):
    print("holds", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_the_second_hears_who_holds_it_and_since_when(tmp_path):
    path = tmp_path / "lock"
    with holder(path) as other:
        assert other.stdout.readline() == "holds\n"
        since = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        with pytest.raises(RefusedError, match=rf"^process {other.pid}, {since}$"), held(path, refuse):
            pass
    with held(path, refuse):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_dead_process_holds_nothing(tmp_path):
    path = tmp_path / "lock"
    with holder(path) as other:
        assert other.stdout.readline() == "holds\n"
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert path.exists()
    with held(path, refuse) as alone:
        assert alone
        assert path.read_text().startswith(f"process {os.getpid()}, since ")
    assert not path.exists()


def test_waiting_ends_with_the_holder(tmp_path):
    path, order = tmp_path / "lock", []
    with holder(path) as other:
        assert other.stdout.readline() == "holds\n"

        def busy(holder):
            order.append(holder)
            other.stdin.close()  # it ends now

        with held(path, busy):
            order.append(other.wait(60))
    assert re.fullmatch(rf"process {other.pid}, since .*", order[0])
    assert order[1:] == [0]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_taken_away_meanwhile_is_not_the_lock(tmp_path):
    """Whoever waited for it locks a file that nobody else will find."""
    path = tmp_path / "lock"
    with holder(path) as other:
        assert other.stdout.readline() == "holds\n"
        with held(path, lambda holder: other.stdin.close()):
            assert path.read_text().startswith(f"process {os.getpid()}, since ")


def test_one_at_a_time_within_a_process_too(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with held(tmp_path / "lock", lambda holder: None):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80


def test_what_stands_in_the_lock_s_place_is_not_written_to(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("link", "fifo", "folder"):
        with pytest.raises(OSError, match=name), held(tmp_path / name, refuse):
            pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_what_a_lock_s_file_says_is_not_believed(tmp_path):
    path = tmp_path / "lock"
    with holder(path) as other:
        assert other.stdout.readline() == "holds\n"
        path.write_bytes(b"\x1b[2J" * 1000)
        with pytest.raises(RefusedError, match=r"^another process$"), held(path, refuse):
            pass


def test_without_locks_nobody_is_kept_out(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(lock._NO_LOCKS[0], "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", none)
    with held(tmp_path / "lock", refuse) as alone:
        assert not alone
