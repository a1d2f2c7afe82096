import json
from dataclasses import replace

import keras
import numpy as np
import pytest

import tfviz
from tfviz.errors import BadFileError
from tfviz.models import cifar
from tfviz.models.architectures import PlainCnn, ResNet
from tfviz.training.presets import PRESETS

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def build(name="cifar_resnet", architecture=None, **options):
    return cifar.build(
        name, architecture or ResNet(widths=(4, 8), blocks=(1, 1)), mean=MEAN, std=STD, **options
    )


def normalised(size, inputs, outputs):
    """Weights of a convolution without bias and of the four vectors of a batch norm."""
    return size * size * inputs * outputs + 4 * outputs


def test_the_published_residual_network_recounted():
    widths = (64, 128, 256, 512)
    expected = normalised(3, 3, 64) + 512 * 10 + 10
    for before, width in zip((64, *widths), widths, strict=False):
        expected += normalised(2, before, width) + 3 * normalised(2, width, width)
        if before != width:
            expected += normalised(1, before, width)
    model = build(architecture=ResNet())
    assert model.count_params() == expected
    maps = [model.get_layer(f"stage{stage}_block2_relu2").output.shape[1:] for stage in (1, 2, 3, 4)]
    assert maps == [(32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512)]
    assert build(architecture=ResNet(kernel=3)).get_layer("stage2_block1_conv1").kernel.shape == (
        3,
        3,
        64,
        128,
    )


def test_a_block_adds_its_input_before_the_last_relu():
    model = build(architecture=ResNet(widths=(4,), blocks=(1,)), normalize=False)
    model.get_layer("stage1_block1_conv2_bn").gamma.assign(np.zeros(4))  # the branch adds nothing but beta
    model.get_layer("stage1_block1_conv2_bn").beta.assign([-1.0, 0.0, 1.0, 2.0])
    probe = keras.Model(
        model.input,
        [model.get_layer("stem_relu").output, model.get_layer("stage1_block1_relu2").output],
    )
    before, after = probe(np.random.default_rng(0).normal(size=(2, 32, 32, 3)))
    np.testing.assert_allclose(after, np.maximum(before + np.array([-1.0, 0.0, 1.0, 2.0]), 0), atol=1e-5)


def test_pooling_in_place_of_strides():
    model = build(architecture=ResNet(widths=(4, 8, 8), blocks=(1, 2, 1), downsample="pool", stem_stride=2))
    assert model.get_layer("stage1_block1_relu2").output.shape[1:] == (16, 16, 4)
    assert model.get_layer("stage3_block1_relu2").output.shape[1:] == (4, 4, 8)
    assert model.get_layer("stage2_block1_conv1").strides == (1, 1)


def test_a_convolution_and_a_pool_before_a_stage():
    model = build(architecture=ResNet(widths=(4, 8), blocks=(1, 1), kernel=3, downsample="conv pool"))
    assert model.get_layer("stage2_down").output.shape[1:] == (32, 32, 8)
    assert model.get_layer("stage2_down_relu").output.shape[1:] == (16, 16, 8)
    assert model.get_layer("stage2_block1_relu2").output.shape[1:] == (16, 16, 8)
    assert not [layer.name for layer in model.layers if "projection" in layer.name]


def test_a_second_stem():
    stem = ResNet(widths=(8, 16), blocks=(1, 1), kernel=3, stem_stride=2, stem_width=4, second_stem=True)
    model = build(architecture=replace(stem, downsample="pool"))
    assert model.get_layer("stem").kernel.shape == (3, 3, 3, 4)
    assert model.get_layer("stem2").kernel.shape == (3, 3, 4, 8)
    assert model.get_layer("stem2_relu").output.shape[1:] == (8, 8, 8)
    assert model.get_layer("stage2_block1_relu2").output.shape[1:] == (4, 4, 16)


def dropouts(model):
    return {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}


def test_dropout_is_in_the_blocks_where_it_is_asked_for_and_nowhere_else():
    sizes = ResNet(widths=(4, 8), blocks=(2, 1), second_stem=True, downsample="conv pool")
    assert dropouts(build(architecture=sizes)) == {}
    model = build(architecture=replace(sizes, dropout=0.3))
    names = ("stage1_block1", "stage1_block2", "stage2_block1")
    assert dropouts(model) == {f"{name}_drop": 0.3 for name in names}
    for name in names:
        between = model.get_layer(f"{name}_drop")
        assert between.input is model.get_layer(f"{name}_relu1").output
        assert model.get_layer(f"{name}_conv2").input is between.output


def test_a_network_with_dropout_saved_and_loaded(tmp_path):
    sizes = ResNet(widths=(4, 8), blocks=(1, 1), dropout=0.5)
    model, path = build(architecture=sizes), tmp_path / "weights.npz"
    for variable in model.weights:
        variable.assign(np.asarray(variable).astype(np.float16))  # as the file holds them
    cifar.save(path, model, sizes, MEAN, STD)
    loaded = cifar.load("cifar_resnet", path)
    assert dropouts(loaded) == {"stage1_block1_drop": 0.5, "stage2_block1_drop": 0.5}
    pictures = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(loaded(pictures), model(pictures))
    assert not np.allclose(model(pictures, training=True), model(pictures))
    bare = build(architecture=replace(sizes, dropout=0.0))
    bare.set_weights(model.get_weights())
    np.testing.assert_array_equal(bare(pictures), model(pictures))


def test_the_plain_network_is_as_published():
    model = build("cifar_cnn", PlainCnn())
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.kernel_size[0] for layer in convolutions] == [7, 5, 3, 2]
    assert len(dense) == 4
    # Pooling before ReLU: the same as after it, and cheaper.
    order = [layer.name for layer in model.layers if layer.name.endswith("2") or "conv2" in layer.name]
    assert order == ["conv2", "conv2_bn", "pool2", "relu2", "drop2"]
    assert model.output_shape == (None, 10)


def test_normalisation_is_the_first_layer():
    model, bare = build(), build(normalize=False)
    bare.set_weights(model.get_weights())
    pictures = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(model(pictures), bare((pictures - MEAN) / STD), rtol=1e-4, atol=1e-5)


@pytest.fixture
def saved(tmp_path):
    model, path = build(), tmp_path / "weights.npz"
    cifar.save(path, model, ResNet(widths=(4, 8), blocks=(1, 1)), MEAN, STD)
    return model, path


def test_saved_and_loaded(saved):
    model, path = saved
    loaded = cifar.load("cifar_resnet", path)
    assert [variable.path for variable in loaded.weights] == [variable.path for variable in model.weights]
    for after, before in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before.astype(np.float16).astype(np.float32))
    pictures = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(loaded(pictures), model(pictures), atol=0.05)
    assert tfviz.load("cifar_resnet", weights=path).count_params() == model.count_params()


def norms_of(model):
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    return {(layer.momentum, layer.epsilon) for layer in norms}


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("cifar_resnet", ResNet(widths=(4, 8), blocks=(1, 1), second_stem=True, downsample="conv pool")),
        ("cifar_cnn", PlainCnn(filters=(4, 4, 4, 4), units=(8, 8, 8))),
    ],
)
def test_every_batch_norm_has_what_was_asked_for_and_keeps_it(name, architecture, tmp_path):
    assert norms_of(build(name, architecture)) == {(0.9, 1e-5)}
    model = build(name, architecture, batch_norm_momentum=0.7, batch_norm_epsilon=0.03)
    assert norms_of(model) == {(0.7, 0.03)}
    cifar.save(tmp_path / "weights.npz", model, architecture, MEAN, STD, 0.03)
    loaded = cifar.load(name, tmp_path / "weights.npz")
    assert {epsilon for _, epsilon in norms_of(loaded)} == {0.03}
    pictures = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(loaded(pictures), model(pictures), atol=0.05)


def test_a_file_that_says_no_epsilon_has_the_first_one(saved, tmp_path):
    _, path = saved
    with np.load(path) as stored:
        parts = dict(stored)
    about = json.loads(str(parts["about"]))
    assert about.pop("batch_norm_epsilon") == 1e-5
    np.savez(tmp_path / "old.npz", **{**parts, "about": np.array(json.dumps(about))})
    assert norms_of(cifar.load("cifar_resnet", tmp_path / "old.npz")) == {(0.9, 1e-5)}


def test_bad_files(saved, tmp_path):
    _, path = saved

    def refusal(content, name="cifar_resnet"):
        other = tmp_path / "other.npz"
        other.write_bytes(content)
        with pytest.raises(BadFileError) as caught:
            cifar.load(name, other)
        return str(caught.value)

    whole = path.read_bytes()
    assert "holds the weights of cifar_resnet" in refusal(whole, "cifar_cnn")
    for content in (b"", b"no weights", whole[:2000], whole[: len(whole) // 2]):
        assert "damaged" in refusal(content) or "cannot be read" in refusal(content)
    with np.load(path) as stored:
        parts = dict(stored)
    about = json.loads(str(parts["about"]))
    for change in (
        {"architecture": {"widths": [4, 8, 16], "blocks": [1, 1, 1]}},
        {"architecture": {"width": 3}},
    ):
        np.savez(tmp_path / "changed.npz", **{**parts, "about": np.array(json.dumps({**about, **change}))})
        with pytest.raises(BadFileError, match=r"another network|damaged"):
            cifar.load("cifar_resnet", tmp_path / "changed.npz")
    with pytest.raises(BadFileError, match="check the path"):
        cifar.load("cifar_resnet", tmp_path / "none.npz")


@pytest.mark.parametrize("name", ["cifar_cnn", "cifar_resnet"])
def test_what_comes_with_the_program(name):
    record = json.loads(cifar.BUNDLED[name].with_suffix(".json").read_text())
    model = tfviz.load(name)
    assert model.name == name
    assert model.count_params() == record["parameters"]
    assert record["preset"] == PRESETS[name][record["preset"]["name"]].as_json(), (
        "the recipe was changed since"
    )
    pictures = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    logits = np.asarray(model(pictures))
    assert logits.shape == (2, 10)
    bare = tfviz.load(name, normalize=False)
    np.testing.assert_allclose(
        bare((pictures - record["mean"]) / record["std"]), logits, rtol=1e-3, atol=1e-3
    )
    assert np.array(record["test"]["confusion"]).sum() == 10_000
    assert np.trace(np.array(record["test"]["confusion"])) / 10_000 == record["test"]["accuracy"]
    with pytest.raises(ValueError, match="32 x 32"):
        tfviz.load(name, input_shape=(64, 64, 3))


def test_presets_are_named_after_themselves():
    for network, presets in PRESETS.items():
        for name, preset in presets.items():
            assert (preset.network, preset.name) == (network, name)
    assert replace(PRESETS["cifar_cnn"]["fast"], name="published") == PRESETS["cifar_cnn"]["published"]
