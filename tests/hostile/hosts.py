"""Tasks on hosts that die and are cut off: ``python -m tests.hostile.hosts --kills 20 --cut 30`` (Linux, as root).

Three hosts are network namespaces on one bridge: a scheduler and two workers, which are killed at random moments and
started again; the cable of one is pulled meanwhile. Prints what is missing, done twice and different, and what is left
in the folder that they share. With --atlas the tasks are the chunks of an atlas, whose network and pictures the workers
do not see and are sent, and the atlas is compared with an undisturbed one; --tasks is the number of units.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
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


def start(number, module, *arguments, log, hidden=None, env=()):
    """A process on a host; hidden: a folder that is empty there."""
    command = [sys.executable, "-m", module, *arguments]
    if hidden is not None:  # what runs in a network namespace has a mount namespace of its own
        script = f"mount -t tmpfs none {shlex.quote(str(hidden))} && exec {shlex.join(command)}"
        command = ["sh", "-c", script]
    return subprocess.Popen(
        ["ip", "netns", "exec", f"{NAME}-{number}", *command],
        cwd=CHECKOUT,
        env={**os.environ, **PATIENT, **dict(env)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )


class Worker:
    """A host's worker; a thread starts it again when it was killed."""

    def __init__(self, number, log, folder, hidden):
        self.number, self.log, self.hidden = number, log, hidden
        self.env = {"TFVIZ_CACHE": str(Path(folder, f"cache-{number}"))} if hidden else {}
        self.start()

    def start(self):
        self.process = start(
            self.number, "distributed.cli.dask_worker", ADDRESS, "--no-nanny", "--nthreads=1", "--no-dashboard",
            f"--name=host-{self.number}", log=self.log, hidden=self.hidden, env=self.env,
        )  # fmt: skip

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def cluster(folder, hidden=None):
    """A scheduler and two workers on hosts of their own; hidden: a folder that is empty for the workers."""
    with hosts(3), open(Path(folder, "dask"), "w") as log:
        there = [start(1, "distributed.cli.dask_scheduler", f"--host={NETWORK}.1", "--no-dashboard", log=log)]
        try:
            time.sleep(5)
            there += [Worker(number, log, folder, hidden) for number in (2, 3)]
            yield there[1:]
        finally:
            for each in there:
                process = getattr(each, "process", each)
                process.kill()
                process.wait()


@contextlib.contextmanager
def disturbed(ours, options):
    """Meanwhile workers are killed, and a cable is pulled; what was done is counted."""
    over, said = threading.Event(), Counter()
    disturbing = threading.Thread(target=disturb, args=(ours, options, over, said))
    disturbing.start()
    try:
        yield said
    finally:
        over.set()
        disturbing.join()


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


def tasks(options, folder):
    """Tasks that take their time: what is wrong with their results, by what it is."""
    todo = [
        Task(json_sha256(number), chunk, (folder, number, options.seconds), f"chunk {number}")
        for number in range(options.tasks)
    ]
    expected = {task.key: chunk(tempfile.gettempdir(), task.arguments[1], 0) for task in todo}
    Path(tempfile.gettempdir(), "log").unlink()
    kept = []
    with cluster(folder) as ours, workers(scheduler=ADDRESS) as pool:
        print(f"{len(todo)} tasks of {options.seconds} s; {pool.words}", flush=True)
        begun = time.monotonic()
        with disturbed(ours, options) as said:
            failures = run(
                todo,
                pool,
                done=lambda _: False,
                keep=lambda task, value: kept.append((task.key, value)),
                say=print,
                shared=Path(folder),
            )
        seconds = time.monotonic() - begun
    times = Counter(key for key, _ in kept)
    begins, twice = noted(folder)
    print(f"{seconds:.0f} s, {dict(said)}, failures: {len(failures)}; begun {begins} times in all")
    return {
        "missing": sum(task.key not in times for task in todo),
        "kept twice": sum(count > 1 for count in times.values()),
        "different": sum(value != expected[key] for key, value in kept),
        "computed twice": twice,
        "left on the shelf": len(list(Path(folder).glob(f"{UNFINISHED}*"))),
    }


def noted(folder):
    """How often something was begun, and how much has ended more than once."""
    lines = Counter(Path(folder, "log").read_text().splitlines())
    begins = sum(count for line, count in lines.items() if line.startswith("begins"))
    return begins, sum(count > 1 for line, count in lines.items() if line.startswith("ends"))


def draw(network, path, units, *more):
    """`tfviz.atlas.making.draw`, which leaves a line when it begins and one at its end."""
    from tfviz.atlas import making

    folder = os.environ[LOG]
    note(folder, f"begins {path} {units}")
    rows = making.draw(network, path, units, *more)
    note(folder, f"ends {path} {units}")
    return rows


LOG = "TFVIZ_HOSTS_LOG"


def atlas(options, folder):
    """The chunks of an atlas: what is wrong with its units, by what it is."""
    from tests.atlas import tiny
    from tfviz.atlas import command, making, recipes, table

    given = Path(folder, "given")
    given.mkdir()
    tiny.wide(options.tasks).save(given / "wide.keras")
    tiny.pictures(given / "pictures")
    recipes.QUICK["fourier"] = replace(recipes.QUICK["fourier"], steps=options.steps, batch=2)
    making.draw, drawn = draw, making.draw
    os.environ[LOG] = folder

    def made(out):
        asked = command.Asked(
            None,
            Path(folder, out),
            given / "wide.keras",
            pictures=given / "pictures",
            quick=True,
            scheduler=ADDRESS,
            offline=True,
        )
        begun = time.monotonic()
        command.make(asked, lambda line: print(f"  {line}", flush=True))
        whole = table.Atlas.open(asked.out)
        rows = {(row["layer"], row["unit"]): {**row, "seconds": None} for row in table.rows(asked.out)}
        lines = Path(asked.out, "chunks.jsonl").read_text().splitlines()
        print(f"{out}: {len(rows)} units, {len(lines)} chunks, {time.monotonic() - begun:.0f} s", flush=True)
        return whole, rows, lines

    try:
        with cluster(folder, given) as ours:
            _, expected, _ = made("undisturbed")
            Path(folder, "log").unlink()
            with disturbed(ours, options) as said:
                whole, rows, lines = made("disturbed")
    finally:
        making.draw = drawn
    begins, twice = noted(folder)
    print(f"{dict(said)}, failures: {len(whole.failed)}; begun {begins} times in all")
    asked = {(layer.name, unit) for layer in whole.layers for unit in layer.units}
    pictures = {
        name: [hashlib.sha256(each).hexdigest() for each in row["drawings"]] for name, row in rows.items()
    }
    return {
        "units missing": len(asked - rows.keys()),
        "chunks kept twice": len(lines) - len({json.loads(line)["key"] for line in lines}),
        "chunks computed twice": twice,
        "units with other numbers": sum(row != expected.get(name) for name, row in rows.items()),
        "units with other pictures": sum(
            each != [hashlib.sha256(picture).hexdigest() for picture in expected[name]["drawings"]]
            for name, each in pictures.items()
        ),
        "left on the shelf": len(list(Path(folder, "disturbed", "chunks").glob(f"{UNFINISHED}*"))),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--cut", type=float, default=30.0, help="seconds for which the cable is out; 0: never"
    )
    parser.add_argument("--atlas", action="store_true", help="the tasks are chunks of an atlas")
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--steps", type=int, default=48, help="of each drawing of an atlas")
    parser.add_argument("--seconds", type=float, default=0.3, help="that each takes")
    parser.add_argument("--pause", type=float, default=2.0, help="between two kills, about")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = (atlas if options.atlas else tasks)(options, folder)
    print(", ".join(f"{what}: {count}" for what, count in found.items()))
    return int(any(found.values()))


if __name__ == "__main__":
    from tests.hostile import hosts as by_name  # workers look the function up in its module

    sys.exit(by_name.main())
