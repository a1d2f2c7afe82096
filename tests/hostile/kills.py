"""Kills runs at random moments and looks at what they leave: ``python -m tests.hostile.kills --kills 100``.

A run is the whole command, in a process forked from one that has imported all libraries, so that the moments fall into
the time in which something is computed, drawn and written. After every ten kills a run comes to its end.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.hostile.folder import half_files, left_over, numbers
from tfviz import cli

BETWEEN = 10


def imported() -> None:
    """Import what a run imports, and start nothing: a thread would not survive a fork."""
    import keras  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import weasyprint  # noqa: F401

    assert threading.active_count() == 1


def start(arguments: list[str], log: Path) -> int:
    """The id of a process that runs the command."""
    process = os.fork()
    if process:
        return process
    try:
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(target, 1)
        os.dup2(target, 2)
        status = cli.main(arguments)
        sys.stdout.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        status = 99
    os._exit(status)


def whole(arguments: list[str], log: Path) -> float:
    """Let a run come to its end; returns its seconds."""
    begun = time.monotonic()
    _, status = os.waitpid(start(arguments, log), 0)
    if os.waitstatus_to_exitcode(status) not in (cli.EXIT_DONE, cli.EXIT_NO_PDF):
        raise SystemExit(f"A run that was not killed failed:\n{log.read_text(encoding='utf-8')}")
    return time.monotonic() - begun


def killed(arguments: list[str], log: Path, after: float) -> bool:
    """Kill a run after so many seconds; returns whether it had not ended before."""
    process = start(arguments, log)
    time.sleep(after)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--parts", nargs="+", default=["training_hardness"])
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, help="default: a temporary one")
    options = parser.parse_args()
    imported()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        log, out = folder / "log", folder / "out"
        run = ["run", "--quick", "--offline", "--only", *options.parts]
        seconds = whole([*run, "--out", str(folder / "reference")], log)
        expected = numbers(folder / "reference")
        print(f"a run of {', '.join(options.parts)} takes {seconds:.1f} s", flush=True)
        kills = runs = late = 0
        half, differing, left, found = [], [], [], set()
        while kills < options.kills:
            if killed([*run, "--force", "--out", str(out)], log, moments.uniform(0, seconds)):
                kills += 1
            else:
                late += 1
            if out.exists():
                half += half_files(out)
                found.update(left_over(out))
            if kills == options.kills or (kills + late) % BETWEEN == 0:
                whole([*run, "--out", str(out)], log)
                runs += 1
                half += half_files(out)
                left += left_over(out)
                differing += [part for part in expected if numbers(out).get(part) != expected[part]]
                print(
                    f"{kills} kills, {len(half)} half, {len(differing)} differ, {len(left)} left", flush=True
                )
    print(f"kills: {kills} ({late} runs ended before), whole runs between them: {runs}")
    print(
        f"seen right after kills, and gone after the next whole run: {len(found)} kinds of unfinished files"
    )
    print(f"half files: {len(half)}", *half, sep="\n  ")
    print(f"differing numbers: {len(differing)}", *differing, sep="\n  ")
    print(f"left-over files: {len(left)}", *left, sep="\n  ")
    return int(bool(half or differing or left))


if __name__ == "__main__":
    sys.exit(main())
