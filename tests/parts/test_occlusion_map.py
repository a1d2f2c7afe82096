from dataclasses import replace

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of
from tfviz.data.pictures import as_bytes
from tfviz.experiment.context import Inputs
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.files.program import templates
from tfviz.parts import occlusion_map as part


@pytest.fixture(scope="module")
def findings(context_on):
    return part.run(part.QUICK, context_on("squeezenet"))


def with_inputs(context, **inputs):
    return replace(context, inputs=Inputs(**inputs))


@pytest.mark.weights
def test_the_drawn_jellyfish(findings):
    """The published finding, in numbers: the probability drops where the body is."""
    numbers = findings.numbers
    assert {number.network for number in numbers.values()} == {"squeezenet"}
    assert numbers["source_probability"].value > 0.98
    assert numbers["lowest_probability"].value < 0.3
    assert numbers["lowest_decile_on_body"].value >= 0.8
    assert numbers["body_in_lowest_decile"].value > 2 * numbers["body_in_all_blocks"].value
    assert 0.2 < numbers["all_blocks_on_body"].value < 0.8  # blocks that say something by lying on the body
    assert numbers["agreement"].value > 0.6
    assert numbers["agreement_grad_cam"].value > 0.6
    result = PartResult(part.ID, "done", numbers)
    assert [grade(part.ID, expected, result).status for expected in part.EXPECTED] == ["pass"]


@pytest.mark.weights
def test_numbers_and_maps_say_the_same(findings):
    probability, facts = findings.arrays["probability"], findings.facts
    assert probability.shape == tuple(facts["blocks"]) == (13, 13)
    assert findings.numbers["lowest_probability"].value == probability.min()
    top, left = facts["corner"]
    assert probability[top // 16, left // 16] == probability.min()
    assert findings.numbers["lowest_row"].value == top + 15.5
    assert findings.numbers["lowest_column"].value == left + 15.5
    lost = findings.arrays["winners"] != 107
    assert findings.numbers["fraction_lost"].value == lost.mean()
    if not facts["more_winners"]:
        assert sum(entry["blocks"] for entry in facts["winners"]) == lost.sum()
    assert (probability[lost] <= 0.5).all()


@pytest.mark.weights
def test_the_users_picture_and_class(context_on, tmp_path):
    """A picture in place of the drawn one has no known body; the class asked for may not be what is seen."""
    from PIL import Image

    from tfviz.data.drawings import ship

    path = tmp_path / "ship.png"
    Image.fromarray(as_bytes(ship(227, 227))).save(path)
    context = with_inputs(context_on("squeezenet"), image=path, source_class=9)
    settings = part.Settings(patch=64, stride=80, fill="mean", precision="bfloat16")
    found = part.run(settings, context)
    assert found.facts["class"] == "ostrich"
    assert not found.facts["drawn"]
    assert not found.facts["seen"]
    assert found.numbers["fraction_lost"].value == 1
    assert "lowest_decile_on_body" not in found.numbers
    assert found.facts["fill"].startswith("the mean colour")
    figures = drawn(part, found, settings)
    assert list(figures) == ["heat_map", "winners", "saliency"]
    for text in (drawing.caption + drawing.alt for drawing, _ in figures.values()):
        assert "ellyfish" not in text
        assert "ostrich" in text or "gradient" in text or "wins" in text


@pytest.mark.weights
def test_another_class_of_the_drawn_jellyfish_has_no_body(context_on):
    settings = part.Settings(patch=64, stride=80)
    found = part.run(settings, with_inputs(context_on("squeezenet"), source_class=417))
    assert "lowest_decile_on_body" not in found.numbers
    assert found.facts["drawn"]


@pytest.mark.weights
def test_figures_are_drawn_from_the_findings(findings):
    assert list(drawn(part, findings, part.QUICK)) == ["heat_map", "winners", "saliency"]
    html = html_of(part, findings, part.QUICK, network="squeezenet")
    assert "Here the block has 32 × 32 pixels and moves by\n16" in html
    unbeaten = replace(findings, facts={**findings.facts, "winners": []})
    assert list(drawn(part, unbeaten, part.QUICK)) == ["heat_map", "saliency"]


def text_of(findings, settings=part.QUICK, numbers=None, **facts):
    """The page's words, some numbers and facts changed."""
    changed = {name: replace(findings.numbers[name], value=value) for name, value in (numbers or {}).items()}
    changed = replace(findings, numbers={**findings.numbers, **changed}, facts={**findings.facts, **facts})
    return " ".join(html_of(part, changed, settings, network="squeezenet").split())


@pytest.mark.weights
def test_where_the_lowest_block_lies_is_said_from_the_mask(findings):
    body, (top, left) = findings.arrays["body"], findings.facts["corner"]
    share = body[top : top + 32, left : left + 32].mean()
    assert findings.numbers["body_in_lowest_block"].value == pytest.approx(share)
    assert findings.facts["on_body"] == {"part": "bell", "side": "left of"}
    assert findings.facts["place"] == ["middle", "middle"]
    assert "level with the bell, left of its middle" in text_of(findings)
    for place, words in (
        (["middle", "middle"], "in the middle one"),
        (["upper", "right"], "in the upper right one"),
    ):
        assert words in text_of(findings, place=place)
    arms = text_of(findings, on_body={"part": "arms", "side": "at"})
    assert "level with the arms, at its middle" in arms.replace("their", "its")
    below = text_of(findings, on_body={"part": "", "side": ""})
    assert "% of it is body." in below
    beside = text_of(findings, numbers={"body_in_lowest_block": 0.0})
    assert "The block does not touch the drawn body." in beside
    assert "level with" not in beside


@pytest.mark.weights
def test_what_is_said_of_the_drop_hangs_on_the_numbers(findings):
    published, no_drop, elsewhere = (
        "where the body is, as published.",
        "hardly drops anywhere",
        "the probability drops elsewhere too",
    )
    for numbers, stands in (
        ({}, published),
        ({"lowest_probability": 0.95}, no_drop),
        ({"lowest_decile_on_body": 0.5}, elsewhere),
        ({"body_in_lowest_decile": 0.1}, elsewhere),
    ):
        text = text_of(findings, numbers=numbers)
        assert [words in text for words in (published, no_drop, elsewhere)] == [
            words == stands for words in (published, no_drop, elsewhere)
        ]
    unseen = text_of(findings, seen=False)
    assert "does not see “jellyfish” in the whole picture" in unseen
    assert "does not see" not in text_of(findings)


@pytest.mark.weights
def test_what_is_said_of_the_gradient_hangs_on_the_numbers(findings):
    signed = findings.arrays["gradient_input_signed"]
    left = np.abs(signed).sum() / (findings.arrays["gradient_input"].sum() * 32**2)
    assert findings.numbers["signed_sum_left"].value == pytest.approx(left, rel=1e-5)
    cancels = "since the gradient changes its sign from pixel to pixel"
    assert cancels in text_of(findings)
    assert cancels not in text_of(findings, numbers={"signed_sum_left": 0.8})
    for agreement, words in (
        (0.8, "orders the blocks much as"),
        (0.5, "in part"),
        (0.1, "does not order the blocks"),
    ):
        assert words in text_of(findings, numbers={"agreement": agreement, "agreement_signed": agreement})
    assert "agrees far less" in text_of(findings, numbers={"agreement": 0.8, "agreement_signed": 0.1})
    assert "agrees far less" not in text_of(findings, numbers={"agreement": 0.8, "agreement_signed": 0.7})
    assert "pairs are not independent" in text_of(findings)
    apart = replace(part.QUICK, stride=32)
    assert "pairs are not independent" not in text_of(findings, apart)


@pytest.mark.weights
def test_both_parts_speak_of_one_picture(findings, context_on):
    """The jellyfish rounded to 8 bits, as the part that changes it has it."""
    from tfviz.parts import jellyfish_to_mink

    other = jellyfish_to_mink._source(context_on("squeezenet"), (227, 227))
    np.testing.assert_array_equal(findings.arrays["picture"], other)


def test_third():
    """Of nine pixels, 0 to 2, 3 to 5 and 6 to 8; a middle between two pixels belongs to the one after."""
    words = ("first", "second", "third")
    assert [part.third(at, 9, words) for at in (0, 2, 2.5, 3, 5, 6, 8)] == [
        "first",
        "first",
        "second",
        "second",
        "second",
        "third",
        "third",
    ]
    assert part.third(-3, 9, words) == "first"
    assert part.third(12, 9, words) == "third"


def test_on_the_bell_or_on_the_arms():
    """A bell six wide in rows 1 and 2, arms two wide in row 3; nothing above and below."""
    body = np.zeros((6, 10), bool)
    body[1, 3:7] = body[2, 2:8] = body[3, 4:6] = True
    places = {(row, column): part.on_body(body, row, column) for row in range(6) for column in (2, 4.5, 7)}
    for row, name in ((1, "bell"), (2, "bell"), (3, "arms")):
        assert [places[row, column] for column in (2, 4.5, 7)] == [
            {"part": name, "side": side} for side in ("left of", "at", "right of")
        ]
    assert places[0, 2] == places[4, 4.5] == places[5, 7] == {"part": "", "side": ""}
    assert part.on_body(~body & body, 1, 1) == {"part": "", "side": ""}


def test_the_template_names_no_class_of_its_own():
    """Whose class may be any: what the project draws is the one jellyfish that may be named."""
    text = (templates() / "parts" / "occlusion_map.html").read_text(encoding="utf-8")
    assert text.count("jellyfish") == text.count("jellyfish that the project draws") == 2


def test_lowest_decile_by_hand():
    values = np.array([[5.0, 1, 7, 1], [9, 8, 1, 6], [2, 3, 4, 5]])  # 12 entries: 2 of them
    np.testing.assert_array_equal(np.argwhere(part.lowest_decile(values)), [[0, 1], [0, 3]])
    assert part.lowest_decile(np.zeros((5, 5))).sum() == 3


def test_rank_correlation_by_hand():
    """No ties: 1 - 6 sum d^2 / (n (n^2 - 1)); here the ranks differ by 0, 1, -1, 0."""
    first = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert part.rank_correlation(first, np.array([[0.1, 30.0], [20.0, 1000.0]])) == pytest.approx(
        1 - 6 * 2 / (4 * 15)
    )
    assert part.rank_correlation(first, -first) == pytest.approx(-1)
    assert part.rank_correlation(first, np.ones((2, 2))) is None
