"""What workers are given to do in tests."""

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np

from tfviz.errors import BadFileError
from tfviz.experiment.executor import tell


def square(x):
    return x * x


def pid(_):
    return os.getpid()


def waits(_):
    time.sleep(0.2)


def fails():
    raise ValueError("it is\nbroken")


def refuses(name):
    raise BadFileError(f"{name} is empty: copy it again.")


def dies():
    time.sleep(0.5)  # until it is known that it has begun
    os.kill(os.getpid(), signal.SIGKILL)


def dies_once(place):
    if not Path(place).exists():
        Path(place).touch()
        dies()
    return "lives"


def unpicklable():
    return threading.Lock()


class UnpicklableError(Exception):
    def __init__(self, lock):
        super().__init__("it holds a lock")
        self.lock = lock


def fails_unpicklably():
    raise UnpicklableError(threading.Lock())


def tells(count):
    for number in range(count):
        tell(number)
    return count


def processes():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(abs, [-1])


def writes_and_waits(folder, _):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


def cores():
    return [os.environ[name] for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "PJRT_NPROC")]


def sums(_):
    """A sum over many numbers, as the framework adds them up; the same at every call."""
    from keras import ops

    values = np.random.default_rng(0).normal(size=(64, 56, 56, 16)).astype("float32")
    kernel = np.random.default_rng(1).normal(size=(3, 3, 16, 16)).astype("float32")
    return float(ops.sum(ops.relu(ops.conv(values, kernel))))


def dies_before_it_delivers(place):
    """Leaves a line each time; killed as soon as a file that is written whole, its copy for instance, is there."""
    with open(place, "a") as log:
        log.write("computed\n")
    replace = Path.replace

    def replaces_and_dies(self, target):
        replace(self, target)
        os.kill(os.getpid(), signal.SIGKILL)

    Path.replace = replaces_and_dies
    return "delivered"


def reads(path, folder=None):
    """What is in a file, or in a folder's files, and where they are here; a mark in the folder to be written."""
    if folder is not None:
        Path(folder, "mark").touch()
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    return str(path), {each.name: each.read_bytes()[:20] for each in files}
