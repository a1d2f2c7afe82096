"""How units are drawn: settings. It imports no framework."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    """How a unit is drawn.

    Attributes:
        kind: "fourier": all of the transform is moved; "phases": its magnitude stays that of natural pictures (MaCo).
        steps: of Adam (Kingma and Ba 2015), which moves the weak frequencies and the weak units as fast as the strong.
        rate: of the first step; it falls to a tenth as half a cosine does.
        decay: of the Fourier scale, see `tfviz.method.parametrizations.fourier`. With 1, the usual, and
            a rate of 0.05 AlexNet's drawings have four times the share of fine detail that pictures have, and 0.6 of
            their contrast; so, twice the share and twice the contrast, more activation, and no less agreement.
        starts: of each drawing of a unit, how strong the lowest frequency of its start is, the others falling like
            1 / f: from grey, 0, all starts lead to nearly the same picture, from soft spots of colour to others. Phases
            start anywhere.
        shift: largest random shift, a share of what the unit sees.
        scale: largest random relative change of size.
        degrees: largest random turn.
        whole: rows and columns from which on all this is so; where the unit sees less, the changes are smaller in
            proportion, since its finest detail is a few pixels in any case, and the rate is higher.
        most: pixels that a shift is at most.
        batch: units drawn at a time.
    """

    kind: Literal["fourier", "phases"] = "fourier"
    steps: int = 96
    rate: float = 0.2
    decay: float = 1.5
    starts: tuple[float, ...] = (0.0, 4.0)
    shift: float = 0.1
    scale: float = 0.1
    degrees: float = 10.0
    whole: int = 64
    most: float = 12.0
    batch: int = 16


RECIPES = {"fourier": Recipe(), "phases": Recipe(kind="phases", rate=0.3)}
QUICK = {name: replace(recipe, steps=48, starts=recipe.starts[:1]) for name, recipe in RECIPES.items()}
