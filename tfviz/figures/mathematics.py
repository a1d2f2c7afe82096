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
from tfviz.language import marked

_SIZE = 100.0  # ziamath's points to the em: only the ratio to the drawing's size matters
_EM = 1.06  # of the text around it: letters of the two fonts are then equally large
_AFTER = 4.0  # of the same: what is left after the last letter's ink
_LETTER = re.compile(r'<use [^>]*\bx="(\S+)"[^>]*\bwidth="(\S+)"')
_NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_SVG = "{http://www.w3.org/2000/svg}"
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


_LARGEST = 1000.0  # em, of a drawing's sides: a formula may ask for any space
_TEXT = re.compile(
    r"(\\(?:[hmf]box|emph|[lr]lap|clap|tag\*?|text(?:bf|it|md|normal|rm|sf|tt|up)?)\s*{)([^}]*)"
)
_ARGUMENTS = {
    "mfrac": 2,
    "mroot": 2,
    "msub": 2,
    "msup": 2,
    "msubsup": 3,
    "munder": 2,
    "mover": 2,
    "munderover": 3,
}
_ELEMENTS = re.compile(
    "math|m(row|i|n|o|text|space|frac|sqrt|root|sub|sup|subsup|under|over|underover|style|padded|phantom|enclose|table|"
    "tr|td)"
)
_ATTRIBUTES = re.compile(
    "accent|accentunder|column(align|lines|spacing)|depth|display|displaystyle|fence|form|height|largeop|linebreak|"
    "linethickness|lspace|math(background|color|size|variant)|m(ax|in)size|movablelimits|notation|row(lines|spacing)|"
    "rspace|scriptlevel|separator|stretchy|symmetric|voffset|width"
)
_UNSEEN = " \n\u00a0\u2003\u2006\u2009\u2061\u2062\u2063"
_VALUE = re.compile(r"[\w#%+. -]*")
_ENDS_EARLY = marked("it ends too early: a brace or an argument is missing")
_FORBIDDEN = marked("there is HTML, a link or a style in it")
_UNREADABLE = marked("it is not LaTeX that this program reads")
_WRONG = {
    "NoAvailableTokensError": _ENDS_EARLY,
    "StopIteration": _ENDS_EARLY,
    "NumeratorNotFoundError": _ENDS_EARLY,
    "DenominatorNotFoundError": _ENDS_EARLY,
    "MissingSuperScriptOrSubscriptError": marked("nothing stands after its _ or ^"),
    "DoubleSubscriptsError": marked("two indices follow one another: braces are missing"),
    "DoubleSuperscriptsError": marked("two powers follow one another: braces are missing"),
    "ExtraLeftOrMissingRightError": marked(r"a \left has no \right"),
    "MissingEndError": marked(r"a \begin has no \end"),
    "LimitsMustFollowMathOperatorError": marked(r"\limits stands after no operator"),
    "RecursionError": marked("it is nested too deeply"),
}


class FormulaError(ValueError):
    """LaTeX that cannot be shown; in English as text, in the language in use as `shown`.

    Args:
        message: why, part of a sentence, a catalogue's key with the names of `values`.
        values: what else it tells.
    """

    def __init__(self, message: str, **values: str) -> None:
        super().__init__(message.format(**values))
        self.message, self.values = message, values

    def shown(self) -> str:
        """Why, in the language in use."""
        return _(self.message).format(**self.values)


def check(latex: str, *, display: bool = False) -> None:
    """Refuse a formula that one of the two outputs cannot show, so that both show the same.

    Raises:
        FormulaError: it is wrong, holds more than mathematics, or its font lacks a letter.
    """
    _mathml(latex, display)
    _drawn(latex, display)


def as_mathml(latex: str, *, display: bool = False, said: str = "") -> str:
    """A formula as a <math> element.

    Args:
        latex: what stands between the dollar signs.
        display: on a line of its own, with large operators.
        said: in words, for those who do not see it; "": made of the LaTeX.

    Raises:
        FormulaError: it is wrong, or holds more than mathematics; also of all that follow.
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
    """What the converter makes of it, which is XML with nothing but mathematics in it."""
    from latex2mathml.converter import convert

    depth = 0
    for brace in re.findall(r"\\.|[{}]", latex, flags=re.DOTALL):
        depth += (brace == "{") - (brace == "}")
        if depth < 0:
            break
    if depth:
        raise FormulaError(marked("its braces do not match"))
    if re.search(r"\\(?:(?:re)?newcommand|def)(?![A-Za-z])", latex):  # a few of them can ask for any length
        raise FormulaError(marked("it defines commands"))
    try:
        element: str = convert(_prepared(latex), display="block" if display else "inline")
        root = ET.fromstring(element)
    except (ET.ParseError, UnicodeError) as error:  # the converter lets all through that it does not know
        raise FormulaError(_UNREADABLE) from error
    except Exception as error:  # LaTeX has endless ways to be wrong, and its readers as many to say so
        raise FormulaError(_WRONG.get(type(error).__name__, _UNREADABLE)) from error
    for part in root.iter():
        kind, text = _kind(part), part.text or ""
        if part.tag != f"{{{_NAMESPACE}}}{kind}" or not _ELEMENTS.fullmatch(kind):
            raise FormulaError(_FORBIDDEN)
        for name, value in part.attrib.items():
            if not _ATTRIBUTES.fullmatch(name) or not _VALUE.fullmatch(value):
                raise FormulaError(_FORBIDDEN)
        if len(part) != _ARGUMENTS.get(kind, len(part)):
            raise FormulaError(_ENDS_EARLY)
        if kind in ("mi", "mo") and re.match(r"\\[A-Za-z]", text):
            raise FormulaError(marked("there is no command {command}"), command=text)
    return element


def _prepared(latex: str) -> str:
    """LaTeX whose text is safe from the converter, which writes it as XML without escaping it."""
    latex = re.sub(r"\\(begin|end){aligned}", r"\\\1{align*}", latex)
    return _TEXT.sub(lambda match: match[1] + escape(match[2], quote=False), latex)


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

    root = ET.fromstring(_mathml(latex, display))
    if missing := "".join(sorted({*"".join(root.itertext())} - _letters())):
        raise FormulaError(marked("its font has no {letters}: words stand outside formulas"), letters=missing)
    font = str(fonts.mathematics())
    try:
        drawing = ziamath.Latex(_prepared(latex), size=_SIZE, inline=not display, font=font, color=INK)
        svg = drawing.svg()
    except Exception as error:
        raise FormulaError(_WRONG.get(type(error).__name__, marked("it cannot be drawn"))) from error
    found = re.search(r'viewBox="(\S+) (\S+) (\S+) (\S+)"', svg)
    if not found:
        raise FormulaError(marked("it cannot be drawn"))
    left, top, width, height = map(float, found.groups())
    if not max(width, height) <= _LARGEST * _SIZE:
        raise FormulaError(marked("it is too large"))
    if not display:
        begins = _begins(svg, left)
        width, left = width + left - begins + _AFTER, begins
        svg = svg.replace(found[0], f'viewBox="{left:g} {top:g} {width:g} {height:g}"', 1)
        svg = re.sub(r' width="\S+"', f' width="{width:g}"', svg, count=1)
    svg = _outlined(svg)
    wide, tall, below = (_EM * length / _SIZE for length in (width, height, top + height))
    style = f"width:{wide:.3f}em;height:{tall:.3f}em;vertical-align:{-below:.3f}em"
    data = base64.b64encode(svg.encode()).decode()
    return f'style="{style}" src="data:image/svg+xml;base64,{data}"'


def _outlined(svg: str) -> str:
    """A drawing whose letters, copies of symbols, are outlines, one path for those that follow one another.

    A PDF has it for half of what the copies take to draw.
    """
    root = ET.fromstring(svg)
    symbols = {symbol.get("id"): symbol for symbol in root.iter(f"{_SVG}symbol")}
    for group in list(root.iter()):
        if group.tag == f"{_SVG}symbol":
            continue
        shown: list[ET.Element] = []
        for element in group:
            if element.tag == f"{_SVG}use":
                look = {"fill": element.get("fill", "")}
                outline = _copied(symbols[element.get("href", "")[1:]], element)
                if not shown or shown[-1].attrib != {**look, "d": shown[-1].get("d")}:
                    shown.append(ET.Element(f"{_SVG}path", look | {"d": ""}))
                shown[-1].set("d", f"{shown[-1].get('d')} {outline}".strip())
            elif element.tag != f"{_SVG}symbol":
                shown.append(element)
        group[:] = shown
    ET.register_namespace("", _SVG[1:-1])
    return ET.tostring(root, encoding="unicode")


def _copied(symbol: ET.Element, use: ET.Element) -> str:
    """The outline of a symbol where it is used, as wide for its height; to a thousandth of an em, as fonts are."""
    left, top, width, _height = map(float, symbol.get("viewBox", "").split())
    size = float(use.get("width", "")) / width if width else 0
    starts = float(use.get("x", "")) - size * left, float(use.get("y", "")) - size * top
    drawn: list[str] = []
    for path in symbol.iter(f"{_SVG}path"):
        axis = 0  # numbers are positions, x and y in turn
        for word in path.get("d", "").split():
            if word.isalpha():
                drawn.append(word)
            else:
                drawn.append(f"{size * float(word) + starts[axis]:.1f}")
                axis = 1 - axis
    return " ".join(drawn)


@cache
def _letters() -> frozenset[str]:
    """What the font of the drawings has, and what is not seen."""
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

    return frozenset(map(chr, TTFont(fonts.mathematics()).getBestCmap())) | set(_UNSEEN)


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
