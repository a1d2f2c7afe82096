"""From what is stored to what is handed on: figures, grades, manifest.json, report.html, report.pdf."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from tfviz import backend, language
from tfviz.errors import BadFileError, TfvizError
from tfviz.experiment import fingerprint, grading
from tfviz.experiment.context import is_own
from tfviz.experiment.grading import Verdict
from tfviz.experiment.part import Drawing, Part, settings_from
from tfviz.experiment.store import PartResult, Store, Written
from tfviz.files.atomic import write_json, write_text
from tfviz.files.program import commit
from tfviz.report import answers as students
from tfviz.report import current, page, printing
from tfviz.report.personal import Personal

Say = Callable[[str], None]


@dataclass(frozen=True)
class Published:
    """What was written.

    Attributes:
        results: by part, as the report shows them.
        verdicts: on every expected value of the parts that the report has.
        files: the pages.
        no_pdf: why the PDF could not be made; "" if it was, or was not asked for.
        notes: what a reader of the terminal should know, one line each.
    """

    results: Mapping[str, PartResult]
    verdicts: Sequence[Verdict]
    files: Sequence[Path] = ()
    no_pdf: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


def publish(
    out: Path,
    parts: Sequence[Part],
    say: Say,
    *,
    redraw: bool = False,
    asked_for: Sequence[str] | None = None,
    personal: Personal | None = None,
    answers: Path | None = None,
    pending: Mapping[str, str] | None = None,
    pdf: bool = True,
    exports: Sequence[str] = (),
) -> Published:
    """Draw, grade and render what is stored, unless all of it is there as it would be (see `tfviz.report.current`).

    Args:
        out: the output folder.
        parts: all there are, in report order.
        say: called with one line per figure that could not be drawn, or that all is kept.
        redraw: whether to draw and render also what would come out the same.
        asked_for: ids of the parts that the report has in any case, beside those that are stored; None: all.
        personal: whose report it is, and in which language.
        answers: folder with the author's own words, one file a part.
        pending: why a part that will be computed in this run is not there yet, by id.
        pdf: whether to make the PDF, too.
        exports: what else, of `tfviz.report.EXPORTS`.

    Returns:
        What was written; where there is nothing stored and nothing pending, nothing is.
    """
    personal, pending = personal or Personal(), pending or {}
    store = Store(out)
    results = store.load_all([part.ID for part in parts])
    for waiting in pending:
        results.pop(waiting, None)  # what an earlier run left of it is about to be replaced
    if not results and not pending:
        return Published({}, ())
    with language.use(personal.language or language.SOURCE), page.nothing_collected():
        words = students.read(answers, [part.ID for part in parts])
        shown = [part for part in parts if asked_for is None or part.ID in {*asked_for, *results, *pending}]
        expected = {part.ID: part.EXPECTED for part in shown}
        depends = None
        if pdf and not pending and not exports and not any(each.problem for each in words.by_part.values()):
            depends = {
                "program": current.program(parts, page.templates()),
                "shown": [part.ID for part in shown],
                "personal": repr(personal),
                "answers": repr(words),
            }
            if not redraw and (said := current.stands(out, current.key(store, results, depends))) is not None:
                say("Nothing has changed that the report depends on: it is kept as it is")
                files = [out / "report.html", out / "report.pdf"]
                return Published(results, grading.grade_all(expected, results), files, notes=said)
        if pdf and printing.at_once():
            printing.ready()
        statuses = {part: result.status for part, result in results.items()}
        results.update(_all_drawn(store, parts, results, say, redraw))
        about = page.About(commit(), _computed(results.values()), backend.versions(), personal)

        def rendered() -> _Rendered:
            sections = _sections(shown, results, grading.grade_all(expected, results), words, pending)
            return _rendered(out, sections, about, pdf=pdf, exported=bool(exports))

        try:
            made = rendered()
        except (*page.MISFITS, TfvizError):
            # Each part by itself takes as long as the whole page; where one cannot be shown, the others still are.
            fitting = {part.ID: _shown(part, results[part.ID], out) for part in parts if part.ID in results}
            if fitting == results:
                raise
            results.update(fitting)
            made = rendered()
        verdicts = grading.grade_all(expected, results)
        with language.use(language.SOURCE):  # for programs
            ended = {part: values for part, values in expected.items() if part not in pending}
            graded = grading.grade_all(ended, results)
        write_json(out / "grades.json", grading.as_json(graded))
        write_text(out / "grades.csv", grading.as_csv(graded))
        store.write_manifest(results, [part.ID for part in parts])
        # HTML and PDF belong together: neither is written if one cannot be, and a PDF of another rendering goes.
        files, no_pdf, pdf_path = [], made.no_pdf, out / "report.pdf"
        if made.pdf is not None:
            files.append(page.write_pdf(out, made.pdf))
        elif pdf_path.exists():
            pdf_path.unlink()
            no_pdf = no_pdf and f"{no_pdf} ({pdf_path}, of an earlier rendering, is removed.)"
        try:
            files.insert(0, page.write_html(out, made.html))
        except OSError:
            pdf_path.unlink(missing_ok=True)
            raise
        if exports:
            from tfviz.report import export

            files[1:1] = export.write(exports, out, made.export, results, _pixels(store, parts, results))
        foreign = page.foreign(made.html)
        complete = (
            depends is not None
            and not no_pdf
            and not foreign
            and statuses == {part: result.status for part, result in results.items()}
        )
        current.keep(out, current.key(store, results, depends or {}) if complete else None, words.notes)
    return Published(results, verdicts, files, no_pdf, [*words.notes, *_letters(foreign, made.blank)])


@dataclass(frozen=True)
class _Rendered:
    """The pages, none of which is written yet.

    Attributes:
        html: for browsers.
        pdf: None: it could not be made, or was not asked for.
        no_pdf: why it could not be made.
        blank: characters that no font has.
        export: plain HTML; "" if it was not asked for.
    """

    html: str
    pdf: bytes | None
    no_pdf: str
    blank: set[str]
    export: str


def _rendered(
    out: Path, sections: Sequence[page.Section], about: page.About, *, pdf: bool, exported: bool
) -> _Rendered:
    """The pages that were asked for, those for paper and for browsers side by side where two cores are there."""
    made, no_pdf, blank = None, "", set[str]()
    drawings = [
        file.path
        for section in sections
        if section.status == "done" and section.result is not None
        for file in section.result.figures
    ]
    with printing.begun(out, drawings) if pdf and printing.at_once() else nullcontext() as printer:
        paper = page.render(sections, about, folder=out, medium="print") if pdf else ""
        if printer is not None:
            printer.print(paper)
        html = page.render(sections, about, folder=out)
        export = page.render(sections, about, folder=out, medium="export") if exported else ""
        if pdf:
            try:
                if printer is not None:
                    made, blank = printer.made()
                else:
                    with page.without_glyph() as blank:
                        made = page.pdf(out, paper)
            except page.PdfUnavailableError as error:
                no_pdf = str(error)
    return _Rendered(html, made, no_pdf, blank, export)


def _sections(
    shown: Sequence[Part],
    results: Mapping[str, PartResult],
    verdicts: Sequence[Verdict],
    words: students.Answers,
    pending: Mapping[str, str],
) -> list[page.Section]:
    return [
        page.Section(
            part.ID,
            _title(part, results),
            part.TRACK,
            results.get(part.ID),
            [verdict for verdict in verdicts if verdict.part == part.ID],
            _published(part),
            words.by_part.get(part.ID),
            pending.get(part.ID, ""),
        )
        for part in shown
    ]


def draw(
    store: Store, part: Part, result: PartResult, say: Say, *, redraw: bool = False, now: str = ""
) -> PartResult:
    """Draw a part's figures from what is stored of it, unless they are there as they would be drawn.

    A figure that cannot be drawn costs that figure: the result says why, and keeps its numbers.

    Args:
        store: the output folder.
        part: that has the figures.
        result: its stored result, done.
        say: called with one line per figure that could not be drawn.
        redraw: whether to draw in any case.
        now: what decides how they would be drawn; "": it is looked up.

    Returns:
        The result with its figures, which is also stored; "not run" where what is stored is not what was computed.
    """
    altered = store.altered_figures(result)
    try:
        settings = settings_from(part, result.settings)
        findings = store.findings(result)
        now = now or fingerprint.of_figures(part, result)
        if not redraw and _as_drawn(store, result, now):
            return result
    except BadFileError as error:
        return PartResult(part.ID, "not run", reason=str(error))
    if altered:
        say(f"{part.ID}: {'; '.join(altered)}: drawn again")

    def write(folder: Path) -> tuple[list[Written], dict[str, str]]:
        written: list[Written] = []
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
                written.append(_written(drawing, folder))
            except Exception as error:
                failed(drawing.name, error)
        return written, not_drawn

    with page.nothing_collected():
        return store.save_figures(result, now, write)


def _as_drawn(store: Store, result: PartResult, now: str) -> bool:
    """Whether a part's figures are there, as they would be drawn now."""
    return result.drawn == now and not result.not_drawn and not store.altered_figures(result)


def _all_drawn(
    store: Store, parts: Sequence[Part], results: Mapping[str, PartResult], say: Say, redraw: bool
) -> dict[str, PartResult]:
    """The results that are done, with their figures; those of several parts are drawn side by side.

    Raises:
        TfvizError: a process that drew ended.
    """
    done = [part for part in parts if part.ID in results and results[part.ID].status == "done"]
    now = {part.ID: fingerprint.of_figures(part, results[part.ID]) for part in done}

    def here(part: Part) -> PartResult:
        return draw(store, part, results[part.ID], say, redraw=redraw, now=now[part.ID])

    apart = {
        part.ID: part.__name__
        for part in done
        if isinstance(part, ModuleType) and (redraw or not _as_drawn(store, results[part.ID], now[part.ID]))
    }
    if len(apart) < 2 or not printing.at_once():
        return {part.ID: here(part) for part in done}
    code, drawn = language.current().code, dict[str, PartResult]()
    with printing.processes(len(apart)) as pool:
        asked = {
            part: pool.submit(_draw_apart, store.out, module, results[part], code, redraw, now[part])
            for part, module in apart.items()
        }
        for part in done:
            if part.ID in asked:
                try:
                    drawn[part.ID], said = asked[part.ID].result()
                except BrokenExecutor as error:
                    raise TfvizError(
                        f"A process that drew figures ended ({error}): run again with --report-only."
                    ) from error
                for line in said:
                    say(line)
            else:
                drawn[part.ID] = here(part)
    return drawn


def _draw_apart(
    out: Path, module: str, result: PartResult, code: str, redraw: bool, now: str
) -> tuple[PartResult, list[str]]:
    """In another process: `draw`, and what it says."""
    part: Any = import_module(module)
    said: list[str] = []
    with language.use(code):
        return draw(Store(out), part, result, said.append, redraw=redraw, now=now), said


def _written(drawing: Drawing, folder: Path) -> Written:
    """A drawing as files in a folder."""
    from tfviz import figures
    from tfviz.figures import live

    path = figures.save(drawing.draw(), folder / drawing.name)
    shown = live.save(drawing.live(), folder / drawing.name) if drawing.live else None
    return Written(path, drawing.caption, drawing.alt, drawing.finding, shown)


def _pixels(store: Store, parts: Sequence[Part], results: Mapping[str, PartResult]) -> Callable[[str], bytes]:
    """Draws a stored figure, named by its path, as a PNG file."""
    from tfviz import figures

    by_id = {part.ID: part for part in parts}

    @cache
    def drawings(part: str) -> dict[str, Drawing]:
        result = results[part]
        settings = settings_from(by_id[part], result.settings)
        return {drawing.name: drawing for drawing in by_id[part].figures(store.findings(result), settings)}

    def pixels(path: str) -> bytes:
        _figures, part, file = PurePosixPath(path).parts
        return figures.as_png(drawings(part)[PurePosixPath(file).stem].draw())

    return pixels


def _letters(foreign: str, blank: set[str]) -> list[str]:
    """A line on the characters that the report's own fonts lack, where there are any."""
    if not foreign:
        return []
    line = f"The report's fonts do not have {foreign}: report.html shows it in a font of whoever reads it"
    if not blank:
        return [f"{line}, report.pdf in one of this machine."]
    return [
        f"{line}; report.pdf cannot show {''.join(sorted(blank))}, which no font of this machine has: install one "
        "(on Debian fonts-noto-cjk, fonts-noto-core or fonts-noto-color-emoji) and run again with --report-only."
    ]


def _computed(results: Iterable[PartResult]) -> str:
    """When the last of the results was computed: the date of the report, which rendering again does not change."""
    return max((result.provenance.get("started", "") for result in results), default="")


def _published(part: Part) -> dict[str, float]:
    """What was published of a part's numbers."""
    return {
        expected.number: expected.value for expected in part.EXPECTED if expected.kind.startswith("published")
    }


def _title(part: Part, results: Mapping[str, PartResult]) -> str:
    """The part's heading; over a network of the user's one that names no other's classes.

    A part without numbers has no network: there the others' counts.
    """
    result = results.get(part.ID)
    looked_at = [result] if result is not None and result.status == "done" else results.values()
    if any(is_own(each.provenance.get("network")) for each in looked_at):
        return str(getattr(part, "TITLE_ON_ANY", part.TITLE))
    return part.TITLE


def _shown(part: Part, result: PartResult, out: Path) -> PartResult:
    """The result, or why the page cannot show it."""
    if result.status == "done" and (reason := page.misfit(result, _published(part), out)):
        return replace(PartResult(result.part, "not run"), reason=reason)
    return result
