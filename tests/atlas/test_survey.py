import keras
import numpy as np
import pytest
from keras import ops

from tests.atlas.tiny import SIDE, network, pictures
from tfviz.atlas import survey
from tfviz.atlas.network import own
from tfviz.atlas.packing import packed, unpacked
from tfviz.data.pictures import read_picture
from tfviz.errors import BadFileError
from tfviz.models.own import before_activation, use


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    network().save(folder / "tiny.keras")
    data = survey.data_set(pictures(folder / "pictures"))
    return survey.survey(own(folder / "tiny.keras"), ["c1", "a", "c2"], data, 0), data


def maps(layer, data):
    """Of every picture that can be read, by another way: name, and the whole map before the activation."""
    model = before_activation(use(network(), name="tiny"), layer)
    names = [name for name in data.names if name != "broken.jpg"]
    given = np.stack([read_picture(data.place / name, *SIDE) for name in names])
    return names, given, ops.convert_to_numpy(model(given))


@pytest.mark.parametrize("layer", ["c1", "a", "c2"])
def test_exemplars_are_those_of_a_search_by_hand(found, layer):
    result, data = found
    names, _, every = maps(layer, data)
    for unit, row in enumerate(result["rows"][layer][:-1]):
        highest = every[..., unit].max(axis=(1, 2))
        order = np.argsort(-highest)[:9]
        assert [each["picture"] for each in row["exemplars"]] == [names[number] for number in order]
        assert [each["activation"] for each in row["exemplars"]] == pytest.approx(
            highest[order], rel=1e-4, abs=1e-5
        )
        assert row["best_picture"] == pytest.approx(highest.max(), rel=1e-4)
        for each, number in zip(row["exemplars"], order, strict=True):
            value = every[number, each["row"], each["column"], unit]
            assert value == pytest.approx(highest[number], rel=1e-4, abs=1e-5)


def test_patch_is_what_the_unit_sees(found):
    """c1 sees 5 x 5 with stride 2; "same" padding puts 1 row before 24 and 1 column before 20: (17 + 5 - 20) // 2."""
    result, data = found
    for row in result["rows"]["c1"][:-1]:
        for each in row["exemplars"]:
            picture = read_picture(data.place / each["picture"], *SIDE)
            padded = np.pad(picture, ((1, 9), (1, 9), (0, 0)))
            top, left = 2 * each["row"], 2 * each["column"]
            expected = padded[top : top + 5, left : left + 5]
            assert np.abs(unpacked(each["patch"]) - expected).max() < 1e-6


def test_the_unit_makes_of_its_patch_what_is_said(found):
    result, _ = found
    model = use(network(), name="tiny")
    kernel, bias = (np.asarray(each, np.float64) for each in model.get_layer("c1").get_weights())
    for row in result["rows"]["c1"][:-1]:
        each = row["exemplars"][0]
        if not (0 < each["row"] < 11 and 0 < each["column"] < 9):
            continue  # padding is black to the eye, but 0 after the rescaling
        by_hand = np.sum(kernel[..., row["unit"]] * (2 * unpacked(each["patch"]) - 1)) + bias[row["unit"]]
        assert each["activation"] == pytest.approx(by_hand, abs=1e-4)


def test_control_patches_come_last_and_what_is_no_picture_is_named(found):
    result, _ = found
    assert result["unread"] == ["broken.jpg"]
    assert [rows[-1]["unit"] for rows in result["rows"].values()] == [survey.CONTROL] * 3
    assert len(result["rows"]["a"][-1]["exemplars"]) == 12
    assert all(each["patch"] for each in result["rows"]["a"][-1]["exemplars"])


def test_neighbours_are_numpys_correlations():
    random = np.random.default_rng(1)
    values = random.normal(size=(40, 6)) @ random.normal(size=(6, 6))
    values[:, 4] = 7.0
    assert survey.neighbours(values[:2]) == [[]] * 6  # any two would correlate wholly
    expected = np.corrcoef(np.delete(values, 4, 1), rowvar=False)
    units = [0, 1, 2, 3, 5]
    for place, unit in enumerate(units):
        others = sorted(
            ((expected[place, other], units[other]) for other in range(5) if other != place), reverse=True
        )
        near = survey.neighbours(values)[unit]
        assert [number for number, _ in near] == [number for value, number in others if value > 0]
        assert [value for _, value in near] == pytest.approx([value for value, _ in others if value > 0])
    assert survey.neighbours(values)[4] == []
    values[7, 2] = np.nan
    without = survey.neighbours(values)
    others = [[pair for pair in near if pair[0] != 2] for near in survey.neighbours(np.nan_to_num(values))]
    assert without[2] == []
    assert [near for unit, near in enumerate(without) if unit != 2] == [*others[:2], *others[3:]]


def test_patch_over_the_border_is_black_there():
    picture = np.arange(1, 25, dtype=np.float32).reshape(4, 6, 1)
    window = survey.Window((3, 3), (2, 2), (-2, -1))
    assert window.patch(picture, 0, 0)[..., 0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 2]]
    assert window.patch(picture, 2, 3)[..., 0].tolist() == [[18, 0, 0], [24, 0, 0], [0, 0, 0]]
    assert window.patch(picture, 9, 9)[..., 0].tolist() == [[0] * 3] * 3
    whole = survey.Window((3, 9), (1, 1), (0, -4))
    assert whole.patch(picture, 1, 3).tolist() == picture[1:4].tolist()


def test_data_set_is_known_by_its_names_and_bytes(tmp_path):
    one = survey.data_set(pictures(tmp_path / "one"))
    assert survey.data_set(pictures(tmp_path / "two")).sha256 == one.sha256
    assert survey.data_set(pictures(tmp_path / "three", seed=1)).sha256 != one.sha256
    (tmp_path / "two/even/00.png").rename(tmp_path / "two/even/x.png")
    assert survey.data_set(tmp_path / "two").sha256 != one.sha256
    assert survey.data_set(tmp_path / "one", 5).names == tuple(one.names[13 * n // 5] for n in range(5))


def test_folder_without_pictures_is_said(tmp_path):
    with pytest.raises(BadFileError, match="holds no pictures"):
        survey.data_set(tmp_path)
    (tmp_path / "one.jpg").write_bytes(b"no folder")
    with pytest.raises(
        BadFileError, match=r"one\.jpg is neither a folder of pictures nor CIFAR-10's archive"
    ):
        survey.data_set(tmp_path / "one.jpg")
    (tmp_path / "x.png").write_bytes(b"none")
    network().save(tmp_path / "tiny.keras")
    with pytest.raises(BadFileError, match="no picture that can be read"):
        survey.survey(own(tmp_path / "tiny.keras"), ["c1"], survey.data_set(tmp_path), 0)


def test_other_pictures_than_were_meant_are_refused(tmp_path):
    network().save(tmp_path / "tiny.keras")
    data = survey.data_set(pictures(tmp_path / "pictures"))
    pictures(tmp_path / "pictures", seed=1)
    with pytest.raises(BadFileError, match="other pictures"):
        survey.survey(own(tmp_path / "tiny.keras"), ["c1"], data, 0)
    (tmp_path / "pictures/even/00.png").unlink()
    with pytest.raises(BadFileError, match="is not what it was"):
        survey.survey(own(tmp_path / "tiny.keras"), ["c1"], data, 0)


def test_what_is_highest_is_said_before_the_activation(tmp_path):
    """A ReLU makes 0 of all that these units say."""
    x = keras.Input((*SIDE, 3))
    relu = keras.layers.Conv2D(
        2, 3, activation="relu", bias_initializer=keras.initializers.Constant(-99.0), name="c"
    )
    result = survey.maxima(
        use(keras.Model(x, relu(x)), pictures="[0,1]"), ["c"], survey.data_set(pictures(tmp_path))
    )["c"]
    assert (result.values < -50).all()
    assert (np.ptp(result.values, axis=0) > 0).all()


def test_grey_networks_see_the_mean_of_the_colours(tmp_path):
    x = keras.Input((*SIDE, 1))
    model = keras.Model(x, keras.layers.Conv2D(2, 3, name="c")(keras.layers.Rescaling(1.0)(x)))
    data = survey.data_set(pictures(tmp_path))
    result = survey.maxima(use(model, pictures="[0,1]"), ["c"], data)["c"]
    kernel = np.asarray(model.get_layer("c").kernel)
    picture = read_picture(tmp_path / "even/00.png", *SIDE).mean(axis=-1)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3))
    by_hand = np.einsum("hwij,ijc->hwc", windows, kernel[:, :, 0]).max(axis=(0, 1))
    number = result.read.index(data.names.index("even/00.png"))
    assert result.values[number] == pytest.approx(by_hand, abs=1e-4)


def test_packing_keeps_small_pictures_exactly_and_large_ones_nearly():
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (11, 7, 3)).astype(np.float32) / 255
    assert np.array_equal(unpacked(packed(small)), small)
    grey = small[..., :1]
    assert np.allclose(unpacked(packed(grey), 1), grey, atol=1e-6)
    rows, columns = np.mgrid[:64, :80] / 80
    large = np.stack([rows, columns, rows * columns], -1).astype(np.float32)
    assert np.abs(unpacked(packed(large)) - large).max() < 0.05
