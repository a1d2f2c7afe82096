"""Answers in Markdown, as HTML: `tfviz.report.answers`."""

import shutil
import tempfile
from pathlib import Path

from tests.fuzz.campaign import Target, main
from tfviz.report import answers

_SEED = """\
## A heading

*Words*, **more**, `code`, [a link](#part-conv1_units), $a_i^2 + \\frac{1}{2}$ and <b>no markup</b>.

$$
\\sum_{k=1}^{n} \\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}
$$

| a | b |
| - | -:|
| 1 | 2 |

1. one
   - two

> said

![a picture](none.png) <!-- a remark -->
"""


def seeds():
    return [_SEED.encode(), "תשובה $x$ בעברית\n\n```\ncode\n```\n".encode()]


def read(path):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, Path(folder, "conv1_units.md"))
        return answers.read(Path(folder), ["conv1_units"])


TARGET = Target(".md", seeds, read)

if __name__ == "__main__":
    main("answers")
