"""Text that runs from right to left, in drawings: browsers order it, WeasyPrint draws an SVG's letters as they come.

Of the Unicode bidirectional algorithm this is what labels of one line need: letters, numbers, neutral signs, pairs of
brackets, and isolates that do not lie in each other.
"""

from __future__ import annotations

import re
from html import escape, unescape
from itertools import groupby
from unicodedata import bidirectional

_MIRRORED = str.maketrans("()[]{}<>«»≤≥", ")(][}{><»«≥≤")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
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
    levels = _levels(pieces, base)
    order = list(range(len(pieces)))
    for level in range(max(levels, default=0), 0, -1):  # runs are turned round from the highest level down
        runs = groupby(order, key=lambda place: levels[place] >= level)
        order = [place for high, run in runs for place in (reversed(list(run)) if high else run)]
    shown = (
        piece.translate(_MIRRORED) if levels[place] % 2 and len(piece) == 1 else piece
        for place, (piece, _) in ((place, pieces[place]) for place in order)
    )
    return "".join(shown).translate(_MARKS)


def _levels(pieces: list[tuple[str, str]], base: str) -> list[int]:
    """The level of each (character, its kind): even from left to right, odd from right to left."""
    kinds = [{"AL": "R", "NSM": "R"}.get(kind, kind) for _, kind in pieces]
    for place in range(1, len(kinds) - 1):  # within a number
        if kinds[place] in ("ES", "CS") and kinds[place - 1] == kinds[place + 1] == "EN":
            kinds[place] = "EN"
    for ends, run in groupby(range(len(kinds)), key=lambda place: kinds[place] == "ET"):  # at one, as a % is
        places = list(run)
        if ends and "EN" in (*kinds[: places[0]][-1:], *kinds[places[-1] + 1 :][:1]):
            kinds[places[0] : places[-1] + 1] = ["EN"] * len(places)
    last = base
    for place, kind in enumerate(kinds):
        last = kind if kind in ("L", "R") else last
        if kind == "EN" and last == "L":
            kinds[place] = "L"
    # Both brackets of a pair run as the line does, unless all inside and what stands before runs the other way.
    for opening, closing in _pairs([piece for piece, _ in pieces]):
        directions = [{"EN": "R"}.get(kind, kind) for kind in kinds]
        inside = {*directions[opening + 1 : closing]} & {"L", "R"}
        before = next((kind for kind in reversed(directions[:opening]) if kind in ("L", "R")), base)
        if inside:
            kinds[opening] = kinds[closing] = base if base in inside else before
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


def _pairs(letters: list[str]) -> list[tuple[int, int]]:
    """The places of brackets that belong together, in the order of the opening ones."""
    pairs, opened = [], list[tuple[str, int]]()
    for place, letter in enumerate(letters):
        if letter in _CLOSING:
            opened.append((_CLOSING[letter], place))
        elif letter in [closing for closing, _ in opened]:
            while (last := opened.pop())[0] != letter:
                pass
            pairs.append((last[1], place))
    return sorted(pairs)


def _other_anchor(attributes: str) -> str:
    """A text's attributes with the other end of it at its place: the same place, were it written the other way."""
    if "text-anchor" not in attributes:
        return attributes.replace('style="', 'style="text-anchor: end; ', 1)
    return re.sub("text-anchor: (start|end)", lambda found: f"text-anchor: {_ENDS[found[1]]}", attributes)
