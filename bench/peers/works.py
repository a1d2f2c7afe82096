"""What the contenders are asked to do; read in every environment, so that nothing but the standard library is used."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from typing import Any

CLASS, CHANNEL, PLACE, WEIGHT = 107, 5, (13, 13), 1000.0
"""The class, and the unit of conv2 with its weight in the goal."""
FILL = 0.0
"""What occluded pixels are filled with."""
BATCH = 32
"""Occluded pictures that a network gets at once, where a tool has such a setting."""

CLOCK = "TFVIZ_BENCH_CLOCK"
clock = time.process_time if os.environ.get(CLOCK) == "processor" else time.perf_counter
"""Seconds."""


@dataclass(frozen=True)
class Work:
    """One thing to do.

    Attributes:
        kind: "class": a step towards a class; "unit": towards a unit of conv2 and a small norm; "occlusion": a mask.
        pictures: at once.
        size: rows and columns of a picture; other than 224 only for "unit", whose network ends after conv2.
        patch: rows and columns of an occluded block.
        stride: pixels from one block to the next.
        few: steps, or whole maps, of a short run.
        many: of a long one; the slope between the two is what one costs.
    """

    kind: str
    pictures: int = 1
    size: int = 224
    patch: int = 32
    stride: int = 16
    few: int = 1
    many: int = 4

    @property
    def name(self) -> str:
        """For people."""
        if self.kind == "occlusion":
            return f"occlusion {self.patch}/{self.stride}, a mask of {self.masks}"
        at = "" if self.size == 224 else f" at {self.size} x {self.size}"
        some = "one picture" if self.pictures == 1 else f"{self.pictures} pictures"
        return f"step towards a {'class' if self.kind == 'class' else 'unit of conv2'}{at}, {some}"

    @property
    def masks(self) -> int:
        """In a map."""
        return ((self.size - self.patch) // self.stride + 1) ** 2

    @property
    def parts(self) -> int:
        """What a run's unit is divided by: masks of a map, pictures of a step."""
        return self.masks if self.kind == "occlusion" else self.pictures

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


PAIRINGS = (
    Work("class", few=2, many=22),
    Work("class", pictures=16, few=1, many=4),
    Work("unit", few=10, many=110),
    Work("occlusion", few=0, many=1),
)
"""The table."""
SWEEPS = {
    "pictures": tuple(Work("class", pictures=n, few=1, many=3) for n in (1, 2, 4, 8, 32)),
    "size": tuple(Work("unit", size=n, few=5, many=25) for n in (128, 448)),
    "stride": tuple(Work("occlusion", stride=n, few=0, many=1) for n in (32, 8)),
}
"""Cost against one size at a time."""
