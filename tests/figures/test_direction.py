import re

import pytest

from tfviz.figures.direction import for_print, from_the_right, marked, visual


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("step 10⁻³ (a)", "step 10⁻³ (a)"),
        ("שלום", "םולש"),
        ("אב (גד)", "(דג) בא"),
        ("אב 30 גד", "דג 30 בא"),
        ("אב 1,234.5 גד", "דג 1,234.5 בא"),
        ("אב 10⁻¹³ גד", "דג 10⁻¹³ בא"),
        ("אב 5% גד", "דג 5% בא"),
        ("אב “mink tail” גד", "דג ”mink tail“ בא"),
        ("אב / 10⁶", "10⁶ / בא"),
        ("net אב 12 end", "net 12 בא end"),
        ("אב −2", "2− בא"),
        ("אב \u2066−2\u2069 גד", "דג −2 בא"),
        ("אב \u2066a (b)\u2069: גד", "דג :a (b) בא"),
        ("אב net (a) גד", "דג net (a) בא"),
        ("אב net (a)", "net (a) בא"),
        ("אב (net) x", "x (net) בא"),
        ("אב net (גד)", "(דג) net בא"),
        ("אב net (5 a)", "net (5 a) בא"),
        ("אב (5 a)", "(a 5) בא"),
        ("אב %%5 גד", "דג %%5 בא"),
        ("אב 5%/6", "6/5% בא"),
        ("אב net [a (b]", "net [a (b] בא"),
        ("אב net (−)", "(−) net בא"),
        ("net (אב) b", "net (בא) b"),
        ("\u200fabc", "abc"),
        ("", ""),
    ],
)
def test_a_line_is_seen_as_the_unicode_algorithm_has_it(text, seen):
    assert visual(text) == seen


def test_the_first_letter_says_from_where_a_text_runs():
    assert from_the_right("12 אב cd")
    assert not from_the_right("12 ab גד")
    assert not from_the_right("12 (3)")


DRAWING = '<svg><text style="text-anchor: {anchor}; fill: #1b2126" x="1" y="2">{words}</text></svg>'


@pytest.mark.parametrize(("anchor", "other"), [("start", "end"), ("end", "start"), ("middle", "middle")])
def test_a_text_from_the_right_is_said_to_be_one_and_stays_where_it_was(anchor, other):
    svg = marked(DRAWING.format(anchor=anchor, words="אב &lt; 2"))
    assert svg == DRAWING.format(anchor=other, words="אב &lt; 2").replace("<text ", '<text direction="rtl" ')
    # A program that knows no direction gets the letters as they stand, and the place as it was.
    assert for_print(svg) == DRAWING.format(anchor=anchor, words="2 &gt; בא")


def test_a_text_without_an_anchor_starts_at_its_left_end():
    (attributes,) = re.findall(
        "<text (.*?)>", marked('<text style="fill: red" transform="translate(1 2)">אב</text>')
    )
    assert attributes == 'direction="rtl" style="text-anchor: end; fill: red" transform="translate(1 2)"'


def test_a_text_from_the_left_stays_as_it_is():
    svg = DRAWING.format(anchor="start", words="a &amp; b &lt; c")
    assert marked(svg) == svg
    assert for_print(svg) == svg
