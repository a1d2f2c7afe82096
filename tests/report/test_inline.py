import base64
import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.report.live_page import photograph
from tfviz.figures import style
from tfviz.files.program import CHECKOUT
from tfviz.report import inline

OPEN = '<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt">'
HREF = "{http://www.w3.org/1999/xlink}href"
SVG = "{http://www.w3.org/2000/svg}"


def as_bytes(values):
    return np.rint(np.asarray(values) * 255).astype(np.uint8)


def png(pixels, mode=None):
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, "png")
    return file.getvalue()


def decoded(uri):
    """(kind, pixels) of a data URI."""
    kind, data = re.fullmatch(r"data:image/(\w+);base64,([A-Za-z0-9+/=]+)", uri).groups()
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.format.lower() == kind
    return kind, np.asarray(
        image.convert("RGBA" if "transparency" in image.info or image.mode == "RGBA" else "RGB")
    )


PHOTOGRAPH = as_bytes(photograph(100, 80))  # with noise of 5 levels


@pytest.mark.parametrize(("medium", "kind"), [("screen", "webp"), ("print", "jpeg")])
def test_a_photograph_is_compressed_without_a_visible_loss(medium, kind):
    uri = inline.picture(png(PHOTOGRAPH), medium)
    found, pixels = decoded(uri)
    assert found == kind
    assert pixels.shape == (100, 80, 3)
    difference = np.abs(pixels.astype(int) - PHOTOGRAPH)
    assert difference.mean() < 5
    assert len(uri) < 0.4 * len(png(PHOTOGRAPH))


@pytest.mark.parametrize("medium", ["screen", "print"])
@pytest.mark.parametrize("shape", [(11, 11), (63, 200), (200, 63), (1, 1)])
def test_small_pictures_are_exact(medium, shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    kind, found = decoded(inline.picture(png(pixels), medium))
    assert kind == "png"
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("medium", ["screen", "print"])
@pytest.mark.parametrize("colours", [2, 256])
def test_pictures_of_few_colours_are_exact(medium, colours):
    random = np.random.default_rng(0)
    palette = np.unique(random.integers(0, 256, (400, 3), np.uint8), axis=0)[:colours]
    pixels = palette[np.arange(100 * 100).reshape(100, 100) % colours]
    kind, found = decoded(inline.picture(png(pixels), medium))
    assert kind == "png"
    np.testing.assert_array_equal(found, pixels)


def test_more_colours_than_a_palette_holds_are_a_photograph():
    steps = np.arange(257)
    palette = np.stack([steps % 256, steps // 256, 0 * steps], -1).astype(np.uint8)
    assert (
        decoded(inline.picture(png(palette[np.arange(100 * 100).reshape(100, 100) % 257]), "screen"))[0]
        == "webp"
    )


@pytest.mark.parametrize("medium", ["screen", "print"])
def test_what_is_transparent_somewhere_stays_exact(medium):
    pixels = np.dstack([PHOTOGRAPH, np.full(PHOTOGRAPH.shape[:2], 255, np.uint8)])
    assert decoded(inline.picture(png(pixels), medium))[0] in ("webp", "jpeg")  # it only could have been
    pixels[3, 4, 3] = 254
    kind, found = decoded(inline.picture(png(pixels), medium))
    assert kind == "png"
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize(("levels", "kinds"), [(64, ("png", "png")), (65, ("webp", "jpeg"))])
def test_greys_count_their_levels(levels, kinds):
    grey = (np.arange(100 * 100).reshape(100, 100) % levels).astype(np.uint8)
    for pixels in (grey, np.repeat(grey[..., None], 3, -1)):
        assert (
            tuple(decoded(inline.picture(png(pixels), medium))[0] for medium in ("screen", "print")) == kinds
        )


def test_a_grey_photograph_stays_grey_in_print():
    grey = PHOTOGRAPH[..., 0]
    uri = inline.picture(png(np.repeat(grey[..., None], 3, -1)), "print")
    assert Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).mode == "L"


def test_other_formats_and_palettes_are_read():
    image = Image.fromarray(PHOTOGRAPH).quantize(16)
    for kind in ("gif", "png"):
        file = io.BytesIO()
        image.save(file, kind)
        found, pixels = decoded(inline.picture(file.getvalue(), "screen"))
        assert found == "png"
        np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(ValueError, match="not a picture"):
        inline.picture(data, "screen")


def drawing():
    """A figure as the program draws them, with a photograph, a small picture, lines and text."""
    figure = Figure(figsize=(3, 2))
    first, second, third = figure.subplots(1, 3)
    first.imshow(photograph(150, 150))
    second.imshow(photograph(8, 8))
    third.plot([0, 1, 2], [3.123456, 1, 2], color=style.ACCENT, marker="o")
    third.set_title("Title & <more>", color=style.INK)
    return figure


@pytest.fixture(scope="module")
def svg(tmp_path_factory):
    return style.save(style.styled(drawing)(), tmp_path_factory.mktemp("drawing") / "made_up").read_text(
        encoding="utf-8"
    )


def elements(text):
    return list(ET.fromstring(text).iter())


def attributes(text):
    return [(name, value) for element in elements(text) for name, value in element.attrib.items()]


def test_a_drawing_on_the_screen_is_one_element_with_its_size_and_words(svg):
    shown = inline.svg_for_screen(svg, "one-", 'a "figure" <of> three')
    assert shown.startswith("<svg ")
    root = ET.fromstring(shown)
    assert root.tag == "svg"  # an HTML page needs no namespace
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'a "figure" <of> three'
    # Three inches by two, in CSS pixels; the user's unit stays the point.
    assert (root.attrib["width"], root.attrib["height"]) == ("288", "192")
    assert root.attrib["viewBox"] == "0 0 216 144"
    for gone in ("<?xml", "<!DOCTYPE", "<!--", "metadata", "rdf", "<style", "xmlns", "xlink", "\n"):
        assert gone not in shown, gone
    assert len(shown) < 0.7 * len(svg)


def test_text_stays_text(svg):
    shown = [
        element.text for element in elements(inline.svg_for_screen(svg, "x-", "")) if element.tag == "text"
    ]
    assert "Title & <more>" in shown
    assert "1.5" in shown


def test_ids_are_those_that_are_used_and_the_drawings_own(svg):
    one, two = (inline.svg_for_screen(svg, prefix, "") for prefix in ("one-", "two-"))
    for text, prefix in ((one, "one-"), (two, "two-")):
        ids = [value for name, value in attributes(text) if name == "id"]
        assert ids
        assert len(set(ids)) == len(ids)
        assert all(each.startswith(prefix) for each in ids)
        used = [value[1:] for name, value in attributes(text) if name == "href" and value.startswith("#")]
        used += [each for _, value in attributes(text) for each in re.findall(r"url\(#(.*?)\)", value)]
        assert set(used) == set(ids)
    assert one.replace("one-", "two-") == two


def test_colours_of_the_palette_become_its_variables_and_others_stay():
    ink, accent = style.PALETTE["--ink"], style.PALETTE["--accent"]
    text = inline.svg_for_screen(
        f'{OPEN}<path d="M0 0" fill="{ink}" '
        f'style="stroke: {accent.upper()}; opacity: 0.5"/><path d="M0 0" style="fill: #123456" stroke="none"/></svg>',
        "",
        "",
    )
    _, first, second = elements(text)
    assert first.attrib == {
        "d": "M0 0",
        "style": f"fill:var(--ink,{ink});stroke:var(--accent,{accent});opacity:0.5",
    }
    assert second.attrib == {"d": "M0 0", "style": "stroke:none;fill:#123456"}


def test_a_drawings_one_rule_for_all_is_kept_within_it():
    text = inline.svg_for_screen(
        f"{OPEN}<defs><style type='text/css'>*{{stroke-linejoin: round; stroke-linecap: butt}}</style></defs>"
        "<g><g id='unused'><path d='M 0 0'/></g></g></svg>",
        "",
        "",
    )
    root, path = elements(text)  # groups that say nothing are gone
    assert root.attrib["style"] == "stroke-linejoin:round;stroke-linecap:butt"
    assert path.tag == "path"


@pytest.mark.parametrize(
    ("name", "value", "short"),
    [
        (
            "d",
            "M 34.72274 135.599135 \nL 245.4 -0.0009 \nC 1e-3 2.5 3 4 5 6.006 \nz\n",
            "M34.72 135.6L245.4 0C0 2.5 3 4 5 6.01z",
        ),
        ("points", "1.005,2.0049 3,4", "1,2 3,4"),
        ("x", "64.459449", "64.46"),
        ("width", "28.123456", "28.123456"),  # with its transform it says where a picture ends
        (
            "transform",
            "translate(61.914449 148.67726) scale(0.0812345678 -0.08)",
            "translate(61.91 148.68) scale(0.0812346 -0.08)",
        ),
        (
            "transform",
            "matrix(0.452603 0 0 0.452603 79.97649 17.004944)",
            "matrix(0.452603 0 0 0.452603 79.98 17)",
        ),
        ("transform", "rotate(-90 12.3456 7.8)", "rotate(-90 12.35 7.8)"),
        ("opacity", "0.123456", "0.123456"),
    ],
)
def test_coordinates_are_rounded_to_a_hundredth(name, value, short):
    text = inline.svg_for_screen(
        f'{OPEN}<path {name}="{value}"/></svg>',
        "",
        "",
    )
    assert elements(text)[1].attrib[name] == short


def test_every_point_of_a_real_drawing_lies_where_it_lay(svg):
    def paths(text):
        for element in ET.fromstring(text).iter():
            if element.tag.rpartition("}")[2] == "path":
                yield [float(each) for each in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", element.attrib["d"])]

    before, after = list(paths(svg)), list(paths(inline.svg_for_screen(svg, "", "")))
    assert len(before) == len(after) > 3
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, old, atol=0.0051)


@pytest.mark.parametrize(("medium", "kind"), [("screen", "webp"), ("print", "jpeg")])
def test_photographs_in_a_drawing_are_compressed_and_smooth_small_ones_exact_and_sharp(svg, medium, kind):
    text = inline.svg_for_screen(svg, "", "") if medium == "screen" else inline.svg_for_print(svg).decode()
    large, small = (element for element in elements(text) if element.tag.rpartition("}")[2] == "image")
    href = "href" if medium == "screen" else HREF
    _, original = decoded(
        [element for element in elements(svg) if element.tag == f"{SVG}image"][1].attrib[HREF]
    )
    found, pixels = decoded(large.attrib[href])
    assert found == kind
    assert np.abs(pixels.astype(int) - as_bytes(photograph(150, 150))).mean() < 5
    assert "image-rendering" not in large.attrib.get("style", "")
    assert "image-rendering" not in large.attrib
    found, pixels = decoded(small.attrib[href])
    assert found == "png"
    np.testing.assert_array_equal(pixels, original)
    np.testing.assert_allclose(original[::24, ::24], as_bytes(photograph(8, 8)), atol=1)
    if medium == "screen":
        assert small.attrib["style"] == "image-rendering:pixelated"
    else:
        assert small.attrib["image-rendering"] == "pixelated"


@pytest.mark.parametrize(
    ("written", "kind", "kept"),
    [
        ("image-rendering: pixelated", "png", "image-rendering:pixelated"),
        ("opacity: 0.5; image-rendering: pixelated", "png", "opacity:0.5;image-rendering:pixelated"),
        ("opacity: 0.5", "webp", "opacity:0.5"),
        ("opacity: 0.5; image-rendering:crisp-edges;image-rendering:pixelated", "webp", "opacity:0.5"),
    ],
)
def test_a_picture_whose_pixels_are_to_be_seen_is_exact(written, kind, kept):
    data = base64.b64encode(png(PHOTOGRAPH)).decode()
    image = f'<image href="data:image/png;base64,\n{data}" width="80" height="100" style="{written}"/>'
    shown = elements(inline.svg_for_screen(f"{OPEN}{image}</svg>", "", ""))[1]
    assert decoded(shown.attrib["href"])[0] == kind
    assert shown.attrib["style"] == kept


def test_a_drawing_for_print_is_a_whole_file_with_the_same_lines(svg):
    data = inline.svg_for_print(svg)
    root = ET.fromstring(data)
    assert root.tag == f"{SVG}svg"
    assert (root.attrib["width"], root.attrib["height"]) == ("216pt", "144pt")
    assert style.PALETTE["--accent"] in data.decode()
    assert "var(" not in data.decode()
    assert "metadata" not in data.decode()
    assert "style=" not in data.decode()
    assert root.attrib["stroke-linejoin"] == "round"  # Matplotlib's one rule
    assert len(data) < 0.8 * len(svg)


def test_a_pdf_takes_the_jpeg_as_it_is(svg):
    weasyprint = pytest.importorskip("weasyprint")
    data = inline.svg_for_print(svg)
    uri = f"data:image/svg+xml;base64,{base64.b64encode(data).decode()}"
    pdf = weasyprint.HTML(string=f'<img src="{uri}" alt="">').write_pdf(uncompressed_pdf=True)
    (photo,) = (
        decoded(element.attrib[HREF])
        for element in elements(data.decode())
        if "jpeg" in element.attrib.get(HREF, "")
    )
    assert photo[0] == "jpeg"
    assert pdf.count(b"/DCTDecode") == 1
    jpeg = re.search(rb"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", data)[1]
    assert base64.b64decode(jpeg) in pdf


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a drawing"),
        ("<svg", "not a drawing"),
        ("<html/>", "its root is <html>"),
        ('<svg width="9pt" height="9pt"/>', "its root is <svg>"),
        ('<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>', "entities"),
        (
            '<svg xmlns="http://www.w3.org/2000/svg"><image href="https://example.org/x.png"/></svg>',
            "does not point to https",
        ),
        ('<svg xmlns="http://www.w3.org/2000/svg"><script>a</script></svg>', "has no <script>"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><g onload="a"/></svg>', "has no onload=a"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><g style="fill:url(//a.org)"/></svg>', "has no style=fill"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><style>* {a: url("//a")}</style></svg>', "inside it"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><g xmlns="a:b"/></svg>', "has no <g>"),
        (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink">'
            '<use x:href="data:a"/></svg>',
            "does not point to data:a",
        ),
        (
            '<svg xmlns="http://www.w3.org/2000/svg"><image href="data:image/png;base64,?"/></svg>',
            "not a picture",
        ),
        (
            '<svg xmlns="http://www.w3.org/2000/svg"><image href="data:image/png;base64,AAAA"/></svg>',
            "not a picture",
        ),
    ],
)
def test_what_is_no_drawing_of_ours_is_refused(text, message):
    for convert in (lambda: inline.svg_for_screen(text, "", ""), lambda: inline.svg_for_print(text)):
        with pytest.raises(ValueError, match=message):
            convert()


def test_two_processes_give_the_same_bytes(tmp_path, svg):
    path = tmp_path / "drawing.svg"
    path.write_text(svg, encoding="utf-8")
    program = (
        "import sys, hashlib; from tfviz.report import inline; text = open(sys.argv[1], encoding='utf-8').read()\n"
        "print(hashlib.sha256(inline.svg_for_screen(text, 'a', 'b').encode() + inline.svg_for_print(text)).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, str(path)],
            check=True,
            capture_output=True,
            cwd=CHECKOUT,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
