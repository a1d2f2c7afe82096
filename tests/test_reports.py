"""Grades what lies in reports/, and opens it in a browser: run the report first, then ``pytest -m results``."""

import io
import re
import shutil
from contextlib import contextmanager

import pikepdf
import pytest

from tests.browser import DESKTOP, PHONE, SHIFTS, violations
from tfviz.experiment import grading
from tfviz.experiment.store import Store
from tfviz.files.program import CHECKOUT
from tfviz.parts import PARTS

OUT = CHECKOUT / "reports"
EXPECTED = [(part.ID, expected) for part in PARTS for expected in part.EXPECTED]


@pytest.fixture(scope="module")
def results():
    found = Store(OUT).load_all([part.ID for part in PARTS])
    assert found, f"{OUT} holds no results: python run_all.py"
    return found


@pytest.mark.results
@pytest.mark.parametrize("part", [part.ID for part in PARTS])
def test_part_is_done(results, part):
    assert part in results, "never run"
    assert results[part].status == "done", results[part].reason


@pytest.mark.results
@pytest.mark.parametrize(
    ("part", "expected"), EXPECTED, ids=[f"{part}-{expected.number}" for part, expected in EXPECTED]
)
def test_number(results, part, expected):
    verdict = grading.grade(part, expected, results.get(part))
    if verdict.status == "not comparable":
        pytest.skip(verdict.reason)
    assert verdict.status == "pass", f"{verdict.measured} against {verdict.expected}: {verdict.reason}"


MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def mailed(tmp_path_factory):
    """The address of report.html alone in a folder, as from a mail attachment."""
    if not (OUT / "report.html").exists():
        pytest.fail(f"{OUT} holds no report.html: python run_all.py")
    copy = tmp_path_factory.mktemp("a mail's folder") / "my report (1).html"
    shutil.copy(OUT / "report.html", copy)
    return copy.as_uri()


@pytest.fixture
def opened(browser, mailed):
    """opened(...): the report without a network; nothing may be asked for, and nothing may be complained of."""

    @contextmanager
    def open_report(viewport=DESKTOP, **options):
        context = browser.new_context(viewport=viewport, offline=True, **options)
        page = context.new_page()
        page.set_default_timeout(10_000)
        requests, said = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.add_init_script(SHIFTS)
        page.goto(mailed)
        yield page
        assert {url for url in requests if not url.startswith("data:")} == {mailed}
        assert said == []
        context.close()

    return open_report


@pytest.mark.results
def test_the_files_are_small_enough_to_be_mailed():
    html = (OUT / "report.html").read_text(encoding="utf-8")
    assert len(html.encode()) <= 8 * MEGABYTE
    own = re.findall(r"<script>(.*?)</script>", html, re.S)[-1]
    assert "ResizeObserver" in own
    assert len(own.encode()) < 10_000
    assert (OUT / "report.pdf").stat().st_size <= 6 * MEGABYTE
    with pikepdf.open(OUT / "report.pdf") as document:
        assert len(document.pages) <= 40


@pytest.mark.results
@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["1280 light", "390 dark"]
)
def test_axe_finds_nothing(opened, viewport, scheme):
    # The tool itself is a script, which the page's policy keeps out.
    with opened(viewport, color_scheme=scheme, bypass_csp=True) as page:
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert violations(page) == []


@pytest.mark.results
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["1280", "390"])
def test_nothing_moves_while_it_is_read_and_all_pictures_are_inside(opened, viewport):
    with opened(viewport, is_mobile=viewport is PHONE) as page:
        page.wait_for_timeout(300)
        page.mouse.move(viewport["width"] / 2, viewport["height"] / 2)
        height = page.evaluate("document.documentElement.scrollHeight")
        for top in range(0, height, viewport["height"]):
            page.evaluate(f"scrollTo({{ top: {top}, behavior: 'instant' }})")
            page.wait_for_timeout(16)
        page.wait_for_timeout(300)
        assert page.evaluate("shifts") == []
        assert page.evaluate("document.documentElement.scrollHeight") == height
        assert page.evaluate("[...document.images].filter(each => !each.naturalWidth).length") == 0
        assert page.evaluate("document.images.length") > 100
        assert set(page.evaluate("[...document.fonts].map(each => each.status)")) == {"loaded"}


SMALL = """[...document.querySelectorAll('main *')].flatMap(each => {
  const words = [...each.childNodes].filter(node => node.nodeType === 3 && node.data.trim());
  if (!words.length || !each.getClientRects().length) return [];
  // In a drawing as it is drawn; a letter below another one is smaller.
  const drawn = each.closest('svg') && each.getScreenCTM();
  const size = parseFloat(getComputedStyle(each).fontSize) * (drawn ? Math.hypot(drawn.a, drawn.b) : 1);
  return size < (each.tagName === 'tspan' ? 10 : 10.99) ? [size + ' ' + each.outerHTML.slice(0, 100)] : [];
})"""
NARROW = """[...document.querySelectorAll('a, button, summary, [role=button], [role=option]')].filter(each => {
  const { width, height } = each.getBoundingClientRect();
  return width && Math.min(width, height) < 24 && getComputedStyle(each).display !== 'inline';
}).map(each => each.outerHTML.slice(0, 100))"""


@pytest.mark.results
@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_shows_it_in_full_and_large_enough(opened, width):
    with opened({"width": width, "height": 700}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(SMALL) == []
        if width == 390:
            assert page.evaluate(NARROW) == []


@pytest.mark.results
def test_the_contents_lead_everywhere_and_a_reload_stays_there(opened):
    with opened(reduced_motion="reduce") as page:
        marked = "[...document.querySelectorAll('.toc [aria-current]')].map(each => each.hash)"
        for hash_ in page.evaluate("[...document.querySelectorAll('.toc a')].map(each => each.hash)"):
            page.locator(f".toc a[href='{hash_}']").click()
            page.wait_for_timeout(100)
            assert page.evaluate(marked) == [hash_]
        assert hash_ == "#bibliography"
        # With its title where the contents led to, also after a reload.
        page.locator(".toc a").nth(2).click()
        place = "[location.hash, document.querySelector(location.hash).getBoundingClientRect().top]"
        hash_, top = page.evaluate(place)
        assert 0 <= top < 60
        page.reload()
        page.wait_for_timeout(200)
        assert page.evaluate(place) == [hash_, top]


@pytest.mark.results
def test_every_kind_of_picture_is_enlarged_and_escape_puts_it_back(opened):
    with opened(reduced_motion="reduce") as page:
        groups = page.locator("[data-zoom]:not(.panel *)").all()
        assert len(groups) > 5
        for group in groups:
            image = [each for each in group.locator("img").all() if each.is_visible()][-1]
            wipe = image.evaluate("each => !!each.closest('.wipe')")
            (image.locator("xpath=..").locator(".lab") if wipe else image).click()
            large = page.locator(".medium-zoom-image--opened")
            large.wait_for()
            page.wait_for_timeout(150)
            assert large.get_attribute("alt") == image.get_attribute("alt")
            assert large.bounding_box()["width"] >= image.evaluate("each => each.clientWidth")
            page.keyboard.press("Escape")
            large.wait_for(state="detached")
            assert image.evaluate("each => each === document.activeElement")


@pytest.mark.results
def test_the_keyboard_goes_through_it_and_sees_where_it_is(opened):
    with opened(reduced_motion="reduce") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.hash") == "#main"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") > 0
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#main"
        hidden = """(() => {
          const at = document.activeElement, pair = at.closest('.wipe') || at, box = at.getBoundingClientRect();
          const framed = [at, pair].some(each => getComputedStyle(each).outlineStyle === 'solid');
          return framed && box.bottom > 0 && box.top < innerHeight ? '' : at.outerHTML.slice(0, 100);
        })()"""
        stops = 0
        while stops < 1000:
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            stops += 1
            assert page.evaluate(hidden) == ""
        assert 100 < stops < 500


@pytest.mark.results
def test_all_is_there_without_a_script_and_in_print(opened):
    frames = "[...document.querySelectorAll('.tri img')].filter(each => each.checkVisibility()).length"
    with opened() as page:
        shown, all_of_them = page.evaluate(frames), page.locator(".tri img").count()
        assert 0 < shown < all_of_them
        page.emulate_media(media="print")
        assert page.evaluate(frames) == all_of_them
        assert page.locator(".fold dl").first.is_visible()
        assert not page.locator("nav.toc").is_visible()
        pages = pikepdf.open(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages
        assert 15 < len(pages) < 70
    with opened(java_script_enabled=False) as page:
        assert page.evaluate(frames) == all_of_them
        # What a wall's panel shows of one tile, a folded table shows of all.
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        unseen = (
            "[...document.querySelectorAll('main img:not(.panel *)')].filter(each => !each.checkVisibility())"
        )
        assert page.evaluate(f"{unseen}.length") == 0
