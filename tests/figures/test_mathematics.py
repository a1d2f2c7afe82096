import base64
import re
import xml.etree.ElementTree as ET

import pytest

from tfviz.figures import mathematics
from tfviz.figures.mathematics import FormulaError, as_image, as_mathml, check, spoken
from tfviz.figures.style import INK

MATHML = "{http://www.w3.org/1998/Math/MathML}"


def test_mathml_says_what_the_latex_says():
    element = ET.fromstring(as_mathml(r"x_{i} < \frac{1}{2}"))
    assert element.tag == f"{MATHML}math"
    assert element.get("alttext") == "x_i < 1 / 2"
    assert element.get("dir") == "ltr"
    assert [leaf.text for leaf in element.iter() if leaf.text] == ["x", "i", "<", "1", "2"]
    assert element.find(f".//{MATHML}mfrac") is not None
    assert ET.fromstring(as_mathml("x", display=True)).get("display") == "block"


def with_spaces(latex):
    """Leaves of the MathML: "_" for a thin space, "(−" for a sign, "[|" and "|]" for a bar's two sides."""
    found = []
    for leaf in ET.fromstring(as_mathml(latex)).iter():
        kind, text = leaf.tag.removeprefix(MATHML), (leaf.text or "").strip()
        if kind == "mspace" and leaf.get("width") == "0.167em":
            found.append("_")
        elif kind == "mo" and text == "|":
            assert leaf.get("lspace") == leaf.get("rspace") == "0"
            found.append({"prefix": "[|", "postfix": "|]"}[leaf.get("form")])
        elif text:
            found.append("(" * (leaf.get("form") == "prefix" and text == "−") + text)
    return " ".join(found)


@pytest.mark.parametrize(
    ("latex", "spaced"),
    [
        (r"\log p", "log _ p"),
        (r"\log(p)", "log ( p )"),
        (r"A \exp(-x)", "A _ exp ( (− x )"),
        (r"a - b", "a − b"),
        (r"L = -1000 \cdot u, \quad -x", "L = (− 1000 · u , (− x"),
        (r"f(x) - |x|", "f ( x ) − [| x |]"),
        (r"2 \max |x| - |y|", "2 _ max _ [| x |] − [| y |]"),
        (r"\min_{|x| \le L} S", "min [| x |] ≤ L _ S"),
        (r"x \sim \mathcal{N}", "x ∼ 𝒩"),
        (r"x'^2 - \infty - y", "x ′ 2 − ∞ − y"),
        (r"{}", ""),
    ],
)
def test_signs_bars_and_names_have_the_spaces_of_a_formula(latex, spaced):
    assert with_spaces(latex) == spaced


def test_a_slash_stands_between_its_letters_and_a_relation_apart():
    spaces = {leaf.text: leaf.attrib for leaf in ET.fromstring(as_mathml(r"x \sim 1/f")).iter(f"{MATHML}mo")}
    assert spaces == {"∼": {}, "/": {"lspace": "0", "rspace": "0"}}


def test_the_drawing_stands_on_the_line():
    """A letter without a descender ends at the line, give or take a hair; one with a descender goes below it."""
    depth = {letter: float(re.search(r"vertical-align:(\S+)em", as_image(letter))[1]) for letter in "xy"}
    assert depth["x"] == pytest.approx(0, abs=0.06)
    assert depth["y"] < depth["x"] - 0.1


def test_the_drawing_is_a_vector_drawing_with_its_text():
    image = as_image(r'\sum_{i=1}^{n} a_i "q"', display=True)
    assert 'class="math display"' in image
    assert 'alt="∑ from i = 1 to n a_i &quot;q&quot;"' in image
    svg = base64.b64decode(re.search('base64,([^"]+)', image)[1])
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert b"<image" not in svg
    assert INK.encode() in svg


def test_both_say_what_they_are_told_to():
    for formula in (as_mathml("x", said='the "x" < 1'), as_image("x", said='the "x" < 1')):
        assert re.search('alt(?:text)?="([^"]*)"', formula)[1] == "the &quot;x&quot; &lt; 1"


@pytest.mark.parametrize(
    ("latex", "said"),
    [
        (r"\frac{\partial f}{2}", "(∂f) / 2"),
        (r"\mathrm{relu}(-x) - x'^2", "relu(−x) − x′^2"),
        (r"2^{n-1} \cdot w_i x_i", "2^(n − 1) · w_i x_i"),
        (r"\left|x\right| \le \sqrt{2}", "|x| ≤ √(2)"),
        (r"\tilde{x}_i, \quad \max u", "x tilde_i, max u"),
        (r"\begin{cases} h & w > 0 \\ l & \text{else} \end{cases}", "{h w > 0; l else"),
        (r"\sigma_x^2", "σ_x^2"),
    ],
)
def test_a_formula_is_said_without_latex(latex, said):
    assert spoken(latex) == said


def test_a_formula_is_said_in_the_language_in_use_even_if_it_was_drawn_before(monkeypatch):
    assert "from" in as_mathml(r"\sum_{i=1}^n i")
    monkeypatch.setattr("tfviz.figures.mathematics._", lambda _: "{sum} ab {first} auf {last}")
    assert 'alttext="∑ ab i = 1 auf n i"' in as_mathml(r"\sum_{i=1}^n i")


def test_the_drawing_is_as_large_as_the_text_around_it():
    """A digit is as high as one of the text's, 0.714 em, give or take a line."""
    height = float(re.search(r";height:([\d.]+)em", as_image("1"))[1])
    assert height == pytest.approx(1.06 * 0.72, abs=0.03)


def left(latex):
    """Where an inline drawing begins, in hundredths of an em; 0: where its first letter's own space does."""
    svg = base64.b64decode(re.search('base64,([^"]+)', as_image(latex))[1]).decode()
    return float(re.search(r'viewBox="(\S+)', svg)[1])


def test_an_inline_drawing_keeps_the_space_of_its_first_letter_and_loses_that_before_a_function_s_name():
    assert left("|x|") == 0
    assert left(r"\log p") > 10
    assert abs(left("x")) <= 1


@pytest.mark.parametrize(
    ("latex", "why"),
    [
        (r"\frac{1", "its braces do not match"),
        ("x}{", "its braces do not match"),
        (r"\frac", "it ends too early"),
        (r"\frac{1}", "it ends too early"),
        (r"\hat", "it ends too early"),
        ("", "it ends too early"),
        ("x_", "nothing stands after its _ or ^"),
        ("a_b_c", "two indices"),
        ("a^b^c", "two powers"),
        (r"\left(x", r"a \left has no \right"),
        (r"\begin{matrix} a", r"a \begin has no \end"),
        (r"\limits_a", r"\limits stands after no operator"),
        (r"\unknowncmd{x}", r"there is no command \unknowncmd"),
        ("a & b", "it is not LaTeX"),
        ("\0", "it is not LaTeX"),
        ("\ud800", "it is not LaTeX"),
        ("{" * 900 + "x" + "}" * 900, "it is nested too deeply"),
        (r"\text{שלום}", "its font has no ולםש"),
        (r"\rule{100000em}{1em}", "it is too large"),
        (r"\newcommand{\a}{b}\a", "it defines commands"),
        (r"\def\a{b}\a", "it defines commands"),
        (r"\href{javascript:alert(1)}{x}", "HTML, a link or a style"),
        (r"\style{position:fixed}{x}", "HTML, a link or a style"),
        (r"\class{a}{x}", "HTML, a link or a style"),
        (r"\color{url(//a.org)}{x}", "HTML, a link or a style"),
        (r"\verb|<script>|", "it is not LaTeX"),
        (r"\verb|<script/>|", "HTML, a link or a style"),
        (r"\colorbox{red}{<mi>a</mi>}", "it cannot be drawn"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_why(latex, why):
    with pytest.raises(FormulaError) as refused:
        check(latex)
    assert why in str(refused.value)


@pytest.mark.parametrize("latex", [r"\text{%s}", r"\mbox{%s}", r"\fbox{%s}", r"\textbf {%s}"])
def test_text_in_a_formula_is_text(latex):
    hostile = "<script>a</script> & <b> &lt;"
    element = ET.fromstring(as_mathml(latex % hostile, display=True))
    assert hostile in "".join(element.itertext()).replace("\u00a0", " ")
    assert all(leaf.tag.startswith(f"{MATHML}m") and "script" not in leaf.tag for leaf in element.iter())
    assert "<" not in as_image(latex % hostile, display=True)[1:]


def test_what_students_write_is_shown_by_both():
    for latex in (
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
        r"\{x \mid x_i > 0\}, \quad 5\,\%",
        r"\underbrace{x}_{a} \sum_{i=1}^{n} \binom{n}{k} \sqrt[3]{x} \vec{x} \boldsymbol{x} \hat{} x^{}",
        r"\operatorname{softmax}(z)_i = \frac{e^{z_i}}{\sum_j e^{z_j}} \xrightarrow{a} \left.\frac{a}{b}\right|_{x}",
    ):
        check(latex)
        check(latex, display=True)


def test_copies_of_letters_become_outlines_where_they_stand():
    """Twice as large as its symbol, whose corner (1, -10) comes to lie at (5, 7)."""
    copy = '<use href="#a" x="{}" y="7" width="40" height="80" fill="{}" />'
    drawing = mathematics._outlined(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">'
        '<symbol id="a" viewBox="1 -10 20 40"><path d="M 1 -10 L 3 0.5 Q 2 -1 4 1 Z "/></symbol>'
        '<symbol id="space" viewBox="0 0 0 40"/><use href="#space" x="1" y="1" width="0" height="80" fill="#fff" />'
        f"{copy.format(5, '#fff')}{copy.format(7, '#fff')}"
        f'<rect x="1" y="2" width="3" height="4" fill="#fff"/>{copy.format(5, "#fff")}'
        f"<g>{copy.format(5, 'red')}</g></svg>"
    )
    first = "M 5.0 7.0 L 9.0 28.0 Q 7.0 25.0 11.0 29.0 Z"
    second = "M 7.0 7.0 L 11.0 28.0 Q 9.0 25.0 13.0 29.0 Z"
    found = [
        (element.tag.rpartition("}")[2], element.get("fill"), element.get("d"))
        for element in ET.fromstring(drawing).iter()
    ]
    assert found == [
        ("svg", None, None),
        ("path", "#fff", f"{first} {second}"),
        ("rect", "#fff", None),
        ("path", "#fff", first),
        ("g", None, None),
        ("path", "red", first),
    ]
