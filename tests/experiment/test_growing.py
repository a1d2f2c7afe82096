import pytest

from tfviz.experiment.growing import BEING_COMPUTED, NOT_YET, SHARE, Growing


class Run:
    """A run with a clock of its own, and what was rendered and said in it."""

    def __init__(self, waiting):
        self.now, self.cost, self.error = 100.0, 1.0, None
        self.pages, self.said = [], []
        self.growing = Growing(self.render, waiting, self.said.append, lambda: self.now)

    def render(self, pending):
        self.now += self.cost
        if self.error:
            raise self.error
        self.pages.append(pending)

    def after(self, seconds, part):
        self.now += seconds
        self.growing.ends(part)


def test_the_page_is_there_before_the_first_part_and_says_what_is_to_come():
    run = Run(["a", "b", "c"])
    assert run.growing.begin()
    run.after(100, "a")
    assert run.pages == [
        {"a": BEING_COMPUTED, "b": NOT_YET, "c": NOT_YET},
        {"b": BEING_COMPUTED, "c": NOT_YET},
    ]
    assert run.said == []


def test_where_nothing_is_computed_nothing_is_rendered_in_between():
    run = Run([])
    assert not run.growing.begin()
    run.after(100, "kept")
    assert run.pages == []


def test_parts_that_are_kept_and_the_last_one_render_nothing():
    run = Run(["a"])
    run.growing.begin()
    run.after(100, "kept")
    run.after(100, "a")
    assert len(run.pages) == 1, "the end of the run renders"


def test_a_rendering_waits_until_the_last_one_is_paid_for():
    run = Run(["a", "b", "c", "d"])
    run.growing.begin()
    paid = run.cost / SHARE
    run.after(paid / 2, "a")
    assert len(run.pages) == 1
    run.after(paid / 2, "b")
    assert run.pages[1:] == [{"c": BEING_COMPUTED, "d": NOT_YET}]
    run.after(paid - 1, "c")
    assert len(run.pages) == 2


def test_a_rendering_that_fails_is_said_once_and_stops_nothing():
    run = Run(["a", "b", "c"])
    run.error = ValueError("no room")
    assert not run.growing.begin()
    run.after(100, "a")
    assert run.said == [
        "The report cannot be rendered yet (ValueError: no room); that is tried again at the end."
    ]
    run.error = None
    run.after(100, "b")
    assert run.pages == [{"c": BEING_COMPUTED}]


def test_an_interrupt_while_rendering_is_one():
    run = Run(["a"])
    run.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run.growing.begin()
