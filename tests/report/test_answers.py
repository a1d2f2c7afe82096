import io
import random
import re
import sys
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tfviz import language
from tfviz.figures import mathematics
from tfviz.report import answers
from tfviz.report.answers import Answers

PARTS = ["conv1_units", "class_image", "narrow_network"]
PART = PARTS[0]


def math(latex, display):
    return f"<math>{escape(latex)}|{'display' if display else 'inline'}</math>"


def source(png):
    with Image.open(io.BytesIO(png)) as image:
        return f"data:image/png;{image.width}x{image.height}"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "answers"
    path.mkdir()
    return path


@pytest.fixture
def read(folder):
    """read(text): what comes of an answer with it, and the notes."""

    def get(text):
        (folder / f"{PART}.md").write_bytes(text if isinstance(text, bytes) else text.encode())
        return answers.read(folder, PARTS)

    return get


@pytest.fixture
def html(read):
    """html(text): the answer as HTML."""

    def get(text, math=math):
        markup = read(text).by_part[PART].html(math, source)
        assert_harmless(markup)
        return str(markup)

    return get


def assert_harmless(markup):
    """The markup is whole, and holds what an answer may hold and nothing else."""
    allowed = re.compile(
        "p|h[4-6]|[uo]l|li|blockquote|table|thead|tbody|t[rhd]|div|span|bdi|em|strong|a|[bh]r|code|pre|img|math"
    )
    names = {
        "dir",
        "class",
        "scope",
        "start",
        "href",
        "title",
        "alt",
        "src",
        "width",
        "height",
        "tabindex",
        "role",
        "style",
    }
    opened = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            assert allowed.fullmatch(tag)
            assert {name for name, _ in attrs} <= names | {"aria-label"}
            for name, value in attrs:
                if name == "href":
                    assert re.match(r"(https?://|mailto:|#)", value, re.IGNORECASE)
                if name == "src":
                    assert value.startswith("data:image/png;")
                if name == "style":
                    assert re.fullmatch("display:inline-block|text-align:(left|right)", value)
                if name == "alt":
                    assert value.strip()
            if tag not in ("br", "hr", "img"):
                opened.append(tag)

        def handle_endtag(self, tag):
            if tag not in ("br", "hr", "img"):
                assert opened.pop() == tag

        def handle_comment(self, data):
            raise AssertionError(data)

        handle_decl = handle_pi = unknown_decl = handle_comment

    reader = Reader()
    reader.feed(markup)
    reader.close()
    assert opened == []


def test_common_markdown_becomes_html(html):
    assert html("One *two* **three** `f(<x>)`  \nfour") == (
        '<p dir="ltr">One <em>two</em> <strong>three</strong> <code dir="ltr">f(&lt;x&gt;)</code><br />\nfour</p>\n'
    )
    assert html("3. a\n4. b") == '<ol start="3" dir="ltr">\n<li>a</li>\n<li>b</li>\n</ol>\n'
    assert (
        html("```python onload\n<b>\n```") == '<pre dir="ltr" tabindex="0"><code>&lt;b&gt;\n</code></pre>\n'
    )


def test_headings_lie_below_the_parts_own_and_leave_out_none(html):
    assert re.findall(r"<(h\d)", html("# a\n## b\n### c\n#### d\n# e\n### f\n## g\nh\n=")) == (
        ["h4", "h5", "h6", "h6", "h4", "h5", "h5", "h4"]
    )
    assert re.findall(r"</?(h\d)", html("### a\n\n# b")) == ["h4"] * 4


def test_formulas_are_handed_to_the_one_who_shows_them(html):
    assert "<math>x_1*y*|inline</math> is 5" in html("$x_1*y*$ is 5")
    assert html("$$\na\n+ b\n$$") == '<div class="formula"><math>a\n+ b|display</math></div>\n'
    assert html("text\n$$a$$\nmore") == (
        '<p dir="ltr">text</p>\n<div class="formula"><math>a|display</math></div>\n<p dir="ltr">more</p>\n'
    )
    assert '<p dir="ltr">so <span class="formula"><math>a|display</math></span> is</p>' in html("so $$a$$ is")
    for text in ("It cost $5, not $6.", "from $5 to $10", r"\$a\$", "`$a$`", "$ a $", "$$"):
        assert "<math" not in html(text)


def test_a_formula_that_cannot_be_shown_appears_as_its_source(folder, html, read):
    text = 'a\nb $\\frac{1$\n\n- c\n- $x_$ and\n  $\\such$\n\n$$\na &\n$$\n\n|a|\n|-|\n|$x^{"<b>$|\n'
    shown = html(text)
    assert re.findall(r'<code dir="ltr" title="This formula cannot be shown: (.*?)">(.*?)</code>', shown) == [
        ("its braces do not match", r"\frac{1"),
        ("nothing stands after its _ or ^", "x_"),
        (r"there is no command \such", r"\such"),
        ("it is not LaTeX that this program reads", "a &amp;"),
        ("its braces do not match", "x^{&#34;&lt;b&gt;"),
    ]
    assert "<math" not in shown
    where = f"{folder / PART}.md, line"
    assert read(text).notes == (
        rf"{where} 2: the formula \frac{{1 is shown as it was typed: its braces do not match.",
        f"{where} 5: the formula x_ is shown as it was typed: nothing stands after its _ or ^.",
        rf"{where} 6: the formula \such is shown as it was typed: there is no command \such.",
        f"{where} 8: the formula a & is shown as it was typed: it is not LaTeX that this program reads.",
        f'{where} 14: the formula x^{{"<b> is shown as it was typed: its braces do not match.',
    )
    with language.use("he"):
        assert "its braces do not match" not in read(text).by_part[PART].html(math, source)


def test_there_is_an_end_to_formulas(html):
    assert "it is too long" in html(f"${'x' * 2001}$")
    assert "<math" in html(f"${'x' * 900}$")
    many = html("$a$ " * (answers.MOST_FORMULAS + 1))
    assert (many.count("<math"), many.count("too many formulas")) == (answers.MOST_FORMULAS, 1)


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\text{<img src=x onerror=alert(1)>}",
        r"\text{<mi/onclick=alert(1)>x</mi>}",
        r"\text{</math></p></div>}",
        r"\text{<!-- }",
        r"\href{javascript:alert(1)}{x}",
        r"\style{position:fixed}{x}",
    ],
)
@pytest.mark.parametrize("draw", [mathematics.as_mathml, mathematics.as_image])
def test_no_html_comes_through_a_formula(read, latex, draw):
    shown = read(f"${latex}$").by_part[PART].html(lambda latex, display: draw(latex, display=display), source)
    assert not re.search(r"<(?!/?(p|code|math|mrow|mtext|img)\b)", shown)
    assert not re.search(r"<[^>]*\b(on\w+|href)=", re.sub('"[^"]*"', '""', shown))
    assert ("<code" in shown) == (r"\text" not in latex)


@pytest.mark.parametrize("draw", [mathematics.as_mathml, mathematics.as_image])
@pytest.mark.parametrize(
    "latex", ["a < b > c", r"\frac{\partial f}{\partial x_i}", r"\text{if } x", r"\int_0^1"]
)
def test_real_formulas_come_through(read, latex, draw):
    shown = read(f"${latex}$").by_part[PART].html(lambda latex, display: draw(latex, display=display), source)
    assert "<code" not in shown
    assert "<math" in shown or "<img" in shown


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[x](https://a.org/?b=c&d)", "https://a.org/?b=c&amp;d"),
        ("<HTTP://a.org>", "HTTP://a.org"),
        ("[x](mailto:a@b.org)", "mailto:a@b.org"),
        ("[x](#conv1_units)", "#conv1_units"),
        ("[x](conv1_units.md)", "#conv1_units"),
        ("[x](./class_image.md#a)", "#class_image"),
        ("[x](none.md)", None),
        ("[x](../class_image.md)", None),
        ("[x]()", None),
        ("[x](javascript:alert(1))", None),
        ("[x](JaVaScRiPt:alert(1))", None),
        ("[x](java&#10;script:alert(1))", None),
        ("[x](<\x01javascript:alert(1)>)", None),
        ("[x](data:text/html;base64,aa)", None),
        ("[x](vbscript:a)", None),
        ("[x](file:///etc/passwd)", None),
        ("[x](../secret.html)", None),
        ("[x](//a.org)", None),
        ("[x][y]\n\n[y]: javascript:alert(1)", None),
        ("<ftp://a.org>", None),
        ("[x](https:javascript:alert(1))", None),
    ],
)
def test_links_go_where_they_may(html, read, folder, text, address):
    shown = html(text)
    assert re.findall(r'href="([^"]*)"', shown) == ([] if address is None else [address])
    assert "<a" in shown
    notes = [note for note in read(f"a\nb {text}").notes if "control characters" not in note]
    assert len(notes) == (address is None)
    assert all(note.startswith(f"{folder / PART}.md, line 2: the link to ") for note in notes)


def test_html_is_text(html):
    shown = html(
        '<script>alert(1)</script>\n\n<img src=x onerror="alert(1)"> <b>bold</b>\n\n<div>\n\n<svg/onload=alert(1)>\n\n'
        '[a](b "x\\" onclick=\\"alert(1)") <!DOCTYPE x> <?php ?> <![CDATA[x]]> &lt;script&gt;'
    )
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown
    assert shown.count("&lt;script&gt;") == 2


def test_comments_are_dropped_and_code_is_not(html, read):
    assert html("<!-- a -->b<!-- c -->") == '<p dir="ltr">b</p>\n'
    assert html("a\n<!-- b\n\n# c\n\n-->\nd") == '<p dir="ltr">a</p>\n<p dir="ltr">d</p>\n'
    for space in (" ", "", "      "):
        assert html(f"<!-- b\n\n{space}-->{space}rest") == '<p dir="ltr">rest</p>\n'
    assert html("> <!-- b\n> -->c\n> d") == '<blockquote dir="ltr">\n<p dir="ltr">c\nd</p>\n</blockquote>\n'
    assert "a" in html("- <!-- x\n  y -->\n- a")
    for code in ("`<!-- a -->`", "```\n<!-- a -->\n```", "    <!-- a -->", "~~~\n<!--\n~~~\n\n-->"):
        assert "&lt;!--" in html(code)
    assert html("<!-- open\n\nmine") == '<p dir="ltr">&lt;!-- open</p>\n<p dir="ltr">mine</p>\n'
    assert (
        html("`<!--` a `-->`")
        == '<p dir="ltr"><code dir="ltr">&lt;!--</code> a <code dir="ltr">--&gt;</code></p>\n'
    )


@pytest.mark.parametrize(
    "text",
    ["", " \n\n\t", "\ufeff", "<!-- a -->", "<!-- a\n\nb -->\n", "<!-- a --> <!-- b -->", "-", "[a]: b"],
)
def test_nothing_but_comments_is_no_answer(read, text):
    assert read(text) == Answers()


def test_tables_scroll_and_have_headings(html):
    shown = html("| a | |\n|---|--:|\n| 1 | 2 |\n\n|b|\n|:-:|")
    assert (
        '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table class="data" dir="ltr">'
        in shown
    )
    assert '<th scope="col">a</th>\n<td class="n"></td>' in shown
    assert '<td>1</td>\n<td class="n">2</td>' in shown
    assert '<th class="middle" scope="col">b</th>' in shown


def test_every_paragraph_has_its_own_direction(html):
    assert re.findall(
        r'<(?:p|li|ul|h4|blockquote|td)( dir="\w+")?>', html("a ב\n\n12 ב a\n\n12\n\n# ב\n")
    ) == ([' dir="ltr"', ' dir="rtl"', "", ' dir="rtl"'])
    turned = '<bdi dir="{}" style="display:inline-block">{}</bdi>'.format
    assert f'<ul dir="rtl">\n<li>ב\n<ul>\n<li>{turned("ltr", "b 1")}</li>' in html("- ב\n  - b 1")
    assert '<p dir="ltr" style="text-align:right">b</p>' in html("- ב\n\n- b")
    table = html("|ש|a|\n|-|-:|\n|conv1|11|\n|ב|ש|")
    assert '<table class="data" dir="rtl">' in table
    assert f'<th class="n" scope="col">{turned("ltr", "a")}</th>' in table
    assert f'<td>{turned("ltr", "conv1")}</td>\n<td class="n">{turned("ltr", "11")}</td>' in table
    assert '<td>ב</td>\n<td class="n">ש</td>' in table
    assert f"<td>{turned('rtl', 'ב')}</td>" in html("|a|\n|-|\n|ב|")
    assert html("`code` $math$ ב").startswith('<p dir="rtl">')


def picture(path, size=(3, 2)):
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(path)


def test_pictures_of_the_folder_are_shown(folder, html, read):
    (folder / "sub folder").mkdir()
    picture(folder / "sub folder" / "תמונה 1.jpg")
    picture(folder / "a.png", (5, 4))
    (folder / "b.webp").symlink_to(folder / "a.png")
    shown = html(
        '![A *cat* `f` $x$\n"](a.png "t")![](<sub folder/תמונה 1.jpg>)![b](./sub%20folder/../b.webp)'
    )
    assert '<img width="5" height="4" alt="A cat f x &#34;" src="data:image/png;5x4">' in shown
    assert 'width="3" height="2" alt="תמונה 1.jpg"' in shown
    assert 'alt="b"' in shown
    assert answers.read(folder, PARTS).notes == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.png", "none.png does not exist."),
        ("", "No file is named."),
        ("../secret.png", "../secret.png lies outside the folder of the answers."),
        ("link.png", "link.png lies outside the folder of the answers."),
        ("loop.png", "loop.png cannot be read (Too many levels of symbolic links)."),
        ("/etc/passwd", "/etc/passwd lies outside the folder of the answers."),
        ("..%2fsecret.png", "../secret.png lies outside the folder of the answers."),
        (
            "http://a.org/b.png",
            "http://a.org/b.png is an address: only pictures that lie in the folder of the answers",
        ),
        ("//a.org/b.png", "is an address"),
        ("file:///etc/passwd", "is an address"),
        ("data:image/svg+xml;base64,aa", "is an address"),
        ("javascript:alert(1)", "is an address"),
        ("C:/a.png", "is an address"),
        ("drawing.svg", "is not a picture in PNG, JPEG, WebP or GIF"),
        ("a%00b.png", "a�b.png"),
        (".", "is a folder"),
    ],
)
def test_a_picture_that_cannot_be_shown_costs_itself_only(folder, read, name, said):
    picture(folder.parent / "secret.png")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')
    known = read(f"before ![alt](<{name}>) after")
    markup = known.by_part[PART].html(math, source)
    assert_harmless(markup)
    assert "<img" not in markup
    assert re.search(r'before <span class="problem">This picture cannot be shown: .*</span> after', markup)
    plain = re.sub(r"<[^>]+>", "", markup)
    assert said in plain
    assert str(folder) not in markup
    (note,) = known.notes
    assert note.startswith(f"{folder / PART}.md: ")
    assert said in note


def test_there_is_an_end_to_pictures(folder, html, read):
    picture(folder / "a.png")
    shown = html("![a](a.png)\n" * (answers.MOST_PICTURES + 2))
    assert shown.count("<img") == answers.MOST_PICTURES
    assert shown.count("is one picture too many: at most") == 2
    (note,) = answers.read(folder, PARTS).notes  # once
    assert note.endswith(f"a.png is one picture too many: at most {answers.MOST_PICTURES} are shown.")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"x" * 10_000_000, "is larger than 100 kB: make it shorter."),
        ("שלום".encode("cp1255"), "is not text in UTF-8 (byte 0xf9 in line 1): save it as UTF-8."),
        ("a".encode("utf-16"), "is not text in UTF-8 (byte 0xff in line 1)"),
        (b"PNG\0", "is not text (a zero byte in line 1)"),
        (">" * 10_000 + " a", "has more than 20 lists, quotes or emphases inside one another."),
        ("- " * 10_000 + "a", "has more than 20 lists"),
        ("*" * 5_000 + "a" + "*" * 5_000, "has more than 20 lists"),
        ("\n".join(" " * (2 * row) + "- a" for row in range(30)), "has more than 20 lists"),
        ("- a\n" * 3000, "has more than 5000 paragraphs, list items and the like: make it shorter."),
        ("a" * 5001, "has a paragraph with more than 5000 letters in words of more than 50."),
        ("a " + "`" + ("a" * 60 + " ") * 100 + "`", "has a paragraph with more than 5000 letters"),
        ("```\n" + ("a" * 60 + " ") * 100, "has a paragraph with more than 5000 letters"),
        ("*a* " * 5000, "has more than 5000 paragraphs"),
        ("[a]: " + "x" * 40_000 + "\n\n" + "[a]\n" * 10, "has links that are too long together."),
    ],
)
def test_a_bad_file_costs_its_answer_only(folder, read, data, said):
    (folder / f"{PARTS[1]}.md").write_text("fine")
    known = read(data)
    assert known.by_part[PARTS[1]].html(math, source) == '<p dir="ltr">fine</p>\n'
    markup = known.by_part[PART].html(math, source)
    assert_harmless(markup)
    assert markup.startswith('<p class="problem">The author’s words on this part cannot be shown: <bdi')
    assert f"answers/{PART}.md {said}" in re.sub(r"<[^>]+>", "", markup)
    assert str(folder) not in markup
    (note,) = known.notes
    assert note.startswith(f"{folder / PART}.md {said}")
    assert "\n" not in note


@pytest.mark.parametrize(
    "text",
    [
        "[ " * 5000,
        "![ " * 5000 + "a" + " ](b)" * 5000,
        "[ " * 5000 + "a" + " ](b)" * 5000,
        "( " * 5000,
        "` " * 5000,
    ],
)
def test_deep_brackets_are_text(html, text):
    html(text)


def test_a_fault_of_the_parser_costs_the_answer_only(read, monkeypatch):
    def fails(text):
        raise RecursionError

    monkeypatch.setattr(answers._markdown(), "parse", fails)
    (note,) = read("fine").notes
    assert note.endswith(".md cannot be read as Markdown (RecursionError).")


def test_what_is_let_through_loses_nothing(html, read):
    levels = answers.DEEPEST - 1  # and a paragraph inside
    assert html("> " * levels + "a").count("<blockquote") == levels
    assert ">a</p>" in html("> " * levels + "a")
    assert read("> " * answers.DEEPEST + "a").by_part[PART].problem is not None
    assert "<em>a</em>" in html("- " * (levels // 2) + "*a*")
    for text in ("a" * 5000, ("a" * 50 + " ") * 1000, "a" * 4000 + "\n\n" + "a" * 4000):
        assert html(text).count("a") >= 5000


def calls(function, *arguments):
    """How many calls into C a function makes: work that does not depend on the clock."""
    counted = 0

    def count(frame, event, argument):
        nonlocal counted
        counted += event == "c_call"

    sys.setprofile(count)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize(
    "line", ["- $$ a\n", "- <!-- a\n", "<!-- a\n\n", "$$ a\n\n", "> <!-- a\n\n", "$$a $a "]
)
def test_what_never_ends_is_not_looked_for_again_and_again(read, line):
    read(line)
    few, many = (calls(read, line * number) for number in (300, 600))
    assert many < 2.5 * few


def test_links_and_folders_in_place_of_an_answer(folder, read):
    (folder.parent / "secret.md").write_text("secret")
    (folder / f"{PART}.md").symlink_to(folder.parent / "secret.md")
    (folder / f"{PARTS[1]}.md").mkdir()
    (folder / f"{PARTS[2]}.md").symlink_to(folder / "none")
    known = answers.read(folder, PARTS)
    for part, said in zip(
        PARTS, ("is a link to outside its folder", "is a folder", "does not exist"), strict=True
    ):
        assert said in known.by_part[part].html(math, source)
    assert [note.count("\n") for note in known.notes] == [0, 0, 0]
    assert "secret" not in "".join(known.by_part[part].html(math, source) for part in PARTS)


def test_other_files_are_named(folder):
    for name in (
        "conv1_unit.md",
        "conv1_units.txt",
        "class_image.MD",
        "zzz.markdown",
        "a.png",
        ".hidden.md",
        "notes",
    ):
        (folder / name).write_text("")
    (folder / "x\x1b\n.md").write_text("")
    assert answers.read(folder, PARTS).notes == (
        f"{folder}/class_image.MD is not read, since no part has this name: did you mean class_image.md?",
        f"{folder}/conv1_unit.md is not read, since no part has this name: did you mean conv1_units.md?",
        f"{folder}/conv1_units.txt is not read, since no part has this name: did you mean conv1_units.md?",
        f"{folder}/x��.md is not read, since no part has this name: the parts are {', '.join(PARTS)}.",
        f"{folder}/zzz.markdown is not read, since no part has this name: the parts are {', '.join(PARTS)}.",
    )
    for number in range(30):
        (folder / f"zz{number}.md").write_text("")
    notes = answers.read(folder, PARTS).notes
    assert len(notes) == 21
    assert notes[-1] == f"{folder}: 15 more such lines."


def test_files_that_are_no_markdown_and_folders_too_deep_are_named(folder):
    for name in ("conv1_units.docx", "Class-Image.tex", "plan.pdf", "conv1_units.png"):
        (folder / name).write_text("")
    for name in ("answers", "other", "plots.md"):
        (folder / name).mkdir()
    (folder / "answers" / "class_image.md").write_text("x")
    assert answers.read(folder, PARTS).notes == (
        f"{folder}/Class-Image.tex is not read: an answer is text in Markdown, class_image.md.",
        f"{folder}/answers is not looked into: class_image.md lies too deep.",
        f"{folder}/conv1_units.docx is not read: an answer is text in Markdown, conv1_units.md.",
        f"{folder}/plots.md is not read, since no part has this name: the parts are {', '.join(PARTS)}.",
    )


DOLLARS = "a formula stands between dollars, $…$ in a line, $$…$$ by itself"


@pytest.mark.parametrize(
    ("text", "typed", "what"),
    [
        (
            "a\nb ![x](my picture.png) c",
            "![x](my picture.png)",
            "a file's name with spaces stands between < and >",
        ),
        ("a\nsee \\(a+b\\)", "\\(a+b\\)", DOLLARS),
        ("a\n\\[\nx^2\n\\]", "\\[ x^2 \\]", DOLLARS),
        ("a\n\\begin{align*}\nx\n\\end{align*}", "\\begin{align*}", DOLLARS),
        ("- a\n- so[^1]\n- so[^2]", "[^1]", "there are no footnotes"),
        ('a\n<img src="x.png" width=3>', '<img src="x.png" width=3>', "HTML is not read, write Markdown"),
        ("a\nb<br/>c<br>", "<br/>", "HTML is not read, write Markdown"),
    ],
)
def test_what_is_markdown_elsewhere_is_said_to_be_text(folder, read, text, typed, what):
    notes = read(text).notes
    assert notes == (f"{folder}/{PART}.md, line 2: {typed} is shown as it was typed: {what}.",)


@pytest.mark.parametrize(
    "text",
    [
        "`\\(a\\)` and ``![x](my picture.png) ` [^1]`` and `<br>`",
        "$x \\[2pt] \\begin{matrix}1\\end{matrix}$ and $a<b$, $c>d$",
        "\\[1\\] and a < b > c and a<b and c>d and f(x) [a](https://example.org 'a title')",
        "```\n\\[x^2\\] <br>\n```",
        "$$\n\\begin{matrix}1\\end{matrix}\n$$",
    ],
)
def test_code_formulas_and_comparisons_are_no_slips(read, text):
    assert not [
        note for note in read(text).notes if "shown as it was typed: " in note and "formula $" not in note
    ]


def test_no_folder_is_no_answers(tmp_path):
    assert answers.read(None, PARTS) == Answers()
    assert answers.read(tmp_path / "none", PARTS).notes == (
        f"{tmp_path}/none is no folder of answers: No such file or directory.",
    )
    (tmp_path / "file").write_text("")
    assert "is no folder of answers: Not a directory." in answers.read(tmp_path / "file", PARTS).notes[0]


def test_control_characters_become_spaces(html, read):
    assert html("a\x1b[31mb\x0bc\x85d\r\ne") == '<p dir="ltr">a [31mb c d\ne</p>\n'
    assert (
        read("a\x07b")
        .notes[0]
        .endswith(": control characters, and those that turn text around, are shown as spaces.")
    )
    assert html("a\u202eb\u202dc\u200fd") == '<p dir="ltr">a b c\u200fd</p>\n'


def test_the_words_are_in_the_reports_language(tmp_path, read, monkeypatch):
    folder = tmp_path / "translations"
    folder.mkdir()
    (folder / "he.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "This picture cannot be shown: {reason}"\nmsgstr "אין תמונה: {reason}"\n\n'
        'msgid "{file} does not exist."\nmsgstr "{file} חסר."\n\nmsgid "Table"\nmsgstr "טבלה"\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(language, "folder", lambda: folder)
    language.load.cache_clear()
    with language.use("he"):
        known = read("![](no.png)\n\n|a|\n|-|")
        shown = known.by_part[PART].html(math, source)
    language.load.cache_clear()
    assert 'אין תמונה: <bdi dir="ltr">\u2066no.png\u2069</bdi> חסר.' in shown
    assert 'aria-label="טבלה"' in shown
    assert known.notes[0].endswith("no.png does not exist.")  # the terminal speaks English


def test_whatever_is_written_is_harmless(html):
    pieces = [
        *(
            "<script>",
            "</script>",
            "<img src=x onerror=y>",
            "<!--",
            "-->",
            "![",
            "](",
            ")",
            "[",
            "]",
            "$",
            "$$",
            "`",
            "```\n",
        ),
        *(
            "\n",
            "\n\n",
            "> ",
            "- ",
            "1. ",
            "    ",
            "| a |",
            "|-|-|\n",
            "*",
            "**",
            "_",
            "\\",
            "&lt;",
            "&#x3c;",
            "<",
            ">",
            '"',
        ),
        *(
            "javascript:x",
            "http://a",
            "[r]",
            "\n[r]: javascript:y '<b>'\n",
            "# ",
            "===\n",
            "ש",
            "a",
            " ",
            "\x0b",
            "<a href='",
        ),
    ]
    chance = random.Random(1)
    for _ in range(400):
        html("x " + "".join(chance.choices(pieces, k=chance.randint(1, 60))))
