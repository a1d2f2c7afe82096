"""Names of classes: ImageNet-1k's, in the usual 0..999 order, or those of the user's own network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from unicodedata import normalize

from tfviz.errors import BadFileError, TfvizError, some
from tfviz.files.program import asset
from tfviz.files.reading import read_bytes, read_json

_LARGEST_FILE = 20_000_000  # bytes; ImageNet-21k's names have 1 million
_MOST_CLASSES = 200_000
_LONGEST_NAME = 200


class UnknownClassError(TfvizError):
    """No class, or more than one, has that name."""


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 names; two of them stand for two classes each ("crane", "maillot")."""
    text = asset("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


@cache
def imagenet_synonyms() -> tuple[tuple[str, ...], ...]:
    """What else each class is called: WordNet's id first, "n01440764", then the nouns that mean it."""
    lines = asset("imagenet_wordnet.tsv").read_text(encoding="utf-8").splitlines()
    return tuple((line.split("\t")[0], *line.split("\t")[1].split(", ")) for line in lines)


def class_index(text: str, names: Sequence[str] | None = None) -> int:
    """The class that a user means by an index, a name, or for ImageNet's a synonym or WordNet's id.

    A name matches as it is written, or whatever its capitals, or else as a part, from a word's start, of exactly one
    class's names.

    Args:
        text: what the user wrote.
        names: of the classes, in their order; None: ImageNet's.

    Raises:
        UnknownClassError: no class matches, or several do: the message lists them, or names that are near.
    """
    said = repr(text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…")
    synonyms = imagenet_synonyms() if names is None else ()
    whose = "an ImageNet name or WordNet id" if names is None else "one of your network's names"
    names = imagenet_classes() if names is None else names
    last = len(names) - 1
    wanted = _plain(text)
    if not wanted:
        raise UnknownClassError(f"An empty name is no class: give an index from 0 to {last} or {whose}.")
    own = [_plain(name) for name in names]
    if text.strip().isdecimal() and len(text.strip()) < 20:
        number = int(text)
        named = [index for index, name in enumerate(own) if name == wanted]
        if number <= last and set(named) - {number}:
            raise UnknownClassError(
                f"{said} is the name of class {named[0]} and the index of class {number}: give the classes names that "
                "are no numbers."
            )
        if number <= last:
            return number
        if not named:
            raise UnknownClassError(f"There is no class {number}: indices go from 0 to {last}.")
    every = [
        [name, *map(_plain, others)] for name, others in zip(own, synonyms or [()] * len(own), strict=True)
    ]
    matches = (
        [index for index, name in enumerate(names) if name == text]
        or [index for index, name in enumerate(own) if name == wanted]
        or [index for index, called in enumerate(every) if wanted in called]
        or [index for index, name in enumerate(own) if wanted in name]
        or [index for index, called in enumerate(every) if any(wanted in name for name in called[2:])]
    )
    if len(matches) == 1 and any(
        re.search(rf"(?<!\w){re.escape(wanted)}", name) for name in every[matches[0]]
    ):
        return matches[0]
    if matches:
        candidates = some([f"{index} ({names[index]})" for index in matches])
        raise UnknownClassError(f"{said} may be any of {candidates}: give the index.")
    known = {name: index for index, called in reversed([*enumerate(every)]) for name in called}
    near = dict.fromkeys(known[name] for name in get_close_matches(wanted, known, 5, 0.75))
    like = f"; near are {', '.join(f'{index} ({names[index]})' for index in near)}" if near else ""
    raise UnknownClassError(f"No class is named {said}{like}: give an index from 0 to {last} or {whose}.")


def _plain(name: str) -> str:
    return " ".join(normalize("NFKC", name).replace("_", " ").casefold().split())


def read_classes(path: Path) -> tuple[str, ...]:
    """The names of a network's classes from a file.

    Args:
        path: text in UTF-8 with a name a line, or JSON: a list of names, or Keras' `imagenet_class_index.json`,
            {"0": ["n01440764", "tench"], …}, or the same with names alone.

    Raises:
        BadFileError: it cannot be read, or holds no such names.
    """
    if path.suffix.lower() == ".json":
        names = _from_json(path)
    else:
        try:
            text = read_bytes(path, _LARGEST_FILE).decode("utf-8-sig")
        except OSError as error:
            raise BadFileError(
                f"{path} cannot be read ({error.strerror or error}): name a file of names."
            ) from error
        except UnicodeDecodeError as error:
            raise BadFileError(f"{path} is not text in UTF-8: write one class name a line.") from error
        names = [line.strip() for line in re.split(r"\r\n|\r|\n", text.strip("\r\n"))]
    if not 1 <= len(names) <= _MOST_CLASSES:
        raise BadFileError(f"{path} has {len(names)} names: 1 to {_MOST_CLASSES} classes can be named.")
    for number, name in enumerate(names):
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            raise BadFileError(
                f"{path}: the name of class {number} is empty, has more than {_LONGEST_NAME} letters, or some that "
                "cannot be printed."
            )
    return tuple(names)


def _from_json(path: Path) -> list[str]:
    wrong = BadFileError(
        f'{path} is no list of class names: write ["tench", …], or {{"0": ["n01440764", "tench"], …}} from 0 on.'
    )
    try:
        found = read_json(path, _LARGEST_FILE)
    except BadFileError as error:
        raise wrong from error
    if isinstance(found, dict):
        if sorted(found) != sorted(map(str, range(len(found)))):
            raise wrong
        found = [found[str(index)] for index in range(len(found))]
    names = (
        [each[-1] if isinstance(each, list) and each else each for each in found]
        if isinstance(found, list)
        else []
    )
    if not names or not all(isinstance(name, str) for name in names):
        raise wrong
    return [name.replace("_", " ") if isinstance(found[0], list) else name for name in names]
