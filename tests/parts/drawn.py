"""What the report makes of a part's findings: figures and a page, from nothing but what is stored."""

import io
import json
import re
from dataclasses import asdict
from html import unescape

import numpy as np
from matplotlib.figure import Figure

from tests.hebrew import english_in
from tfviz import language
from tfviz.experiment.grading import grade_all
from tfviz.experiment.part import Findings, Number, settings_from
from tfviz.experiment.store import FigureFile, PartResult
from tfviz.report import page


def as_stored(value):
    """A value as it is after it was written as JSON and read again."""
    return json.loads(json.dumps(value, allow_nan=False))


def stored(findings):
    """Findings that went through JSON and an archive of arrays."""
    archive = io.BytesIO()
    np.savez(archive, **findings.arrays)
    archive.seek(0)
    with np.load(archive, allow_pickle=False) as loaded:
        arrays = {name: loaded[name] for name in loaded.files}
    numbers = {name: Number(**as_stored(asdict(number))) for name, number in findings.numbers.items()}
    return Findings(numbers, arrays, as_stored(findings.facts))


def drawn(part, findings, settings):
    """{name: (drawing, figure)} of all that a part draws of its stored findings, laid out in full."""
    again = settings_from(part, as_stored(asdict(settings)))
    assert again == settings
    figures = {}
    for drawing in part.figures(stored(findings), again):
        assert drawing.name not in figures
        figure = drawing.draw()
        assert isinstance(figure, Figure)
        figure.draw_without_rendering()
        figures[drawing.name] = drawing, figure
    return figures


def html_of(part, findings, settings, **provenance):
    """The report's page with this one part, from its stored findings, whose page in Hebrew says nothing in English."""
    with language.use("he"):
        begun = (
            language.gettext(part.TITLE) != part.TITLE
        )  # a part that nobody has translated yet is said elsewhere
        english = english_in(_html_of(part, findings, settings, **provenance)) if begun else []
    assert not english, english
    return _html_of(part, findings, settings, **provenance)


def _html_of(part, findings, settings, **provenance):
    usual = {
        "network": "",
        "weights": {"sha256": "0" * 64, "source": "made for a test"},
        "quick": False,
        "seed": 0,
        "started": "today",
        "seconds": 1.0,
        "devices": ["a processor"],
        "commit": "c",
        "versions": {},
    }
    kept = stored(findings)
    result = PartResult(
        part=part.ID,
        status="done",
        numbers=kept.numbers,
        figures=[
            FigureFile(
                f"figures/{part.ID}/{drawing.name}.svg",
                drawing.caption,
                drawing.alt,
                "0" * 64,
                drawing.finding,
                f"figures/{part.ID}/{drawing.name}.live.json" if drawing.live else "",
            )
            for drawing in part.figures(kept, settings)
        ],
        facts=kept.facts,
        settings=as_stored(asdict(settings)),
        provenance=usual | provenance,
    )
    published = {
        expected.number: expected.value for expected in part.EXPECTED if expected.kind.startswith("published")
    }
    assert page.misfit(result, published) == ""
    verdicts = grade_all({part.ID: part.EXPECTED}, {part.ID: result})
    section = page.Section(part.ID, part.TITLE, part.TRACK, result, verdicts, published)
    return page.render([section], page.About(), medium="export")


def text_of(html):
    """What a reader sees of a page, on one line: no tags, and every kind of space as one."""
    body = re.sub(r"<(head|style|script)\b.*?</\1>", "", html, flags=re.S)
    body = re.sub(
        r"</?(?:td|th|tr|p|div|li|br|dt|dd|h\d|section|figcaption|caption|summary)\b[^>]*>", " ", body
    )
    return " ".join(unescape(re.sub(r"<[^>]+>", "", body)).split())
