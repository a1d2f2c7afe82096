"""The scripts of the written folder are run as Gradescope would, with nothing around them but their folders."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.course.test_sheets import validated
from tfviz.course import gradescope, rubric
from tfviz.errors import BadFileError
from tfviz.experiment.context import Context
from tfviz.experiment.progress import Reporter
from tfviz.experiment.store import PartResult, Store
from tfviz.files.program import CHECKOUT
from tfviz.parts import narrow_network

POINTS = "[parts]\nnarrow_network = 5\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """/autograder, set up."""
    root = tmp_path_factory.mktemp("with a space") / "autograder"
    points = root / "points.toml"
    root.mkdir()
    points.write_text(POINTS, encoding="utf-8")
    gradescope.write(root / "source", points)
    run(root, "bash", "source/setup.sh", AUTOGRADER_PYTHON=sys.executable)
    shutil.copy(root / "source" / "run_autograder", root)
    return root


def run(root, *command, **more):
    """A command in a bare environment: no home, no cache, no variable of this process."""
    done = subprocess.run(
        command, cwd=root, env={"PATH": "/usr/bin:/bin", "AUTOGRADER": str(root), **more}, capture_output=True,
        text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """An honest folder of one part."""
    out = tmp_path_factory.mktemp("honest")
    found = narrow_network.run(narrow_network.QUICK, Context(0, Reporter()))
    settings = json.loads(json.dumps(vars(narrow_network.QUICK)))
    result = PartResult("narrow_network", "done", found.numbers, facts=found.facts, settings=settings)
    Store(out).save(result, found.arrays)
    return out


def graded(root, fill):
    """results.json for a submission."""
    for name in ("submission", "results"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir()
    fill(root / "submission")
    run(root, "./run_autograder")
    return validated(json.loads((root / "results" / "results.json").read_text(encoding="utf-8")))


def forged(results, folder):
    shutil.copytree(results, folder, dirs_exist_ok=True)
    path = folder / "results" / "narrow_network.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["numbers"]["hidden_width"]["value"] = 2
    path.write_text(json.dumps(stored), encoding="utf-8")


def test_three_submissions(root, results):
    honest = graded(root, lambda folder: shutil.copytree(results, folder / "דנה לוי" / "reports"))
    assert (honest["score"], honest["tests"][0]["max_score"], honest["tests"][0]["status"]) == (
        5,
        5,
        "passed",
    )
    forgery = graded(root, lambda folder: forged(results, folder))
    assert forgery["score"] < 5
    assert forgery["tests"][0]["status"] == "failed"
    assert "not borne out" in forgery["tests"][0]["output"]
    # A module of the student's that has the program's name is not imported.
    nothing = graded(root, lambda folder: (folder / "tfviz.py").write_text("raise SystemExit('executed')"))
    assert nothing["score"] == 0
    assert nothing["output"].startswith("Not graded: ")


def test_the_folder_holds_the_program_its_pins_and_the_rubric(root):
    source = root / "source"
    assert rubric.load(source / "rubric.toml").out_of == 5
    assert (source / "tfviz" / "templates" / "grades.html").is_file()
    pins = (source / "requirements.txt").read_text(encoding="utf-8")
    ours = (CHECKOUT / "requirements.txt").read_text(encoding="utf-8")
    names = re.compile(r"^[\w.-]+==.*", re.M)
    assert names.findall(pins) == names.findall(ours)
    assert pins.count("--hash=sha256:") == ours.count("--hash=sha256:")
    assert not re.search(r"https?://|index-url|find-links", pins)
    for name in ("setup.sh", "run_autograder"):
        path = source / name
        assert os.access(path, os.X_OK)
        assert path.read_bytes().startswith(b"#!/usr/bin/env bash\n")
        assert b"\nset -euo pipefail\n" in path.read_bytes()
        assert not re.search(rb"https?://|index-url", path.read_bytes())
        subprocess.run(["bash", "-n", path], check=True)


def test_an_earlier_one_is_replaced_and_another_folder_is_left_alone(tmp_path):
    for _ in range(2):
        names = {path.name for path in gradescope.write(tmp_path / "autograder")}
    assert names == {"requirements.txt", "rubric.toml", "run_autograder", "setup.sh", "tfviz", "weights"}
    assert rubric.load(tmp_path / "autograder" / "rubric.toml") == rubric.load()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("mine")
    with pytest.raises(BadFileError, match="thesis holds something else"):
        gradescope.write(tmp_path / "thesis")


def test_a_rubric_that_is_none_and_a_program_without_pins_are_refused(tmp_path, monkeypatch):
    bad = tmp_path / "rubric.toml"
    bad.write_text("[parts]\nconv1_units = -1\n")
    with pytest.raises(BadFileError, match=r"parts\.conv1_units"):
        gradescope.write(tmp_path / "a", bad)
    monkeypatch.setattr(gradescope, "CHECKOUT", tmp_path)
    with pytest.raises(BadFileError, match="from a checkout"):
        gradescope.write(tmp_path / "a")
    assert not (tmp_path / "a").exists()
