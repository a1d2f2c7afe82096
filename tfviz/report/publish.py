"""From what is stored to what is handed on: figures, grades.json, manifest.json, report.html, report.pdf."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfviz import backend
from tfviz.backend import machine
from tfviz.errors import BadFileError
from tfviz.experiment import fingerprint, grading
from tfviz.experiment.grading import Verdict
from tfviz.experiment.part import Part, settings_from
from tfviz.experiment.store import PartResult, Store
from tfviz.files.atomic import write_json
from tfviz.files.program import commit
from tfviz.report import page

Say = Callable[[str], None]


@dataclass(frozen=True)
class Published:
    """What was written.

    Attributes:
        results: by part, as the report shows them.
        verdicts: on every expected value.
        files: the pages.
        no_pdf: why the PDF could not be made; "" if it was.
    """

    results: Mapping[str, PartResult]
    verdicts: Sequence[Verdict]
    files: Sequence[Path]
    no_pdf: str


def publish(out: Path, parts: Sequence[Part], say: Say, *, redraw: bool = False) -> Published:
    """Draw, grade and render what is stored.

    Args:
        out: the output folder.
        parts: in report order.
        say: called with one line per figure that could not be drawn.
        redraw: whether also figures are drawn again that would come out the same.

    Returns:
        What was written; without results nothing is.
    """
    store = Store(out)
    results = store.load_all([part.ID for part in parts])
    if not results:
        return Published({}, (), (), "")
    for part in parts:
        if (result := results.get(part.ID)) and result.status == "done":
            results[part.ID] = _shown(part, draw(store, part, result, say, redraw=redraw))
    verdicts = grading.grade_all({part.ID: part.EXPECTED for part in parts}, results)
    write_json(out / "grades.json", grading.as_json(verdicts))
    store.write_manifest(results, [part.ID for part in parts])
    sections = [
        page.Section(
            part.ID,
            part.TITLE,
            part.TRACK,
            results.get(part.ID),
            [verdict for verdict in verdicts if verdict.part == part.ID],
            _published(part),
        )
        for part in parts
    ]
    about = {"commit": commit(), "created": machine.now(), "versions": backend.versions()}
    files = [page.write_html(out, page.render(sections, about))]
    try:
        files.append(page.write_pdf(out, page.render(sections, about, mathml=False)))
    except page.PdfUnavailableError as error:
        return Published(results, verdicts, files, str(error))
    return Published(results, verdicts, files, "")


def draw(store: Store, part: Part, result: PartResult, say: Say, *, redraw: bool = False) -> PartResult:
    """Draw a part's figures from what is stored of it, unless they are there as they would be drawn.

    A figure that cannot be drawn costs that figure: the result says why, and keeps its numbers.

    Args:
        store: the output folder.
        part: that has the figures.
        result: its stored result, done.
        say: called with one line per figure that could not be drawn.
        redraw: whether to draw in any case.

    Returns:
        The result with its figures, which is also stored; "not run" where what is stored is not what was computed.
    """
    key = fingerprint.of_figures(part, result)
    if not redraw and result.drawn == key and not result.not_drawn and store.figures_are_whole(result):
        return result
    try:
        findings, settings = store.findings(result), settings_from(part, result.settings)
    except BadFileError as error:
        return PartResult(part.ID, "not run", reason=str(error))

    def write(folder: Path) -> tuple[list[tuple[Path, str, str]], dict[str, str]]:
        from tfviz import figures

        written: list[tuple[Path, str, str]] = []
        not_drawn: dict[str, str] = {}

        def failed(name: str, error: Exception) -> None:
            not_drawn[name] = f"{type(error).__name__}: {error}"
            what = f"figure {name}" if name else "its figures"
            say(f"{part.ID}: {what} could not be drawn: {not_drawn[name]}")

        try:
            drawings = part.figures(findings, settings)
        except Exception as error:
            failed("", error)
            return written, not_drawn
        for drawing in drawings:
            try:
                path = figures.save(drawing.draw(), folder / drawing.name)
            except Exception as error:
                failed(drawing.name, error)
            else:
                written.append((path, drawing.caption, drawing.alt))
        return written, not_drawn

    return store.save_figures(result, key, write)


def _published(part: Part) -> dict[str, float]:
    """What was published of a part's numbers."""
    return {
        expected.number: expected.value for expected in part.EXPECTED if expected.kind.startswith("published")
    }


def _shown(part: Part, result: PartResult) -> PartResult:
    """The result, or why the page cannot show it."""
    if result.status == "done" and (reason := page.misfit(result, _published(part))):
        return replace(PartResult(result.part, "not run"), reason=reason)
    return result
