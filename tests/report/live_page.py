"""A page with two made-up figures of every kind, with the content-security policy of the report."""

import base64
import hashlib
import html
import re
import tempfile
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from tfviz.figures import live, style
from tfviz.files.program import templates
from tfviz.report import inline

EARLY = "document.documentElement.className='js';document.fonts.forEach(face=>face.load())"
BASE = """
html{font:17px/1.62 sans-serif;color:var(--ink);background:var(--paper)}
body{margin:0}main{max-inline-size:924px;margin-inline:auto;padding-inline:20px}
img,svg{display:block;max-inline-size:100%;block-size:auto}img.px{image-rendering:pixelated}
a{color:inherit}figure{margin:24px 0}.soft{color:var(--soft)}.small{font-size:14px}.scroll{overflow-x:auto}
.data th,.data td{padding:4px;text-align:start}.fold>summary{cursor:pointer}
:focus-visible{outline:2px solid var(--accent);outline-offset:3px}
@media (max-width:40rem){html{font-size:16px}}
"""


def photograph(height=96, width=96, seed=0):
    """Smooth enough to be compressed, with more colours than a palette holds."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(6 * x * (1 + k) + 5 * y + seed) for k in range(3)]
    noise = np.random.default_rng(seed).normal(0, 0.02, (height, width, 3))
    return np.clip(0.5 + 0.4 * np.stack(waves, -1) + noise, 0, 1)


def steps(rows=3):
    return live.Steps(
        [0, 1, 8, 64],
        [
            live.StepsRow(
                f"Row {row}",
                [photograph(seed=10 * row + k) for k in range(4)],
                [f"{row}.{k}" for k in range(4)],
            )
            for row in range(rows)
        ],
        "activation",
    )


def wipe():
    return live.Wipe(
        live.Labelled("jellyfish", photograph(seed=1), "The original"),
        live.Labelled("mink", photograph(seed=2), "The changed picture"),
        [live.Labelled("Difference, 32 times", photograph(seed=3), "The difference")],
    )


VALUES = np.linspace(0, 1, 25).reshape(5, 5)
WINNERS = np.where(VALUES < 0.3, 900, 107)


def block_map(**changes):
    fields = {
        "picture": photograph(96, 96, 4),
        "values": VALUES,
        "winners": WINNERS,
        "names": {107: "jellyfish", 900: "water tower"},
        "patch": 32,
        "stride": 16,
        "winning": np.where(VALUES < 0.3, 0.5, VALUES),
    }
    return live.BlockMap(**(fields | changes))


NAMES = ("airplane", "automobile", "bird", "cat")
COUNTS = np.array([[90, 2, 8, 0], [1, 95, 0, 4], [6, 0, 84, 10], [0, 0, 25, 75]])


def matrix():
    return live.Matrix(NAMES, COUNTS, {(3, 2): [photograph(32, 32, k) for k in range(3)]})


def pictures():
    return live.Pictures(
        [
            live.PicturesRow(
                f"row {row}",
                [
                    live.Labelled(
                        f"{row}{column}", photograph(seed=10 * row + column), f"picture {row}{column}"
                    )
                    for column in range(3)
                ],
            )
            for row in range(2)
        ],
        ["first", "second", "third"],
    )


def wall(tiles=20):
    return live.Wall(
        [
            live.Tile(
                str(k),
                photograph(11, 11, k),
                {"L1 norm": f"{k}.5", "frequency": f"0.{k}"},
                [live.Labelled("fit", photograph(11, 11, k + 50), f"fit of {k}")],
                live.Curve(f"from 0 to {k}", np.array([0, k / 2, k]), 2.0 * k) if k and k % 4 == 0 else None,
            )
            for k in range(tiles)
        ],
        "Channel {name}",
        "filter",
        "ascent",
    )


LAYERS = (("conv1", 8, (44, 44)), ("conv2", 40, (28, 28)), ("conv3", 72, (12, 12)), ("pool", 80, (40, -20)))
"""Of a picture of 96 × 96; the last sticks out to the left and below."""


def fields():
    return live.Fields(
        photograph(seed=5),
        [live.Field(label, size, first, f"{size} pixels") for label, size, first in LAYERS],
    )


DRAWING = (
    '<figure id="drawing"><div class="scroll drawn" tabindex="0" role="group" aria-label="Figure 1">'
    '<svg viewBox="0 0 580 200" width="580" height="200" role="img" aria-label="A line that falls">'
    '<path d="M0 0L580 200" style="stroke:var(--ink)"/></svg></div></figure>'
)
"""As `tfviz.report.page` puts a figure without a live one into the page."""

FIGURES = {
    "steps": steps,
    "wipe": wipe,
    "map": block_map,
    "matrix": matrix,
    "pictures": pictures,
    "wall": wall,
    "fields": fields,
}


def stored(figure):
    """What the page gets of a figure: as JSON, read back."""
    with tempfile.TemporaryDirectory() as folder:
        return live.load(live.save(figure, Path(folder) / "figure"))


def environment(gettext=str):
    """As the report's."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(gettext, lambda one, many, n: one if n == 1 else many, newstyle=True)

    def picture(png, alt, width, height, pixelated=False):
        return Markup('<img{} width="{}" height="{}" alt="{}" src="{}">').format(
            Markup(' class="px"') if pixelated else "",
            width,
            height,
            alt,
            inline.picture(base64.b64decode(png), "screen"),
        )

    made.globals["picture"] = picture
    return made


def figure_html(data, identifier="figure", alt="What it shows", gettext=str):
    """One figure's HTML from its JSON."""
    return str(environment(gettext).get_template("live.html").module.live(data, identifier, alt))


def css():
    palettes = [
        f":root{{{';'.join(f'{name}:{value}' for name, value in palette.items())};--wash:{wash};--tint:{tint}}}"
        for palette, wash, tint in (
            (style.PALETTE, "#f4f6f6", "190 80 20"),
            (style.DARK, "#1d2226", "225 110 50"),
        )
    ]
    text = f"{BASE}{(templates() / 'live.css').read_text(encoding='utf-8')}"
    return f"{palettes[0]}@media screen and (prefers-color-scheme:dark){{{palettes[1]}}}{text}"


def scripts():
    (zoom,) = (templates() / "vendor").glob("*.js")
    return [EARLY, *(path.read_text(encoding="utf-8") for path in (zoom, templates() / "script.js"))]


def page(direction="ltr", gettext=str):
    """The whole page; figures are called steps-1, steps-2, wipe-1 and so on."""
    blocks = []
    for name, make in FIGURES.items():
        data = stored(make())
        for number in (1, 2):
            identifier = f"{name}-{number}"
            live_figure = figure_html(data, identifier, f"{name}, instance {number}", gettext)
            blocks.append(
                f'<figure id="{identifier}">{live_figure}<figcaption>{name} {number}</figcaption></figure>'
            )
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts()
    )
    policy = f"default-src 'none';img-src data:;font-src data:;style-src 'unsafe-inline';script-src {hashes}"
    early, *late = (f"<script>{script}</script>" for script in scripts())
    language = "he" if direction == "rtl" else "en"
    return (
        f'<!DOCTYPE html><html lang="{language}" dir="{direction}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>Figures that answer</title>'
        f'<link rel="icon" href="data:,"><style>{css()}</style>{early}</head><body>'
        '<nav class="toc" aria-label="Contents"><details open><summary>Contents</summary><ol>'
        '<li><a href="#first">First</a></li><li><a href="#second">Second</a></li></ol></details></nav>'
        f'<main><h1>Figures that answer</h1><section id="first"><h2>First</h2>{"".join(blocks[:6])}</section>'
        f'<section id="second"><h2>Second</h2>{"".join(blocks[6:])}{DRAWING}</section></main>'
        f"{''.join(late)}</body></html>"
    )


def text_of(markup):
    """What is left without markup and isolating characters, white space collapsed."""
    text = html.unescape(re.sub("<[^>]+>", " ", markup)).translate({0x2068: None, 0x2069: None, 0x202F: " "})
    return re.sub(r"\s+", " ", text).strip()
