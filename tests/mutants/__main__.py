"""Apply the mutants one by one to a copy of the checkout and report which were killed."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.table import MUTANTS
from tfviz.files.program import CHECKOUT

_LONGEST = 900.0  # seconds of one mutant's tests: what never ends was noticed


def copied(folder: Path) -> Path:
    """The checkout's files, those not tracked included, without what git ignores."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    return folder


def passes(folder: Path, tests, *, must: bool = False) -> bool:
    """Whether these tests pass there, and there are some; if they must, what pytest says of a failure ends the run."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            env=environment,
            timeout=None if must else _LONGEST,
        )
    except subprocess.TimeoutExpired:
        return False
    if must and done.returncode:
        sys.exit(
            f"Without any mutant one of these tests does not pass:\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
        )
    return done.returncode == 0


def main() -> int:
    """Print a line a mutant; returns 1 if one survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants by name, or files; default: all")
    wanted = {*parser.parse_args().names}
    chosen = [mutant for mutant in MUTANTS if not wanted or wanted & {mutant.name, mutant.file}]
    if unknown := wanted - {name for mutant in chosen for name in (mutant.name, mutant.file)}:
        names = ", ".join(mutant.name for mutant in MUTANTS)
        parser.error(
            f"no mutant and no file with one is called {', '.join(sorted(unknown))}; there are: {names}"
        )
    survived = 0
    with tempfile.TemporaryDirectory() as place:
        folder = copied(Path(place))
        clean = sorted({test for mutant in chosen for test in mutant.tests})
        passes(folder, clean, must=True)
        for mutant in chosen:
            path = folder / mutant.file
            text = path.read_text(encoding="utf-8")
            if text.count(mutant.old) != 1:
                sys.exit(f"{mutant.name}: its text stands {text.count(mutant.old)} times in {mutant.file}")
            path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
            alive = passes(folder, mutant.tests)
            path.write_text(text, encoding="utf-8")
            survived += alive
            print(f"{'SURVIVED' if alive else 'killed':<10}{mutant.name:<50}{mutant.file}", flush=True)
    print(f"{len(chosen) - survived} killed, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
