import gc
import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

from tests.fake_part import FakePart
from tests.parts.drawn import text_of
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Number
from tfviz.experiment.store import PartResult, Store
from tfviz.files.program import CHECKOUT, templates
from tfviz.parts import PARTS
from tfviz.report import page, publish
from tfviz.report.personal import Personal


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
    assert not store.altered_figures(drawn)


def test_no_cycles_are_looked_for_while_figures_are_drawn_and_then_again(stored, monkeypatch):
    part, store, result = stored
    seen = []

    def fails(*_):
        seen.append(gc.isenabled())
        raise ValueError("no")

    monkeypatch.setattr(FakePart, "figures", fails)
    publish.draw(store, part, result, lambda _: None)
    assert (seen, gc.isenabled()) == ([False], True)


def test_what_would_come_out_the_same_is_not_drawn_again(stored, monkeypatch):
    part, store, result = stored
    drawn = publish.draw(store, part, result, print)
    monkeypatch.setattr(FakePart, "figures", lambda *_: pytest.fail("drawn again"))
    assert publish.draw(store, part, drawn, print) == drawn
    monkeypatch.undo()
    file = store.out / drawn.figures[0].path
    bytes_before = file.read_bytes()
    file.write_text("<svg>changed</svg>")
    said = []
    again = publish.draw(store, part, drawn, said.append)
    assert said == ["fake: figures/fake/line.svg is not as it was drawn (18 bytes now): drawn again"]
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


THRESHOLDS = {"0.9", "0.05", "0.01", "0.02", "0.7", "0.4", "0.3", "0.5", "0.8", "0.98", "1.02", "0.001"}
"""Where templates choose their words, or digits, by a number's size; none of them is a result."""


def test_templates_hold_no_results():
    """Published values come from EXPECTED, measured ones from the store: a page states no decimal of its own."""

    def without_thresholds(code):
        return " ".join(set(re.findall(r"\d+\.\d+", code[0])) - THRESHOLDS)

    for path in sorted(templates().rglob("*.html")):
        text = path.read_text(encoding="utf-8").replace("SqueezeNet 1.1", "")
        text = re.sub(r"\{[{%].*?[}%]\}", without_thresholds, text, flags=re.DOTALL)
        assert re.findall(r"(?<![\w.])\d+\.\d+", text) == [], path.name


@pytest.fixture
def failed(tmp_path):
    """An output folder with one result, which failed."""
    Store(tmp_path).save_failure("class_image", "failed", "the file is cut off", {})
    return tmp_path


def sections_of(out):
    return re.findall(r'<section class="part" id="(\w+)"', (out / "report.html").read_text(encoding="utf-8"))


def test_a_report_has_the_parts_asked_for_and_those_stored(failed):
    published = publish.publish(failed, PARTS, print, asked_for=["conv1_units"], pdf=False)
    assert sections_of(failed) == ["conv1_units", "class_image"]
    graded = json.loads((failed / "grades.json").read_text())["verdicts"]
    assert {verdict["part"] for verdict in graded} == {"conv1_units", "class_image"}
    assert {verdict.part for verdict in published.verdicts} == {"conv1_units", "class_image"}
    assert published.files == [failed / "report.html"]
    publish.publish(failed, PARTS, print, pdf=False)
    assert sections_of(failed) == [part.ID for part in PARTS]


def test_a_report_that_grows_says_what_is_still_to_come_and_grades_nothing_yet(failed):
    pending = {"class_image": "it is being computed", "conv1_units": "it waits"}
    publish.publish(failed, PARTS, print, asked_for=["conv1_units"], pending=pending, pdf=False)
    text = text_of((failed / "report.html").read_text(encoding="utf-8"))
    assert "Not there yet: it is being computed" in text
    assert "Not there yet: it waits" in text
    assert "the file is cut off" not in text
    assert json.loads((failed / "grades.json").read_text())["verdicts"] == []


def test_a_page_can_be_there_before_any_result_but_not_without_anything_to_come(tmp_path):
    assert publish.publish(tmp_path, PARTS, print, pdf=False).files == ()
    assert list(tmp_path.iterdir()) == []
    publish.publish(tmp_path, PARTS, print, asked_for=(), pending={"conv1_units": "it waits"}, pdf=False)
    assert sections_of(tmp_path) == ["conv1_units"]


def test_words_of_the_author_and_exports_are_in_what_is_published(failed):
    folder = failed / "answers"
    folder.mkdir()
    (folder / "conv1_unit.md").write_text("A slip of the name.")
    published = publish.publish(
        failed,
        PARTS,
        print,
        asked_for=(),
        personal=Personal(
            title="Mine <b>", authors=("A. U. Thor",), ids=("007",), course="C 1", language="he"
        ),
        answers=folder,
        pdf=False,
        exports=("markdown", "notebook"),
    )
    html = (failed / "report.html").read_text(encoding="utf-8")
    assert '<html lang="he" dir="rtl">' in html
    assert "Mine &lt;b&gt;" in html
    assert "<b>" not in re.search(r"<h1.*?</h1>", html, flags=re.S)[0]
    assert {"report.html", "report.md", "report.ipynb"} == {path.name for path in published.files}
    assert "A. U. Thor" in (failed / "report.md").read_text(encoding="utf-8")
    assert any("conv1_unit.md" in note for note in published.notes)
    verdicts = json.loads((failed / "grades.json").read_text())["verdicts"]
    assert {verdict["reason"] for verdict in verdicts} == {"the file is cut off"}
    assert (failed / "grades.csv").read_text().startswith("part,")


def test_what_all_results_have_in_common_is_said_once():
    def section(**origin):
        origin = {"devices": ["a"], "versions": {"python": "3"}, "commit": "c"} | origin
        return page.Section("p", "T", "A", PartResult("p", "done", provenance=origin), ())

    assert page._common([section(), section(commit="d")]) == {"devices": ["a"], "versions": {"python": "3"}}
    assert page._common([section()]) == {}
    absent = page.Section("q", "T", "A", PartResult("q", "failed", provenance={"commit": "x"}), ())
    assert set(page._common([section(), section(), absent])) == {"devices", "versions", "commit"}
