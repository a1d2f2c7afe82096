import base64
import re
import xml.etree.ElementTree as ET

import pytest

from tfviz.figures.mathematics import as_image, as_mathml

MATHML = "{http://www.w3.org/1998/Math/MathML}"


def test_mathml_says_what_the_latex_says():
    element = ET.fromstring(as_mathml(r"x_{i} < \frac{1}{2}"))
    assert element.tag == f"{MATHML}math"
    assert element.get("alttext") == r"x_{i} < \frac{1}{2}"
    assert [leaf.text for leaf in element.iter() if leaf.text] == ["x", "i", "<", "1", "2"]
    assert element.find(f".//{MATHML}mfrac") is not None
    assert ET.fromstring(as_mathml("x", display=True)).get("display") == "block"


def test_the_drawing_stands_on_the_line():
    """A letter without a descender ends at the line, give or take a hair; one with a descender goes below it."""
    depth = {letter: float(re.search(r"vertical-align: (\S+)em", as_image(letter))[1]) for letter in "xy"}
    assert depth["x"] == pytest.approx(0, abs=0.06)
    assert depth["y"] < depth["x"] - 0.1


def test_the_drawing_is_a_vector_drawing_with_its_text():
    image = as_image(r'\sum_{i=1}^{n} a_i "q"', display=True)
    assert 'class="math display"' in image
    assert 'alt="\\sum_{i=1}^{n} a_i &quot;q&quot;"' in image
    svg = base64.b64decode(re.search('base64,([^"]+)', image)[1])
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert b"<image" not in svg
