"""What handing over a task costs: ``python -m bench.tasks`` (needs the extra dask; 10,000 empty tasks, two workers).

Prints seconds by the clock and of processor time, a task, in the process that hands over; with Dask the scheduler runs
in that process, too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tfviz.experiment.executor import Task, Workers, run, workers


def measured(pool: Workers, count: int, shared: Path | None = None) -> tuple[float, float]:
    """Milliseconds a task: by the clock, and of processor time; shared: see `run`."""
    kept: list[int] = []
    run([Task("first", abs, (0,))], pool, done=lambda _: False, keep=lambda *_: None)  # all has started
    clock, processor = time.perf_counter(), time.process_time()
    tasks = [Task(str(number), abs, (number,)) for number in range(count)]
    run(tasks, pool, done=lambda _: False, keep=lambda _, value: kept.append(value), shared=shared)
    if sorted(kept) != list(range(count)):
        raise SystemExit("a task was lost, or done twice")
    return tuple(  # type: ignore[return-value]
        1000 * seconds / count for seconds in (time.perf_counter() - clock, time.process_time() - processor)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--tasks", type=int, default=10_000)
    count = parser.parse_args().tasks
    import distributed

    line = "{}{}: {:.3f} ms, {:.3f} ms of processor time"
    with (
        tempfile.TemporaryDirectory() as folder,
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
    ):
        for where in ({"count": 1}, {"count": 2}, {"scheduler": cluster.scheduler_address}):
            with workers(**where) as pool:
                print(line.format(pool.words, "", *measured(pool, count)))
                if not pool.here:
                    print(line.format(pool.words, ", a folder shared", *measured(pool, count, Path(folder))))


if __name__ == "__main__":
    main()
