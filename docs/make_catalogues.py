"""Brings the catalogues of translations up to the messages that the program asks for.

    python docs/make_catalogues.py [LANGUAGE]

Every templates/translations/<language>.po gets the messages that it lacks, empty, and loses those that nobody asks for
any more; what is translated stays as it is. With a LANGUAGE (ISO 639-1) that has no catalogue yet, one is begun.
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

TOP = Path(__file__).resolve().parent.parent
FOLDER = TOP / "templates" / "translations"
METHODS = [("**.py", "python"), ("**.html", "jinja2")]
OPTIONS = {
    "**.html": {
        "trimmed": "true",
        "extensions": "jinja2.ext.i18n",
        "silent": "false",
        "newstyle_gettext": "true",
    }
}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}


def messages() -> Catalog:
    """All messages that templates and modules ask for."""
    catalog = Catalog(project="tfviz", charset="utf-8")
    for folder in ("templates", "tfviz"):
        found = extract_from_dir(
            TOP / folder, METHODS, OPTIONS, KEYWORDS, ["Translators:"], strip_comment_tags=True
        )
        for name, _, message, comments, context in found:
            catalog.add(message, locations=[(f"{folder}/{name}", 0)], auto_comments=comments, context=context)
    return catalog


def updated(path: Path, wanted: Catalog) -> Catalog:
    """A catalogue with the wanted messages and no others; the translations that it has stay."""
    if path.exists():
        with path.open("rb") as file:
            catalog = read_po(file, locale=path.stem)
    else:
        catalog = Catalog(path.stem, project="tfviz", charset="utf-8", fuzzy=False)
    catalog.update(wanted, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    return catalog


def main(language: str = "") -> None:
    """Update all catalogues, and begin one for a language that has none."""
    paths = sorted(FOLDER.glob("*.po"))
    if language:
        Locale.parse(language)
        paths = sorted({*paths, FOLDER / f"{language}.po"})
    wanted = messages()
    for path in paths:
        catalog = updated(path, wanted)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalog, width=110, sort_output=True, omit_header=False, include_lineno=False)
        empty = sum(not message.string or not all(message.string) for message in catalog if message.id)
        print(f"{path.relative_to(TOP)}: {len(catalog)} messages, {empty} without translation")


if __name__ == "__main__":
    main(*sys.argv[1:2])
