"""Atlases of made-up rows, for the page: drawings are noise with the spectrum of natural pictures."""

import io
from hashlib import sha256

import numpy as np
from PIL import Image

from tfviz.atlas import table
from tfviz.atlas.table import Atlas, Layer

CHUNK = 16


def picture(random, rows, columns):
    """A picture as WebP."""
    spectrum = np.fft.rfft2(random.normal(size=(rows, columns, 3)), axes=(0, 1))
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    made = np.fft.irfft2(
        spectrum / np.maximum(frequency, 1 / rows)[..., None] ** 1.2, (rows, columns), axes=(0, 1)
    )
    made = 0.5 + 0.2 * (made - made.mean()) / made.std()
    content = io.BytesIO()
    Image.fromarray((made.clip(0, 1) * 255).astype(np.uint8)).save(content, "WEBP", quality=80, method=2)
    return content.getvalue()


def row(layer, unit, pictures, random, *, others=(), name="n0000_{}.jpg", **more):
    """A unit's row with everything in it; `others`: paths of layers before and after."""
    drawing, best = (float(value) for value in random.uniform((20, 15), (60, 40)))

    def any_picture():
        return pictures[random.integers(len(pictures))]

    def weights(path):
        return [
            {"layer": path, "unit": int(random.integers(8)), "weight": float(random.normal())}
            for _ in range(6)
        ]

    before, after = (*others, None, None)[:2]
    return {
        "layer": layer,
        "unit": unit,
        "drawings": [any_picture(), any_picture()],
        "recipe": "fourier",
        "activation": drawing,
        "activation_other": [drawing * 0.9],
        "bound": drawing * 1.5,
        "field": {"rows": 99, "columns": 99},
        "best_picture": best,
        "exemplars": [
            {
                "picture": name.format(place),
                "activation": best - place,
                "row": place,
                "column": 2,
                "patch": any_picture(),
            }
            for place in range(9)
        ],
        "incoming": weights(before) if before else [],
        "outgoing": weights(after) if after else [],
        "neighbours": [{"unit": (unit + step) % 8, "correlation": 0.9 - step / 10} for step in range(1, 7)],
        "agreement": float(random.uniform(0.4, 1)),
        "seconds": 1.5,
        **more,
    }


def key_of(*what):
    return sha256(repr(what).encode()).hexdigest()


def atlas(
    out, layers, *, size=(96, 96), pool=40, seed=0, missing=(), failed=None, change=lambda row: row, **more
):
    """An atlas in a folder: {path: number of units}; `missing`: units of the first layer that are not there."""
    random = np.random.default_rng(seed)
    pictures = [picture(random, *size) for _ in range(pool)]
    made, paths = [], list(layers)
    for place, (path, count) in enumerate(layers.items()):
        keys = []
        others = (paths[place - 1] if place else None, paths[place + 1] if place + 1 < len(paths) else None)
        for start in range(0, count, CHUNK):
            keys.append(key_of(path, start, seed))
            units = [unit for unit in range(start, min(start + CHUNK, count)) if place or unit not in missing]
            rows = [change(row(path, unit, pictures, random, others=others)) for unit in units]
            if rows:
                table.write(out, keys[-1], rows)
        made.append(Layer(path, count, tuple(range(count)), tuple(keys), size, (224, 224), "Conv2D"))
    about = {
        "network": "alexnet",
        "weights_sha256": "ab" * 32,
        "recipe": {"kind": "fourier", "steps": 192, "rate": 0.05},
        "data": {"label": "ImageNet samples", "pictures": 1000, "sha256": "cd" * 32},
        "program": "0123456789ab",
        "versions": {"tensorflow": "2.21.0", "keras": "3.15.0"},
    }
    Atlas(**{**about, **more}, layers=tuple(made), failed=failed(made) if failed else {}).save(out)
    return out
