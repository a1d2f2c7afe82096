"""Measuring in a process of its own, so that one contender does not warm up, or spoil, what the next one finds."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any


def measured(module: str, options: Mapping[str, Any], python: str = sys.executable) -> Any:
    """Runs `python -m module --option value ...` and returns the JSON in the last line that it prints.

    An option that is True is a flag; one that is False is left out.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [python, "-m", module]
    for option, value in options.items():
        flag = f"--{option.replace('_', '-')}"
        command += [flag] * bool(value) if isinstance(value, bool) else [flag, str(value)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
