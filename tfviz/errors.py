"""What can go wrong for reasons outside the program, as messages for people."""

import re
import zlib
from collections.abc import Collection
from zipfile import BadZipFile

DAMAGED_ARCHIVE = (ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error)
"""What NumPy raises, sooner or later, on a `.npz` file that is damaged or that has other things in it."""


class TfvizError(Exception):
    """Base of every error whose message is meant for the user.

    The message is complete sentences on one line: what was wrong, in which file, what to do now.
    The command line prints it without a traceback.
    """


class BadFileError(TfvizError):
    """A file is missing, unreadable, damaged, hostile, or not what it was said to be."""


class WeightsUnavailableError(TfvizError):
    """Weights could not be had: the message names url, size, hash and how to supply the file by hand."""


class DataUnavailableError(TfvizError):
    """A data set could not be had: the message names url, size, hash and how to supply it by hand."""


class BusyError(TfvizError):
    """Another run works in the same folder: the message says which, since when, and what to do."""


def printable(text: str) -> str:
    """Text without characters that a terminal obeys or that turn others around; line breaks stay, colours go."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}"
        for character in _COLOURS.sub("", text)
    )


def some(names: Collection[str], shown: int = 12) -> str:
    """Names for a message, on one line; of many the first."""
    first = ", ".join(printable(" ".join(name.split())) for name in list(names)[:shown])
    return first if len(names) <= shown else f"{first} and {len(names) - shown} more"


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # Keras writes its errors in bold
