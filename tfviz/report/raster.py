"""Stored drawings as pixels, for readers that take no SVG (JupyterLab shows none in a text cell).

The reverse of what wrote them: each element becomes again the artist of Matplotlib that it was, at its place.
"""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox, Transform
from PIL import Image

from tfviz.figures import direction, fonts, style

_Alignment = Literal["left", "center", "right"]
DPI = 144
"""Pixels per inch: twice those of a figure at its size on paper."""
_JPEG_QUALITY = 90
_CODES = {
    "M": Outline.MOVETO,
    "L": Outline.LINETO,
    "Q": Outline.CURVE3,
    "C": Outline.CURVE4,
    "z": Outline.CLOSEPOLY,
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_STEP = re.compile(rf"([MLQCz])((?:[\s,]*{_NUMBER})*)")
_FUNCTION = re.compile(r"(\w+)\(([^)]*)\)")
_HREF = "{http://www.w3.org/1999/xlink}href"
_ANCHORS: Mapping[str, _Alignment] = {"start": "left", "middle": "center", "end": "right"}
_FROM_THE_RIGHT: Mapping[str, _Alignment] = {"start": "right", "middle": "center", "end": "left"}
_INITIAL = {"fill": "#000000", "stroke-width": "1", "stroke-linejoin": "round", "font-size": "10px"}
_ORDERS_LETTERS = matplotlib.__version_info__ >= (3, 11)  # as the Unicode bidirectional algorithm has it


def drawing(svg: str) -> tuple[bytes, str]:
    """A drawing that `tfviz.figures.save` wrote, as a picture file on white and its media type.

    Raises:
        ValueError: it is no such drawing.
    """
    try:
        root = ET.fromstring(svg)
    except ET.ParseError as error:
        raise ValueError(f"not a drawing: {error}") from error
    file = io.BytesIO()
    try:
        _figure(root).savefig(file, format="png", facecolor="white")
    except LookupError as error:
        raise ValueError(f"a drawing lacks {error}") from error
    return packed(file.getvalue())


def packed(data: bytes) -> tuple[bytes, str]:
    """A picture file as PNG, or as JPEG where that is smaller, as it is for photographs; and its media type.

    What is transparent becomes white.
    """
    with Image.open(io.BytesIO(data)) as file:
        image = file.convert("RGBA")
    opaque = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    exact, lossy = io.BytesIO(), io.BytesIO()
    opaque.save(exact, "png", optimize=True)
    opaque.save(lossy, "jpeg", quality=_JPEG_QUALITY, optimize=True)
    return min(
        (exact.getvalue(), "image/png"), (lossy.getvalue(), "image/jpeg"), key=lambda found: len(found[0])
    )


@style.styled
def _figure(root: ET.Element) -> Figure:
    """The drawing on axes that cover the figure, in its own coordinates: points, downwards."""
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    figure = Figure(figsize=(width / 72, height / 72), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, left + width), ylim=(top + height, top))
    axes.set_axis_off()
    named = {f"#{name}": element for element in root.iter() if (name := element.get("id"))}
    for order, (artist, clip) in enumerate(_artists(root, Affine2D(), _INITIAL, None, named, axes)):
        artist.set_zorder(order)
        axes.add_artist(artist)
        artist.set_clip_path(None)
        if clip is not None:  # turned over, it would be empty
            corners = np.sort(axes.transData.transform(clip.get_points()), axis=0)
            artist.set_clip_box(Bbox(corners))
        else:
            artist.set_clip_box(None)
    return figure


def _artists(
    element: ET.Element,
    outer: Transform,
    inherited: Mapping[str, str],
    clip: Bbox | None,
    named: Mapping[str, ET.Element],
    axes: Axes,
) -> Iterator[tuple[Artist, Bbox | None]]:
    """What an element and those inside it draw, in order, and the rectangle that each is cut to.

    Args:
        element: of the drawing.
        outer: transform of what it stands in.
        inherited: style of what it stands in.
        clip: rectangle that that is cut to.
        named: elements by "#" and id.
        axes: on which it is drawn.
    """
    kind, transform = _tag(element), _transform(element.get("transform", "")) + outer
    own = _declared(element)
    look = {**inherited, **own}
    look["opacity"] = str(float(inherited.get("opacity", "1")) * float(own.get("opacity", "1")))
    if cut := element.get("clip-path"):
        (rectangle,) = named[cut.removeprefix("url(").removesuffix(")")]
        x, y, width, height = (float(rectangle.attrib[name]) for name in ("x", "y", "width", "height"))
        clip = Bbox.from_bounds(x, y, width, height)
    if kind in ("svg", "g"):
        for child in element:
            yield from _artists(child, transform, look, clip, named, axes)
    elif kind == "path":
        yield _path(element, transform, look, axes), clip
    elif kind == "use":
        moved = Affine2D().translate(float(element.get("x", 0)), float(element.get("y", 0))) + transform
        yield _path(named[element.attrib[_HREF]], moved, look, axes), clip
    elif kind == "image":
        yield _image(element, transform, look, axes), clip
    elif kind == "text":
        for piece in list(element) or [element]:
            yield _text(piece, transform, {**look, **_declared(piece)}, axes), clip
    elif kind not in ("defs", "style"):
        raise ValueError(f"a drawing with <{kind}> is not one of ours")


def _path(element: ET.Element, transform: Transform, look: Mapping[str, str], axes: Axes) -> Artist:
    vertices: list[Sequence[float]] = []
    codes: list[np.uint8] = []
    for letter, numbers in _STEP.findall(element.attrib["d"]):
        points = np.reshape([float(number) for number in re.findall(_NUMBER, numbers)], (-1, 2)).tolist()
        vertices += points or [[0.0, 0.0]]
        codes += [_CODES[letter]] * (len(points) or 1)
    outline = Outline(vertices, codes) if codes else Outline(np.empty((0, 2)))
    dashes = [float(each) for each in re.findall(_NUMBER, look.get("stroke-dasharray", ""))]
    patch = PathPatch(
        outline,
        facecolor=_colour("fill", look),
        edgecolor=_colour("stroke", look),
        linewidth=float(look["stroke-width"]),
        transform=transform + axes.transData,
        capstyle={"square": "projecting"}.get(cap := look.get("stroke-linecap", "butt"), cap),
        joinstyle=look["stroke-linejoin"],
    )
    if dashes:  # in points here, in line widths there
        width = float(look["stroke-width"]) if matplotlib.rcParams["lines.scale_dashes"] else 1
        patch.set_linestyle(
            (float(look.get("stroke-dashoffset", 0)) / width, [each / width for each in dashes])
        )
    return patch


def _image(element: ET.Element, transform: Transform, look: Mapping[str, str], axes: Axes) -> Artist:
    x, y, width, height = (float(element.get(name, 0)) for name in ("x", "y", "width", "height"))
    (left, top), (right, bottom) = transform.transform([(x, y), (x + width, y + height)])
    data = base64.b64decode(element.attrib[_HREF].partition("base64,")[2])
    sharp = look.get("image-rendering") == "pixelated"
    artist = AxesImage(
        axes,
        extent=(left, right, bottom, top),
        origin="upper",
        interpolation="nearest" if sharp else "antialiased",
        alpha=float(look["opacity"]) * float(element.get("opacity", 1)),
    )
    with Image.open(io.BytesIO(data)) as file:
        artist.set_data(np.asarray(file.convert("RGBA")))
    return artist


def _text(element: ET.Element, transform: Transform, look: Mapping[str, str], axes: Axes) -> Artist:
    words, anchor = element.text or "", look.get("text-anchor", "start")
    place = (float(element.get("x", 0)), float(element.get("y", 0)))
    (x, y), (ahead, down) = transform.transform([place, (place[0] + 1, place[1])])
    if not _ORDERS_LETTERS:
        words = direction.visual(words)
    return Text(
        x,
        y,
        words,
        color=_colour("fill", look),
        fontsize=float(look["font-size"].removesuffix("px")),
        fontweight=int(look.get("font-weight", "400")),
        fontfamily=list(fonts.FAMILIES),
        horizontalalignment=(_FROM_THE_RIGHT if element.get("direction") == "rtl" else _ANCHORS)[anchor],
        verticalalignment="baseline",
        rotation=float(np.degrees(np.arctan2(y - down, ahead - x))),
        rotation_mode="anchor",
        parse_math=False,
        transform=axes.transData,
    )


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _declared(element: ET.Element) -> dict[str, str]:
    pairs = (each.partition(":") for each in element.get("style", "").split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if value}


def _colour(kind: str, look: Mapping[str, str]) -> tuple[float, float, float, float]:
    """Of "fill" or "stroke"."""
    colour = look.get(kind, "none")
    if colour == "none":
        return (0, 0, 0, 0)
    return to_rgba(colour, float(look["opacity"]) * float(look.get(f"{kind}-opacity", 1)))


def _transform(text: str) -> Affine2D:
    """What an attribute says; its last function is done first."""
    whole = Affine2D()
    for name, inside in reversed(_FUNCTION.findall(text)):
        values = [float(value) for value in re.findall(_NUMBER, inside)]
        if name == "translate":
            whole.translate(values[0], values[1] if len(values) > 1 else 0)
        elif name == "scale":
            whole.scale(*values)
        elif name == "rotate":
            x, y = values[1:] or (0, 0)
            whole.rotate_deg_around(x, y, values[0])
        elif name == "matrix":
            whole.set_matrix(Affine2D.from_values(*values).get_matrix() @ whole.get_matrix())
        else:
            raise ValueError(f"a drawing with {name}() is not one of ours")
    return whole
