import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from tests.fake_part import FakePart
from tfviz import language
from tfviz.experiment.part import Number
from tfviz.experiment.store import PartResult, Store
from tfviz.files import program
from tfviz.report import current, environment, page, printing, publish
from tfviz.report.personal import Personal

ORIGIN = {"quick": False, "network": None, "seed": 0, "started": "2026-01-02T03:04:05+00:00", "seconds": 1.0}
ORIGIN |= {"devices": [], "versions": {}, "commit": "abc"}
KEPT = "Nothing has changed that the report depends on: it is kept as it is"


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Publishes one stored part; returns whether it was rendered. The PDF is made quickly, the package is small."""
    templates, package = tmp_path / "templates", tmp_path / "package"
    shutil.copytree(program.templates(), templates)
    (templates / "parts" / "fake.html").write_text(
        '{% from "macros.html" import value, figure %}<p>It is {{ value(result, "sum") }}.</p>'
        '{{ figure(result, "line") }}'
    )
    package.mkdir()
    (package / "drawing.py").write_text("width = 1")
    for module in (page, environment):
        monkeypatch.setattr(module, "templates", lambda: templates)
    monkeypatch.setattr(current, "PACKAGE", package)
    made = []

    def pdf(out, html):
        made.append(html)
        return html.encode()

    monkeypatch.setattr(page, "pdf", pdf)
    monkeypatch.setattr(printing, "at_once", lambda: False)
    part, store = FakePart(), Store(tmp_path / "out")
    result = PartResult(
        "fake", "done", {"sum": Number(3.0)}, settings=asdict(part.SETTINGS), provenance=ORIGIN
    )
    store.out.mkdir()
    store.save(result, {"ones": np.ones(3)})
    (tmp_path / "answers").mkdir()

    def rendered(**how):
        made.clear()
        said = []
        how = {"answers": tmp_path / "answers", **how}
        published = publish.publish(store.out, [how.pop("part", part)], said.append, **how)
        assert (KEPT in said) == (not made)
        assert published.results["fake"].status == "done", published.results["fake"].reason
        assert [verdict.status for verdict in published.verdicts] == ["pass"]
        assert [path.name for path in published.files] == ["report.html", "report.pdf"]
        return bool(made)

    rendered.store, rendered.folder = store, tmp_path
    return rendered


def test_what_is_there_as_it_would_be_rendered_is_kept(report):
    assert report()
    before = {path: path.read_bytes() for path in report.store.out.rglob("*") if path.is_file()}
    assert not report()
    assert {path: path.read_bytes() for path in report.store.out.rglob("*") if path.is_file()} == before
    assert report(redraw=True)
    assert not report()


@pytest.mark.parametrize("name", current.WRITTEN)
@pytest.mark.parametrize("how", ["altered", "gone"])
def test_what_was_written_and_is_not_there_any_more_is_written_again(report, name, how):
    report()
    if how == "gone":
        (report.store.out / name).unlink()
    else:
        (report.store.out / name).write_bytes(b"altered")
    assert report()
    assert not report()


def changed(name, text):
    return lambda folder, _: (folder / name).write_text(text)


def redrawn(folder, _):
    file = next((folder / "out" / "figures" / "fake").glob("*.svg"))
    file.write_text("<svg>altered</svg>")


def computed_again(folder, _):
    result = PartResult(
        "fake", "done", {"sum": Number(3.0)}, settings={"size": 3}, provenance=ORIGIN | {"seconds": 2.0}
    )
    Store(folder / "out").save(result, {"ones": np.ones(3)})


def computed_otherwise(folder, _):
    result = PartResult("fake", "done", {"sum": Number(3.0)}, settings={"size": 3}, provenance=ORIGIN)
    Store(folder / "out").save(result, {"ones": np.full(3, 2.0)})


def other(module, name, value):
    return lambda _, monkeypatch: monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize(
    "change",
    [
        changed("package/drawing.py", "width = 2"),
        changed("package/new.py", ""),
        changed("templates/report.css", "p{}"),
        changed("templates/base.html", "<main>{{ sections | length }}</main>"),
        changed("answers/fake.md", "My own words."),
        redrawn,
        computed_again,
        computed_otherwise,
        other(current, "commit", lambda: "another"),
        other(current.backend, "versions", lambda: {"numpy": "0.1"}),
        other(current, "_installed", lambda: ["weasyprint-1.dist-info"]),
        other(current, "_pango", lambda: "15000"),
        other(current.sys, "version", "4.0"),
        other(language, "_ENGLISH", language.Language("en", language._ENGLISH.words, "another catalogue")),
    ],
)
def test_whatever_a_rendering_depends_on_has_it_rendered_again(report, monkeypatch, change):
    report()
    language.load.cache_clear()
    change(report.folder, monkeypatch)
    assert report()
    assert not report()
    monkeypatch.undo()
    language.load.cache_clear()


@pytest.mark.parametrize(
    "how",
    [
        {"personal": Personal(title="Another")},
        {"personal": Personal(paper="letter")},
        {"personal": Personal(language="he")},
        {"part": FakePart(TITLE="Another")},
    ],
)
def test_so_has_whose_report_it_is(report, how):
    report()
    assert report(**how)
    assert not report(**how)
    assert report()


def test_what_cannot_be_known_by_a_hash_is_rendered_each_time(report):
    chinese = Personal(title="\u770b")  # drawn in a font of the machine's
    assert report(personal=chinese)
    assert report(personal=chinese)
    assert report()
    (report.folder / "answers" / "fake.md").write_bytes(b"\xff\xfe")  # cannot be shown
    assert report()
    assert report()


@pytest.mark.parametrize("text", ["", "[]", '{"of": 1}', '{"of": "{key}", "files": [], "notes": []}', "{"])
def test_a_damaged_record_is_none(report, text):
    report()
    record = report.store.out / current.RECORD
    record.write_text(text.replace("{key}", json.loads(record.read_text())["of"]))
    assert report()
    assert not report()
