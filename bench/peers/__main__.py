"""Sets the peers up, lets all contenders take turns, and prints the table: tfviz beside the tools that do the same.

    python -m bench.peers [--rounds 5] [--threads 1] [--sweeps] [--out FOLDER]

AlexNet 224, float32: the published convolutions, dense layers with random weights whose biases leave a fifth of the
values behind a ReLU above 0 (`bench.ascent.prepare`). Each tool is asked for the least that it can do: pixels, no
transformations, no regulariser, one goal. Each is set up in an environment of its own below FOLDER, with the versions
of bench/peers/requirements, unless --environments names a folder that has them. Every contender is one process that
lives through all rounds; they take turns within a round, one computes at a time. The figures are milliseconds per
picture of a step, or per mask: median over the rounds, smallest and largest; and tfviz' share of the fastest peer in
the same round, median. What a call costs before its first step is not in them, nor is tracing or compiling. On a
machine that others use, too, `--threads 1 --clock processor` says more: seconds in which the contender computed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from bench.ascent import prepare, processor
from bench.peers.works import CLOCK, PAIRINGS, SWEEPS, Work

HERE = Path(__file__).parent
TOOLS = {
    "tfviz": ("tfviz", ""),
    "torch": ("PyTorch, a plain loop", "torch"),
    "captum": ("Captum", "torch"),
    "xplique": ("Xplique", "xplique"),
    "tf_keras_vis": ("tf-keras-vis", "tf_keras_vis"),
}
"""By contender: its name for people, and its environment; "": this one."""
Found = dict[tuple[Work, str], list[float]]


def python_of(environments: Path, name: str) -> Path:
    """An environment's Python; the environment is made if it is not there."""
    folder = environments / name
    python = folder / "bin" / "python"
    wanted = HERE / "requirements" / f"{name}.txt"
    done = folder / "installed.txt"
    if not done.is_file() or done.read_text() != wanted.read_text():
        print(f"Setting up {name} in {folder} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", wanted], check=True)
        done.write_text(wanted.read_text())
    return python


class Contender:
    """A process that serves (`bench.peers.serve`)."""

    def __init__(self, name: str, python: Path | str, folder: Path, threads: int, clock: str) -> None:
        environment = os.environ | {
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "OMP_NUM_THREADS": str(threads),
            CLOCK: clock,
        }
        self.name, self._errors = name, folder / f"{name}.txt"
        self._process = subprocess.Popen(
            [str(python), "-m", "bench.peers.serve", name, str(folder), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors.open("w"),
            env=environment,
            text=True,
        )
        self.versions: dict[str, str] = self._answer()["versions"]

    def ask(self, work: Work) -> float | None:
        """Milliseconds, or None where it does not do such a thing."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it ended: what it said last is the answer
            self._process.stdin.write(json.dumps(work.as_dict()) + "\n")
            self._process.stdin.flush()
        answered: float | None = self._answer()["ms"]
        return answered

    def end(self) -> None:
        """No more works."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return json.loads(line)
        raise SystemExit(f"{self.name} ended ({self._process.poll()}):\n{self._errors.read_text()[-2000:]}")


def measure(contenders: list[Contender], works: list[Work], rounds: int) -> Found:
    """Milliseconds in each round, by work and contender."""
    found: Found = {}
    for at in range(rounds + 1):  # the first one warms up, and is left out
        for work in works:
            # Who begins changes from round to round: what the one before left in the caches helps nobody always.
            for contender in contenders[at % len(contenders) :] + contenders[: at % len(contenders)]:
                value = contender.ask(work)
                if value is not None and at:
                    found.setdefault((work, contender.name), []).append(value)
    return found


def share(found: Found, work: Work) -> float | None:
    """The median share of the fastest peer's time in the same round."""
    peers = [values for (each, name), values in found.items() if each == work and name != "tfviz"]
    if not peers or (work, "tfviz") not in found:
        return None
    return statistics.median(
        mine / min(others) for mine, *others in zip(found[work, "tfviz"], *peers, strict=True)
    )


def table(found: Found, works: list[Work]) -> str:
    """As Markdown."""
    names = [name for name in TOOLS if any(each == name for _, each in found)]
    lines = ["| ms | " + " | ".join(TOOLS[name][0] for name in names) + " | share |"]
    lines.append("| --- |" + " ---: |" * (len(names) + 1))
    for work in works:
        cells = []
        for name in names:
            values = found.get((work, name))
            cells.append(
                f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})" if values else "-"
            )
        reached = share(found, work)
        lines.append(
            f"| {work.name} | {' | '.join(cells)} | {'-' if reached is None else f'{reached:.3f}'} |"
        )
    return "\n".join(lines)


def differences(folder: Path) -> str:
    """How far tfviz' maps are from those of the plain loop."""
    lines = []
    for mine in sorted(folder.glob("map*-tfviz.npy")):
        other = mine.with_name(mine.name.replace("tfviz", "torch"))
        if other.is_file():
            off = float(np.abs(np.load(mine) - np.load(other)).max())
            lines.append(f"largest difference of {mine.stem.split('-')[0]} from PyTorch's: {off:.2g}")
    return "\n".join(lines)


def draw(found: Found, out: Path) -> list[Path]:
    """A picture a sweep: cost against one size, a line a tool."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    drawn = []
    for size, works in SWEEPS.items():
        kind = works[0].kind
        all_of = sorted(
            {work for work, _ in found if work.kind == kind}, key=lambda work: getattr(work, size)
        )
        figure, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
        for name, (label, _) in TOOLS.items():
            points = [(getattr(work, size), found[work, name]) for work in all_of if (work, name) in found]
            if points:
                middle = [statistics.median(values) for _, values in points]
                axes.errorbar(
                    [at for at, _ in points],
                    middle,
                    yerr=[
                        [m - min(values) for m, (_, values) in zip(middle, points, strict=True)],
                        [max(values) - m for m, (_, values) in zip(middle, points, strict=True)],
                    ],
                    marker="o",
                    markersize=4,
                    capsize=3,
                    label=label,
                )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel={"pictures": "pictures at once", "size": "rows and columns", "stride": "stride, pixels"}[
                size
            ],
            ylabel="ms a mask" if kind == "occlusion" else "ms a step and picture",
        )
        axes.set_xticks(
            [getattr(work, size) for work in all_of], [str(getattr(work, size)) for work in all_of]
        )
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=8)
        path = out / f"{size}.svg"
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
        drawn.append(path)
    return drawn


def main() -> Found:
    """Prints the tables and returns the milliseconds in each round, by work and contender."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each contender")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--only", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--sweeps", action="store_true", help="cost against pictures, size and stride, too")
    parser.add_argument("--environments", type=Path, help="holds the peers' environments, or will")
    parser.add_argument("--out", type=Path, default=Path("build/peers"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    environments = (arguments.environments or arguments.out).absolute()
    works = list(PAIRINGS) + [work for each in SWEEPS.values() for work in each] * arguments.sweeps

    print(f"$ python -m bench.peers {shlex.join(sys.argv[1:])}".rstrip(), flush=True)
    pythons = {
        name: python_of(environments, TOOLS[name][1]) if TOOLS[name][1] else sys.executable
        for name in arguments.only
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, 0.2)
        starts = np.load(folder / "starts.npy")
        starts = np.concatenate([starts, starts[:, ::-1]])  # 32 pictures
        for size in {work.size for work in works}:
            rows = np.linspace(0, starts.shape[1] - 1, size).round().astype(int)
            np.save(folder / f"starts{size}.npy", np.ascontiguousarray(starts[:, rows][:, :, rows]))
        begun = time.perf_counter()
        contenders = [
            Contender(each, python, folder, arguments.threads, arguments.clock)
            for each, python in pythons.items()
        ]
        try:
            found = measure(contenders, works, arguments.rounds)
        finally:
            for contender in contenders:
                contender.end()
        versions = {k: v for contender in contenders for k, v in contender.versions.items()}
        print(
            f"{processor()}, {arguments.threads} threads, {arguments.clock} time; Python {platform.python_version()}"
        )
        for contender in contenders:
            print(f"{contender.name}: {', '.join(' '.join(each) for each in contender.versions.items())}")
        print(f"{arguments.rounds} rounds, {time.perf_counter() - begun:.0f} s\n")
        print(table(found, works))
        print(differences(folder))
    record = [
        {"work": work.as_dict(), "contender": name, "ms": values} for (work, name), values in found.items()
    ]
    about = {
        "processor": processor(),
        "threads": arguments.threads,
        "clock": arguments.clock,
        "versions": versions,
        "found": record,
    }
    (arguments.out / "peers.json").write_text(json.dumps(about, indent=1) + "\n")
    if arguments.sweeps:
        print("\n".join(str(path) for path in draw(found, arguments.out)))
    return found


if __name__ == "__main__":
    main()
