import importlib
import os

import pytest

from tfviz.errors import TfvizError
from tfviz.experiment.part import Number
from tfviz.experiment.store import PartResult, Store
from tfviz.report import page, printing, publish

PART = """
from dataclasses import dataclass
import os
from tfviz.experiment.part import Drawing

@dataclass(frozen=True)
class Settings:
    pass

ID, TITLE, TRACK, SETTINGS, EXPECTED = "{name}", "A part", "B", Settings(), ()

def figures(findings, settings):
    def fails():
        raise ValueError(str(os.getpid()))
    return [Drawing("line", caption="A line.", alt="a line", draw=fails)]
"""


def die(*_):
    os._exit(9)


def test_another_process_makes_the_same_pdf_and_tells_what_no_font_has(tmp_path):
    text = "<html lang='en'><title>A</title><p>A \U0010fffd B</p></html>"
    with printing.begun(tmp_path, []) as printer:
        printer.print(text)
        there = printer.made()
    assert there == (page.pdf(tmp_path, text), {"\U0010fffd"})
    assert list(tmp_path.iterdir()) == []


def test_drawings_that_were_made_ready_are_shown_as_they_were_then(tmp_path):
    svg = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9' fill='{}'/></svg>"
    text = "<html lang='en'><title>A</title><img src='square.svg' alt='a square'></html>"
    path = tmp_path / "square.svg"
    path.write_text(svg.format("#0000ff"))
    blue, ready = page.pdf(tmp_path, text), {path.resolve(): page.drawing_for_print(path)}
    path.write_text(svg.format("#ff0000"))
    assert page.pdf(tmp_path, text, ready) == blue != page.pdf(tmp_path, text)


def test_what_is_no_drawing_does_no_harm_where_the_page_does_not_show_it(tmp_path):
    (tmp_path / "broken.svg").write_text("<svg")
    text = "<html lang='en'><title>A</title></html>"
    with printing.begun(tmp_path, ["broken.svg", "none.svg"]) as printer:
        printer.print(text)
        assert printer.made() == (page.pdf(tmp_path, text), set())


def test_what_is_wrong_with_a_page_is_raised_here(tmp_path):
    with printing.begun(tmp_path, ["none.svg"]) as printer:
        printer.print("<html lang='en'><img src='none.svg' alt='no'></html>")
        with pytest.raises(TfvizError, match=r"shows what cannot be read: .*none\.svg"):
            printer.made()


def test_a_process_that_is_killed_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(printing, "_printed", die)
    with printing.begun(tmp_path, []) as printer:
        printer.print("<html></html>")
        with pytest.raises(TfvizError, match=r"report\.pdf ended \(9; .*\): run again"):
            printer.made()


def test_figures_of_several_parts_are_drawn_in_other_processes(tmp_path, monkeypatch):
    """Each fails, and says in which process that was."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(printing, "at_once", lambda: True)
    parts, store, said = [], Store(tmp_path / "out"), []
    for name in ("first_of_two", "second_of_two"):
        (tmp_path / f"{name}.py").write_text(PART.format(name=name))
        parts.append(importlib.import_module(name))
        store.save(PartResult(name, "done", {"sum": Number(3.0)}), {})
    results = store.load_all([part.ID for part in parts])
    drawn = publish._all_drawn(store, parts, results, said.append, False)
    assert list(drawn) == ["first_of_two", "second_of_two"]
    for part, line in zip(parts, said, strict=True):
        reason = drawn[part.ID].not_drawn["line"]
        assert line == f"{part.ID}: figure line could not be drawn: {reason}"
        assert int(reason.removeprefix("ValueError: ")) != os.getpid()
        assert store.load(part.ID) == drawn[part.ID]
    alone = publish._all_drawn(store, parts[:1], results, said.append, False)
    assert alone["first_of_two"].not_drawn == {"line": f"ValueError: {os.getpid()}"}
