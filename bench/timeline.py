"""When each part of a stored report was computed: a bar a part, and what stands beside what.

    python -m bench.timeline [reports] [--out build/timeline.svg]

Read from the provenance of the results; parts that were kept from an earlier run are left out, that is, those that
began more than a day before the last.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timedelta
from pathlib import Path

Bar = tuple[str, float, float]


def bars(reports: Path) -> list[Bar]:
    """Part, seconds after the first one began, and how long it took; in the order of their beginnings.

    Raises:
        SystemExit: no part is done.
    """
    found = []
    for path in sorted(reports.glob("results/*.json")):
        result = json.loads(path.read_text())
        if result["status"] == "done":
            made = result["provenance"]
            found.append((datetime.fromisoformat(made["started"]), float(made["seconds"]), result["part"]))
    if not found:
        raise SystemExit(f"{reports} holds no part that is done: python run_all.py")
    last = max(started for started, *_ in found)
    recent = sorted(each for each in found if last - each[0] < timedelta(days=1))
    return [(part, (started - recent[0][0]).total_seconds(), seconds) for started, seconds, part in recent]


def side_by_side(found: list[Bar]) -> float:
    """How many parts were at work on average, from the first beginning to the last end."""
    return sum(seconds for *_, seconds in found) / max(begun + seconds for _, begun, seconds in found)


def main() -> list[Bar]:
    """Prints the bars, draws them, and returns them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", type=Path, nargs="?", default=Path("reports"))
    parser.add_argument("--out", type=Path, default=Path("build/timeline.svg"))
    arguments = parser.parse_args()
    found = bars(arguments.reports)
    for part, begun, seconds in found:
        print(f"{part:20} {begun:6.0f} to {begun + seconds:6.1f} s")
    print(f"{side_by_side(found):.2f} parts at work on average")

    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    names = [part for part, *_ in found]
    axes.barh(names, [seconds for *_, seconds in found], left=[begun for _, begun, _ in found], height=0.7)
    axes.invert_yaxis()
    axes.set_xlabel("seconds after the first part began")
    axes.spines[["top", "right"]].set_visible(False)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, metadata={"Date": None})
    print(arguments.out)
    return found


if __name__ == "__main__":
    main()
