"""What the runner hands to a part beside its settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, SupportsFloat

from tfviz import backend
from tfviz.experiment.part import Number

if TYPE_CHECKING:
    import keras
    import numpy as np

    from tfviz.experiment.progress import Reporter
    from tfviz.models.description import Head, Pictures
    from tfviz.weights.fetch import WeightsFile


@dataclass(frozen=True)
class Inputs:
    """What the user put in; a part lists the names of those it uses in INPUTS.

    Attributes:
        image: a picture in place of the drawn jellyfish.
        source_class: what it shows, an ImageNet class index 0..999.
        target_class: what it shall be taken for, likewise.
        pictures: a folder of pictures.
        data_dir: where CIFAR-10 is: its folder or archive, or a folder that holds it.
        train: the preset by which the CIFAR-10 networks are trained; None: the recorded runs are shown.
    """

    image: Path | None = None
    source_class: int = 107
    target_class: int = 357
    pictures: Path | None = None
    data_dir: Path | None = None
    train: str | None = None


@dataclass(frozen=True)
class OwnNetwork:
    """What the user said of a network of their own; its file is the context's weights.

    Attributes:
        name: for people.
        pictures: the range of the pictures that it takes, as `tfviz.use` has it; None: as it shows itself.
        head: which function makes probabilities of its last layer's output; None: likewise.
        classes: their names; None: they have none.
        source_class: what the picture shows; None: the class that the network finds most probable.
        target_class: what is looked for; None: the part's own where the network has a class of that name, else 0.
    """

    name: str
    pictures: Pictures | None = None
    head: Head | None = None
    classes: tuple[str, ...] | None = None
    source_class: int | None = None
    target_class: int | None = None

    @property
    def label(self) -> str:
        """How its numbers are labelled."""
        return f"your network “{self.name}”"


def is_own(label: str | None) -> bool:
    """Whether a label is that of a network of the user's own, see `OwnNetwork.label`."""
    return (label or "").startswith("your network “")


@dataclass(frozen=True)
class Context:
    """The run's surroundings, as far as a part may know them.

    Attributes:
        seed: of every random number of the part.
        reporter: for progress.
        network: the network to run on: the first of the part's NETWORKS whose weights could be had.
        weights: that network's file.
        inputs: what the user put in.
        also: files of the part's ALSO, those that are there.
        work: a folder for what must outlive a run that is killed (training); None: there is none.
        own: what the user said of their own network, where `network` is that.
    """

    seed: int
    reporter: Reporter
    network: str | None = None
    weights: WeightsFile | None = None
    inputs: Inputs = field(default_factory=Inputs)
    also: Mapping[str, WeightsFile] = field(default_factory=dict)
    work: Path | None = None
    own: OwnNetwork | None = None

    @property
    def label(self) -> str | None:
        """The network as numbers are labelled: weights that are not the published ones make it another network."""
        if self.network is None or self.weights is None:
            return None
        if self.own is not None:
            return self.own.label
        return self.network if self.weights.published else f"{self.network} (user's file)"

    def model(self, *, normalize: bool = True) -> keras.Model:
        """The part's network with its weights.

        Raises:
            BadFileError: the weights do not fit the network.
        """
        if self.network is None or self.weights is None:
            raise ValueError("the part names no network in NETWORKS")
        backend.load()
        if self.own is not None:
            from tfviz.models.files import open_own

            own = self.own
            return open_own(
                self.weights.path, name=own.name, pictures=own.pictures, head=own.head, classes=own.classes
            )
        from tfviz.models.loading import load

        return load(self.network, weights=self.weights.path, normalize=normalize)

    def number(self, value: SupportsFloat, unit: str = "") -> Number:
        """A number that the network produced, labelled with it; integers stay integers."""
        whole = isinstance(value, Integral)
        return Number(int(value) if whole else float(value), unit, self.label)  # type: ignore[call-overload]

    def repeated(self, values: Iterable[SupportsFloat], unit: str = "") -> Number:
        """A number computed from several starts that differ in the last bit: the first, and the range of all."""
        found = [float(value) for value in values]
        return Number(found[0], unit, self.label, (min(found), max(found)), len(found))

    def chaotic(
        self, values: Iterable[SupportsFloat], unit: str = "", *, within: tuple[float, float] = (-inf, inf)
    ) -> Number:
        """The same of what rounding alone moves far, with the range in which another run is looked for.

        That of the repeats, wider by its own width on both sides: another machine's run is one repeat more, and a few
        repeats do not reach the ends. Of normally distributed ends a third run then lies inside in 2 of 3 cases after
        two repeats, in 7 of 8 after three.

        Args:
            values: one for each repeat.
            unit: of the number.
            within: no value can lie outside.
        """
        number = self.repeated(values, unit)
        low, high = number.spread or (number.value, number.value)
        width = high - low
        return replace(number, spread=(max(low - width, within[0]), min(high + width, within[1])))

    def random(self) -> np.random.Generator:
        """A fresh generator from the run's seed: the same numbers at every call."""
        import numpy as np

        return np.random.default_rng(self.seed)
