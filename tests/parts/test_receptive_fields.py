import math
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from rich.console import Console

from tests.parts.drawn import drawn, html_of, text_of
from tfviz.experiment.context import Context
from tfviz.experiment.grading import grade
from tfviz.experiment.part import Findings, Number
from tfviz.experiment.progress import Reporter
from tfviz.experiment.store import PartResult
from tfviz.parts import receptive_fields
from tfviz.report.page import misfit

SHORT = receptive_fields.Settings(random_networks=3, effective_pictures=2)


def context(**also):
    return Context(0, Reporter(Console(quiet=True)), also=also)


@pytest.fixture(scope="module")
def theory():
    """What there is without any weights."""
    return receptive_fields.run(SHORT, context())


def test_every_verdict_passes(theory):
    result = PartResult("receptive_fields", "done", theory.numbers)
    verdicts = [grade("receptive_fields", expected, result) for expected in receptive_fields.EXPECTED]
    assert [verdict for verdict in verdicts if verdict.status != "pass"] == []
    assert receptive_fields.SETTINGS.side == receptive_fields.QUICK.side == 224  # the contract's n
    assert receptive_fields.SETTINGS.random_networks >= 200


def test_formula_and_measurement_are_both_there(theory):
    for number in (1, 2, 3, 4):
        for quantity in ("size", "pixels", "weights", "multiplications"):
            name = f"{quantity}_network_{number}"
            assert theory.numbers[name] == theory.numbers[f"{name}_measured"]
    assert theory.numbers["convolution_difference"].value < 1e-5


def test_the_published_product_is_said_not_to_hold(theory):
    wrong = [row for row in theory.facts["rows"] if row["holds"] is False]
    assert [(row["network"], row["quantity"]) for row in wrong] == [(3, "multiplications")]
    assert wrong[0]["published"] == 25 * 220**2 * 9 * 218**2


def formulas(html):
    """Of the four networks' table: a row's cells, each as the LaTeX in it, added up."""
    (table,) = re.findall(
        r"<tbody>(.*?)</tbody>", html.partition('class="call"')[2].partition("</div>")[0], re.S
    )
    rows = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)
    ]
    return [
        [" + ".join(re.findall(r'<code class="math inline">(.*?)</code>', cell)) for cell in row]
        for row in rows
    ]


def test_the_formulas_shown_are_those_computed(theory):
    shown = formulas(html_of(receptive_fields, theory, SHORT))
    assert shown[2] == ["(1 + 4 + 2)^2", "5^2 + 3^2", "25 (n - 4)^2 + 9 (n - 6)^2"]
    assert [len(row) for row in shown] == [3] * 4
    for network, row in enumerate(shown, 1):
        for quantity, latex in zip(("pixels", "weights", "multiplications"), row, strict=True):
            # A formula of sums and powers in LaTeX, read as Python.
            value = eval(latex.replace(" (n", " * (n").replace("^", "**"), {"n": 224})
            assert value == theory.numbers[f"{quantity}_network_{network}"].value


def test_nothing_stored_is_read_as_a_formula(theory):
    """A result file may come from a stranger."""
    assert not [text for text in strings(theory.facts) if "^" in text or "\\" in text]
    hostile = "\\href{javascript:alert(1)}{x}<script>"
    networks = [{**entry, "kernels": [hostile]} for entry in theory.facts["networks"]]
    result = PartResult(
        "receptive_fields",
        "done",
        theory.numbers,
        facts={**theory.facts, "networks": networks},
        settings=asdict(SHORT),
    )
    assert "run it again" in misfit(result, {})


def strings(value):
    """All texts in facts."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    ("arrangement", "sizes"),
    [("none", [7, 7, 7, 9]), ("last", [7, 7, 7, 9]), ("first", [7, 11, 9, 15]), ("all", [7, 15, 9, 31])],
)
def test_strides(theory, arrangement, sizes):
    """By hand: 1 + sum of (k - 1) times the product of the earlier strides."""
    found = [row[arrangement] for row in theory.facts["strides"]]
    assert [entry["size"] for entry in found] == sizes
    assert [entry["measured"] for entry in found] == sizes


def test_alexnets_strides_both_ways(theory):
    for layer, stride in zip(receptive_fields.ALEXNET_LAYERS, (4, 8, 16, 16, 16, 32), strict=True):
        assert theory.numbers[f"alexnet_stride_{layer}"].value == stride
        assert theory.numbers[f"alexnet_stride_{layer}_measured"].value == stride


def test_at_224_no_window_of_the_last_pool_is_whole(theory):
    seen = [unit["seen"] for unit in theory.facts["pool5_units"]]
    assert seen == [[0, 128], [0, 160], [0, 192], [30, 223], [62, 223], [94, 223]]
    assert theory.numbers["alexnet_smallest_side"].value == 225


def test_effective_size_of_a_gaussian():
    """A disc of radius sigma sqrt(2 ln(1 / 0.0455)); its area is that of a square."""
    sigma, (y, x) = 20.0, np.mgrid[-100:101, -100:101]
    bell = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    radius = sigma * math.sqrt(-2 * math.log(0.0455))
    assert receptive_fields.effective_size(bell) == pytest.approx(math.sqrt(math.pi) * radius, rel=0.01)
    assert receptive_fields.effective_size(np.ones((11, 11))) == 11


def test_without_weights_only_the_theory_is_shown(theory):
    assert theory.facts["effective_network"] is None
    assert {number.network for number in theory.numbers.values()} == {None}
    names = list(drawn(receptive_fields, theory, SHORT))
    assert names == ["cones", "cones_stride", "alexnet_fields", "effective"]
    html_of(receptive_fields, theory, SHORT)


def page(theory, numbers=None, facts=None):
    """The section with other numbers or facts, as one line of text."""
    return text_of(html_of(receptive_fields, changed(theory, numbers, facts), SHORT))


def changed(theory, numbers=None, facts=None):
    values = {name: replace(theory.numbers[name], value=value) for name, value in (numbers or {}).items()}
    return Findings({**theory.numbers, **values}, theory.arrays, {**theory.facts, **(facts or {})})


def drawings(findings):
    return {drawing.name: drawing for drawing in receptive_fields.figures(findings, SHORT)}


def test_the_words_say_that_formula_and_measurement_agree(theory):
    text = page(theory)
    assert "Formula and measurement agree in every quantity of every network." in text
    assert "see as much as one of 7 × 7 with 27 weights in place of 49." in text
    assert "1 637 716 when the 5 × 5 comes first, and that is what is counted while running" in text
    assert "takes overlap away and enlarges nothing, in none of the networks." in text
    assert "the field after a second 3 × 3 still grows from 9 ✓ to 11 ✓" in text
    assert "No unit of the last pool fits into a picture of 224 × 224" in text
    assert "Of 3 random networks" in text
    assert "agree in size, stride and offset for 3." in text
    for absent in ("disagree in", "They differ for", "(measured:"):
        assert absent not in text


def test_the_published_answer_stands_beside_what_was_found(theory):
    html = html_of(receptive_fields, theory, SHORT)
    table = html.partition('class="call"')[2].partition("</div>")[0]
    # Pixels of all four, weights of two, multiplications of one; network 3's are another number.
    assert table.count('aria-label="as published"') == 7
    assert text_of(table).count("published: 517 536 360 000") == 1
    assert "published derivations agree; one more was wrong, and is corrected" in text_of(html)
    none = [{**row, "published": None, "holds": None} for row in theory.facts["rows"]]
    none[8] = {**theory.facts["rows"][8], "holds": True}
    right = text_of(html_of(receptive_fields, changed(theory, facts={"rows": none}), SHORT))
    assert "published derivations agree" in right
    assert "was wrong" not in right
    none[8] = theory.facts["rows"][8]
    html = html_of(receptive_fields, changed(theory, facts={"rows": none}), SHORT)
    assert "as published" not in html.partition('class="call"')[2].partition("</div>")[0]


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"hidden": "net/block"}, "Of its layers nothing can be said: net/block is programmed, not drawn"),
        ({}, "It has no convolution."),
        (
            {"missing": [{"layer": "last", "why": "layer", "at": "up", "kind": "UpSampling2D"}]},
            "Left out is 1 layer, last. On the way to it there is up (UpSampling2D), of which it is not known",
        ),
        (
            {"missing": 2 * [{"layer": "last", "why": "branches", "at": "sum", "kind": "Add"}]},
            "Left out are 2 layers, the first of them last. On the way to it branches of different strides join",
        ),
        (
            {"missing": [{"layer": "last", "why": "inputs", "at": "", "kind": ""}]},
            "It does not see one picture, but none or two.",
        ),
        (
            {"missing": [{"layer": "last", "why": "order", "at": "", "kind": ""}]},
            "hangs on the size of the picture, or on the order of its axes",
        ),
    ],
)
def test_why_nothing_is_said_of_a_layer_of_the_users(theory, found, says):
    """In both languages: `html_of` sees to it that no English is left in Hebrew."""
    own = {"rows": [], "missing": [], "hidden": "", "unmeasured": "", "shape": [28, 28, 1]}
    assert says in page(theory, facts={"own": own | found})


def test_where_they_do_not_agree_it_is_said(theory):
    wrong = {
        "quantities_disagree": 2,
        "multiplications_network_3_measured": 5,
        "weights_network_2": 50,
        "alexnet_smallest_side": 200,
        "alexnet_offset_conv1_measured": -3,
        "random_networks": 1,
        "random_networks_agree": 0,
    }
    strides = [{**row, "last": {"size": 7, "measured": 20}} for row in theory.facts["strides"][:2]]
    gaps = [{**gap, "measured": 9} for gap in theory.facts["gaps"]]
    facts = {
        "strides": [*strides, *theory.facts["strides"][2:]],
        "gaps": gaps,
        "disagreeing": ["Conv2D - <b>Add</b>"],
    }
    text = page(theory, wrong, facts)
    assert "Formula and measurement disagree in 2 of the quantities: one of the two is wrong there." in text
    assert "agree in every quantity" not in text
    assert "see as much as one of 7 × 7" not in text
    assert "1 637 716 (measured: 5)" in text
    assert "comes first, and 5 are counted while running" in text
    assert "yet enlarges the field of 2 of the 4 networks." in text
    assert "enlarges nothing" not in text
    assert "the field after a second 3 × 3 goes from" in text
    assert "Nor does it end" not in text
    assert "Units of the last pool fit into" in text
    assert "−2 (measured: −3)" in text
    assert "Of 1 random network (" in text
    assert "They differ for Conv2D - <b>Add</b>." in text


def test_the_effective_field_s_words_hang_on_its_shares(theory):
    def fields(shares):
        return {
            "effective": [
                {**entry, "equal": share}
                for entry, share in zip(theory.facts["effective"], shares, strict=True)
            ]
        }

    shrinking = page(theory, facts=fields([1.0, 0.95, 0.8, 0.7, 0.6]))
    assert "60 % in conv5: the deeper the layer, the smaller the share, as they found." in shrinking
    assert "does not shrink" not in shrinking
    level = page(theory, facts=fields([1.0, 0.8, 0.9, 0.8, 0.8]))
    assert "80 % in conv5: it does not shrink from layer to layer, as they found it does." in level
    assert "the smaller the share" not in level
    flat = page(theory, facts=fields([1.0, 0.8, 0.8, 0.8, 0.73]))  # less than a tenth in all
    assert "it does not shrink" in flat


@pytest.mark.parametrize(
    ("shares", "finding"),
    [
        ([1.0, 0.95, 0.8, 0.7, 0.6], "The deeper the layer, the smaller the share of its field that counts."),
        ([1.0, 0.8, 0.9, 0.8, 0.7], "The share of a field that counts does not shrink from layer to layer."),
        ([1.0, 0.8, 0.8, 0.8, 0.73], "The share of a field that counts does not shrink from layer to layer."),
    ],
)
def test_the_effective_figures_finding_hangs_on_the_shares(theory, shares, finding):
    entries = [
        {**entry, "equal": share} for entry, share in zip(theory.facts["effective"], shares, strict=True)
    ]
    drawing = drawings(changed(theory, facts={"effective": entries}))["effective"]
    assert drawing.finding == finding
    assert f"{round(100 * shares[-1])}\u202f%" in drawing.alt


def test_what_training_did_to_the_effective_field_hangs_on_its_size(theory):
    def said(real):
        entries = [{**entry, "equal": 0.7, "real": real} for entry in theory.facts["effective"]]
        more = {f"effective_size_{entry['layer']}": Number(real * entry["size"], "px") for entry in entries}
        facts = {"effective": entries, "effective_network": "alexnet_features", "effective_source": "a file"}
        real_arrays = {name.replace("equal", "real"): array for name, array in theory.arrays.items()}
        findings = Findings(theory.numbers | more, theory.arrays | real_arrays, theory.facts | facts)
        return text_of(html_of(receptive_fields, findings, SHORT))

    larger, smaller, equal = said(0.75), said(0.65), said(0.71)
    assert "At conv5 training has made it larger than equal weights make it (122 px against" in larger
    assert "At conv5 it is smaller than with equal weights (106 px against" in smaller
    assert "At conv5 it is about as large as with equal weights." in equal
    assert "Below: the weights of AlexNet (convolutions) (a file), mean over 2 pictures of noise" in larger
    assert "What AlexNet’s own weights give is not shown" not in larger
    assert "What AlexNet’s own weights give is not shown" in page(theory)


def test_the_cones_findings_are_this_runs(theory):
    shown = drawings(theory)
    assert shown["cones"].finding == "Networks 1 to 3 see windows of one side, 7 pixels; network 4 sees 9."
    assert shown["cones_stride"].finding == (
        "The more layers, the larger the gain: 4 layers see 31 pixels in place of 9."
    )
    other = drawings(changed(theory, {"size_network_2": 8, "size_network_2_stride_2": 8}))
    assert other["cones"].finding == "What one unit of each network sees."
    assert other["cones_stride"].finding == "What a stride of 2 does to the four networks."


def test_the_largest_field_sticks_out_where_it_does(theory):
    shown = drawings(theory)["alexnet_fields"]
    assert shown.finding == "The field of pool5 would need one row and one column more."
    assert "sticks out below and to the right" in shown.alt

    def moved(first):
        layers = [*theory.facts["alexnet"][:-1], {**theory.facts["alexnet"][-1], "first": first}]
        return drawings(changed(theory, facts={"alexnet": layers}))["alexnet_fields"]

    assert moved(32).finding == "The field of pool5 would need 3 rows and 3 columns more."
    assert moved(29).finding == "All fields lie within the picture."
    assert "sticks out" not in moved(29).alt


def test_in_a_browser_every_layer_has_its_square_and_says_where_it_is(theory):
    figure = drawings(theory)["alexnet_fields"].live()
    assert figure.picture.shape == (224, 224, 3)
    assert [(layer.label, layer.size, layer.first) for layer in figure.layers][::5] == [
        ("conv1", 11, (106, 106)),
        ("pool5", 195, (30, 30)),
    ]
    assert figure.layers[4].text == "163 × 163 pixels: rows and columns 30 to 192"
    assert figure.layers[5].text == "195 × 195 pixels: rows and columns 30 to 224; the picture ends at 223"


@pytest.mark.weights
def test_with_weights_the_effective_field_is_alexnets(real_weights, theory):
    weights = real_weights("alexnet_features")
    assert receptive_fields.ALSO == ("alexnet_features",)
    numbers, arrays = {}, {}
    settings = receptive_fields.Settings(effective_pictures=24)
    fields = receptive_fields._effective(settings, weights.path, np.random.default_rng(0), numbers, arrays)
    facts = receptive_fields._about_effective(fields, weights)
    assert facts["effective_network"] == "alexnet_features"
    assert numbers["effective_size_conv5"].network == "alexnet_features"
    assert numbers["effective_size_conv5_equal"].network is None
    # Bell-shaped: the middle third of the field, a ninth of it, holds far more than a ninth.
    bell = arrays["effective_real_conv5"]
    assert bell.shape == (163, 163)
    assert bell[54:109, 54:109].sum() / bell.sum() > 0.3
    shares = [entry["real"] for entry in facts["effective"]]
    assert shares[-1] < shares[1] - 0.1
    findings = Findings(theory.numbers | numbers, theory.arrays | arrays, theory.facts | facts)
    assert len(drawn(receptive_fields, findings, settings)["effective"][1].axes) == 2 * 5
    html = html_of(receptive_fields, findings, settings)
    assert f"sha256 {weights.sha256[:16]}…" in html
