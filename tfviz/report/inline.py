"""What goes inside the one HTML file and the PDF: pictures as data, drawings as SVG."""

from __future__ import annotations

import base64
import binascii
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tfviz.figures import direction, style
from tfviz.report.handed_in import FORMATS

if TYPE_CHECKING:
    from PIL import Image

Medium = Literal["screen", "print"]

_SMALL = 64  # pixels on a side
_FEW = 256  # colours: as many as a PNG's palette holds
_WEBP_QUALITY = 82
_JPEG_QUALITY = 90
_PX_PER_PT = 96 / 72
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_SHARP = "image-rendering:pixelated"
_DROPPED = {"metadata", "style", "title", "desc"}
_COORDINATES = {"d", "points", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry"}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_FUNCTION = re.compile(r"(\w+)\(([^)]*)\)")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_FOR_ALL = re.compile(r"^\s*\*\s*\{([^}]*)\}\s*$")
_ELEMENTS = re.compile(r"svg|g|defs|clipPath|path|rect|use|image|text|tspan|style|metadata|title|desc")
_ATTRIBUTES = re.compile(
    "id|style|x|y|width|height|transform|d|clip-path|viewBox|version|type|direction|opacity|font-family|font-size|"
    "text-anchor|fill|fill-opacity|fill-rule|stroke|stroke-(width|opacity|linecap|linejoin|miterlimit|dasharray)|"
    "points|x1|y1|x2|y2|cx|cy|r|rx|ry|class|preserveAspectRatio"
)
_LEADS_OUT = re.compile(r"url\((?!\s*#)|@|\\|expression|javascript:", re.IGNORECASE)


_KEPT = 2048  # pictures that are encoded once in a process, though a report has them in several places


@lru_cache(maxsize=_KEPT)
def picture(png: bytes, medium: Medium) -> str:
    """A picture as a data URI, as small as it can be without a visible loss; the same bytes each time.

    Args:
        png: a picture file: PNG, or another that Pillow reads.
        medium: "screen": WebP for photographs; "print": JPEG for them, which a PDF takes as it is. What is small, has
            few colours or is transparent somewhere is a PNG, exact.

    Raises:
        ValueError: it is no picture.
    """
    image = _opened(png)
    if image.mode == "RGBA" or min(image.size) < _SMALL or _few_colours(image):
        return _exact(png, medium)
    if medium == "screen":
        return _uri("webp", image, quality=_WEBP_QUALITY, method=6)
    return _uri("jpeg", image, quality=_JPEG_QUALITY, optimize=True)


@lru_cache(maxsize=_KEPT)
def svg_for_screen(svg: str, prefix: str, alt: str) -> str:
    """An <svg> element to put into HTML, from a drawing that matplotlib wrote.

    Ids that are used get the prefix, others go; so do metadata and comments. Coordinates are rounded to a hundredth,
    colours of the palette become its variables, so that the page may recolour them, and pictures become WebP or PNG.

    Args:
        svg: the drawing, a whole file.
        prefix: of ids, different for every drawing on the page.
        alt: what it shows, for a reader who cannot see it.

    Raises:
        ValueError: it is no SVG, or declares entities.
    """
    root = _read(svg)
    _slim(root)
    used = {reference for element in root.iter() for reference in _references(element)}
    for element in root.iter():
        identifier = element.attrib.pop("id", None)
        if identifier in used:
            element.set("id", prefix + identifier)
        if _tag(element) == "image":
            _inline_picture(element, "screen")
        # A variable belongs into a declaration: not every browser reads one in an attribute.
        paint = [
            f"{name}:{element.attrib.pop(name)}" for name in ("fill", "stroke") if name in element.attrib
        ]
        if declared := [*paint, *_declarations(element)]:
            element.set("style", _COLOUR.sub(_variable, ";".join(declared)))
        for name, value in element.attrib.items():
            if name in ("href", _HREF) and value.startswith("#"):
                element.set(name, f"#{prefix}{value[1:]}")
            elif "url(#" in value:
                element.set(name, _REFERENCE.sub(rf"url(#{prefix}\1)", value))
    _unwrap(root)
    width, height = (_pixels(root.get(name, "")) for name in ("width", "height"))
    box = root.get("viewBox", f"0 0 {width} {height}")
    root.attrib = {
        "viewBox": _rounded(box),
        "width": width,
        "height": height,
        "role": "img",
        "aria-label": alt,
        **({"style": root.attrib["style"]} if "style" in root.attrib else {}),
    }
    for element in root.iter():
        element.tag = _tag(element)
        if _HREF in element.attrib:
            element.set("href", element.attrib.pop(_HREF))
    return ET.tostring(root, encoding="unicode")


def svg_for_print(svg: str) -> bytes:
    """The same drawing for the PDF, a whole file: photographs as JPEG; the same bytes each time.

    Args:
        svg: a whole file, as matplotlib writes it.

    Raises:
        ValueError: it is no SVG, or declares entities.
    """
    root = _read(direction.for_print(svg))
    _slim(root)
    for element in root.iter():
        if _tag(element) == "image":
            _inline_picture(element, "print")
        # WeasyPrint reads an attribute without looking for CSS in it.
        for name, _, value in (each.partition(":") for each in _declarations(element)):
            element.set(name, value)
        element.attrib.pop("style", None)
    _unwrap(root)
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return bytes(ET.tostring(root, encoding="utf-8"))


def check(svg: str) -> None:
    """Raise ValueError for what is no drawing of ours, as `svg_for_screen` does."""
    _read(svg)


def _opened(data: bytes) -> Image.Image:
    """A picture as grey ("L"), "RGB", or "RGBA" where it is transparent somewhere."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as file:
            transparent = file.mode in ("RGBA", "LA", "PA") or "transparency" in file.info
            image = file.convert("RGBA" if transparent else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a picture: {error}") from error
    pixels = np.asarray(image)
    if transparent and (pixels[..., 3] < 255).any():
        return image
    if (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all():
        return image.getchannel(0)
    return image.convert("RGB")


@lru_cache(maxsize=_KEPT)
def _side(png: bytes) -> int:
    """The shorter side of a picture, in pixels."""
    return min(_opened(png).size)


def _few_colours(image: Image.Image) -> bool:
    # A grey photograph has no more than 256 levels, so that fewer must do there.
    return image.getcolors(_FEW if image.mode == "RGB" else _SMALL) is not None


@lru_cache(maxsize=_KEPT)
def _exact(png: bytes, medium: Medium) -> str:
    """A picture as PNG, for a page with a palette where that holds all colours, if it is smaller."""
    image = _opened(png)
    if medium == "print":  # WeasyPrint writes it again
        return f"data:image/png;base64,{base64.b64encode(style.png(image)).decode()}"
    uri = _uri("png", image, optimize=True)
    if image.mode != "RGB" or image.getcolors(_FEW) is None:
        return uri
    from PIL import Image

    pixels = np.asarray(image)
    red, green, blue = np.moveaxis(pixels.astype(np.uint32), -1, 0)  # as one number: sorted many times faster
    colours, indices = np.unique(red << 16 | green << 8 | blue, return_inverse=True)
    indexed = Image.fromarray(indices.reshape(pixels.shape[:2]).astype(np.uint8), "P")
    indexed.putpalette(
        np.stack([colours >> 16, colours >> 8 & 255, colours & 255], -1).astype(np.uint8).tobytes()
    )
    return min(uri, _uri("png", indexed, optimize=True), key=len)


def _uri(kind: str, image: Image.Image, **options: Any) -> str:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _read(svg: str) -> ET.Element:
    """The root of a drawing; comments, processing instructions and the document type are not kept."""
    if "<!ENTITY" in svg:
        raise ValueError("a drawing with entities is not one of ours")
    try:
        root = ET.fromstring(svg)
    except ET.ParseError as error:
        raise ValueError(f"not a drawing: {error}") from error
    if root.tag != f"{{{_SVG}}}svg":
        raise ValueError(f"not a drawing: its root is <{_tag(root)}>")
    _check(root)
    return root


def _check(element: ET.Element) -> None:
    """Raise ValueError for what no drawing of ours has: a stored file may hold a script or point elsewhere."""
    name = _tag(element)
    if element.tag != f"{{{_SVG}}}{name}" or not _ELEMENTS.fullmatch(name):
        raise ValueError(f"a drawing has no <{name}>")
    if name == "metadata":  # it is dropped, with what other namespaces have in it
        return
    for attribute, value in element.attrib.items():
        if attribute in ("href", _HREF):
            if not value.startswith("data:image/" if name == "image" else "#"):
                raise ValueError(f"a drawing does not point to {value[:40]}")
        elif not _ATTRIBUTES.fullmatch(attribute) or _LEADS_OUT.search(value):
            raise ValueError(f"a drawing has no {attribute}={value[:40]}")
    if name == "style" and _LEADS_OUT.search(element.text or ""):
        raise ValueError("a drawing's style stays inside it")
    for child in element:
        _check(child)


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _slim(root: ET.Element) -> None:
    """Takes metadata and white space away and rounds coordinates."""
    for element in list(root.iter()):
        for child in list(element):
            if _tag(child) == "style":
                # matplotlib's one rule; on a page it would hold for every drawing, so this one's root takes it.
                rule = _FOR_ALL.match(child.text or "")
                root.set("style", ";".join(_declared(rule[1])) if rule else "")
            if _tag(child) in _DROPPED:
                element.remove(child)
    for element in root.iter():
        if _tag(element) not in ("text", "tspan"):
            element.text = None
            for child in element:
                child.tail = None
        for name in _COORDINATES & element.attrib.keys():
            element.set(name, _rounded(element.attrib[name]))
        if transform := element.get("transform"):
            element.set("transform", _FUNCTION.sub(_rounded_function, transform))
        if declared := _declarations(element):
            element.set("style", ";".join(declared))
        else:
            element.attrib.pop("style", None)


def _declarations(element: ET.Element) -> list[str]:
    return _declared(element.get("style", ""))


def _declared(text: str) -> list[str]:
    """The declarations of a style, each as short as it gets."""
    pairs = (each.partition(":") for each in text.split(";"))
    return [f"{name.strip()}:{value.strip()}" for name, _, value in pairs if value.strip()]


def _short(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _rounded(numbers: str) -> str:
    """Coordinates, with the letters of a path between them, to a hundredth."""
    text = _NUMBER.sub(lambda match: _short(float(match[0])), numbers)
    return re.sub(r" ?([A-Za-z]) ?", r"\1", " ".join(text.split()))


def _rounded_function(match: re.Match[str]) -> str:
    """A transform's function: a shift to a hundredth, all else to six digits."""
    values = [float(value) for value in _NUMBER.findall(match[2])]
    shifts = {"translate": range(2), "matrix": range(4, 6), "rotate": range(1, 3)}.get(match[1], ())
    written = (_short(value) if at in shifts else f"{value:.6g}" for at, value in enumerate(values))
    return f"{match[1]}({' '.join(written)})"


def _pixels(size: str) -> str:
    """A size in points as CSS pixels."""
    number = _NUMBER.match(size)
    if number is None:
        raise ValueError("a drawing needs its width and height")
    return _short(float(number[0]) * (_PX_PER_PT if size.endswith("pt") else 1))


def _references(element: ET.Element) -> Iterator[str]:
    for name, value in element.attrib.items():
        if name in ("href", _HREF) and value.startswith("#"):
            yield value[1:]
        yield from _REFERENCE.findall(value)


def _variable(match: re.Match[str]) -> str:
    """A colour of the palette as its variable, with itself for who does not know that."""
    colour = match[0].lower()
    for name, value in style.PALETTE.items():
        if value == colour:
            return f"var({name},{colour})"
    return colour


def _inline_picture(element: ET.Element, medium: Medium) -> None:
    name = _HREF if _HREF in element.attrib else "href"
    head, _, data = element.get(name, "").partition("base64,")
    if not head.startswith("data:image/"):
        raise ValueError("a drawing's pictures must be inside it")
    try:
        png = base64.b64decode("".join(data.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not a picture: {error}") from error
    declared = _declarations(element)
    rendering = [each for each in declared if each.startswith("image-rendering:")]
    declared = [each for each in declared if each not in rendering]
    # So `tfviz.figures.style.save` marks pictures whose pixels are meant to be seen; matplotlib says more, of all.
    if rendering == [_SHARP] or _side(png) < _SMALL:
        element.set(name, _exact(png, medium))
        declared.append(_SHARP)
    else:
        element.set(name, picture(png, medium))
    if declared:
        element.set("style", ";".join(declared))
    else:
        element.attrib.pop("style", None)


def _unwrap(element: ET.Element) -> None:
    """Puts the children of groups without attributes in the groups' places, and leaves out what is empty."""
    children: list[ET.Element] = []
    for child in element:
        _unwrap(child)
        if _tag(child) == "g" and not child.attrib:
            children.extend(child)
        elif _tag(child) not in ("g", "defs") or len(child):
            children.append(child)
    element[:] = children
