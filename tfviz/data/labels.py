"""Names of the ImageNet-1k classes, in the usual 0..999 order."""

from __future__ import annotations

from functools import cache

from tfviz.errors import TfvizError
from tfviz.files.program import asset


class UnknownClassError(TfvizError):
    """No class, or more than one, has that name."""


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 names; two of them stand for two classes each ("crane", "maillot")."""
    text = asset("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def class_index(text: str) -> int:
    """The class that a user means by an index or a name.

    A name matches as a whole, or else as a part of exactly one name; capitals do not matter.

    Raises:
        UnknownClassError: no class matches, or several do: the message lists them.
    """
    names = imagenet_classes()
    if text.strip().isdecimal():
        if int(text) < len(names):
            return int(text)
        raise UnknownClassError(f"There is no class {text.strip()}: indices go from 0 to {len(names) - 1}.")
    wanted = " ".join(text.replace("_", " ").lower().split())
    if not wanted:
        raise UnknownClassError("An empty name is no class: give an index from 0 to 999 or an ImageNet name.")
    lower = [name.lower() for name in names]
    matches = [index for index, name in enumerate(lower) if name == wanted] or [
        index for index, name in enumerate(lower) if wanted in name
    ]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise UnknownClassError(
            f"No class is named {text!r}: give an index from 0 to 999 or an ImageNet name."
        )
    candidates = ", ".join(f"{index} ({names[index]})" for index in matches[:12])
    more = f" and {len(matches) - 12} more" if len(matches) > 12 else ""
    raise UnknownClassError(f"{text!r} may be any of {candidates}{more}: give the index.")
