import io
import os

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from tfviz import language
from tfviz.report import handed_in
from tfviz.report.handed_in import RefusedError, legible, read_picture, read_text


def pixels(picture):
    with Image.open(io.BytesIO(picture.png)) as image:
        assert image.mode == "RGB"
        assert image.size == (picture.width, picture.height)
        return np.asarray(image)


def save(path, array, mode=None, **options):
    Image.fromarray(np.asarray(array, dtype=np.uint8), mode).save(path, **options)
    return path


def test_text_is_read_with_and_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.md"
    for data in ("שלום\r\n".encode(), "שלום\r\n".encode("utf-8-sig")):
        path.write_bytes(data)
        assert read_text(path, 100) == "שלום\r\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"caf\xe9", r"a\.md is not text in UTF-8 \(byte 0xe9 in line 1\): save it as UTF-8"),
        (b"one\ntwo\n\xff\xfet\0", r"not text in UTF-8 \(byte 0xff in line 3\)"),
        (b"one\nt\0w\0o", r"is not text \(a zero byte in line 2\)"),
        (b"x" * 3001, r"is larger than 3 kB"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path, data, said):
    path = tmp_path / "a.md"
    path.write_bytes(data)
    with pytest.raises(RefusedError, match=said) as caught:
        read_text(path, 3000)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"x" * 3000)
    assert len(read_text(path, 3000)) == 3000


@pytest.mark.parametrize("read", [lambda path: read_text(path, 100), read_picture])
def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path, read):
    with pytest.raises(RefusedError, match="none does not exist"):
        read(tmp_path / "none")
    with pytest.raises(RefusedError, match="is a folder"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RefusedError, match="pipe is not a regular file"):
        read(tmp_path / "pipe")
    with pytest.raises(RefusedError, match=r"cannot be read \(File name too long\)"):
        read(tmp_path / ("x" * 300))
    with pytest.raises(RefusedError, match="cannot be read"):
        read(tmp_path / "a\0b")


@pytest.mark.parametrize("read", [lambda path: read_text(path, 100), read_picture])
def test_a_file_without_permission_is_refused(tmp_path, read, monkeypatch):
    path = save(tmp_path / "a.png", np.zeros((2, 2, 3)))

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", forbidden)
    monkeypatch.setattr("builtins.open", forbidden)
    with pytest.raises(RefusedError, match=r"a\.png may not be read: check its permissions"):
        read(path)


def test_a_picture_keeps_its_colours_and_loses_its_metadata(tmp_path):
    array = np.arange(48).reshape(4, 4, 3) * 5
    about = PngImagePlugin.PngInfo()
    about.add_text("Author", "somebody")
    path = save(tmp_path / "a.png", array, pnginfo=about, icc_profile=b"a private profile", dpi=(72, 72))
    assert b"somebody" in path.read_bytes()
    picture = read_picture(path)
    assert np.array_equal(pixels(picture), array)
    assert picture.alt == "a.png"
    assert read_picture(path, " a cat ").alt == "a cat"
    with Image.open(io.BytesIO(picture.png)) as image:
        assert image.info == {}


def test_grey_of_16_bits_transparency_and_orientation(tmp_path):
    grey = np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert pixels(read_picture(tmp_path / "grey.png"))[..., 0].tolist() == [[0, 100], [200, 255]]
    clear = save(tmp_path / "clear.png", [[[10, 20, 30, 255], [10, 20, 30, 0]]])
    assert pixels(read_picture(clear)).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "palette.gif", transparency=1)
    assert pixels(read_picture(tmp_path / "palette.gif")).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    save(tmp_path / "turned.jpg", np.full((8, 16, 3), 90), exif=exif)
    assert pixels(read_picture(tmp_path / "turned.jpg")).shape == (16, 8, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif"])
def test_a_long_picture_is_made_smaller(tmp_path, suffix):
    path = save(tmp_path / f"a.{suffix}", np.full((10, 2 * handed_in.LONGEST_SIDE, 3), 90))
    picture = read_picture(path)
    assert (picture.width, picture.height) == (handed_in.LONGEST_SIDE, 5)


def test_what_is_no_picture_is_refused(tmp_path, monkeypatch):
    svg = tmp_path / "a.svg"
    svg.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    with pytest.raises(RefusedError, match=r"a\.svg is not a picture in PNG, JPEG, WebP or GIF"):
        read_picture(svg)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")  # Pillow would start a program to read it
    with pytest.raises(RefusedError, match="not a picture"):
        read_picture(tmp_path / "a.eps")
    whole = save(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3)))
    half = tmp_path / "half.png"
    half.write_bytes(whole.read_bytes()[:2000])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(RefusedError, match=r"half\.png is damaged"):
        read_picture(half)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_picture_of_absurd_size_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", np.zeros((10, 10, 3)))
    monkeypatch.setattr(handed_in, "LARGEST_AREA", 99)
    with pytest.raises(RefusedError, match="has more than 0 megapixels"):
        read_picture(path)
    monkeypatch.undo()
    bomb = bytearray(path.read_bytes())
    for side, most in (
        ((30_000).to_bytes(4, "big"), "60 megapixels"),
        (b"\x7f\xff\xff\xff", "60 megapixels"),
    ):
        bomb[16:20] = bomb[20:24] = side
        bomb[29:33] = __import__("zlib").crc32(bomb[12:29]).to_bytes(4, "big")
        path.write_bytes(bomb)
        with pytest.raises(RefusedError, match=most):
            read_picture(path)


def test_names_are_shown_on_one_line_and_harmless():
    assert legible("a\n\x1b[31mb\u202ec\udcff") == "a��[31mb�c�"
    assert legible("x" * 1000) == "x" * 80 + "…" + "x" * 80
    error = RefusedError("{file} is {what}.", "/home/somebody/<b>.md", what="<i>")
    assert str(error) == "/home/somebody/<b>.md is <i>."
    assert error.shown("<b>.md") == '<bdi dir="ltr">&lt;b&gt;.md</bdi> is <bdi dir="ltr">&lt;i&gt;</bdi>.'


def test_the_report_says_it_in_its_language(tmp_path, monkeypatch):
    (tmp_path / "he.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "{file} does not exist."\nmsgstr "אין {file}."\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(language, "folder", lambda: tmp_path)
    language.load.cache_clear()
    with language.use("he"), pytest.raises(RefusedError, match="none does not exist") as caught:
        read_picture(tmp_path / "none")
    with language.use("he"):
        assert caught.value.shown("none") == 'אין <bdi dir="ltr">\u2066none\u2069</bdi>.'
    language.load.cache_clear()
