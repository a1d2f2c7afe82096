import pytest
from rich.console import Console

from tfviz.experiment.context import Context
from tfviz.experiment.progress import Reporter


@pytest.fixture
def context():
    return Context(0, Reporter(Console(quiet=True)))


def test_repeats_have_their_own_range(context):
    number = context.repeated([2.0, 1.0, 4.0], "s")
    assert (number.value, number.spread, number.repeats, number.unit) == (2.0, (1.0, 4.0), 3, "s")


def test_what_is_chaotic_has_the_range_wider_by_its_width_on_both_sides(context):
    number = context.chaotic([2.0, 1.0, 4.0])
    assert (number.value, number.spread, number.repeats) == (2.0, (-2.0, 7.0), 3)
    assert context.chaotic([0.5, 0.9], within=(0.0, 1.0)).spread == pytest.approx((0.1, 1.0))
    assert context.chaotic([3.0]).spread == (3.0, 3.0)
