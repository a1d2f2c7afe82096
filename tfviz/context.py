"""What the runner hands to a part beside its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfviz.progress import Reporter
from tfviz.weights.fetch import WeightsFile

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True)
class Context:
    """The run's surroundings, as far as a part may know them.

    Attributes:
        seed: of every random number of the part.
        reporter: for progress.
        network: the network to run on: the first of the part's NETWORKS whose weights could be had.
        weights: that network's file.
    """

    seed: int
    reporter: Reporter
    network: str | None = None
    weights: WeightsFile | None = None

    def model(self, *, normalize: bool = True) -> keras.Model:
        """The part's network with its weights.

        Raises:
            BadFileError: the weights do not fit the network.
        """
        import tfviz

        if self.network is None or self.weights is None:
            raise ValueError("the part names no network in NETWORKS")
        return tfviz.load(self.network, weights=self.weights.path, normalize=normalize)

    def random(self) -> np.random.Generator:
        """A fresh generator from the run's seed: the same numbers at every call."""
        import numpy as np

        return np.random.default_rng(self.seed)
