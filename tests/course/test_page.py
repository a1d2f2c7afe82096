import io
import re
from dataclasses import replace

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image, ImageFile

from tests.browser import DESKTOP, PHONE, browser, violations  # noqa: F401
from tfviz.course import page, rubric
from tfviz.course.measuring import thumbnail
from tfviz.course.rows import Graded, Picture, Row
from tfviz.course.twins import Twins

USUAL = rubric.load()
HOSTILE = "<script>alert(1)</script>\" onload='x' {{ 7*7 }} &amp; javascript:"
PICTURE = Picture("conv1_units", "picture_0", thumbnail(np.full((224, 224, 3), 0.5, np.float32)))


def row(number, verdict="borne out", status="pass", **more):
    about = {
        "claimed": 62.5,
        "measured": 62.0,
        "expected": 62.038,
        "tolerance": 0.005,
        "network": "squeezenet",
    }
    return Row("Dana", "conv1_units", number, verdict=verdict, status=status, **{**about, **more})


def graded(name, *rows, **more):
    return USUAL.apply(Graded(name, rows, **more).named(name))


def submissions():
    rows = [row(f"number_{count}") for count in range(30)]
    reasons = [
        row(f"forged_{count}", "not borne out", "fail", reason=f"far off: {HOSTILE}", theirs=True)
        for count in range(3)
    ]
    return [
        graded("Dana Levi", *rows, pictures=(PICTURE,) * 20),
        graded(
            "דנה לוי", *reasons, row("alone", status="fail", comparison="at most"), *rows, pictures=(PICTURE,)
        ),
        graded(HOSTILE, row(HOSTILE, "not borne out", reason=HOSTILE), notes=(HOSTILE,)),
        graded("Cohen_LATE_12_3", *rows),
        Graded("Refused", refused=HOSTILE, out_of=100),
    ]


TWINS = (
    Twins(("Dana Levi", "Cohen_LATE_12_3"), ("conv1_units",), True, "one run"),
    Twins(("Dana Levi", HOSTILE), ("conv1_units",), False, "the same arrays"),
)


@pytest.fixture(scope="module")
def html():
    return page.render(submissions(), USUAL, TWINS)


@pytest.fixture(scope="module")
def soup(html):
    return BeautifulSoup(html, "html.parser")


def test_no_script_and_no_address_leads_out(html, soup):
    assert soup.find_all(["script", "iframe", "object", "embed", "form", "base"]) == []
    assert [name for tag in soup.find_all(True) for name in tag.attrs if name.startswith("on")] == []
    addresses = [tag[name] for tag in soup.find_all(True) for name in ("href", "src") if name in tag.attrs]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    policy = soup.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none';img-src data:;style-src 'unsafe-inline'")
    assert "script" not in policy
    assert "url(" not in html
    assert "@import" not in html


def test_words_of_a_submission_are_shown_as_they_are(html, soup):
    assert "<script>alert" not in html
    assert soup.find("section", id="s3").h2.bdi.text == HOSTILE
    assert soup.find("section", id="s5").p.text == f"Not graded: {HOSTILE}"
    assert f"not borne out: far off: {HOSTILE}" in " ".join(soup.find("section", id="s2").text.split())
    assert "7*7" in soup.text


def test_pictures_are_encoded_by_us_and_few(soup):
    images = [image["src"] for image in soup.find("section", id="s1").find_all("img")]
    assert len(images) == 8
    assert all(re.fullmatch(r"data:image/webp;base64,[A-Za-z0-9+/=]+", image) for image in images)
    assert len(images[0]) < 4000
    assert all(image["alt"] for image in soup.find_all("img"))


def written(image, kind):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"<svg onload=alert(1)>", written(Image.new("RGB", (8, 8)), "GIF"), written(Image.new("L", (4000, 4)), "PNG"),
     PICTURE.png[:60]],
    ids=["nothing", "svg", "gif", "large", "cut"],
)  # fmt: skip
def test_what_is_no_thumbnail_of_ours_is_left_out(data, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as WeasyPrint leaves it
    html = page.render([graded("a", pictures=(Picture("conv1_units", "x", data),))], USUAL, ())
    assert "<img" not in html


def test_what_is_not_borne_out_stands_first_and_numbers_of_one_reason_together(soup):
    lines = soup.find("section", id="s2").table.tbody.find_all("tr")
    assert [" ".join(line.th.text.split()) for line in lines] == [
        "What a first-layer unit likes best: 3 numbers",
        "What a first-layer unit likes best: alone (SqueezeNet 1.1)",
    ]
    assert "forged_2" in lines[0].text
    cells = [cell.text.strip() for cell in lines[1].find_all("td")]
    assert cells[:3] == ["62.5", "62", "≤ 62.038"]


def test_what_the_hand_in_kept_from_being_measured_has_a_line():
    own = row("own", "cannot be measured", theirs=True, reason="settings of their own")
    lacking = row("lacking", "cannot be measured", reason="no weights here")
    html = page.render([graded("a", own, lacking)], USUAL, ())
    lines = BeautifulSoup(html, "html.parser").find("section", id="s1").table.tbody.find_all("tr")
    assert ["settings of their own" in line.text for line in lines] == [True]


def test_the_table_counts_and_marks(soup):
    lines = soup.table.tbody.find_all("tr")
    found = {line.a.text: [cell.text.strip() for cell in line.find_all("td")] for line in lines}
    assert found["Dana Levi"][1:] == ["0", "30", "0", "0", "30", "0", "the same as another’s"]
    assert found["דנה לוי"][1:] == ["0", "31", "3", "0", "30", "4", ""]
    assert found["Cohen_LATE_12_3"][0] == "0"
    assert found["Cohen_LATE_12_3"][-1] == "the same as another’s late"
    assert found["Refused"][-1] == "not graded"
    assert [line["class"][1:] for line in lines] == [
        ["twin"],
        ["doubtful"],
        ["doubtful"],
        ["twin"],
        ["refused"],
    ]


def test_twins_are_linked_and_honest_likeness_stands_apart(soup):
    (certain,) = soup.find("h2", id="twins").parent.find_all("li")
    assert [(link["href"], link.text) for link in certain.find_all("a")] == [
        ("#s1", "Dana Levi"),
        ("#s4", "Cohen_LATE_12_3"),
    ]
    assert "one run" in certain.text
    assert "the same arrays" in soup.find("details", class_="twins").text
    ids = [tag["id"] for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_a_hundred_submissions_make_a_page_of_a_few_megabytes():
    rows = [
        replace(row(f"n{count}"), part=part, verdict="cannot be measured", reason="a duration " * 9)
        for part in USUAL.parts
        for count in range(30)
    ]
    many = [graded(f"s{count}", *rows, pictures=(PICTURE,) * 24) for count in range(100)]
    assert len(page.render(many, USUAL, ()).encode()) < 3_000_000


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(browser, tmp_path, viewport, scheme):  # noqa: F811
    path = page.write(submissions(), USUAL, TWINS, tmp_path)
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    shown = context.new_page()
    requests, said = [], []
    shown.on("request", lambda request: requests.append(request.url))
    shown.on("console", lambda message: said.append(message.text))
    shown.goto(path.as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    visible = (
        "[...document.querySelectorAll('section.one')].filter(e => e.checkVisibility()).map(e => e.id).join()"
    )
    shown.click("text=with numbers that are not borne out")
    assert shown.evaluate(visible) == "s2,s3"
    shown.check("#show-refused")
    assert shown.evaluate(visible) == "s5"
    shown.check("#show-fine")
    assert shown.evaluate(visible) == ""
    shown.check("#show-all")
    assert shown.evaluate(visible) == "s1,s2,s3,s4,s5"
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert said == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_for_everybody(browser, tmp_path, scheme):  # noqa: F811
    path = page.write(submissions(), USUAL, TWINS, tmp_path)
    context = browser.new_context(viewport=DESKTOP, color_scheme=scheme, bypass_csp=True)
    shown = context.new_page()
    shown.goto(path.as_uri())
    shown.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
    assert violations(shown) == []
    context.close()
