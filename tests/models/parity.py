"""What both AlexNets are held to: PyTorch's logits and gradients, from tests/golden."""

from pathlib import Path

import numpy as np

from tests.golden.make_parity import reduced, run_tfviz
from tests.golden.weights_from_seed import picture

GOLDEN = Path(__file__).parents[1] / "golden"


def differences(network, model):
    """The largest difference of each golden array, in parts of its largest value."""
    golden = dict(np.load(GOLDEN / f"parity_{network}.npz"))
    images = np.stack([picture(network, seed) for seed in golden.pop("seeds")])
    measured = reduced(*run_tfviz(model, images))
    assert measured.keys() == golden.keys()
    return {
        what: np.abs(measured[what] - expected).max() / np.abs(expected).max()
        for what, expected in golden.items()
    }
