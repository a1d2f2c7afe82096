"""Text that runs from right to left, in drawings: browsers order it, WeasyPrint draws an SVG's letters as they come.

Of the Unicode bidirectional algorithm this is what labels of one line need: letters, numbers, neutral signs, and
isolates that do not lie in each other.
"""

from __future__ import annotations

import re
from html import escape, unescape
from itertools import groupby
from unicodedata import bidirectional

_MIRRORED = str.maketrans("()[]{}<>«»≤≥", ")(][}{><»«≥≤")
_TEXT = re.compile(r"<text ([^>]*)>([^<]+)</text>")
_PIECE = re.compile("[\u2066-\u2068]([^\u2066-\u2069]*)\u2069|(.)")
_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u2066\u2067\u2068\u2069"))
_STRONG = ("L", "R", "AL")
_ENDS = {"start": "end", "end": "start"}


def from_the_right(text: str) -> bool:
    """Whether the first letter of a text is one that is written from right to left."""
    return next((kind for kind in map(bidirectional, text) if kind in _STRONG), "L") != "L"


def marked(svg: str) -> str:
    """An SVG in which each text that starts from the right says so, and stands where it stood."""

    def text(found: re.Match[str]) -> str:
        attributes, words = found.groups()
        if not from_the_right(unescape(words)):
            return found[0]
        return f'<text direction="rtl" {_other_anchor(attributes)}>{words}</text>'

    return _TEXT.sub(text, svg)


def for_print(svg: str) -> str:
    """A marked SVG for a program that draws each text's letters from left to right as they come."""

    def text(found: re.Match[str]) -> str:
        attributes, words = found.groups()
        if attributes.startswith('direction="rtl" '):
            attributes = _other_anchor(attributes.removeprefix('direction="rtl" '))
        return f"<text {attributes}>{escape(visual(unescape(words)), quote=False)}</text>"

    return _TEXT.sub(text, svg)


def visual(text: str) -> str:
    """The characters of a line in the order in which they stand from left to right, without marks of direction."""
    pieces = [
        (visual(inner), "ON") if not letter else (letter, bidirectional(letter))
        for inner, letter in _PIECE.findall(text)
    ]
    base = "R" if from_the_right("".join(piece for piece, _ in pieces)) else "L"
    levels = _levels([kind for _, kind in pieces], base)
    order = list(range(len(pieces)))
    for level in range(max(levels, default=0), 0, -1):  # runs are turned round from the highest level down
        runs = groupby(order, key=lambda place: levels[place] >= level)
        order = [place for high, run in runs for place in (reversed(list(run)) if high else run)]
    shown = (
        piece.translate(_MIRRORED) if levels[place] % 2 and len(piece) == 1 else piece
        for place, (piece, _) in ((place, pieces[place]) for place in order)
    )
    return "".join(shown).translate(_MARKS)


def _levels(kinds: list[str], base: str) -> list[int]:
    """The level of each character: even from left to right, odd from right to left."""
    kinds = [{"AL": "R", "NSM": "R"}.get(kind, kind) for kind in kinds]
    before, last = base, base
    for place, kind in enumerate(kinds):
        after = kinds[place + 1] if place + 1 < len(kinds) else base
        if (kind in ("ES", "CS") and before == after == "EN") or (kind == "ET" and "EN" in (before, after)):
            kind = "EN"  # what belongs to a number
        kinds[place] = before = kind
        last = kind if kind in ("L", "R") else last
        if kind == "EN" and last == "L":
            kinds[place] = "L"
    # What is neither takes the direction that it has on both sides, or else the line's.
    sides = [{"EN": "R"}.get(kind, kind) for kind in kinds]
    resolved: list[str] = []
    for neutral, run in groupby(range(len(kinds)), key=lambda place: sides[place] not in ("L", "R")):
        places = list(run)
        left = sides[places[0] - 1] if places[0] else base
        right = sides[places[-1] + 1] if places[-1] + 1 < len(sides) else base
        resolved += (
            [left if left == right else base] * len(places) if neutral else [kinds[place] for place in places]
        )
    return [{"L": 2 * (base == "R"), "R": 1, "EN": 2}[kind] for kind in resolved]


def _other_anchor(attributes: str) -> str:
    """A text's attributes with the other end of it at its place: the same place, were it written the other way."""
    if "text-anchor" not in attributes:
        return attributes.replace('style="', 'style="text-anchor: end; ', 1)
    return re.sub("text-anchor: (start|end)", lambda found: f"text-anchor: {_ENDS[found[1]]}", attributes)
