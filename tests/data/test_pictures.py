import io
import math
import os
import pathlib
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, ImageOps, PngImagePlugin

from tfviz.data import pictures
from tfviz.errors import BadFileError

RED = (255, 0, 0)


def saved(tmp_path, image, name="picture.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_rgb_values_are_kept(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    picture = pictures.read_picture(saved(tmp_path, Image.fromarray(pixels)), 20, 30)
    assert picture.dtype == np.float32
    np.testing.assert_array_equal(picture, pixels.astype(np.float32) / 255)


def test_grey_becomes_three_equal_colours(tmp_path):
    pixels = np.arange(400, dtype=np.uint8).reshape(20, 20)
    picture = pictures.read_picture(saved(tmp_path, Image.fromarray(pixels)), 20, 20)
    for colour in range(3):
        np.testing.assert_array_equal(picture[..., colour], pixels.astype(np.float32) / 255)


def test_transparency_is_laid_on_white(tmp_path):
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:, :10] = (255, 0, 0, 255)
    picture = pictures.read_picture(saved(tmp_path, Image.fromarray(pixels)), 20, 20)
    np.testing.assert_array_equal(picture[0, 0], [1, 0, 0])
    np.testing.assert_array_equal(picture[0, 19], [1, 1, 1])


def test_palette_with_transparent_colour(tmp_path):
    image = Image.new("P", (20, 20), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    picture = pictures.read_picture(saved(tmp_path, image, transparency=1), 20, 20)
    np.testing.assert_array_equal(picture[5, 5], [1, 1, 1])


def test_sixteen_bits_keep_their_brightness(tmp_path):
    pixels = np.full((20, 20), 0x8000, np.uint16)
    picture = pictures.read_picture(saved(tmp_path, Image.fromarray(pixels)), 20, 20)
    np.testing.assert_allclose(picture, 0x8000 / 65535, atol=0.5 / 255)


def test_cmyk(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "picture.tiff")
    np.testing.assert_allclose(pictures.read_picture(path, 20, 20)[3, 3], [1, 0, 0], atol=0.02)


def test_exif_orientation_is_obeyed(tmp_path):
    image = Image.new("RGB", (40, 20), "black")
    image.paste(RED, (0, 0, 40, 10))  # the stored top is red; orientation 3 turns it to the bottom
    exif = Image.Exif()
    exif[0x0112] = 3
    picture = pictures.read_picture(saved(tmp_path, image, "picture.png", exif=exif), 20, 40)
    assert picture[15, 20, 0] == 1
    assert picture[5, 20, 0] == 0


@pytest.mark.parametrize("kind", ["png", "jpg", "tiff", "webp", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(tmp_path, kind, orientation):
    """The stored picture is the one that is meant, turned back: EXIF 2.3, tag 0x0112."""
    meant = np.zeros((40, 80, 3), np.uint8)
    meant[:20, :40], meant[20:, :40], meant[:20, 40:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    back = {
        1: meant,
        2: meant[:, ::-1],
        3: meant[::-1, ::-1],
        4: meant[::-1],
        5: meant.transpose(1, 0, 2),
        6: np.rot90(meant),
        7: np.rot90(meant, 2).transpose(1, 0, 2),
        8: np.rot90(meant, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(back[orientation]))
    path = saved(tmp_path, stored, f"picture.{kind}", exif=exif, quality=95)
    picture = pictures.read_picture(path, 40, 80)
    tolerance = {"png": 0, "tiff": 0}.get(kind, 0.12)
    for row, column in ((8, 15), (30, 15), (8, 60), (30, 60)):
        np.testing.assert_allclose(picture[row, column], meant[row, column] / 255, atol=tolerance)


def test_the_middle_is_cut_out(tmp_path):
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    np.testing.assert_array_equal(pictures.read_picture(saved(tmp_path, Image.fromarray(pixels)), 20, 20), 1)


def test_fifty_megapixels(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (8660, 5774), RED), "large.jpg")
    picture = pictures.read_picture(path, 224, 224)
    assert picture.shape == (224, 224, 3)
    np.testing.assert_allclose(picture.mean(axis=(0, 1)), [1, 0, 0], atol=0.02)


def test_large_pictures_are_averaged_before_they_are_resized(tmp_path):
    """Noise about a ramp: the mean of each cell of 40 x 40 pixels is the ramp's there."""
    random = np.random.default_rng(0)
    ramp = np.linspace(40, 200, 800)[None, :] + np.zeros((640, 1))
    path = saved(tmp_path, Image.fromarray((ramp + random.normal(0, 15, ramp.shape)).astype(np.uint8)))
    picture = pictures.read_picture(path, 16, 16)[..., 0]
    middle = ramp[:, 80:720] / 255  # 640 x 640 are left
    np.testing.assert_allclose(picture, middle.reshape(16, 40, 16, 40).mean((1, 3)), atol=0.02)
    reference = ImageOps.fit(Image.open(path), (16, 16), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(picture, np.asarray(reference) / 255, atol=0.012)


@pytest.mark.parametrize("shape", [(640, 800), (801, 643), (100, 3000), (3000, 100), (97, 131)])
@pytest.mark.parametrize("size", [(32, 32), (50, 20), (20, 50)])
def test_as_pillow_fits(tmp_path, shape, size):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    smooth = 127 + 60 * np.sin(2 * np.pi * rows / shape[0]) + 60 * np.cos(3 * np.pi * columns / shape[1])
    path = saved(tmp_path, Image.fromarray(smooth.astype(np.uint8)))
    picture = pictures.read_picture(path, *size)[..., 0]
    reference = ImageOps.fit(Image.open(path), size[::-1], Image.Resampling.BICUBIC)
    np.testing.assert_allclose(picture, np.asarray(reference) / 255, atol=0.015)


# Values of every kind.


def tiff(path, pixels, bits, *, photometric=1, kind=1, order="<"):
    """A grey TIFF of one strip, made by hand: Pillow does not write all that it reads."""
    rows, columns = pixels.shape
    data = pixels.astype(
        {8: "u1", 32: f"{order}{'f' if kind == 3 else 'i'}4"}.get(bits, f"{order}u2")
    ).tobytes()
    if bits == 12:
        values = pixels.astype(int).reshape(-1, 2)
        packed = [values[:, 0] >> 4, (values[:, 0] & 15) << 4 | values[:, 1] >> 8, values[:, 1] & 255]
        data = np.stack(packed, -1).astype(np.uint8).tobytes()
    tags = {256: columns, 257: rows, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: rows}
    tags |= {279: len(data), 339: kind}
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    path.write_bytes(head + data + struct.pack(f"{order}H", len(tags)) + entries + bytes(4))
    return path


@pytest.mark.parametrize(("photometric", "order"), [(0, "<"), (1, "<"), (1, ">")])
def test_grey_of_sixteen_bits(tmp_path, photometric, order):
    pixels = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    path = tiff(tmp_path / "a.tiff", pixels, 16, photometric=photometric, order=order)
    expected = pixels / 65535 if photometric else 1 - pixels / 65535
    np.testing.assert_allclose(pictures.read_picture(path, 20, 20)[..., 1], expected, atol=0.51 / 255)


def test_grey_of_twelve_bits(tmp_path):
    pixels = np.linspace(0, 4095, 400).reshape(20, 20).astype(np.uint16)
    picture = pictures.read_picture(tiff(tmp_path / "a.tiff", pixels, 12), 20, 20)
    np.testing.assert_allclose(picture[..., 1], pixels / 4095, atol=0.51 / 255)


def test_colours_of_sixteen_bits(tmp_path):
    row = b"\0" + struct.pack(">3H", 0x40C0, 0x8080, 0xFFFF) * 20
    path = tmp_path / "a.png"
    path.write_bytes(png(20, 20, 16, 2, row * 20))
    picture = pictures.read_picture(path, 20, 20)
    np.testing.assert_allclose(picture[3, 3], [0x40C0 / 65535, 0x8080 / 65535, 1], atol=1 / 255)


def test_a_transparent_grey_of_sixteen_bits(tmp_path):
    row = b"\0" + struct.pack(">2H", 0x1234, 0x1235) * 10
    path = tmp_path / "a.png"
    path.write_bytes(png(20, 20, 16, 0, row * 20, (b"tRNS", struct.pack(">H", 0x1234))))
    picture = pictures.read_picture(path, 20, 20)
    assert picture[3, 2, 0] == 1
    np.testing.assert_allclose(picture[3, 3], 0x1235 / 65535, atol=0.51 / 255)


@pytest.mark.parametrize("mode", ["LA", "PA", "P", "1", "CMYK", "YCbCr", "RGBX"])
def test_other_modes(tmp_path, mode):
    half = Image.new("RGBA", (20, 20), (255, 255, 255, 255))
    half.paste((0, 0, 0, 255), (0, 0, 10, 20))
    image = half.convert(mode) if mode in ("LA", "PA") else half.convert("RGB").convert(mode)
    picture = pictures.read_picture(saved(tmp_path, image, "a.tiff"), 20, 20)
    np.testing.assert_allclose(picture[5, 3], 0, atol=0.01)
    np.testing.assert_allclose(picture[5, 16], 1, atol=0.01)


@pytest.mark.parametrize("alpha", [0, 64, 128, 255])
def test_half_transparent(tmp_path, alpha):
    path = saved(tmp_path, Image.new("LA", (20, 20), (100, alpha)))
    expected = (100 * alpha + 255 * (255 - alpha)) / 255 / 255
    np.testing.assert_allclose(pictures.read_picture(path, 20, 20), expected, atol=1 / 255)


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tiff"])
def test_the_first_frame_of_an_animation(tmp_path, kind):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    path = saved(tmp_path, frames[0], f"a.{kind}", save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(pictures.read_picture(path, 20, 20)[4, 4], [1, 0, 0], atol=0.02)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.nan, "not finite"),
        (np.inf, "not finite"),
        (-np.inf, "not finite"),
        (1.1, r"up to 1\.1 and down to 0: bring them to 0\.\.1"),
        (-0.1, r"down to -0\.1"),
        (255.0, "up to 255"),
    ],
)
def test_floats_that_are_no_brightness(tmp_path, value, says):
    pixels = np.zeros((600, 600), np.float32)
    pixels[599, 599] = value
    path = saved(tmp_path, Image.fromarray(pixels), "a.tiff")
    with pytest.raises(BadFileError, match=says):
        pictures.read_picture(path, 600, 600)


def test_floats(tmp_path):
    pixels = np.linspace(-0.001, 1.001, 400, dtype=np.float32).reshape(20, 20)
    picture = pictures.read_picture(saved(tmp_path, Image.fromarray(pixels), "a.tiff"), 20, 20)
    np.testing.assert_allclose(picture[..., 2], np.clip(pixels, 0, 1), atol=0.51 / 255)


def test_integers_without_a_white(tmp_path):
    with pytest.raises(BadFileError, match="does not say how many are white"):
        pictures.read_picture(tiff(tmp_path / "a.tiff", np.full((20, 20), 100), 32, kind=2), 20, 20)


def test_lab(tmp_path):
    with pytest.raises(BadFileError, match="has colours as LAB"):
        pictures.read_picture(saved(tmp_path, Image.new("LAB", (20, 20)), "a.tiff"), 20, 20)


def profile(space=b"RGB ", gamma=1.0):
    """A colour profile with sRGB's primaries and another curve (ICC.1:2001-04), by hand."""

    def xyz(*values):
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))

    name = b"desc" + bytes(4) + struct.pack(">I", 8) + b"another" + bytes(1 + 78)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"desc": name, b"cprt": b"text" + bytes(4) + b"none\0\0\0\0", b"wtpt": xyz(0.9642, 1, 0.8249)}
    if space == b"RGB ":
        tags |= {b"rXYZ": xyz(0.43607, 0.22249, 0.01392), b"gXYZ": xyz(0.38515, 0.71687, 0.09708)}
        tags |= {b"bXYZ": xyz(0.14307, 0.06061, 0.71410), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    else:
        tags[b"kTRC"] = curve
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(value))
        data += value
    size = 132 + 12 * len(tags) + len(data)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, b"mntr", space, b"XYZ ")
    head += (
        struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
        + b"acsp"
        + bytes(28)
        + struct.pack(">3i", 63190, 65536, 54061)
    )
    return head.ljust(128, b"\0") + table + data


def srgb(linear):
    """IEC 61966-2-1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("gamma", [1.0, 1.8])
@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
def test_colour_profiles(tmp_path, kind, gamma):
    colour = np.array([64, 128, 200])
    image = Image.new("RGB", (20, 20), tuple(colour.tolist()))
    path = saved(tmp_path, image, f"a.{kind}", icc_profile=profile(gamma=gamma), quality=100)
    expected = srgb((colour / 255) ** gamma)
    np.testing.assert_allclose(pictures.read_picture(path, 20, 20)[5, 5], expected, atol=0.012)


def test_colour_profiles_of_grey_and_of_transparent_pictures(tmp_path):
    path = saved(tmp_path, Image.new("L", (20, 20), 64), icc_profile=profile(b"GRAY", 1.0))
    np.testing.assert_allclose(pictures.read_picture(path, 20, 20), srgb(np.array(64 / 255)), atol=0.012)
    image = Image.new("RGBA", (20, 20), (64, 64, 64, 255))
    image.paste((64, 64, 64, 0), (10, 0, 20, 20))
    picture = pictures.read_picture(saved(tmp_path, image, icc_profile=profile()), 20, 20)
    np.testing.assert_allclose(picture[3, 3], srgb(np.array(64 / 255)), atol=0.012)
    assert picture[3, 15, 0] == 1


def test_a_profile_of_srgb_or_of_other_colours_changes_nothing(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for embedded in (same, profile(b"GRAY", 1.0)):
        path = saved(tmp_path, Image.fromarray(pixels), icc_profile=embedded)
        np.testing.assert_array_equal(pictures.read_picture(path, 20, 20), pixels.astype(np.float32) / 255)


def test_a_damaged_profile(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (20, 20)), icc_profile=profile()[:200])
    with pytest.raises(BadFileError, match="damaged colour profile"):
        pictures.read_picture(path, 20, 20)


# Limits.


def many_times(entries, size):
    """A directory of TIFF whose entries all name the same bytes."""
    entry = b"".join(struct.pack("<HHII", tag, 1, size, 8) for tag in range(1000, 1000 + entries))
    return (
        b"II*\0" + struct.pack("<I", size + 8) + bytes(size) + struct.pack("<H", entries) + entry + bytes(4)
    )


@pytest.mark.parametrize("name", ["a.tiff", "a.png", "a.webp", "packed.png"])
def test_metadata_that_name_the_same_bytes_over_and_over(tmp_path, name):
    bomb = many_times(5000, 100_000)  # half a gigabyte
    path = tmp_path / name
    if name == "a.tiff":
        path.write_bytes(bomb)
    elif name == "packed.png":
        text = PngImagePlugin.PngInfo()
        digits = many_times(5000, 10_000).hex()
        text.add_text("Raw profile type exif", f"\nexif\n 100\n{digits}", zip=True)
        saved(tmp_path, Image.new("RGB", (20, 20)), name, pnginfo=text)
    else:
        saved(tmp_path, Image.new("RGB", (20, 20)), name, exif=b"Exif\0\0" + bomb)
    with pytest.raises(BadFileError, match="claims more metadata than it can hold"):
        pictures.read_picture(path, 20, 20)


def test_directories_without_end(tmp_path):
    path = tmp_path / "a.tiff"
    path.write_bytes(b"II*\0\x08\0\0\0" * 300_000)
    with pytest.raises(BadFileError, match="claims more metadata than it can hold"):
        pictures.read_picture(path, 20, 20)


def test_a_jpeg_with_scans_without_end(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (4000, 4000)), "a.jpg", progressive=True)
    whole = path.read_bytes()
    last = whole.rindex(b"\xff\xda")
    path.write_bytes(whole[:-2] + whole[last:-2] * 500 + whole[-2:])
    with pytest.raises(BadFileError, match=r"a JPEG of 5.. scans"):
        pictures.read_picture(path, 20, 20)


@pytest.mark.parametrize(
    ("name", "options", "mode"),
    [
        ("a.png", {"compress_level": 1}, "I;16"),
        ("a.png", {"compress_level": 1}, "LA"),
        ("a.png", {"compress_level": 1}, "RGBA"),
        ("a.jpg", {"progressive": True, "subsampling": 0}, "RGB"),
        ("a.tiff", {"compression": "tiff_lzw"}, "F"),
        ("a.tiff", {"compression": "tiff_lzw", "tiffinfo": {0x0112: 6}}, "CMYK"),
        ("a.tiff", {"tiffinfo": {0x0112: 3}}, "RGBA"),
        ("a.avif", {"speed": 10, "subsampling": "4:4:4"}, "RGBA"),
        ("a.webp", {"lossless": True, "method": 0}, "RGBA"),
    ],
)
def test_memory(tmp_path, name, options, mode):
    """At most 6 bytes a pixel (18 of formats that allow for no more), and what the decoders need for themselves."""
    large = saved(tmp_path, Image.new(mode, (4000, 4000)), name, **options)
    small = saved(tmp_path, Image.new(mode, (300, 300)), f"small.{name[2:]}", **options)
    code = (
        "import re, sys; from pathlib import Path; from tfviz.data.pictures import read_picture\n"
        "small, large = map(Path, sys.argv[1:])\n"
        "def peak(): return 1024 * int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "read_picture(small, 224, 224); before = peak(); read_picture(large, 224, 224); print(peak() - before)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, small, large], check=True, capture_output=True, text=True
    )
    most = 18 if name in ("a.avif", "a.webp") else 6
    assert int(ran.stdout) < most * 4000 * 4000 + 12_000_000
    assert pictures.FORMATS[{"jpg": "JPEG"}.get(name[2:], name[2:].upper())] == most


def test_as_bytes_rounds_to_the_nearest():
    values = np.array([[-0.1, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 2.0]])
    np.testing.assert_array_equal(pictures.as_bytes(values), [[0, 0, 0, 1, 255, 255]])


def png(width, height, bits=8, kind=2, rows=b"", *chunks, interlaced=0):
    head = (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (head, *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def whole_png():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


UNUSABLE = {
    "empty": (b"", "not a picture"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\nshowpage\n", "not a picture"),
    "a header of AVIF": (b"\0\0\0\x1cftypavif" + bytes(16), "damaged|not a picture"),
    "a header of TIFF": (b"II*\0\x08\0\0\0", "damaged|not a picture"),
    "a header of GIF": (b"GIF89a\x40\0\x40\0\0\0\0", "damaged|not a picture"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50), "not a picture"),
    "text": (b"hello, not a picture", "not a picture"),
    "cut off": (whole_png()[:3000], "damaged"),
    "ten gigapixels": (png(100_000, 100_000), "smaller"),
    "156 megapixels": (png(13_000, 12_000), "at most 150 megapixels"),
    "one pixel": (png(1, 1), "1 x 1 pixels: take a picture of at least 16 x 16"),
}


@pytest.mark.parametrize(("content", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_files_get_one_line(tmp_path, content, says):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=says) as error:
        pictures.read_picture(path, 224, 224)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize(
    ("bits", "kind", "samples"), [(1, 0, 1), (4, 3, 1), (8, 2, 3), (16, 6, 4), (16, 4, 2)]
)
def test_a_png_of_fewer_rows_than_it_says(tmp_path, bits, kind, samples, interlaced):
    """Its stream is sound and ends early; Pillow reads it and leaves the rest black."""
    height, width = 19, 21
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    size = sum(
        1 + math.ceil(len(range(left, width, across)) * bits * samples / 8)
        for top, left, down, across in (passes if interlaced else [(0, 0, 1, 1)])
        for _ in range(top, height, down)
    )
    palette = [(b"PLTE", bytes(48))] if kind == 3 else []
    path = tmp_path / "a.png"
    for missing in (0, 1):
        rows = bytes(size - missing)
        path.write_bytes(png(width, height, bits, kind, rows, *palette, interlaced=interlaced))
        if missing:
            with pytest.raises(BadFileError, match="rows are missing"):
                pictures.read_picture(path, 16, 16)
        else:
            assert pictures.read_picture(path, 16, 16).max() == (kind in (4, 6)), (
                "all black, or white behind it"
            )


def test_a_png_that_unpacks_to_much_more_than_a_step(tmp_path):
    path = tmp_path / "a.png"
    for rows, whole in ((2000, True), (1999, False)):
        path.write_bytes(png(2000, 2000, 8, 0, bytes(2001 * rows)))
        if whole:
            assert pictures.read_picture(path, 16, 16).max() == 0
        else:
            with pytest.raises(BadFileError, match="rows are missing"):
                pictures.read_picture(path, 16, 16)


@pytest.mark.parametrize("planes", [1, 2])
def test_a_tiff_of_fewer_strips_than_it_says(tmp_path, planes):
    """Each of 16 rows of 16 pixels of 3 colours, or of one colour after the other."""
    values = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    content = (values if planes == 1 else values.transpose(2, 0, 1)).tobytes()
    strips, each = (16, 48) if planes == 1 else (48, 16)
    for missing in (0, 1):
        count, rest = strips - missing, 8 + len(content)
        entries = [
            *((256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 3, rest), (259, 3, 1, 1), (262, 3, 1, 2)),
            *(
                (273, 4, count, rest + 8),
                (277, 3, 1, 3),
                (278, 4, 1, 1),
                (279, 4, count, rest + 8 + 4 * count),
            ),
            (284, 3, 1, planes),
        ]
        path = tmp_path / "a.tiff"
        path.write_bytes(
            b"II*\0"
            + struct.pack("<I", rest + 8 + 8 * count)
            + content
            + struct.pack("<4H", 8, 8, 8, 0)
            + struct.pack(f"<{count}I", *(8 + each * number for number in range(count)))
            + struct.pack(f"<{count}I", *[each] * count)
            + struct.pack("<H", len(entries))
            + b"".join(struct.pack("<HHII", *entry) for entry in entries)
            + bytes(4)
        )
        if missing:
            with pytest.raises(BadFileError, match="rows are missing"):
                pictures.read_picture(path, 16, 16)
        else:
            np.testing.assert_array_equal(pictures.read_picture(path, 16, 16), values / np.float32(255))


def test_half_a_picture_is_refused_whatever_another_library_has_set(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = tmp_path / "picture.png"
    path.write_bytes(whole_png()[:3000])
    with pytest.raises(BadFileError, match="damaged"):
        pictures.read_picture(path, 224, 224)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(BadFileError, match="does not exist"):
        pictures.read_picture(tmp_path / "none.png", 224, 224)
    with pytest.raises(BadFileError, match="is a folder"):
        pictures.read_picture(tmp_path, 224, 224)


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png"):
        with pytest.raises(BadFileError, match="no regular file"):
            pictures.read_picture(tmp_path / name, 20, 20)


@pytest.mark.parametrize(
    "error", [RuntimeError, struct.error, IndexError, AssertionError, KeyError, RecursionError]
)
def test_whatever_a_decoder_raises(tmp_path, monkeypatch, error):
    path = saved(tmp_path, Image.new("RGB", (20, 20)))

    def fail(*_):
        raise error("two\nlines\x1b[2J")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(BadFileError, match="is damaged") as caught:
        pictures.read_picture(path, 20, 20)
    assert str(caught.value).isprintable()


def test_not_enough_memory(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("RGB", (20, 20)))

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", full)
    with pytest.raises(BadFileError, match="does not fit into memory"):
        pictures.read_picture(path, 20, 20)


def test_no_permission(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("RGB", (20, 20)))

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(BadFileError, match="may not be read"):
        pictures.read_picture(path, 224, 224)


# Colours that Pillow takes for others without a word.


@pytest.mark.parametrize(("bits", "key"), [(1, 0), (1, 1), (2, 1), (2, 2), (4, 5), (4, 14), (8, 77)])
def test_a_transparent_grey_of_few_bits(tmp_path, bits, key):
    """The key counts in steps of the file's own depth (PNG specification, section 11.3.2.1)."""
    steps = 1 << bits
    values = np.arange(16 * 16).reshape(16, 16) % steps
    rows = b""
    for row in values:
        digits = "".join(f"{value:0{bits}b}" for value in row)
        rows += b"\0" + int(digits, 2).to_bytes(2 * bits, "big")
    path = tmp_path / "a.png"
    path.write_bytes(png(16, 16, bits, 0, rows, (b"tRNS", struct.pack(">H", key))))
    expected = np.where(values == key, 1, values / (steps - 1))
    np.testing.assert_allclose(pictures.read_picture(path, 16, 16)[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("gamma", "exponent"), [(1.0, 1), (0.5, 2), (1 / 2.2, None), (0.0, None)])
def test_the_gamma_of_a_png(tmp_path, bits, gamma, exponent):
    """What is in the file is the light to the power of gamma; that of sRGB, and none, are sRGB."""
    steps = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rows = b"".join(b"\0" + np.repeat(row, bits // 8).tobytes() for row in steps)
    path = tmp_path / "a.png"
    named = struct.pack(">I", round(gamma * 100_000))
    path.write_bytes(png(16, 16, bits, 0, rows, (b"gAMA", named)))
    expected = steps / 255 if exponent is None else srgb((steps / 255) ** exponent)
    np.testing.assert_allclose(pictures.read_picture(path, 16, 16)[..., 1], expected, atol=0.51 / 255)
    path.write_bytes(png(16, 16, bits, 0, rows, (b"gAMA", named), (b"sRGB", b"\0")))
    np.testing.assert_allclose(pictures.read_picture(path, 16, 16)[..., 1], steps / 255, atol=1e-6)


def test_the_profile_of_a_grey_of_sixteen_bits(tmp_path):
    pixels = np.arange(0, 65536, 164, np.uint16).reshape(20, 20)
    path = saved(tmp_path, Image.fromarray(pixels), icc_profile=profile(b"GRAY", 1.0))
    expected = srgb(pixels / 65535)
    np.testing.assert_allclose(pictures.read_picture(path, 20, 20)[..., 2], expected, atol=0.012)


@pytest.mark.parametrize("named", [(1, 13), (2, 2), (1, 1), (6, 6), (12, 13), (1, 16), (9, 18), (1, 8)])
@pytest.mark.parametrize("kind", ["png", "avif"])
def test_colours_beyond_srgb(tmp_path, kind, named):
    """Display P3, and the curves of high dynamic range (ITU-T H.273, tables 2 and 3)."""
    path = saved(tmp_path, Image.new("RGB", (16, 16), (200, 100, 50)), f"a.{kind}")
    content = path.read_bytes()
    if kind == "png":
        chunk = b"cICP" + bytes([*named, 0, 1])
        path.write_bytes(
            content[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]
        )
    else:
        begin = content.index(b"colrnclx") + 8
        path.write_bytes(content[:begin] + struct.pack(">2H", *named) + content[begin + 4 :])
    if named in [(12, 13), (1, 16), (9, 18), (1, 8)]:
        with pytest.raises(BadFileError, match=rf"primaries {named[0]}, transfer {named[1]} of ITU-T H.273"):
            pictures.read_picture(path, 16, 16)
    else:
        np.testing.assert_allclose(
            pictures.read_picture(path, 16, 16)[5, 5], [0.784, 0.392, 0.196], atol=0.03
        )


def test_a_cmyk_jpeg_without_adobes_marker(tmp_path):
    """Its inks may be inverted or not."""
    path = saved(tmp_path, Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "a.jpg")
    np.testing.assert_allclose(pictures.read_picture(path, 16, 16)[5, 5], [0, 1, 1], atol=0.02)
    content = path.read_bytes()
    begin = content.index(b"Adobe") - 4
    (length,) = struct.unpack_from(">H", content, begin + 2)
    path.write_bytes(content[:begin] + content[begin + 2 + length :])
    with pytest.raises(BadFileError, match="lacks Adobe's marker"):
        pictures.read_picture(path, 16, 16)


def test_a_transparent_colour_of_sixteen_bits(tmp_path):
    path = tmp_path / "a.png"
    row = b"\0" + struct.pack(">3H", 0x1234, 0x1234, 0x1234) * 16
    path.write_bytes(png(16, 16, 16, 2, row * 16, (b"tRNS", struct.pack(">3H", 0x1234, 0x1234, 0x1234))))
    with pytest.raises(BadFileError, match="save it with an alpha channel"):
        pictures.read_picture(path, 16, 16)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_colours_of_sixteen_bits_one_after_the_other(tmp_path, compression):
    tifffile = pytest.importorskip("tifffile")
    values = np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint16) * 257
    how = {"photometric": "rgb", "compression": compression}
    path = tmp_path / "a.tiff"
    tifffile.imwrite(path, values, planarconfig="separate", **how)
    with pytest.raises(BadFileError, match="one colour of 16 bits after the other"):
        pictures.read_picture(path, 16, 16)
    tifffile.imwrite(path, values.transpose(1, 2, 0), **how)
    expected = values.transpose(1, 2, 0) / 65535
    np.testing.assert_allclose(pictures.read_picture(path, 16, 16), expected, atol=0.51 / 255)


def test_numbers_with_signs(tmp_path):
    path = tiff(tmp_path / "a.tiff", np.full((16, 16), 200), 8, kind=2)
    with pytest.raises(BadFileError, match="numbers with signs"):
        pictures.read_picture(path, 16, 16)


def test_an_address_is_no_file():
    with pytest.raises(BadFileError, match="is an address, not a file: download it"):
        pictures.read_picture(pathlib.Path("https://example.org/cat.png"), 16, 16)
