import base64
import json
import re
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote

import pytest
from bs4 import BeautifulSoup

from tests.atlas import made
from tests.browser import DESKTOP, PHONE, browser, violations  # noqa: F401
from tests.hebrew import english_in
from tfviz import language
from tfviz.atlas import page, table
from tfviz.errors import BadFileError
from tfviz.files.atomic import UNFINISHED

HOSTILE = (
    "</script><script>parent.done=1</script>\"'><img src=x onerror=parent.done=1>/{{ 7*7 }}/../__proto__"
    + "WithoutAnEnd" * 6
)
LAYERS = {"conv1": 20, "base/conv5_block3": 30, "שכבה": 4}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return written(tmp_path_factory.mktemp("atlas"), LAYERS, size=(64, 80), missing=(3, 5, 6, 7))


def written(out, layers, **more):
    made.atlas(out, layers, **{"pool": 6, "size": (32, 32), **more})
    page.write(out)
    return out


def folder(out, layer):
    return out / "page" / page.folder_name(layer)


def said(path):
    """What a file hands to the page."""
    text = path.read_bytes().decode("ascii")
    assert text.startswith("atlas(")
    assert text.endswith(")\n")
    return json.loads(text[len("atlas(") : -2])


def soup(out):
    return BeautifulSoup((out / "atlas.html").read_text(encoding="utf-8"), "html.parser")


def content(address):
    kind, _, data = address.partition(",")
    assert kind == "data:image/webp;base64"
    return base64.b64decode(data, validate=True)


def test_pictures_are_taken_out_as_they_are_stored(out):
    for row in table.rows(out):
        place = folder(out, row["layer"])
        shown = said(place / f"{row['unit']}.js")
        assert (place / f"{row['unit']}.webp").read_bytes() == row["drawings"][0]
        assert shown["drawings"][0]["picture"] is None
        assert content(shown["drawings"][1]["picture"]) == row["drawings"][1]
        patches = [content(each["picture"]) for each in shown["exemplars"]]
        assert patches == [each["patch"] for each in row["exemplars"]]


def one_unit(out, **row):
    """What the page says of a single unit."""
    written(out, {"conv1": 1}, change=lambda each: {**each, **row})
    return said(folder(out, "conv1") / "0.js")


def test_numbers_of_a_unit(tmp_path):
    shown = one_unit(
        tmp_path,
        activation=62.0382,
        activation_other=[-0.5],
        best_picture=31.0191,
        bound=124.0764,
        agreement=0.876,
        seconds=3.14159,
        field={"rows": 11, "columns": 7},
        incoming=[{"layer": "a", "unit": 3, "weight": 0.25}, {"layer": "b", "unit": 4, "weight": -0.125}],
        neighbours=[{"unit": 9, "correlation": 0.5}],
        exemplars=[
            {"picture": "a.png", "activation": 31.0191, "row": 2, "column": 5, "patch": made.picture(made_up(), 8, 8)}
        ],
    )  # fmt: skip
    assert [each["said"] for each in shown["drawings"]] == ["62.04", "−0.5000"]
    assert shown["bars"] == [
        {"name": "drawing", "said": "62.04", "share": 50},
        {"name": "picture", "said": "31.02", "share": 25},
        {"name": "bound", "said": "124.1", "share": 100},
    ]
    assert shown["facts"] == {
        "ratio": "2",
        "agreement": "0.88",
        "field": "11 × 7",
        "recipe": "fourier",
        "seconds": "3.1",
    }
    assert shown["incoming"] == [
        {"layer": "a", "unit": 3, "said": "+0.250"},
        {"layer": "b", "unit": 4, "said": "−0.125"},
    ]
    assert shown["neighbours"] == [{"layer": "conv1", "unit": 9, "said": "+0.500"}]
    (exemplar,) = shown["exemplars"]
    assert [exemplar[name] for name in ("name", "said", "row", "column")] == ["a.png", "31.02", 2, 5]


def made_up():
    import numpy as np

    return np.random.default_rng(0)


NOTHING = {"best_picture": None, "bound": None, "agreement": None, "seconds": None, "field": None}


@pytest.mark.parametrize(
    ("row", "bars", "ratio"),
    [
        ({"activation": 0.0, "best_picture": 0.0, "bound": None}, [("0", 0), ("0", 0)], None),
        ({"activation": -2.0, "best_picture": -1.0, "bound": None}, [("−2", 0), ("−1", 0)], None),
        ({"activation": float("nan"), "best_picture": float("inf"), "bound": None}, [], None),
        ({"activation": 3.0, **NOTHING}, [("3", 100)], None),
        ({"activation": -3.0, "best_picture": 2.0, "bound": None}, [("−3", 0), ("2", 100)], "−1.50"),
    ],
)
def test_a_unit_of_which_little_is_known(tmp_path, row, bars, ratio):
    shown = one_unit(tmp_path, **row, exemplars=[], neighbours=[])
    assert [(bar["said"], bar["share"]) for bar in shown["bars"]] == bars
    assert shown["facts"]["ratio"] == ratio
    assert shown["exemplars"] == shown["incoming"] == shown["outgoing"] == shown["neighbours"] == []


def test_orders_are_highest_first_and_name_only_who_has_the_number(tmp_path):
    numbers = {
        0: {"activation": 5.0, "best_picture": 1.0, "agreement": None},
        1: {"activation": 9.0, "best_picture": 3.0, "agreement": 0.5},
        2: {"activation": float("nan"), "best_picture": 1.0, "agreement": 0.75},
        3: {"activation": 7.0, "best_picture": 0.0, "agreement": None},
        4: {"activation": 3.0, "best_picture": 3.0, "agreement": None},
    }
    written(tmp_path, {"conv1": 5}, change=lambda row: {**row, **numbers[row["unit"]]})
    assert said(folder(tmp_path, "conv1") / "layer.js") == {
        "units": [0, 1, 2, 3, 4],
        "orders": {
            "ratio": {"said": ["5", "3", None, None, "1"], "order": [0, 1, 4]},
            "agreement": {"said": [None, "0.500", "0.750", None, None], "order": [2, 1]},
            "activation": {"said": ["5", "9", None, "7", "3"], "order": [1, 3, 0, 4]},
        },
    }
    about = " ".join(soup(tmp_path).find(id="conv1").find(class_="about").text.split())
    assert about == (
        "5 of 5 units are drawn. Each sees 32 × 32 pixels; the network’s pictures have 224 × 224. The drawing excites "
        "3 of 4 more than the best of 1000 pictures does. Agreement of drawings and pictures: 0.62 at the median."
    )


def test_a_field_larger_than_the_pictures_is_not_said_to_be_seen(tmp_path):
    written(tmp_path, {"deep": 1}, size=(300, 224))
    about = " ".join(soup(tmp_path).find(id="deep").find(class_="about").text.split())
    assert (
        "The receptive field has 300 × 224 pixels, no fewer than the network’s pictures, 224 × 224." in about
    )
    assert "Each sees" not in about


def test_what_has_not_changed_is_not_taken_out_again(tmp_path, monkeypatch):
    written(tmp_path, {"conv1": 40, "conv2": 8})
    taken = []
    write_unit = page._write_unit

    def noted(place, row, chunk):
        taken.append((row["layer"], row["unit"]))
        write_unit(place, row, chunk)

    monkeypatch.setattr(page, "_write_unit", noted)
    # The plain pages are written again: what they say of other layers, and in which language, may be new.
    before = {path: path.read_bytes() for path in tmp_path.glob("page/*/*.[jw]*")}
    assert len(before) == 2 * (40 + 8) + 2
    page.write(tmp_path)
    assert taken == []
    (folder(tmp_path, "conv1") / "17.webp").unlink()
    page.write(tmp_path)
    assert taken == [("conv1", unit) for unit in range(16, 32)]
    taken.clear()
    random = made_up()
    row = made.row("conv2", 0, [made.picture(random, 32, 32)], random)
    table.write(tmp_path, table.Atlas.open(tmp_path).layers[1].chunks[0], [row])
    page.write(tmp_path)
    assert taken == [("conv2", 0)]
    assert (folder(tmp_path, "conv2") / "0.webp").read_bytes() == row["drawings"][0]
    assert sorted(path.name for path in folder(tmp_path, "conv2").iterdir()) == [
        *("0.js", "0.webp", "layer.js", "units-0.html"),
    ]
    after = {path: path.read_bytes() for path in before if "conv1" in path.parent.name}
    assert after == {path: before[path] for path in after}


def test_what_is_no_longer_of_the_atlas_goes_and_nothing_else(tmp_path):
    written(tmp_path, {"conv1": 20, "conv2": 8})
    (tmp_path / "page" / "mine").mkdir()
    (tmp_path / "page" / "mine" / "1.webp").write_text("x")
    (folder(tmp_path, "conv1") / "notes.txt").write_text("x")
    (folder(tmp_path, "conv1") / f"{UNFINISHED}x-3.webp").write_text("half of it")
    written(tmp_path, {"conv1": 10})
    names = {page.folder_name("conv1"), "made.json", "mine"}
    assert {path.name for path in (tmp_path / "page").iterdir()} == names
    assert (tmp_path / "page" / "mine" / "1.webp").exists()
    kept = {path.name for path in folder(tmp_path, "conv1").iterdir()}
    assert kept == {
        "layer.js",
        "notes.txt",
        "units-0.html",
        *(f"{unit}.{kind}" for unit in range(10) for kind in ("js", "webp")),
    }


@pytest.mark.parametrize("change", [{"data": {"label": "x"}}, {"recipe": ["x"]}, {"versions": 3}])
def test_an_atlas_that_lacks_what_is_shown_is_named(tmp_path, change):
    made.atlas(tmp_path, {"conv1": 1}, pool=1, size=(8, 8))
    path = tmp_path / "atlas.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}))
    with pytest.raises(BadFileError, match=r"atlas\.json is no atlas of this version .*"):
        page.write(tmp_path)
    assert not (tmp_path / "atlas.html").exists()


def test_an_altered_chunk_is_missing_and_said_to_be(tmp_path):
    written(tmp_path, {"conv1": 20})
    atlas = table.Atlas.open(tmp_path)
    path = table.chunk_path(tmp_path, atlas.layers[0].chunks[1])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    page.write(tmp_path)
    assert len(said(folder(tmp_path, "conv1") / "layer.js")["units"]) == 16
    shown = soup(tmp_path).find(id="conv1")
    assert "16 of 20 units are drawn." in shown.text
    assert "Asked for and not drawn: 16–19." in shown.find(class_="warm").text


def test_what_is_missing_is_said_with_the_reason(tmp_path):
    def failed(layers):
        return {layers[0].chunks[0]: "its worker died three times", made.key_of("of another run"): "no"}

    written(tmp_path, {"conv1": 20}, missing=(3, 5, 6, 7), failed=failed)
    words = " ".join(soup(tmp_path).find(class_="warm").text.split())
    assert words == "Asked for and not drawn: 3, 5–7. its worker died three times"


def test_a_picture_that_is_none_names_its_chunk(tmp_path):
    change = {"drawings": [b"<svg xmlns='http://www.w3.org/2000/svg'/>"]}
    made.atlas(tmp_path, {"conv1": 1}, pool=1, size=(8, 8), change=lambda row: {**row, **change})
    with pytest.raises(BadFileError, match=r"chunks/[0-9a-f]{64}\.parquet holds a picture that is none"):
        page.write(tmp_path)


def test_no_atlas_no_page(tmp_path):
    with pytest.raises(BadFileError, match=r"atlas\.json is not there"):
        page.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("units", "words"), [([], ""), ([4], "4"), ([7, 3, 5, 6], "3, 5–7"), (range(384), "0–383")]
)
def test_ranges(units, words):
    assert page.ranges(units) == words


def test_names_of_folders_are_safe_and_differ():
    names = [
        "conv1", "Conv1", "base/conv1", "base-conv1", "..", ".", "", "/etc/passwd", "שכבה", "CON", "a" * 300,
        "a\0b", "a\nb", HOSTILE, "\U0001f600", "conv1 ",
    ]  # fmt: skip
    found = [page.folder_name(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{11,60}", name) for name in found)
    assert found[0].startswith("conv1-")


def hostile(out):
    """Every string of an atlas hostile; the layer has units 0 and 1."""
    layer = f"conv{HOSTILE}"

    def change(row):
        exemplars = [{**each, "picture": HOSTILE} for each in row["exemplars"]]
        weights = [{"layer": name, "unit": 0, "weight": 1.0} for name in (HOSTILE, layer)]
        return {**row, "exemplars": exemplars, "incoming": weights, "outgoing": weights, "recipe": HOSTILE}

    return layer, written(
        out,
        {layer: 2, "__proto__": 1, "constructor": 1},
        change=change,
        network=HOSTILE,
        weights_sha256=HOSTILE,
        recipe={HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}, None, True, 0.5]},
        data={"label": HOSTILE, "pictures": 1000, "sha256": HOSTILE},
        program=HOSTILE,
        versions={HOSTILE: HOSTILE},
        missing=(1,),
        failed=lambda layers: {layers[0].chunks[0]: HOSTILE},
    )


def test_hostile_words_stay_words(tmp_path):
    layer, out = hostile(tmp_path)
    shown = soup(out)
    assert [script.get("type") for script in shown.find_all("script")] == [None, "application/json", None]
    assert [name for tag in shown.find_all(True) for name in tag.attrs if name.startswith("on")] == []
    assert shown.find_all(["iframe", "object", "embed", "base", "style"]) == shown.find_all("style")
    images = {image["src"] for image in shown.find_all("img")}
    assert images == {f"page/{page.folder_name(name)}/0.webp" for name in (layer, "__proto__", "constructor")}
    item = shown.find("li", id=layer)
    assert item.h2.text == layer
    assert HOSTILE in item.find(class_="warm").text
    facts = shown.find("dl", class_="facts").text
    assert facts.count(HOSTILE) == 11
    assert [each["name"] for each in json.loads(shown.find_all("script")[1].string)] == [
        layer,
        "__proto__",
        "constructor",
    ]
    assert said(folder(out, layer) / "0.js")["exemplars"][0]["name"] == HOSTILE
    plain = BeautifulSoup((folder(out, layer) / "units-0.html").read_text(encoding="utf-8"), "html.parser")
    assert plain.find_all(["script", "iframe", "object", "embed", "base"]) == []
    assert [name for tag in plain.find_all(True) for name in tag.attrs if name.startswith("on")] == []
    assert {image["src"] for image in plain.find_all("img")} == {"0.webp"}
    assert plain.h2.text == f"{layer}/0"
    assert plain.find("dd", string=re.compile("onerror")) or HOSTILE in plain.dl.text


def test_the_policy_lets_in_what_the_page_has_and_nothing_else(out):
    shown = soup(out)
    policy = shown.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    rules = dict(rule.split(" ", 1) for rule in policy.split(";"))

    def hashed(text):
        return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"

    scripts = [script.string for script in shown.find_all("script") if not script.get("type")]
    assert rules == {
        "default-src": "'none'",
        "img-src": "'self' file: data:",
        "font-src": "data:",
        "style-src": hashed(shown.style.string),
        "script-src": f"{' '.join(map(hashed, scripts))} 'strict-dynamic'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "atlas",
    }
    assert shown.find_all(style=True) == []
    addresses = [tag[name] for tag in shown.find_all(True) for name in ("href", "src") if name in tag.attrs]
    assert all(address.startswith(("#", "page/")) or address == "data:," for address in addresses)


def test_in_hebrew_nothing_is_said_in_english(out):
    with language.use("he"):
        atlas = table.Atlas.open(out)
        html = page.render(atlas, [])
        page.write(out)
        whole = (out / "atlas.html").read_text(encoding="utf-8")
    page.write(out)
    assert '<html lang="he" dir="rtl">' in html
    assert english_in(html) == []
    assert english_in(whole) == []


@pytest.fixture
def opened(browser):  # noqa: F811
    """opened(folder, address): its page; nothing may come from elsewhere, and nothing may be complained of."""
    watched = []

    def open_page(out, hash_="", **options):
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        shown = context.new_page()
        requests, complaints = [], []
        shown.on("request", lambda request: requests.append(request.url))
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto((out / "atlas.html").as_uri() + hash_)
        watched.append((context, out, requests, complaints))
        return shown

    yield open_page
    for context, out, requests, complaints in watched:
        assert [url for url in requests if not url.startswith((out.as_uri(), "data:"))] == []
        assert complaints == []
        context.close()


def until(shown, expression):
    """Wait for an expression to hold; Playwright's own way of waiting is kept out by the page's policy."""
    for _ in range(200):
        if shown.evaluate(expression):
            return
        shown.wait_for_timeout(50)
    pytest.fail(f"ten seconds went by without {expression}; at {shown.url}")


def at(shown, heading, hash_=None):
    until(
        shown,
        f"document.querySelector('main > section:not([hidden]) h1').textContent === {json.dumps(heading)}",
    )
    if hash_ is not None:
        assert shown.evaluate("decodeURIComponent(location.hash)") == hash_


def focused(shown):
    return shown.evaluate("document.activeElement.textContent.trim()")


def test_by_keyboard_alone(opened, out):
    shown = opened(out)
    at(shown, "Atlas of AlexNet")
    shown.keyboard.press("/")
    shown.keyboard.type("block3")
    shown.keyboard.press("Enter")
    at(shown, "base/conv5_block3", "#base/conv5_block3")
    until(shown, "document.querySelector('.wall a')")
    shown.locator(".layer [type=checkbox]").focus()
    shown.keyboard.press("Tab")
    assert focused(shown) == "0"
    for key, unit in (
        ("ArrowRight", 1),
        ("ArrowDown", 13),
        ("ArrowLeft", 12),
        ("ArrowUp", 0),
        ("End", 29),
        ("Home", 0),
    ):
        shown.keyboard.press(key)
        assert focused(shown) == str(unit), key
    shown.keyboard.press("ArrowUp")
    assert focused(shown) == "0"
    shown.keyboard.press("End")
    shown.keyboard.press("Enter")
    at(shown, "base/conv5_block3/29", "#base/conv5_block3/29")
    assert focused(shown) == "base/conv5_block3/29"
    shown.keyboard.press("ArrowRight")  # there is none
    shown.keyboard.press("ArrowLeft")
    at(shown, "base/conv5_block3/28", "#base/conv5_block3/28")
    assert shown.title() == "base/conv5_block3/28 – Atlas of AlexNet"
    shown.keyboard.press("Escape")
    at(shown, "base/conv5_block3")
    assert focused(shown) == "28"
    shown.keyboard.press("Tab")  # one stop in the whole wall
    assert shown.evaluate("!document.querySelector('.wall').contains(document.activeElement)")
    shown.keyboard.press("Escape")
    at(shown, "Atlas of AlexNet")
    assert focused(shown) == "base/conv5_block3"
    shown.go_back()
    at(shown, "base/conv5_block3")
    assert shown.evaluate(
        "[...document.querySelectorAll('.wall [tabindex=\"0\"]')].map(a => a.hash).join()"
    ) == ("#base/conv5_block3/28")


def test_the_key_without_another_can_be_turned_off(opened, out):
    shown = opened(out)
    at(shown, "Atlas of AlexNet")
    shown.uncheck("footer [type=checkbox]")
    shown.locator("h1:visible").focus()
    shown.keyboard.press("/")
    assert focused(shown) == "Atlas of AlexNet"
    shown.reload()
    at(shown, "Atlas of AlexNet")
    assert not shown.is_checked("footer [type=checkbox]")
    shown.check("footer [type=checkbox]")
    shown.locator("h1:visible").focus()
    shown.keyboard.press("/")
    assert shown.evaluate("document.activeElement.type") == "search"


def headings(shown):
    return shown.locator("h1:visible").all_inner_texts()


def test_two_units_beside_each_other(opened, out):
    shown = opened(out, "#conv1/4")
    at(shown, "conv1/4")
    assert headings(shown) == ["conv1/4"]
    shown.click("text=Compare with another unit")
    at(shown, "conv1", "#conv1")
    assert (
        shown.locator(".kept").inner_text().startswith("What you choose is shown beside \u2068conv1/4\u2069.")
    )
    shown.fill("[type=search]", "שכבה/2")
    shown.keyboard.press("Enter")
    until(shown, "document.querySelectorAll('.unit article').length === 2")
    assert headings(shown) == ["conv1/4", "שכבה/2"]
    assert shown.evaluate("decodeURIComponent(location.hash)") == "#conv1/4,שכבה/2"
    assert shown.title() == "conv1/4, שכבה/2 – Atlas of AlexNet"
    assert focused(shown) == "שכבה/2"
    first, second = (said(folder(out, *unit[:1]) / f"{unit[1]}.js") for unit in (("conv1", 4), ("שכבה", 2)))
    for article, data in zip(shown.locator(".unit article").all(), (first, second), strict=True):
        assert article.locator(".bars .n").all_inner_texts() == [each["said"] for each in data["bars"]]
        assert article.locator(".exemplars bdi").first.inner_text() == data["exemplars"][0]["name"]
    shown.keyboard.press("ArrowRight")  # the second moves, the first stays
    until(shown, "decodeURIComponent(location.hash) === '#conv1/4,שכבה/3'")
    shown.go_back()
    until(shown, "decodeURIComponent(location.hash) === '#conv1/4,שכבה/2'")
    shown.click("text=Stop comparing")
    at(shown, "שכבה/2", "#שכבה/2")
    assert headings(shown) == ["שכבה/2"]
    assert not shown.locator(".kept").is_visible()
    shown.evaluate("location.hash = '#conv1/5'")
    at(shown, "Not in this atlas")
    shown.evaluate("location.hash = '#conv1/5,conv1/4'")
    at(shown, "Not in this atlas")


def test_bars_of_two_units_of_a_layer_have_one_scale(opened, tmp_path):
    activations = {0: 10.0, 1: 40.0}

    def change(row):
        return {**row, "activation": activations[row["unit"]], "best_picture": 5.0, "bound": None}

    # A comma in the name of a layer is not the one between two units.
    shown = opened(written(tmp_path, {"a,b/1": 2}, change=change), "#a,b/1/0,a%2Cb/1/1")
    until(shown, "document.querySelectorAll('.unit article').length === 2")
    assert headings(shown) == ["a,b/1/0", "a,b/1/1"]
    widths = [bar.bounding_box()["width"] for bar in shown.locator(".bars i:visible").all()]
    assert [width / max(widths) for width in widths] == pytest.approx([0.25, 0.125, 1, 0.125], abs=0.02)


def test_a_link_and_pictures_are_taken_along(opened, out, tmp_path):
    shown = opened(out, "#base/conv5_block3/4", permissions=["clipboard-read", "clipboard-write"])
    at(shown, "base/conv5_block3/4")
    shown.click("text=Copy the link")
    until(shown, "document.querySelector('.unit [aria-live]').textContent === 'Copied'")
    assert shown.evaluate("navigator.clipboard.readText()") == shown.url
    row = next(row for row in table.rows(out, ["base/conv5_block3"]) if row["unit"] == 4)
    saves = shown.locator(".drawings a")
    assert saves.evaluate_all("links => links.map(link => link.download)") == [
        f"base-conv5_block3-4-{number}.webp" for number in (1, 2)
    ]
    assert content(saves.last.get_attribute("href")) == row["drawings"][1]
    with shown.expect_download() as download:
        saves.last.click()
    assert download.value.path().read_bytes() == row["drawings"][1]
    assert saves.first.get_attribute("href").endswith(f"/{page.folder_name('base/conv5_block3')}/4.webp")


def test_a_unit_by_its_address_loads_no_wall(opened, out):
    shown = opened(out, "#base/conv5_block3/29")
    at(shown, "base/conv5_block3/29")
    shown.wait_for_timeout(300)
    assert shown.locator(".wall a").count() == 0
    shown.evaluate("location.hash = ''")
    at(shown, "Atlas of AlexNet")
    shown.evaluate("location.hash = '#base/conv5_block3'")
    at(shown, "base/conv5_block3")
    until(shown, "document.querySelectorAll('.wall a').length === 30")
    assert shown.locator(".wall [tabindex='0']").count() == 1


def test_search(opened, out):
    shown = opened(out, "#base/conv5_block3")
    at(shown, "base/conv5_block3")
    find = shown.locator("[type=search]")

    def results(text):
        find.fill(text)
        return shown.locator("form li").all_inner_texts()

    assert results("17") == ["base/conv5_block3/17", "conv1/17"]  # the layer that is shown comes first
    assert results("CONV") == ["conv1", "base/conv5_block3"]
    assert results("conv1/17") == ["conv1/17"]
    assert results("conv1 4") == ["conv1/4"]
    assert results("5") == ["base/conv5_block3", "base/conv5_block3/5"]  # conv1/5 is not drawn
    assert results("שכבה/3") == ["שכבה/3"]
    assert results("conv1/99") == results("nothing") == []
    assert shown.locator("form p").inner_text() == "Nothing found"
    find.fill("17")
    find.press("ArrowDown")
    shown.keyboard.press("ArrowDown")
    shown.keyboard.press("Enter")
    at(shown, "conv1/17", "#conv1/17")
    assert find.input_value() == ""
    shown.keyboard.press("/")
    shown.keyboard.type("1")
    shown.keyboard.press("Escape")
    assert shown.locator("form li").count() == 0
    at(shown, "conv1/17", "#conv1/17")


def test_sorted_and_turned_round(opened, tmp_path):
    numbers = {0: 2.0, 1: float("nan"), 2: 4.0, 3: 3.0}

    def change(row):
        return {**row, "activation": numbers[row["unit"]], "best_picture": 1.0, "agreement": None}

    shown = opened(written(tmp_path, {"conv1": 4}, change=change), "#conv1")
    at(shown, "conv1")

    def tiles():
        return [re.sub(r"\s+", " ", text).strip() for text in shown.locator(".wall a").all_inner_texts()]

    until(shown, "document.querySelectorAll('.wall a').length === 4")
    assert tiles() == ["0", "1", "2", "3"]
    shown.select_option("select", "activation")
    until(shown, "document.querySelector('.wall a').hash === '#conv1/2'")
    assert tiles() == ["2 4", "3 3", "0 2", "1"]
    shown.check(".layer [type=checkbox]")
    until(shown, "document.querySelector('.wall a').hash === '#conv1/0'")
    assert tiles() == ["0 2", "3 3", "2 4", "1"]
    assert shown.evaluate("[...document.querySelectorAll('option')].map(o => o.disabled).join()") == (
        "false,false,true,false"
    )
    shown.click(".wall a >> nth=1")  # the units beside are those beside it in this order
    at(shown, "conv1/3")
    assert shown.locator("nav a").all_inner_texts() == ["‹ 0", "Units of \u2068conv1\u2069", "2 ›"]


def test_evidence(opened, out):
    shown = opened(out, "#conv1/4")
    at(shown, "conv1/4")
    data = said(folder(out, "conv1") / "4.js")
    until(shown, "[...document.images].filter(i => i.checkVisibility()).every(i => i.complete)")
    visible = "[...document.querySelectorAll('.unit img')]"
    assert shown.evaluate(f"{visible}.every(i => i.naturalWidth === 80 && i.naturalHeight === 64)")
    assert shown.evaluate(f"{visible}.slice(0, 2).map(i => i.alt)") == [
        f"Drawing \u2068{number}\u2069 for \u2068conv1/4\u2069" for number in (1, 2)
    ]
    bars = shown.locator(".bars tr").all()
    assert [bar.locator(".n").inner_text() for bar in bars] == [each["said"] for each in data["bars"]]
    widths = [bar.locator("i").bounding_box()["width"] for bar in bars]
    shares = [each["share"] for each in data["bars"]]
    assert widths == pytest.approx([share * max(widths) / max(shares) for share in shares], abs=1)
    links = shown.locator(".outgoing .links > *").all()
    assert len(links) == 6
    for link, each in zip(links, data["outgoing"], strict=True):
        assert link.inner_text().split() == [f"base/conv5_block3/{each['unit']}", each["said"]]
        # A number is not broken.
        assert link.locator("bdi").first.inner_html() == f"base/<wbr>conv5_<wbr>block3/<wbr>{each['unit']}"
    neighbours = shown.locator(".neighbours .links > *")
    # Of a unit that is not in the atlas only the name.
    assert [each.evaluate("e => e.tagName") for each in neighbours.all()] == [
        "SPAN" if each["unit"] in (3, 5, 6, 7) else "A" for each in data["neighbours"]
    ]
    assert not shown.locator(".incoming").is_visible()
    assert shown.locator(".lacks").inner_text().endswith("Strongest weights that come in.")
    links[0].click()
    at(shown, f"base/conv5_block3/{data['outgoing'][0]['unit']}")


@pytest.mark.parametrize(
    "hash_", ["#conv1/3", "#conv1/99", "#conv9", "#conv1/", "#conv1/4/", "#%E0%A4%A", "#conv1/04x"]
)
def test_addresses_that_lead_nowhere(opened, out, hash_):
    shown = opened(out, hash_)
    at(shown, "Not in this atlas")
    shown.keyboard.press("Escape")
    at(shown, "Atlas of AlexNet")


def test_from_a_server(browser, out):  # noqa: F811
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(out))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        shown, complaints = browser.new_page(), []
        shown.on("console", lambda message: complaints.append(message.text))
        shown.goto(f"http://127.0.0.1:{server.server_port}/atlas.html#conv1/4")
        at(shown, "conv1/4")
        until(
            shown, "[...document.images].filter(i => i.checkVisibility()).every(i => i.naturalWidth === 80)"
        )
        assert complaints == []
        shown.close()
        server.shutdown()


def test_a_file_that_is_missing(browser, tmp_path):  # noqa: F811
    out = written(tmp_path, {"conv1": 4})
    (folder(out, "conv1") / "2.js").unlink()
    shown = browser.new_page()
    shown.goto((out / "atlas.html").as_uri() + "#conv1/2")
    at(shown, "Not in this atlas")
    shown.evaluate("location.hash = '#conv1/1'")
    at(shown, "conv1/1")


def test_hostile_words_in_a_browser(opened, tmp_path):
    layer, out = hostile(tmp_path)
    shown = opened(out, "#__proto__/0")
    at(shown, "__proto__/0")
    shown.evaluate("location.hash = ''")
    shown.click("ol.layers h2 a >> nth=0")
    at(shown, layer)
    shown.click(".wall a")
    at(shown, f"{layer}/0", f"#{layer}/0")
    assert shown.locator(".exemplars bdi").first.inner_text() == HOSTILE
    assert shown.locator(".links .absent bdi").first.inner_text() == f"{HOSTILE}/0"
    shown.fill("[type=search]", HOSTILE)
    assert shown.locator("form li").all_inner_texts() == [layer]
    assert shown.evaluate("window.done === undefined && document.querySelectorAll('script').length === 3")
    shown.set_viewport_size(PHONE)
    for view, hash_ in (("home", ""), ("layer", layer), ("unit", f"{layer}/0")):
        shown.evaluate(f"location.hash = {json.dumps(quote(hash_))}")
        until(shown, f"document.querySelector('section.{view}').checkVisibility()")
        assert shown.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.parametrize(
    "attack",
    [
        "document.body.innerHTML = '<img src=x onerror=parent.done=1>'",
        "document.body.setAttribute('onclick', 'parent.done=1')",
        "document.head.append(Object.assign(document.createElement('script'), { src: 'evil.js' }))",
        "trustedTypes.createPolicy('atlas', { createHTML: text => text })",
    ],
)
def test_the_policy_stops_what_gets_past_the_rest(browser, out, attack):  # noqa: F811
    shown = browser.new_page()
    shown.goto((out / "atlas.html").as_uri() + "#conv1/4")
    at(shown, "conv1/4")
    assert (
        shown.evaluate(f"(() => {{ try {{ {attack}; }} catch (e) {{ return e.name; }} }})()") == "TypeError"
    )


def test_a_wall_holds_the_tiles_near_the_window(opened, tmp_path):
    out = written(tmp_path, {"conv1": 1000}, size=(8, 8), pool=2)
    shown = opened(out, "#conv1", viewport=PHONE)
    at(shown, "conv1")
    until(shown, "document.fonts.status === 'loaded'")
    tall = shown.evaluate("document.documentElement.scrollHeight")
    for share in (0.3, 0.6, 1.0):
        shown.evaluate(f"scrollTo(0, {share} * document.documentElement.scrollHeight)")
        # One of the two points is not between two rows of tiles.
        until(shown, "[400, 420].some(y => document.elementFromPoint(60, y)?.closest('.wall a'))")
        until(shown, f"document.querySelectorAll('.wall a').length <= {8 * 24}")
        assert shown.evaluate("document.documentElement.scrollHeight") == tall
    until(shown, "[...document.querySelectorAll('.wall a')].some(a => a.hash === '#conv1/999')")
    columns = shown.evaluate("new Set([...document.querySelectorAll('.wall a')].map(a => a.offsetLeft)).size")
    assert columns == 4


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("code", ["en", "he"])
def test_for_everybody(browser, out, viewport, code):  # noqa: F811
    with language.use(code):
        page.write(out)
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
        shown = context.new_page()
        for hash_ in ("", "#base/conv5_block3", "#base/conv5_block3/4", "#conv9"):
            shown.goto("about:blank")
            shown.goto((out / "atlas.html").as_uri() + hash_)
            until(shown, "!document.documentElement.classList.contains('waiting')")
            assert violations(shown) == []
            assert shown.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        context.close()
    page.write(out)


def test_arrows_follow_the_direction_of_the_text(browser, out):  # noqa: F811
    with language.use("he"):
        page.write(out)
    shown = browser.new_page(viewport=DESKTOP)
    shown.goto((out / "atlas.html").as_uri() + "#base/conv5_block3/4")
    at(shown, "base/conv5_block3/4")
    before, after = (shown.locator(f"nav .{name}").bounding_box()["x"] for name in ("before", "after"))
    assert before > after
    shown.keyboard.press("ArrowLeft")
    at(shown, "base/conv5_block3/5")
    shown.keyboard.press("Escape")
    at(shown, "base/conv5_block3")
    shown.keyboard.press("ArrowLeft")
    assert focused(shown) == "6"
    page.write(out)


def test_plain_pages_have_every_unit_and_lead_to_each_other(tmp_path):
    missing = (3, 96)
    out = written(tmp_path, {"conv1": 100, "b c": 30}, missing=missing)
    pages = {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(out.glob("page/*/units-*.html"))
    }
    assert [path.name for path in pages] == ["units-0.html", "units-0.html", "units-1.html"]
    units = {
        (path.parent.name, int(each["id"]))
        for path, shown in pages.items()
        for each in shown.find_all("article")
    }
    assert units == {
        *((page.folder_name("conv1"), unit) for unit in range(100) if unit not in missing),
        *((page.folder_name("b c"), unit) for unit in range(30)),
    }
    leads = [(out / "atlas.html", link["href"]) for link in soup(out).select(".layers a")]
    leads += [(path, link["href"]) for path, shown in pages.items() for link in shown.find_all("a")]
    assert len(leads) > 2 + 24 + 128 * (1 + 9)
    for path, address in leads:
        file, _, unit = address.partition("#")
        target = (path.parent / file).resolve()
        assert target.is_file(), address
        if unit:
            assert pages[target].find("article", id=unit), address
    for row in table.rows(out, ["b c"]):
        shown = said(folder(out, "b c") / f"{row['unit']}.js")
        (article,) = pages[folder(out, "b c") / "units-0.html"].find_all("article", id=str(row["unit"]))
        facts = dict(zip((dt.text for dt in article.find_all("dt")), article.find_all("dd"), strict=True))
        bars = (
            "activation of the drawing",
            "activation of the best picture",
            "activation that no picture can exceed",
        )
        assert [facts[name].text for name in bars] == [each["said"] for each in shown["bars"]]
        assert facts["agreement"].text == shown["facts"]["agreement"]
        strongest = " ".join(facts["Strongest weights that come in"].text.split())
        assert strongest == "; ".join(f"conv1/{each['unit']} {each['said']}" for each in shown["incoming"])
        names = " ".join(facts["Pictures that excite it most"].text.split())
        assert names == "; ".join(f"{each['name']} {each['said']}" for each in shown["exemplars"])
    lost = re.compile(f"{page.folder_name('conv1')}/units-[01].html#(3|96)$")
    assert [link for shown in pages.values() for link in shown.find_all("a", href=lost)] == []


@pytest.mark.parametrize("code", ["en", "he"])
def test_plain_pages_for_everybody(browser, out, code):  # noqa: F811
    with language.use(code):
        page.write(out)
    path = folder(out, "שכבה") / "units-0.html"
    if code == "he":
        assert english_in(path.read_text(encoding="utf-8")) == []
    for scheme, viewport in (("light", DESKTOP), ("dark", PHONE)):
        context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
        shown = context.new_page()
        shown.goto(path.as_uri())
        assert violations(shown) == []
        assert shown.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        context.close()
    page.write(out)


def test_without_a_script_there_is_the_list(opened, out):
    shown = opened(out, java_script_enabled=False)
    assert shown.locator("ol.layers > li").count() == 3
    assert not shown.locator("form").is_visible()
    assert not shown.locator("section.unit").is_visible()
    assert shown.locator("noscript").is_visible()
    boxes = [image.bounding_box() for image in shown.locator("#conv1 img").all()]
    assert len(boxes) == 12
    assert all(box["width"] > 50 for box in boxes)
    shown.click("#conv1 h2 a")
    assert shown.locator("article").count() == 16
    shown.click("article >> nth=0 >> css=dd a >> nth=0")
    assert page.folder_name("base/conv5_block3") in shown.url
    assert all(box["width"] > 50 for box in [image.bounding_box() for image in shown.locator("img").all()])


def test_printed(browser, out, tmp_path):  # noqa: F811
    import pikepdf

    shown = browser.new_page()
    for hash_ in ("#base/conv5_block3", "#base/conv5_block3/4"):
        shown.goto("about:blank")
        shown.goto((out / "atlas.html").as_uri() + hash_)
        until(shown, "!document.documentElement.classList.contains('waiting')")
        shown.wait_for_timeout(300)
        shown.pdf(path=tmp_path / "page.pdf", format="A4")
        with pikepdf.open(tmp_path / "page.pdf") as pdf:
            count = len(pdf.pages)
            streams = [each for each in pdf.objects if isinstance(each, pikepdf.Stream)]
            pictures = sum(each.get("/Subtype") == "/Image" for each in streams)
        assert count <= 2
        assert pictures >= 6
