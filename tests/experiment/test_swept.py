"""What workers leave behind in the folder for temporary files: nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tfviz.files.program import CHECKOUT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are no copies")

RUN = """
import os, pathlib, signal, sys, tempfile, time
from tfviz.experiment.executor import WorkerDiedError, workers
from tfviz.experiment.processes import forked

def litter(end):
    folder = tempfile.mkdtemp()
    pathlib.Path(folder, "left").touch()
    if end:
        os.kill(os.getpid(), signal.SIGKILL)
    return folder

def wait():
    litter(False)
    print("waits", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    here = os.environ["TMPDIR"]
    assert tempfile.gettempdir() == here
    forked("tfviz.experiment.executor")  # nothing heavy
    with workers(2) as pool:
        for end in (False, True):
            task = pool.submit(litter, end)
            try:
                folder = pathlib.Path(task.result())
                assert folder.parent.parent == pathlib.Path(here) and (folder / "left").exists()
            except WorkerDiedError:
                assert end
        if sys.argv[1] == "waits":
            pool.submit(wait).result()
    assert os.environ["TMPDIR"] == here and "TFVIZ_WORKERS_FOLDERS" not in os.environ
    assert len(list(pathlib.Path(here).glob("tfviz-workers-*/*/left"))) > 1
"""


def begun(tmp_path, what, script="run.py"):
    (tmp_path / "run.py").write_text(RUN)
    (tmp_path / "temporary").mkdir()
    return subprocess.Popen(
        [sys.executable, tmp_path / script, what],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "TMPDIR": str(tmp_path / "temporary")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_nothing_is_left_when_a_run_ends(tmp_path):
    """Also of a worker that was killed."""
    run = begun(tmp_path, "ends")
    _, said = run.communicate()
    assert (run.returncode, said) == (0, "")
    assert os.listdir(tmp_path / "temporary") == []


def test_nothing_is_left_when_a_run_is_interrupted(tmp_path):
    run = begun(tmp_path, "waits")
    assert run.stdout.readline() == "waits\n"
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=600)
    assert run.returncode
    assert os.listdir(tmp_path / "temporary") == []


def test_nothing_is_left_when_a_run_is_killed(tmp_path):
    run = begun(tmp_path, "waits")
    assert run.stdout.readline() == "waits\n"
    run.kill()
    run.communicate()
    for _ in range(2000):  # until the process that the workers were copies of has noticed
        if not os.listdir(tmp_path / "temporary"):
            break
        time.sleep(0.05)
    assert os.listdir(tmp_path / "temporary") == []


AGAIN = """
import os, threading
from multiprocessing import forkserver
from tfviz.experiment.executor import workers
from tfviz.experiment.processes import forked
from run import litter

if __name__ == "__main__":
    before = dict(os.environ)
    forked("tfviz.experiment.executor")
    for _ in range(2):
        with workers(2) as pool:
            assert os.path.exists(pool.submit(litter, False).result())
        forkserver._forkserver._stop()  # as if it had been killed
    threads = [threading.Thread(target=forked, args=("tfviz.experiment.executor",)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(os.environ) == before
"""


def test_a_process_of_copies_that_ended_is_replaced_and_threads_may_ask_at_once(tmp_path):
    (tmp_path / "again.py").write_text(AGAIN)
    run = begun(tmp_path, "ends", "again.py")
    _, said = run.communicate(timeout=600)
    assert (run.returncode, said) == (0, "")
    assert os.listdir(tmp_path / "temporary") == []
