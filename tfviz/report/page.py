"""Stored results -> Jinja2 -> HTML -> WeasyPrint -> PDF. No numerics, no framework."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import jinja2
from markupsafe import Markup

from tfviz.errors import TfvizError
from tfviz.experiment.grading import KINDS, Verdict, by_kind, summary
from tfviz.experiment.store import PartResult
from tfviz.figures import mathematics
from tfviz.files.atomic import write_atomically, write_text
from tfviz.files.program import templates
from tfviz.report.bibliography import REFERENCES
from tfviz.report.numbers import expected_value, like, network_name, significant

PANGO = "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


class PdfUnavailableError(TfvizError):
    """The HTML is there, but this machine cannot make the PDF."""


@dataclass(frozen=True)
class Section:
    """One part as the report shows it.

    Attributes:
        id: the part's.
        title: heading.
        track: the piece of work it belongs to.
        result: what is stored; None where it was never run.
        verdicts: on its numbers.
        published: what was published of them, by number.
    """

    id: str
    title: str
    track: str
    result: PartResult | None
    verdicts: Sequence[Verdict]
    published: Mapping[str, float] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """The stored status, or "not run"."""
        return self.result.status if self.result else "not run"

    @property
    def quick(self) -> bool:
        """Whether the stored result is that of a shorter run."""
        return bool(self.result and self.result.provenance.get("quick"))

    @property
    def reason(self) -> str:
        """Why there is nothing to show; "" where there is."""
        return self.result.reason if self.result else "it was not asked for"


def render(sections: Sequence[Section], about: Mapping[str, Any], *, mathml: bool = True) -> str:
    """The report's page from stored results that fit their templates.

    Args:
        sections: the parts, in report order.
        about: facts about the program: "commit", "created", "versions".
        mathml: formulas as MathML, for browsers; else as drawings, for the PDF.
    """
    environment = _environment(mathml=mathml)
    verdicts = [verdict for section in sections for verdict in section.verdicts]
    css = (templates() / "report.css").read_text(encoding="utf-8")
    return environment.get_template("base.html").render(
        sections=sections,
        verdicts=verdicts,
        summary=summary(verdicts),
        by_kind=by_kind(verdicts),
        kinds=KINDS,
        about=about,
        css=css,
    )


def misfit(result: PartResult, published: Mapping[str, float]) -> str:
    """Why the templates cannot show a stored result, "" if they can; one of another version may lack something."""
    environment = _environment(mathml=True)
    template = environment.from_string(
        '{% from "macros.html" import settings_list, provenance %}{% include "parts/" ~ result.part ~ ".html" %}'
        "{{ settings_list(result) }}{{ provenance(result) }}"
    )
    try:
        template.render(result=result, published=published)
    except (
        jinja2.UndefinedError,
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        AttributeError,
    ) as error:
        return f"its stored result is not of this version of the program ({error}): run it again"
    return ""


def write_html(out: Path, page: str) -> Path:
    """Write report.html into the output folder, in which the figures lie already."""
    path = out / "report.html"
    write_text(path, page)
    return path


def write_pdf(out: Path, page: str) -> Path:
    """Write report.pdf into the output folder, in which the figures lie already.

    Raises:
        PdfUnavailableError: WeasyPrint or the Pango library is missing; the message has the install line.
        TfvizError: the page shows a file that is missing or outside its folder; no PDF is written then.
    """
    try:
        import weasyprint
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:
        raise PdfUnavailableError(
            f"{out / 'report.html'} is written, the PDF is not: WeasyPrint needs the Pango library. "
            f"Install it and run again with --report-only: {PANGO}"
        ) from error
    # What it would log is collected below, and raised.
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    folder = out.resolve()
    failures: list[str] = []

    class OnlyTheReport(URLFetcher):
        """Reads files of the output folder, and what lies inside them, and nothing else."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            parts = urlparse(url)
            inside = parts.scheme == "file" and folder in Path(unquote(parts.path)).resolve().parents
            try:
                if not inside and parts.scheme != "data":  # an SVG holds its pictures as data
                    raise ValueError(f"it is not in {folder}")
                return super().fetch(url, headers)
            except (ValueError, OSError) as error:
                # WeasyPrint would log it and leave the figure out.
                failures.append(f"{url} ({error})")
                raise

    document = weasyprint.HTML(string=page, base_url=f"{folder.as_uri()}/", url_fetcher=OnlyTheReport())
    path = out / "report.pdf"

    def write(temporary: Path) -> None:
        document.write_pdf(temporary, pdf_tags=True, optimize_images=True)
        if failures:
            raise TfvizError(
                f"The report shows what cannot be read: {'; '.join(failures)}. Run again with --force."
            )

    write_atomically(path, write)
    return path


def _cite(key: str) -> Markup:
    """A publication as a text names it, linked to its entry in the bibliography."""
    return Markup('<a class="cite" href="#ref-{}">{}</a>').format(key, REFERENCES[key].short)


def _environment(*, mathml: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(significant=significant, like=like, network=network_name)
    as_element = mathematics.as_mathml if mathml else mathematics.as_image
    environment.globals["math"] = lambda latex, display=False: Markup(as_element(latex, display=display))
    environment.globals["cite"] = _cite
    environment.globals["references"] = REFERENCES
    environment.globals["expected_value"] = expected_value
    return environment
