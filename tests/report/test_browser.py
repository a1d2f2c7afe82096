"""The live figures in a browser (see tests.browser)."""

import re
from contextlib import contextmanager

import pytest

from tests.browser import DESKTOP, PHONE, violations
from tests.report import live_page


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """Of the page, by direction of its text."""
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for direction in ("ltr", "rtl"):
        path = folder / f"{direction}.html"
        path.write_text(live_page.page(direction), encoding="utf-8")
        found[direction] = path.as_uri()
    return found


@pytest.fixture
def opened(browser, addresses):
    """opened(...): the page, in a context of its own; no request may leave it and nothing may be complained of."""

    @contextmanager
    def open_page(hash_="", *, direction="ltr", complaints=(), **options):
        context = browser.new_context(viewport=options.pop("viewport", DESKTOP), **options)
        page = context.new_page()
        requests, said = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(addresses[direction] + hash_)
        yield page
        assert [url for url in requests if not url.startswith("data:")] == [addresses[direction]]
        assert [text for text in said if not any(each in text for each in complaints)] == []
        context.close()

    return open_page


def words(locator):
    return locator.inner_text().replace("\u2068", "").replace("\u2069", "").replace("\u202f", " ")


def hash_of(page):
    return page.evaluate("location.hash")


def until(page, expression):
    """Wait for an expression to hold; Playwright's own way of waiting is kept out by the page's policy."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"five seconds went by without {expression}")


def focused(page):
    return page.evaluate("document.activeElement.tagName + ' ' + (document.activeElement.alt || '')")


def shown_frames(figure):
    """The alternative texts of the pictures that a figure of steps shows."""
    images = figure.locator(".tri img").all()
    return [image.get_attribute("alt") for image in images if image.is_visible()]


def test_the_slider_moves_all_rows_and_the_address(opened):
    with opened() as page:
        figure, other = page.locator("#steps-1"), page.locator("#steps-2")
        assert shown_frames(figure) == [f"Row {row}, step 64" for row in range(3)]
        slider = figure.locator("input")
        slider.focus()
        page.keyboard.press("ArrowLeft")
        assert shown_frames(figure) == [f"Row {row}, step 8" for row in range(3)]
        assert [words(each) for each in figure.locator(".tri p span").all()] == [
            f"activation {row}.2" for row in range(3)
        ]
        assert words(figure.locator("output")) == "step 8 of 64"
        said = slider.get_attribute("aria-valuetext").replace("\u2068", "").replace("\u2069", "")
        assert said == "step 8 of 64"
        assert hash_of(page) == "#steps-1=8"
        # By mouse: its left end.
        box = slider.bounding_box()
        page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
        assert shown_frames(figure) == [f"Row {row}, step 0" for row in range(3)]
        assert hash_of(page) == "#steps-1=0"
        assert shown_frames(other) == [f"Row {row}, step 64" for row in range(3)]


def test_an_address_brings_its_state_back(opened):
    with opened("#steps-2=8") as page:
        assert shown_frames(page.locator("#steps-2")) == [f"Row {row}, step 8" for row in range(3)]
        assert shown_frames(page.locator("#steps-1")) == [f"Row {row}, step 64" for row in range(3)]
        assert abs(page.locator("#steps-2 .live").bounding_box()["y"]) < 2
        page.evaluate("location.hash = 'map-1=2.3'")
        until(page, "document.querySelector('#map-1 .out').textContent.includes('48')")
        assert "Rows 32 to 63, columns 48 to 79" in words(page.locator("#map-1 .out"))
        page.evaluate("location.hash = 'wall-1=7'")
        until(page, "document.querySelector('#wall-1 .panel').textContent.includes('Channel 7')")
        page.evaluate("location.hash = 'matrix-1=0.2'")
        until(page, "document.querySelector('#matrix-1 .out').textContent.includes('airplane')")
        page.evaluate("location.hash = 'wipe-1=25'")
        until(page, "document.querySelector('#wipe-1 input').value === '25'")


@pytest.mark.parametrize(
    "state",
    [
        "steps-1=5",
        "steps-1=",
        "wipe-1=x",
        "map-1=a.b",
        "map-1=",
        "map-1=-3.999",
        "matrix-1=9.9",
        "matrix-1=",
        "wall-1=no",
        "nothing=1",
        "=",
        "%E0%A4%A=%",
        "steps-1",
    ],
)
def test_an_address_with_nonsense_does_no_harm(opened, state):
    with opened(f"#{state}") as page:
        page.locator("#steps-1 input").focus()
        page.keyboard.press("Home")
        assert words(page.locator("#steps-1 output")) == "step 0 of 64"
        assert page.locator("#pictures-1 img").first.get_attribute("role") == "button"


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_the_wipe_uncovers_from_left_to_right(opened, direction):
    with opened(direction=direction) as page:
        wipe = page.locator("#wipe-1 .wipe")

        def uncovered():
            return page.evaluate(
                "getComputedStyle(document.querySelector('#wipe-1 .wipe span + span')).clipPath"
            )

        assert uncovered() == "inset(0px 0px 0px 50%)"
        wipe.scroll_into_view_if_needed()
        box = wipe.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 50)
        share = float(re.search(r"([\d.]+)%", uncovered())[1])
        assert 20 <= share <= 30
        assert hash_of(page) == f"#wipe-1={share:.0f}"
        before = wipe.locator("input").input_value()
        page.keyboard.press("ArrowRight")
        assert int(wipe.locator("input").input_value()) == int(before) + 1
        line = wipe.locator("u").bounding_box()
        assert line["x"] + 1 - box["x"] == pytest.approx(box["width"] * (int(before) + 1) / 100, abs=1.5)
        assert f"{int(before) + 1} % of the width" in wipe.locator("input").get_attribute(
            "aria-valuetext"
        ).replace("\u2068", "").replace("\u2069", "").replace("\u202f", " ")
        # Focus is seen around the pair.
        assert (
            page.evaluate("getComputedStyle(document.querySelector('#wipe-1 .wipe')).outlineStyle") == "solid"
        )
        # The other pair stays.
        assert page.locator("#wipe-2 input").input_value() == "50"


def said_of(row, column):
    value = live_page.VALUES[row, column]
    percent = "< 0.1" if value < 0.0005 else "> 99.9" if value > 0.9995 else f"{100 * value:.1f}"
    place = f"Rows {16 * row} to {16 * row + 31}, columns {16 * column} to {16 * column + 31} hidden"
    other = "; the network says “water tower”, 50.0 %" if value < 0.3 else ""
    return f"{place}: “jellyfish” {percent} %{other}."


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("which", [0, 1])
def test_the_map_says_what_is_under_the_pointer(opened, direction, which):
    with opened(direction=direction) as page:
        figure = page.locator("#map-1")
        assert words(figure.locator(".out")) == said_of(0, 0)
        picture = figure.locator(".occ").nth(which)
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        for row, column in ((0, 0), (2, 3), (4, 4), (1, 2)):
            # The middle of the block, in the picture's 96 pixels.
            x, y = (
                box[at] + box["width"] * (16 * index + 16) / 96 for at, index in (("x", column), ("y", row))
            )
            page.mouse.move(x, y)
            assert words(figure.locator(".out")) == said_of(row, column)
            for occ in figure.locator(".occ").all():
                block, whole = occ.locator("u").bounding_box(), occ.bounding_box()
                assert block["x"] - whole["x"] == pytest.approx(whole["width"] * 16 * column / 96, abs=1)
                assert block["y"] - whole["y"] == pytest.approx(whole["height"] * 16 * row / 96, abs=1)
                assert block["width"] == pytest.approx(whole["width"] / 3, abs=1)
                assert block["height"] == pytest.approx(whole["height"] / 3, abs=1)
        page.mouse.move(box["x"] + 1, box["y"] + box["height"] - 1)
        assert words(figure.locator(".out")) == said_of(4, 0)
        page.mouse.down()
        assert hash_of(page) == "#map-1=4.0"
        assert words(page.locator("#map-2 .out")) == said_of(0, 0)


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_arrow_keys_move_the_block(opened, direction):
    with opened(direction=direction) as page:
        figure = page.locator("#map-1")
        figure.locator(".block").focus()
        for key, row, column in (
            ("ArrowRight", 0, 1),
            ("ArrowDown", 1, 1),
            ("ArrowDown", 2, 1),
            ("ArrowLeft", 2, 0),
            ("ArrowLeft", 2, 0),
            ("ArrowUp", 1, 0),
        ):
            page.keyboard.press(key)
            assert words(figure.locator(".out")) == said_of(row, column)
            assert hash_of(page) == f"#map-1={row}.{column}"


def test_a_finger_moves_the_block(opened):
    with opened(viewport=PHONE, has_touch=True, is_mobile=True) as page:
        picture = page.locator("#map-1 .block")
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert words(page.locator("#map-1 .out")) == said_of(2, 2)


def test_the_map_lies_where_its_blocks_have_their_middles(opened):
    with opened() as page:
        whole = page.locator("#map-1 .occ").nth(1).bounding_box()
        laid = page.locator("#map-1 .map img").bounding_box()
        scale = whole["width"] / 96
        assert laid["x"] - whole["x"] == pytest.approx(8 * scale, abs=0.5)
        assert laid["y"] - whole["y"] == pytest.approx(8 * scale, abs=0.5)
        assert laid["width"] == pytest.approx(80 * scale, abs=0.5)
        assert laid["height"] == pytest.approx(80 * scale, abs=0.5)


def test_the_matrix_says_its_cells_in_words(opened):
    with opened() as page:
        figure = page.locator("#matrix-1")
        out, cells = figure.locator(".out"), figure.locator("tbody td")
        assert words(out) == "25 of 100 pictures of “cat” are called “bird”."
        assert figure.locator(".cell img").count() == 3
        cells.nth(0).hover()
        assert words(out) == "90 of 100 pictures of “airplane” are recognised."
        assert figure.locator(".cell img").count() == 0
        # One stop for Tab, where the largest confusion is; arrows go on from there and stop at the edge.
        assert figure.locator("td[tabindex='0']").count() == 1
        figure.locator("td[tabindex='0']").focus()
        assert words(out) == "25 of 100 pictures of “cat” are called “bird”."
        for key, said in (
            ("ArrowUp", "84 of 100 pictures of “bird” are recognised."),
            ("ArrowRight", "10 of 100 pictures of “bird” are called “cat”."),
            ("ArrowRight", "10 of 100 pictures of “bird” are called “cat”."),
            ("ArrowUp", "4 of 100 pictures of “automobile” are called “cat”."),
        ):
            page.keyboard.press(key)
            assert words(out) == said
        assert figure.locator("td[tabindex='0']").count() == 1
        assert hash_of(page) == "#matrix-1=1.3"


def test_arrows_follow_the_eye_in_a_mirrored_matrix(opened):
    with opened(direction="rtl") as page:
        figure = page.locator("#matrix-1")
        figure.locator("td[tabindex='0']").focus()
        page.keyboard.press("ArrowLeft")
        assert words(figure.locator(".out")) == "75 of 100 pictures of “cat” are recognised."


def panel_of(page, name="wall-1"):
    panel = page.locator(f"#{name} .panel")
    return (
        words(panel.locator("b")),
        [image.get_attribute("alt") for image in panel.locator("img").all()],
        [words(value) for value in panel.locator("dd").all()],
    )


def test_a_tile_of_the_wall_shows_its_pictures_and_values(opened):
    with opened() as page:
        assert panel_of(page) == ("Channel 0", ["Channel 0", "fit of 0"], ["0.5", "0.0"])
        tiles = page.locator("#wall-1 .tiles a")
        own = page.locator("#wall-1 .panel img").first
        tiles.nth(3).click()
        assert panel_of(page) == ("Channel 3", ["Channel 3", "fit of 3"], ["3.5", "0.3"])
        assert own.get_attribute("src") == tiles.nth(3).locator("img").get_attribute("src")
        fit = page.locator("#wall-1 .panel img").nth(1)
        assert fit.get_attribute("src") == page.locator("#wall-1-3 img").get_attribute("src")
        assert hash_of(page) == "#wall-1=3"
        assert [tile.get_attribute("aria-selected") for tile in tiles.all()] == [
            str(k == 3).lower() for k in range(20)
        ]
        assert page.locator("#wall-1 a[tabindex='0']").count() == 1
        page.keyboard.press("ArrowRight")
        assert panel_of(page)[0] == "Channel 4"
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowDown")  # sixteen in a row
        assert panel_of(page)[0] == "Channel 19"
        page.keyboard.press("Enter")
        assert panel_of(page) == ("Channel 19", ["Channel 19", "fit of 19"], ["19.5", "0.19"])
        assert panel_of(page, "wall-2")[0] == "Channel 0"


def test_a_tile_with_a_curve_shows_it_under_its_limit(opened):
    with opened() as page:
        curve = page.locator("#wall-1 .panel .curve")
        assert curve.locator("*").count() == 0  # channel 0 has none
        page.locator("#wall-1 .tiles a").nth(8).click()
        assert words(curve.locator(".lab")) == "from 0 to 8"
        assert curve.locator("svg").get_attribute("aria-label") == "from 0 to 8"
        limit, line = (curve.locator("path").nth(k).get_attribute("d") for k in range(2))
        # 1 to 59 of a height of 60 are 16 to 0.
        assert (limit, line) == ("M0 1.0H120", "M0.0 59.0L60.0 44.5L120.0 30.0")
        page.locator("#wall-1 .tiles a").nth(9).click()
        assert curve.locator("*").count() == 0


def seen_squares(page, name="fields-1"):
    """The labels of the squares that a figure shows, and of those around which the picture is darker."""
    squares = page.locator(f"#{name} u").all()
    styles = [
        square.evaluate("u => [getComputedStyle(u).opacity, getComputedStyle(u).boxShadow]")
        for square in squares
    ]
    labels = [square.get_attribute("data-label") for square in squares]
    return (
        [label for label, (opacity, _) in zip(labels, styles, strict=True) if opacity == "1"],
        [label for label, (_, shadow) in zip(labels, styles, strict=True) if shadow != "none"],
    )


ALL_SQUARES = (["conv1", "conv2", "conv3", "pool"], [])


@pytest.mark.parametrize("scripts", [True, False], ids=["with a script", "without"])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_pointing_at_a_layer_shows_its_square_alone(opened, direction, scripts):
    with opened(direction=direction, java_script_enabled=scripts) as page:
        figure = page.locator("#fields-1")
        words_of = figure.locator("label span")
        assert seen_squares(page) == ALL_SQUARES
        words_of.nth(1).hover()
        assert seen_squares(page) == (["conv2"], ["conv2"])
        words_of.nth(4).hover()  # all of them
        assert seen_squares(page) == ALL_SQUARES
        # On the picture: the smallest square there.
        box = figure.locator("img").bounding_box()
        for row, column, label in ((48, 48, "conv1"), (30, 30, "conv2"), (14, 80, "conv3"), (94, 30, "pool")):
            page.mouse.move(box["x"] + box["width"] * column / 96, box["y"] + box["height"] * row / 96)
            assert seen_squares(page) == ([label], [label])
        page.mouse.move(box["x"] + box["width"] * 94 / 96, box["y"] + 2)  # in none
        assert seen_squares(page) == ALL_SQUARES
        # A click keeps it, until another is pointed at.
        page.mouse.click(box["x"] + box["width"] * 30 / 96, box["y"] + box["height"] * 30 / 96)
        page.mouse.move(0, 0)
        assert seen_squares(page) == (["conv2"], ["conv2"])
        words_of.nth(0).hover()
        assert seen_squares(page) == (["conv1"], ["conv1"])
        assert seen_squares(page, "fields-2") == ALL_SQUARES


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_arrow_keys_go_from_square_to_square(opened, direction):
    with opened(direction=direction) as page:
        figure = page.locator("#fields-1")
        figure.locator("label span").nth(2).hover()  # where a mouse was left does not count any more
        page.locator("#wall-2 .tiles a[tabindex='0']").focus()
        figure.locator("input:checked").focus()
        for key, squares in (
            ("ArrowDown", (["conv1"], ["conv1"])),
            ("ArrowDown", (["conv2"], ["conv2"])),
            ("ArrowUp", (["conv1"], ["conv1"])),
            ("ArrowUp", ALL_SQUARES),
        ):
            page.keyboard.press(key)
            assert seen_squares(page) == squares
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_finger_chooses_a_square(opened):
    with opened(viewport=PHONE, has_touch=True, is_mobile=True) as page:
        figure = page.locator("#fields-1")
        figure.locator("label span").nth(2).tap()
        assert seen_squares(page) == (["conv3"], ["conv3"])
        figure.locator("img").scroll_into_view_if_needed()
        box = figure.locator("img").bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert seen_squares(page) == (["conv1"], ["conv1"])


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["1280", "390"])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_squares_lie_where_the_pixels_are(opened, viewport, direction):
    with opened(direction=direction, viewport=viewport) as page:
        whole = page.locator("#fields-1 img").bounding_box()
        scale = whole["width"] / 96
        for (label, size, (row, column)), square in zip(
            live_page.LAYERS, page.locator("#fields-1 u").all(), strict=True
        ):
            box = square.bounding_box()
            assert box["x"] - whole["x"] == pytest.approx(column * scale, abs=0.6), label
            assert box["y"] - whole["y"] == pytest.approx(row * scale, abs=0.6), label
            assert box["width"] == pytest.approx(size * scale, abs=0.6), label
            assert box["height"] == pytest.approx(size * scale, abs=0.6), label
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        # The figure is no taller for a square that sticks out.
        assert page.locator("#fields-1 .fields").bounding_box()["height"] < whole["height"] + 250


def test_a_printed_page_shows_all_squares(opened):
    with opened() as page:
        page.locator("#fields-1 input").first.check()
        page.mouse.move(0, 0)
        assert seen_squares(page) == (["conv1"], ["conv1"])
        page.emulate_media(media="print")
        assert seen_squares(page) == ALL_SQUARES
        assert not page.locator("#fields-1 input").first.is_visible()


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_click_enlarges_a_picture_and_escape_closes_it(opened, motion):
    with opened(reduced_motion=motion) as page:
        picture = page.locator("#pictures-1 td img").nth(4)
        picture.scroll_into_view_if_needed()
        small = picture.bounding_box()["width"]
        picture.click()
        large = page.locator(".medium-zoom-image--opened")
        until(
            page, "document.querySelector('.medium-zoom-image--opened')?.getBoundingClientRect().height > 800"
        )
        box = large.bounding_box()
        assert box["width"] > 3 * small
        assert min(box["x"], box["y"], 1280 - box["x"] - box["width"], 900 - box["y"] - box["height"]) >= 0
        assert page.evaluate(
            "getComputedStyle(document.querySelector('.medium-zoom-overlay')).backgroundColor"
        ) == ("rgb(255, 255, 255)")
        page.wait_for_timeout(400)  # it ignores keys while it grows
        page.keyboard.press("Escape")
        large.wait_for(state="detached")
        assert focused(page) == "IMG picture 11"


def test_pictures_are_enlarged_by_keys_alone(opened):
    with opened(reduced_motion="reduce") as page:
        table = page.locator("#pictures-1")
        assert table.locator("img[tabindex='0']").count() == 1
        table.locator("img[tabindex='0']").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        assert focused(page) == "IMG picture 11"
        page.keyboard.press("Enter")
        page.locator(".medium-zoom-image--opened").wait_for()
        page.wait_for_timeout(200)
        page.keyboard.press("Escape")
        page.locator(".medium-zoom-image--opened").wait_for(state="detached")
        assert focused(page) == "IMG picture 11"
        # A frame of the steps, which is not in a table, has a stop of its own; those not shown have none.
        page.locator("#steps-1 input").focus()
        page.keyboard.press("Shift+Tab")
        assert focused(page) == "IMG Row 2, step 64"
        page.keyboard.press("Shift+Tab")
        assert focused(page) == "IMG Row 1, step 64"


def test_a_dark_page_has_its_own_colours(opened):
    colours = {}
    for scheme in ("light", "dark"):
        with opened() as page:
            page.emulate_media(color_scheme=scheme)
            colours[scheme] = page.evaluate(
                """['background-color', 'color'].map(name => getComputedStyle(document.documentElement)[name]).concat(
                    getComputedStyle(document.querySelector('.panel')).backgroundColor,
                    getComputedStyle(document.querySelector('.cm th')).color,
                    getComputedStyle(document.querySelector('.cm td[style]')).backgroundColor)"""
            )
    assert all(light != dark for light, dark in zip(colours["light"], colours["dark"], strict=True)), colours
    assert colours["dark"][0] == "rgb(20, 24, 26)"


def test_the_contents_mark_the_section_in_view_and_fold_after_a_choice(opened):
    with opened() as page:
        until(page, "document.querySelector('.toc [aria-current]')?.hash === '#first'")
        page.locator(".toc a").nth(1).click()
        until(page, "document.querySelector('.toc [aria-current]')?.hash === '#second'")
        assert page.locator(".toc [aria-current]").count() == 1
        assert page.locator(".toc details").get_attribute("open") is None


def test_no_script_but_the_pages_own_runs_and_nothing_is_fetched(opened):
    with opened(complaints=("Content Security Policy", "Failed to load resource", "violates")) as page:
        page.evaluate(
            """() => {
              const script = document.createElement('script');
              script.textContent = 'window.intruder = true';
              document.body.append(script);
            }"""
        )
        assert page.evaluate("window.intruder") is None
        assert page.evaluate("fetch('https://example.org').then(() => 'sent', () => 'refused')") == "refused"


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["1280", "390"])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_nothing_moves_while_the_page_loads(opened, viewport, direction):
    with opened(direction=direction, viewport=viewport) as page:
        page.wait_for_timeout(300)
        shift = page.evaluate(
            """new Promise(resolve => {
              let sum = 0;
              new PerformanceObserver(list => list.getEntries().forEach(entry => { sum += entry.value; }))
                .observe({ type: 'layout-shift', buffered: true });
              setTimeout(() => resolve(sum), 200);
            })"""
        )
        assert shift == 0


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["1280", "390"])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened, viewport, direction, scheme):
    # The tool itself is a script, which the page's policy keeps out.
    with opened(direction=direction, viewport=viewport, color_scheme=scheme, bypass_csp=True) as page:
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert violations(page) == []


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["1280", "390"])
def test_all_is_there_without_a_script(opened, viewport):
    with opened(java_script_enabled=False, viewport=viewport) as page:
        assert len(shown_frames(page.locator("#steps-1"))) == 12
        assert all(image.is_visible() for image in page.locator("#wipe-1 img").all())
        first, second = (each.bounding_box() for each in page.locator("#wipe-1 .wipe img").all())
        assert first["x"] + first["width"] <= second["x"]  # side by side
        assert all(image.is_visible() for image in page.locator("#pictures-1 img").all())
        assert all(image.is_visible() for image in page.locator("#wall-1 .tiles img").all())
        for hidden in (
            "input:not([type=radio])",
            "output",
            ".panel",
            ".out",
            ".cell",
            ".live u:not(.fields u)",
        ):
            assert not any(each.is_visible() for each in page.locator(hidden).all()), hidden
        table = page.locator("#map-1 .values")
        assert not table.is_visible()
        page.locator("#map-1 summary").click()
        assert table.is_visible()
        assert words(table.locator("tbody tr").nth(1).locator("td").nth(0)) == "20.8a"
        # A tile leads to its row.
        page.locator("#wall-1 .tiles a").nth(5).click()
        assert page.locator("#wall-1-5").is_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with a script", "without"])
def test_text_is_large_enough_on_a_phone_and_nothing_is_wider(opened, scripts):
    with opened(java_script_enabled=scripts, viewport=PHONE) as page:
        if scripts:
            sizes = page.evaluate(
                """[...document.querySelectorAll('.live *')].filter(each => each.childNodes.length
                  && [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim())
                  && each.tagName !== 'SUP').map(each => parseFloat(getComputedStyle(each).fontSize))"""
            )
            assert min(sizes) >= 11
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert (
            max(figure.bounding_box()["width"] for figure in page.locator("figure").all()) <= PHONE["width"]
        )


def test_small_pictures_keep_their_pixels_when_enlarged(opened):
    with opened(reduced_motion="reduce") as page:
        own = page.locator("#wall-1 .panel img").first
        own.scroll_into_view_if_needed()
        own.click()
        until(
            page, "document.querySelector('.medium-zoom-image--opened')?.getBoundingClientRect().height > 800"
        )
        assert page.evaluate(
            "getComputedStyle(document.querySelector('.medium-zoom-image--opened')).imageRendering"
        ) == ("pixelated")


def test_a_drawing_is_enlarged_by_click_and_by_key(opened):
    with opened() as page:
        box, large = page.locator("#drawing .drawn"), page.locator("dialog svg")
        assert (box.get_attribute("role"), box.get_attribute("aria-label")) == ("button", "A line that falls")
        box.click()
        assert large.bounding_box()["width"] == DESKTOP["width"] - 32
        large.click()
        assert page.locator("dialog[open]").count() == 0
        for key in ("Enter", " "):
            box.focus()
            page.keyboard.press(key)
            assert large.is_visible()
            page.keyboard.press("Escape")
            assert page.locator("dialog[open]").count() == 0
            assert page.evaluate("document.activeElement.className") == "scroll drawn"


def test_on_a_telephone_it_lies_as_wide_as_the_screen_is_high(opened):
    with opened(viewport=PHONE) as page:
        page.locator("#drawing .drawn").click()
        box = page.locator("dialog svg").bounding_box()
        assert (round(box["width"]), round(box["height"])) == (PHONE["width"] - 32, PHONE["height"] - 32)
        assert (round(box["x"]), round(box["y"])) == (16, 16)


def test_the_labels_of_a_pair_enlarge_its_pictures(opened):
    with opened(reduced_motion="reduce") as page:
        pair = page.locator("#wipe-1 .wipe")
        for image, label in zip(pair.locator("img").all(), pair.locator(".lab").all(), strict=True):
            label.click()
            page.locator(".medium-zoom-image--opened").wait_for()
            page.wait_for_timeout(200)
            assert page.locator(".medium-zoom-image--opened").get_attribute("alt") == image.get_attribute(
                "alt"
            )
            page.keyboard.press("Escape")
            page.locator(".medium-zoom-image--opened").wait_for(state="detached")
        assert pair.locator("input").input_value() == "50"
        assert hash_of(page) == ""


def test_the_keyboard_stops_at_what_can_be_scrolled_and_only_there(opened):
    stops = """[...document.querySelectorAll('.scroll:not(.drawn)')].map(
      ({ scrollWidth, clientWidth, tabIndex }) => [scrollWidth > clientWidth, tabIndex])"""
    for viewport in (DESKTOP, {"width": 200, "height": 844}):
        with opened(viewport=viewport) as page:
            page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
            page.wait_for_timeout(200)
            found = page.evaluate(stops)
            assert [(tab == 0) for _, tab in found] == [scrolls for scrolls, _ in found]
            assert any(scrolls for scrolls, _ in found) == (viewport is not DESKTOP)
