import base64
import io
import json
import re
import shutil
from html import escape

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image
from rich.console import Console

from tests.fake_part import FakePart
from tests.report.test_page import verdict
from tfviz.experiment.part import Number
from tfviz.experiment.progress import Reporter
from tfviz.experiment.runner import Options, Runner
from tfviz.experiment.store import FigureFile, PartResult, Store
from tfviz.files.program import CHECKOUT
from tfviz.language import use
from tfviz.parts import PARTS
from tfviz.report import EXPORTS, answers, export, page, publish
from tfviz.report.personal import Personal

SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt" viewBox="0 0 9 9">
<path d="M 0 0  L 9 0  L 9 9  z "/></svg>"""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

HTML = f"""<html><head><style>p{{}}</style></head><body><nav>no</nav><main id="main">
<header class="cover" id="top"><h1>Title * with stars</h1><p>By <bdi>A. U. Thor</bdi></p></header>
<section id="one"><h2>One &lt;two&gt;</h2>
<p>Value <span class="nw">1.5 × 10⁻⁵</span> of <code class="math inline">x_1 \\cdot y_2</code>,
see <a href="#ref-field1987">Field 1987</a>.</p>
<code class="math display">\\sum_i w_i</code>
<figure id="one-fig"><img src="figures/one/fig.svg" alt="A square.">
<figcaption>Figure 1. <b>It is square.</b> Caption.</figcaption></figure>
<aside class="note"><p><b>In one line.</b> Aside.</p></aside>
<div class="answer"><img src="data:image/png;base64,{PIXEL}" alt="mine"></div>
<table><caption>Table 1. Numbers.</caption><thead><tr><th>what</th><th class="n">how much</th></tr></thead>
<tbody><tr><th>a</th><td class="n">1<br><small>2 to 3</small></td></tr></tbody>
<tbody><tr><th>b</th><td class="n">4 | 5</td></tr></tbody></table></section>
<section id="bibliography"><h2>Bibliography</h2><ul><li id="ref-field1987">Field (1987)</li></ul></section>
</main></body></html>"""


def png(image):
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def pixels(path):
    assert path == "figures/one/fig.svg"
    return png(Image.new("RGB", (9, 9)))


@pytest.fixture
def out(tmp_path):
    (tmp_path / "figures" / "one").mkdir(parents=True)
    (tmp_path / "figures" / "one" / "fig.svg").write_text(SVG)
    return tmp_path


def test_markdown_says_what_the_page_says(out):
    text = export.markdown(out, HTML).read_text(encoding="utf-8")
    assert text.startswith("# Title \\* with stars\n\nBy A. U. Thor\n")
    assert '<a id="one"></a>\n\n## One \\<two>' in text
    assert "Value 1.5 × 10⁻⁵ of $x_1 \\cdot y_2$,\nsee [Field 1987](#ref-field1987)." in text
    assert "\n$$\n\\sum_i w_i\n$$\n" in text
    assert "![A square.](figures/one/fig.svg)\n\nFigure 1. **It is square.** Caption.\n" in text
    assert "> **In one line.** Aside." in text
    assert (
        "Table 1. Numbers.\n\n| what | how much |\n| --- | ---: |\n| a | 1 (2 to 3) |\n| b | 4 \\| 5 |"
        in text
    )
    assert '- <a id="ref-field1987"></a>Field (1987)' in text
    assert "<style>" not in text
    assert "no\n" not in text
    (picture,) = re.findall(r"!\[mine\]\((report_pictures/\w+\.png)\)", text)
    assert (out / picture).read_bytes().startswith(b"\x89PNG")


def read_back(text):
    """What a reader of CommonMark with tables and formulas makes of Markdown."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    dollarmath_plugin(markdown, renderer=lambda latex, _options: escape(latex))
    return BeautifulSoup(markdown.render(text), "html.parser")


BLOCKS = re.compile(
    "^(p|li|td|th|tr|table|caption|figcaption|h[1-6]|dt|dd|div|br|blockquote|aside|pre|ul|ol)$"
)


def words(soup):
    """Its text as words: the same whether a name and its value stand in a table of definitions or in a list.

    What a table has in smaller or paler type has brackets in Markdown.
    """
    soup = BeautifulSoup(str(soup), "html.parser")
    for shape in soup.select("i[aria-hidden]"):
        shape.replace_with(f" {shape.get_text()} ")
    for name in soup.find_all("dt"):
        name.append(":")
    for aside in soup.select("td small, th small, th .soft"):
        aside.insert(0, "(")
        aside.append(")")
    for block in soup.find_all(BLOCKS):
        block.insert_before(" ")
        block.insert_after(" ")
    return re.sub("< ", "<", soup.get_text()).split()  # a formula must not hold what looks like an element


def rows(soup):
    """The words of its tables' cells, those that are not empty, by table and row, with their alignment."""
    sides = {"n": "right", "middle": "center"}

    def side(cell):
        named = next((sides[name] for name in cell.get("class", ()) if name in sides), "")
        return named or "".join(re.findall(r"^text-align:(\w+)$", cell.get("style", "")))

    return [
        [
            [(words(cell), side(cell)) for cell in row.find_all(["td", "th"]) if words(cell)]
            for row in table.find_all("tr")
            if words(row)
        ]
        for table in soup.find_all("table")
    ]


def assert_says_the_same(html, text):
    shown, back = export._main(html), read_back(text)
    assert words(back) == words(shown)
    assert rows(back) == rows(shown)
    for kind in ("h1", "h2", "h3", "h4", "b, strong", "a[href]"):
        assert list(map(words, back.select(kind))) == list(map(words, shown.select(kind))), kind
    said = [[" ".join(image["alt"].split()) for image in soup.find_all("img")] for soup in (back, shown)]
    assert said[0] == said[1]
    captions = [words(caption) for caption in shown.find_all(["caption", "figcaption"])]
    paragraphs = list(map(words, back.find_all("p")))
    assert [caption for caption in captions if caption not in paragraphs] == []


def test_what_markdown_has_signs_for_is_read_back_as_it_was(out):
    signs = (
        r"\$5 and $6, a \ back, `tick`, *a*, __b__, [x](y), ![z], &amp;lt; &lt;b&gt; a~~b~~ | c",
        "- x",
        "+ x",
        "1. x",
        "12) x",
        "# x",
        "&gt; x",
        "---",
        "===",
        "2026",
        "#x",
    )
    said = "".join(f"<p>{each}</p><p>before\n{each}\nafter</p>" for each in signs)
    cells = "".join(f"<tr><td>{each}</td><td class='n'>1</td></tr>" for each in signs)
    html = f"""<html><body><main id="main"><section id="one"><h2>5 * [a] $x$</h2>{said}
<dl class="ledger"><dt>noise_mean</dt><dd>0.5</dd><dt>keep</dt><dd>0, 8 <code>a|b</code></dd></dl>
<table><caption>Table 1. $5 * a_b.</caption><thead><tr><td></td><th class="n">how much</th></tr></thead>
<tbody>{cells}<tr><td>a <code class="math inline">|x|</code> b</td><td class="n">2</td></tr></tbody></table>
<figure><img src="figures/one/fig.svg" alt="[a] $b$ * &lt;c&gt;">
<figcaption>Figure 1. <b>1 * 2.</b> - x</figcaption></figure>
</section></main></body></html>"""
    text = export.markdown(out, html).read_text(encoding="utf-8")
    assert r"$\vert x\vert $" in text
    # In a cell a stroke ends it, even in a formula.
    assert_says_the_same(html.replace('inline">|x|<', 'inline">\\vert x\\vert<'), text)
    assert "- noise\\_mean: 0.5\n- keep: 0, 8 `a|b`" in text


def test_an_answer_is_read_back_as_its_author_wrote_it(out):
    folder = out / "answers"
    folder.mkdir()
    (folder / "conv1_units.md").write_text(
        "It costs \\$5, not $x_1$.\n\n\\- x\n\n\\# not a heading\n\n"
        "| a | b | c |\n| --- | ---: | :---: |\n| 1 | 2 \\| 3 | 4 |\n\n- one\n- two\n\n1. first\n2. second\n",
        encoding="utf-8",
    )
    result = PartResult("conv1_units", "failed", reason="it * broke <b>")
    words_of = answers.read(folder, ["conv1_units"]).by_part["conv1_units"]
    (template,) = [part for part in PARTS if part.ID == "conv1_units"]
    shown = page.Section("conv1_units", template.TITLE, "B", result, [verdict()], answer=words_of)
    html = page.render([shown], page.About(), medium="export")
    said = words_of.html(
        lambda latex, display: f'<code class="math inline">{latex}</code>', lambda png: "none"
    )
    html = html.replace("</main>", f'<section id="answer">{said}</section></main>')
    text = export.markdown(out, html).read_text(encoding="utf-8")
    assert_says_the_same(html, text)
    assert r"It costs \$5, not $x_1$." in text
    assert "\n\\- x\n" in text
    assert "| --- | ---: | :---: |" in text


def test_a_page_that_runs_from_right_to_left_says_so(out):
    text = export.markdown(out, HTML.replace("<html>", '<html dir="rtl">')).read_text(encoding="utf-8")
    assert text.startswith('<div dir="rtl">\n\n# Title')
    assert text.endswith("\n</div>\n")
    assert export.markdown(out, HTML).read_text(encoding="utf-8").startswith("# Title")


def stored(part="one", numbers=None, *, seconds=1.0, quick=False, seed=0, facts=None, **more):
    provenance = {
        "quick": quick,
        "seed": seed,
        "seconds": seconds,
        "backend": "tensorflow",
        "network": None,
        "weights": None,
        "versions": {"numpy": "2.0.0"},
        "devices": ["a machine"],
        "commit": "abc",
    }
    return PartResult(
        part,
        "done",
        numbers or {"sum": Number(1234567, "px"), "small": Number(1.25e-7, network="squeezenet")},
        facts=facts or {},
        settings={"size": 3},
        arrays={"source": "1" * 64, "picture": "2" * 64, "pictures": "3" * 64},
        provenance=provenance | more,
    )


@pytest.fixture
def results():
    return {"one": stored(), "two": PartResult("two", "failed", reason="why")}


def notebook_of(out, results, html=HTML):
    """The notebook of a page that has a section for each result."""
    for part in results:
        if f'<section id="{part}">' not in html:
            html = html.replace("</main>", f'<section id="{part}"><h2>{part}</h2></section></main>')
    return nbformat.read(export.notebook(out, html, results, pixels), 4)


def test_a_notebook_is_one_and_shows_pictures_and_numbers(out, results):
    notebook = nbformat.read(export.notebook(out, HTML, results, pixels), 4)
    nbformat.validate(notebook)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown", "code", "markdown", "code", "markdown"]
    section = notebook.cells[2]
    names = re.findall(r"\(attachment:([^)]+)\)", section.source)
    assert len(names) == len(section.attachments) == 2
    for name in names:
        # JupyterLab shows no SVG in a cell of text, and LaTeX no WebP.
        ((kind, data),) = section.attachments[name].items()
        assert kind in ("image/png", "image/jpeg")
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert f"image/{picture.format.lower()}" == kind
    said = "sum          1234567  px\nsmall       1.25e-07  SqueezeNet 1.1\n"
    assert notebook.cells[3].outputs[0].text == said
    assert "\n$$\n\\sum_i w_i\n$$\n" in section.source


def test_a_notebook_is_no_larger_than_its_pictures_packed(out, results):
    """A photograph of over 1 MB as a drawing's pixels."""
    random = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    drawing = png(Image.fromarray(random).resize((900, 900)))
    assert len(drawing) > 1_000_000
    book = export.notebook(out, HTML, results, lambda path: drawing)
    assert book.stat().st_size < len(drawing) / 2


def test_photographs_become_jpeg_and_plain_pictures_png_on_white():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    plain = np.zeros((64, 64, 4), np.uint8)
    kinds = []
    for picture in (noise, plain):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "webp", lossless=True)
        data, kind = export._packed(file.getvalue())
        kinds.append(kind)
    assert kinds == ["image/jpeg", "image/png"]
    assert (np.asarray(Image.open(io.BytesIO(data))) == 255).all()


def test_a_notebook_runs_and_sets_what_is_measured_beside_the_report(out, results, tmp_path):
    """The command is replaced by one that stores made-up numbers, its own arguments and what differs."""
    notebook = notebook_of(out, results | {"one": stored(quick=True, seed=3)})
    assert '"-m", "tfviz"' in notebook.cells[1].source
    made = {
        "status": "done",
        "numbers": {"sum": {"value": 3.5}, "small": {"value": 1e-7}, "new": {"value": 2}},
        "settings": {"size": 3},
        "facts": {},
        "arrays": {},
        "provenance": {
            "seed": 3,
            "network": None,
            "weights": None,
            "backend": "tensorflow",
            "versions": {"numpy": "2.1.0"},
            "devices": ["a machine"],
            "commit": "abc",
        },
    }
    pretend = (
        "import os, pathlib, sys\n"
        "assert sys.argv[2:-2] == ['one', '--quick', '--seed', '3'], sys.argv\n"
        "assert os.environ['KERAS_BACKEND'] == 'tensorflow'\n"
        "folder = pathlib.Path(sys.argv[-1], 'results'); folder.mkdir()\n"
        f"(folder / f'{{sys.argv[2]}}.json').write_text({json.dumps(made)!r})"
    )
    assert 'RECOMPUTE = ["one"]' in notebook.cells[1].source
    notebook.cells[1].source = notebook.cells[1].source.replace('"-m", "tfviz"', f'"-c", {pretend!r}')
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert notebook.cells[3].outputs[0].text == (
        "Not as in the report: provenance versions numpy: 2.0.0 there, 2.1.0 here.\n"
        "sum          1234567            3.5  px\nsmall       1.25e-07          1e-07  SqueezeNet 1.1\n"
        "new                               2  not in the report\n"
    )


@pytest.mark.parametrize("named", ['["conv1_unit"]', '"conv1_unit"', '["one", "conv1_unit"]'])
def test_a_name_that_is_no_part_is_refused_at_once(out, results, named):
    notebook = notebook_of(out, results)
    notebook.cells[1].source = notebook.cells[1].source.replace('RECOMPUTE = ["one"]', f"RECOMPUTE = {named}")
    with pytest.raises(CellExecutionError) as refused:
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert refused.value.evalue == "RECOMPUTE names conv1_unit; the parts of this report are: one."
    assert notebook.cells[3].execution_count is None


def test_the_part_that_a_notebook_recomputes_at_first_is_the_quickest_that_can_be(out):
    recorded = stored("cifar_cnn", seconds=0.1, facts={"trained_now": False, "tested_on": "CIFAR-10"})
    pictures = stored(
        "occlusion_map", seconds=0.2, facts={"drawn": False, "class_index": 107, "class": "jellyfish"}
    )
    several = {"one": stored(seconds=9.0), "cifar_cnn": recorded, "occlusion_map": pictures}
    assert 'RECOMPUTE = ["three"]' in notebook_of(out, several | {"three": stored("three")}).cells[1].source
    assert 'RECOMPUTE = ["one"]' in notebook_of(out, several).cells[1].source
    none = notebook_of(out, {"cifar_cnn": recorded, "occlusion_map": pictures}).cells[1].source
    assert "# Empty, since each part here trained, shows a training, or needs what" in none
    assert "\nRECOMPUTE = []\n" in none
    failed = notebook_of(out, {"one": PartResult("one", "failed", reason="why")}).cells[1].source
    assert "# Empty, since no part of this report is done.\nRECOMPUTE = []\n" in failed


WEIGHTS = {
    "sha256": "ab" * 32,
    "source": "mine.pth, named by the user (not the published file: its sha256 differs)",
}
FILE = f"{WEIGHTS['source']}, SHA-256 {WEIGHTS['sha256']}"


@pytest.mark.parametrize(
    ("result", "options", "given"),
    [
        (stored(quick=True, seed=7), ["--quick", "--seed", "7"], {}),
        (
            stored("jellyfish_to_mink", facts={"drawn": True, "source": "jellyfish", "target": "mink"}),
            ["--seed", "0", "--source-class", "107", "--target-class", "357"],
            {},
        ),
        (
            stored("jellyfish_to_mink", facts={"drawn": False, "source": "tabby", "target": "crane"}),
            ["--seed", "0", "--source-class", "281"],
            {
                "--image": "the author's picture, the name of which is not stored",
                "--target-class": "'crane' may be any of 134 (crane), 517 (crane): give the index.",
            },
        ),
        (
            stored("occlusion_map", facts={"drawn": True, "class_index": 517, "class": "crane"}),
            ["--seed", "0", "--source-class", "517"],
            {},
        ),
        (
            stored(
                "normalization", facts={"own": True, "pictures": [{"title": "a.png"}, {"title": "b.png"}]}
            ),
            ["--seed", "0"],
            {"--pictures": "a folder of the author's pictures: a.png, b.png"},
        ),
        (stored("normalization", facts={"own": False, "pictures": []}), ["--seed", "0"], {}),
        (
            stored(
                "ship_to_retriever", facts={"source": "CIFAR-10, test split, enlarged from 32 × 32 pixels"}
            ),
            ["--seed", "0"],
            {"--data-dir": "CIFAR-10"},
        ),
        (
            stored("ship_to_retriever", facts={"source": "drawn by the program; not CIFAR-10"}),
            ["--seed", "0"],
            {},
        ),
        (
            stored(
                "cifar_cnn",
                facts={
                    "trained_now": True,
                    "tested_now": True,
                    "tested_on": "CIFAR-10",
                    "record": {"preset": {"name": "fast"}},
                },
            ),
            ["--seed", "0", "--train", "fast"],
            {"--data-dir": "CIFAR-10"},
        ),
        (
            stored(network="alexnet (user's file)", weights=WEIGHTS),
            ["--seed", "0"],
            {"--weights alexnet": FILE},
        ),
        (
            stored(network="squeezenet", weights={"sha256": "cd" * 32, "source": "a package"}),
            ["--seed", "0"],
            {},
        ),
        (
            stored(
                "jellyfish_to_mink",
                network="own (user's file)",
                weights=WEIGHTS,
                facts={"drawn": True, "source": "tabby", "target": "7"},
            ),
            ["--seed", "0"],
            {
                "--model": f"{FILE}; add --model-classes, --model-input and --model-head, if they were used",
                "--source-class": "the index of “tabby” among the network's classes",
                "--target-class": "the index of “7” among the network's classes",
            },
        ),
    ],
)
def test_a_cell_asks_for_what_the_stored_run_was_given(out, result, options, given):
    again = export._again(result)
    assert list(again.options) == options
    assert dict(again.given) == given
    notebook = notebook_of(out, {result.part: result})
    for option, what in given.items():
        found = "  # empty: where the program looks for it" if option == "--data-dir" else ""
        assert f'    # {result.part}: {what}\n    "{option}": "",{found}\n' in notebook.cells[1].source
    assert repr(options) in notebook.cells[-2 if result.part == "one" else -1].source
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(cell.source, "cell", "exec")


def test_what_a_reader_has_to_write_in_goes_to_the_command_and_its_lack_is_said(out, results, tmp_path):
    result = stored("occlusion_map", facts={"drawn": False, "class_index": 281, "class": "tabby"})
    notebook = notebook_of(out, {"occlusion_map": result})
    notebook.cells[1].source = notebook.cells[1].source.replace("RECOMPUTE = []", 'RECOMPUTE = "ALL"')
    with pytest.raises(CellExecutionError) as refused:
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert refused.value.evalue == (
        "occlusion_map needs what GIVEN has under '--image', in the first cell of code: write it in."
    )
    picture = str(tmp_path / "cat.png")
    expected = ["--seed", "0", "--source-class", "281", "--image", picture]
    pretend = f"import sys\nsys.exit('right' if sys.argv[3:-2] == {expected!r} else 'wrong')"
    notebook.cells[1].source = (
        notebook.cells[1]
        .source.replace('"-m", "tfviz"', f'"-c", {pretend!r}')
        .replace('"--image": ""', f'"--image": {picture!r}')
    )
    with pytest.raises(CellExecutionError) as run:
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert run.value.evalue == "right\n"
    was = export._again(result).was
    assert was["arrays"] == {"picture": "2" * 64}  # by which another picture is found out


def test_the_report_of_a_run_can_be_exported(out):
    """The page itself, through the templates; a result that failed has its reason in both."""
    figure = FigureFile("figures/one/fig.svg", "Caption.", "A square.", "0")
    assert figure.name == "fig"
    sections = [page.Section("conv1_units", "Units", "B", None, [verdict()])]
    html = page.render(sections, page.About("abc", "2000-01-01T00:00:00+00:00"), medium="export")
    text = export.markdown(out, html).read_text(encoding="utf-8")
    assert text.startswith("# Inside convolutional networks")
    assert "**This part did not run:** it was not asked for" in text
    assert re.search(r"\| .*activation, channel 0.* \| 62\.0380 \| 62\.0381", text)


@pytest.mark.results
@pytest.mark.parametrize("language", ["en", "he"])
def test_the_exports_of_a_full_run_say_what_its_page_says_and_can_be_mailed(tmp_path, monkeypatch, language):
    for name in ("results", "arrays", "figures"):
        shutil.copytree(CHECKOUT / "reports" / name, tmp_path / name)
    pages = {}
    monkeypatch.setattr(
        export,
        "write",
        lambda kinds, out, html, results, pixels: (
            pages.update(html=html, results=results, pixels=pixels) or []
        ),
    )
    publish.publish(tmp_path, PARTS, print, pdf=False, exports=EXPORTS, personal=Personal(language=language))
    text = export.markdown(tmp_path, pages["html"]).read_text(encoding="utf-8")
    assert_says_the_same(pages["html"], text)
    with use(language):
        path = export.notebook(tmp_path, pages["html"], pages["results"], pages["pixels"])
    nbformat.validate(nbformat.read(path, 4))
    assert path.stat().st_size < 6_000_000


def test_the_drawings_of_a_notebook_are_drawn_anew_by_their_part(tmp_path):
    part = FakePart()
    with Reporter(Console(file=io.StringIO())) as reporter:
        Runner(Options(tmp_path), reporter).run(part)
    store = Store(tmp_path)
    draw = publish._pixels(store, [part], store.load_all([part.ID]))
    with Image.open(io.BytesIO(draw("figures/fake/line.svg"))) as picture:
        assert picture.size == (288, 144)
        assert np.asarray(picture.convert("L")).min() < 100
