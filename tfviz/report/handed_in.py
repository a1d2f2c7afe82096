"""What the author hands in, texts and pictures, read within limits: a file can have any size and hold anything."""

from __future__ import annotations

import io
import re
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from tfviz import language
from tfviz.errors import BadFileError
from tfviz.files.reading import whole_pictures
from tfviz.language import marked

if TYPE_CHECKING:
    from PIL import Image

LARGEST_AREA = 60_000_000
"""Pixels; more than a telephone's camera has. A tiny file can claim any size."""
LONGEST_SIDE = 1600
"""Pixels; a longer picture is made smaller: more than twice the page's text width shows nowhere."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
"""What Pillow may read; some of its other readers start programs."""

_LONGEST_NAME = 80


class RefusedError(BadFileError):
    """Something that was handed in and cannot be used; in English for the terminal, in the report as `shown`.

    Args:
        message: complete sentences, a catalogue's key, with {file} and the names of `values`.
        file: as the terminal names it.
        values: what else the message tells.
    """

    def __init__(self, message: str, file: Path | str, **values: str | int) -> None:
        super().__init__(message.format(file=legible(file), **values))
        self.message, self.values = message, values

    def shown(self, file: str) -> Markup:
        """The message in the language in use; the report has its own, shorter name for the file."""
        return in_words(self.message, file=file, **self.values)


@dataclass(frozen=True)
class Picture:
    """A picture that can be shown.

    Attributes:
        png: RGB, with nothing of its file's metadata.
        width: pixels.
        height: pixels.
        alt: what it shows, for a reader who cannot see it; never empty.
    """

    png: bytes
    width: int
    height: int
    alt: str


def legible(name: Path | str) -> str:
    """A name on one line, without characters that a terminal obeys or a text hides, cut in its middle if long."""
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(name)
    )
    if len(text) > 2 * _LONGEST_NAME:
        return f"{text[:_LONGEST_NAME]}…{text[-_LONGEST_NAME:]}"
    return text


def in_words(message: str, **values: str | int) -> Markup:
    """A message in the language in use, with the names and numbers in it isolated from the text around them."""
    opening, closing = ("\u2066", "\u2069") if language.current().direction == "rtl" else ("", "")
    isolate = Markup('<bdi dir="ltr">{}{}{}</bdi>')
    return escape(language.gettext(message)).format(
        **{name: isolate.format(opening, legible(str(value)), closing) for name, value in values.items()}
    )


def read_text(path: Path, largest: int) -> str:
    """A text file in UTF-8, with or without a byte order mark.

    Args:
        path: of the file.
        largest: bytes that it may have.

    Raises:
        RefusedError: missing, unreadable, no regular file, too large, or not UTF-8.
    """
    _check(path)
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > largest:
        raise RefusedError(
            marked("{file} is larger than {limit} kB: make it shorter."), path, limit=largest // 1000
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedError(
            marked("{file} is not text in UTF-8 (byte {byte} in line {line}): save it as UTF-8."),
            path,
            byte=f"0x{data[error.start]:02x}",
            line=data.count(b"\n", 0, error.start) + 1,
        ) from error
    if "\0" in text:
        raise RefusedError(
            marked("{file} is not text (a zero byte in line {line}): save it as text in UTF-8."),
            path,
            line=text.count("\n", 0, text.index("\0")) + 1,
        )
    return text


def read_picture(path: Path, alt: str = "") -> Picture:
    """A picture, turned the right way up, laid on white, RGB, its longer side at most `LONGEST_SIDE`.

    Args:
        path: PNG, JPEG, WebP or GIF; of an animation the first frame is taken.
        alt: what it shows; "": the file's name says it.

    Raises:
        RefusedError: missing, unreadable, no picture, damaged or too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    _check(path)
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(path, formats=FORMATS)
        with whole_pictures(), image:
            columns, rows = image.size
            if rows * columns > LARGEST_AREA:
                raise _too_large(path)
            image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG is decoded at a fraction of its size
            upright = ImageOps.exif_transpose(image)
            small = _as_rgb(upright)
            small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
            clean = Image.new("RGB", small.size)  # a picture that was read would take its metadata along
            clean.paste(small)
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise RefusedError(
            marked("{file} is not a picture in PNG, JPEG, WebP or GIF: save it as PNG or JPEG."), path
        ) from error
    except PermissionError as error:
        raise _unreadable(path, error) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise RefusedError(
            marked("{file} is damaged ({reason}): save it again."), path, reason=_reason(error)
        ) from error
    written = io.BytesIO()
    clean.save(written, "PNG")
    return Picture(written.getvalue(), *clean.size, alt.strip() or legible(path.name))


def _check(path: Path) -> None:
    """Refuse what is not there or is no regular file: a pipe would be waited for."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise RefusedError(marked("{file} is a folder: a file is needed."), path)
    if not stat.S_ISREG(mode):
        raise RefusedError(marked("{file} is not a regular file."), path)


def _unreadable(path: Path, error: Exception) -> RefusedError:
    if isinstance(error, FileNotFoundError):
        return RefusedError(marked("{file} does not exist."), path)
    if isinstance(error, PermissionError):
        return RefusedError(marked("{file} may not be read: check its permissions."), path)
    return RefusedError(marked("{file} cannot be read ({reason})."), path, reason=_reason(error))


def _too_large(path: Path) -> RefusedError:
    return RefusedError(
        marked("{file} has more than {limit} megapixels: make it smaller."),
        path,
        limit=LARGEST_AREA // 1_000_000,
    )


def _reason(error: Exception) -> str:
    """What the system says, without the path that it repeats."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return re.sub(r"\s+", " ", text) or type(error).__name__


def _as_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow's own conversion cuts off at 255
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")
