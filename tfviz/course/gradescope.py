"""An autograder for Gradescope: a folder with this program, a rubric, the grader's weights and two scripts.

https://gradescope-autograders.readthedocs.io/en/latest/specs/: what is in the folder is zipped by hand (the files, not
the folder) and uploaded; Gradescope unpacks it to /autograder/source, runs setup.sh once and run_autograder for each
submission, which lies in /autograder/submission, and reads /autograder/results/results.json.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tfviz.course import rubric
from tfviz.errors import BadFileError
from tfviz.files.atomic import write_text
from tfviz.files.program import CHECKOUT, PACKAGE, templates
from tfviz.parts import PARTS
from tfviz.weights import fetch

SETUP = r"""#!/usr/bin/env bash
# Run once, as root, when Gradescope builds the image. Whoever tries it elsewhere says where /autograder is
# (AUTOGRADER), and may name a Python that has the requirements (AUTOGRADER_PYTHON): then nothing is installed.
set -euo pipefail
root="${AUTOGRADER:-/autograder}"

if [ -n "${AUTOGRADER_PYTHON:-}" ]; then
    mkdir -p "$root/venv/bin"
    # Not a link: a virtual environment's Python would lose its packages by one.
    printf '#!/usr/bin/env bash\nexec %q "$@"\n' "$AUTOGRADER_PYTHON" >"$root/venv/bin/python"
    chmod +x "$root/venv/bin/python"
else
    python=""
    for each in python3.13 python3.12 python3.11 python3; do
        if "$each" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python="$each"
            break
        fi
    done
    if [ -z "$python" ]; then
        apt-get update
        apt-get install -y --no-install-recommends python3.11 python3.11-venv
        python=python3.11
    fi
    "$python" -m venv "$root/venv"
    "$root/venv/bin/python" -m pip install --no-cache-dir --require-hashes -r "$root/source/requirements.txt"
fi
cd "$root/source"
"$root/venv/bin/python" -c 'import tfviz'
"""
"""setup.sh."""

RUN = """#!/usr/bin/env bash
# Run by Gradescope for each submission; setup.sh says how to try it elsewhere. Nothing of a submission is executed.
set -euo pipefail
root="${AUTOGRADER:-/autograder}"
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
mkdir -p "$root/results"
rm -f "$root/results/results.json"

options=(--out "$out" --rubric "$root/source/rubric.toml" --offline)
for file in "$root/source/weights"/*/*; do
    if [ -f "$file" ]; then
        options+=(--weights "$(basename "$(dirname "$file")")=$file")
    fi
done
if [ -d "$root/source/data" ]; then
    options+=(--data-dir "$root/source/data")
fi

cd "$root/source"
export PYTHONPATH="$root/source"
status=0
"$root/venv/bin/python" -m tfviz grade "$root/submission" "${options[@]}" || status=$?

# 1: it could not be opened; results.json says why. 2: nothing was found in it.
if [ -f "$out/results.json" ]; then
    cp "$out/results.json" "$root/results/results.json"
elif [ "$status" -le 2 ]; then
    cat >"$root/results/results.json" <<'END'
{"score": 0, "output": "Not graded: hand in one folder of results, with results/ and arrays/ in it, or a zip of it.",
 "output_format": "text", "visibility": "visible", "stdout_visibility": "hidden", "tests": []}
END
else
    exit "$status"
fi
"""
"""run_autograder."""


def write(folder: Path, points: Path | None = None) -> list[Path]:
    """Write the folder; what was there of an earlier one is replaced.

    Weights that lie in the cache go along; without those of a network, what was measured with it cannot be measured
    again. CIFAR-10 may be put into data/ by hand.

    Args:
        folder: empty, not there yet, or an earlier autograder.
        points: the rubric's file; None: the usual one.

    Returns:
        The folder's files and folders.

    Raises:
        BadFileError: the folder holds something else, the rubric is none, or there are no pinned requirements here.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "run_autograder").is_file():
        raise BadFileError(f"{folder} holds something else than an autograder: name an empty folder.")
    rubric.load(points)
    requirements = next(
        (path for path in (PACKAGE / "requirements.txt", CHECKOUT / "requirements.txt") if path.is_file()),
        None,
    )
    if requirements is None:
        raise BadFileError(
            f"{CHECKOUT / 'requirements.txt'} is not there: write the autograder from a checkout of the program, "
            "which has the exact versions that it needs."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tfviz", "weights"):
        shutil.rmtree(folder / name, ignore_errors=True)
    shutil.copytree(PACKAGE, folder / "tfviz", ignore=shutil.ignore_patterns("__pycache__", "templates"))
    shutil.copytree(templates(), folder / "tfviz" / "templates")
    (folder / "weights").mkdir()
    for name in dict.fromkeys(name for part in PARTS for name in part.NETWORKS):
        if found := fetch.find(name):
            (folder / "weights" / name).mkdir()
            shutil.copyfile(found.path, folder / "weights" / name / found.path.name)
    write_text(folder / "rubric.toml", (points or rubric.USUAL).read_text(encoding="utf-8-sig"))
    pins = [
        line for line in requirements.read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    write_text(folder / "requirements.txt", "\n".join(pins) + "\n")
    for name, text in (("setup.sh", SETUP), ("run_autograder", RUN)):
        write_text(folder / name, text)
        (folder / name).chmod(0o755)
    return sorted(folder.iterdir())
