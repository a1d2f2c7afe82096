from dataclasses import replace

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of, text_of
from tfviz.data.pictures import as_bytes
from tfviz.experiment.context import Inputs, OwnNetwork
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.figures import live
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
    winning = findings.arrays["winner_probability"]
    np.testing.assert_array_equal(winning[~lost], probability[~lost])
    assert (winning[lost] > probability[lost]).all()
    body = findings.arrays["body"]
    on_body = [
        body[16 * row : 16 * row + 32, 16 * column : 16 * column + 32].any()
        for row, column in np.argwhere(lost)
    ]
    assert findings.numbers["lost_on_body"].value == np.mean(on_body)
    names = dict(facts["names"])
    assert names[107] == "jellyfish"
    assert set(names) == {107, *findings.arrays["winners"].ravel().tolist()}


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
    assert "lost_on_body" not in found.numbers
    figures = drawn(part, found, settings)
    assert list(figures) == ["heat_map", "saliency"]
    for text in (drawing.finding + drawing.caption + drawing.alt for drawing, _ in figures.values()):
        assert "ellyfish" not in text
        assert "ostrich" in text or "gradient" in text
    text = text_of(html_of(part, found, settings, network="squeezenet"))
    assert "the mean colour of ImageNet’s pictures" in text
    assert "The picture is the one that was given" in text
    assert "the reader has to judge from the picture" in text
    assert "jellyfish" not in text.replace("the jellyfish that the project draws", "")


@pytest.mark.weights
def test_another_class_of_the_drawn_jellyfish_has_no_body(context_on):
    settings = part.Settings(patch=64, stride=80)
    found = part.run(settings, with_inputs(context_on("squeezenet"), source_class=417))
    assert "lowest_decile_on_body" not in found.numbers
    assert found.facts["drawn"]


@pytest.mark.weights
def test_figures_are_drawn_from_the_findings(findings):
    figures = drawn(part, findings, part.QUICK)
    assert list(figures) == ["heat_map", "saliency"]
    assert "here the block has 32 × 32 pixels and moves by 16" in said(findings)
    whole, lowest = (
        live.written_percent(findings.numbers[f"{name}_probability"].value) for name in ("source", "lowest")
    )
    assert (
        figures["heat_map"][0].finding
        == f"One hidden block takes “jellyfish” from {whole}\u202f% to {lowest}\u202f%."
    )


@pytest.mark.weights
def test_a_browser_says_what_the_network_says_of_each_block(findings, tmp_path):
    (drawing,) = (each for each in part.figures(findings, part.QUICK) if each.name == "heat_map")
    map_ = drawing.live()
    assert live.load(live.save(map_, tmp_path / "map"))["kind"] == "map"
    np.testing.assert_array_equal(map_.values, findings.arrays["probability"])
    np.testing.assert_array_equal(map_.winning, findings.arrays["winner_probability"])
    assert map_.values[map_.first] == findings.numbers["lowest_probability"].value
    assert next(iter(map_.names.items())) == (107, "jellyfish")
    assert (map_.patch, map_.stride, map_.fill) == (32, 16, (0.0, 0.0, 0.0))


def said(findings, settings=part.QUICK, numbers=None, **facts):
    """The page's words, some numbers and facts changed."""
    changed = {name: replace(findings.numbers[name], value=value) for name, value in (numbers or {}).items()}
    changed = replace(findings, numbers={**findings.numbers, **changed}, facts={**findings.facts, **facts})
    return text_of(html_of(part, changed, settings, network="squeezenet"))


@pytest.mark.weights
def test_every_figure_and_the_abstract_name_the_network(findings):
    text = said(findings)
    assert text.count("Network: SqueezeNet 1.1.") == len(part.figures(findings, part.QUICK))
    assert "What is said of classes was measured on SqueezeNet 1.1 in place of AlexNet." in text
    assert "in 1 s of computing" in text
    own = text_of(html_of(part, findings, part.QUICK, network=OwnNetwork("mine").label))
    assert "on your network “mine”, in 1 s of computing" in own
    assert "Network:" not in own
    assert "in place of AlexNet" not in own


@pytest.mark.weights
def test_who_wins_is_said_by_a_sentence_or_a_table(findings):
    unbeaten = said(findings, winners=[])
    assert "Nobody: “jellyfish” keeps the highest probability whichever block is hidden." in unbeaten
    (entry,) = findings.facts["winners"][:1]
    one = said(findings, winners=[entry | {"blocks": 12}], more_winners=0)
    assert f"It is “{entry['class']}” in all 12 places" in one
    assert "Of these blocks 100 % overlap the drawn body." in one
    assert "in the one place" in said(findings, winners=[entry | {"blocks": 1}], more_winners=0)
    two = said(findings, winners=[entry, entry | {"class": "balloon", "index": 417}], more_winners=2)
    assert "balloon (417)" in two
    assert "And 2 more classes, with fewer blocks." in two
    assert "in all" not in two


@pytest.mark.weights
def test_where_the_lowest_block_lies_is_said_from_the_mask(findings):
    body, (top, left) = findings.arrays["body"], findings.facts["corner"]
    share = body[top : top + 32, left : left + 32].mean()
    assert findings.numbers["body_in_lowest_block"].value == pytest.approx(share)
    assert findings.facts["on_body"] == {"part": "bell", "side": "left of"}
    assert findings.facts["place"] == ["middle", "middle"]
    assert "level with the bell, left of its middle" in said(findings)
    for place, words in (
        (["middle", "middle"], "in the middle one"),
        (["upper", "right"], "in the upper right one"),
    ):
        assert words in said(findings, place=place)
    arms = said(findings, on_body={"part": "arms", "side": "at"})
    assert "level with the arms, at their middle" in arms
    below = said(findings, on_body={"part": "", "side": ""})
    assert "% of it is body." in below
    beside = said(findings, numbers={"body_in_lowest_block": 0.0})
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
        text = said(findings, numbers=numbers)
        assert [words in text for words in (published, no_drop, elsewhere)] == [
            words == stands for words in (published, no_drop, elsewhere)
        ]
    kept = said(findings, numbers={"lowest_probability": 0.95})
    assert "at the least. The picture of 8 bits" in kept
    assert "Hiding one block hardly changes the probability of “jellyfish”." in kept  # the abstract
    assert "One hidden block" not in kept
    unseen = said(findings, seen=False)
    assert "does not see “jellyfish” in the whole picture" in unseen
    assert "does not see" not in said(findings)


@pytest.mark.weights
def test_what_is_said_of_the_gradient_hangs_on_the_numbers(findings):
    signed = findings.arrays["gradient_input_signed"]
    left = np.abs(signed).sum() / (findings.arrays["gradient_input"].sum() * 32**2)
    assert findings.numbers["signed_sum_left"].value == pytest.approx(left, rel=1e-5)
    cancels = "since the gradient changes its sign from pixel to pixel"
    assert cancels in said(findings)
    assert cancels not in said(findings, numbers={"signed_sum_left": 0.8})
    for agreement, words in (
        (0.8, "orders the blocks much as"),
        (0.5, "in part"),
        (0.1, "does not order the blocks"),
    ):
        assert words in said(findings, numbers={"agreement": agreement, "agreement_signed": agreement})
    assert "agrees far less" in said(findings, numbers={"agreement": 0.8, "agreement_signed": 0.1})
    assert "agrees far less" not in said(findings, numbers={"agreement": 0.8, "agreement_signed": 0.7})
    assert "pairs are not independent" in said(findings)
    apart = replace(part.QUICK, stride=32)
    assert "pairs are not independent" not in said(findings, apart)
    assert "a map is the same everywhere" not in said(findings)
    flat = {name: number for name, number in findings.numbers.items() if name != "agreement_grad_cam"}
    text = said(replace(findings, numbers=flat))
    assert "– for Grad-CAM. (–: a map is the same everywhere.)" in text


@pytest.mark.weights
def test_what_the_gradients_figure_finds_hangs_on_both(findings):
    def finding(**values):
        numbers = {name: replace(findings.numbers[name], value=value) for name, value in values.items()}
        changed = replace(findings, numbers={**findings.numbers, **numbers})
        return next(each.finding for each in part.figures(changed, part.QUICK) if each.name == "saliency")

    both = finding(agreement=0.9, agreement_grad_cam=0.8)
    assert (
        both
        == "Both maps from gradients order the blocks much as hiding them does: rank correlations of 0.8 or more."
    )
    for low in ({"agreement": 0.6}, {"agreement_grad_cam": 0.6}):
        values = {"agreement": 0.9, "agreement_grad_cam": 0.9} | low
        assert finding(**values) == "What hiding says, and what gradients say."


@pytest.mark.weights
def test_the_picture_is_the_jellyfish_as_8_bits_hold_it(findings):
    from tfviz.data.drawings import jellyfish
    from tfviz.method.attacks import round_to_bytes

    np.testing.assert_array_equal(findings.arrays["picture"], round_to_bytes(jellyfish(227, 227)[0]))


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
