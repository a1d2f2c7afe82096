import subprocess
import sys

import pytest

from tests.fake_part import FakePart
from tests.parts.drawn import text_of
from tfviz.errors import TfvizError
from tfviz.experiment.grading import Verdict
from tfviz.experiment.store import PartResult
from tfviz.files.program import CHECKOUT, templates
from tfviz.parts import PARTS
from tfviz.report import page as report
from tfviz.report import publish
from tfviz.report.personal import Personal

ABOUT = report.About("abc", "2000-01-01T00:00:00+00:00")


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
        "label": "activation, channel 0",
    }
    return Verdict(**(row | changes))


def section(result, verdicts=()):
    part = FakePart()
    return report.Section("conv1_units", part.TITLE, part.TRACK, result, verdicts)


def test_a_failed_and_an_absent_part_say_so_and_show_nothing_else():
    failed = PartResult("conv1_units", "failed", reason="weights.pth is cut off <b>here</b>.")
    page = report.render([section(failed)], ABOUT)
    assert "This part failed: weights.pth is cut off <b>here</b>." in text_of(page)
    assert "<b>here" not in page
    assert "<img" not in page
    assert "This part did not run: it was not asked for" in text_of(report.render([section(None)], ABOUT))


def test_verdicts_are_shown_with_their_status_and_counted_on_the_cover():
    verdicts = [
        verdict(),
        verdict(status="not comparable", network="squeezenet", reason="measured on squeezenet"),
        verdict(kind="own bound", status="fail", comparison="at most", reason="off by +1", written=""),
    ]
    text = text_of(report.render([section(None, verdicts)], ABOUT))
    assert "0 of 1 published experiments wholly reproduced: 1 of 2 of their numbers" in text
    assert "1 not comparable here" in text
    assert "0 of 1 own bounds kept" in text
    assert "62.0380 62.0381 0.005 ●agrees" in text
    assert "track B; measured on SqueezeNet 1.1 62.0380 62.0381 0.005 ○not comparable" in text
    assert "track B; off by +1; AlexNet (convolutions) ≤ 62.038 62.0381 0.005 ▲not kept" in text
    assert "1 pass, 1 not comparable" in text


def test_a_verdict_names_its_network_once():
    def text(**changes):
        return text_of(report.render([section(None, [verdict(**changes)])], ABOUT))

    assert "track B; AlexNet (convolutions) 62.0380" in text()
    assert "track B; SqueezeNet 1.1 62.0380" in text(network="squeezenet")
    # Its reason may have said so.
    said = text(network="squeezenet", status="not comparable", reason="measured on squeezenet")
    assert said.count("SqueezeNet 1.1") == 1
    assert "track B 62.0380" in text(network=None)


def test_the_cover_counts_what_was_not_measured():
    lost = [verdict(status="missing", measured=None, kind=kind) for kind in ("reference", "own bound")]
    text = text_of(report.render([section(None, [*lost, verdict(kind="reference")])], ABOUT))
    assert "1 of 2 independent checks hold" in text
    assert "2 of these numbers were not measured" in text
    assert "not measured" not in text_of(report.render([section(None, [verdict()])], ABOUT))


def test_the_cover_on_paper_leads_to_what_follows_the_parts():
    for medium, there in (("print", True), ("screen", False)):
        page = report.render([section(None, [verdict()])], ABOUT, medium=medium)
        assert ("All verdicts Settings and provenance Bibliography" in text_of(page)) == there
        assert ('href="#settings"' in page) == there


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
        report.pdf(out, '<html lang="en"><img src="../secret.svg" alt="no"></html>')
    with pytest.raises(TfvizError, match=r"none\.svg"):
        report.pdf(out, '<html><img src="figures/none.svg" alt="no"></html>')
    assert list(out.iterdir()) == []
    assert report.pdf(out, "<html><p>fine</p></html>").startswith(b"%PDF")


def test_without_pango_the_pdf_is_refused_with_the_install_line(tmp_path):
    """WeasyPrint raises OSError at import where Pango is missing."""
    fake = tmp_path / "weasyprint"
    fake.mkdir()
    (fake / "__init__.py").write_text("raise OSError('cannot load library libpango-1.0-0')")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom tfviz.report import page as report\n"
        "try: report.pdf(Path(sys.argv[1]), '<html></html>')\n"
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


def test_on_paper_no_line_ends_within_a_product_an_interval_or_before_a_sign():
    one = '<p title="x">a <span class="nw">3</span> × 3 in [0, 1] is 5 ✓ at <span class="nw">12</span> %</p>'
    assert report._kept_together(one) == (
        '<p title="x">a 3\u00a0×\u00a03 in [0,\u00a01] is 5\u00a0✓ at 12\u202f%</p>'
    )
    assert report._kept_together('<span class="nw">king penguin</span> 5 %') == (
        '<span class="nw">king penguin</span> 5\u202f%'
    )


def test_a_title_runs_the_way_of_its_own_letters():
    for title, way in (("רשת SqueezeNet", "rtl"), ("Inside a network", "ltr")):
        about = report.About(personal=Personal(title=title))
        assert f'<h1 dir="{way}">{title}</h1>' in report.render([section(None)], about)


def test_characters_that_the_reports_fonts_lack_are_named():
    """A machine's fonts may have any of them, but none has a private character."""
    page = "<style>文</style><p title='中'>\U0010fffd A&amp;B &#x5F20; שלום</p><script>文</script>"
    assert report.foreign(page) == "张\U0010fffd"
    assert report.foreign("<p>\u200fא\u200e a\u200d\u200c\ufe0f</p>") == ""


def test_what_no_font_of_the_machine_has_is_heard_while_the_pdf_is_written(tmp_path):
    with report.without_glyph() as blank:
        report.pdf(tmp_path, "<html lang='en'><p>A \U0010fffd B</p></html>")
    assert blank == {"\U0010fffd"}
    with report.without_glyph() as blank:
        report.pdf(tmp_path, "<html lang='en'><p>A B</p></html>")
    assert blank == set()


def test_the_terminal_says_so_in_one_line():
    assert publish._letters("", set()) == []
    assert publish._letters("张", set()) == [
        "The report's fonts do not have 张: report.html shows it in a font of whoever reads it, report.pdf in one of "
        "this machine."
    ]
    (line,) = publish._letters("张", {"张"})
    assert "report.pdf cannot show 张" in line
    assert "--report-only" in line
