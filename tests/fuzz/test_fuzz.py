"""A moment of each fuzzer, from one seed, and all that they ever found."""

import random
import re
import subprocess
import sys

import pytest

from tests.fuzz import campaign
from tests.fuzz.campaign import FOUND, Target
from tests.fuzz.mutate import mutated
from tfviz.errors import BadFileError

NAMES = sorted(
    path.stem for path in FOUND.parent.glob("*.py") if "TARGET = " in path.read_text(encoding="utf-8")
)
NAMES = [name for name in NAMES if name not in ("faulty", "test_fuzz")]


def test_there_is_a_fuzzer_for_every_reader():
    assert {
        "pth",
        "h5",
        "safetensors",
        "onnx",
        "npz",
        "picture",
        "cifar",
        "results",
        "toml",
        "answers",
    } == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_moment_of_each(name):
    outcome = campaign.run(name, executions=200)
    assert outcome.findings == {}
    assert outcome.executions == 200


@pytest.mark.parametrize("name", NAMES)
def test_what_was_found(name):
    paths = sorted((FOUND / name).glob("*")) if (FOUND / name).is_dir() else []
    outcome = campaign.replay(name, paths)
    assert outcome.findings == {}
    assert outcome.executions == len(paths)


def test_the_same_seed_gives_the_same_files():
    def files():
        return [mutated([b"abc" * 50, b"12 34"], random.Random(f"0 {n}")) for n in range(200)]

    assert files() == files()
    assert len(set(files())) > 150


def refuse(_):
    raise BadFileError("a.pth is damaged. Get it again.")


def two_lines(_):
    raise BadFileError("a\nb")


def fails(_):
    raise KeyError("what")


@pytest.mark.parametrize(
    ("read", "expected"),
    [(refuse, None), (len, "TypeError in"), (two_lines, "not one line"), (fails, "KeyError in"), (str, "")],
)
def test_what_is_a_finding(tmp_path, read, expected):
    found = campaign._try(Target(".pth", list, read), tmp_path)
    assert found == expected or (expected and found.startswith(expected))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("crash", "killed by SIGSEGV"),
        ("hang", "more than the seconds allowed"),
        ("fill", "memory: "),
        ("escape", "ValueError in faulty.py, read: ValueError('no line for people')"),
        ("refuse", None),
    ],
)
def test_what_a_child_does_or_dies_of_is_a_finding(tmp_path, fault, words):
    path = tmp_path / "input"
    path.write_text(fault)
    outcome = campaign.replay("faulty", [path])
    assert outcome.executions == 1
    assert [what.startswith(words) for what in outcome.findings] == ([True] if words else [])
    assert list(outcome.findings.values()) == ([fault.encode()] if words else [])


def test_the_command():
    command = [sys.executable, "-m", "tests.fuzz.safetensors", "--seconds", "0.2", "--seed", "3"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"safetensors: \d+ executions \(\d+ read\), 0 findings, peak \d+ MB\n", ran.stdout)
