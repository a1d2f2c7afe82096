"""Pictures of every format: `tfviz.data.pictures`."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.fuzz.campaign import Target, main
from tfviz.data import pictures

_PNG = b"\x89PNG\r\n\x1a\n"


def seeds():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    profile = bytes(range(256)) + bytes(200)
    ramp = np.add.outer(np.arange(24), np.arange(20)).astype(np.uint8) * 5
    rgb = Image.fromarray(np.stack([ramp, ramp.T[:20, :24].repeat(2, 0)[:24, :20], 255 - ramp], -1))
    made = [
        _saved(rgb, "PNG", exif=exif),
        _saved(rgb.convert("RGBA"), "PNG"),
        _saved(Image.fromarray(ramp.astype(np.uint16) * 200), "PNG"),
        _saved(rgb.convert("P"), "PNG", transparency=3),
        _saved(rgb, "JPEG", exif=exif, icc_profile=profile),
        _saved(rgb, "JPEG", progressive=True),
        _saved(rgb.convert("CMYK"), "JPEG"),
        _saved(rgb, "GIF", save_all=True, append_images=[rgb.rotate(90)]),
        _saved(rgb, "BMP"),
        _saved(rgb.convert("P"), "BMP"),
        _saved(rgb, "WEBP", exif=exif),
        _saved(rgb.convert("RGBA"), "WEBP", lossless=True),
        _saved(rgb, "AVIF"),
    ]
    for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        made.append(_saved(rgb, "TIFF", compression=compression, exif=exif))
    made.append(_saved(Image.fromarray(ramp / np.float32(255)), "TIFF", compression="tiff_lzw"))
    made.append(_saved(rgb.convert("1"), "TIFF", compression="group4"))
    return made


def _saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pack(content):
    """A PNG with the checksums that its chunks should have; all else as it is."""
    if not content.startswith(_PNG):
        return content
    made, place = bytearray(_PNG), 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        chunk = content[place + 4 : place + 8 + length]
        made += struct.pack(">I", length) + chunk + struct.pack(">I", zlib.crc32(chunk))
        place += 12 + length
    return bytes(made) + content[place:]


TARGET = Target(".picture", seeds, lambda path: pictures.read_picture(path, 32, 32), pack)

if __name__ == "__main__":
    main("picture")
