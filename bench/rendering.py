"""How long the report takes to be rendered, HTML and PDF, from results that are stored.

    python -m bench.rendering REPORTS [--rounds 3] [--part conv1_units] [--language he]

REPORTS is the output folder of a full run; it is copied, and not changed. Each time `python run_all.py --report-only`
runs in a process of its own, in turn, so many times:

- first page: HTML without PDF from nothing but the first finished part, as when a run begins (`tfviz.report.publish`);
- whole: all figures drawn, HTML and PDF;
- pages: HTML and PDF, of figures that are drawn;
- nothing changed: the same once more;
- one part: the figures of one part, whose stored result is another one, and both pages;
- another language: all figures, and both pages.

Printed are seconds of wall time, the median over the rounds with the smallest and largest, and the median of the
processor time without that of the process that makes the PDF meanwhile. Wall time is what a user waits for; it says
something on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_FIRST = """
import sys
from pathlib import Path
from tfviz.parts import PARTS
from tfviz.report import publish
out, first = Path(sys.argv[1]), sys.argv[2]
pending = {part.ID: "it is not there" for part in PARTS if part.ID != first}
publish.publish(out, PARTS, print, pending=pending, pdf=False)
"""


def timed(arguments: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of a command."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    if done.returncode not in (0, 1):  # 1: a part of it had failed
        raise SystemExit(f"{' '.join(arguments[:4])}: exit status {done.returncode}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - begun, spent


def altered(out: Path, part: str, seconds: float = 0) -> None:
    """Have a part's figures not be drawn, and its stored result be one that took so much longer to compute."""
    from tfviz.files.hashes import json_sha256

    path = out / "results" / f"{part}.json"
    stored = json.loads(path.read_text())
    stored.pop("sha256", None)
    stored["drawn"] = ""
    stored["provenance"]["seconds"] += seconds
    path.write_text(json.dumps({**stored, "sha256": json_sha256(stored)}))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("reports", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", default="conv1_units")
    parser.add_argument("--language", default="he")
    options = parser.parse_args()
    seconds: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "reports"
        shutil.copytree(options.reports, out)
        render = ["run_all.py", "--report-only", "--out", str(out)]
        timed(render)  # draws what is not drawn, and reads all files once
        for _ in range(options.rounds):

            def take(work: str, arguments: list[str]) -> None:
                seconds.setdefault(work, []).append(timed(arguments))

            for path in (out / "results").glob("*.json"):
                altered(out, path.stem)
            take("whole", render)
            (out / ".tfviz.rendered.json").unlink(missing_ok=True)
            take("pages", render)
            take("nothing changed", render)
            altered(out, options.part, 1)
            take(f"one part ({options.part})", render)
            take(f"another language ({options.language})", [*render, "--lang", options.language])
            take("first page", ["-c", _FIRST, str(out), options.part])
            timed(render)  # in the first language again
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print(f"{'':32} {'wall, s':>8} {'from':>6} {'to':>6} {'processor, s':>13}")
    for work, taken in seconds.items():
        wall, spent = zip(*taken, strict=True)
        middle, low, high = statistics.median(wall), min(wall), max(wall)
        print(f"{work:32} {middle:8.1f} {low:6.1f} {high:6.1f} {statistics.median(spent):13.1f}")


if __name__ == "__main__":
    main()
