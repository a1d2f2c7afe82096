"""Looks into every network of `tests.models.networks`: ``python -m tests.models.applications [NAME ...]``."""

import sys
import time

from tfviz import backend

if __name__ == "__main__":
    backend.load()
    from tests.models import networks

    print("| network | layers | takes | head | off | one step | hidden | receptive field | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in sys.argv[1:] or networks.BUILDERS:
        clock = time.perf_counter()
        row = networks.looked_into(name)
        hidden = f"{row.hidden.min():.4f}..{row.hidden.max():.4f}"
        print(
            f"| {name} | {row.layers} | {row.takes} | {row.head} | {row.off:.1e} | {row.climbed:+.4f} | {hidden} "
            f"| {row.field} | {time.perf_counter() - clock:.0f} |",
            flush=True,
        )
