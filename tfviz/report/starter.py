"""What `tfviz init` writes: a report.toml and one answer a part, with examples that change nothing as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tfviz import language
from tfviz.errors import BadFileError
from tfviz.report.personal import PAPERS

_SETTINGS = """\
# Whose report it is. Take the "# " off a line that starts with a key, and put your own words between the quotes.

# title = "Inside convolutional networks"
# subtitle = "What a trained network looks for, and what deceives it"

# One name, or several: authors = "First Author"
# authors = ["First Author", "Second Author"]
# One for each author, or one for all; in quotes, so that zeros at the front stay.
# ids = ["012345678", "123456789"]

# course = "Deep learning, spring term"
# A day, written in words in the report's language, or text: date = "Spring 2001"
# date = 2001-02-28

# The report's language: {languages}.
# language = "{language}"
# The paper of the PDF: {papers}.
# paper = "{paper}"

# A picture for the cover (PNG, JPEG, WebP or GIF) beside this file, and what it shows, for those who cannot see it.
# hero = "cover.png"
# hero_alt = "A picture that a network drew"
"""

_ANSWER = """\
<!--
Your words on "{title}". They stand in the report in place of the built-in discussion, marked as yours.
Write them below this comment, in Markdown; comments like this one are not shown. For example:

The unit answers most strongly to *edges*: with weights $w$ and picture $x$ it is

$$
a = \\sum_i w_i x_i + b
$$

- A [link](https://example.org), and a picture that lies in this folder:

![What the picture shows](picture.png)

| step | activation |
|-----:|-----------:|
|    1 |       10.2 |
-->
"""


@dataclass(frozen=True)
class Started:
    """What a folder was given.

    Attributes:
        folder: it.
        written: files that are new.
        kept: files that were there already, as they were.
    """

    folder: Path
    written: Sequence[Path]
    kept: Sequence[Path]


def write(folder: Path, parts: Sequence[tuple[str, str]]) -> Started:
    """Write report.toml and answers/<part>.md into a folder; what is there already stays as it is.

    Args:
        folder: is made if need be.
        parts: id and title of each.

    Raises:
        BadFileError: the folder cannot be written.
    """
    texts = {folder / "report.toml": settings()}
    texts |= {folder / "answers" / f"{part}.md": _ANSWER.format(title=title) for part, title in parts}
    written, kept = [], []
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                _fill(path, file, text)
        except FileExistsError as error:
            if not path.parent.is_dir():
                raise BadFileError(f"{path.parent} is no folder: move it away.") from error
            kept.append(path)
        except OSError as error:
            raise BadFileError(f"{path} cannot be written ({error.strerror or error}).") from error
        else:
            written.append(path)
    return Started(folder, written, kept)


def _fill(path: Path, file: IO[str], text: str) -> None:
    try:
        file.write(text)
        file.flush()
    except OSError:
        path.unlink()  # else it would be kept the next time, as the user's
        raise


def settings() -> str:
    """The text of a report.toml with every key as a comment."""
    codes = language.available()
    return _SETTINGS.format(
        languages=", ".join(codes), language=codes[-1], papers=" or ".join(PAPERS), paper=PAPERS[0]
    )
