"""Jinja2 as all pages have it."""

from __future__ import annotations

from typing import Any

import jinja2

from tfviz import language
from tfviz.files.program import templates


def environment(**options: Any) -> jinja2.Environment:
    """Templates of the program, in the language in use: all text is escaped, and a name that is not there is an error.

    Args:
        options: of `jinja2.Environment`, beside these.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        **options,
    )
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    return made
