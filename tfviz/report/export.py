"""The report as Markdown with pictures, and as a notebook that recomputes: for those who hand in otherwise.

Both are made of the page's own HTML (`tfviz.report.page.render`, medium "export"), so that they say the same.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter
from PIL import Image

from tfviz.data.labels import UnknownClassError, class_index
from tfviz.experiment.store import PartResult
from tfviz.files.atomic import write_json, write_text
from tfviz.report.numbers import network_name
from tfviz.weights.catalog import CATALOG

PICTURES = "report_pictures"
"""Folder beside report.md, for pictures that are not figures: the author's."""
_JPEG_QUALITY = 90
Pixels = Callable[[str], bytes]
"""Makes a picture file of a drawing, which is named by its path in the output folder."""
_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}


def markdown(out: Path, html: str) -> Path:
    """Write report.md beside the figures that it shows.

    Args:
        out: the output folder.
        html: the report's page, of medium "export".
    """
    folder = out / PICTURES

    def place(data: bytes, kind: str) -> str:
        folder.mkdir(exist_ok=True)
        name = _name(data, kind)
        (folder / name).write_bytes(data)
        return f"{PICTURES}/{name}"

    main = _main(html)
    for image in main.find_all("img"):
        if found := _data(image["src"]):
            image["src"] = place(*found)
    path = out / "report.md"
    write_text(path, _converted(main))
    return path


def notebook(out: Path, html: str, results: Mapping[str, PartResult], pixels: Pixels) -> Path:
    """Write report.ipynb, with its pictures inside: text as in the report, and one cell a part that recomputes it.

    Args:
        out: the output folder.
        html: the report's page, of medium "export".
        results: by part; those that are done get their cell.
        pixels: of the drawings; JupyterLab shows no SVG in a cell of text.
    """
    main = _main(html)
    sections = main.find_all("section", recursive=False)
    ids = [section["id"] for section in sections]
    again = {
        part: _again(results[part]) for part in ids if part in results and results[part].status == "done"
    }
    cells = [_text(main.find("header"), pixels), _code(_first(again, results))]
    for section in sections:
        cells.append(_text(section, pixels))
        if section["id"] in again:
            cells.append(_compare(results[section["id"]], again[section["id"]]))
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


# --- what recomputes -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Again:
    """How a part is computed again as it was.

    Attributes:
        options: of the command line.
        given: further options whose values only the reader has, and what they were.
        was: what the result is of, by name, to be held against the new one.
    """

    options: Sequence[str]
    given: Mapping[str, str]
    was: Mapping[str, Any]


_CIFAR10 = "--data-dir"  # the one that the program may find by itself
_ORIGIN = ("seed", "network", "weights", "backend", "versions", "devices", "commit")
_OF_INPUTS = ("drawn", "own", "source", "target", "class_index", "tested_on", "trained_now")
"""Facts of parts that say what they were given."""


def _again(result: PartResult) -> _Again:
    """What is stored of a run as the options that ask for it again."""
    origin, facts = result.provenance, result.facts
    options = ["--quick"] if origin.get("quick") else []
    options += ["--seed", str(origin.get("seed", 0))]
    given: dict[str, str] = {}
    arrays: list[str] = []
    weights = origin.get("weights") or {}
    network = str(origin.get("network")).removesuffix(" (user's file)")
    if "named by the user" in weights.get("source", ""):
        file = f"{weights['source']}, SHA-256 {weights['sha256']}"
        if network in CATALOG:
            given[f"--weights {network}"] = file
        else:
            given["--model"] = (
                f"{file}; add --model-classes, --model-input and --model-head, if they were used"
            )
    if facts.get("trained_now"):
        options += ["--train", facts["record"]["preset"]["name"]]
    if facts.get("tested_now") or facts.get("trained_now"):
        given[_CIFAR10] = str(facts["tested_on"])
    if result.part == "ship_to_retriever" and str(facts.get("source")).startswith("CIFAR-10"):
        given[_CIFAR10] = facts["source"].partition(",")[0]
    if result.part == "normalization" and facts.get("own"):
        given["--pictures"] = "a folder of the author's pictures: " + ", ".join(
            str(row["title"]) for row in facts["pictures"]
        )
        arrays.append("pictures")
    for part, picture, classes in (
        ("jellyfish_to_mink", "source", {"--source-class": "source", "--target-class": "target"}),
        ("occlusion_map", "picture", {"--source-class": "class_index"}),
    ):
        if part != result.part:
            continue
        if facts.get("drawn") is False:
            given["--image"] = "the author's picture, the name of which is not stored"
            arrays.append(picture)
        for option, fact in classes.items():
            try:
                if "--model" in given and fact != "class_index":
                    raise UnknownClassError(f"the index of “{facts[fact]}” among the network's classes")
                options += [option, str(class_index(str(facts[fact])))]
            except UnknownClassError as error:  # or two classes have one name
                given[option] = str(error)
    was = {
        "settings": dict(result.settings),
        "provenance": {name: origin.get(name) for name in _ORIGIN}
        | {"weights": weights and {"sha256": weights["sha256"]}},
        "facts": {name: facts[name] for name in _OF_INPUTS if name in facts},
        "arrays": {name: result.arrays[name] for name in arrays},
    }
    return _Again(options, given, was)


def _first(again: Mapping[str, _Again], results: Mapping[str, PartResult]) -> str:
    """The notebook's first cell of code."""
    # A part that shows a recorded training computes next to nothing.
    ready = [part for part in again if not again[part].given and "trained_now" not in results[part].facts]
    quickest = min(ready, key=lambda part: results[part].provenance.get("seconds", 0.0), default=None)
    asked = {option: dict[str, list[str]]() for each in again.values() for option in each.given}
    for part, each in again.items():
        for option, what in each.given.items():
            asked[option].setdefault(what, []).append(part)
    lines = []
    for option, by_value in asked.items():
        lines += [f"    # {', '.join(parts)}: {_one_line(what)}" for what, parts in by_value.items()]
        found = "  # empty: where the program looks for it" if option == _CIFAR10 else ""
        lines.append(f'    {json.dumps(option)}: "",{found}')
    return (
        _SETUP.replace("<recompute>", json.dumps([quickest] if quickest else []))
        .replace("<why>", "" if quickest else "\n# Empty, since " + _WHY_NONE[bool(again)])
        .replace("<parts>", json.dumps(list(again)))
        .replace("<given>", "\n".join(["{", *lines, "}"]) if lines else "{}")
    )


_WHY_NONE = {
    False: "no part of this report is done.",
    True: "each part here trained, shows a training, or needs what is to be written into GIVEN.",
}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _compare(result: PartResult, again: _Again) -> dict[str, Any]:
    """A part's cell of code, with what it prints without recomputing."""
    numbers = {
        name: (number.value, ", ".join(filter(None, (number.unit, network_name(number.network or "")))))
        for name, number in result.numbers.items()
    }
    arguments = [repr(result.part), *map(_python, (again.options, list(again.given), again.was))]
    source = "".join(f"    {argument},\n" for argument in arguments)
    rows = "".join(f"        {name!r}: {number!r},\n" for name, number in numbers.items())
    width = max(map(len, numbers), default=0)
    return _code(
        f"compare(\n{source}    {{\n{rows}    }},\n)",
        "".join(
            f"{name:<{width}} {value:>14{'' if isinstance(value, int) else '.6g'}}  {of}".rstrip() + "\n"
            for name, (value, of) in numbers.items()
        ),
    )


def _python(value: Any) -> str:
    """A value of JSON as Python writes it."""
    return repr(json.loads(json.dumps(value)))


_SETUP = """\
# Each cell below shows its part's numbers as in the report, with unit and network. To measure them again on this
# machine, with the report's settings, name the parts here (or "ALL" in their place) and run the cells, where the
# program is installed: in its folder, `pip install .`.<why>
RECOMPUTE = <recompute>

PARTS = <parts>

# What the report's run was given and this notebook does not hold. Write in where it lies here, or which it is.
GIVEN = <given>

import json, os, subprocess, sys, tempfile
from pathlib import Path

out = Path(tempfile.mkdtemp())

def asked():
    "The parts to recompute."
    names = [RECOMPUTE] if isinstance(RECOMPUTE, str) else list(RECOMPUTE)
    if unknown := [str(name) for name in names if name not in [*PARTS, "ALL"]]:
        raise ValueError(f"RECOMPUTE names {', '.join(unknown)}; the parts of this report are: {', '.join(PARTS)}.")
    return PARTS if "ALL" in names else names

def recomputed(part, options, given, was):
    "The part's stored result of a new run."
    for name in given:
        option, _, network = name.partition(" ")
        value = str(GIVEN[name])
        if not value and option != "--data-dir":
            raise ValueError(f"{part} needs what GIVEN has under {name!r}, in the first cell of code: write it in.")
        if value and "class" not in option:
            value = str(Path(value).expanduser().absolute())
        if value:
            options = [*options, option, f"{network}={value}" if network else value]
    weights = was["provenance"]["weights"]
    if weights and not any(name.startswith(("--weights", "--model")) for name in given):
        from tfviz.weights.fetch import fetch  # the report's network, also where a better one is here

        network = was["provenance"]["network"]
        options = [*options, "--weights", f"{network}={fetch(network).path}"]
    command = [sys.executable, "-m", "tfviz", "--only", part, *options, "--out", str(out)]
    environment = {**os.environ, "KERAS_BACKEND": was["provenance"]["backend"]}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode not in (0, 3):  # 3: all but the PDF
        raise RuntimeError(done.stdout + done.stderr)
    stored = json.loads((out / "results" / f"{part}.json").read_text(encoding="utf-8"))
    if stored["status"] != "done":
        raise RuntimeError(stored["reason"])
    return stored

def differences(was, here, of=""):
    "What is not as it was, a line each."
    for name, value in was.items():
        now = here.get(name) if isinstance(here, dict) else None
        if isinstance(value, dict):
            yield from differences(value, now, f"{of}{name} ")
        elif now != value:
            yield f"Not as in the report: {of}{name}: {value} there, {now} here."

def written(value):
    return ("" if value is None else str(value) if isinstance(value, int) else f"{value:.6g}").rjust(14)

def compare(part, options, given, was, reported):
    "The report's numbers, and beside them, where the part is recomputed, those of this machine."
    measured = {}
    if part in asked():
        stored = recomputed(part, options, given, was)
        measured = {name: number["value"] for name, number in stored["numbers"].items()}
        for line in differences(was, stored):
            print(line)
    names = [*reported, *(name for name in measured if name not in reported)]
    width = max(map(len, names), default=0)
    for name in names:
        value, of = reported.get(name, (None, "not in the report"))
        columns = (value, measured.get(name)) if measured else (value,)
        print(f"{name:<{width}} {' '.join(map(written, columns))}  {of}".rstrip())

asked()"""


def _code(source: str, output: str = "") -> dict[str, Any]:
    outputs = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": outputs,
        "source": source,
    }


# --- text and pictures ---------------------------------------------------------------------------------------------


def _text(element: Tag, pixels: Pixels) -> dict[str, Any]:
    """A cell of Markdown whose pictures are attached to it: as PNG or JPEG, which every reader of notebooks shows."""
    attachments: dict[str, dict[str, str]] = {}
    for image in element.find_all("img"):
        data, kind = _data(image["src"]) or (pixels(image["src"]), "")
        if kind not in ("image/png", "image/jpeg"):
            data, kind = _packed(data)
        name = _name(data, kind)
        attachments[name] = {kind: base64.b64encode(data).decode()}
        image["src"] = f"attachment:{name}"
    cell: dict[str, Any] = {"cell_type": "markdown", "metadata": {}, "source": _converted(element)}
    return cell | ({"attachments": attachments} if attachments else {})


def _packed(data: bytes) -> tuple[bytes, str]:
    """A picture file as PNG, or as JPEG where that is smaller, as it is for photographs; and its media type.

    What is transparent becomes white.
    """
    with Image.open(io.BytesIO(data)) as file:
        image = file.convert("RGBA")
    opaque = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    exact, lossy = io.BytesIO(), io.BytesIO()
    opaque.save(exact, "png", optimize=True)
    opaque.save(lossy, "jpeg", quality=_JPEG_QUALITY, optimize=True)
    return min(
        (exact.getvalue(), "image/png"), (lossy.getvalue(), "image/jpeg"), key=lambda found: len(found[0])
    )


def _name(data: bytes, kind: str) -> str:
    return hashlib.sha256(data).hexdigest()[:16] + _SUFFIXES[kind]


def _main(html: str) -> Any:
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
_SIGNS = re.compile(r"([\\`*_\[\]<$~])")
_BEGINS = re.compile(r"^([ \t]*)(?:([-+]|\#{1,6}|=+|-+)(?=\s|$)|(>)|(\d{1,9})([.)])(?=\s|$))", re.MULTILINE)
_ALIGNED = {"n": "---:", "middle": ":---:"}


class _Converter(_Base):
    """What the page has beyond plain HTML: formulas, notes, anchors, numbers in one piece."""

    def convert_code(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        classes = element.get("class") or []
        if "math" not in classes:
            line = text if "pre" in parent_tags else " ".join(text.split())  # an empty line would end it
            return str(super().convert_code(element, line, parent_tags))
        # Where no formulas are known, what looks like an element would be one.
        latex = re.sub(r"<(?=[A-Za-z/!?])", "< ", element.get_text())
        if "td" in parent_tags or "th" in parent_tags:  # a stroke would end the cell
            latex = latex.replace(r"\|", r"\Vert ").replace("|", r"\vert ")
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

    def convert_img(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        alt = self.escape(" ".join(str(element.get("alt") or "").split()), parent_tags)
        return f"![{alt}]({element['src']})"

    def convert_td(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        return str(super().convert_td(element, text.replace("|", r"\|"), parent_tags))

    def convert_th(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        return str(super().convert_th(element, text.replace("|", r"\|"), parent_tags))

    def convert_tr(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        row = str(super().convert_tr(element, text, parent_tags))
        # As the cells below are: a heading may span several columns.
        below = [each.find_all(["td", "th"]) for each in element.find_parent("table").find_all("tr")]
        aligned = " | ".join(
            next((_ALIGNED[name] for name in cell.get("class") or () if name in _ALIGNED), "---")
            for cell in max(reversed(below), key=len)
            for _ in range(int(str(cell.get("colspan", 1))))
        )
        return re.sub(r"^\| ---(?: \| ---)* \|$", f"| {aligned} |", row, flags=re.MULTILINE)

    def escape(self, text: str, parent_tags: set[str]) -> str:
        # What is a sign in Markdown, and what would be one where it begins a line.
        text = _SIGNS.sub(r"\\\1", text).replace("&", "&amp;")
        return _BEGINS.sub(lambda found: _begun(*found.groups("")), text)

    def convert_br(self, element: Tag, text: str, parent_tags: set[str]) -> str:
        return " <br>" if "td" in parent_tags else "  \n"


def _begun(space: str, sign: str, quote: str, number: str, point: str) -> str:
    return f"{space}\\{sign or quote}" if not number else f"{space}{number}\\{point}"


def _converted(element: Tag) -> str:
    """An element as Markdown."""
    _simplify(element)
    text = _Converter(
        heading_style="ATX",
        bullets="-",
        sub_symbol="<sub>",
        sup_symbol="<sup>",
        wrap=False,
    ).convert_soup(element)
    text = re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"
    page = element.find_parent("html")
    if page is None or page.get("dir") != "rtl":
        return text
    # Markdown has no word for a direction; HTML may stand in it.
    return f'<div dir="rtl">\n\n{text}\n</div>\n'


def _simplify(element: Tag) -> None:
    """What Markdown has no word for becomes what it has."""
    for item in element.select("[id^=ref-]"):
        item.insert(0, BeautifulSoup(f'<a id="{item["id"]}"></a>', "html.parser"))
    for shape in element.select("i[aria-hidden]"):
        shape.replace_with(f" {shape.get_text()} ")
    for aside in element.select("td small, th small, th .soft"):  # on the page in smaller or paler type
        before = aside.find_previous_sibling()
        if before is not None and before.name == "br":
            before.replace_with(" ")
        aside.insert(0, "(")
        aside.append(")")
    for pairs in element.find_all("dl"):
        _list(pairs)
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


def _list(pairs: Tag) -> None:
    """A list of names and values as one of plain items."""
    pairs.name = "ul"
    for name in pairs.find_all("dt"):
        value = name.find_next_sibling("dd")
        name.name = "li"
        name.append(": ")
        name.extend(list(value.contents))
        value.decompose()


def write(
    kinds: Sequence[str], out: Path, html: str, results: Mapping[str, PartResult], pixels: Pixels
) -> list[Path]:
    """Write the exports that were asked for, of `tfviz.report.EXPORTS`; the rest as `notebook` has it."""
    paths = []
    if "markdown" in kinds:
        paths.append(markdown(out, html))
    if "notebook" in kinds:
        paths.append(notebook(out, html, results, pixels))
    return paths
