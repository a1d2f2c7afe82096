"""Runs a reader on changed files in child processes, and keeps what it should not have done."""

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.mutate import mutated
from tfviz.errors import TfvizError

FOUND = Path(__file__).parent / "found"
SECONDS = 5.0
"""Of the processor's time, for one small file."""
MEMORY = 250_000_000
"""Bytes that the process may grow by for one small file: reading one takes a fraction of that."""
_ADDRESSES = 6 << 30  # bytes of address space, most of it never touched
_LARGEST_KEPT = 20_000  # bytes of a file that is kept


@dataclass(frozen=True)
class Target:
    """A reader, and what it is given.

    Attributes:
        suffix: of its files.
        seeds: makes whole files, or what `pack` makes files of.
        read: reads a file; may raise nothing but a TfvizError.
        pack: makes a file of changed bytes: what a checksum would otherwise turn away at the door.
    """

    suffix: str
    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[Path], object]
    pack: Callable[[bytes], bytes] = bytes


@dataclass
class Outcome:
    """What a campaign came to.

    Attributes:
        executions: files that were tried.
        read: those among them that were read, not refused.
        peak: bytes that the reader's process grew by, at most.
        findings: files by what was wrong with them.
    """

    executions: int = 0
    read: int = 0
    peak: int = 0
    findings: dict[str, bytes] = field(default_factory=dict)


def target_of(name: str) -> Target:
    """The reader of `tests/fuzz/<name>.py`."""
    target: Target = importlib.import_module(f"tests.fuzz.{name}").TARGET
    return target


def run(name: str, *, seed: int = 0, executions: int | None = None, seconds: float | None = None) -> Outcome:
    """Tries so many files, or for so long; the same seed gives the same files."""
    outcome = Outcome()
    begun = time.monotonic()
    while (executions is None or outcome.executions < executions) and (
        seconds is None or time.monotonic() - begun < seconds
    ):
        count = 2000 if executions is None else executions - outcome.executions
        left = None if seconds is None else seconds - (time.monotonic() - begun)
        _child(
            outcome,
            name,
            ["--seed", str(seed), "--first", str(outcome.executions), "--count", str(count)],
            left,
        )
    return outcome


def replay(name: str, paths: Iterable[Path]) -> Outcome:
    """Tries the given files."""
    outcome = Outcome()
    for path in paths:
        _child(outcome, name, ["--replay", str(path)], None)
    return outcome


def _child(outcome: Outcome, name: str, arguments: Sequence[str], seconds: float | None) -> None:
    """Runs a child to its end and adds up what it did; what it died of is a finding."""
    suffix = target_of(name).suffix
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"input{suffix}")
        command = [sys.executable, "-m", "tests.fuzz.campaign", name, str(path), *arguments]
        if seconds is not None:
            command += ["--seconds", str(max(seconds, 0))]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        child = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        for line in child.stdout.splitlines():
            said: dict[str, Any] = json.loads(line)
            outcome.executions += said.get("executions", 0)
            outcome.read += said.get("read", 0)
            outcome.peak = max(outcome.peak, said.get("peak", 0))
            if "finding" in said:
                outcome.findings.setdefault(said["finding"], bytes.fromhex(said["content"]))
        if child.returncode < 0:
            outcome.executions += 1
            death = {-signal.SIGPROF: "more than the seconds allowed"}.get(child.returncode)
            death = death or f"killed by {signal.Signals(-child.returncode).name}"
            outcome.findings.setdefault(death, path.read_bytes())
        elif child.returncode:
            raise RuntimeError(f"the child process itself failed: {child.stderr[-2000:]}")


def _try(target: Target, path: Path) -> str | None:
    """What the reader should not have done with a file, if anything; "" if it read it, None if it refused."""
    try:
        target.read(path)
    except TfvizError as error:
        text = str(error)
        if "fit into memory" in text:
            return f"memory: {text[-60:]}"
        if len(text.splitlines()) != 1 or not text.isprintable():
            return f"not one line: {text!a}"[:200]
        return None
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "/tfviz/" in frame.filename] or list(frames)
        return f"{type(error).__name__} in {Path(own[-1].filename).name}, {own[-1].name}: {error!a}"[:200]
    return ""


def _memory(name: str) -> int:
    """Bytes of memory that this process has ("VmRSS") or had at most ("VmHWM"), by Linux (man proc_pid_status).

    The peak in getrusage is no use: a child process begins with its parent's.
    """
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _run_child(options: argparse.Namespace) -> None:
    target = target_of(options.name)
    seeds = target.seeds()
    for content in seeds:  # everything that is imported late, and a check that the seeds are sound
        options.path.write_bytes(target.pack(content))
        if _try(target, options.path):
            raise RuntimeError(f"a seed of {options.name} is a finding: {_try(target, options.path)}")
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    begun = time.monotonic()
    many = [None] if options.replay else range(options.first, options.first + options.count)
    for number in many:
        if options.seconds is not None and time.monotonic() - begun > options.seconds:
            break
        if number is None:
            content = options.replay.read_bytes()
        else:
            content = target.pack(mutated(seeds, random.Random(f"{options.seed} {number}")))
        options.path.write_bytes(content)
        _forget_peak()
        before = _memory("VmRSS")
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            wrong = _try(target, options.path)
        signal.setitimer(signal.ITIMER_PROF, 0)
        grown = _memory("VmHWM") - before
        if grown > MEMORY:
            wrong = wrong or f"memory: {grown // 1_000_000} MB"
        said: dict[str, Any] = {"executions": 1, "read": wrong == "", "peak": grown}
        if wrong:
            said |= {"finding": wrong, "content": content.hex()}
        print(json.dumps(said), flush=True)


def main(name: str) -> None:
    """The command of a reader's script; its exit status is 1 if anything was found."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.fuzz.{name}")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    outcome = run(name, seed=options.seed, seconds=options.seconds)
    print(
        f"{name}: {outcome.executions} executions ({outcome.read} read), {len(outcome.findings)} findings, "
        f"peak {outcome.peak / 1e6:.0f} MB"
    )
    for what, content in sorted(outcome.findings.items()):
        kept = FOUND / name / f"{hashlib.sha256(content).hexdigest()[:12]}{target_of(name).suffix}"
        if len(content) <= _LARGEST_KEPT:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(content)
        print(
            f"  {what}: {kept.name if len(content) <= _LARGEST_KEPT else f'{len(content)} bytes, not kept'}"
        )
    raise SystemExit(bool(outcome.findings))


if __name__ == "__main__":
    child = argparse.ArgumentParser()
    child.add_argument("name")
    child.add_argument("path", type=Path)
    child.add_argument("--seed", type=int)
    child.add_argument("--first", type=int)
    child.add_argument("--count", type=int)
    child.add_argument("--seconds", type=float)
    child.add_argument("--replay", type=Path)
    _run_child(child.parse_args())
