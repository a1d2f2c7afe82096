"""Tasks on hosts that die and are cut off: ``python -m tests.hostile.hosts --kills 20 --cut 30`` (Linux, as root).

Three hosts are network namespaces on one bridge: a scheduler and two workers, which are killed at random moments and
started again; the cable of one is pulled meanwhile. Prints what is missing, done twice and different, and what is left
in the folder that they share.
"""

import argparse
import contextlib
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from tfviz.experiment.executor import Task, run, workers
from tfviz.files.atomic import UNFINISHED
from tfviz.files.hashes import json_sha256
from tfviz.files.program import CHECKOUT

NAME = f"tfviz{os.getpid() % 10_000}"
NETWORK = "10.213.77"
ADDRESS = f"tcp://{NETWORK}.1:8786"
PATIENT = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "120s"
}  # a connection is not given up while the cable is out


def ip(*arguments):
    subprocess.run(["ip", *map(str, arguments)], check=True, capture_output=True)


@contextlib.contextmanager
def hosts(count):
    """Inside, there are so many hosts, whose cables end at a bridge of this one's."""
    try:
        ip("link", "add", NAME, "type", "bridge")
        ip("addr", "add", f"{NETWORK}.254/24", "dev", NAME)
        ip("link", "set", NAME, "up")
        for number in range(1, count + 1):
            host, cable = f"{NAME}-{number}", f"{NAME}c{number}"
            ip("netns", "add", host)
            ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("link", "set", cable, "master", NAME, "up")
            ip("-n", host, "addr", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield
    finally:
        for number in range(1, count + 1):
            subprocess.run(["ip", "netns", "del", f"{NAME}-{number}"], capture_output=True)
        subprocess.run(["ip", "link", "del", NAME], capture_output=True)


def start(number, module, *arguments, log):
    """A process on a host."""
    command = ["ip", "netns", "exec", f"{NAME}-{number}", sys.executable, "-m", module, *arguments]
    return subprocess.Popen(
        command, cwd=CHECKOUT, env={**os.environ, **PATIENT}, stdout=log, stderr=subprocess.STDOUT
    )


class Worker:
    """A host's worker; a thread starts it again when it was killed."""

    def __init__(self, number, log):
        self.number, self.log = number, log
        self.start()

    def start(self):
        self.process = start(
            self.number, "distributed.cli.dask_worker", ADDRESS, "--no-nanny", "--nthreads=1", "--no-dashboard",
            f"--name=host-{self.number}", log=self.log,
        )  # fmt: skip

    def kill(self):
        self.process.kill()
        self.process.wait()


def chunk(folder, number, seconds):
    """A pure function of a number, which takes that long; it leaves a line when it begins and one at its end."""
    note(folder, f"begins {number}")
    time.sleep(seconds)
    value = hashlib.sha256(str(number).encode()).hexdigest()
    note(folder, f"ends {number}")
    return value


def note(folder, line):
    handle = os.open(Path(folder, "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


def disturb(ours, options, over, said):
    """Kill workers, and pull a cable once, at random moments."""
    moments = random.Random(options.seed)
    pulled = options.kills // 2
    for kill in range(options.kills):
        if over.wait(moments.uniform(0.5, 2.5) * options.pause):
            return
        victim = moments.choice(ours)
        victim.kill()
        said["kills"] += 1
        if kill == pulled and options.cut:
            cable = f"{NAME}c{ours[0].number}"
            ip("link", "set", cable, "down")
            if over.wait(options.cut):
                return
            ip("link", "set", cable, "up")
            said["seconds cut off"] += options.cut
        victim.start()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--cut", type=float, default=30.0, help="seconds for which the cable is out; 0: never"
    )
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=0.3, help="that each takes")
    parser.add_argument("--pause", type=float, default=2.0, help="between two kills, about")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, hosts(3), open(Path(folder, "dask"), "w") as log:
        scheduler = start(
            1, "distributed.cli.dask_scheduler", f"--host={NETWORK}.1", "--no-dashboard", log=log
        )
        ours, over, said = [], threading.Event(), Counter()
        try:
            time.sleep(5)
            ours = [Worker(number, log) for number in (2, 3)]
            tasks = [
                Task(json_sha256(number), chunk, (folder, number, options.seconds), f"chunk {number}")
                for number in range(options.tasks)
            ]
            expected = {task.key: chunk(tempfile.gettempdir(), task.arguments[1], 0) for task in tasks}
            Path(tempfile.gettempdir(), "log").unlink()
            kept = []
            disturbing = threading.Thread(target=disturb, args=(ours, options, over, said))
            with workers(scheduler=ADDRESS) as pool:
                print(f"{len(tasks)} tasks of {options.seconds} s; {pool.words}", flush=True)
                disturbing.start()
                begun = time.monotonic()
                failures = run(
                    tasks,
                    pool,
                    done=lambda _: False,
                    keep=lambda task, value: kept.append((task.key, value)),
                    say=print,
                    shared=Path(folder),
                )
                seconds = time.monotonic() - begun
            over.set()
            disturbing.join()
        finally:
            over.set()
            for process in (scheduler, *(worker.process for worker in ours)):
                process.kill()
                process.wait()
        left = len(list(Path(folder).glob(f"{UNFINISHED}*")))
        lines = Counter(Path(folder, "log").read_text().splitlines())
    times = Counter(key for key, _ in kept)
    begins = sum(count for line, count in lines.items() if line.startswith("begins"))
    found = {
        "missing": sum(task.key not in times for task in tasks),
        "kept twice": sum(count > 1 for count in times.values()),
        "different": sum(value != expected[key] for key, value in kept),
        "computed twice": sum(count > 1 for line, count in lines.items() if line.startswith("ends")),
        "left on the shelf": left,
    }
    print(f"{seconds:.0f} s, {dict(said)}, failures: {len(failures)}; begun {begins} times in all")
    print(", ".join(f"{what}: {count}" for what, count in found.items()))
    return int(any(found.values()))


if __name__ == "__main__":
    from tests.hostile import hosts as by_name  # workers look the function up in its module

    sys.exit(by_name.main())
