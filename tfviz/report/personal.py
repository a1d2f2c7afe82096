"""Whose report it is: report.toml and the command line's options, checked."""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, NoReturn

from tfviz import language
from tfviz.errors import BadFileError, TfvizError
from tfviz.report.handed_in import Picture, RefusedError, legible, read_picture, read_text
from tfviz.report.numbers import long_date

LARGEST_FILE = 64_000
"""Bytes of a report.toml."""
PAPERS = ("a4", "letter")
MOST_AUTHORS = 20
LONGEST = {
    "title": 200,
    "subtitle": 300,
    "authors": 100,
    "ids": 50,
    "course": 200,
    "date": 100,
    "hero_alt": 500,
}
"""Characters of each text."""

_ESCAPED = (
    "\b\t\n\f\r"  # what TOML makes of a backslash and a letter: of LaTeX's \beta, \theta, \nu, \frac, \rho
)
_OPTIONS = {"authors": "--author", "ids": "--id", "language": "--lang"}  # the others are named as their keys


@dataclass(frozen=True)
class Personal:
    """Whose report it is; "", () and None: not said.

    Attributes:
        title: of the report.
        subtitle: under the title.
        authors: their names.
        ids: one for each author, or one for all.
        course: that it is handed in to.
        date: as the report's language writes it.
        language: code, as `tfviz.language.load` takes it.
        paper: of `PAPERS`.
        hero: the cover's picture.
    """

    title: str = ""
    subtitle: str = ""
    authors: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    course: str = ""
    date: str = ""
    language: str = ""
    paper: str = ""
    hero: Picture | None = None


@dataclass(frozen=True)
class _Given:
    """A value and where it was given.

    Attributes:
        key: that it is for.
        value: as it was given.
        file: that says it; None: an option on the command line.
    """

    key: str
    value: Any
    file: Path | None

    def refuse(self, why: str) -> NoReturn:
        """Say what is wrong, where."""
        if self.file is not None:
            raise BadFileError(f"{self.file}: {self.key} {why}.")
        raise TfvizError(f"{_OPTIONS.get(self.key, f'--{self.key}')} {why}.")

    def text(self, value: Any = None) -> str:
        """The value, or one of a list's, as a line of text."""
        value = self.value if value is None else value
        if not isinstance(value, str):
            self.refuse(f"must be text in quotes, not {_short(value)}")
        text = unicodedata.normalize("NFC", value).strip()
        if len(text) > LONGEST[self.key]:
            self.refuse(f"has {len(text)} characters; it may have {LONGEST[self.key]}")
        for place, character in enumerate(text):
            if _is_hidden(character):
                name = unicodedata.name(character, "a control character")
                before = f" after {_short(text[:place][-15:])}" if place else ""
                typed = "; a backslash is written twice" if self.file and character in _ESCAPED else ""
                self.refuse(
                    f"holds U+{ord(character):04X} ({name}){before}, which cannot be seen: take it out{typed}"
                )
        return text

    def one_of(self, choices: Sequence[str]) -> str:
        """The value as one of some words, or ""."""
        word = self.value.strip().lower() if isinstance(self.value, str) else None
        if word not in ("", *choices):
            self.refuse(f"must be one of {', '.join(choices)}, not {_short(self.value)}")
        return word or ""

    def texts(self) -> tuple[str, ...]:
        """The value, a list or one alone, as lines of text."""
        values = self.value if isinstance(self.value, (list, tuple)) else [self.value]
        if len(values) > MOST_AUTHORS:
            self.refuse(f"has {len(values)} entries; it may have {MOST_AUTHORS}")
        texts = tuple(self.text(value) for value in values)
        return texts if any(texts) else ()


def load(path: Path | None, **overrides: object) -> Personal:
    """What is said in report.toml and on the command line.

    Args:
        path: the file; None: there is none.
        overrides: by key, what the command line says in the file's place; None: nothing, "": that there is none.

    Returns:
        Checked and whole: every text is one line within its limit, the picture was read.

    Raises:
        BadFileError: the file is missing, unreadable, no TOML, or says what cannot be used.
        TfvizError: an option does.
    """
    given = {}
    if path is not None:
        given = {key: _Given(key, value, path) for key, value in _read(path).items()}
    for key, value in overrides.items():
        if key not in _CHECKS:
            raise TypeError(f"{key} is no key of report.toml")
        if value is not None:
            given[key] = _Given(key, value, None)
    checked = {key: _CHECKS[key](value) for key, value in given.items()}
    authors, ids = checked.get("authors", ()), checked.get("ids", ())
    if authors and len(ids) not in (0, 1, len(authors)):
        given["ids"].refuse(
            f"has {len(ids)} entries for {_count(len(authors), 'author')}: "
            "give one for each author, or one for all"
        )
    alt = checked.pop("hero_alt", "")
    if (hero := checked.get("hero")) is not None and alt:
        checked["hero"] = Picture(hero.png, hero.width, hero.height, alt)
    if day := checked.get("date"):
        checked["date"] = _in_words(day, checked.get("language") or language.SOURCE)
    return Personal(**checked)


def misnamed(folder: Path) -> str:
    """The name of a file that seems to be meant as a folder's report.toml; "": there is none.

    Systems that hide the ends of names make report.toml.txt, and some take Report.toml for the same.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return next((legible(name) for name in names if name.lower() in ("report.toml", "report.toml.txt")), "")


def keys() -> list[str]:
    """The keys that a report.toml may have."""
    return list(_CHECKS)


def _read(path: Path) -> Mapping[str, Any]:
    """A file's keys and values, all of them known."""
    text = read_text(path, LARGEST_FILE)
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise BadFileError(f"{path} is nested too deeply: its keys stand side by side.") from error
    except ValueError as error:  # also of numbers that Python refuses to read
        raise BadFileError(f"{path} is not TOML: {legible(str(error))}. {_hint(text, str(error))}") from error
    if unknown := [key for key in values if key not in _CHECKS]:
        names = ", ".join(_short(key) for key in unknown)
        near = difflib.get_close_matches(unknown[0][:50], keys(), 1)
        raise BadFileError(
            f"{path}: there is no key {names}; there are: {', '.join(keys())}."
            + (f" Did you mean {near[0]}?" if near else "")
        )
    return values


def _hint(text: str, error: str) -> str:
    """What to do about a line that is not TOML."""
    line = int(match[1]) if (match := re.search(r"at line (\d+)", error)) else 0
    if re.search("[“”„‟«»‘’]", "".join(text.splitlines()[line - 1 : line])):
        return 'Text stands in straight quotes, ", as a programmer types them.'
    if "\\" in error:
        return "In quotes a backslash is written twice."
    return "Text stands in quotes."


def _authors(given: _Given) -> tuple[str, ...]:
    names = given.texts()
    if "" in names:
        given.refuse("has an empty entry: take it out")
    return names


def _date(given: _Given) -> str:
    if isinstance(given.value, date):
        day = given.value.date() if isinstance(given.value, datetime) else given.value
        return day.isoformat()
    if not isinstance(given.value, str):
        given.refuse(f"must be a date such as 2000-12-31, or text in quotes, not {_short(given.value)}")
    return given.text()


def _in_words(day: str, code: str) -> str:
    """A date as a language writes it; text that is no date as it is."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day):
        return day
    try:
        with language.use(code):
            return long_date(day)
    except ValueError:  # the 31st of February
        return day


def _language(given: _Given) -> str:
    return given.one_of(language.available())


def _paper(given: _Given) -> str:
    return given.one_of(PAPERS)


def _hero(given: _Given) -> Picture | None:
    if not isinstance(given.value, (str, Path)):
        given.refuse(f"must be a file's name in quotes, not {_short(given.value)}")
    if not str(given.value).strip():
        return None
    folder = given.file.parent if given.file is not None else Path()
    try:
        return read_picture(folder / Path(given.value).expanduser())
    except RefusedError as error:
        given.refuse(f"cannot be shown: {str(error).removesuffix('.')}")
    except RuntimeError as error:  # there is no such home folder
        given.refuse(f"cannot be found: {legible(str(error))}")


_CHECKS: Mapping[str, Callable[[_Given], Any]] = {
    "title": _Given.text,
    "subtitle": _Given.text,
    "authors": _authors,
    "ids": _Given.texts,
    "course": _Given.text,
    "date": _date,
    "language": _language,
    "paper": _paper,
    "hero": _hero,
    "hero_alt": _Given.text,
}


def _is_hidden(character: str) -> bool:
    """Whether a character steers others, or stands for nothing that a reader sees.

    Zero width joiners are let through: Persian and the languages of India are written with them.
    """
    return (
        unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        and character not in "\u200c\u200d"
    )


def _short(value: object) -> str:
    """A value as Python writes it, on one line of bounded length."""
    text = ascii(value) if not isinstance(value, str) else repr(value)
    return legible(text if len(text) <= 60 else f"{text[:59]}…")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
