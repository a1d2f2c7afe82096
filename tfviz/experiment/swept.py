"""Imported first by the process that workers are copies of: their folder goes when it ends, which is when the run does.

The run itself takes that folder away, and Python its own; but one that is killed cannot (see
`tfviz.experiment.processes.forked`).
"""

import atexit
import os
import shutil

FOLDERS = "TFVIZ_WORKERS_FOLDERS"
"""The environment variable that names them, for this process alone."""

for folder in filter(None, os.environ.pop(FOLDERS, "").split(os.pathsep)):
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
