"""Pictures in: files of the usual formats become RGB floats in [0, 1]."""

from __future__ import annotations

import math
import mmap
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tfviz.errors import BadFileError
from tfviz.files.reading import absent, open_regular, whole_pictures

if TYPE_CHECKING:
    from PIL import Image

Picture = npt.NDArray[np.float32]

SMALLEST_SIDE = 16
"""Pixels; a smaller picture shows no object once it is enlarged to a network's 224."""
LARGEST_MEMORY = 900_000_000
"""Bytes that decoding may take: 150 megapixels, beyond today's cameras, of 6 bytes. A tiny file can claim any size."""
FORMATS = {"JPEG": 6, "PNG": 6, "BMP": 6, "GIF": 6, "TIFF": 6, "AVIF": 18, "WEBP": 18}
"""What Pillow may read (some of its other readers start programs), with the bytes a pixel that decoding may take.

An image in memory has 4, progressive JPEG 2 a coefficient. AVIF and WebP decode whole frames, which are copied: those
of animations, or with 16 bits a colour.
"""
_LARGEST_FILE = 1_000_000_000  # bytes
_LARGEST_PROFILE = 4_000_000  # bytes of a colour profile; those of printers have 2 million
_MOST_SCANNED = (
    4_000_000_000  # pixels times scans of a JPEG: each scan of a progressive one goes through all of them
)
_MOST_ENTRIES = 100_000  # of directories of metadata; a photograph has a hundred
_MOST_CLAIMED = 10_000_000  # bytes of metadata, beyond twice the file
_STRIP = 1_000_000  # pixels that are converted at a time
_GAMMA = 1 / 2.2  # what a PNG names that means sRGB
_OUTSIDE = 0.5 / 255  # what floats may leave [0, 1] by: resampling overshoots


def read_picture(path: Path, height: int, width: int) -> Picture:
    """Read a picture, turned the right way up, its middle cut to the shape asked for and resized.

    Grey becomes RGB; transparency is laid on white; 16-bit grey is scaled from 0..65535; palettes, CMYK and colour
    profiles are converted to sRGB; of an animation the first frame is taken; the EXIF orientation is obeyed. A picture
    more than four times larger than the result is averaged over blocks of pixels first.

    Args:
        path: JPEG, PNG, WebP, TIFF, GIF, BMP or AVIF. Floating-point TIFFs hold values in [0, 1].
        height: rows of the result.
        width: columns of the result.

    Returns:
        (height, width, 3) RGB float32 in [0, 1].

    Raises:
        BadFileError: missing, unreadable, not a picture, damaged, too small or too large, or its values are not finite,
            out of range, or of unknown meaning.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with (
            whole_pictures(),
            warnings.catch_warnings(action="ignore"),
            open_regular(path, _LARGEST_FILE) as file,
        ):
            scans = _check_structure(path, file)
            with Image.open(file, formats=list(FORMATS)) as image:
                _check_size(path, image, scans)
                _check_rows(image, file)
                _check_colours(path, image, file)
                side = 2 * max(height, width)
                image.draft("RGB", (side, side))  # a JPEG is decoded at a fraction of its size
                if image.format == "TIFF":
                    turn = _turn(path, image)
                    image.getexif()[_ORIENTATION] = 1  # or Pillow makes a second image, the right way up
                    image.load()
                else:
                    image.load()
                    turn = _turn(path, image)  # a PNG may say so in its last lines
                return as_floats(_fitted(path, image, turn, height, width))
    except BadFileError:
        raise
    except Image.DecompressionBombError as error:
        raise BadFileError(f"{path} claims an absurd size: make it smaller ({_reason(error)}).") from error
    except UnidentifiedImageError as error:
        raise BadFileError(
            f"{path} is not a picture, or of no format known here: save it as PNG or JPEG."
        ) from error
    except FileNotFoundError as error:
        raise BadFileError(f"{path} {absent(path)}") from error
    except IsADirectoryError as error:
        raise BadFileError(f"{path} is a folder: name one picture.") from error
    except PermissionError as error:
        raise BadFileError(f"{path} may not be read: check its permissions.") from error
    except OSError as error:
        if error.errno is not None:
            raise BadFileError(f"{path} cannot be read ({_reason(error)}): name a picture.") from error
        raise BadFileError(f"{path} is damaged ({_reason(error)}): save it again.") from error
    except MemoryError as error:
        raise BadFileError(f"{path} does not fit into memory: make it smaller.") from error
    except Exception as error:  # each decoder has exceptions of its own for damaged files
        raise BadFileError(f"{path} is damaged ({_reason(error)}): save it again.") from error


def _reason(error: Exception) -> str:
    """An error's words as one short line: they may quote the file."""
    words = str((isinstance(error, OSError) and error.strerror) or error) or type(error).__name__
    return "".join(character if character.isprintable() else " " for character in words)[:120]


def _check_structure(path: Path, file: BinaryIO) -> int:
    """Refuse what would fill the memory while its metadata are read.

    Returns:
        How many scans the picture has, if it is a JPEG: a byte 0xFF in its data never precedes a marker's. 1 otherwise.
    """
    if not file.seek(0, 2):
        raise BadFileError(f"{path} is empty: it is not a picture.")
    file.seek(0)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _check_metadata(path, content)
        if content[:2] != b"\xff\xd8":
            return 1
        return sum(1 for _ in islice(re.finditer(rb"\xff\xda", content), 10_000))


def _check_metadata(path: Path, content: mmap.mmap | bytes) -> None:
    """Refuse directories of TIFF, which EXIF is too, that name the same bytes over and over (TIFF 6.0, section 2)."""
    claimed, entries = 0, 0
    for found in re.finditer(rb"II[*+]\0|MM\0[*+]", content):
        base = found.start()
        order = "<" if found[0][:1] == b"I" else ">"
        first, count, entry = ("8xQ", "Q", "HHQQ") if b"+" in found[0] else ("4xI", "H", "HHII")
        first, count, entry = order + first, order + count, order + entry
        if base + struct.calcsize(first) > len(content):
            break
        waiting, seen = [base + struct.unpack_from(first, content, base)[0]], set[int]()
        while waiting:
            place = waiting.pop()
            if place in seen or place + struct.calcsize(count) > len(content):
                continue
            seen.add(place)
            (left,) = struct.unpack_from(count, content, place)
            place += struct.calcsize(count)
            while left and place + struct.calcsize(entry) <= len(content):
                tag, kind, number, value = struct.unpack_from(entry, content, place)
                claimed += number * _SIZES.get(kind, 0)
                if tag in _DIRECTORIES:
                    waiting.append(base + value)
                entries += 1
                if entries > _MOST_ENTRIES or claimed > _MOST_CLAIMED + 2 * len(content):
                    raise BadFileError(
                        f"{path} claims more metadata than it can hold: save it again without them."
                    )
                place += struct.calcsize(entry)
                left -= 1


_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_DIRECTORIES = {0x8769, 0x8825, 0xA005}  # EXIF, GPS, interoperability
_ORIENTATION = 0x0112  # a tag of EXIF


def _check_size(path: Path, image: Image.Image, scans: int) -> None:
    columns, rows = image.size
    if min(rows, columns) < SMALLEST_SIDE:
        raise BadFileError(
            f"{path} is {columns} x {rows} pixels: take a picture of at least {SMALLEST_SIDE} x {SMALLEST_SIDE}."
        )
    cost = FORMATS.get(image.format or "", 6)  # MPO is a JPEG with more of them behind it
    largest = LARGEST_MEMORY // (cost + 3 * (image.mode == "CMYK"))  # a fourth colour
    if rows * columns > largest:
        raise BadFileError(
            f"{path} is {columns} x {rows} pixels: make it smaller, at most {largest // 1_000_000} megapixels."
        )
    if scans * rows * columns > _MOST_SCANNED:
        raise BadFileError(f"{path} is a JPEG of {scans} scans, which no camera writes: save it again.")


def _check_rows(image: Image.Image, file: BinaryIO) -> None:
    """Refuse a sound file that holds fewer rows than it says: Pillow leaves the rest black.

    TIFFs that are not compressed and PNGs are looked at here. Other decoders find out themselves, but for JPEG's, which
    makes the rest of a file grey that ends early with the proper marker.
    """
    columns, rows = image.size
    if image.format == "TIFF":
        tiles: list[Any] = getattr(image, "tile", [])
        tags: dict[int, Any] = getattr(image, "tag_v2", {})
        compressed = any(name == "libtiff" for name, *_ in tiles)
        planes = len(tags.get(0x0102, (1,))) if tags.get(0x011C) == 2 and not compressed else 1
        there = sum((right - left) * (low - high) for _, (left, high, right, low), *_ in tiles)
        if there < planes * rows * columns:
            raise OSError("rows are missing")
    if image.format == "PNG":
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check_png(content)


_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by a PNG's type of colours
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""Of an interlaced PNG: first row and column, and steps (PNG specification, section 8)."""


def _packed(content: mmap.mmap) -> Iterator[bytes]:
    """The compressed rows of a PNG, a little at a time."""
    place = 8
    while place + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        place += 8
        if content[place - 4 : place] == b"IDAT":
            for begin in range(place, place + length, 1 << 16):
                yield content[begin : min(begin + (1 << 16), place + length)]
        place += length + 4


def _check_png(content: mmap.mmap) -> None:
    columns, rows, depth, kind, _, _, interlaced = struct.unpack_from(">IIBBBBB", content, 16)
    left = 0  # bytes of the picture, each row after a byte that names its filter
    for first, begin, down, across in _PASSES if interlaced else ((0, 0, 1, 1),):
        wide = -(-(columns - begin) // across)
        left += -(-(rows - first) // down) * (1 + -(-wide * depth * _SAMPLES[kind] // 8)) if wide > 0 else 0
    unpacker = zlib.decompressobj()
    for packed in _packed(content):
        more = True
        while more and left > 0:
            some = unpacker.decompress(packed, _STRIP)
            left -= len(some)
            packed = unpacker.unconsumed_tail
            more = len(some) == _STRIP
        if left <= 0:
            return
    raise OSError("rows are missing")


def _check_colours(path: Path, image: Image.Image, file: BinaryIO) -> None:
    """Refuse, or put right, colours that Pillow would take for others without a word."""
    tags: dict[int, Any] = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    if image.mode != "I" and set(tags.get(_SAMPLE_FORMAT, (1,))) & {2, 5, 6}:
        raise BadFileError(f"{path} holds numbers with signs, which are no brightness: save it from 0 on.")
    if tags.get(0x011C) == 2 and len(tags.get(0x0102, (1,))) > 1 and max(tags[0x0102]) > 8:
        raise BadFileError(
            f"{path} holds one colour of {max(tags[0x0102])} bits after the other, which is not read: save it with 8 "
            "bits, or with its colours side by side."
        )
    if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
        raise BadFileError(
            f"{path} is a CMYK JPEG that does not say whether its inks are inverted (it lacks Adobe's marker): save it "
            "as RGB."
        )
    if image.format not in ("PNG", "AVIF"):
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        depth, kind = content[24:26]
        end = content.find(b"IDAT") if image.format == "PNG" else len(content)
        pattern = rb"\0\0\0\x04cICP(.)(.)" if image.format == "PNG" else rb"colrnclx\0(.)\0(.)"
        coded = re.compile(pattern, re.DOTALL).search(content, 0, end)
        primaries, curve = (coded[1][0], coded[2][0]) if coded else (1, 1)
    if not image.info.get("icc_profile") and (primaries not in _OF_SRGB or curve not in _LIKE_SRGB):
        raise BadFileError(
            f"{path} has colours that are not sRGB's (primaries {primaries}, transfer {curve} of ITU-T H.273), which "
            "are not converted: save it as sRGB."
        )
    key = image.info.get("transparency")
    if image.format == "PNG" and isinstance(key, tuple) and depth == 16:  # Pillow compares 8 of these
        raise BadFileError(
            f"{path} makes one colour of 16 bits transparent, which is not read: save it with an alpha channel."
        )
    if image.format == "PNG" and isinstance(key, int) and kind == 0 and depth in (2, 4):  # as it is unpacked
        image.info["transparency"] = key * 255 // ((1 << depth) - 1)


_SAMPLE_FORMAT = 0x0153  # 1: unsigned integers, 2: signed ones, 3: floats, 5 and 6: complex numbers
# Of ITU-T H.273: BT.709's, not said, and those of older television, near these.
_OF_SRGB = (1, 2, 5, 6, 7)
# sRGB's, not said, and those of television, which are shown likewise.
_LIKE_SRGB = (1, 2, 6, 13, 14, 15)


def _fitted(
    path: Path, image: Image.Image, turn: Image.Transpose | None, height: int, width: int
) -> Image.Image:
    """The middle of a decoded picture as RGB in the shape asked for, turned the right way up.

    It is converted in strips, and only what is needed of it: conversions copy.
    """
    from PIL import Image

    columns, rows = image.size
    if turn in (
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.TRANSVERSE,
    ):
        height, width = width, height
        if image.format == "TIFF":  # Pillow names the size that it would have, once turned
            columns, rows = rows, columns
    scale = min(rows / height, columns / width)  # pixels there a pixel of the result
    left, top = (columns - scale * width) / 2, (rows - scale * height) / 2
    # Blocks of pixels that are averaged at once; two a side remain for the resampling that follows.
    block = max(1, math.floor(scale / 2))
    margin = 2 * block + math.ceil(
        2 * scale
    )  # pixels around the middle that the resampling at its border looks at
    first, above = max(0, math.floor(left) - margin), max(0, math.floor(top) - margin)
    last, below = min(columns, math.ceil(columns - left) + margin), min(rows, math.ceil(rows - top) + margin)
    convert = _conversion(path, image)
    size = (-(-(last - first) // block), -(-(below - above) // block))
    middle = Image.new("RGB", size)
    step = block * max(1, _STRIP // (block * (last - first)))
    for begin in range(above, below, step):
        strip = convert(image.crop((first, begin, last, min(begin + step, below))))
        middle.paste(strip.reduce(block) if block > 1 else strip, (0, (begin - above) // block))
    box = (
        (left - first) / block,
        (top - above) / block,
        min((left - first + scale * width) / block, size[0]),
        min((top - above + scale * height) / block, size[1]),
    )
    fitted = middle.resize((width, height), Image.Resampling.BICUBIC, box)
    return fitted if turn is None else fitted.transpose(turn)


def _turn(path: Path, image: Image.Image) -> Image.Transpose | None:
    """What turns a picture the right way up, by its EXIF orientation."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    packed = image.info.get("Raw profile type exif")  # in a PNG, as hexadecimal digits after three lines
    if isinstance(packed, str):
        _check_metadata(path, bytes.fromhex("".join(packed.split("\n")[3:])))
    return turns.get(image.getexif().get(_ORIENTATION, 1))


def as_floats(image: Image.Image) -> Picture:
    """An RGB image of 8 bits a colour as (H, W, 3) float32 in [0, 1]."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def as_bytes(picture: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """A picture in [0, 1] as 8-bit integers, rounded to the nearest, as a PNG holds it."""
    rounded: npt.NDArray[np.uint8] = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return rounded


def _conversion(path: Path, image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What makes 8-bit sRGB of a strip of the picture."""
    from PIL import Image

    mode, transparent = image.mode, image.info.get("transparency")
    to_srgb = _to_srgb(path, image)
    if mode.startswith("I;16") or mode == "F":
        tags: dict[int, Any] = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
        bits = tags.get(0x0102, (16,))[0]
        full = 1.0 if mode == "F" else float((1 << bits) - 1)
        inverted = tags.get(0x0106) == 0  # white is 0
        steps = np.arange(256)
        tones = np.asarray(to_srgb(Image.fromarray(steps.astype(np.uint8)[None], "L")).convert("L"))[0]

        def from_numbers(strip: Image.Image) -> Image.Image:
            values = np.asarray(strip).astype(np.float64) / full
            if not np.isfinite(values).all():
                raise BadFileError(f"{path} has values that are not finite: replace them and save it again.")
            if values.min() < -_OUTSIDE or values.max() > 1 + _OUTSIDE:
                raise BadFileError(
                    f"{path} has values up to {values.max() * full:g} and down to {values.min() * full:g}: bring them "
                    f"to 0..{full:g} and save it again."
                )
            if inverted:
                values = 1 - values
            values = np.interp(values * 255, steps, tones) / 255
            if isinstance(transparent, int):  # one value that stands for no colour at all
                values[np.asarray(strip) == transparent] = 1
            return Image.fromarray(as_bytes(values), "L").convert("RGB")

        return from_numbers
    if mode == "I":
        raise BadFileError(
            f"{path} holds integers of which it does not say how many are white: save it with 8 or 16 bits, from 0 on."
        )
    if mode not in ("1", "L", "P", "RGB", "RGBA", "RGBX", "RGBa", "LA", "La", "PA", "CMYK", "YCbCr"):
        raise BadFileError(f"{path} has colours as {mode}, which are not read: save it as RGB.")
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or transparent is not None:

        def on_white(strip: Image.Image) -> Image.Image:
            layer = (strip.convert("LA") if mode == "La" else strip).convert("RGBA")
            layer = Image.merge("RGBA", (*to_srgb(layer.convert("RGB")).split(), layer.getchannel("A")))
            return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")

        return on_white
    return lambda strip: to_srgb(strip).convert("RGB")


def _to_srgb(path: Path, image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What brings strips from the picture's colour profile to sRGB; nothing, where it has none that fits.

    Of a PNG without a profile, from the gamma that it names (PNG specification, section 11.3.2.2).
    """
    from io import BytesIO

    from PIL import ImageCms

    embedded = image.info.get("icc_profile")
    gamma = image.info.get("gamma", 0) if image.format == "PNG" and "srgb" not in image.info else 0
    if not embedded and gamma > 0 and abs(gamma - _GAMMA) > 0.05 * _GAMMA:
        linear = np.linspace(0, 1, 256) ** (1 / gamma)  # IEC 61966-2-1
        encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        table = as_bytes(encoded).tolist()
        return lambda strip: strip.convert("RGB").point(3 * table)
    if not embedded:
        return lambda strip: strip
    try:
        if len(embedded) > _LARGEST_PROFILE:
            raise ValueError("too large")
        profile = ImageCms.ImageCmsProfile(BytesIO(embedded))
        space = profile.profile.xcolor_space.strip()
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space)
        grey = image.mode.startswith("I;16") or image.mode in ("1", "L", "LA", "La", "F")
        own = "L" if grey else "CMYK" if image.mode == "CMYK" else "RGB"
        if mode != own or "sRGB" in ImageCms.getProfileDescription(profile):
            return lambda strip: strip
        # Little CMS' short cut for grey is wrong by a twentieth in the dark.
        flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB", flags=flags)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise BadFileError(f"{path} has a damaged colour profile: save it again as sRGB.") from error

    def apply(strip: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(strip.convert(mode), transform)
        assert converted is not None  # it is None where a strip is changed in place
        return converted

    return apply
