import json
import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.report.test_page import verdict
from tfviz.experiment.part import Number
from tfviz.experiment.store import FigureFile, PartResult
from tfviz.report import export, page

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>'
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
<table><caption>Table 1. Numbers.</caption><thead><tr><th>what</th><th>how much</th></tr></thead>
<tbody><tr><th>a</th><td>1<br><small>2 to 3</small></td></tr></tbody>
<tbody><tr><th>b</th><td>4 | 5</td></tr></tbody></table></section>
<section id="bibliography"><h2>Bibliography</h2><ul><li id="ref-field1987">Field (1987)</li></ul></section>
</main></body></html>"""


@pytest.fixture
def out(tmp_path):
    (tmp_path / "figures" / "one").mkdir(parents=True)
    (tmp_path / "figures" / "one" / "fig.svg").write_text(SVG)
    return tmp_path


def test_markdown_says_what_the_page_says(out):
    text = export.markdown(out, HTML).read_text(encoding="utf-8")
    assert text.startswith("# Title \\* with stars\n\nBy A. U. Thor\n")
    assert '<a id="one"></a>\n\n## One <two>' in text.replace("\\<", "<").replace("&lt;", "<").replace(
        ">", ">"
    )
    assert "Value 1.5 × 10⁻⁵ of $x_1 \\cdot y_2$,\nsee [Field 1987](#ref-field1987)." in text
    assert "\n$$\n\\sum_i w_i\n$$\n" in text
    assert "![A square.](figures/one/fig.svg)\n\nFigure 1. **It is square.** Caption.\n" in text
    assert "> **In one line.** Aside." in text
    assert (
        "Table 1. Numbers.\n\n| what | how much |\n| --- | --- |\n| a | 1 2 to 3 |\n| b | 4 \\| 5 |" in text
    )
    assert '- <a id="ref-field1987"></a>Field (1987)' in text
    assert "<style>" not in text
    assert "no\n" not in text
    (picture,) = re.findall(r"!\[mine\]\((report_pictures/\w+\.png)\)", text)
    assert (out / picture).read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def results():
    numbers = {"sum": Number(3.0), "small": Number(1.25e-7)}
    return {
        "one": PartResult("one", "done", numbers),
        "two": PartResult("two", "failed", reason="why"),
    }


def test_a_notebook_is_one_and_shows_pictures_and_numbers(out, results):
    notebook = nbformat.read(export.notebook(out, HTML, results), 4)
    nbformat.validate(notebook)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown", "code", "markdown", "code", "markdown"]
    section = notebook.cells[2]
    for name in re.findall(r"\(attachment:([^)]+)\)", section.source):
        assert list(section.attachments[name].values())
    assert len(section.attachments) == 2
    assert notebook.cells[3].outputs[0].text == "sum                3\nsmall       1.25e-07\n"
    assert "\n$$\n\\sum_i w_i\n$$\n" in section.source


def test_a_notebook_runs_and_sets_what_is_measured_beside_the_report(out, results, tmp_path):
    """The command is replaced by one that stores made-up numbers."""
    notebook = nbformat.read(export.notebook(out, HTML, results), 4)
    assert '"-m", "tfviz"' in notebook.cells[1].source
    stored = {"status": "done", "numbers": {"sum": {"value": 3.5}, "small": {"value": 1e-7}}}
    pretend = (
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[-1], 'results'); folder.mkdir()\n"
        f"(folder / f'{{sys.argv[2]}}.json').write_text({json.dumps(stored)!r})"
    )
    notebook.cells[1].source = (
        notebook.cells[1]
        .source.replace('"-m", "tfviz"', f'"-c", {pretend!r}')
        .replace('["conv1_units"]', '["one"]')
    )
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert notebook.cells[3].outputs[0].text == (
        "sum                3            3.5\nsmall       1.25e-07          1e-07\n"
    )


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
