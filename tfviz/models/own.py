"""The user's own network: any Keras model that takes pictures, made into what `tfviz.load` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from operator import index
from typing import Any, get_args

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from tfviz.models import description, graph, ranges, trial
from tfviz.models.blank import blank, unset
from tfviz.models.colours import IMAGENET_MEAN, IMAGENET_STD, KERAS_MEAN_BGR
from tfviz.models.description import Description, Head, Last, Pictures
from tfviz.models.layers import CaffePicture, Held, LogProbabilities, TwoClasses
from tfviz.models.naming import allow_any_name
from tfviz.models.trial import one_line

Tensor = Any
_LAST = "tfviz_last"
_FEW_ROWS = 16  # no picture has 1 or 3 rows, so many columns, and so many channels or more


class SeveralError(ValueError):
    """A network has several inputs or outputs, and it is not said which is meant.

    Args:
        has: which it has, in words.
        argument: that says which.
    """

    def __init__(self, has: str, argument: str) -> None:
        super().__init__(f"{has}: say with {argument}=… which is looked at.")
        self.has = has


class UnknownRangeError(ValueError):
    """A network does not show in which range it takes its pictures."""


def use(
    model: keras.Model,
    *,
    pictures: Pictures | None = None,
    classes: Sequence[str] | None = None,
    head: Head | None = None,
    shape: tuple[int | None, ...] | None = None,
    input_name: str | None = None,
    held: Mapping[str, npt.ArrayLike] | None = None,
    output_name: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """Makes the user's network into one like those of `tfviz.load`: pictures in [0, 1] in, logits out.

    Its layers are the user's own, weights shared, under their own names; a softmax or sigmoid at its end is left out,
    and computed where probabilities are asked for. One sigmoid column becomes the logits of two classes, of which the
    second is the column's.

    Args:
        model: functional, sequential or subclassed; one input is pictures (N, rows, columns, channels), or grey ones
            (N, rows, columns).
        pictures: in which range it takes them: "[0,1]", "[-1,1]", "0..255", "caffe" (BGR in 0..255 less ImageNet's
            mean) or "torch" (standardised by ImageNet's colours). None: as its own first layers show, which scale them;
            where they do not, it has to be said.
        classes: names, in the order of its outputs.
        head: which function makes probabilities of what its last layer computes, "softmax" ("logits" is the same, not
            yet taken) or "sigmoid"; "values": its outputs are no classes. None: it is found from the last activation.
        shape: rows, columns and channels of the pictures, where it leaves them open.
        input_name: which of several inputs the pictures are.
        held: what goes into every other input, for one picture each, by name.
        output_name: which of several outputs is looked at.
        name: for people; None: the model's own.

    Returns:
        A model from pictures (N, rows, columns, channels) in [0, 1] to logits (N, classes), to one or more values, or
        to maps; `tfviz.models.description.of` says which.

    Raises:
        ValueError: it takes no pictures, or channels first; several inputs or outputs, or a range that its layers do
            not show, and it is not said which; a head, range, shape or names that cannot be.
    """
    if not isinstance(model, keras.layers.Layer):
        kind = type(model)
        raise ValueError(
            f"tfviz.use takes a model of Keras {keras.__version__}, not {kind.__module__}.{kind.__name__}."
        )
    allow_any_name()
    _one_of("pictures", pictures, get_args(Pictures))
    _one_of("head", head, get_args(Head))
    shape = _sizes(shape)
    if description.is_described(model):
        if any(argument is not None for argument in (pictures, head, shape, input_name, held, output_name)):
            raise ValueError(
                f"{model.name} comes from tfviz already: only classes and name can be given to it anew."
            )
        said = replace(description.of(model), network=name or description.of(model).network)
        return description.describe(model, _with_classes(said, classes, model.output_shape))
    if isinstance(model, keras.Sequential) and not model.built and shape is not None:
        model.build((None, *shape))
    inner = graph.functional(model)
    if inner is None:
        x_in = _unknown_input(model, shape)
        found = None
    else:
        chosen = _chosen(model.name, "input", "input_name", inner.inputs, _input_names(inner), input_name)
        x_in = _fixed(model.name, tuple(chosen.shape[1:]), shape)
        end = _chosen(model.name, "output", "output_name", inner.outputs, _output_names(inner), output_name)
        found = description.last(model, end)
    _refuse_channels_first(model, x_in)
    trial.refuse_shape(model.name, x_in)
    _refuse_not_finite(model)
    given = pictures or (None if inner is None else ranges.shown(model, chosen._keras_history.operation.name))
    if given is None:
        raise UnknownRangeError(
            f"{model.name} does not show in which range it takes pictures: say it with pictures=…, one of "
            f"{', '.join(get_args(Pictures))}."
        )
    grey = len(x_in) == 2

    prefix = _prefix([] if inner is None else [operation.name for operation in inner.operations])
    taken = keras.Input((*x_in, 1) if grey else x_in, name=f"{prefix}pictures", dtype="float32")
    x = _preprocessed(model.name, taken, given, prefix)
    if grey:
        x = ops.squeeze(x, axis=-1)
    if inner is None:
        output = _called(model, x, output_name)
    else:
        values = {id(chosen): x, **_held(model.name, inner, chosen, held or {}, x, prefix)}
        strip = found if found is not None and found.head in ("softmax", "sigmoid") and found.is_end else None
        with trial.in_one_line(model.name, x_in):
            output = _again(inner, values, end, strip)
    if len(output.shape) == 1:
        output = ops.expand_dims(output, -1)
    trial.refuse_what_fails(model.name, keras.Model(taken, output), None if found else head)
    what, output = _to_logits(output, found, head, prefix)
    if output.dtype != "float32":
        output = layers.Activation("linear", dtype="float32", name=f"{prefix}float32")(output)
    own_name = name or model.name
    said = Description(
        own_name,
        tuple(taken.shape[1:]),
        "[0,1]",
        given,
        what,
        head or (found.head if found else None),
        head is not None,
    )
    return description.describe(
        keras.Model(taken, output, name=model.name), _with_classes(said, classes, tuple(output.shape))
    )


def _prefix(names: Sequence[str]) -> str:
    """How the names of the layers begin that are added here: a network that was saved from here has such, too."""
    number = next(number for number in count(1) if not any(name.startswith(_begin(number)) for name in names))
    return _begin(number)


def _begin(number: int) -> str:
    return "tfviz_" if number == 1 else f"tfviz{number}_"


def _one_of(argument: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise ValueError(f"{argument} must be one of {', '.join(known)}, not {value!r}.")


def _sizes(shape: Any) -> tuple[int | None, ...] | None:
    """The user's shape; rows, columns and channels are whole numbers of 1 or more, or left open."""
    if shape is None:
        return None
    try:
        sizes = tuple(None if size is None else index(size) for size in shape)
    except TypeError:
        sizes = (0,)
    if any(size is not None and size < 1 for size in sizes):
        raise ValueError(
            f"shape must be (rows, columns, channels), whole numbers of 1 or more, not {shape!r}."
        )
    return sizes


def _with_classes(
    said: Description, classes: Sequence[str] | None, shape: tuple[int | None, ...]
) -> Description:
    if classes is None:
        return said
    count = shape[-1] if len(shape) == 2 else None
    if count != len(classes):
        raise ValueError(f"{said.network} has {count or 'no'} classes; {len(classes)} names were given.")
    return replace(said, classes=tuple(classes))


def _input_names(inner: Any) -> list[str]:
    return [tensor._keras_history.operation.name for tensor in inner.inputs]


def _output_names(inner: Any) -> list[str]:
    struct = inner._outputs_struct
    if isinstance(struct, dict):
        return [str(key) for key in sorted(struct)]
    return [tensor._keras_history.operation.name for tensor in inner.outputs]


def _chosen(
    network: str, what: str, argument: str, tensors: list[Any], names: list[str], name: str | None
) -> Any:
    if name is not None:
        if name not in names:
            raise ValueError(f"{network} has no {what} {name!r}; it has {', '.join(names)}.")
        return tensors[names.index(name)]
    if len(tensors) != 1:
        raise SeveralError(f"{network} has {len(tensors)} {what}s, {', '.join(names)}", argument)
    return tensors[0]


def _fixed(
    network: str, has: tuple[int | None, ...], shape: tuple[int | None, ...] | None
) -> tuple[int | None, ...]:
    """The shape of one picture, what is open in the network's own filled from the user's."""
    if len(has) not in (2, 3):
        raise ValueError(
            f"{network} takes {(None, *has)}, which are no pictures (N, rows, columns, channels): it cannot be used."
        )
    if shape is None:
        if has[2:] == (None,):
            raise ValueError(
                f"{network} leaves open how many channels a picture has: say shape=(rows, columns, channels)"
            )
        return has
    wanted = tuple(shape)[: len(has)] if len(has) == 2 and tuple(shape)[2:] in ((), (1,)) else tuple(shape)
    if len(wanted) != len(has) or any(own not in (None, size) for own, size in zip(has, wanted, strict=True)):
        raise ValueError(f"{network} takes pictures of {has}, not of {tuple(shape)}.")
    return wanted


def _unknown_input(model: Any, shape: tuple[int | None, ...] | None) -> tuple[int | None, ...]:
    """The shape of one picture of a model whose graph is not known."""
    built = getattr(model, "_build_shapes_dict", None) or {}
    known = next(iter(built.values()), None) if len(built) == 1 else None
    if known is None:
        known = _signature(getattr(model, "call_endpoint_fn", None))
    if known is not None and len(known) in (3, 4) and not isinstance(known[0], tuple | list):
        return _fixed(model.name, tuple(known[1:]), shape)
    if shape is None or len(shape) != 3:
        raise ValueError(
            f"{model.name} does not say which pictures it takes: say shape=(rows, columns, channels)."
        )
    return tuple(shape)


def _signature(function: Any) -> tuple[int | None, ...] | None:
    """The shape that a SavedModel's function takes; None: it is no such function, or takes several things."""
    concrete = getattr(function, "concrete_functions", [function])
    args, kwargs = getattr(concrete[0], "structured_input_signature", None) or ((), {})
    specs = [*args, *kwargs.values()]
    if len(specs) != 1 or getattr(specs[0], "shape", None) is None or specs[0].shape.rank is None:
        return None
    return tuple(specs[0].shape)


def _refuse_channels_first(model: Any, shape: tuple[int | None, ...]) -> None:
    first = next(
        (
            layer.name
            for layer in model._flatten_layers()
            if getattr(layer, "data_format", None) == "channels_first"
        ),
        None,
    )
    rows, *rest = shape
    looks_so = len(shape) == 3 and rows in (1, 3) and all(each is None or each >= _FEW_ROWS for each in rest)
    if first is None and not looks_so:
        return
    where = f" (layer {first})" if first else ""
    raise ValueError(
        f"{model.name} takes pictures with channels first, {(None, *shape)}{where}, which is not supported: "
        "build it with channels last and give it the same weights."
    )


def _refuse_not_finite(model: Any) -> None:
    for variable in model.weights:
        values = (
            ops.convert_to_numpy(ops.cast(variable, "float32")) if "float" in str(variable.dtype) else 0.0
        )
        if not np.isfinite(values).all():
            raise ValueError(f"{model.name}'s weights {variable.path} have values that are not finite.")


def _preprocessed(network: str, x: Tensor, pictures: Pictures, prefix: str) -> Tensor:
    """What the network takes, from pictures in [0, 1]."""
    if pictures in ("caffe", "torch") and x.shape[-1] != 3:
        raise ValueError(f"{network} takes {x.shape[-1]} channels: {pictures!r} is for three colours.")
    name = f"{prefix}normalize"
    if pictures == "[-1,1]":
        return layers.Rescaling(2.0, -1.0, name=name, dtype="float32")(x)
    if pictures == "0..255":
        return layers.Rescaling(255.0, name=name, dtype="float32")(x)
    if pictures == "caffe":
        return CaffePicture(KERAS_MEAN_BGR, name=name, dtype="float32")(x)
    if pictures == "torch":
        variance = [std**2 for std in IMAGENET_STD]
        return layers.Normalization(mean=IMAGENET_MEAN, variance=variance, name=name, dtype="float32")(x)
    return x


def _held(
    network: str, inner: Any, chosen: Any, held: Mapping[str, npt.ArrayLike], x: Tensor, prefix: str
) -> dict[int, Tensor]:
    """What goes into the inputs that are not the pictures, by identity of Keras' tensors."""
    names = _input_names(inner)
    others = {name: tensor for name, tensor in zip(names, inner.inputs, strict=True) if tensor is not chosen}
    if wrong := [name for name in held if name not in others]:
        raise ValueError(
            f"{network} has no other input {', '.join(wrong)}; it has {', '.join(others) or 'none'}."
        )
    if missing := [name for name in others if name not in held]:
        raise ValueError(
            f"{network} also takes {', '.join(missing)}: say with held={{name: array}} what goes in."
        )
    found = {}
    for name, tensor in others.items():
        value = np.asarray(held[name], dtype=tensor.dtype)
        shape = tuple(tensor.shape[1:])
        if value.ndim != len(shape) or any(
            own not in (None, size) for own, size in zip(shape, value.shape, strict=True)
        ):
            raise ValueError(f"{network}'s input {name} takes {shape} for each picture, not {value.shape}.")
        if not np.isfinite(value.astype(np.float64)).all():
            raise ValueError(f"What is held for the input {name} has values that are not finite.")
        found[id(tensor)] = Held(value, name=f"{prefix}held_{name}")(x)
    return found


def _called(model: Any, x: Tensor, output_name: str | None) -> Tensor:
    """What a model whose graph is not known returns."""
    try:
        returned = model(x, training=False) if isinstance(model, keras.Model) else model(x)
    except Exception as error:
        raise ValueError(
            f"{model.name} cannot be called on pictures {tuple(x.shape)}: {one_line(error)}"
        ) from error
    if isinstance(returned, list | tuple):
        returned = {str(number): value for number, value in enumerate(returned)}
    if isinstance(returned, dict):
        return _chosen(
            model.name,
            "output",
            "output_name",
            list(returned.values()),
            [str(name) for name in returned],
            output_name,
        )
    return returned


def _again(inner: Any, values: dict[int, Tensor], end: Any, strip: Last | None) -> Tensor:
    """Calls a functional model's layers once more, on other inputs, in the order in which they were called at first.

    Args:
        inner: the model.
        values: what goes in, by identity of Keras' symbolic tensors.
        end: the output that is wanted.
        strip: the layer whose activation is left out.

    Returns:
        The output.
    """
    values = dict(values)
    waiting = [node for node in graph.nodes(inner) if not node.is_input]
    left: dict[int, list[int]] = {}
    for node in waiting:
        left.setdefault(id(node.operation), []).append(node.operation._inbound_nodes.index(node))
    while waiting:
        later = []
        for node in waiting:
            calls = left[id(node.operation)]
            own = node.operation._inbound_nodes.index(node)
            if own != min(calls) or any(id(tensor) not in values for tensor in node.input_tensors):
                later.append(node)
                continue
            calls.remove(own)
            args, kwargs = graph.filled(node.arguments, lambda tensor: values[id(tensor)])
            outputs = _stripped(node, strip, args, kwargs)
            values.update(
                {
                    id(tensor): value
                    for tensor, value in zip(node.outputs, keras.tree.flatten(outputs), strict=True)
                }
            )
        waiting = later
    return values[id(end)]


def _stripped(node: Any, strip: Last | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """One call once more, without the activation if it is the one that is left out."""
    layer = node.operation
    if strip is None or node is not (*strip.around, strip.node)[0]:
        return layer(*args, **kwargs)
    if strip.around:
        model: Any = graph.functional(layer)
        fresh = [
            keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=f"{layer.name}_{number}")
            for number, tensor in enumerate(model.inputs)
        ]
        values = {id(tensor): value for tensor, value in zip(model.inputs, fresh, strict=True)}
        rest = replace(strip, around=strip.around[1:])
        twin = keras.Model(fresh, _again(model, values, model.outputs[0], rest), name=layer.name)
        return twin(
            keras.tree.flatten(args), **{key: value for key, value in kwargs.items() if key != "mask"}
        )
    if strip.apart:
        return args[0]
    twin = type(layer).from_config({**layer.get_config(), "activation": "linear"})
    shared = {name: value for name, value in vars(layer).items() if isinstance(value, keras.Variable)}
    if len(shared) == len(layer.variables):
        # The very variables, so that the user's further training is seen here, as it is through all other layers.
        for name, value in vars(layer).items():
            if name in shared or name not in vars(twin):
                setattr(twin, name, value)
        twin.built = True
        return twin(*args, **kwargs)
    output = twin(*args, **kwargs)
    twin.set_weights(layer.get_weights())
    return output


def before_activation(model: keras.Model, path: str) -> keras.Model:
    """What one layer computes before its activation: all layers on the way to it are the model's own.

    Args:
        model: functional.
        path: of a convolution or dense layer, see `tfviz.models.graph`.

    Returns:
        A model from the same pictures to that layer's output, float32; its last layer is "tfviz_last".

    Raises:
        ValueError: as `tfviz.models.graph.find`.
    """
    pictures = keras.Input(model.input_shape[1:], dtype="float32")
    values: dict[graph.Value, Tensor] = {}
    named: dict[str, Any] = {_LAST: None}
    twins: dict[Any, Any] = {}
    way = graph.way(model, path)

    def filled(value: Any) -> Any:
        return values[value] if isinstance(value, graph.Value) else value

    for call in way:
        if call.is_input:
            values[call.outputs[0]] = pictures
            continue
        args, kwargs = keras.tree.map_structure(filled, call.arguments)
        layer = call.layer
        here = twins.get(layer, layer)
        if call is way[-1]:
            last = {"name": _LAST, "dtype": "float32"}
            last |= {"activation": "linear"} if "activation" in layer.get_config() else {}
            _, outputs = _again_as(layer, last, args, kwargs)
        elif named.setdefault(here.name, here) is not here:
            # Nested models may have layers of one name, a model of their layers may not.
            name = next(name for number in count(1) if (name := f"{layer.name}_{number}") not in named)
            twin, outputs = _again_as(layer, {"name": name}, args, kwargs)
            twins[layer] = named[name] = twin
        else:
            outputs = here(*args, **kwargs)
        values.update(zip(call.outputs, keras.tree.flatten(outputs), strict=True))
    return keras.Model(pictures, values[way[-1].outputs[0]])


def _again_as(
    layer: Any, changes: Mapping[str, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Any, Any]:
    """A layer or operation of the same weights and other settings, and what it returns."""
    with blank():
        twin = type(layer).from_config({**unset(layer.get_config()), **changes})
        outputs = twin(*args, **kwargs)
    if isinstance(layer, layers.Layer):
        twin.set_weights(layer.get_weights())
    return twin, outputs


def _to_logits(
    output: Tensor, found: Last | None, head: Head | None, prefix: str
) -> tuple[description.Output | None, Tensor]:
    """The logits of what the network returns, as far as it has any, and what they are."""
    if len(output.shape) != 2:
        return "maps", output
    taken = None if found is None else found.head if found.head != "logits" else None
    known = found is not None
    said: Head | None = head or (found.head if found else None)
    if (head in ("softmax", "logits") and taken == "sigmoid") or (head == "sigmoid" and taken == "softmax"):
        raise ValueError(f"head={head!r} cannot be: the network's last activation is {taken}.")
    if said is None or said == "values":
        return said, output
    single = output.shape[1] == 1
    if said in ("logits", "softmax") and single:
        if head is not None:
            raise ValueError(
                f"head={head!r} cannot be: the network returns one column, whose softmax is always 1."
            )
        return "values", output
    # Probabilities whose activation cannot be taken off: of a programmed model, or averaged after it.
    if (taken and found is not None and not found.is_end) or (not known and said in ("softmax", "sigmoid")):
        output = LogProbabilities(odds=said == "sigmoid", name=f"{prefix}log", dtype="float32")(output)
    if said in ("logits", "softmax"):
        return "logits", output
    if single:
        return "logits", TwoClasses(name=f"{prefix}two_classes", dtype="float32")(output)
    return "independent logits", output
