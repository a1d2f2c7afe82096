"""Formulas, written in LaTeX, for the two outputs: MathML for browsers, vector drawings for the PDF.

WeasyPrint does not draw MathML; browsers and screen readers do it better than any drawing.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from html import escape

_SIZE = 24.0  # ziamath's points to the em: only the ratio to the drawing's size matters


@cache
def as_mathml(latex: str, *, display: bool = False) -> str:
    """A formula as a <math> element, with its LaTeX as text alternative.

    Args:
        latex: what stands between the dollar signs.
        display: on a line of its own, with large operators.
    """
    from latex2mathml.converter import convert

    element: str = convert(latex, display="block" if display else "inline")
    return element.replace("<math ", f'<math alttext="{escape(latex)}" ', 1)


@cache
def as_image(latex: str, *, display: bool = False) -> str:
    """A formula as an <img> that stands on the line of the text around it, with its LaTeX as text alternative."""
    import ziamath

    svg = ziamath.Latex(latex, size=_SIZE, inline=not display).svg()
    found = re.search(r'viewBox="(\S+) (\S+) (\S+) (\S+)"', svg)
    if not found:
        raise ValueError(f"the formula {latex} was drawn without a size")
    _, top, width, height = (float(number) / _SIZE for number in found.groups())
    style = f"width: {width:.3f}em; height: {height:.3f}em; vertical-align: {-(top + height):.3f}em"
    data = base64.b64encode(svg.encode()).decode()
    kind = "math display" if display else "math"
    return (
        f'<img class="{kind}" style="{style}" alt="{escape(latex)}" src="data:image/svg+xml;base64,{data}">'
    )
