"""One contender, in an environment of its own: reads a work a line, answers milliseconds a line.

    python -m bench.peers.serve CONTENDER FOLDER THREADS

Not for people: `bench.peers` starts one for every contender and lets them take turns, so that all measure under the
same conditions; a contender that waits computes nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Serves until its input ends."""
    contender, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")  # what a tool prints must not be taken for an answer
    os.dup2(2, 1)
    from bench.peers.works import Work

    module = importlib.import_module(f"bench.peers.with_{contender}")
    versions, prepare = module.start(folder, threads)
    print(json.dumps({"versions": versions}), file=answers, flush=True)
    ready = {}
    for line in sys.stdin:
        work = Work(**json.loads(line))
        if work not in ready:
            ready[work] = prepare(work)
            if ready[work] is not None:
                ready[work](work.many)  # traces, compiles, fills caches
        run = ready[work]
        if run is None:
            print(json.dumps({"ms": None}), file=answers, flush=True)
            continue
        short = run(work.few) if work.few else 0.0
        seconds = (run(work.many) - short) / (work.many - work.few)
        print(json.dumps({"ms": 1000 * seconds / work.parts}), file=answers, flush=True)


if __name__ == "__main__":
    main()
