"""The fonts of figures, formulas and pages: one family in Latin and Hebrew letters, and one for mathematics.

They come as WOFF2 (see tfviz/assets/fonts/README.md). What the report needs and they lack is made here of their own
glyphs: superscripts, geresh and gershayim, spaces and hyphens that do not break, marks that have no shape. That takes
seconds and is done beforehand (tfviz/assets/make_fonts.py) for pages that get all letters.
"""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfviz.files.program import asset

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

LATIN, HEBREW, MATHEMATICS = "Open Sans", "Open Sans Hebrew", "Noto Sans Math"
FAMILIES = (LATIN, HEBREW, MATHEMATICS)
"""In the order in which a character is looked for in them."""


class Font(NamedTuple):
    """A font: its CSS descriptors, its file, and one of the same design with more letters."""

    family: str
    weight: int
    style: str
    path: Path
    more: Path | None = None

    @property
    def made(self) -> Path:
        """The font as pages get it, with all letters, as WOFF2."""
        return self.path.parent / "made" / self.path.name

    @property
    def drawn(self) -> Path:
        """The font as drawings get it, as WOFF2: that for mathematics is cut for pages, and whole here."""
        return self.made.with_stem(f"{self.path.stem}-whole") if self.family == MATHEMATICS else self.made


# Latin and extended Latin become one file: two of one family, weight and style are mixed up by WeasyPrint.
FONTS = (
    Font(
        LATIN,
        400,
        "normal",
        asset("fonts/open-sans-latin-400-normal.woff2"),
        asset("fonts/open-sans-latin-ext-400-normal.woff2"),
    ),
    Font(
        LATIN,
        600,
        "normal",
        asset("fonts/open-sans-latin-600-normal.woff2"),
        asset("fonts/open-sans-latin-ext-600-normal.woff2"),
    ),
    Font(
        LATIN,
        400,
        "italic",
        asset("fonts/open-sans-latin-400-italic.woff2"),
        asset("fonts/open-sans-latin-ext-400-italic.woff2"),
    ),
    Font(HEBREW, 400, "normal", asset("fonts/open-sans-hebrew-400-normal.woff2")),
    Font(HEBREW, 600, "normal", asset("fonts/open-sans-hebrew-600-normal.woff2")),
    Font(MATHEMATICS, 400, "normal", asset("fonts/noto-sans-math-latin-400-normal.woff2")),
)

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789−", strict=True))
_LOOK_LIKE = {"\u2010": "-", "\u2011": "-", "\u202f": "\u2009"}  # hyphen and thin space that do not break
_SHAPELESS = "\u200e\u200f\u2060\u2066\u2067\u2068\u2069"  # where lines break, and which way text runs
_QUOTES = {"\u05f3": "'", "\u05f4": '"'}  # geresh and gershayim
_HEBREW_LETTERS = frozenset(map(chr, range(0x590, 0x600)))
# What formulas, verdicts and figures may take from the font for mathematics. Browsers write a formula's letters with
# the italic ones of a block of their own, which stand in no text.
_MATHEMATICAL = (
    (0x20, 0x7E),  # ASCII
    (0x391, 0x3C9),  # Greek
    (0x2061, 0x2063),  # operators that are not seen
    (0x2100, 0x214F),  # letters as symbols
    (0x2190, 0x21D4),  # arrows
    (0x2200, 0x22FF),  # operators
    (0x2308, 0x230B),  # ceiling and floor
    (0x1D434, 0x1D467),  # italic
    (0x1D49C, 0x1D4B5),  # script capitals
    (0x1D6FC, 0x1D71B),  # italic Greek
)
_SIGNS = "×−±·′″‖–…⟨⟩●○◆◇▲△■□✓"


def ttf(font: Font) -> Path:
    """A font as a TrueType file, for what cannot read WOFF2; in a folder that goes when the process ends."""
    path = _folder() / f"{font.path.stem}.ttf"
    if not path.exists():
        from fontTools.ttLib import woff2

        woff2.decompress(str(font.drawn), str(path))
    return path


def mathematics() -> Path:
    """The font of the formulas as a TrueType file."""
    return ttf(next(font for font in FONTS if font.family == MATHEMATICS))


@cache
def font_faces(text: str | None = None) -> str:
    """The fonts as CSS, with the files inside.

    Args:
        text: what they are to show: extended Latin and Hebrew letters that it has not are left out. None: all fonts.
    """
    needed = [
        font
        for font in FONTS
        if text is None or font.family != HEBREW or not _HEBREW_LETTERS.isdisjoint(text)
    ]
    return "".join(_font_face(font, text) for font in needed)


def missing_glyphs(text: str) -> str:
    """The characters of a text that no font of a page has, each once, in order; line breaks and tabs need none."""
    there = frozenset[str]().union(*map(_characters, FONTS))
    return "".join(sorted(set(text) - there - set("\n\r\t")))


@cache
def _folder() -> Path:
    _kept.append(tempfile.TemporaryDirectory(prefix="tfviz-fonts-"))
    return Path(_kept[0].name)


_kept: list[tempfile.TemporaryDirectory[str]] = []  # a folder goes with the object that made it


@cache
def _characters(font: Font) -> frozenset[str]:
    from fontTools.ttLib import TTFont

    return frozenset(map(chr, TTFont(font.made).getBestCmap()))


@cache
def _mathematical() -> frozenset[str]:
    """What pages get of the font for mathematics."""
    return frozenset(chr(code) for first, last in _MATHEMATICAL for code in range(first, last + 1)) | set(
        _SIGNS
    )


def _font_face(font: Font, text: str | None) -> str:
    data = font.made.read_bytes() if text is None else make(font, text)
    return (
        f'@font-face{{font-family:"{font.family}";font-weight:{font.weight};font-style:{font.style};'
        "font-display:block;"
        f'src:url(data:font/woff2;base64,{base64.b64encode(data).decode()}) format("woff2")}}'
    )


def make(font: Font, text: str | None = None) -> bytes:
    """A font as pages get it, as a WOFF2 file; the same bytes each time.

    Args:
        font: see `FONTS`.
        text: see `font_faces`.
    """
    made = _completed(font, text)
    if font.family == MATHEMATICS:
        from fontTools import subset  # type: ignore[import-untyped]

        options = subset.Options(layout_features=["*"], notdef_outline=True)
        cutter = subset.Subsetter(options)
        cutter.populate(text="".join(sorted(_mathematical())) + (text or ""))
        cutter.subset(made)
    made.flavor = "woff2"
    data = io.BytesIO()
    made.save(data)
    return data.getvalue()


def make_whole(font: Font) -> bytes:
    """The font for mathematics as drawings get it, as a WOFF2 file that is read in a hundredth of a second.

    Its outlines are stored as they are, not as WOFF2 would transform them, and of the table that moves glyphs only
    kerning is kept: formulas place accents by another one, and to read where marks go takes longer than all else.

    Args:
        font: that for mathematics.
    """
    from fontTools import subset
    from fontTools.ttLib import TTFont, woff2

    whole, kept = TTFont(font.path, recalcTimestamp=False), subset.Options(layout_features=["kern"])
    whole["GPOS"].prune_pre_subset(whole, kept)
    whole["GPOS"].prune_post_subset(whole, kept)
    whole.flavor, whole.flavorData = "woff2", woff2.WOFF2FlavorData(transformedTables=())
    data = io.BytesIO()
    whole.save(data)
    return data.getvalue()


def _completed(font: Font, text: str | None = None) -> TTFont:
    """A font with what it lacks made of its own and its like's glyphs, under its family's name.

    Of the letters of its like only those that a text has; None: all.
    """
    from fontTools.ttLib import TTFont

    made = TTFont(font.path, recalcTimestamp=False)
    for record in made["name"].names:  # by which Matplotlib goes; Hebrew letters have the Latin family's
        if record.nameID in (1, 16):
            record.string = font.family
    if font.family == HEBREW:
        latin = next(each for each in FONTS if (LATIN, *font[1:3]) == each[:3])
        _add(made, TTFont(latin.path), _QUOTES)
    elif font.family == LATIN:
        glyphs, names = made["glyf"], made.getBestCmap()
        designed, digit = (glyphs[names[ord(letter)]] for letter in "²2")
        size = (designed.yMax - designed.yMin) / (digit.yMax - digit.yMin)
        _add(made, made, _SUPERSCRIPTS, size=size, up=designed.yMax - size * digit.yMax)
        _add(made, made, _LOOK_LIKE)
        _add(made, made, dict.fromkeys(_SHAPELESS, " "), size=0)
    if font.more is not None:
        like = TTFont(font.more)
        letters = set(map(chr, like.getBestCmap())) - set(map(chr, made.getBestCmap()))
        wanted = letters if text is None else letters & set(text)
        _add(made, like, {letter: letter for letter in sorted(wanted)})
    return made


def _add(font: TTFont, source: TTFont, letters: Mapping[str, str], *, size: float = 1, up: float = 0) -> None:
    """Give a font characters with glyphs of a font of the same design, made smaller and raised.

    Args:
        font: that gets them.
        source: that has them.
        letters: {character: the one whose glyph it gets}.
        size: by which they are multiplied.
        up: how far they are raised, in the font's units.
    """
    from fontTools.pens.recordingPen import DecomposingRecordingPen  # type: ignore[import-untyped]
    from fontTools.pens.transformPen import TransformPen  # type: ignore[import-untyped]
    from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]

    glyphs, names = source.getGlyphSet(), source.getBestCmap()
    for letter, like in letters.items():
        name, model = f"made{ord(letter):04X}", names[ord(like)]
        outline, pen = DecomposingRecordingPen(glyphs), TTGlyphPen(None)
        glyphs[model].draw(outline)
        outline.replay(TransformPen(pen, (size, 0, 0, size, 0, up)))
        font["glyf"][name] = pen.glyph()
        width, left = source["hmtx"][model]
        font["hmtx"][name] = (round(size * width), round(size * left))
        for table in font["cmap"].tables:
            table.cmap[ord(letter)] = name
