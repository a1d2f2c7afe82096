"""Stored results -> Jinja2 -> HTML -> WeasyPrint -> PDF. No numerics, no framework."""

from __future__ import annotations

import base64
import gc
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import unquote_to_bytes, urlparse

import jinja2
from markupsafe import Markup

from tfviz import language
from tfviz.errors import BadFileError, TfvizError
from tfviz.experiment.context import is_own
from tfviz.experiment.grading import KINDS, Verdict, by_kind, summary
from tfviz.experiment.store import FigureFile, PartResult
from tfviz.figures import live, mathematics, style
from tfviz.figures.direction import from_the_right
from tfviz.files.atomic import write_atomically, write_text
from tfviz.files.program import templates as templates
from tfviz.report import inline, paper, scores
from tfviz.report.answers import Answer
from tfviz.report.bibliography import REFERENCES
from tfviz.report.environment import environment
from tfviz.report.numbers import (
    breakable,
    exact,
    expected_value,
    isolated,
    like,
    long_date,
    network_in_text,
    significant,
    with_network_names,
)
from tfviz.report.personal import Personal

PANGO = "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
PRINTED = 0.85
"""Scale of figures in the PDF; their text stays above 7 pt (see tfviz.figures.style.SIZE)."""
Medium = Literal["screen", "print", "export"]
"""The one HTML file; the page that becomes the PDF; plain HTML of single parts, to be turned into something else."""


class PdfUnavailableError(TfvizError):
    """The HTML is there, but this machine cannot make the PDF."""


@dataclass(frozen=True)
class Section:
    """One part as the report shows it.

    Attributes:
        id: the part's.
        title: heading, in English.
        track: the piece of work it belongs to.
        result: what is stored; None where it was never run.
        verdicts: on its numbers.
        published: what was published of them, by number.
        answer: the author's own discussion; None: the built-in one.
        pending: why there is no result yet while a run goes on; "": it does not, or there is one.
    """

    id: str
    title: str
    track: str
    result: PartResult | None
    verdicts: Sequence[Verdict]
    published: Mapping[str, float] = field(default_factory=dict)
    answer: Answer | None = None
    pending: str = ""

    @property
    def status(self) -> str:
        """The stored status, "pending", or "not run"."""
        return "pending" if self.pending else self.result.status if self.result else "not run"

    @property
    def quick(self) -> bool:
        """Whether the stored result is that of a shorter run."""
        return bool(self.result and self.result.provenance.get("quick"))

    @property
    def reason(self) -> str:
        """Why there is nothing to show; "" where there is."""
        return self.pending or (
            self.result.reason if self.result else language.gettext("it was not asked for")
        )


@dataclass(frozen=True)
class About:
    """What a report says of itself.

    Attributes:
        commit: of the program.
        computed: when the last of its results was, ISO 8601; "": there is none.
        versions: of the libraries, by name.
        personal: whose report it is.
    """

    commit: str = ""
    computed: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    personal: Personal = field(default_factory=Personal)


def render(
    sections: Sequence[Section],
    about: About,
    *,
    folder: Path | None = None,
    medium: Medium = "screen",
) -> str:
    """The report's page, in the language in use, from stored results that fit their templates.

    Args:
        sections: the parts, in report order.
        about: what the report says of itself.
        folder: the output folder, in which the figures lie; None: no section has any.
        medium: "screen": one file with everything inside; "print": for `pdf`.
    """
    verdicts = [verdict for section in sections for verdict in section.verdicts]
    numbered: dict[tuple[str, str], int] = {}
    page = ""
    # The first time through finds the figures' numbers, which a text may name before the figure.
    for pages in (_environment(medium, folder, numbered), _environment(medium, folder, numbered)):
        if not page:
            pages.globals.update(dict.fromkeys(("math", "picture", "drawing"), _nothing))
        page = pages.get_template("base.html").render(
            sections=sections,
            verdicts=verdicts,
            summary=summary(verdicts),
            by_kind=by_kind(verdicts),
            kinds=KINDS,
            scores=scores.of(sections),
            standing_of=scores.standing,
            hero=_hero(sections, about.personal, pages) if folder or about.personal.hero else None,
            about=about,
            common=_common(sections),
            personal=about.personal,
            language=language.current(),
            css=_css(medium, about.personal.paper or "a4"),
            scripts=_scripts() if medium == "screen" else (),
            policy=_policy(),
        )
    return page


def _nothing(*_: object, **__: object) -> Markup:
    """In the place of what takes long to make and has no numbers."""
    return Markup("")


def _common(sections: Sequence[Section]) -> dict[str, Any]:
    """What the results have in common of where they come from, to be said once."""
    origins = [
        section.result.provenance for section in sections if section.result and section.status == "done"
    ]
    if len(origins) < 2:
        return {}
    first = origins[0]
    return {
        name: first[name]
        for name in ("devices", "versions", "commit")
        if all(origin.get(name) == first.get(name) for origin in origins) and name in first
    }


HERO = ("natural_prior", "hero")
"""The part and its figure that are the cover's picture, where the author has none."""


@dataclass(frozen=True)
class Hero:
    """The cover's picture.

    Attributes:
        pictures: elements: the author's one, or the first large and four beside it.
        figure: the figure that it is, for its caption; None: the author's.
    """

    pictures: Sequence[Markup]
    figure: FigureFile | None = None


def _hero(sections: Sequence[Section], personal: Personal, environment: jinja2.Environment) -> Hero | None:
    """The cover's picture: the author's, or this run's, or none."""
    shown: Mapping[str, Any] = environment.globals
    if personal.hero is not None:
        mine = personal.hero
        return Hero([shown["picture"](mine.png, mine.alt, mine.width, mine.height)])
    for section in sections:
        if section.id != HERO[0] or section.status != "done" or section.result is None:
            continue
        for file in section.result.figures:
            if file.name == HERO[1] and file.live:
                (row,) = shown["alive"](file)["rows"]
                pictures = [
                    shown["picture"](each["png"], each["alt"], each["width"], each["height"])
                    for each in row["pictures"]
                ]
                return Hero(pictures, file)
    return None


MISFITS = (
    BadFileError,
    OSError,
    jinja2.UndefinedError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    AttributeError,
)
"""What a template, or what it calls, raises on a stored result that it cannot show."""


def misfit(result: PartResult, published: Mapping[str, float], folder: Path | None = None) -> str:
    """Why the templates cannot show a stored result, "" if they can; one of another version may lack something.

    Args:
        result: that is done.
        published: what was published of its numbers.
        folder: the output folder, in which its figures are looked at, too; None: they are not.
    """
    section = Section(result.part, "", "", result, (), published)
    try:
        _part(section, _environment("export", None, {}))
        if folder is not None:
            environment = _environment("screen", folder, {})
            _part(section, environment)
            _hero([section], Personal(), environment)
            for file in result.figures:
                inline.check((folder / file.path).read_text(encoding="utf-8"))
    except MISFITS as error:
        return f"its stored result is not of this version of the program ({error}): run it again"
    return ""


def _part(section: Section, environment: jinja2.Environment) -> str:
    """A part's section without its heading."""
    template = environment.from_string(
        '{% from "macros.html" import settings_list, provenance %}{% include "parts/" ~ section.id ~ ".html" %}'
        "{{ settings_list(result) }}{{ provenance(result) }}"
    )
    return template.render(section=section, result=section.result, published=section.published)


def write_html(out: Path, page: str) -> Path:
    """Write report.html into the output folder."""
    path = out / "report.html"
    write_text(path, page)
    return path


def write_pdf(out: Path, made: bytes) -> Path:
    """Write report.pdf into the output folder."""
    path = out / "report.pdf"

    def write(temporary: Path) -> None:
        temporary.write_bytes(made)

    write_atomically(path, write)
    return path


def drawing_for_print(path: Path) -> bytes:
    """A figure as the PDF gets it.

    Raises:
        ValueError, OSError: it is no drawing of ours, or cannot be read.
    """
    return inline.svg_for_print(path.read_text(encoding="utf-8"))


def pdf(out: Path, page: str, ready: Mapping[Path, bytes] = MappingProxyType({})) -> bytes:
    """The page as PDF/UA-1; the same page gives the same bytes.

    Args:
        out: the output folder, in which the figures lie already.
        page: that `render` made for print.
        ready: what `drawing_for_print` made of figures, by their resolved paths; others are read.

    Raises:
        PdfUnavailableError: WeasyPrint or the Pango library is missing; the message has the install line.
        TfvizError: the page shows a file that is missing or outside its folder; no PDF is written then.
    """
    try:
        import weasyprint
        from weasyprint.urls import URLFetcher, URLFetcherResponse
    except (ImportError, OSError) as error:
        raise PdfUnavailableError(
            f"{out / 'report.html'} is written, the PDF is not: WeasyPrint needs the Pango library. "
            f"Install it and run again with --report-only: {PANGO}"
        ) from error
    # What it would log is collected below and by `without_glyph`.
    logging.getLogger("weasyprint").propagate = False
    folder = out.resolve()
    failures: list[str] = []

    class OnlyTheReport(URLFetcher):
        """Reads files of the output folder, and what lies inside them, and nothing else."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            try:
                if url.startswith("data:"):  # fonts, and pictures inside an SVG: long, and no path
                    return super().fetch(url, headers)
                parts = urlparse(url)
                path = Path(os.fsdecode(unquote_to_bytes(parts.path))).resolve()
                if parts.scheme != "file" or folder not in path.parents:
                    raise ValueError(f"it is not in {folder}")
                if path.suffix != ".svg":
                    return super().fetch(url, headers)
                drawing = ready[path] if path in ready else drawing_for_print(path)
                return URLFetcherResponse(url, drawing, {"Content-Type": "image/svg+xml"})
            except (ValueError, OSError) as error:
                # WeasyPrint would log it and leave the figure out.
                failures.append(f"{url} ({error})")
                raise

    with nothing_collected():
        html = weasyprint.HTML(
            string=_kept_together(page), base_url=f"{folder.as_uri()}/", url_fetcher=OnlyTheReport()
        )
        made: bytes = paper.laid_out(html).write_pdf(pdf_variant="pdf/ua-1")
    if failures:
        raise TfvizError(
            f"The report shows what cannot be read: {'; '.join(failures)}. Run again with --force."
        )
    return made


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Inside, Python looks for no cycles: among a figure's or a page's millions of objects a quarter of all time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def without_glyph() -> Iterator[set[str]]:
    """The characters that no font of this machine has, so that PDFs written meanwhile show boxes in their place."""
    characters: set[str] = set()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.args, tuple) and ".notdef" in record.msg:
                characters.add(str(record.args[0]))

    logger, heard = logging.getLogger("weasyprint"), Heard(logging.WARNING)
    logger.addHandler(heard)
    try:
        yield characters
    finally:
        logger.removeHandler(heard)


def foreign(page: str) -> str:
    """The characters of a page's text that the report's own fonts lack, each once, in order; joiners have no shape."""
    text = re.sub(r"<(style|script)\b.*?</\1>|<[^>]*>", " ", page, flags=re.S)
    return style.missing_glyphs(re.sub("[\u200b-\u200f\ufe00-\ufe0f]", "", unescape(text)))


def _kept_together(page: str) -> str:
    """The page with spaces at which no line ends: in products and intervals, before a mark and a sign.

    Numbers are no elements any more: WeasyPrint ends lines too early before one that does not fit.
    """
    page = page.replace(" × ", "\u00a0×\u00a0").replace("[0, 1]", "[0,\u00a01]").replace(" ✓", "\u00a0✓")
    page = re.sub(r"(?<=[\d>])[ \u00a0]%", "\u202f%", page)
    return re.sub('<span class="nw">([^<> ]+)</span>', r"\1", page)


def _cite(key: str) -> Markup:
    """A publication as a text names it, linked to its entry in the bibliography."""
    return Markup('<a class="cite" href="#ref-{}"><bdi dir="ltr">{}</bdi></a>').format(
        key, REFERENCES[key].short
    )


@cache
def _script(name: str) -> str:
    return (templates() / name).read_text(encoding="utf-8")


_EARLY = "document.documentElement.className='js';document.fonts.forEach(face=>face.load())"
"""Runs before anything is painted, so that nothing moves later: neither for the script nor for a font."""


def _scripts() -> tuple[str, ...]:
    """What the page runs, in order: its own and the vendored component."""
    (zoom,) = (templates() / "vendor").glob("medium-zoom*.js")
    return (_EARLY, zoom.read_text(encoding="utf-8").strip(), _script("script.js").strip())


def _policy() -> str:
    """The content-security policy of the one file: no request, and no script but its own."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in _scripts()
    )
    return f"default-src 'none';img-src data:;font-src data:;style-src 'unsafe-inline';script-src {hashes}"


@cache
def _css(medium: Medium, paper: str) -> str:
    """The page's style with the fonts inside."""
    text = "".join(_script(name) for name in ("report.css", "live.css"))
    text = re.sub(r"/\*.*?\*/|\n\s*", "", text, flags=re.S)
    colours = "".join(
        f":root{{{';'.join(f'{name}:{value}' for name, value in palette.items())}}}" + end
        for palette, end in (
            (style.PALETTE, "@media screen and (prefers-color-scheme:dark){"),
            (style.DARK, "}"),
        )
    )
    # A page of letter paper is 18 mm lower.
    size = "@page{size:letter;margin-block:10mm 12mm}" if paper == "letter" else "@page{size:A4}"
    return f"{style.font_faces()}{colours}{text}{size if medium == 'print' else ''}"


class _Compiled(jinja2.BytecodeCache):
    """Templates that were compiled once in this process: a run renders many pages."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        if (kept := self._kept.get(bucket.key)) is not None:
            bucket.bytecode_from_string(kept)

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


def _environment(
    medium: Medium, folder: Path | None, numbered: dict[tuple[str, str], int]
) -> jinja2.Environment:
    made = environment(bytecode_cache=_COMPILED)
    cited: set[str] = set()

    def cite(key: str) -> Markup:
        cited.add(key)  # the bibliography, at the end, has what was cited
        return _cite(key)

    made.filters.update(
        significant=significant,
        exact=exact,
        like=like,
        network=_in_language(network_in_text),
        num=_in_language(_num),
        networks=_in_language(with_network_names),
        isolated=_in_language(isolated),
        breakable=_in_language(breakable),
        date=_in_language(long_date),
        # Of a stored word; Jinja takes whatever goes through _ for markup.
        translated=_in_language(language.gettext),
        # WeasyPrint does not know dir="auto".
        direction=lambda text: "rtl" if from_the_right(text) else "ltr",
    )
    made.tests.update(own=is_own)
    made.globals.update(
        medium=medium,
        cite=cite,
        cited=cited,
        references=REFERENCES,
        expected_value=expected_value,
        **_media(medium, folder),
        **_numbering(numbered),
    )
    return made


def _in_language(answer: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose answer hangs on the language in use: Jinja must not give it once and for all when it compiles."""

    @jinja2.pass_context
    def asked(_context: Any, *arguments: Any) -> Any:
        return answer(*arguments)

    return asked


def _num(value: float, digits: int = 4) -> Markup:
    """A number as people write it, kept in one piece and left to right in any text."""
    return isolated(significant(value, digits))


def _media(medium: Medium, folder: Path | None) -> dict[str, Callable[..., Any]]:
    """How formulas, pictures and figures get into a page of that medium."""

    def math(latex: str, said: str = "", *, display: bool = False) -> Markup:
        if medium == "export":
            mathematics.check(latex, display=display)  # what no medium can show is found by `misfit`
            # Read back by the exports, which write dollars around it.
            return Markup('<code class="math {}">{}</code>').format("display" if display else "inline", latex)
        draw = mathematics.as_mathml if medium == "screen" else mathematics.as_image
        return Markup(draw(latex, display=display, **({"said": said} if said else {})))

    def picture(png: str | bytes, alt: str, width: int, height: int, pixelated: bool = False) -> Markup:
        """An <img> of a PNG, as bytes or in base 64, with everything inside."""
        data = base64.b64decode(png) if isinstance(png, str) else png
        return Markup('<img{} width="{}" height="{}" alt="{}" src="{}">').format(
            Markup(' class="px"') if pixelated else "",
            width,
            height,
            alt,
            inline.picture(data, "print" if medium == "print" else "screen"),
        )

    def drawing(file: FigureFile, identifier: str) -> Markup:
        """A figure's <svg>, with everything inside."""
        svg = (_inside(folder) / file.path).read_text(encoding="utf-8")
        return Markup(inline.svg_for_screen(svg, f"{identifier}-", file.alt))

    def printed_width(file: FigureFile) -> str:
        """How wide a drawing is printed, as CSS."""
        svg = (_inside(folder) / file.path).read_text(encoding="utf-8")
        found = re.search(r'<svg\b[^>]*\bwidth="([\d.]+)pt"', svg)
        return f"{PRINTED * float(found[1]):.1f}pt" if found else "100%"

    def alive(file: FigureFile) -> dict[str, Any]:
        """What a browser shows in a figure's place."""
        return live.load(_inside(folder) / file.live)

    def answer(words: Answer) -> Markup:
        return words.html(
            lambda latex, display: math(latex, display=display),
            lambda png: inline.picture(png, "print" if medium == "print" else "screen"),
        )

    return {
        "math": math,
        "picture": picture,
        "drawing": drawing,
        "printed_width": printed_width,
        "alive": alive,
        "answer_html": answer,
    }


def _inside(folder: Path | None) -> Path:
    if folder is None:
        raise ValueError("a page with figures needs the folder in which they lie")
    return folder


def _numbering(numbered: dict[tuple[str, str], int]) -> dict[str, Callable[..., Any]]:
    """Figures and tables count separately through the whole report."""
    counts: dict[str, int] = {}

    def number_of(kind: str, name: str) -> int:
        """The next number of "figure" or "table", kept under a name for texts that refer to it."""
        counts[kind] = counts.get(kind, 0) + 1
        numbered[kind, name] = counts[kind]
        return counts[kind]

    def reference(kind: str, name: str) -> int:
        """The number that a figure or table has anywhere in the report; 0 the first time through."""
        return numbered.get((kind, name), 0)

    return {"number_of": number_of, "reference": reference}
