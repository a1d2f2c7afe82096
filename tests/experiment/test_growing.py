import pytest

from tfviz.experiment.growing import BEING_COMPUTED, NOT_YET, SHARE, Growing


class Run:
    """A run with a clock of its own, and what was rendered and said in it."""

    def __init__(self, waiting, at_once=1):
        self.now, self.cost, self.error = 100.0, 1.0, None
        self.pages, self.drawn, self.said = [], [], []
        if not isinstance(waiting, dict):
            waiting = dict.fromkeys(waiting, 0.0)
        self.growing = Growing(self.render, self.draw, waiting, self.said.append, lambda: self.now, at_once)

    def draw(self, part):
        self.now += 1000.0
        self.drawn.append(part)

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


def test_the_first_part_that_ends_is_shown_whatever_that_costs():
    run = Run(["a", "b"])
    run.cost = 50.0
    run.growing.begin()
    run.after(1, "a")
    assert run.pages[1:] == [{"b": BEING_COMPUTED}]


def test_a_rendering_waits_until_the_last_one_is_paid_for():
    run = Run("abcde")
    run.growing._draw = run.drawn.append
    run.growing.begin()
    run.after(1, "a")
    assert len(run.pages) == 2
    paid = run.cost / SHARE
    run.after(paid / 2, "b")
    assert len(run.pages) == 2
    run.after(paid / 2, "c")
    assert run.pages[2:] == [{"d": BEING_COMPUTED, "e": NOT_YET}]
    run.after(paid - 1, "d")
    assert len(run.pages) == 3
    assert run.drawn == ["a", "b", "c", "d"], "whatever is rendered"


@pytest.mark.parametrize(("ahead", "pages"), [(1.0, 2), (9.0, 3), (1000.0, 3), (None, 3)])
def test_before_a_part_that_takes_long_what_has_finished_is_shown(ahead, pages):
    run = Run({"a": 5.0, "b": 5.0, "c": ahead, "d": 5.0})
    run.growing._draw = run.drawn.append
    run.growing.begin()
    run.after(5, "a")
    run.after(1, "b")
    assert run.cost / SHARE == 10
    assert len(run.pages) == pages


def test_drawing_costs_no_rendering():
    """A figure is drawn once, whenever that is; here it takes 1000 s."""
    run = Run("abc")
    run.growing.begin()
    run.after(1, "a")
    run.growing._draw = run.drawn.append
    run.after(11, "b")
    assert len(run.pages) == 3


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


def test_figures_that_fail_stop_nothing():
    def fails(part):
        raise OSError("no room")

    run = Run(["a", "b"])
    run.growing.begin()
    run.growing._draw = fails
    run.after(100, "a")
    assert len(run.pages) == 1
    assert len(run.said) == 1


def test_an_interrupt_while_rendering_is_one():
    run = Run(["a"])
    run.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run.growing.begin()


def test_of_several_at_a_time_all_that_run_are_said_to_be_computed():
    run = Run(["a", "b", "c", "d"], at_once=2)
    run.growing.begin()
    run.after(100, "b")
    assert run.pages == [
        {"a": BEING_COMPUTED, "b": BEING_COMPUTED, "c": NOT_YET, "d": NOT_YET},
        {"a": BEING_COMPUTED, "c": BEING_COMPUTED, "d": NOT_YET},
    ]


@pytest.mark.parametrize(("second", "pages"), [(5.0, 2), (9.0, 3)])
def test_of_several_at_a_time_the_next_to_end_is_the_shortest(second, pages):
    run = Run({"a": 5.0, "b": 5.0, "c": 1000.0, "d": second, "e": 5.0}, at_once=2)
    run.growing._draw = run.drawn.append
    run.growing.begin()
    run.after(5, "a")
    run.after(1, "b")
    assert run.cost / SHARE == 10
    assert len(run.pages) == pages
