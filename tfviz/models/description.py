"""What is known of a network beside its layers: which pictures it takes, and what its last layer says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import keras
from keras import ops

from tfviz.models import graph
from tfviz.models.layers import Held

Tensor = Any
Pictures = Literal["[0,1]", "[-1,1]", "0..255", "caffe", "torch"]
Head = Literal["logits", "softmax", "sigmoid", "values"]
Output = Literal[
    "logits", "independent logits", "probabilities", "independent probabilities", "values", "maps"
]

_TINY = 1e-30  # a probability that float32 can hold, and whose logarithm it can


@dataclass(frozen=True)
class Description:
    """What is known of a network.

    Attributes:
        network: its name, for people.
        shape: rows, columns and channels of its pictures; None: any number.
        pictures: the range in which its pictures lie; None: not known.
        takes: the range in which the user's own network itself takes them; None: it is none.
        output: what the model returns: "logits", of which the softmax is to be taken, or "independent logits", of which
            each one's sigmoid; "probabilities" and "independent probabilities" where that was done; "values", a single
            column that is no class; "maps", no (N, classes) at all; None: it cannot be found.
        head: what the network's own last layer has; None: it cannot be found.
        told: whether a person said so.
        classes: names, in their order; None: they have none.
    """

    network: str
    shape: tuple[int | None, ...]
    pictures: str | None = None
    takes: Pictures | None = None
    output: Output | None = None
    head: Head | None = None
    told: bool = False
    classes: tuple[str, ...] | None = None

    @property
    def summary(self) -> str:
        """In one line: pictures, their range, classes."""
        rows, columns, channels = ("any" if size is None else size for size in self.shape)
        plural = "" if channels == 1 else "s"
        count = "" if self.classes is None else f" {len(self.classes)} classes with names,"
        what = {
            "logits": f"a {'sigmoid' if self.head == 'sigmoid' else 'softmax'} gives the probabilities of its classes",
            "independent logits": "a sigmoid gives the probability of each class by itself",
            "values": "its outputs are values, no classes",
            "maps": "it returns maps, no classes",
        }.get(str(self.output), "whether its outputs are logits or probabilities cannot be found")
        pictures = f"pictures of {rows} x {columns} with {channels} channel{plural}, taken in {self.takes}"
        return f"{pictures};{count} {what}"

    def probabilities(self, output: Tensor) -> Tensor:
        """The probabilities of all classes (N, classes), from what the model returned.

        Raises:
            ValueError: it returns nothing that has probabilities, or it is not known what it returns.
        """
        if self.output == "logits":
            return ops.softmax(output)
        if self.output == "independent logits":
            return ops.sigmoid(output)
        self._require("probabilities", "independent probabilities")
        return output

    def log_probabilities(self, output: Tensor) -> Tensor:
        """Their natural logarithms.

        Raises:
            ValueError: as `probabilities`.
        """
        if self.output == "logits":
            return ops.log_softmax(output)
        if self.output == "independent logits":
            return ops.log_sigmoid(output)
        self._require("probabilities", "independent probabilities")
        return ops.log(ops.maximum(output, _TINY))

    def logits(self, output: Tensor) -> Tensor:
        """What the model returned, which must not be probabilities.

        Raises:
            ValueError: it is.
        """
        if self.output in ("probabilities", "independent probabilities"):
            raise ValueError(
                f"{self.network} returns probabilities, not logits: tfviz.use(model) takes its last activation off."
            )
        return output

    def _require(self, *outputs: str) -> None:
        if self.output in outputs:
            return
        why = {
            None: "what its last layer returns cannot be found: say it with tfviz.use(model, head=…), one of "
            '"logits", "softmax", "sigmoid", "values".',
            "values": "it returns one value, which is no class; if that is the logit of a sigmoid, say so with "
            'tfviz.use(model, head="sigmoid").',
            "maps": "it returns maps, not (N, classes).",
        }
        raise ValueError(f"{self.network} has no probabilities: {why.get(self.output, self.output)}")


def describe(model: keras.Model, description: Description) -> keras.Model:
    """The model, with its description where `of` finds it."""
    # Not by the model's own attribute setting, which is for what is saved with it.
    vars(model)["tfviz_description"] = description
    return model


def is_described(model: keras.Model) -> bool:
    """Whether it comes from `tfviz.load` or `tfviz.use`."""
    return isinstance(vars(model).get("tfviz_description"), Description)


def of(model: keras.Model) -> Description:
    """What is known of a model: what was said when it was loaded, else what its last layers show."""
    if is_described(model):
        return vars(model)["tfviz_description"]  # type: ignore[no-any-return]
    shape = _shape(getattr(model, "input_shape", None))
    found = last(model)
    head = found.head if found else None
    return Description(
        model.name, shape, output=output_with(head, getattr(model, "output_shape", None)), head=head
    )


def output_with(head: Head | None, shape: Any) -> Output | None:
    """What a model with that last layer returns, as it stands."""
    if not (
        isinstance(shape, tuple) and shape and all(size is None or isinstance(size, int) for size in shape)
    ):
        return None
    if len(shape) != 2:
        return "maps"
    if head is None or head == "values":
        return head
    if head == "logits":
        return "logits" if shape[1] != 1 else "values"
    return "probabilities" if head == "softmax" else "independent probabilities"


@dataclass(frozen=True)
class Last:
    """The layer whose activation decides what a model returns.

    Attributes:
        head: what that makes of the output.
        node: Keras' own record of the layer's call.
        around: the nested models in which it lies, the outermost first.
        apart: whether the activation is a layer of its own.
        is_end: whether what follows it changes no number, nor averages any.
    """

    head: Head
    node: Any
    around: tuple[Any, ...] = ()
    apart: bool = False
    is_end: bool = True


_HEADS: dict[str, Head] = {
    "softmax": "softmax",
    "sigmoid": "sigmoid",
    "relu": "logits",
    "linear": "logits",
    "log_softmax": "logits",
}
_ALONE = {
    "Softmax": "softmax",
    "Sigmoid": "sigmoid",
    "ReLU": "relu",
    "Relu": "relu",
    "LogSoftmax": "log_softmax",
}  # layers and operations
_SAME = ("Flatten", "Reshape", "Identity", "Dropout", "Squeeze", "Cast")
_AVERAGED = ("GlobalAveragePooling2D", "Mean")
_LINEAR = ("TwoClasses", "BatchNormalization", "Add", "Rescaling", "GroupedConv2D", "Matmul")


def last(model: keras.Model, output: Any = None) -> Last | None:
    """The layer that decides what a model returns; None: it cannot be found.

    A ReLU says "logits": what may be more than 1 is no probability; so do logarithms of probabilities, of which the
    softmax is those again.

    Args:
        model: any.
        output: which of a functional model's outputs, Keras' symbolic tensor; None: the only one.
    """
    inner = graph.functional(model)
    if inner is None or (output is None and len(inner.outputs) != 1):
        return None
    tensor = inner.outputs[0] if output is None else output
    averaged = False
    while True:
        history = tensor._keras_history
        layer = history.operation
        node = layer._inbound_nodes[history.node_index]
        if graph.functional(layer) is not None:
            found = last(layer)
            return found and replace(
                found, around=(node, *found.around), is_end=found.is_end and not averaged
            )
        kind = type(layer).__name__
        if kind == "Softmax" and layer.axis not in (-1, len(tensor.shape) - 1):
            return None
        name = _ALONE.get(kind) or getattr(getattr(layer, "activation", None), "__name__", None)
        if name in _HEADS and (name != "linear" or kind != "Activation"):
            return Last(_HEADS[name], node, (), kind in _ALONE or kind == "Activation", not averaged)
        if name is None and kind in _LINEAR:
            return Last("logits", node)
        averaged = averaged or kind in _AVERAGED
        if (
            len(node.input_tensors) != 1
            or kind not in (*_SAME, *_AVERAGED, "Activation")
            or name not in (None, "linear")
        ):
            return None
        tensor = node.input_tensors[0]


def first_convolution(model: keras.Model) -> graph.Call:
    """The first convolution that weighs the pictures' own channels.

    Raises:
        ValueError: there is none, or the model's graph is not known.
    """
    channels = of(model).shape[-1]
    for call in graph.calls(model):
        kernel = getattr(call.layer, "kernel", None)
        if kernel is not None and len(kernel.shape) == 4 and kernel.shape[2] == channels:
            return call
    raise ValueError(f"{model.name} has no convolution of its pictures' {channels} channels.")


def next_convolution(model: keras.Model, first: graph.Call) -> graph.Call | None:
    """The first convolution that reads another one's maps, each channel by itself until then, and weighs places.

    Args:
        model: any.
        first: a convolution's call of that model, see `first_convolution`.
    """
    calls = graph.calls(model)
    start = next(call for call in calls if call.path == first.path)
    same = set(start.outputs)
    for call in calls[calls.index(start) + 1 :]:
        if len(call.inputs) != 1 or call.inputs[0] not in same:
            continue
        shape = getattr(getattr(call.layer, "kernel", None), "shape", None)
        if shape is None:
            ends = [value for value in call.outputs if value.shape[-1] == start.outputs[0].shape[-1]]
            same.update(value for value in ends if len(value.shape) == 4)
        elif (
            len(shape) == 4 and shape[2] == start.outputs[0].shape[-1] and min(shape[:2]) > 1 and shape[3] > 1
        ):
            return call
    return None


def last_maps(model: keras.Model) -> str | None:
    """The path of the last layer that returns maps of the pictures, of more than one place; None: none does.

    Raises:
        ValueError: the model's graph is not known.
    """
    found = None
    seen: set[graph.Value] = set()
    for call in graph.calls(model):
        if isinstance(call.layer, Held) or not (call.is_input or seen.intersection(call.inputs)):
            continue
        seen.update(call.outputs)
        shape = call.outputs[0].shape if len(call.outputs) == 1 else ()
        if not call.is_input and len(shape) == 4 and shape[1:3] != (1, 1):
            found = call.path
    return found


def _shape(shape: Any) -> tuple[int | None, ...]:
    return tuple(shape[1:]) if isinstance(shape, tuple) and shape and not isinstance(shape[0], tuple) else ()
