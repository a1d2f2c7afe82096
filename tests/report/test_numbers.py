import pytest

from tfviz.experiment.grading import Expected, grade
from tfviz.models.networks import NETWORKS, TRAINED_HERE
from tfviz.report.numbers import NETWORK_NAMES, expected_value, like, network_name, sign, significant


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
        ("own bound", "at most", 0.9, 0.0, "", "≤ 0.9000"),
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
