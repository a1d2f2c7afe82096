"""The live figures' HTML, style and script, as far as they can be tried without a browser."""

import re
from html.parser import HTMLParser

import pytest

from tests.report import live_page
from tfviz.figures import live
from tfviz.files.program import templates

VOID = {"img", "input", "br", "meta", "link"}


class Tags(HTMLParser):
    """The elements of a page: (tag, attributes); fails where they do not nest."""

    def __init__(self, html):
        super().__init__()
        self.found, self._open = [], []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def all(self, tag, **attributes):
        return [
            found
            for name, found in self.found
            if name == tag and all(found.get(key.strip("_")) == value for key, value in attributes.items())
        ]


def rendered(figure, **options):
    html = live_page.figure_html(live_page.stored(figure), **options)
    return html, Tags(html)


@pytest.mark.parametrize("name", live_page.FIGURES)
def test_every_picture_has_its_size_and_words_and_every_id_is_its_own(name):
    html = "".join(
        live_page.figure_html(live_page.stored(live_page.FIGURES[name]()), identifier)
        for identifier in ("a", "b")
    )
    tags = Tags(html)
    images = tags.all("img")
    assert images
    for image in images:
        assert int(image["width"]) > 0
        assert int(image["height"]) > 0
        assert image["src"].startswith("data:image/")
        assert "alt" in image
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for _, attributes in tags.found:
        for reference in ("for", "aria-describedby"):
            assert attributes.get(reference, ids[0] if ids else None) in (ids or [None])
    (first, second) = tags.all("div", **{"class": "live"})
    assert first["role"] == "group"
    assert (first["data-live"], second["data-live"]) == ("a", "b")
    assert first["aria-label"] == "What it shows"


@pytest.mark.parametrize("name", live_page.FIGURES)
def test_names_with_markup_are_text(name):
    hostile = '<script>alert("x")</script>'
    stored = live_page.stored(live_page.FIGURES[name]())

    def spoilt(value):
        if isinstance(value, dict):
            return {
                key: hostile
                if key in ("label", "alt", "unit", "name") and isinstance(each, str)
                else spoilt(each)
                for key, each in value.items()
            }
        return [spoilt(each) for each in value] if isinstance(value, list) else value

    stored = spoilt(stored)
    if "names" in stored:
        stored["names"] = [f"{hostile}{each}" for each in stored["names"]]
    if "headings" in stored:
        stored["headings"] = [hostile] * len(stored["headings"])
    html = live_page.figure_html(stored, alt=hostile)
    tags = Tags(html)
    assert tags.all("script") == []
    assert tags.all("div", **{"class": "live"})[0]["aria-label"] == hostile


@pytest.mark.parametrize("name", live_page.FIGURES)
def test_all_words_go_through_the_catalogue(name):
    """With every message in Greek letters, what is left in Latin ones came with the figure."""
    figure = live_page.FIGURES[name]()
    stored = live_page.stored(figure)

    def greek(message):
        return re.sub(r"[A-Za-z](?![^{]*\})", "ω", message)

    def strings(value):
        if isinstance(value, dict):
            for key, each in value.items():
                yield key
                yield from strings(each) if key != "png" else ()
        elif isinstance(value, list):
            for each in value:
                yield from strings(each)
        elif isinstance(value, str):
            yield value

    own = set(re.findall(r"[A-Za-z]+", " ".join(strings(stored))))
    html = live_page.figure_html(stored, alt="Α", gettext=greek)
    said = [live_page.text_of(html)]
    for _, attributes in Tags(html).found:
        said += [
            value
            for key, value in attributes.items()
            if key in ("alt", "title", "aria-label", "data-say", "data-say-other")
        ]
    words = set(re.findall(r"[A-Za-z]+", re.sub(r"\{\w+\}", "", " ".join(said))))
    letters = {"a"} if name == "map" else set()  # the winners' letters
    assert words - own - letters == set()
    assert "ω" in html or name in ("pictures",)


def test_a_translation_may_have_quotation_marks():
    for make in live_page.FIGURES.values():
        _, tags = rendered(make(), gettext=lambda message: f'{message} "x"')
        for tag, attributes in tags.found:
            for key, value in attributes.items():
                if key.startswith("data-say") or (
                    key == "aria-label" and tag != "svg" and value != "What it shows"
                ):
                    assert value.endswith(' "x"'), (key, value)
                assert not key.startswith('x"')


def test_the_slider_has_a_stop_for_every_step_and_stands_at_the_last():
    html, tags = rendered(live_page.steps())
    (slider,) = tags.all("input")
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "3", "3")
    assert slider["data-steps"] == "0 1 8 64"
    assert slider["data-say"] == "step {step} of {last}"
    (label,) = tags.all("label")
    assert label["for"] == slider["id"] == "figure-step"
    assert [image["alt"] for image in tags.all("img")] == [
        f"Row {row}, step {step}" for row in range(3) for step in (0, 1, 8, 64)
    ]
    assert html.count('class="on"') == 3
    assert "step 64 of 64" in live_page.text_of(html)
    assert "Row 1 activation 1.3" in live_page.text_of(html)
    assert "step 8 2.2" in live_page.text_of(html)  # the frame's own value stands below its step


@pytest.mark.parametrize(
    ("rows", "columns", "on_a_phone"), [(1, 1, 1), (3, 3, 3), (4, 4, 2), (5, 5, 3), (6, 3, 3), (11, 4, 3)]
)
def test_rows_of_steps_stand_in_columns_that_fit(rows, columns, on_a_phone):
    html, _ = rendered(live_page.steps(rows))
    assert f'style="--k:4;--n:{columns};--m:{on_a_phone}"' in html


def test_steps_without_values_say_none():
    figure = live.Steps([0, 5], [live.StepsRow("one", [live_page.photograph(seed=k) for k in range(2)])])
    text = live_page.text_of(rendered(figure)[0])
    assert text.startswith("one step 0 step 5 Step")


def test_the_first_sentence_about_the_map_is_that_of_its_block():
    html, tags = rendered(live_page.block_map(first=(1, 4)))
    text = live_page.text_of(html)
    assert "Rows 16 to 47, columns 64 to 95 hidden: “jellyfish” 37.5 %." in text
    html, tags = rendered(live_page.block_map(first=(1, 2)))
    text = live_page.text_of(html)
    assert "columns 32 to 63 hidden: “jellyfish” 29.2 %; the network says “water tower”, 50.0 %." in text
    (box,) = tags.all("div", role="application")
    assert box["data-map"] == "96 96 32 16 1 2"
    assert box["data-name"] == "jellyfish"
    assert "--top:16.6666" in html
    assert "--left:33.3333" in html
    html, _ = rendered(live_page.block_map(first=(1, 2), winning=None))
    assert "29.2 %; the network says “water tower”." in live_page.text_of(html)


def test_the_maps_table_has_all_values_and_who_wins():
    _, tags = rendered(live_page.block_map())
    cells = tags.all("td")
    assert len(cells) == 25
    assert sum("data-winner" in cell for cell in cells) == 8
    assert cells[0] == {"class": "n", "data-winner": "water tower", "data-winning": "50.0"}
    assert cells[8] == {"class": "n"}
    (table,) = tags.all("table")
    assert table["dir"] == "ltr"  # as the picture


def test_a_map_that_no_other_class_wins_has_no_key_of_letters():
    figure = live_page.block_map(winners=live_page.WINNERS * 0 + 107, names={107: "jellyfish"})
    assert "most probable class there" not in rendered(figure)[0]


def test_many_winners_have_letters_of_their_own():
    winners = live_page.WINNERS * 0 + 1
    winners.flat[:25] = range(1, 26)
    names = {0: "x"} | {k: f"name {k}" for k in range(1, 30)}
    winners.flat[24] = 29
    text = live_page.text_of(rendered(live_page.block_map(winners=winners, names=names))[0])
    assert "y name 25 ; z name 26 ; aa name 27 ; bb name 28 ; cc name 29 ." in text
    assert "> 99.9 cc" in text


def test_the_matrix_tints_marks_and_names_its_cells():
    html, tags = rendered(live_page.matrix())
    cells = [cell for cell in tags.all("td") if cell]
    assert [cell.get("class") for cell in cells[:4]] == ["d", None, None, "z"]
    assert cells[2]["style"] == "--v:41%"  # 10 log2(1 + 0.08 / 0.005)
    assert [head["title"] for head in tags.all("abbr")] == list(live_page.NAMES)
    text = live_page.text_of(html)
    assert "25 of 100 pictures of “cat” are called “bird”." in text
    (table,) = tags.all("table")
    assert table["data-first"] == "3.2"
    kept = [image["alt"] for image in tags.all("img")]
    assert kept == [""] * 3 + ["a picture of “cat”, called “bird”"] * 3


def test_a_matrix_without_mistakes_speaks_of_its_first_cell():
    figure = live.Matrix(["a", "b"], [[3, 0], [0, 2]] * live_page.np.array(1))
    html, _ = rendered(figure)
    assert "3 of 3 pictures of “a” are recognised." in live_page.text_of(html)
    assert "mistaken" not in html


def test_a_table_of_pictures_has_no_empty_headings():
    html, tags = rendered(live_page.pictures())
    assert len(tags.all("th", scope="col")) == 3
    assert len(tags.all("th", scope="row")) == 2
    rows = [
        live.PicturesRow("", [live.Labelled("", live_page.photograph(), "alone")]),
        live.PicturesRow("", []),
    ]
    html, tags = rendered(live.Pictures(rows))
    assert tags.all("th") == []
    assert tags.all("thead") == []
    assert len(tags.all("td")) == 2  # the second row's is empty
    assert "labelled" not in html


def test_a_tile_links_to_its_row():
    _, tags = rendered(live_page.wall(3))
    rows = [row["id"] for row in tags.all("tr") if "id" in row]
    assert [link["href"] for link in tags.all("a")] == [f"#{row}" for row in rows]
    assert [link["data-name"] for link in tags.all("a")] == ["0", "1", "2"]


def test_squares_are_radio_buttons_with_their_words_in_one_label():
    html, tags = rendered(live_page.fields())
    radios = tags.all("input", type="radio")
    assert len(radios) == 5
    assert len({radio["name"] for radio in radios}) == 1
    assert ["checked" in radio for radio in radios] == [False] * 4 + [True]  # all of them
    assert tags.all("div", role="radiogroup")[0]["style"] == "--n:5"
    squares = tags.all("u")
    assert [square["data-label"] for square in squares] == ["conv1", "conv2", "conv3", "pool"]
    assert [square.get("class") for square in squares] == ["narrow", None, None, None]
    assert squares[1]["style"] == (
        "inline-size:41.667%;margin-block:29.167% -100%;margin-inline-start:29.167%;z-index:2;"
        "clip-path:inset(calc(-70.0% - var(--beyond)) calc(-70.0% - var(--beyond)) "
        "calc(-70.0% - var(--beyond)) calc(-70.0% - var(--beyond)))"
    )
    assert "calc(25.0% - var(--beyond))" in squares[3]["style"]  # it begins to the left of the picture
    assert "conv2 40 pixels" in live_page.text_of(html)
    other, _ = rendered(live_page.fields(), identifier="other")
    assert 'name="other-layer"' in other


def test_the_script_is_under_10_kb_and_has_no_words_of_its_own():
    script = (templates() / "script.js").read_text(encoding="utf-8")
    assert len(script.encode()) < 10_000
    strings = re.findall(r"'([^'\n]*)'", re.sub(r"//.*", "", script))
    assert not [each for each in strings if re.match("[A-Z][a-z]", each)]
    for dangerous in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "eval(",
        "document.write",
        "fetch(",
        "XMLHttp",
    ):
        assert dangerous not in script


def test_what_is_vendored_says_its_version_and_licence():
    names = sorted(path.name for path in (templates() / "vendor").iterdir())
    assert names == ["medium-zoom-1.1.0.LICENSE", "medium-zoom-1.1.0.min.js"]
    head = (templates() / "vendor" / names[1]).read_text(encoding="utf-8")[:100]
    assert head.startswith("/*! medium-zoom 1.1.0 | MIT License")
    assert "MIT" in (templates() / "vendor" / names[0]).read_text(encoding="utf-8")


def test_the_style_knows_no_left_and_right():
    """Only logical properties, so that Hebrew mirrors; the wipe's clip is in a box that runs left to right."""
    css = re.sub(r"/\*.*?\*/", "", (templates() / "live.css").read_text(encoding="utf-8"), flags=re.S)
    declarations = [each.strip() for each in re.findall(r"[{;]([^{};]+:[^{};]+)", css)]
    assert len(declarations) > 150
    physical = re.compile(
        r"(top|left|right|bottom|width|height|(min|max)-(width|height)|(margin|padding|border)-(top|left|right|bottom)"
        r"|float|text-align:\s*(left|right))\b"
    )
    media = re.compile(r"(max|min)-width:\d")
    assert [each for each in declarations if physical.match(each) and not media.match(each)] == []


def test_everything_that_the_script_changes_is_for_the_screen():
    css = (templates() / "live.css").read_text(encoding="utf-8")
    outside = re.sub(
        r"@media screen[^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}", "", re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    )
    assert [line for line in outside.splitlines() if line.startswith(".js ")] == []
