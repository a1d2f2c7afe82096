"""Colours, sizes, type and numbers of every figure, and how one is written.

Sizes are inches: every figure is as wide as the text (COLUMN), beside which the side notes stand.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
import numpy.typing as npt
from matplotlib.backends import backend_svg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.ticker import Formatter, LogFormatter, NullFormatter, ScalarFormatter
from PIL import Image

from tfviz import language
from tfviz.figures import defaults, direction, fonts
from tfviz.figures.fonts import FONTS as FONTS
from tfviz.figures.fonts import font_faces as font_faces
from tfviz.figures.fonts import missing_glyphs as missing_glyphs

P = ParamSpec("P")

COLUMN = 154 / 25.4
SIZE = 8.25
"""Points, of all text: 11 pixels where a page shows a figure at its own size."""
PIXELS_PER_INCH = 144
"""Of a figure as pixels: twice as fine as its points."""
LINE = 1.37 * SIZE / 72
"""Inches from one line of text to the next."""

PALETTE = {
    "--ink": "#1b2126",
    "--soft": "#56616a",
    "--rule": "#dde2e5",
    "--paper": "#ffffff",
    "--accent": "#0b6470",
    "--warm": "#a4420c",
    "--amber": "#c47f00",
    "--violet": "#a66bdc",
    "--russet": "#8f3b1b",
}
"""The colours of everything but pictures, by the name of their CSS variable."""
DARK = {
    "--ink": "#dfe4e6",
    "--soft": "#9eaab1",
    "--rule": "#30373c",
    "--paper": "#14181a",
    "--accent": "#74c6cb",
    "--warm": "#f0a272",
    "--amber": "#f2c14e",
    "--violet": "#a685ea",
    "--russet": "#d5794e",
}
"""The same on a dark page."""
INK, SOFT, RULE, PAPER, ACCENT, WARM, AMBER, VIOLET, RUSSET = PALETTE.values()
SERIES = (ACCENT, AMBER, VIOLET, RUSSET)
"""Lines and points in order, also for those who do not see red and green apart; WARM is what was published."""
# Marks on pictures, which keep their colours on a dark page: so these are none of the palette's.
BLACK, WHITE = "#101417", "#fdfdfd"
MARKS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#f0e442")  # Okabe and Ito 2008

STYLE = {
    "font.family": list(fonts.FAMILIES),
    "font.size": SIZE,
    "mathtext.fontset": "custom",
    "mathtext.rm": fonts.MATHEMATICS,
    "mathtext.it": fonts.MATHEMATICS,
    "mathtext.default": "rm",
    **{f"mathtext.{name}": fonts.MATHEMATICS for name in ("bf", "bfit", "cal", "sf", "tt")},
    "mathtext.fallback": None,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.titlesize": SIZE,
    "axes.titleweight": 600,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": SIZE,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": RULE,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.spines.bottom": False,
    "axes.axisbelow": True,
    "xaxis.labellocation": "right",
    "xtick.color": RULE,
    "xtick.labelcolor": SOFT,
    "xtick.labelsize": SIZE,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "xtick.major.pad": 6,
    "ytick.color": RULE,
    "ytick.labelcolor": SOFT,
    "ytick.labelsize": SIZE,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "text.color": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "legend.fontsize": SIZE,
    "legend.labelcolor": SOFT,
    "legend.handlelength": 1.6,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.4,
    "legend.borderaxespad": 0,
    "legend.borderpad": 0.2,
    "image.composite_image": False,
    "image.interpolation": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "tfviz",
}


def number(value: float, digits: int = 4) -> str:
    """A number as people write it: so many significant digits at most, thousands apart, powers of ten as powers."""
    if isinstance(value, int) or value == 0:
        return separated(str(int(value)))
    if not math.isfinite(value):
        return str(value)
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    if not -5 < exponent < 6:
        return _power(value, digits)
    return separated(_trimmed(f"{value:.{max(0, digits - 1 - exponent)}f}"))


def _power(value: float, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    mantissa, power = _trimmed(mantissa), f"10{str(int(exponent)).translate(_RAISED)}"
    return {"1": power, "-1": f"−{power}"}.get(mantissa, f"{mantissa} × {power}").replace("-", "−")


def separated(text: str) -> str:
    """Digits with a point as text: thousands apart from 10 000 on, and the minus sign that is as wide as a plus."""
    whole, point, rest = text.replace("-", "−").partition(".")
    digits = whole.lstrip("−")
    if len(digits) > 4:
        whole = whole.replace(digits, f"{int(digits):,}".replace(",", "\u202f"))
    return f"{whole}{point}{rest}"


def isolated(text: str) -> str:
    """A number or a Latin name as it goes into a label, which may run from right to left."""
    return f"\u2066{text}\u2069" if language.current().direction == "rtl" else text


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


class Ticks(ScalarFormatter):
    """Numbers at a linear axis, all with as many decimals, written as `number` writes them."""

    def __init__(self) -> None:
        super().__init__(useOffset=False)
        self.set_scientific(False)

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The label at x."""
        return separated(super().__call__(x, pos).replace("−", "-"))


class Powers(Formatter):
    """Numbers at a logarithmic axis: powers of ten all along one that needs them."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The label at x."""
        low, high = sorted(self.axis.get_view_interval())  # type: ignore[union-attr]
        if (low < 1e-4 or high >= 1e6) and not 0.1 <= x <= 10:
            return _power(x, 4)
        return number(x)


def width_of(text: str, weight: int = 400) -> float:
    """How wide a text of one or more lines is, in inches."""
    from matplotlib.textpath import TextToPath

    register()
    properties = FontProperties(family=list(fonts.FAMILIES), size=SIZE, weight=weight)
    lines = (
        TextToPath().get_text_width_height_descent(line, properties, ismath=False)[0]
        for line in text.split("\n")
    )
    return max(lines, default=0.0) / 72


def wrapped(text: str, width: float) -> str:
    """A text broken at spaces into lines that are no wider than so many inches, where its words allow it."""
    lines: list[str] = []
    for line in text.split("\n"):
        words = line.split(" ")
        lines.append(words[0])
        for word in words[1:]:
            if width_of(longer := f"{lines[-1]} {word}") <= width:
                lines[-1] = longer
            else:
                lines.append(word)
    return "\n".join(lines)


def save(figure: Figure, stem: Path) -> Path:
    """Write a figure as SVG and return its path; the same drawing, saved once, gives the same bytes.

    Text stays text, in the families of `fonts`, which the page has to bring.
    """
    path = stem.with_name(f"{stem.name}.svg")
    written = io.StringIO()
    with defaults.only(STYLE), _small_pictures():
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text(_tidied(written.getvalue()), encoding="utf-8", newline="\n")
    return path


def as_png(figure: Figure) -> bytes:
    """A figure as a PNG file on white, twice as fine as on paper: for readers that show no SVG."""
    written = io.BytesIO()
    with defaults.only(STYLE):
        figure.savefig(
            written, format="png", dpi=PIXELS_PER_INCH, facecolor="white", metadata={"Software": None}
        )
    return written.getvalue()


def png(image: Image.Image) -> bytes:
    """A picture as a PNG file that is made quickly; pages compress it further."""
    file = io.BytesIO()
    image.save(file, "png", compress_type=_RUNS)
    return file.getvalue()


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Has a function draw its figure in this style, with numbers written as `number` does."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        register()
        with defaults.only(STYLE):
            figure = draw(*args, **kwargs)
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                if isinstance(axis.get_major_formatter(), LogFormatter):
                    axis.set_major_formatter(Powers())
                    axis.set_minor_formatter(NullFormatter())
                elif type(axis.get_major_formatter()) is ScalarFormatter:
                    axis.set_major_formatter(Ticks())
        return figure

    return wrapper


@cache
def register() -> None:
    """Make the fonts known to Matplotlib, once in a process."""
    known = len(fontManager.ttflist)
    for font in fonts.FONTS:
        fontManager.addfont(fonts.ttf(font))
    ours = fontManager.ttflist[known:]
    # The last, for mathematics, has one weight, which stands in bold text, too. The first of equals is taken, and a
    # machine may have fonts of these names.
    fontManager.ttflist[:] = [*ours, replace(ours[-1], weight=600), *fontManager.ttflist[:known]]


# --- the file ------------------------------------------------------------------------------------------------------

_FEW, _ENLARGED = 128, 192  # pixels along a picture's shorter side
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_PICTURE = re.compile(r'xlink:href="data:image/png;base64,\s*([^"]+)"([^>]*?) style="image-rendering:[^"]*"')
_RUNS = 3  # zlib's strategy that looks for runs only: twice as fast on photographs, and a thirtieth larger


class _Pictures:
    """In the place of Pillow's class in Matplotlib: writes a picture as its smallest PNG, not with four channels."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image

    @classmethod
    def fromarray(cls, pixels: npt.NDArray[np.uint8]) -> _Pictures:
        return cls(Image.fromarray(pixels))

    def save(self, file: io.BytesIO, format: str) -> None:
        file.write(_smallest_png(self._image))


@contextmanager
def _small_pictures() -> Iterator[None]:
    """Inside, an SVG's pictures are written by `_Pictures`: written and read once more, they take half of the time."""
    matplotlib: Any = backend_svg
    pillow, matplotlib.Image = matplotlib.Image, _Pictures
    try:
        yield
    finally:
        matplotlib.Image = pillow


def _tidied(svg: str) -> str:
    """Without what no page needs; a picture of few pixels gets each of them several times: no viewer blurs them."""

    def picture(found: re.Match[str]) -> str:
        data, between = found.groups()
        image: Image.Image = Image.open(io.BytesIO(base64.b64decode(data)))
        sharp = ""
        if min(image.size) < _FEW:
            times = max(4, -(-_ENLARGED // min(image.size)))
            image = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)
            data, sharp = base64.b64encode(png(image)).decode(), ' style="image-rendering:pixelated"'
        return f'xlink:href="data:image/png;base64,{data}"{between}{sharp}'

    svg = _PICTURE.sub(picture, _METADATA.sub("", svg))
    families = ", ".join(f"'{family}'" for family in fonts.FAMILIES)
    svg = svg.replace(f"font-family: {families}; ", "").replace(f"; font-family: {families}", "")
    # A page may run from right to left; its figures do not. WeasyPrint finds no family after a space.
    first = f'<g direction="ltr" font-family="{families.replace(", ", ",")},sans-serif" '
    return direction.marked(svg.replace("<g ", first, 1))


def _smallest_png(image: Image.Image) -> bytes:
    """The same pixels without an alpha channel, colours or depth that they do not need."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
        red, green, blue = image.split()
        if red == green == blue:
            image = red
        elif image.getcolors(256) and (few := image.quantize(256)).convert("RGB") == image:
            image = few
    return png(image)
