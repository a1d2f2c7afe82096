from dataclasses import dataclass

import pytest

from tests.fake_part import FakePart
from tfviz.errors import BadFileError
from tfviz.experiment.part import settings_from


@dataclass(frozen=True)
class Settings:
    rate: float = 0.5
    steps: int = 3
    name: str = "a"
    fast: bool = False
    at: tuple = (0, 1)
    names: tuple = ("a",)
    limit: float | None = None


USUAL = Settings()


def stored(**changes):
    part = FakePart(SETTINGS=USUAL, QUICK=Settings(limit=2.0))
    return settings_from(
        part, {"rate": 1, "steps": 4, "name": "b", "at": [2, 3.5], "names": ["b", "c"]} | changes
    )


def test_settings_come_back_as_they_were():
    assert stored() == Settings(1, 4, "b", False, (2, 3.5), ("b", "c"))
    assert stored(limit=3).limit == 3
    assert stored(limit=None).limit is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", r"\text{<script>}"),
        ("rate", True),
        ("steps", "3"),
        ("steps", [3]),
        ("name", 3),
        ("fast", 1),
        ("at", ["<script>", 1]),
        ("at", 3),
        ("names", [1]),
        ("other", 1),
    ],
)
def test_settings_of_another_kind_are_refused(name, value):
    with pytest.raises(BadFileError, match=f"not those of this version of the program .*{name}"):
        stored(**{name: value})
