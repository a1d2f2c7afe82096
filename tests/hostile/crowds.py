"""Several runs at once into one folder, and several that fill one cache: ``python -m tests.hostile.crowds --runs 2 5``.

Prints what each printed and which files lie there afterwards.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.hostile.folder import half_files, left_over, numbers
from tfviz.files.program import CHECKOUT

FETCH = "import sys\nfrom tfviz.weights.fetch import fetch\nprint(fetch(sys.argv[1], say=print).sha256)"


def at_once(count, command, **variables):
    """Run a command so many times at once; [(what it printed, exit status)]."""
    started = [
        subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        for _ in range(count)
    ]
    return [(process.communicate()[0], process.returncode) for process in started]


def show(ended):
    for number, (printed, status) in enumerate(ended, 1):
        print(f"-- {number}: exit {status}", printed.strip(), sep="\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[2, 5], help="how many at once")
    parser.add_argument("--part", default="training_hardness")
    parser.add_argument("--network", default="squeezenet", help="whose weights fill the cache")
    options = parser.parse_args()
    for count in options.runs:
        with tempfile.TemporaryDirectory() as name:
            out, cache = Path(name, "out"), Path(name, "cache")
            print(f"== {count} runs into one folder")
            run = [sys.executable, "run_all.py", "--quick", "--offline", "--only", options.part]
            show(at_once(count, [*run, "--out", str(out)]))
            print(f"half files: {len(half_files(out))}, left over: {left_over(out)}, done: {[*numbers(out)]}")
            print(f"== {count} runs that fill one cache")
            show(at_once(count, [sys.executable, "-c", FETCH, options.network], TFVIZ_CACHE=str(cache)))
            print("files:", sorted(path.name for path in cache.iterdir()) if cache.exists() else "none")


if __name__ == "__main__":
    main()
