"""Draws what excites units most: one compiled function a layer, to which the units are data.

Olah et al. 2017, "Feature Visualization": pictures made from their Fourier transform with decorrelated colours, seen
through random changes. A unit is followed where its layer's middle is, on a canvas that is what it sees and a margin
from which the changes come, and only that part of the network is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from tfviz import backend
from tfviz.atlas.recipes import Recipe
from tfviz.atlas.survey import window_of
from tfviz.measures import spectrum
from tfviz.method import parametrizations
from tfviz.method.parametrizations import Parametrization
from tfviz.method.transforms import affine
from tfviz.method.window import MIDDLE, Ways
from tfviz.models import graph
from tfviz.models.own import before_activation
from tfviz.models.reading import Reader

Array = npt.NDArray[np.floating]
Tensor = Any

_LAST = "tfviz_last"  # of `tfviz.models.own.before_activation`
_LEAST = 1 / 8  # share of the full settings: with a higher rate a single pixel would be black after a step
_NOISE = 0.01  # without which opposite changes would be as good
_STARTS = 8  # at most, of a unit that a start does not excite
_STRONGER = 4.0  # spots of each
_ORDERS = 126  # of a float32
_FORGETS, _FORGETS_SQUARES = 0.9, 0.999  # Adam's own
_TINY = 1e-16  # less than any gradient, of which the first has 1 as its order of magnitude


class Layer:
    """A layer of a network, seen by its units in the middle, before its activation.

    Args:
        model: pictures (N, H, W, channels) in [0, 1] in, see `tfviz.load` and `tfviz.use`.
        path: of a convolution or dense layer.

    Attributes:
        channels: how many units there are.
        picture: rows and columns of the network's pictures.
        corner: row and column at which what the unit sees begins.
        seen: rows and columns of it.
        field: rows and columns of the receptive field, which at the edge is more than that.

    Raises:
        ValueError: as `tfviz.models.own.before_activation`.
    """

    def __init__(self, model: keras.Model, path: str) -> None:
        self.model = before_activation(model, path)
        rows, columns, self.colours = self.model.input_shape[1:]
        self.picture = (rows, columns)
        self.channels = int(self.model.output_shape[-1])
        self._window = Ways(self.model).window({_LAST: [MIDDLE]}, self.picture)
        field = window_of(model, path)
        middle = [size // 2 for size in self.model.output_shape[1:-1]] or [0, 0]
        self.corner, self.seen = field.inside(self.picture, *middle)
        if self._window:
            self.corner, self.seen = self._window.corner, self._window.size
        self.field = (min(field.size[0], rows), min(field.size[1], columns))
        self._reader = Reader(self.model, [_LAST])

    @property
    def variables(self) -> list[Any]:
        """That are read."""
        return self._window.variables if self._window else list(self._reader.variables)

    def values(self, seen: Tensor) -> Tensor:
        """What all units in the middle make (N, channels) of what they see (N, *seen, colours)."""
        if self._window is not None:
            return ops.reshape(self._window(seen)[_LAST], (-1, self.channels))
        # Only the whole network can be computed: about what the unit sees is grey, which it does not see.
        around = [
            (first, length - first - size)
            for first, length, size in zip(self.corner, self.picture, self.seen, strict=True)
        ]
        values = self._reader(ops.pad(seen, ((0, 0), *around, (0, 0)), constant_values=0.5))[0][_LAST]
        for size in values.shape[1:-1]:
            values = values[:, size // 2]
        return values

    def activations(self, seen: npt.ArrayLike, batch: int = 16) -> Array:
        """`values` of arrays, (N, channels)."""
        given = np.asarray(seen, np.float32)
        parts = [self.values(given[at : at + batch]) for at in range(0, len(given), batch)]
        return np.concatenate([np.asarray(ops.convert_to_numpy(part)) for part in parts])

    def bounds(self, units: Sequence[int]) -> Array | None:
        """The highest activation that pictures in [0, 1] can have, (units,), where that has a closed form.

        That is where the unit is an affine function a + <w, x> of the picture: it is a + the sum of the positive w,
        reached where x is 1 under a positive weight and 0 under a negative one.
        """
        if not all(call.is_input or _is_affine(call.layer) for call in graph.calls(self.model)):
            return None
        gradient = backend.current().gradient_function(self._of_unit, self.variables)
        size = int(np.prod(self.seen)) * self.colours
        found = []
        for unit in units:
            values, _, slopes = gradient(np.array([[*np.zeros(size), unit]], np.float32))
            found.append(float(values[0]) + float(np.maximum(slopes[0, :-1], 0).sum(dtype=np.float64)))
        return np.array(found)

    def _of_unit(self, x: Tensor) -> Any:
        """What a unit makes of a picture; a row holds the picture and the unit."""
        values = self.values(ops.reshape(x[:, :-1], (-1, *self.seen, self.colours)))
        return chosen(values, x[:, -1]), {}


_AFFINE = {
    *("Normalization", "Rescaling", "CaffePicture", "ZeroPadding2D", "Cropping2D", "Identity", "Dropout"),
    *("BatchNormalization", "Conv2D", "Convolution", "DepthwiseConv2D", "SeparableConv2D", "GroupedConv2D"),
}
"""Layers that are affine where they have no activation; `before_activation` takes the last one's off."""


def _is_affine(layer: Any) -> bool:
    activation = getattr(layer, "activation", None)
    return type(layer).__name__ in _AFFINE and activation in (None, keras.activations.linear)


def chosen(values: Tensor, unit: Tensor) -> Tensor:
    """Of the values (N, channels) of each picture the one of its unit, given as a float: (N,)."""
    return ops.take_along_axis(values, ops.cast(unit, "int32")[:, None], axis=1)[:, 0]


class Drawer:
    """Draws units of one layer.

    Args:
        layer: the layer.
        recipe: how.
        count: units at a time.
    """

    def __init__(self, layer: Layer, recipe: Recipe, count: int) -> None:
        self.layer, self.recipe, self.count = layer, recipe, count
        share = float(np.clip(np.sqrt(np.prod(layer.field)) / recipe.whole, _LEAST, 1.0))
        shift, scale = min(recipe.most, recipe.shift * min(layer.field) * share), recipe.scale * share
        degrees = recipe.degrees * share
        reach = shift + max(layer.seen) / 2 * (scale + np.sin(np.deg2rad(degrees)))
        # Each pixel is a sum of as many waves as there are pixels: in a small picture they must be stronger, by the
        # root of that; in full the ResNet's drawings agree less with its pictures, by 0.07 in stage2_block1_conv2.
        pixels = float(np.sqrt(np.prod(layer.seen)))
        self._rate = recipe.rate / float(np.sqrt(np.clip(pixels / recipe.whole, _LEAST, 1.0)))
        # Half of what the largest changes need: the rest is mirrored.
        self.margin = max(1, int(np.ceil(reach / 2)))
        self.canvas = tuple(side + 2 * self.margin for side in layer.seen)
        self._changes = affine(shift=shift, scale=scale, degrees=degrees, size=layer.seen)
        start = self._made()
        self._to_pictures = start.to_pictures
        self._axis = start.parameters.ndim - 4  # of the pictures: real and imaginary parts come before it
        self._shape = np.moveaxis(start.parameters, self._axis, 0).shape
        self._size = int(np.prod(self._shape[1:]))
        self._gradient = backend.current().gradient_function(self._scores, layer.variables)

    def _made(self) -> Parametrization:
        """The parametrisation of as many pictures as there are, at any parameters."""
        rows, columns = self.canvas
        colours = self.layer.colours
        if self.recipe.kind == "phases":
            magnitude, axes = spectrum.natural_magnitude(rows, columns), spectrum.colour_axes()
            if colours != 3:
                magnitude, axes = magnitude[..., :1], np.eye(1)
            zeros = np.zeros((self.count, colours, rows, columns // 2 + 1), np.float32)
            return parametrizations.phases(zeros, columns, magnitude, axes)
        grey = np.full((self.count, rows, columns, colours), 0.5, np.float32)
        root = spectrum.colour_root() if colours == 3 else None
        return parametrizations.fourier(grey, decay=self.recipe.decay, colour_root=root)

    def _start(self, unit: int, number: int, seed: int, again: int = 0) -> Array:
        """The parameters of one picture, (size,): a unit's own, whichever others are drawn with it.

        The more starts (again) did not excite it, the stronger are the spots of the next.
        """
        random = np.random.default_rng([seed, number, unit, *[again] * (again > 0)])
        if self.recipe.kind == "phases":
            return random.uniform(-np.pi, np.pi, self._size)
        rows, columns = self.canvas
        frequency = np.hypot(np.fft.fftfreq(rows)[:, np.newaxis], np.fft.rfftfreq(columns))
        lowest = 1 / max(self.canvas)
        strongest = self.recipe.starts[number] + _STRONGER * again
        strength = _NOISE + strongest * lowest / np.maximum(frequency, lowest)
        return np.ravel(random.normal(size=self._shape[1:]) * strength)

    def _parameters(self, flat: Tensor) -> Tensor:
        """As the parametrisation has them, from a row a picture."""
        return ops.moveaxis(ops.reshape(flat, self._shape), 0, self._axis)

    def _scores(self, x: Tensor) -> Any:
        """What the units make of their changed pictures; a row holds parameters, what the changes are, and the unit."""
        pictures = self._to_pictures(self._parameters(x[:, : self._size]))
        seen = self._changes.apply(pictures, ops.stop_gradient(x[0, self._size : -1]))
        values = self.layer.values(seen)
        return chosen(values, x[:, -1]), {}

    def __call__(self, units: Sequence[int], number: int, seed: int) -> Array:
        """Pictures (count, *seen, colours) in [0, 1], one for each unit.

        Args:
            number: of the drawing, which has a start of its own.
            units: as many as `count`; the same numbers come out for a unit whichever others are drawn with it, but for
                rounding.
            seed: of the start and the changes.
        """
        recipe = self.recipe
        start = np.array([self._start(unit, number, seed) for unit in units], np.float32)
        drawn = self._changes.draw(np.random.default_rng([seed, number]), recipe.steps).astype(np.float32)
        x = np.concatenate(
            [start, np.zeros((self.count, drawn.shape[1]), np.float32), np.array(units, np.float32)[:, None]],
            1,
        )
        p = x[:, : self._size]
        first, second = np.zeros_like(p), np.zeros_like(p)
        scale = np.ones((self.count, 1), np.float32)
        for step in range(recipe.steps):
            x[:, self._size : -1] = drawn[step]
            _, _, gradient = self._gradient(x)
            for again in range(1, _STARTS) if step == 0 else ():
                # Grey may lie where a ReLU before the unit lets nothing through: it would stay grey.
                dead = np.flatnonzero(~gradient[:, : self._size].any(axis=1))
                if not len(dead):
                    break
                p[dead] = [self._start(units[int(at)], number, seed, again) for at in dead]
                _, _, gradient = self._gradient(x)
            if step == 0:
                # By a power of 2, which rounds nothing: no float32 holds the squares of what is below 1e-20.
                orders = np.frexp(np.abs(gradient[:, : self._size]).max(axis=1, keepdims=True))[1]
                scale = np.ldexp(scale, -np.clip(orders, -_ORDERS, _ORDERS))
            g = gradient[:, : self._size] * scale
            first += (1 - _FORGETS) * (g - first)
            second += (1 - _FORGETS_SQUARES) * (g * g - second)
            rate = self._rate * (0.1 + 0.9 * (1 + np.cos(np.pi * step / recipe.steps)) / 2)
            rate *= np.sqrt(1 - _FORGETS_SQUARES ** (step + 1)) / (1 - _FORGETS ** (step + 1))
            p += np.float32(rate) * first / (np.sqrt(second) + _TINY)
        pictures = np.asarray(
            ops.convert_to_numpy(self._to_pictures(self._parameters(ops.convert_to_tensor(p))))
        )
        m = self.margin
        return pictures[:, m:-m, m:-m]
