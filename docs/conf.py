"""How Sphinx makes the pages: ``sphinx-build -W -q -b html docs docs/_build/html``."""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import tfviz

project = "tfviz"
author = copyright = "tfviz contributors"
version = release = tfviz.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"tfviz {version}"
myst_heading_anchors = 3
default_role = "literal"  # docstrings quote code with single backticks
autodoc_member_order = "bysource"
autodoc_type_aliases = {"npt.ArrayLike": "ArrayLike", "Tensor": "Tensor", "Scores": "Scores"}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_attr_annotations = False


def escape(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """In docstrings |F| is a magnitude, not a substitution."""
    lines[:] = [line.replace("|", r"\|") for line in lines]


def shorten(
    app: Any, what: str, name: str, thing: Any, options: Any, arguments: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Aliases by their names, also inside unions."""

    def short(text: str | None) -> str | None:
        return text and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text)

    return short(arguments), short(returns)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", escape)
    app.connect("autodoc-process-signature", shorten)
