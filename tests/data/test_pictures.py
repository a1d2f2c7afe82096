import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

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


def test_the_middle_is_cut_out(tmp_path):
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    np.testing.assert_array_equal(pictures.read_picture(saved(tmp_path, Image.fromarray(pixels)), 20, 20), 1)


def test_fifty_megapixels(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (8660, 5774), RED), "large.jpg")
    picture = pictures.read_picture(path, 224, 224)
    assert picture.shape == (224, 224, 3)
    np.testing.assert_allclose(picture.mean(axis=(0, 1)), [1, 0, 0], atol=0.02)


def test_as_bytes_rounds_to_the_nearest():
    values = np.array([[-0.1, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 2.0]])
    np.testing.assert_array_equal(pictures.as_bytes(values), [[0, 0, 0, 1, 255, 255]])


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"IDAT" + zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (body, end)
    )


def whole_png():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


UNUSABLE = {
    "empty": (b"", "not a picture"),
    "text": (b"hello, not a picture", "not a picture"),
    "cut off": (whole_png()[:3000], "damaged"),
    "ten gigapixels": (png_header(100_000, 100_000), "smaller"),
    "156 megapixels": (png_header(13_000, 12_000), "at most 150 megapixels"),
    "one pixel": (png_header(1, 1), "1 x 1 pixels: take a picture of at least 16 x 16"),
}


@pytest.mark.parametrize(("content", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_files_get_one_line(tmp_path, content, says):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=says) as error:
        pictures.read_picture(path, 224, 224)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


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


def test_no_permission(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("RGB", (20, 20)))

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(BadFileError, match="may not be read"):
        pictures.read_picture(path, 224, 224)
