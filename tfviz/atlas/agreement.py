"""How well a unit's drawing agrees with the pictures that excite it, as another network sees both.

A machine's stand-in for the test that people were given: from the drawing, tell which of two patches excites the unit.
Zimmermann, Klindt and Brendel 2024, "Measuring Mechanistic Interpretability at Scale Without Humans", have DreamSim
judge, nine explanations of either kind, and patches that excite the unit least in the other place; here SqueezeNet 1.1
judges by the cosine of the mean maps of its last module, one drawing explains, and the other patch is from a random
place of the data set. So the score compares drawings with each other, not with theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.atlas.network import Network

Array = npt.NDArray[np.floating]

JUDGE = "squeezenet"
SIDE = 128
"""Rows and columns in which the judge sees a patch."""
_LAYER = "fire9_concat"
_BATCH = 16
_LEAST = 3  # controls


class Judge:
    """The network that sees drawings and patches.

    Args:
        network: SqueezeNet's weights.
    """

    def __init__(self, network: Network) -> None:
        from tfviz.models.loading import load
        from tfviz.models.reading import Reader

        self._reader = Reader(load(JUDGE, weights=network.path, input_shape=(SIDE, SIDE, 3)), [_LAYER])

    def features(self, pictures: Sequence[Array]) -> Array:
        """Of pictures (H, W, channels) in [0, 1], each of any size: the means of the last maps, (N, 512)."""
        from keras import ops
        from PIL import Image

        from tfviz.data.pictures import as_bytes, as_floats

        def sized(picture: Array) -> Any:
            shown = np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture
            return as_floats(Image.fromarray(as_bytes(shown)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))

        found = []
        for at in range(0, len(pictures), _BATCH):
            maps = self._reader(np.stack([sized(each) for each in pictures[at : at + _BATCH]]))[0][_LAYER]
            found.append(np.asarray(ops.convert_to_numpy(maps), np.float64).mean(axis=(1, 2)))
        return np.concatenate(found)


def agreement(drawing: Array, exemplars: Array, controls: Array) -> float | None:
    """The share of pairs of an exemplar and a control of which the drawing is more like the exemplar.

    Ties count half: it is the area under the ROC curve. 1: all of them; 0.5: as often as not; None: of fewer than three
    controls nothing follows, since nearly any exemplar is more unlike their mean than they are.

    Args:
        drawing: (features,), as `Judge.features`.
        exemplars: (n, features).
        controls: (m, features); likeness is the cosine of what differs from their mean.
    """
    if len(controls) < _LEAST:
        return None
    middle = controls.mean(axis=0)
    given, those, others = drawing - middle, exemplars - middle, controls - middle

    def like(features: Array) -> Array:
        norms = np.linalg.norm(features, axis=1) * np.linalg.norm(given)
        return np.asarray(features @ given / np.where(norms > 0, norms, 1))

    difference = like(those)[:, np.newaxis] - like(others)
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
