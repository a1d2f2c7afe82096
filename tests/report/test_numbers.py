import pytest

from tfviz import language
from tfviz.experiment.context import OwnNetwork
from tfviz.experiment.grading import Expected, grade
from tfviz.models.networks import NETWORKS, TRAINED_HERE
from tfviz.report.numbers import (
    NETWORK_NAMES,
    breakable,
    exact,
    expected_value,
    isolated,
    like,
    long_date,
    network_in_text,
    network_name,
    sign,
    significant,
    with_network_names,
)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (62.03807, 6, "62.0381"),
        (0.0001234, 3, "0.000123"),
        (1.5e-9, 2, "1.5 × 10⁻⁹"),
        (-2.5e-7, 2, "−2.5 × 10⁻⁷"),
        (-0.5, 3, "−0.500"),
        (64, 4, "64"),
        (64.0, 4, "64"),
        (2328676, 4, "2\u202f328\u202f676"),
        (254917472.0, 4, "2.549 × 10⁸"),
        (-3843748.0, 4, "−3.844 × 10⁶"),
        (555400.0, 4, "555\u202f400"),
        (714188480, 4, "714\u202f188\u202f480"),
        (0, 4, "0"),
        (12345.678, 4, "12\u202f346"),
        (2160.5, 4, "2160"),
        (-18, 4, "−18"),
        (-123456, 4, "−123\u202f456"),
    ],
)
def test_numbers_as_people_write_them(value, digits, text):
    assert significant(value, digits) == text


def test_a_value_has_one_digit_more_than_its_tolerance():
    assert like(62.03807, 0.005) == "62.0381"
    assert like(62.03807, 0.01) == "62.038"
    assert like(0.9999, 0.1) == "1.00"
    assert like(192, 0) == "192"


def test_the_sign_of_a_bound():
    assert [sign(comparison) for comparison in ("equal", "at least", "at most")] == ["", "≥ ", "≤ "]


def test_every_network_has_a_name_for_people_and_additions_stay():
    assert set(NETWORK_NAMES) == {*NETWORKS, *TRAINED_HERE}
    assert network_name("squeezenet (user's file)") == "SqueezeNet 1.1 (user's file)"
    assert network_name("mine") == "mine"


@pytest.mark.parametrize(
    ("kind", "comparison", "value", "tolerance", "written", "text"),
    [
        ("published", "at least", 0.8919, 0.01, "", "≥ 0.8919"),
        ("published", "equal", 34.98, 0.01, "", "34.98"),
        ("published", "equal", 62.038, 0.005, "62.0380", "62.0380"),
        ("published", "equal", 104.0, 0.01, "", "104"),
        ("published theory", "equal", 2_328_676, 0, "", "2\u202f328\u202f676"),
        ("reference", "equal", 47.12, 0.01, "", "47.120"),
        ("reference", "at most", 1e-5, 0, "", "≤ 10⁻⁵"),
        ("own bound", "at most", 0.9, 0.0, "", "≤ 0.9"),
        ("own bound", "at least", 0.847, 0.005, "", "≥ 0.847"),
        ("own bound", "equal", -2.0, 0.75, "", "−2.00"),
    ],
)
def test_a_published_value_has_the_digits_that_were_published(
    kind, comparison, value, tolerance, written, text
):
    expected = Expected("n", value, tolerance, kind, "x", comparison=comparison, written=written)
    assert expected_value(grade("p", expected, None)) == text


def test_what_would_be_rounded_to_0_keeps_its_size():
    assert like(4.3e-5, 0.001) == "4.3 × 10⁻⁵"
    assert like(0.0, 0.001) == "0.0000"


def test_settings_are_written_without_zeros_that_say_nothing():
    assert [exact(value) for value in (1e-6, 0.9778, 500000.0, 0.005, 30, 1.5e-9, 0.1)] == [
        "10⁻⁶",
        "0.9778",
        "500\u202f000",
        "0.005",
        "30",
        "1.5 × 10⁻⁹",
        "0.1",
    ]


def test_networks_are_named_in_sentences():
    sentence = "measured on squeezenet, comparable on alexnet or mine"
    assert with_network_names(sentence) == "measured on SqueezeNet 1.1, comparable on AlexNet or mine"


def test_a_path_in_hebrew_runs_from_left_to_right_also_where_a_slash_ends_a_line():
    assert breakable("a <b>/c d") == "a &lt;b&gt;/c d"
    with language.use("he"):
        assert breakable("a <b>/c d") == '<bdi dir="ltr">\u2066a &lt;b&gt;/\u200ec d\u2069</bdi>'


def test_what_is_said_with_a_networks_name_is_in_the_readers_language():
    text = "cifar_resnet (fast, trained on JPEG copy, tested on CIFAR-10, averaged over views)"
    said = "CIFAR-10 ResNet (fast, trained on JPEG copy, tested on CIFAR-10, averaged over views)"
    assert with_network_names(text) == said
    with language.use("he"):
        said = with_network_names(text)
    assert said.startswith("CIFAR-10 ResNet (fast, אומנה על עותק JPEG, נבחנה על CIFAR-10, ")
    assert "averaged" not in said


def test_a_number_in_hebrew_is_kept_in_one_piece_and_left_to_right():
    assert isolated("1 < 2") == '<span class="nw">1 &lt; 2</span>'
    with language.use("he"):
        assert isolated("1 < 2") == '<bdi dir="ltr" class="nw">\u20661 &lt; 2\u2069</bdi>'
        assert long_date("2026-11-26T09:36:25+00:00") == "26 בנובמבר 2026"
    assert long_date("2026-11-26T09:36:25+00:00") == "26 November 2026"


def test_the_users_own_network_is_named_in_the_language_in_use():
    label = OwnNetwork("alexnet 2").label
    assert network_name(label) == label == network_in_text(label) == "your network “alexnet 2”"
    assert network_in_text("squeezenet") == isolated("SqueezeNet 1.1")
    with language.use("he"):
        assert (
            network_in_text(label.replace("2", "<2>"))
            == 'הרשת שלך ”<bdi dir="ltr">\u2066alexnet &lt;2&gt;\u2069</bdi>”'
        )
        assert network_name(label) == "הרשת שלך ”alexnet 2”"
        assert "הרשת שלך ”digits”" in with_network_names(
            "measured on your network “digits”, comparable on alexnet"
        )
