"""What a mutant is."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault.

    Attributes:
        name: in a few words.
        file: relative to the checkout.
        old: text that stands there once.
        new: what takes its place.
        tests: files or tests that pytest is given.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def faults(file: str, tests: str | tuple[str, ...], *found: tuple[str, str, str]) -> tuple[Mutant, ...]:
    """Faults of one file, each a name, a text and what takes its place, that the same tests must notice."""
    every = (tests,) if isinstance(tests, str) else tests
    return tuple(Mutant(name, file, old, new, every) for name, old, new in found)
