"""The quick report under each thing that a user's machine may set, alone: the same numbers and figures everywhere.

    python -m tests.hostile.environments [NAME...]

One run each; the names are those of `ENVIRONMENTS`. The exit status is 1 where one differs from a clean environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tfviz.files.program import CHECKOUT

PARTS = ("narrow_network", "training_hardness")  # the cheapest that need no weights; one has convolutions
KEPT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "KERAS_BACKEND", "VIRTUAL_ENV")
RC = """
backend: TkAgg
font.family: cursive
font.size: 31
text.usetex: True
figure.dpi: 7
savefig.format: png
savefig.bbox: tight
savefig.pad_inches: 3
axes.facecolor: red
lines.linewidth: 12
svg.fonttype: none
image.cmap: prism
"""
KERAS = {"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.1}


def _matplotlibrc(folder: Path) -> dict[str, str]:
    (folder / "matplotlibrc").write_text(RC)
    return {"MATPLOTLIBRC": str(folder)}


def _keras(folder: Path) -> dict[str, str]:
    (folder / "keras.json").write_text(json.dumps(KERAS))
    return {"KERAS_HOME": str(folder)}


ENVIRONMENTS: Mapping[str, tuple[Callable[[Path], dict[str, str]], str]] = {
    "a notebook's MPLBACKEND": (lambda _: {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}, ""),
    "a backend that is not there": (lambda _: {"MPLBACKEND": "nonsense"}, ""),
    "a matplotlibrc": (_matplotlibrc, ""),
    "a keras.json": (_keras, ""),
    "Turkish": (lambda _: {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr"}, ""),
    "a plain locale": (
        lambda _: {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
        "",
    ),
    "no HOME": (lambda _: {"HOME": ""}, "unset HOME; "),
    "a HOME that cannot be written": (lambda _: {"HOME": "/proc/nowhere"}, ""),
    "started in /": (lambda _: {}, "cd /; "),
    "optimised away": (lambda _: {"PYTHONOPTIMIZE": "2"}, ""),
    "no temporary folder": (lambda _: {"TMPDIR": "/proc/nowhere"}, ""),
    "no stderr": (lambda _: {}, "exec 2>&-; "),
    "no stdout": (lambda _: {}, "exec >&-; "),
    "no stdin": (lambda _: {}, "exec <&-; "),
    "a strict umask": (lambda _: {}, "umask 077; "),
    "a dumb terminal": (lambda _: {"TERM": "dumb", "COLUMNS": "20"}, ""),
    "a terminal of no width": (lambda _: {"TERM": "xterm", "COLUMNS": "0", "FORCE_COLOR": "0"}, ""),
    "another time zone": (lambda _: {"TZ": "Pacific/Kiritimati"}, ""),
}
"""By name, the variables that are set, for an empty folder of their own, and what the shell does before it starts."""


def results(folder: Path, variables: Mapping[str, str], shell: str = "") -> list[dict[str, Any]]:
    """The stored results of the quick report, with no other variables set.

    Args:
        folder: empty; the report is made below it, and started there.
        variables: that are set.
        shell: what the shell does before.

    Raises:
        AssertionError: it failed, or printed a traceback or escape characters.
    """
    out, home = folder / "out", folder / "home"
    home.mkdir(exist_ok=True)
    clean = {name: os.environ[name] for name in KEPT if name in os.environ} | {"HOME": str(home)}
    command = [
        sys.executable,
        CHECKOUT / "run_all.py",
        "--quick",
        "--offline",
        "--only",
        *PARTS,
        "--out",
        out,
    ]
    done = subprocess.run(
        ["bash", "-c", f'{shell}exec "$@"', "bash", *command],
        env=clean | dict(variables),
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert "Traceback" not in printed, printed
    assert "\x1b" not in printed, ascii(printed)
    return [json.loads((out / "results" / f"{part}.json").read_text("utf-8")) for part in PARTS]


def differences(found: list[dict[str, Any]], clean: list[dict[str, Any]]) -> list[str]:
    """What differs, in words; nothing, if all is as it should be."""
    wrong = []
    for here, there in zip(found, clean, strict=True):
        if here["status"] != "done" or not here["figures"]:
            wrong.append(f"{here['part']} is {here['status']} with {len(here['figures'])} figures")
        wrong += [
            f"{what} of {here['part']}"
            for what in ("numbers", "arrays", "figures")
            if here[what] != there[what]
        ]
    return wrong


def main(names: list[str]) -> None:
    """Run those, or all; print a line each."""
    failed = False
    with tempfile.TemporaryDirectory() as place:

        def run(name: str, shell: str, make: Callable[[Path], dict[str, str]]) -> list[dict[str, Any]]:
            folder = Path(place, str(len(os.listdir(place))))
            folder.mkdir()
            return results(folder, make(folder), shell)

        clean = run("clean", "", lambda _: {})
        for name in names or ENVIRONMENTS:
            make, shell = ENVIRONMENTS[name]
            begun = time.monotonic()
            try:
                wrong = differences(run(name, shell, make), clean)
            except AssertionError as error:
                wrong = [str(error)[-2000:]]
            print(f"{name}: {'; '.join(wrong) or 'the same'} ({time.monotonic() - begun:.0f} s)", flush=True)
            failed |= bool(wrong)
    raise SystemExit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
