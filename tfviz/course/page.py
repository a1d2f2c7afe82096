"""grades.html: one page for the assistant. No script, no request, nothing of a submission but escaped words.

Pictures are the grader's own thumbnails, encoded once more. Filters work by radio buttons and CSS.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfviz.course.rows import MEASURED, Graded, Picture, Row
from tfviz.course.rubric import Rubric
from tfviz.course.sheets import points_by_part
from tfviz.course.twins import Twins
from tfviz.figures import style
from tfviz.files.atomic import write_text
from tfviz.files.reading import whole_pictures
from tfviz.parts import PARTS
from tfviz.report.environment import environment
from tfviz.report.numbers import network_name, sign

POLICY = "default-src 'none';img-src data:;style-src 'unsafe-inline';base-uri 'none';form-action 'none'"
"""The page's content-security policy."""

_PICTURES = 8  # of a submission; a hundred submissions shall make a page that opens at once
_ROWS = 60  # lines of a submission; every number is in grades.csv
_SIDE = 96  # pixels
_TITLES = {part.ID: part.TITLE for part in PARTS}


@dataclass(frozen=True)
class _Shown:
    """A submission as the page shows it.

    Attributes:
        graded: it.
        counts: of each verdict and status.
        wrong: rows that are not borne out, those that the hand-in kept from being measured, and those not as expected;
            those of one part for one reason together.
        more: how many of these have no line.
        parts: each part's title, points, points that could be had, counts of verdicts, and reasons with their counts.
        pictures: title and data address.
        certain: whether it is somebody's twin for certain.
        late: whether it is.
    """

    graded: Graded
    counts: Counter[str]
    wrong: Sequence[Sequence[Row]]
    more: int
    parts: Sequence[dict[str, Any]]
    pictures: Sequence[tuple[str, str]]
    certain: bool
    late: bool


def write(graded: Sequence[Graded], rubric: Rubric, twins: Sequence[Twins], out: Path) -> Path:
    """Write grades.html; returns its path."""
    path = out / "grades.html"
    write_text(path, render(graded, rubric, twins))
    return path


def render(graded: Sequence[Graded], rubric: Rubric, twins: Sequence[Twins]) -> str:
    """The page."""
    certain = {name for each in twins if each.certain for name in each.submissions}
    pages = environment(trim_blocks=True)
    pages.filters |= {"number": number, "points": points, "title": _title}
    return pages.get_template("grades.html").render(
        submissions=[_shown(each, rubric, each.submission in certain) for each in graded],
        places={each.submission: place for place, each in enumerate(graded, 1)},
        twins=twins,
        out_of=rubric.out_of,
        verdicts=MEASURED,
        policy=POLICY,
        network=network_name,
        sign=sign,
        colours=[
            ";".join(f"{name}:{value}" for name, value in palette.items())
            for palette in (style.PALETTE, style.DARK)
        ],
    )


def number(value: float | None) -> str:
    """A number as the page shows it, to six digits; "–": there is none. grades.csv has them to the last digit."""
    return "–" if value is None else f"{value:.6g}".replace("-", "−")


def points(value: float) -> str:
    """Points as the page shows them, to hundredths."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _title(part: str) -> str:
    return _TITLES.get(part, part)


def _shown(graded: Graded, rubric: Rubric, certain: bool) -> _Shown:
    wrong = [row for row in graded.rows if row.verdict == "not borne out"]
    wrong += [row for row in graded.rows if row.verdict != "not borne out" and row.theirs]
    wrong += [row for row in graded.rows if row.status == "fail" and row not in wrong]
    alike: dict[tuple[str, str, str], list[Row]] = {}
    for row in wrong:
        alike.setdefault((row.part, row.verdict, row.reason), []).append(row)
    lines = list(alike.values())
    return _Shown(
        graded,
        Counter(row.verdict for row in graded.rows)
        + Counter(row.status for row in graded.rows if row.status),
        lines[:_ROWS],
        sum(len(line) for line in lines[_ROWS:]),
        list(_parts(graded, rubric)),
        list(_pictures(graded)),
        certain,
        bool(rubric.lateness(graded)),
    )


def _parts(graded: Graded, rubric: Rubric) -> Iterator[dict[str, Any]]:
    given = points_by_part(graded)
    for part in dict.fromkeys((*rubric.parts, *given)):
        rows = [row for row in graded.rows if row.part == part]
        if rows or not graded.refused:
            yield {
                "id": part,
                "points": given.get(part, 0.0),
                "of": rubric.parts[part].points if part in rubric.parts else 0.0,
                "verdicts": Counter(row.verdict for row in rows),
                "reasons": Counter(
                    row.reason for row in rows if row.verdict == "cannot be measured"
                ).most_common(4),
            }


def _pictures(graded: Graded) -> Iterator[tuple[str, str]]:
    """Thumbnails, those of parts that are not borne out first, and one of each part before a second."""
    doubtful = {row.part for row in graded.rows if row.verdict == "not borne out"}
    of_part: Counter[str] = Counter()
    ranked: list[tuple[tuple[bool, int, int], Picture]] = []
    for place, each in enumerate(graded.pictures):
        ranked.append(((each.part not in doubtful, of_part[each.part], place), each))
        of_part[each.part] += 1
    for _, each in sorted(ranked, key=lambda item: (item[0][1], item[0][0], item[0][2]))[:_PICTURES]:
        address = _address(each.png)
        if address:
            yield f"{_title(each.part)}: {each.name}", address


def _address(png: bytes) -> str:
    """A thumbnail as a data address, decoded and encoded anew; "": it is none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with whole_pictures(), Image.open(io.BytesIO(png), formats=("PNG",)) as image:
            if max(image.size) > _SIDE:
                return ""
            written = io.BytesIO()
            image.convert("RGB").save(written, "WEBP", quality=80, method=4)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return ""
    return f"data:image/webp;base64,{base64.b64encode(written.getvalue()).decode('ascii')}"
