"""The PDF's structure, as a reader with a screen reader has it, and that it is the same whenever it is made."""

import io
import itertools
import os
import subprocess
import sys

import numpy as np
import pikepdf
import pytest
from matplotlib.figure import Figure

from tests.report.test_page import verdict
from tfviz import figures
from tfviz.experiment.part import Number
from tfviz.experiment.store import FigureFile, PartResult
from tfviz.files.program import CHECKOUT
from tfviz.report import page
from tfviz.report.personal import Personal

pytest.importorskip("weasyprint")

CHANNELS = (0, 5, 10, 20)


@figures.style.styled
def drawn(title):
    """A figure with a photograph's many colours and some text."""
    drawing = Figure(figsize=(4, 2))
    axes = drawing.subplots()
    axes.imshow(np.random.default_rng(0).random((80, 160, 3)))
    axes.set_title(title)
    return drawing


def made_up_unit(out):
    """A stored result of conv1_units with figures, enough for its template."""
    folder = out / "figures" / "conv1_units"
    folder.mkdir(parents=True)
    files = []
    for name in ("pictures", "ascent", "all"):
        path = figures.save(drawn(f"Heading of {name}"), folder / name)
        relative = f"figures/conv1_units/{path.name}"
        files.append(FigureFile(relative, "Caption.", f"What {name} shows.", "0", "Finding."))
    per_channel = ["activation", "activation_over_l1", "bound", "start", "l1", "rank", "at_end"]
    per_channel += ["correlation_with_filter", "correlation_with_sign"]
    names = [f"{name}_channel_{channel}" for name in per_channel for channel in CHANNELS]
    names += ["channels", "l1_ratio", "correlation_bound_l1", "lowest_at_end", "change_with_wider_noise"]
    names += [
        "lowest_over_l1",
        "highest_over_l1",
        "lowest_bound_over_l1",
        "highest_bound_over_l1",
        "largest_range",
    ]
    names += [
        "lowest_correlation_with_filter",
        "highest_correlation_with_filter",
        "lowest_correlation_with_sign",
    ]
    facts = {
        "channels": [{"channel": channel, "reached": 0.9999} for channel in CHANNELS],
        "lowest": 5,
        "highest": 20,
        "window": [[106, 116], [106, 116]],
    }
    settings = {
        "channels": list(CHANNELS),
        "noise_mean": 0.5,
        "noise_std": 0.01,
        "steps": 30,
        "rate": 5.0,
        "low": 0.0,
        "high": 1.0,
        "repeats": 3,
    }
    provenance = {
        "started": "2000-01-01T00:00:00+00:00",
        "seconds": 2.0,
        "seed": 0,
        "quick": False,
        "network": "",
        "devices": ["a processor"],
        "versions": {"python": "3"},
        "commit": "c",
    }
    numbers = {name: Number(1.5) for name in names}
    return PartResult("conv1_units", "done", numbers, files, facts, settings, provenance=provenance)


def made(out, language="en", **personal):
    """The PDF of a report with that part, and its page."""
    from tfviz import language as languages

    result = made_up_unit(out)
    published = {f"activation_channel_{channel}": 62.0 for channel in CHANNELS}
    with languages.use(language):
        html = page.render(
            [page.Section("conv1_units", "Units", "B", result, [verdict()], published)],
            page.About("c", "2000-01-01T00:00:00+00:00", {}, Personal(language=language, **personal)),
            folder=out,
            medium="print",
        )
        return page.write_pdf(out, page.pdf(out, html)), html


def elements(node, found=None):
    """All structure elements below a node, in reading order: (type, element)."""
    found = [] if found is None else found
    children = node.get("/K", [])
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and "/S" in child:
            found.append((str(child["/S"]), child))
            elements(child, found)
    return found


@pytest.fixture(scope="module", params=["en", "he"])
def pdf(request, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param)
    path, _ = made(out, request.param, title="A title", authors=("A. U. Thor", "Second"), course="C 1")
    with pikepdf.open(path) as document:
        yield document, request.param


def test_it_says_that_it_is_accessible_whose_it_is_and_in_which_language(pdf):
    document, language = pdf
    assert str(document.Root.Lang) == language
    assert document.Root.MarkInfo.Marked
    assert document.Root.ViewerPreferences.DisplayDocTitle
    with document.open_metadata() as metadata:
        assert metadata["{http://www.aiim.org/pdfua/ns/id/}part"] == "1"
        assert metadata["dc:title"] == "A title"
        assert "A. U. Thor" in str(metadata["dc:creator"])


def test_figures_and_formulas_have_their_words_and_headings_are_in_order(pdf):
    document, _ = pdf
    found = elements(document.Root.StructTreeRoot)
    shown = [element for kind, element in found if kind == "/Figure"]
    words = [str(element.get("/Alt", "")) for element in shown]
    assert all(words)
    assert {"What pictures shows.", "What ascent shows.", "What all shows."} <= set(words)
    assert any("max" in word for word in words)  # a formula
    levels = [int(kind[2]) for kind, _ in found if kind[:2] == "/H" and kind[2:].isdigit()]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    kinds = {kind for kind, _ in found}
    assert {"/Table", "/TH", "/TD", "/Caption", "/Sect", "/P", "/Link"} <= kinds


def test_parts_are_bookmarks(pdf):
    document, _ = pdf
    with document.open_outline() as outline:
        (title,) = outline.root
        assert title.title == "A title"
        assert len([each.title for each in title.children]) >= 4


def test_fonts_are_ours_and_embedded(pdf):
    document, _ = pdf
    names = set()
    for found in document.objects:
        if isinstance(found, pikepdf.Dictionary) and found.get("/Type") == "/FontDescriptor":
            names.add(str(found["/FontName"]).split("+")[-1])
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(found.keys())
    assert names
    assert {
        name
        for name in names
        if not name.startswith(("Open-Sans", "OpenSans", "Noto-Sans-Math", "NotoSansMath"))
    } == set()


def test_the_same_bytes_from_two_processes(tmp_path):
    code = (
        "import sys; from pathlib import Path\nfrom tests.report.test_pdf import made\n"
        "path, _ = made(Path(sys.argv[1]))\n"
    )
    contents = []
    for name in ("one", "two"):
        out = tmp_path / name
        out.mkdir()
        subprocess.run([sys.executable, "-c", code, str(out)], check=True, cwd=CHECKOUT)
        contents.append((out / "report.pdf").read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(("paper", "size"), [("a4", (595, 842)), ("letter", (612, 792))])
def test_paper(tmp_path, paper, size):
    path, _ = made(tmp_path, paper=paper)
    with pikepdf.open(path) as document:
        box = [float(value) for value in document.pages[0].MediaBox]
    assert tuple(round(value) for value in box[2:]) == size


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are letters")
def test_a_folder_whose_name_is_no_utf_8(tmp_path):
    out = tmp_path / os.fsdecode(b"r\xe9sultats 100 %")
    out.mkdir()
    path, _ = made(out)
    assert path.read_bytes() == made(tmp_path)[0].read_bytes()


def test_every_character_has_a_glyph(tmp_path):
    """Isolating characters draw nothing."""
    import re
    from html import unescape

    for language in ("en", "he"):
        out = tmp_path / language
        out.mkdir()
        _, html = made(out, language)
        text = unescape(re.sub(r"<[^>]+>", "", re.sub(r"<style>.*?</style>", "", html, flags=re.S)))
        assert figures.style.missing_glyphs(text).strip("\n\u2066\u2067\u2068\u2069") == ""


def test_photographs_stay_small(tmp_path):
    """A page's pictures are JPEG in the PDF: three of 160 x 80 random pixels stay below their raw size."""
    path, _ = made(tmp_path)
    assert io.BytesIO(path.read_bytes()).getbuffer().nbytes < 600_000
