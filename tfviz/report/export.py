"""The report as Markdown with pictures, and as a notebook that recomputes: for those who hand in otherwise.

Both are made of the page's own HTML (`tfviz.report.page.render`, medium "export"), so that they say the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter

from tfviz.experiment.store import PartResult
from tfviz.files.atomic import write_json, write_text

KINDS = ("markdown", "notebook")
"""What the report can be exported to."""
PICTURES = "report_pictures"
"""Folder beside report.md, for pictures that are not figures: the author's."""
_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/svg+xml": ".svg"}


def markdown(out: Path, html: str) -> Path:
    """Write report.md beside the figures that it shows.

    Args:
        out: the output folder.
        html: the report's page, of medium "export".
    """
    folder = out / PICTURES

    def place(data: bytes, kind: str) -> str:
        folder.mkdir(exist_ok=True)
        name = hashlib.sha256(data).hexdigest()[:16] + _SUFFIXES[kind]
        (folder / name).write_bytes(data)
        return f"{PICTURES}/{name}"

    main = _main(html)
    for image in main.find_all("img"):
        if found := _data(image["src"]):
            image["src"] = place(*found)
    path = out / "report.md"
    write_text(path, _converted(main))
    return path


def notebook(out: Path, html: str, results: Mapping[str, PartResult]) -> Path:
    """Write report.ipynb, with its pictures inside: text as in the report, and one cell a part that recomputes it.

    Args:
        out: the output folder.
        html: the report's page, of medium "export".
        results: by part; those that are done get their cell.
    """
    cells = [_text(out, _main(html).find("header")), _code(_SETUP)]
    for section in _main(html).find_all("section", recursive=False):
        cells.append(_text(out, section))
        result = results.get(section["id"])
        if result and result.status == "done":
            numbers = {name: number.value for name, number in result.numbers.items()}
            source = f"compare({result.part!r}, {json.dumps(numbers, indent=1)})"
            cells.append(_code(source, _table(numbers)))
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"
    path = out / "report.ipynb"
    write_json(
        path,
        {
            "cells": cells,
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        },
    )
    return path


_SETUP = '''\
# Each cell below shows its part's numbers as in the report. To measure them again on this machine, name the parts
# here (or "ALL" in their place) and run the cells, where the program is installed: in its folder, `pip install .`.
RECOMPUTE = ["conv1_units"]

import json, subprocess, sys, tempfile
from pathlib import Path

out = Path(tempfile.mkdtemp())

def compare(part, reported):
    """The report's numbers, and beside them, where the part is recomputed, those of this machine."""
    measured = {}
    if RECOMPUTE == "ALL" or part in RECOMPUTE:
        command = [sys.executable, "-m", "tfviz", "--only", part, "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 3):  # 3: all but the PDF
            raise RuntimeError(done.stdout + done.stderr)
        stored = json.loads((out / "results" / f"{part}.json").read_text())
        if stored["status"] != "done":
            raise RuntimeError(stored["reason"])
        measured = {name: number["value"] for name, number in stored["numbers"].items()}
    width = max(map(len, reported))
    for name, value in reported.items():
        again = f"{measured[name]:>14.6g}" if name in measured else ""
        print(f"{name:<{width}} {value:>14.6g} {again}".rstrip())'''


def _table(numbers: Mapping[str, float]) -> str:
    """What the cell prints without recomputing."""
    width = max(map(len, numbers))
    return "".join(f"{name:<{width}} {value:>14.6g}\n" for name, value in numbers.items())


def _code(source: str, output: str = "") -> dict[str, Any]:
    outputs = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": outputs,
        "source": source,
    }


def _text(out: Path, element: Tag) -> dict[str, Any]:
    """A cell of Markdown whose pictures are attached to it."""
    attachments: dict[str, dict[str, str]] = {}
    for image in element.find_all("img"):
        data, kind = _data(image["src"]) or ((out / image["src"]).read_bytes(), "image/svg+xml")
        name = hashlib.sha256(data).hexdigest()[:16] + _SUFFIXES[kind]
        attachments[name] = {kind: base64.b64encode(data).decode()}
        image["src"] = f"attachment:{name}"
    cell: dict[str, Any] = {"cell_type": "markdown", "metadata": {}, "source": _converted(element)}
    return cell | ({"attachments": attachments} if attachments else {})


def _main(html: str) -> Tag:
    """The page's content, without what only a screen has."""
    main = BeautifulSoup(html, "html.parser").find("main")
    if not isinstance(main, Tag):
        raise ValueError("the page has no <main>")
    return main


def _data(source: str) -> tuple[bytes, str] | None:
    """The bytes and media type of a data URI; None of another address."""
    found = re.fullmatch(r"data:([\w/+.-]+);base64,(.*)", source, flags=re.S)
    return (base64.b64decode(found[2]), found[1]) if found else None


_Base: Any = MarkdownConverter  # its methods are not known to type checkers


class _Converter(_Base):
    """What the page has beyond plain HTML: formulas, notes, anchors, numbers in one piece."""

    def convert_code(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        classes = element.get("class") or []
        if "math" not in classes:
            return str(super().convert_code(element, text, parent_tags))
        latex = element.get_text()
        return f"\n\n$$\n{latex}\n$$\n\n" if "display" in classes else f"${latex}$"

    def convert_aside(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        return str(self.convert_blockquote(element, text, parent_tags))

    def convert_figcaption(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        return f"\n\n{text.strip()}\n\n"

    def convert_caption(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        return f"\n\n{text.strip()}\n\n"

    def convert_section(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        return f'\n\n<a id="{element["id"]}"></a>\n\n{text.strip()}\n\n'

    def convert_a(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        if element.get("href") is None and element.get("id"):
            return f'<a id="{element["id"]}"></a>'
        return str(super().convert_a(element, text, parent_tags))

    def convert_td(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        return str(super().convert_td(element, text.replace("|", r"\|"), parent_tags))

    def convert_th(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        return str(super().convert_th(element, text.replace("|", r"\|"), parent_tags))

    def escape(self, text: str, parent_tags: set[str]) -> str:
        # What looks like an element would be one.
        return str(super().escape(text, parent_tags)).replace("<", "&lt;")

    def convert_br(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        return " " if "td" in parent_tags else "  \n"


def _converted(element: Tag) -> str:
    """An element as Markdown."""
    _simplify(element)
    text = _Converter(
        heading_style="ATX",
        bullets="-",
        sub_symbol="<sub>",
        sup_symbol="<sup>",
        wrap=False,
        escape_misc=False,
    ).convert_soup(element)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"


def _simplify(element: Tag) -> None:
    """What Markdown has no word for becomes what it has."""
    for item in element.select("[id^=ref-]"):
        item.insert(0, BeautifulSoup(f'<a id="{item["id"]}"></a>', "html.parser"))
    for shape in element.select("i[aria-hidden]"):
        shape.replace_with(f" {shape.get_text()} ")
    for heading in element.select("tbody th"):
        heading.name = "td"
    for table in element.find_all("table"):
        if caption := table.find("caption"):
            table.insert_before(caption.extract())
        first, *more = table.find_all("tbody") or [None]
        for extra in more:  # Markdown's tables have one body
            for row in extra.find_all("tr", recursive=False):
                first.append(row.extract())
            extra.decompose()


def write(kinds: Sequence[str], out: Path, html: str, results: Mapping[str, PartResult]) -> list[Path]:
    """Write the exports that were asked for, of `KINDS`."""
    paths = []
    if "markdown" in kinds:
        paths.append(markdown(out, html))
    if "notebook" in kinds:
        paths.append(notebook(out, html, results))
    return paths
