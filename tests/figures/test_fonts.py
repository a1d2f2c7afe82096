import base64
import io
import re

import pytest
from fontTools.ttLib import TTFont, woff2

from tfviz.figures import fonts
from tfviz.figures.fonts import FONTS, HEBREW, LATIN, MATHEMATICS

SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
MARKS = "\u200e\u200f\u2060\u2066\u2067\u2068\u2069"


def faces(css):
    """{(family, weight, style): the font} of a page's CSS."""
    found = {}
    for rule in re.findall(r"@font-face\{(.*?)\}", css):
        name = re.search(r'font-family:"(.*?)"', rule)[1]
        described = [re.search(rf"{which}:(.*?);", rule) for which in ("weight", "style")]
        data = base64.b64decode(re.search(r"base64,(.*?)\)", rule)[1])
        assert data[:4] == b"wOF2"
        found[name, *(each[1] for each in described)] = TTFont(io.BytesIO(data))
    return found


@pytest.fixture(scope="module")
def latin():
    return TTFont(fonts.ttf(next(font for font in FONTS if font.path.stem == "open-sans-latin-400-normal")))


def extent(font, letter):
    glyph = font["glyf"][font.getBestCmap()[ord(letter)]]
    return glyph.xMin, glyph.yMin, glyph.xMax, glyph.yMax


def test_every_font_comes_with_its_licence_and_is_small():
    for font in FONTS:
        for path in filter(None, (font.path, font.more)):
            assert path.stat().st_size < 300_000
        family = "noto-sans-math" if font.family == MATHEMATICS else "open-sans"
        assert font.path.name.startswith(family)
        licence = (font.path.parent / f"OFL-{family}.txt").read_text()
        assert "SIL OPEN FONT LICENSE Version 1.1" in licence
        assert "Reserved Font Name" not in licence.partition("-----")[0]


def test_all_fonts_are_in_the_page_with_what_css_calls_them():
    found = faces(fonts.font_faces())
    # Each once: WeasyPrint would mix up two that have the same description.
    assert sorted(found) == sorted((font.family, str(font.weight), font.style) for font in FONTS)
    for (family, *_), font in found.items():
        letters = {LATIN: "aŁő⁻", HEBREW: "א״", MATHEMATICS: "∑𝑥"}[family]
        assert set(letters) <= set(map(chr, font.getBestCmap()))


@pytest.mark.parametrize(
    ("text", "families", "extended"),
    [
        ("step 10⁻⁶ ≥ é", {LATIN, MATHEMATICS}, False),
        ("צעד", {LATIN, HEBREW, MATHEMATICS}, False),
        ("Łódź", {LATIN, MATHEMATICS}, True),
    ],
)
def test_a_page_has_only_the_fonts_that_its_text_needs(text, families, extended):
    found = faces(fonts.font_faces(text))
    assert {family for family, *_ in found} == families
    for (family, *_), font in found.items():
        assert (ord("Ł") in font.getBestCmap()) == (extended and family == LATIN)
        assert ord("ő") not in font.getBestCmap()


def test_the_font_for_mathematics_is_cut_to_formulas_and_what_the_text_has():
    (few,) = (font for (family, *_), font in faces(fonts.font_faces()).items() if family == MATHEMATICS)
    letters = set(map(chr, few.getBestCmap()))
    assert set("𝑥𝜎ℒ∑√≥●◆▲→xσ") <= letters
    assert "⤀" not in letters
    assert "MATH" in few  # for stretched brackets
    (more,) = (font for (family, *_), font in faces(fonts.font_faces("a ⤀")).items() if family == MATHEMATICS)
    assert ord("⤀") in more.getBestCmap()


def test_extended_letters_are_those_of_their_own_file_on_the_same_line(latin):
    more = TTFont(FONTS[0].more)
    for letter in "Łőžş":
        assert extent(latin, letter) == extent(more, letter)
        widths = [font["hmtx"][font.getBestCmap()[ord(letter)]][0] for font in (latin, more)]
        assert widths[0] == widths[1]


def test_missing_glyphs_are_the_characters_that_no_font_has():
    assert fonts.missing_glyphs("中a文\n中\t") == "中文"
    text = f"“Łódź” – 12\u202f345 × {SUPERSCRIPTS} ≥ σ ● ○ ◆ ▲ ✓ √2 שלום ד״ר ג׳ו נא־ \u20110 {MARKS} 𝑛𝑥 ∎"
    assert fonts.missing_glyphs(text) == ""


def test_superscripts_are_digits_made_smaller_all_at_one_height(latin):
    two = extent(latin, "²")
    size = (two[3] - two[1]) / (extent(latin, "2")[3] - extent(latin, "2")[1])
    assert 0.5 < size < 0.7
    lift = two[1] - size * extent(latin, "2")[1]
    for raised, digit in zip(SUPERSCRIPTS, "0123456789−", strict=True):
        expected = [size * value + lift * (index % 2) for index, value in enumerate(extent(latin, digit))]
        assert extent(latin, raised) == pytest.approx(expected, abs=2)
    widths = {latin["hmtx"][latin.getBestCmap()[ord(digit)]][0] for digit in SUPERSCRIPTS}
    assert len(widths) == 1  # as all digits are as wide


def test_marks_of_direction_take_no_room(latin):
    for mark in MARKS:
        name = latin.getBestCmap()[ord(mark)]
        assert latin["hmtx"][name][0] == 0
        assert latin["glyf"][name].numberOfContours == 0


def test_a_space_and_a_hyphen_that_do_not_break_are_as_wide_as_those_that_do(latin):
    for firm, loose in (("\u202f", "\u2009"), ("\u2011", "-")):
        widths = [latin["hmtx"][latin.getBestCmap()[ord(letter)]][0] for letter in (firm, loose)]
        assert widths[0] == widths[1] > 0


def test_gershayim_look_like_the_quotes_of_the_same_weight():
    for weight in ("400", "600"):
        hebrew, latin = (
            TTFont(
                fonts.ttf(
                    next(font for font in FONTS if font.path.stem == f"open-sans-{letters}-{weight}-normal")
                )
            )
            for letters in ("hebrew", "latin")
        )
        assert extent(hebrew, "״") == extent(latin, '"')
        assert extent(hebrew, "׳") == extent(latin, "'")


def test_files_for_programs_that_read_no_woff2_go_by_the_family_s_name():
    for font in FONTS:
        path = fonts.ttf(font)
        assert fonts.ttf(font) == path
        assert TTFont(path)["name"].getDebugName(1) == font.family
        assert path.read_bytes()[:4] == b"\x00\x01\x00\x00"
    assert TTFont(fonts.mathematics())["name"].getDebugName(1) == MATHEMATICS


@pytest.mark.parametrize("font", FONTS, ids=lambda font: font.path.stem)
def test_the_files_made_beforehand_are_what_is_made_now(font):
    """Table by table: another version of the compressor gives other bytes of a file."""

    def tables(data):
        file = io.BytesIO()
        woff2.decompress(io.BytesIO(data), file)
        reader = TTFont(file).reader
        return {name: reader[name] for name in reader.keys() - {"head"}}  # which has a checksum of the file

    assert tables(font.made.read_bytes()) == tables(fonts.make(font))
    assert font.made.stat().st_size < 300_000


def test_drawings_get_the_font_for_mathematics_whole_but_for_where_marks_go():
    font = next(font for font in FONTS if font.family == MATHEMATICS)
    stored, now = (TTFont(io.BytesIO(data)) for data in (font.drawn.read_bytes(), fonts.make_whole(font)))
    published = TTFont(font.path)
    assert {name: stored.reader[name] for name in stored.reader.keys() - {"head"}} == {
        name: now.reader[name] for name in now.reader.keys() - {"head"}
    }
    assert stored.reader.keys() == published.reader.keys()
    for name in published.reader.keys() - {
        "head",
        "GPOS",
        "glyf",
        "loca",
    }:  # what is not the outlines' packing
        assert stored.reader[name] == published.reader[name]
    for glyph in published.getGlyphOrder()[::50]:
        assert stored["glyf"][glyph] == published["glyf"][glyph]
    assert {record.FeatureTag for record in stored["GPOS"].table.FeatureList.FeatureRecord} == {"kern"}
    assert font.drawn.stat().st_size < 350_000


@pytest.mark.parametrize(
    "latex",
    [
        r"\hat{x} + \widehat{abc} - \bar{y}_{12}",
        r"\text{onerror=alert(1) VAT To}",  # whose letters are kerned
        r"\sqrt[3]{\frac{a}{b}} \sum_{i<k} \left( \int f \right)",
    ],
)
def test_formulas_are_drawn_as_with_the_published_font(latex, tmp_path):
    ziamath = pytest.importorskip("ziamath")
    font = next(font for font in FONTS if font.family == MATHEMATICS)
    whole = tmp_path / fonts.mathematics().name  # of which the drawing's names are made
    woff2.decompress(str(font.path), str(whole))
    ours, theirs = (
        ziamath.Latex(latex, size=100, font=str(path)).svg() for path in (fonts.mathematics(), whole)
    )
    assert ours == theirs
