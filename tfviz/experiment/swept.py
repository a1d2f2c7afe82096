"""Imported first by the process that workers are copies of: it takes their folder away when the run was killed.

A run that ends takes it away itself, and Python its own; one that is killed cannot (see
`tfviz.experiment.processes.forked`). Where this process alone has ended, the run goes on, and still needs them.
"""

import atexit
import os
import shutil
import time
from collections.abc import Sequence

FOLDERS = "TFVIZ_WORKERS_FOLDERS"
"""The environment variable that names them, for this process alone."""


def _sweep(folders: Sequence[str], run: int) -> None:
    for _ in range(20):  # a process closes its files a moment before it is no longer the parent
        if os.getppid() != run:
            break
        time.sleep(0.02)
    else:
        return
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if _named := list(filter(None, os.environ.pop(FOLDERS, "").split(os.pathsep))):
    atexit.register(_sweep, _named, os.getppid())
