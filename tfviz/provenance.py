"""Where, when and with what a result was computed; and the fingerprint that says whether it is still current."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(__file__).resolve().parent
NUMERIC_LIBRARIES = ("tensorflow", "keras", "numpy", "scipy")
# Files whose change leaves every number, array and figure as it was.
PRESENTATION = ("report.py", "grading.py", "progress.py", "provenance.py")


def now() -> str:
    """The time in UTC, to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def commit() -> str:
    """The commit of the program, "+ changes" where the working tree differs from it, or "not a git checkout"."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True, timeout=30
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != ROOT:
            return "not a git checkout"
        return git("rev-parse", "--short=12", "HEAD") + (" + changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return "not a git checkout"


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that the numbers depend on; needs none of them imported."""
    found = {"python": platform.python_version()}
    for name in NUMERIC_LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def processor() -> str:
    """The processor's name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(errors="replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {_cores()} cores"


def computes_bfloat16() -> bool:
    """Whether TensorFlow's GPUs have instructions for bfloat16; without a GPU, whether the processor (x86, Linux) has.

    NVIDIA's have them from compute capability 8.0 on (CUDA C++ programming guide, "Compute capabilities").
    """
    if "tensorflow" in sys.modules:
        from tfviz.gradients import gpu_details

        if details := gpu_details():
            return all(one.get("compute_capability", (0, 0)) >= (8, 0) for one in details)
    return not processor_flags().isdisjoint({"amx_bf16", "avx512_bf16"})


@cache
def processor_flags() -> frozenset[str]:
    """The processor's extensions by Linux' names ("avx2", "avx512f", ...); empty where they are not known."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(errors="replace") if cpuinfo.exists() else ""
    return frozenset(next((line for line in text.splitlines() if line.startswith("flags")), "").split())


def devices() -> list[str]:
    """The processor, and the GPUs that TensorFlow uses where it is loaded."""
    if "tensorflow" not in sys.modules:
        return [processor()]
    from tfviz.gradients import gpus

    return [processor(), *gpus()]


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def fingerprint(part: str, settings: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """A hash of all that decides a part's result: its code, settings, inputs and libraries."""
    return sha256_of(
        {"code": code_sha256(part), "settings": settings, "inputs": inputs, "versions": versions()}
    )


def sha256_of(value: Any) -> str:
    """Hexadecimal sha256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@cache
def code_sha256(part: str) -> str:
    """Hash of the package's sources, without other parts and without what only presents results."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        relative = path.relative_to(PACKAGE)
        others_part = relative.parts[0] == "parts" and relative.stem != part
        if (
            not path.is_file()
            or "__pycache__" in relative.parts
            or others_part
            or relative.name in PRESENTATION
        ):
            continue
        digest.update(f"{relative.as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
