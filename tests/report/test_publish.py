import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

from tests.fake_part import FakePart
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Number
from tfviz.experiment.store import PartResult, Store
from tfviz.files.program import CHECKOUT, templates
from tfviz.parts import PARTS
from tfviz.report import publish


@pytest.fixture
def stored(tmp_path):
    """A store with the fake part's findings, and what was said."""
    part = FakePart()
    result = PartResult("fake", "done", {"sum": Number(3.0)}, settings=asdict(part.SETTINGS))
    store = Store(tmp_path)
    return part, store, store.save(result, {"ones": np.ones(3)})


def test_figures_are_drawn_from_what_is_stored(stored):
    part, store, result = stored
    said = []
    drawn = publish.draw(store, part, result, said.append)
    assert said == []
    assert drawn == store.load("fake")
    (figure,) = drawn.figures
    assert (figure.name, figure.caption, figure.alt) == ("line", "A line of 3.", "A level line.")
    assert (store.out / figure.path).read_text().startswith("<?xml")
    assert store.figures_are_whole(drawn)


def test_what_would_come_out_the_same_is_not_drawn_again(stored, monkeypatch):
    part, store, result = stored
    drawn = publish.draw(store, part, result, print)
    monkeypatch.setattr(FakePart, "figures", lambda *_: pytest.fail("drawn again"))
    assert publish.draw(store, part, drawn, print) == drawn
    monkeypatch.undo()
    file = store.out / drawn.figures[0].path
    bytes_before = file.read_bytes()
    file.write_text("<svg>changed</svg>")
    again = publish.draw(store, part, drawn, print)
    assert file.read_bytes() == bytes_before
    assert again == drawn


def test_a_part_whose_figures_all_fail_keeps_its_numbers(stored, monkeypatch):
    part, store, result = stored
    said = []
    monkeypatch.setattr(FakePart, "figures", lambda *_: 1 / 0)
    drawn = publish.draw(store, part, result, said.append)
    assert drawn.status == "done"
    assert drawn.numbers == result.numbers
    assert drawn.figure("line") == "ZeroDivisionError: division by zero"
    assert said == ["fake: its figures could not be drawn: ZeroDivisionError: division by zero"]


def test_settings_of_another_version_are_refused_by_name(stored):
    part, store, result = stored
    drawn = publish.draw(store, part, replace(result, settings={"length": 3}), print)
    assert drawn.status == "not run"
    assert "The stored settings of fake are not those of this version" in drawn.reason


def test_arrays_that_are_not_those_computed_are_not_shown(stored):
    part, store, result = stored
    np.savez(store.out / "arrays" / "fake.npz", ones=np.zeros(3))
    drawn = publish.draw(store, part, result, print, redraw=True)
    assert drawn.status == "not run"
    assert "not what fake computed" in drawn.reason


def test_the_templates_get_what_was_published():
    part = FakePart(
        EXPECTED=(
            Expected("sum", 3.0, 0.5, "published", "track B"),
            Expected("other", 4.0, 0.5, "reference", "by hand"),
        )
    )
    assert publish._published(part) == {"sum": 3.0}


def test_drawing_and_rendering_import_no_framework(tmp_path):
    """All parts that need no network, computed quickly; then everything again from the store, in another process."""
    out = tmp_path / "out"
    run = [
        sys.executable,
        "run_all.py",
        "--quick",
        "--only",
        "training_hardness",
        "cifar_cnn",
        "--out",
        str(out),
    ]
    subprocess.run(run, check=True, cwd=CHECKOUT, capture_output=True)
    before = {path: path.read_bytes() for path in (out / "figures").rglob("*.svg")}
    assert len(before) == 5
    shutil.rmtree(out / "figures")
    code = (
        "import sys\nfrom tfviz import cli\n"
        "status = cli.main(['--report-only', '--out', sys.argv[1]])\n"
        "heavy = {'tensorflow', 'jax', 'keras'} & set(sys.modules)\nassert not heavy, heavy\nsys.exit(status)"
    )
    subprocess.run([sys.executable, "-c", code, str(out)], check=True, cwd=CHECKOUT, capture_output=True)
    assert {path: path.read_bytes() for path in (out / "figures").rglob("*.svg")} == before
    manifest = json.loads((out / "manifest.json").read_text())
    assert [part["part"] for part in manifest["parts"]] == [part.ID for part in PARTS]


THRESHOLDS = {"0.9", "0.05", "0.01", "0.02", "0.7", "0.4", "0.3", "0.5", "0.8", "0.98", "1.02"}
"""Where templates choose their words by a number's size; none of them is a result."""


def test_templates_hold_no_results():
    """Published values come from EXPECTED, measured ones from the store: a page states no decimal of its own."""

    def without_thresholds(code):
        return " ".join(set(re.findall(r"\d+\.\d+", code[0])) - THRESHOLDS)

    for path in sorted(templates().rglob("*.html")):
        text = path.read_text(encoding="utf-8").replace("SqueezeNet 1.1", "")
        text = re.sub(r"\{[{%].*?[}%]\}", without_thresholds, text, flags=re.DOTALL)
        assert re.findall(r"(?<![\w.])\d+\.\d+", text) == [], path.name
