"""Which classes a part asks for, on ImageNet's networks and on the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tfviz.data.labels import imagenet_classes
from tfviz.errors import TfvizError

if TYPE_CHECKING:
    import keras

    from tfviz.experiment.context import Context


SIDE = 224  # of ImageNet's pictures, for which lengths in settings are meant


class UnfitNetworkError(TfvizError):
    """The user's own network has not what a part looks at."""


def require_classes(model: keras.Model) -> None:
    """See that the network says how probable classes are.

    Raises:
        UnfitNetworkError: it does not, or it is not known whether it does.
    """
    from tfviz.models import description

    about = description.of(model)
    if about.output in ("logits", "independent logits"):
        return
    why = {
        None: "it cannot be found whether its last layer returns logits or probabilities: say it with --model-head",
        "values": "it returns values that are no classes; if they are logits, say so with --model-head",
        "maps": "it returns maps, not one number for each class",
    }
    raise UnfitNetworkError(
        f"{about.network} has no probabilities of classes: {why.get(about.output, about.output)}."
    )


def class_names(context: Context, model: keras.Model) -> tuple[str, ...]:
    """The names of the network's classes; where the user's own has none, "class 0", "class 1", ..."""
    if context.own is None:
        return imagenet_classes()
    return context.own.classes or tuple(f"class {number}" for number in range(model.output_shape[-1]))


def target_class(context: Context, imagenet: int) -> int:
    """The class that is looked for: that one of ImageNet's; on the user's own network what was said, its name, or 0."""
    own = context.own
    if own is None:
        return imagenet
    if own.target_class is not None:
        return own.target_class
    name = imagenet_classes()[imagenet]
    return own.classes.index(name) if own.classes and name in own.classes else 0


def source_class(context: Context, probabilities: np.ndarray) -> int:
    """What the picture shows: as was said, or on the user's own network what it finds most probable.

    Args:
        context: of the part.
        probabilities: (classes,), of the picture.
    """
    own = context.own
    if own is None:
        return context.inputs.source_class
    return int(probabilities.argmax()) if own.source_class is None else own.source_class


def attacked_class(context: Context, probabilities: np.ndarray, source: int) -> int:
    """What the picture shall be taken for: as was said, or on the user's own network the most probable other class.

    Args:
        context: of the part.
        probabilities: (classes,), of the picture.
        source: what it shows.

    Raises:
        UnfitNetworkError: it is what the picture shows already, or there is no other.
    """
    own = context.own
    if own is None:
        return context.inputs.target_class
    if len(probabilities) < 2:
        raise UnfitNetworkError(f"{own.name} has one class: there is no other for a picture to be taken for.")
    if own.target_class is None:
        return int(np.where(np.arange(len(probabilities)) == source, -1.0, probabilities).argmax())
    if own.target_class == source:
        name = own.classes[source] if own.classes else f"class {source}"
        raise UnfitNetworkError(
            f"{own.name} takes the picture for {name!r} already: name another class with --target-class, or what the "
            "picture shows with --source-class."
        )
    return own.target_class


def several_classes(context: Context, imagenet: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Classes that are looked for: those of ImageNet's; of the user's own network the first's, and as many others.

    Args:
        context: of the part.
        imagenet: ImageNet's.
        count: of the network's classes.
    """
    if context.own is None:
        return imagenet
    first = target_class(context, imagenet[0])
    others = np.delete(np.arange(count), first)
    chosen = np.linspace(0, count - 2, min(len(imagenet), count) - 1).round().astype(int)
    return (first, *(int(index) for index in others[chosen]))


def probabilities(model: keras.Model, logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The probabilities (N, classes) of what the network returned, in float64."""
    from scipy.special import expit, softmax

    from tfviz.models import description

    exact = np.asarray(logits, dtype=np.float64)
    independent = description.of(model).output == "independent logits"
    return np.asarray(expit(exact) if independent else softmax(exact, axis=-1))


def in_proportion(context: Context, length: float, shape: tuple[int, ...]) -> float:
    """A length in pixels of ImageNet's pictures; where a network of the user's takes smaller ones, smaller as they are.

    Args:
        context: of the part.
        length: in a picture of `SIDE` pixels a side.
        shape: rows and columns of the network's pictures, and what follows.
    """
    return length * min(1.0, min(shape[:2]) / SIDE) if context.own is not None else length


def picture_of(
    context: Context, shape: tuple[int, int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_] | None]:
    """The user's picture, or the drawn jellyfish and its body.

    As 8 bits hold it, so that all parts speak of one picture; grey for a network of grey pictures.

    Raises:
        UnfitNetworkError: the network takes pictures of neither one nor three channels.
    """
    from tfviz.data.pictures import as_bytes, read_picture

    *size, channels = shape
    if channels not in (1, 3):
        raise UnfitNetworkError(f"It takes pictures of {channels} channels: no picture has them.")

    def rounded(picture: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        grey = picture.mean(axis=-1, keepdims=True) if channels == 1 else picture
        return as_bytes(grey).astype(np.float32) / np.float32(255)

    if context.inputs.image is not None:
        return rounded(read_picture(context.inputs.image, *size)), None
    from tfviz.data.drawings import jellyfish

    picture, body = jellyfish(*size)
    return rounded(picture), body


def in_colours(pictures: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Pictures (..., H, W, channels) as they are shown, with three colours.

    Grey ones have three equal colours; of two channels the third is 0; of more than three the first three are shown.
    """
    channels = pictures.shape[-1]
    if channels == 1:
        return np.repeat(pictures, 3, axis=-1)
    if channels == 2:
        return np.concatenate([pictures, np.zeros_like(pictures[..., :1])], axis=-1)
    return pictures[..., :3]
