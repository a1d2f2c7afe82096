"""The program itself: where its files lie, and which commit they are."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from tfviz.files.hashes import file_sha256, json_sha256

PACKAGE = Path(__file__).resolve().parent.parent
"""The folder of the package `tfviz`."""
CHECKOUT = PACKAGE.parent
"""The folder around it: a checkout's top, or where packages are installed."""


def asset(name: str) -> Path:
    """A file that comes with the program (see tfviz/assets/README.md).

    Write the name as a literal: a part's fingerprint covers the assets whose names stand in the sources that it
    imports (`tfviz.experiment.fingerprint`).
    """
    return PACKAGE / "assets" / name


def templates() -> Path:
    """The report's templates: inside the installed package, or at the top of a checkout."""
    inside = PACKAGE / "templates"
    return inside if inside.is_dir() else CHECKOUT / "templates"


@cache
def commit() -> str:
    """The commit of the program, "+ changes" where the working tree differs from it, or "not a git checkout"."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, check=True, timeout=30
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != CHECKOUT:
            return "not a git checkout"
        return git("rev-parse", "--short=12", "HEAD") + (" + changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return "not a git checkout"


@cache
def sources_sha256() -> str:
    """The sha256 of all of the program's own Python files."""
    return json_sha256(
        {str(path.relative_to(PACKAGE)): file_sha256(path) for path in sorted(PACKAGE.rglob("*.py"))}
    )
