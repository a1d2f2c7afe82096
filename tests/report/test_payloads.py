"""Every string of every stored file is hostile: what is written of it holds no script, and no way out of the page."""

import ast
import base64
import io
import json
import re
import shutil
from dataclasses import asdict, dataclass
from xml.etree import ElementTree

import numpy as np
import pikepdf
import pytest
import tinyhtml5
from markdown_it import MarkdownIt
from PIL import Image

from tests.fake_part import FakePart
from tests.report import live_page
from tfviz import cli
from tfviz.experiment import fingerprint
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Number
from tfviz.experiment.store import SCHEMA, PartResult, Store
from tfviz.files.hashes import file_sha256, json_sha256
from tfviz.files.program import PACKAGE, templates
from tfviz.report import EXPORTS, environment, page, printing, publish
from tfviz.report.bibliography import REFERENCES
from tfviz.report.personal import Personal

PAYLOADS = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)><svg onload=alert(1)>",
    "</style></title></textarea></script><script>alert(1)</script>",
    "--> ]]> <![CDATA[<script>alert(1)</script>]]> <!-- <?php ?>",
    '" onmouseover="alert(1)" autofocus onfocus="alert(1)',
    "javascript:alert(1)",
    "data:text/html;base64,PHNjcmlwdD4=",
    "https://evil.example/x.png",
    "//evil.example/x",
    "<base href=//evil.example><meta http-equiv=refresh content=0;url=//evil.example><iframe src=//evil.example>",
    "<math href='javascript:alert(1)'><mtext><script>alert(1)</script></mtext><annotation-xml encoding='text/html'>",
    "red;background:url(//evil.example/x);x:expression(alert(1))",
    r"\text{<script>alert(1)</script>}",
    r"\href{javascript:alert(1)}{x} $\text{</math><script>alert(1)</script>}$",
    "{{ 7777 * 7 }}{% include 'base.html' %}{name}%(name)s{0.__class__}",
    "[a](javascript:alert(1)) ![b](https://evil.example/x) <javascript:alert(1)> `<b>`\n\n<script>alert(1)</script>",
    "\x1b[31m\x1b]8;;https://evil.example\x07a\x1b]8;;\x07\x9b2J\x08\r\x00",
    "\u202egnp.exe\u2066\u2067\u2028\u2029\u200b",
    "\ud800",
    "a" * 10_000,
)

TEMPLATE = """
{% from "macros.html" import value, quantity, machines, weights_from, percent, spread, figure, table, note,
   correction, discussion, compared, setting_value, verdict_mark, measured with context %}
<p>{{ value(result, "sum") }} {{ spread(result, "sum") }} {{ quantity("1", result.facts.word) }}
{{ result.facts.word }} {{ result.facts.word | isolated }} {{ result.facts.word | breakable }}
{{ result.facts.word | translated }} {{ result.facts.word | network }} {{ result.facts.word | networks }}
{{ setting_value(result.facts) }} {{ cite("iandola2016") }}
{% trans word=result.facts.word %}A word: {{ word }}.{% endtrans %}
{{ math("x_1 < " ~ result.settings.size) }} {{ math("\\\\sum_i x_i", display=true) }}</p>
{{ figure(result, "line") }}
{% for kind in result.facts.kinds %}{{ figure(result, kind) }}{% endfor %}
{% call table(result, "words", _("Words.")) %}<tbody>
{% for row in result.facts.rows %}<tr><td>{{ row }}</td></tr>{% endfor %}</tbody>{% endcall %}
{% call note(result.facts.word) %}{{ result.facts.word }}{% endcall %}
{% call correction(result.facts.word) %}{{ result.facts.word }}{% endcall %}
{{ compared(section, _("Compared"), ["sum"]) }}
{% call discussion(section) %}<p>{{ result.facts.word }}</p>{% endcall %}
"""


@dataclass
class Part(FakePart):
    """Shows everything that a part can show; its parameters are those of the tests."""

    EXPECTED: tuple = (Expected("sum", 3.0, 0.5, "reference", "ones add up", ("alexnet",)),)

    def figures(self, findings, settings):
        (line,) = super().figures(findings, settings)
        lines = [
            Drawing(kind, "A caption.", "An alt.", line.draw, "A finding.", live_page.FIGURES[kind])
            for kind in KINDS
        ]
        return (line, *lines)


KINDS = list(live_page.FIGURES)
PROVENANCE = {
    "network": "alexnet",
    "weights": {"sha256": "0" * 64, "source": "file.pth from the Python package thing"},
    "quick": True,
    "seed": 0,
    "started": "2000-01-01T00:00:00+00:00",
    "seconds": 1.0,
    "peak_memory_mb": 10.0,
    "devices": ["A processor, 2 cores", "another"],
    "commit": "abc",
    "versions": {"numpy": "1"},
    "backend": "tensorflow",
    "fingerprint": "f",
}
FACTS = {"word": "three", "rows": ["one", "two"], "kinds": KINDS, "more": {"deep": ["text", 1, None]}}


@pytest.fixture(scope="module", autouse=True)
def part_with_a_template(tmp_path_factory):
    """The report's templates and one more."""
    folder = tmp_path_factory.mktemp("program") / "templates"
    shutil.copytree(templates(), folder)
    (folder / "parts" / "fake.html").write_text(TEMPLATE)
    with pytest.MonkeyPatch.context() as patch:
        for module in (page, environment):
            patch.setattr(module, "templates", lambda: folder)
        yield


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """An output folder with the fake part's result and figures."""
    out = tmp_path_factory.mktemp("drawn")
    part = Part()
    result = PartResult(
        "fake",
        "done",
        {"sum": Number(3.0, "px", "squeezenet", (2.9, 3.1), 3), "other": Number(7, "s")},
        facts=FACTS,
        settings=asdict(part.SETTINGS),
        provenance=PROVENANCE,
    )
    store = Store(out)
    said = []
    publish.draw(store, part, store.save(result, {"ones": np.ones(3)}), said.append)
    assert said == []
    return out


@pytest.fixture
def out(drawn, tmp_path):
    shutil.copytree(drawn, tmp_path / "out")
    return tmp_path / "out"


def plant(out, content):
    """Store a result as one who knows all hashes would."""
    content.pop("sha256", None)
    for figure in content.get("figures", ()):
        for name, hashed in (("path", "sha256"), ("live", "live_sha256")):
            if (
                isinstance(figure.get(name), str)
                and (out / "figures/fake" / figure[name].rpartition("/")[2]).is_file()
            ):
                figure[hashed] = file_sha256(out / "figures/fake" / figure[name].rpartition("/")[2])
    path = out / "results" / "fake.json"
    try:
        path.write_text(json.dumps(content | {"sha256": json_sha256(content)}))
        result = PartResult.load(path)
        content["drawn"] = fingerprint.of_figures(Part(), result)
    except Exception:  # it is refused: that is the program's to say
        pass
    path.write_text(
        json.dumps(content | {"sha256": json_sha256(content)})
        if content.get("schema") == SCHEMA
        else json.dumps(content)
    )


def keep_print(out, html):
    """In place of `page.pdf`: the page that goes to WeasyPrint, where its PDF would lie."""
    return html.encode()


def published(out, capsys, exports=(), **how):
    """Everything that is written of a folder: {name: text}; "report.pdf" is the page that it is made of."""
    said = []
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "pdf", keep_print)
        patch.setattr(printing, "at_once", lambda: False)
        made = publish.publish(
            out, [Part()], lambda line: said.append(cli.printable(line)), exports=exports, **how
        )
    cli._print_summary(made, list(made.results))
    cli._print_files(made)
    terminal = capsys.readouterr()
    return {
        "terminal": "\n".join([*said, terminal.out, terminal.err]),
        **{path.name: path.read_text(encoding="utf-8") for path in made.files},
        **{name: (out / name).read_text(encoding="utf-8") for name in ("manifest.json", "grades.json")},
        "status": made.results["fake"].status,
        "reason": made.results["fake"].reason,
    }


ALLOWED = {f"https://doi.org/{each.doi}" for each in REFERENCES.values()} | {
    f"https://arxiv.org/abs/{each.arxiv}" for each in REFERENCES.values()
}
OURS = (
    "html|head|body|meta|title|style|script|link|div|main|nav|header|section|aside|p|span|small|b|i|u|em|strong|a|sup|"
    "sub|code|pre|br|hr|h[1-6]|ul|ol|li|dl|dt|dd|details|summary|figure|figcaption|table|caption|thead|tbody|tr|th|td|"
    "bdi|img|input|output|label|abbr|blockquote"
)
SVG = "svg|g|defs|clipPath|path|rect|use|image|text|tspan"
MATHML = (
    "math|m(row|i|n|o|text|space|frac|sqrt|root|sub|sup|subsup|under|over|underover|style|padded|table|tr|td)"
)
NAMESPACES = {
    "http://www.w3.org/1999/xhtml": OURS,
    "http://www.w3.org/2000/svg": SVG,
    "http://www.w3.org/1998/Math/MathML": MATHML,
}


def sinks(html, allowed=ALLOWED, scripts=()):
    """What an HTML page holds that it should not, as the parser of the standard reads it."""
    found = []
    for element in tinyhtml5.parse(html).iter():
        if not isinstance(element.tag, str):
            if element.text:  # the doctype has none
                found.append(f"comment {element.text[:40]}")
            continue
        space, _, name = element.tag[1:].partition("}")
        if not re.fullmatch(NAMESPACES.get(space, ""), name):
            found.append(f"<{name}>")
        if name == "script" and (element.text or "") not in scripts:
            found.append(f"script {(element.text or '')[:40]}")
        for attribute, value in element.attrib.items():
            attribute = str(attribute).rpartition("}")[2].lower()
            if attribute.startswith("on") or attribute in (
                "autofocus",
                "formaction",
                "action",
                "srcdoc",
                "srcset",
                "ping",
            ):
                found.append(f"{name} {attribute}={value[:40]}")
            if attribute == "http-equiv" and value != "Content-Security-Policy":
                found.append(f"meta {value}")
            if attribute == "style" and re.search(r"url\((?!#)|expression|@import|\\", value):
                found.append(f"{name} style={value[:60]}")
            if attribute in ("href", "src", "xlink:href", "data", "poster", "background"):
                good = {
                    "a": value.startswith("#") or value in allowed,
                    "use": value.startswith("#"),
                    "link": value == "data:,",
                }.get(name, re.match("data:image/(png|webp|jpeg);base64,", value))
                if not good:
                    found.append(f"{name} {attribute}={value[:60]}")
    return found


def check_print(html, allowed):
    """The page on paper has no scripts, and shows figures from their one folder, and formulas as drawings."""
    begin, end = html.index("<style>"), html.index("</style>")
    assert html.count("<style>") == 1
    formulas = re.findall(r'src="data:image/svg\+xml;base64,([\w+/=]+)"', html)
    for formula in set(formulas):
        for element in ElementTree.fromstring(base64.b64decode(formula).decode()).iter():
            assert re.fullmatch(r"\{http://www\.w3\.org/2000/svg\}(svg|g|path|rect|symbol|use)", element.tag)
            for name, value in element.attrib.items():
                assert not name.startswith("on")
                assert "href" not in name or value.startswith("#")
                assert "url(" not in value
    rest = [
        each
        for each in sinks(html[:begin] + html[end + 8 :], allowed)
        if not re.match(
            r"img src=(figures/fake/[\w-]+\.(svg|png|jpg|webp)$|data:image/svg\+xml;base64,)", each
        )
    ]
    assert rest == []


def check_data(texts):
    """manifest.json and grades.json are strict JSON, say nothing to a terminal, and name files of the folder only."""
    for name in ("manifest.json", "grades.json"):
        assert not re.search(r"[^\n\x20-\x7e\u00a0-\uffff]|[\u2028-\u202e]", texts[name]), name

        def refuse(constant):
            raise AssertionError(constant)

        value = json.loads(texts[name], parse_constant=refuse)
        assert json.dumps(value) != "{}"
    for entry in json.loads(texts["manifest.json"])["parts"]:
        assert entry["part"] == "fake"
        assert entry["status"] in ("done", "failed", "not run")
        for file in entry["files"]:
            assert re.fullmatch(
                r"results/fake\.json|arrays/fake\.npz|figures/fake/[\w-]+(\.live\.json|\.svg|\.png|\.webp|\.jpg)",
                file,
            )
    for verdict in json.loads(texts["grades.json"])["verdicts"]:
        assert (verdict["part"], verdict["number"]) == ("fake", "sum")
        assert verdict["status"] in ("pass", "fail", "missing", "not comparable")


def check(texts, allowed=ALLOWED):
    """Nothing of a publication runs, leads out, or speaks to the terminal."""
    check_print(texts["report.pdf"], allowed)
    check_data(texts)
    html = texts["report.html"]
    assert "54439" not in re.sub(r"base64,[\w+/=]+", "", html)  # 7777 * 7
    assert html.count("<style>") == 1
    begin, end = html.index("<style>"), html.index("</style>")
    assert html[begin + 7 : end].startswith("@font-face")
    assert sinks(html[:begin] + html[end + 8 :], allowed, page._scripts()) == []
    assert html.index("Content-Security-Policy") < html.index("<title>")
    controls = re.findall(
        r"[^\x20-\x7e\n\u00a0-\u1fff\u2010-\u2027\u202f-\u2060\u2070-\ufffd\U00010000-\U0010ffff]",
        texts["terminal"],
    )
    assert controls == [], texts["terminal"]
    assert not re.search("[\u202a-\u202e]", texts["terminal"])
    for text in (texts.get("report.md", ""), *notebook_texts(texts.get("report.ipynb", '{"cells": []}'))):
        shown = (
            MarkdownIt("commonmark", {"html": True})
            .enable("table")
            .render(re.sub(r"data:image/[\w+]+;base64,[\w+/=]+", "data:image/png;base64,", text))
        )
        rest = [
            each
            for each in sinks(shown, allowed)
            if not re.match(
                r"img src=(figures/fake/[\w.-]+|report_pictures/\w+\.\w+|attachment:[\w.]+)$", each
            )
        ]
        assert rest == []


def notebook_texts(text):
    """The notebook's texts, after a look at its code: calls whose arguments are literals, whatever strings say."""
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
        elif source.startswith("compare("):
            (statement,) = ast.parse(source).body
            assert (type(statement.value), statement.value.func.id) == (ast.Call, "compare")
            for argument in statement.value.args:
                ast.literal_eval(argument)


def leaves(value, path=()):
    """The places of all strings in a JSON value; a key's place ends in None."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield (*path, key, None)
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from leaves(each, (*path, index))
    elif isinstance(value, str):
        yield path


def put(value, path, payload):
    """The value with a payload at a place."""
    value = json.loads(json.dumps(value))
    within = value
    for step in path[: -2 if path[-1] is None else -1]:
        within = within[step]
    if path[-1] is None:
        within[payload] = within.pop(path[-2])
    else:
        within[path[-1]] = payload
    return value


STRUCTURE = (
    "part",
    "status",
    "path",
    "live",
    "sha256",
    "live_sha256",
    "drawn",
    "started",
    "arrays",
    "kinds",
    "fingerprint",
)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_word_of_a_result_at_once(out, capsys, payload):
    content = json.loads((out / "results/fake.json").read_text())
    places = [place for place in leaves(content) if place[-1] is not None and not set(STRUCTURE) & set(place)]
    assert len(places) > 30
    for place in places:
        content = put(content, place, payload)
    for name in ("other",):
        content["numbers"][payload] = content["numbers"].pop(name)
    content["facts"]["more"][payload] = 1
    content["facts"]["kinds"] = ["wipe"]  # drawings are slow to export
    plant(out, content)
    texts = published(out, capsys, EXPORTS)
    check(texts)
    if payload.isprintable() and "\ud800" not in payload:
        assert texts["status"] == "done", texts["reason"]


POLYGLOTS = (
    "\"'--></style></title><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\u202e{{ 7777 * 7 }}",
    "javascript:alert(1)",
    "../../../etc/passwd",
)


@pytest.mark.parametrize("payload", POLYGLOTS)
def test_every_string_and_key_of_a_result_one_by_one(out, capsys, payload):
    content = json.loads((out / "results/fake.json").read_text())
    content["facts"]["kinds"] = ["wipe"]
    content["figures"] = [
        figure for figure in content["figures"] if "line" in figure["path"] or "wipe" in figure["path"]
    ]
    plant(out, content)
    assert published(out, capsys)["status"] == "done"
    for place in [*leaves(content)]:
        plant(out, put(content, place, payload))
        check(published(out, capsys))
        assert sorted(path.name for path in out.parent.iterdir()) == ["out"]


@pytest.mark.parametrize("payload", [POLYGLOTS[0], "red;background:url(//evil.example/x)"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_string_of_what_a_browser_shows(out, capsys, kind, payload):
    path = out / "figures" / "fake" / f"{kind}.live.json"
    content, result = json.loads(path.read_text()), json.loads((out / "results/fake.json").read_text())
    result["facts"]["kinds"] = [kind]
    seen = set()
    for place in leaves(content):
        shape = tuple("#" if isinstance(step, int) else step for step in place)
        if shape in seen:  # of a list the first says it all
            continue
        seen.add(shape)
        path.write_text(json.dumps(put(content, place, payload)))
        plant(out, result)
        check(published(out, capsys))


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<g onload="alert(1)"/>',
        '<a xlink:href="javascript:alert(1)"><text>a</text></a>',
        '<image xlink:href="https://evil.example/x.png"/>',
        '<use xlink:href="data:image/svg+xml;base64,AAAA#a"/>',
        '<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="https://evil.example"/></foreignObject>',
        '<animate attributeName="href" values="javascript:alert(1)"/>',
        '<rect style="fill:url(https://evil.example/#a)"/>',
        "<style>@import url(//evil.example);</style>",
        '<handler type="text/javascript">alert(1)</handler>',
        '<text id="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;">&lt;script&gt;alert(1)&lt;/script&gt;</text>',
    ],
)
def test_a_drawing_with_more_in_it_than_a_drawing(out, capsys, hostile):
    path = out / "figures/fake/line.svg"
    path.write_text(path.read_text().replace("</svg>", hostile + "</svg>"))
    plant(out, json.loads((out / "results/fake.json").read_text()))
    texts = published(out, capsys)
    check(texts)
    assert "has no <" in texts["reason"] or texts["status"] == "done" or "drawing" in texts["reason"], texts[
        "reason"
    ]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_authors_own_files(out, capsys, tmp_path, payload):
    answers = tmp_path / "answers"
    answers.mkdir()
    text = (
        f"{payload}\n\n# {payload}\n\n- {payload}\n\n> [{payload}](<{payload}>) ![{payload}](a.png) ${payload}$\n\n"
        f"|{payload}|\n|-|\n|{payload}|\n\n```{payload}\n{payload}\n```\n"
    )
    (answers / "fake.md").write_bytes(text.encode("utf-8", "surrogatepass"))
    file = io.BytesIO()
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(file, "png")
    (answers / "a.png").write_bytes(file.getvalue())
    try:
        name = re.sub(r"[/\0]", "_", payload)[:100]
        (answers / f"{name}.md").write_text("a")
        (answers / f"{name}.png").write_bytes(file.getvalue())
    except (OSError, UnicodeEncodeError):
        pass
    content = json.loads((out / "results/fake.json").read_text())
    content["facts"]["kinds"] = []
    plant(out, content)
    person = Personal(payload, payload, (payload, payload), (payload, payload), payload, payload)
    if "\ud800" in payload:
        person = Personal()  # the file's reader does not let it through
    texts = published(out, capsys, EXPORTS, answers=answers, personal=person)
    check(texts, ALLOWED | {"https://evil.example/x.png"})  # that may be linked to, which is no request


ACTIONS = (
    "/JS",
    "/JavaScript",
    "/Launch",
    "/AA",
    "/OpenAction",
    "/EmbeddedFiles",
    "/EmbeddedFile",
    "/RichMedia",
)
ACTIONS += (
    "/GoToR",
    "/GoToE",
    "/SubmitForm",
    "/ImportData",
    "/AcroForm",
    "/XFA",
    "/Rendition",
    "/Movie",
    "/Sound",
)


def dictionaries(pdf):
    """All dictionaries of a PDF, whether anything leads to them or not."""
    waiting = [*pdf.objects, pdf.trailer]
    while waiting:
        value = waiting.pop()
        if isinstance(value, pikepdf.Array):
            waiting += [each for each in value if not getattr(each, "is_indirect", False)]
        if isinstance(value, pikepdf.Dictionary | pikepdf.Stream):
            yield value
            waiting += [each for _, each in value.items() if not getattr(each, "is_indirect", False)]


def pdf_sinks(pdf, allowed=ALLOWED):
    """What a PDF holds that acts, or leads out of it."""
    found = []
    for value in dictionaries(pdf):
        for key, each in value.items():
            if key in ACTIONS or (key in ("/S", "/Subtype") and str(each) in ACTIONS):
                found.append(f"{key} {each!r}"[:80])
            if key == "/URI" and isinstance(each, pikepdf.String) and str(each) not in allowed:
                found.append(f"/URI {each}"[:80])
            if key == "/F" and str(value.get("/Type")) == "/Filespec":
                found.append(f"file {each}"[:80])
    return found


@pytest.mark.parametrize(
    "payload", [*POLYGLOTS, "https://evil.example/x.png", r"\href{javascript:alert(1)}{x}"]
)
def test_the_pdf_acts_on_nothing_and_leads_nowhere_else(out, payload):
    pytest.importorskip("weasyprint")
    content = json.loads((out / "results/fake.json").read_text())
    for place in [
        place for place in leaves(content) if place[-1] is not None and not set(STRUCTURE) & set(place)
    ]:
        content = put(content, place, payload)
    content["facts"]["kinds"] = ["wipe"]
    plant(out, content)
    made = publish.publish(out, [Part()], lambda line: None)
    assert made.results["fake"].status == "done", made.results["fake"].reason
    with pikepdf.open(out / "report.pdf") as pdf:
        assert pdf_sinks(pdf) == []
        assert any("/URI" in value for value in dictionaries(pdf)), "the works that are cited can be followed"
        assert pdf.docinfo["/Title"] == "Inside convolutional networks"


def test_what_acts_in_a_pdf_is_found():
    """The search above, on a PDF that has it all."""
    pdf = pikepdf.new()
    page_of_it = pdf.add_blank_page()
    page_of_it["/Annots"] = pikepdf.Array(
        [
            pikepdf.Dictionary(
                A=pikepdf.Dictionary(S=pikepdf.Name.URI, URI=pikepdf.String("https://evil.example"))
            )
        ]
    )
    pdf.Root["/OpenAction"] = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=pikepdf.String("app.alert(1)"))
    found = " ".join(pdf_sinks(pdf))
    for what in ("/OpenAction", "/JavaScript", "/JS", "/URI https://evil.example"):
        assert what in found


def test_what_is_marked_as_safe_is_known():
    """Every place at which escaping is switched off, with why it may be."""
    places = []
    for path in sorted(templates().rglob("*.html")):
        places += [
            (path.name, found)
            for found in re.findall(r"\{\{[^}]*\| *safe *\}\}", path.read_text(encoding="utf-8"))
        ]
        assert not re.search(r"autoescape|\|\s*safe\s*\|", path.read_text(encoding="utf-8"))
        # A message that is looked up is markup to Jinja: none may come from a stored file.
        assert not re.search(
            r"""\b_\((?!["'])""", re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.S)
        ), path
    assert places == [
        ("atlas-head.html", "{{ css | safe }}"),  # a stylesheet, fonts and palette: files of the program
        ("atlas.html", "{{ scripts[0] | safe }}"),  # text of the program
        ("atlas.html", "{{ scripts[1] | safe }}"),  # atlas.js: a file of the program
        ("base.html", "{{ css | safe }}"),  # report.css, live.css, fonts and palette: files of the program
        ("base.html", "{{ scripts[0] | safe }}"),  # files of the program
        ("base.html", "{{ script | safe }}"),  # the same
    ]
    markups = []
    for path in sorted(PACKAGE.rglob("*.py")):
        markups += [
            (path.name, found)
            for found in re.findall(r"Markup\((?!['\"])[^\n]*", path.read_text(encoding="utf-8"))
        ]
    assert markups == [
        # Written by markdown-it's renderer, which escapes, and by our methods, which format into literals.
        ("answers.py", "Markup(markdown.renderer.render(self.tokens, markdown.options, env))"),
        # XML of allowed elements and attributes, serialised again; or an <img> of escaped text and base 64.
        ("page.py", 'Markup(draw(latex, display=display, **({"said": said} if said else {})))'),
        # XML of allowed elements and attributes, serialised again.
        ("page.py", 'Markup(inline.svg_for_screen(svg, f"{identifier}-", file.alt))'),
    ]
