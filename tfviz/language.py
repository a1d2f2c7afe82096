"""The words of the report in the reader's language: gettext catalogues, read by Babel, one file a language.

A catalogue is templates/translations/<language>.po. A language is chosen with `use`, and holds for what is called
inside it: templates, captions and figures' labels all ask `gettext`.
"""

from __future__ import annotations

import gettext as _gettext
import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tfviz.errors import TfvizError
from tfviz.files.hashes import file_sha256
from tfviz.files.program import templates

SOURCE = "en"
"""The language that the program itself is written in; it needs no catalogue."""


@dataclass(frozen=True)
class Language:
    """A language that the report can be written in.

    Attributes:
        code: as in `--lang`, ISO 639-1: "en", "he".
        words: its catalogue.
        sha256: of the catalogue's file; "" for the source language.
    """

    code: str
    words: _gettext.NullTranslations
    sha256: str = ""

    @property
    def direction(self) -> str:
        """Which way its text runs: "ltr" or "rtl"."""
        from babel import Locale

        return Locale.parse(self.code).text_direction


_ENGLISH = Language(SOURCE, _gettext.NullTranslations())
_current: ContextVar[Language] = ContextVar("language", default=_ENGLISH)


def folder() -> Path:
    """Where the catalogues lie."""
    return templates() / "translations"


def available() -> list[str]:
    """The codes of all languages, the source language first."""
    return [SOURCE, *sorted(path.stem for path in folder().glob("*.po"))]


@cache
def load(code: str) -> Language:
    """Read a language's catalogue.

    Args:
        code: one of `available`.

    Raises:
        TfvizError: there is no such language, or its catalogue cannot be read.
    """
    if code == SOURCE:
        return _ENGLISH
    if code not in available():
        raise TfvizError(f"There is no language {code!r}; there are: {', '.join(available())}.")
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import PoFileError, read_po

    path = folder() / f"{code}.po"
    compiled = io.BytesIO()
    try:
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=code, abort_invalid=True))
    except (PoFileError, UnicodeDecodeError, ValueError) as error:
        raise TfvizError(f"{path} is not a catalogue of translations: {error}.") from error
    compiled.seek(0)
    return Language(code, _gettext.GNUTranslations(compiled), file_sha256(path))


@contextmanager
def use(code: str) -> Iterator[Language]:
    """Have `gettext` and `ngettext` answer in a language inside a ``with`` block.

    Raises:
        TfvizError: as `load`.
    """
    token = _current.set(load(code))
    try:
        yield _current.get()
    finally:
        _current.reset(token)


def current() -> Language:
    """The language in use."""
    return _current.get()


def gettext(message: str) -> str:
    """A message in the language in use; as it is where the catalogue lacks it.

    Numbers and names go in afterwards, by name: ``gettext("after {steps} steps").format(steps=30)``.
    """
    return _current.get().words.gettext(message) if message else ""


def ngettext(singular: str, plural: str, count: int) -> str:
    """The form of a message that a count asks for, in the language in use."""
    return _current.get().words.ngettext(singular, plural, count)


def marked(message: str) -> str:
    """A message that is translated where it is shown, not where it is written; for catalogues to find it."""
    return message
