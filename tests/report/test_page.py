import re
import subprocess
import sys

import pytest

from tests.fake_part import FakePart
from tfviz.errors import TfvizError
from tfviz.experiment.grading import Verdict
from tfviz.experiment.store import PartResult
from tfviz.files.program import CHECKOUT, templates
from tfviz.parts import PARTS
from tfviz.report import page as report

ABOUT = {"commit": "abc", "created": "2000-01-01T00:00:00+00:00", "versions": {}}


def verdict(**changes):
    row = {
        "part": "conv1_units",
        "number": "activation_channel_0",
        "expected": 62.038,
        "measured": 62.0381,
        "tolerance": 0.005,
        "kind": "published",
        "source": "track B",
        "status": "pass",
        "comparison": "equal",
        "network": "alexnet_features",
        "reason": "",
        "written": "62.0380",
    }
    return Verdict(**(row | changes))


def section(result, verdicts=()):
    part = FakePart()
    return report.Section("conv1_units", part.TITLE, part.TRACK, result, verdicts)


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def test_a_failed_and_an_absent_part_say_so_and_show_nothing_else():
    failed = PartResult("conv1_units", "failed", reason="weights.pth is cut off <b>here</b>.")
    page = report.render([section(failed)], ABOUT)
    assert "This part failed: weights.pth is cut off &lt;b&gt;here&lt;/b&gt;." in text_of(page)
    assert "<img" not in page
    assert "This part did not run: it was not asked for" in text_of(report.render([section(None)], ABOUT))


def test_verdicts_are_shown_with_their_status():
    verdicts = [
        verdict(),
        verdict(status="not comparable", network="squeezenet", reason="measured on squeezenet"),
    ]
    text = text_of(report.render([section(None, verdicts)], ABOUT))
    assert "1pass" in text
    assert "1not comparable" in text
    assert "62.0380 62.0381" in text
    assert "published not comparable measured on squeezenet" in text


def test_every_part_has_a_template():
    assert {path.stem for path in (templates() / "parts").glob("*.html")} == {part.ID for part in PARTS}


def test_every_part_module_is_listed():
    modules = {path.stem for path in (CHECKOUT / "tfviz" / "parts").glob("[!_]*.py")}
    assert modules == {part.ID for part in PARTS}


def test_pdf_reads_nothing_outside_the_output_folder(tmp_path):
    secret = tmp_path / "secret.svg"
    secret.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>secret</text></svg>'
    )
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(TfvizError, match=r"secret\.svg .*not in"):
        report.write_pdf(out, '<html><img src="../secret.svg" alt="no"></html>')
    with pytest.raises(TfvizError, match=r"none\.svg"):
        report.write_pdf(out, '<html><img src="figures/none.svg" alt="no"></html>')
    assert list(out.iterdir()) == []
    assert report.write_pdf(out, "<html><p>fine</p></html>").read_bytes().startswith(b"%PDF")


def test_without_pango_the_pdf_is_refused_with_the_install_line(tmp_path):
    """WeasyPrint raises OSError at import where Pango is missing."""
    fake = tmp_path / "weasyprint"
    fake.mkdir()
    (fake / "__init__.py").write_text("raise OSError('cannot load library libpango-1.0-0')")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom tfviz.report import page as report\n"
        "try: report.write_pdf(Path(sys.argv[1]), '<html></html>')\n"
        "except report.PdfUnavailableError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=CHECKOUT,
    )
    assert "apt-get install libpango-1.0-0" in done.stdout
    assert done.stdout.count("\n") == 1
