import numpy as np

from tfviz.measures import random_networks
from tfviz.measures.random_networks import compare_random_networks
from tfviz.measures.receptive_field import ReceptiveField


def test_sixty_random_networks_agree():
    results, drawn = compare_random_networks(60, np.random.default_rng(1))
    assert len(results) == 60 < drawn
    assert [words for agrees, words in results if not agrees] == []
    for kind in (
        "MaxPooling2D",
        "AveragePooling2D",
        "ZeroPadding2D",
        "DepthwiseConv2D",
        "SeparableConv2D",
        "Cropping2D",
        "PReLU",
        "LayerNormalization",
        "Sequential",
        "Multiply",
        "Add",
        "Concatenate",
    ):
        assert any(kind in words for _, words in results)


def test_a_wrong_formula_is_found(monkeypatch):
    """Were padding forgotten, the comparison would say so."""
    right = random_networks.receptive_field

    def forgetful(model, layer):
        field = right(model, layer)
        return ReceptiveField(field.size, field.stride, (0, 0))

    monkeypatch.setattr(random_networks, "receptive_field", forgetful)
    results, _ = compare_random_networks(9, np.random.default_rng(1))
    assert not all(agrees for agrees, _ in results)
