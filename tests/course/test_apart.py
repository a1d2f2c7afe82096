"""Processes that take more than they may."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tfviz.course.apart import StoppedError, apart
from tfviz.course.limits import Limits


def add(a, b):
    return a + b


def threads_of_the_original():
    """What runs in the process of which this one is a copy."""
    return os.listdir(f"/proc/{os.getppid()}/task")


def modules():
    return [name for name in ("tensorflow", "keras") if name in sys.modules]


def much_memory():
    return len(bytearray(3 << 30))


def much_time():
    while True:
        pass


def waits():
    time.sleep(600)


def breaks():
    raise ValueError("it is\nbroken")


def dies():
    os.kill(os.getpid(), signal.SIGSEGV)


def no_json():
    return {1, 2}


def no_number():
    return float("nan")


def test_what_a_function_returns():
    assert apart(add, 2, 3) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="copies of a process are made on Linux")
def test_processes_are_copies_of_one_that_has_imported_and_runs_one_thread():
    assert apart(modules) == ["tensorflow", "keras"]
    assert len(apart(threads_of_the_original)) == 1


@pytest.mark.parametrize(
    ("function", "limits", "said"),
    [
        (much_memory, Limits(memory=1 << 30), "more than 1073 MB of memory"),
        (much_time, Limits(processor=1.0), "more than 1 s of processor time"),
        (waits, Limits(seconds=0.5), r"more than 0\.5 s"),
        (breaks, Limits(), "it is broken"),
        (dies, Limits(), "memory"),
        (no_json, Limits(), "JSON"),
        (no_number, Limits(), "JSON"),
    ],
)
def test_one_that_takes_more_than_it_may_or_breaks_is_stopped_and_the_next_one_goes_on(
    function, limits, said
):
    with pytest.raises(StoppedError, match=said):
        apart(function, limits=limits)
    assert apart(add, 1, 1) == 2


def test_processes_die_with_the_one_that_started_them(tmp_path):
    code = textwrap.dedent("""
        import os, sys, time
        from pathlib import Path
        from tests.course.test_apart import write_and_wait
        from tfviz.course.apart import apart
        if __name__ == "__main__":
            apart(write_and_wait, sys.argv[1])
    """)
    script = tmp_path / "starts.py"
    script.write_text(code)
    place = tmp_path / "pid"
    starts = subprocess.Popen([sys.executable, script, place], env={**os.environ, "PYTHONPATH": os.getcwd()})
    try:
        wait_until(place.exists, 300)
        starts.kill()
        pid = int(place.read_text())
        wait_until(lambda: not alive(pid), 30)
    finally:
        starts.kill()
        starts.wait()


def write_and_wait(place):
    with open(f"{place}-", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{place}-", place)
    time.sleep(600)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(what, seconds):
    for _ in range(int(seconds * 10)):
        if what():
            return
        time.sleep(0.1)
    pytest.fail("it never came about")
