"""Formulas, written in LaTeX, for the two outputs: MathML for browsers, vector drawings for the PDF.

WeasyPrint does not draw MathML; browsers and screen readers do it better than any drawing. Both use the same font.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from functools import cache
from html import escape

from tfviz.figures import fonts
from tfviz.figures.style import INK
from tfviz.language import gettext as _

_SIZE = 100.0  # ziamath's points to the em: only the ratio to the drawing's size matters
_EM = 1.06  # of the text around it: letters of the two fonts are then equally large
_AFTER = 4.0  # of the same: what is left after the last letter's ink
_LETTER = re.compile(r'<use [^>]*\bx="(\S+)"[^>]*\bwidth="(\S+)"')
_NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_ROWS = frozenset(f"{{{_NAMESPACE}}}{kind}" for kind in ("math", "mrow", "mtd", "msqrt", "mstyle"))
_SCRIPTS = ("msub", "msup", "msubsup", "munder", "mover", "munderover")
_SPACED = frozenset("=<>≤≥≠≈∼∈→←↦+−×·⋅⊙∣")
_SAID = str.maketrans({"-": "−", "\u2061": "", "\u2062": "", "\u2063": "", "\u00a0": " ", "\u2003": " "})
_TIDY = (
    (r" +(?=[),.;\]}′_^])", ""),
    (r"(?<=[(\[{]) +", ""),
    (r"(?<=[a-z]{2}) +(?=\()", ""),  # a function's name
    (r"(?<![^(,=≈\[{])( ?)− ", r"\1−"),  # a sign, not a difference
)


def as_mathml(latex: str, *, display: bool = False, said: str = "") -> str:
    """A formula as a <math> element.

    Args:
        latex: what stands between the dollar signs.
        display: on a line of its own, with large operators.
        said: in words, for those who do not see it; "": made of the LaTeX.
    """
    alt = escape(said or spoken(latex))
    return _spaced(latex, display).replace("<math ", f'<math dir="ltr" alttext="{alt}" ', 1)


def as_image(latex: str, *, display: bool = False, said: str = "") -> str:
    """A formula as an <img> that stands on the line of the text around it; arguments as for `as_mathml`."""
    kind = "math display" if display else "math"
    return f'<img class="{kind}" alt="{escape(said or spoken(latex))}" {_drawn(latex, display)}>'


def spoken(latex: str) -> str:
    """A formula as text on one line, without LaTeX's marks: "∑ from i = 1 to n a_i"."""
    text = " ".join(_said(ET.fromstring(_mathml(latex, False))).translate(_SAID).split())
    for pattern, instead in _TIDY:
        text = re.sub(pattern, instead, text)
    return text


@cache
def _mathml(latex: str, display: bool) -> str:
    from latex2mathml.converter import convert

    element: str = convert(latex, display="block" if display else "inline")
    return element


@cache
def _spaced(latex: str, display: bool) -> str:
    """The converter's MathML with TeX's spaces around signs, bars, slashes and names of functions."""
    root = ET.fromstring(_mathml(latex, display))
    for row in [element for element in root.iter() if element.tag in _ROWS]:
        _space(row)
    ET.register_namespace("", _NAMESPACE)
    return ET.tostring(root, encoding="unicode")


def _space(row: ET.Element) -> None:
    children = list(row)
    thin = (f"{{{_NAMESPACE}}}mspace", {"width": "0.167em"})
    operand = inside = False  # whether a whole term ends before the element; whether a bar is open
    for element, following in zip(children, [*children[1:], None], strict=False):
        core = element
        while _kind(core) in _SCRIPTS:
            core = core[0]
        kind, text = _kind(core), core.text or ""
        if kind == "mi" and text == "~":
            core.tag, core.text, operand = core.tag.replace("mi", "mo"), "∼", False
        elif kind == "mo" and text == "|":
            inside = not inside
            core.attrib.update(form="prefix" if inside else "postfix", lspace="0", rspace="0")
            operand = not inside
        elif kind == "mo" and text == "/":
            core.attrib.update(lspace="0", rspace="0")
            operand = False
        elif kind in ("mi", "mo") and len(text) > 1 and text.isalpha():
            core.tag = core.tag.replace("mo", "mi")  # an operator has wider spaces
            if operand:
                row.insert(list(row).index(element), ET.Element(*thin))
            if following is not None and next(following.itertext(), "") not in ("(", "[", "{"):
                row.insert(list(row).index(element) + 1, ET.Element(*thin))
            operand = False
        else:
            if kind == "mo" and text in ("−", "-", "+") and not operand:
                core.set("form", "prefix")  # a sign, not a difference
            operand = kind != "mspace" and (kind != "mo" or text in (")", "]", "}", "‖", "′", "!", "∞"))


def _kind(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


@cache
def _drawn(latex: str, display: bool) -> str:
    """The size, place and data of a formula's drawing, as attributes."""
    import ziamath

    font = str(fonts.mathematics())
    drawing = ziamath.Latex(latex, size=_SIZE, inline=not display, font=font, color=INK)
    svg = drawing.svg()
    found = re.search(r'viewBox="(\S+) (\S+) (\S+) (\S+)"', svg)
    if not found:
        raise ValueError(f"the formula {latex} was drawn without a size")
    left, top, width, height = map(float, found.groups())
    if not display:
        begins = _begins(svg, left)
        width, left = width + left - begins + _AFTER, begins
        svg = svg.replace(found[0], f'viewBox="{left:g} {top:g} {width:g} {height:g}"', 1)
        svg = re.sub(r' width="\S+"', f' width="{width:g}"', svg, count=1)
    wide, tall, below = (_EM * length / _SIZE for length in (width, height, top + height))
    style = f"width:{wide:.3f}em;height:{tall:.3f}em;vertical-align:{-below:.3f}em"
    data = base64.b64encode(svg.encode()).decode()
    return f'style="{style}" src="data:image/svg+xml;base64,{data}"'


def _begins(svg: str, ink: float) -> float:
    """Where an inline drawing begins: with the space that belongs to its first letter, as text does.

    The space before a function's name, which is drawn as a letter of no width, is the text's own.
    """
    letters = [(float(x), float(width)) for x, width in _LETTER.findall(svg)]
    first = min((x for x, width in letters if width), default=ink)
    return first if letters and letters[0][1] == 0 else min(ink, first)


def _said(element: ET.Element) -> str:
    kind = _kind(element)
    text = (element.text or "").strip()
    if kind in ("mi", "mo") and len(text) > 1:
        return f" {text} "
    if kind == "mo":
        return f" {text} " if text.replace("-", "−") in _SPACED else text + " " * (text == ",")
    if kind == "mtext":
        return element.text or ""
    if len(element) == 0:
        return text or " "
    parts = [_said(child) for child in element]
    match kind:
        case "mfrac":
            return " / ".join(map(_grouped, parts))
        case "msqrt":
            return f"√({''.join(parts)})"
        case "mover" if (accent := parts[1].strip()) in "^~¯":
            marks = {"^": _("{letter} hat"), "~": _("{letter} tilde"), "¯": _("{letter} bar")}
            return f" {marks[accent].format(letter=parts[0].strip())} "
        case "msub" | "munder":
            return f"{parts[0]}_{_grouped(parts[1])} "
        case "msup" | "mover":
            power = parts[1].strip()
            primes = power[: len(power) - len(power.lstrip("′"))]
            return f"{parts[0]}{primes}" + (f"^{_grouped(rest)} " if (rest := power[len(primes) :]) else " ")
        case "msubsup" | "munderover" if parts[0].strip() in "∑∏∫":
            return (
                " "
                + _("{sum} from {first} to {last}").format(sum=parts[0], first=parts[1], last=parts[2])
                + " "
            )
        case "msubsup" | "munderover":
            return f"{parts[0]}_{_grouped(parts[1])}^{_grouped(parts[2])} "
        case "mtr":
            return " ".join(parts)
        case "mtable":
            return "; ".join(parts)
    return "".join(parts)


def _grouped(text: str) -> str:
    """In brackets where it is more than one letter, number or name."""
    text = text.strip()
    return text if re.fullmatch(r"[\w.]+|.", text) else f"({text})"
