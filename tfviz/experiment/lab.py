"""What a grader measures with, and how far what is measured again may lie from what was measured first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from tfviz import backend
from tfviz.errors import BadFileError
from tfviz.experiment.context import Context
from tfviz.experiment.part import Again, Findings, NotHandedInError, NotMeasurableError, array
from tfviz.experiment.progress import Reporter
from tfviz.files.atomic import write_json
from tfviz.files.hashes import file_sha256, json_sha256
from tfviz.files.program import commit
from tfviz.files.reading import read_json

if TYPE_CHECKING:
    import keras

    from tfviz.data.cifar10 import Batch
    from tfviz.method.objectives import Goal

ROUNDING = 2e-5
"""How far another processor, number of threads, batch or library moves a network's output, relative to its largest.

A float32 sum of n terms in another order moves by some sqrt(n) units in the last place of its largest partial sums:
6e-8 * sqrt(5000) = 4e-6 for the widest of these layers, and faster algorithms (Winograd's) lose as much again. Measured
on SqueezeNet, between float32 and float64 and between batches of 1 and 20, is 6e-7 of the largest logit at most. It is
not that of a GPU that rounds what it multiplies to 10 bits (TensorFloat-32): 1e-3.
"""
EXACT = 1e-6
"""The same for what float64 or whole numbers give from arrays alone: more than another FFT or order of sums does."""

LACKS = "the grader has no weights of"
"""How the reason begins that a number cannot be measured again, where the grader could do something about it."""

_SOFTMAX = 4e-6  # what float32 loses in the sum of a thousand exponentials; measured: 4e-7


@dataclass(frozen=True)
class Lab:
    """The grader's own networks and data; none of it is a submission's.

    Whoever makes it fetches the files; it can be pickled while no network was loaded.

    Attributes:
        files: a file of weights for each network that there is, by the label that its numbers have: "squeezenet", or
            "squeezenet (user's file)".
        seed: of what is drawn at random while grading.
        data_dir: where CIFAR-10 is; None: it is not there.
        memory: a folder in which is kept what takes long and is the same for every submission; None: it is not kept.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    seed: int = 0
    data_dir: Path | None = None
    memory: Path | None = None
    _kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def model(self, label: str | None, *, normalize: bool = True) -> keras.Model:
        """The network by which a number was measured; loaded once.

        Raises:
            NotMeasurableError: its weights are not there.
            BadFileError: they do not fit the network.
        """
        if label is None or label not in self.files:
            raise NotMeasurableError(f"{LACKS} {label or 'the network'}")
        if (label, normalize) not in self._kept:
            backend.load()
            from tfviz.models.loading import load

            network, _, _ = label.partition(" ")
            self._kept[label, normalize] = load(network, weights=self.files[label], normalize=normalize)
        model: keras.Model = self._kept[label, normalize]
        return model

    def context(self, label: str | None) -> Context:
        """The surroundings of a run on the grader's network, for a part whose numbers hang on its weights alone."""
        from rich.console import Console

        return _OfLab(self.seed, Reporter(Console(quiet=True)), label, lab=self)

    def once(self, what: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """A JSON value that the weights of one network, if any, and settings decide.

        Args:
            what: the number's part, network (None: none takes part) and settings, as JSON.
            compute: gives it; called where it is not in the memory.
        """
        if self.memory is None:
            return compute()
        sha256 = "" if what["network"] is None else file_sha256(self.files[what["network"]])
        path = self.memory / f"{json_sha256({**what, 'weights': sha256, 'commit': commit()})}.json"
        try:
            return read_json(path)
        except BadFileError:
            value = compute()
            write_json(path, value)
            return value

    def cifar_test(self) -> Batch:
        """The test split of CIFAR-10; read once.

        Raises:
            NotMeasurableError: it is not there.
            BadFileError, DataUnavailableError: it cannot be read.
        """
        if self.data_dir is None:
            raise NotMeasurableError("the grader has no CIFAR-10")
        if "cifar" not in self._kept:
            from tfviz.data.cifar10 import read_test_batch

            self._kept["cifar"] = read_test_batch(self.data_dir)
        batch: Batch = self._kept["cifar"]
        return batch


@dataclass(frozen=True)
class _OfLab(Context):
    """A context whose network is the lab's."""

    lab: Lab = field(default_factory=Lab)

    @property
    def label(self) -> str | None:
        return self.network

    def model(self, *, normalize: bool = True) -> keras.Model:
        return self.lab.model(self.network, normalize=normalize)


def eight_bit_pictures(findings: Findings, name: str, shape: Sequence[int | None]) -> npt.NDArray[np.float32]:
    """An array that was handed in, as `array` takes it, of pictures in [0, 1] that 8 bits a colour hold exactly.

    Raises:
        NotHandedInError: it is not there, or is not such an array.
    """
    from tfviz.method.attacks import round_to_bytes

    pictures = array(findings, name, shape, (0.0, 1.0))
    if not np.array_equal(round_to_bytes(pictures), pictures):
        raise NotHandedInError(f"the array {name} holds values that are no multiples of 1/255")
    return pictures


def rounded(value: SupportsFloat, scale: SupportsFloat = 0.0) -> Again:
    """A number that a network's output, or a sum in float32, is or is made of.

    Args:
        value: it.
        scale: the largest of what was added up, or of the outputs.
    """
    return Again(float(value), ROUNDING * max(abs(float(value)), float(scale)))


def extreme(numbers: Sequence[Again], choose: Callable[..., Again]) -> Again:
    """The lowest (min) or the highest (max) of numbers measured again; one that could not be is the answer."""
    lost = [number for number in numbers if number.value is None]
    return lost[0] if lost else choose(numbers, key=lambda number: number.value)


def combined(of: Callable[..., float], *numbers: Again) -> Again:
    """What several numbers give; one that could not be measured is the answer.

    Args:
        of: takes their values. It changes by no more than all of them do together.
        numbers: measured again.
    """
    for number in numbers:
        if number.value is None:
            return number
    value = float(of(*(number.value for number in numbers)))
    return Again(value, sum(number.tolerance for number in numbers))


def ratio(first: Again, second: Again) -> Again:
    """The first number over the second; one that could not be measured, or is 0 below, is the answer."""
    if first.value is None or second.value is None:
        return first if first.value is None else second
    if second.value == 0:
        return Again(None, reason="it would be divided by 0", theirs=True)
    found = first.value / second.value
    return Again(found, (first.tolerance + abs(found) * second.tolerance) / abs(second.value))


def exact(value: SupportsFloat) -> Again:
    """A number that float64 gives from arrays alone, or a count."""
    return Again(float(value), EXACT * abs(float(value)))


def close_to(own: npt.NDArray[Any], stored: npt.NDArray[Any], by: float, otherwise: str) -> npt.NDArray[Any]:
    """What was handed in, where it lies nowhere further than so much from what the grader has.

    Args:
        own: the grader's.
        stored: of the same shape.
        by: how much.
        otherwise: what to say if it does.

    Raises:
        NotHandedInError: it does.
    """
    off = float(np.abs(np.asarray(stored, np.float64) - own).max())
    if off > by:
        raise NotHandedInError(f"{otherwise}: {off:.2g} apart, {by:.2g} is allowed")
    return stored


def probability_of(logits: npt.NDArray[np.floating], k: int) -> Again:
    """Class k's probability, by the softmax of logits (classes,).

    Its log-odds are open by twice what rounding leaves open of a logit, and by the last place of the largest.
    """
    from scipy.special import expit, logsumexp

    values = np.asarray(logits, np.float64)
    odds = float(values[k] - logsumexp(np.delete(values, k)))
    open_by = 2 * (ROUNDING + np.finfo(np.float32).eps) * float(np.abs(values).max())
    found = float(expit(odds))
    low, high = (float(expit(odds + by)) for by in (-open_by, open_by))
    return Again(found, max(found - low, high - found) + _SOFTMAX * found)


def scores(
    model: keras.Model, goal: Goal, pictures: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[np.float64]]]:
    """A goal's score (N,) and its terms {name: (N,)} on pictures (N, H, W, channels), as the ascent reads them."""
    import keras

    from tfviz.method.probe import Probe

    score, terms = Probe(model, goal)(keras.ops.convert_to_tensor(pictures, "float32"))
    return (
        np.asarray(keras.ops.convert_to_numpy(score), np.float64),
        {name: np.asarray(keras.ops.convert_to_numpy(term), np.float64) for name, term in terms.items()},
    )
