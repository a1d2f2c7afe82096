import base64
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.report import live_page
from tfviz.errors import BadFileError
from tfviz.figures import live
from tfviz.files.program import CHECKOUT

RED = np.tile([1.0, 0, 0], (2, 3, 1))


def pixels(stored):
    """The picture in a stored figure, with its sizes checked."""
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(stored["png"]))))
    assert image.shape[:2] == (stored["height"], stored["width"])
    return image


def test_a_picture_is_stored_to_the_nearest_of_256_levels_with_its_words(tmp_path):
    values = np.array([[[0, 0.5, 1], [0.1, 1.00005, -0.00005]]])
    figure = live.Pictures([live.PicturesRow("", [live.Labelled("two pixels", values, "a pair", True)])])
    (row,) = live_page.stored(figure)["rows"]
    (stored,) = row["pictures"]
    np.testing.assert_array_equal(pixels(stored), [[[0, 128, 255], [26, 255, 0]]])
    assert {key: stored[key] for key in ("label", "alt", "pixelated", "width", "height")} == {
        "label": "two pixels",
        "alt": "a pair",
        "pixelated": True,
        "width": 2,
        "height": 1,
    }


def test_a_map_becomes_grey_with_0_in_the_middle():
    figure = live.Pictures([live.PicturesRow("", [live.Labelled("", np.array([[-2.0, 0, 1, 2]]), "")])])
    (stored,) = live_page.stored(figure)["rows"][0]["pictures"]
    np.testing.assert_array_equal(pixels(stored), [[0, 128, 191, 255]])


@pytest.mark.parametrize(("side", "pixelated"), [(63, True), (64, False)])
def test_small_pictures_are_enlarged_without_smoothing(side, pixelated):
    figure = live.Pictures([live.PicturesRow("", [live.Labelled("", np.zeros((side, 80, 3)), "")])])
    assert live_page.stored(figure)["rows"][0]["pictures"][0]["pixelated"] is pixelated


def test_the_same_values_give_the_same_bytes_in_another_process(tmp_path):
    program = (
        "import sys; from pathlib import Path; from tests.report import live_page; from tfviz.figures import live\n"
        "for name, make in live_page.FIGURES.items(): live.save(make(), Path(sys.argv[1]) / name)"
    )
    (tmp_path / "again").mkdir()
    environment = {"PYTHONHASHSEED": "1", "PATH": ""}
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "again")], check=True, cwd=CHECKOUT, env=environment
    )
    for name, make in live_page.FIGURES.items():
        again = (tmp_path / "again" / f"{name}.live.json").read_bytes()
        assert live.save(make(), tmp_path / name).read_bytes() == again


@pytest.mark.parametrize("name", live_page.FIGURES)
def test_what_was_saved_can_be_loaded(tmp_path, name):
    path = live.save(live_page.FIGURES[name](), tmp_path / "strip.one")
    assert path == tmp_path / "strip.one.live.json"
    stored = live.load(path)
    assert stored["kind"] == name
    assert stored == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"kind": "film"}', '{"kind": ["steps"]}', '{"steps": []}', "null", "\x00"]
)
def test_another_file_is_one_clear_line(tmp_path, content):
    path = tmp_path / "figure.live.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadFileError, match=r"figure\.live\.json") as caught:
        live.load(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(BadFileError, match=r"none\.live\.json"):
        live.load(tmp_path / "none.live.json")


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0, "<\u202f0.1"),
        (0.00049, "<\u202f0.1"),
        (0.0005, "0.1"),
        (0.29843, "29.8"),
        (0.9994, "99.9"),
        (0.9995, ">\u202f99.9"),
        (1, ">\u202f99.9"),
        (0.5, "50.0"),
    ],
)
def test_per_cent_say_no_more_than_is_known(share, written):
    assert live.written_percent(share) == written


def test_steps_keep_their_rows_and_values():
    stored = live_page.stored(live_page.steps(2))
    assert stored["steps"] == [0, 1, 8, 64]
    assert stored["unit"] == "activation"
    assert [row["label"] for row in stored["rows"]] == ["Row 0", "Row 1"]
    assert stored["rows"][1]["written"] == ["1.0", "1.1", "1.2", "1.3"]
    np.testing.assert_array_equal(
        pixels(stored["rows"][1]["pictures"][2]), np.rint(live_page.photograph(seed=12) * 255)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: live.Labelled("a", np.zeros((2, 2, 4)), "b"),
            r"b: a picture must be \(H, W, 3\).*\(2, 2, 4\)",
        ),
        (lambda: live.Labelled("a", np.zeros((2,)), ""), "a: a picture"),
        (lambda: live.Labelled("a", np.zeros((0, 2, 3)), "b"), "b: a picture"),
        (lambda: live.Labelled("a", 1.1 * RED, "b"), r"b must lie in \[0, 1\], not in \[0.0, 1.1\]"),
        (lambda: live.Labelled("a", RED - 0.01, "b"), r"b must lie in \[0, 1\]"),
        (lambda: live.Labelled("a", np.nan * RED, "b"), r"b must lie in \[0, 1\]"),
        (lambda: live.Labelled("a", np.array([[np.inf]]), "b"), "b: a map must be finite"),
        (lambda: live.StepsRow("row", [RED, 2 * RED]), "row must lie"),
        (lambda: live.Steps([0, 1], []), "a row, and two steps"),
        (lambda: live.Steps([0], [live.StepsRow("a", [RED])]), "a row, and two steps"),
        (lambda: live.Steps([0, 2, 2], [live.StepsRow("a", [RED] * 3)]), r"rise, not be \[0, 2, 2\]"),
        (
            lambda: live.Steps([0, 1], [live.StepsRow("a", [RED] * 3)]),
            "'a' has 3 pictures and 0 values for 2",
        ),
        (lambda: live.Steps([0, 1], [live.StepsRow("a", [RED] * 2, ["1"])]), "1 values for 2"),
        (
            lambda: live.Wipe(live.Labelled("a", RED, ""), live.Labelled("b", RED[:, :2], "")),
            r"one size, not \(2, 3\) and \(2, 2\)",
        ),
        (lambda: live_page.block_map(picture=np.zeros((96, 96))), "must have colours"),
        (lambda: live_page.block_map(patch=97), "block of 97 in steps of 16 does not fit 96 × 96"),
        (lambda: live_page.block_map(stride=0), "does not fit"),
        (lambda: live_page.block_map(values=np.zeros((5, 4))), r"values must be \(5, 5\), not \(5, 4\)"),
        (lambda: live_page.block_map(winners=np.zeros((4, 5), int)), r"winners must be \(5, 5\)"),
        (lambda: live_page.block_map(winning=np.zeros((4, 5))), r"winning must be \(5, 5\)"),
        (lambda: live_page.block_map(values=np.full((5, 5), 1.2)), r"values must lie in \[0, 1\]"),
        (lambda: live_page.block_map(winning=np.full((5, 5), -1)), r"winning must lie in \[0, 1\]"),
        (lambda: live_page.block_map(names={107: "jellyfish"}), r"winners without a name: \[900\]"),
        (lambda: live_page.block_map(names={}), "the class that the map is of"),
        (lambda: live_page.block_map(first=(5, 0)), r"first must lie in \(5, 5\)"),
        (lambda: live_page.block_map(fill=(0, 0)), "three colours"),
        (lambda: live_page.block_map(fill=(0, 0, 2)), "fill must lie"),
        (lambda: live.Matrix(["a", "b"], np.zeros((2, 3))), r"counts must be \(2, 2\), not \(2, 3\)"),
        (lambda: live.Matrix(["a", "a"], np.zeros((2, 2))), "different names"),
        (lambda: live.Matrix(["a"], np.zeros((1, 1))), "two classes"),
        (lambda: live.Matrix(["a", "b"], np.full((2, 2), -1)), "whole numbers"),
        (lambda: live.Matrix(["a", "b"], np.full((2, 2), 0.5)), "whole numbers"),
        (lambda: live.Matrix(["a", "b"], np.zeros((2, 2)), {(0, 2): []}), r"no cell \(0, 2\) in 2 × 2"),
        (lambda: live.Matrix(["a", "b"], np.zeros((2, 2)), {(0, 1): [2 * RED]}), r"cell \(0, 1\) must lie"),
        (lambda: live.Pictures([]), "there must be a picture"),
        (lambda: live.Pictures([live.PicturesRow("a", [])]), "there must be a picture"),
        (
            lambda: live.Pictures([live.PicturesRow("a", [live.Labelled("", RED, "")])], ["x", "y"]),
            "2 headings for 1 columns",
        ),
        (lambda: live.Tile("t", 2 * RED, {}), "t must lie"),
        (lambda: live.Wall([]), "there must be a tile"),
        (lambda: live.Wall([live.Tile("t", RED, {})] * 2), "different names"),
        (lambda: live.Wall([live.Tile("t", RED, {})], "Channel"), "must have {name} in it"),
        (
            lambda: live.Wall([live.Tile("t", RED, {"a": "1"}), live.Tile("u", RED, {"b": "1"})]),
            "tile 'u' has other facts or pictures than 't'",
        ),
        (
            lambda: live.Wall(
                [live.Tile("t", RED, {}), live.Tile("u", RED, {}, [live.Labelled("fit", RED, "")])]
            ),
            "tile 'u' has other",
        ),
        (lambda: live.Fields(2 * RED, [live.Field("a", 1, (0, 0), "")]), "picture must lie"),
        (lambda: live.Fields(RED, []), "there must be a layer"),
        (lambda: live.Fields(RED, [live.Field("a", 1, (0, 0), "")] * 2), "different labels"),
        (lambda: live.Fields(RED, [live.Field("a", 0, (0, 0), "")]), "'a' must see a pixel or more, not 0"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_map_has_its_values_in_words_and_classes_by_position():
    stored = live_page.stored(live_page.block_map())
    assert stored["names"] == ["jellyfish", "water tower"]
    assert stored["percent"][0] == ["<\u202f0.1", "4.2", "8.3", "12.5", "16.7"]
    assert stored["percent"][4][4] == ">\u202f99.9"
    assert stored["winners"] == [[1] * 5, [1, 1, 1, 0, 0], [0] * 5, [0] * 5, [0] * 5]
    assert stored["winning"][0] == ["50.0"] * 5
    assert stored["first"] == [0, 0]  # the lowest
    assert stored["size"] == [96, 96]
    assert (stored["patch"], stored["stride"]) == (32, 16)
    assert stored["block"] == {"height": 33.333, "width": 33.333}
    assert live_page.stored(live_page.block_map(winning=None))["winning"] is None


def test_the_block_lies_at_first_where_it_is_asked_to_or_where_it_costs_most():
    values = np.ones((5, 5))
    values[3, 1] = 0.4
    winners = np.full((5, 5), 107)
    assert live_page.stored(live_page.block_map(values=values, winners=winners))["first"] == [3, 1]
    assert live_page.stored(live_page.block_map(first=(0, 4)))["first"] == [0, 4]
    assert live_page.stored(live_page.block_map(values=values, first=(0, 0)))["first"] == [0, 0]


def test_the_map_is_laid_around_the_middles_of_its_blocks():
    # 100 × 200 pixels, blocks of 20 every 10: their middles lie from 10 on, so the squares around them from 5 on.
    figure = live.BlockMap(
        np.zeros((100, 200, 3)), np.ones((9, 19)), np.zeros((9, 19), int), {0: "x"}, 20, 10
    )
    stored = live_page.stored(figure)
    assert stored["place"] == {"top": 5.0, "left": 2.5, "width": 95.0}
    assert stored["block"] == {"height": 20.0, "width": 10.0}
    assert pixels(stored["map"]).shape == (9, 19, 4)


def test_the_map_is_dark_where_little_is_left_and_clear_where_nothing_is_lost():
    values = np.array([[0, 0.225], [0.45, 1]])
    figure = live.BlockMap(
        np.full((4, 4, 3), 0.5), values, np.zeros((2, 2), int), {0: "x"}, 2, 2, fill=(1, 0.5, 0)
    )
    stored = live_page.stored(figure)
    np.testing.assert_array_equal(
        pixels(stored["map"]),
        [[[125, 17, 40, 235], [174, 60, 44, 228]], [[224, 102, 47, 220], [246, 200, 90, 0]]],
    )
    assert stored["map"]["pixelated"]
    np.testing.assert_array_equal(pixels(stored["grey"]), np.full((4, 4, 3), 166))  # 0.35 + 0.6 / 2
    assert stored["fill"] == "#ff8000"
    assert stored["ramp"].startswith("linear-gradient(to right, rgb(125 17 40 / 0.922) 0%, rgb(224 102 47")
    assert stored["ramp"].endswith("rgb(246 200 90 / 0) 100%)")


def test_the_maps_colours_grow_lighter_all_the_way():
    figure = live.BlockMap(
        np.zeros((1, 64, 3)), np.linspace(0, 1, 64)[None], np.zeros((1, 64), int), {0: "x"}, 1, 1
    )
    colours = pixels(live_page.stored(figure)["map"]).astype(float)[0]
    over_grey = colours[:, :3] * colours[:, 3:] / 255 + 230 * (1 - colours[:, 3:] / 255)
    lightness = over_grey @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > 0).all()


def test_the_matrix_is_tinted_with_the_logarithm_of_the_share_and_not_where_it_is_right():
    counts = np.array([[900, 5, 10, 4], [0, 0, 0, 0], [500, 0, 500, 0], [0, 0, 0, 20]])
    stored = live_page.stored(live.Matrix(live_page.NAMES, counts))
    # 10 log2(1 + share / 0.005): of 919, of nothing at all, of 1000.
    assert stored["tint"] == [[0, 11, 17, 0], [0] * 4, [44, 0, 0, 0], [0] * 4]
    assert stored["totals"] == [919, 0, 1000, 20]
    assert stored["counts"] == counts.tolist()
    assert stored["first"] == [2, 0]


def test_short_names_tell_classes_apart():
    def short(*names):
        return live_page.stored(live.Matrix(names, np.eye(len(names), dtype=int)))["short"]

    assert short("airplane", "automobile", "bird", "cat") == ["ai", "au", "bi", "ca"]
    assert short("deer", "dog", "desk") == ["dee", "do", "des"]
    assert short("a", "ab", "abc") == ["a", "ab", "abc"]


def test_the_matrix_keeps_the_pictures_of_its_cells_in_order():
    cells = {(1, 0): [RED], (0, 1): [RED, RED / 2], (0, 0): []}
    stored = live_page.stored(live.Matrix(["a", "b"], np.eye(2, dtype=int), cells))["cells"]
    assert [(cell["row"], cell["column"], len(cell["pictures"])) for cell in stored] == [(0, 1, 2), (1, 0, 1)]
    np.testing.assert_array_equal(pixels(stored[0]["pictures"][1])[0, 0], [128, 0, 0])


def test_the_table_counts_its_columns_by_the_longest_row():
    rows = [live.PicturesRow(str(n), [live.Labelled("", RED, "")] * n) for n in (1, 3, 2)]
    stored = live_page.stored(live.Pictures(rows, ["a", "b", "c"]))
    assert stored["columns"] == 3
    assert [len(row["pictures"]) for row in stored["rows"]] == [1, 3, 2]
    assert stored["headings"] == ["a", "b", "c"]


def test_the_wall_keeps_the_order_of_tiles_and_facts():
    stored = live_page.stored(live_page.wall(3))
    assert [tile["name"] for tile in stored["tiles"]] == ["0", "1", "2"]
    tile = stored["tiles"][2]
    assert list(tile["facts"].items()) == [("L1 norm", "2.5"), ("frequency", "0.2")]
    assert tile["picture"]["alt"] == "Channel 2"
    assert [each["label"] for each in tile["more"]] == ["fit"]
    assert (stored["title"], stored["label"]) == ("Channel {name}", "filter")


def test_squares_are_measured_in_shares_of_the_pictures_width():
    # On 100 rows × 200 columns: 30 pixels from row 10, column 50 on; and 150 that stick out above, right and below.
    figure = live.Fields(
        np.zeros((100, 200, 3)),
        [live.Field("small", 30, (10, 50), "says"), live.Field("large", 150, (-15, 60), "")],
    )
    stored = live_page.stored(figure)
    assert pixels(stored["picture"]).shape == (100, 200, 3)
    small, large = stored["layers"]
    assert (small["label"], small["text"]) == ("small", "says")
    assert (small["top"], small["left"], small["side"]) == (5.0, 25.0, 15.0)
    assert (large["top"], large["left"], large["side"]) == (-7.5, 30.0, 75.0)
    # Above, right, below, left, in shares of the square's own side.
    assert small["around"] == [33.333, 400.0, 200.0, 166.667]
    assert large["around"] == [-10.0, -6.667, -23.333, 40.0]


def test_a_smaller_square_lies_over_a_larger_one_and_has_room_for_its_label():
    layers = [
        live.Field(label, size, (0, 0), "") for label, size in zip("abcd", (14, 60, 60, 15), strict=True)
    ]
    stored = live_page.stored(live.Fields(np.zeros((100, 100)), layers))["layers"]
    assert [layer["above"] for layer in stored] == [3, 0, 0, 2]
    assert [layer["narrow"] for layer in stored] == [True, False, False, False]


def test_squares_have_colours_of_their_own():
    layers = [live.Field(str(k), 1, (0, 0), "") for k in range(7)]
    colours = [layer["colour"] for layer in live_page.stored(live.Fields(RED, layers))["layers"]]
    assert len(set(colours)) == 6
    assert colours[6] == colours[0]
