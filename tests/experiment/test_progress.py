import io

import pytest
from rich.console import Console

from tfviz.experiment import progress
from tfviz.experiment.progress import QUIET, Relay, Reporter, heard_by


class Log:
    """A reporter whose lines are kept, with a clock of its own."""

    def __init__(self, *, terminal=False):
        self.now, self.file = 0.0, io.StringIO()
        console = Console(file=self.file, force_terminal=terminal, width=120, soft_wrap=True, highlight=False)
        self.reporter = Reporter(console, lambda: self.now)

    @property
    def lines(self):
        return self.file.getvalue().splitlines()

    def bottom(self):
        """What stands below the lines on a terminal."""
        console = Console(file=io.StringIO(), width=120)
        console.print(self.reporter._bottom())
        return " ".join(console.file.getvalue().split())


def test_off_a_terminal_a_part_is_a_line_when_it_starts_and_one_when_it_ends():
    log = Log()
    with log.reporter as reporter:
        reporter.plan({"kept": 0.0, "one": 20.0, "two": 600.0})
        reporter.ends("kept", "unchanged, kept")
        reporter.starts("one", "squeezenet")
        log.now += 60
        reporter.ends("one", "done in 60.0 s", 60.0)
        reporter.starts("two", None)
        reporter.ends("two", "failed: [b]no[/b]")
    assert log.lines == [
        "[1 of 3] kept: unchanged, kept",
        "[2 of 3] one: running on squeezenet, about 10 min left",
        "[2 of 3] one: done in 60.0 s",
        "[3 of 3] two: running, about 20 min left",
        "[3 of 3] two: failed: [b]no[/b]",
    ]


def test_without_a_plan_a_part_is_only_named():
    log = Log()
    log.reporter.starts("one", None)
    log.reporter.ends("one", "done in 1.0 s", 1.0)
    assert log.lines == ["one: running", "one: done in 1.0 s"]


def test_off_a_terminal_what_is_quick_inside_a_part_says_nothing():
    log = Log()
    for step in range(101):
        log.now += 0.01
        log.reporter.progress("one", step, 100)
    assert log.lines == []


def test_off_a_terminal_what_takes_long_says_its_quarters():
    log = Log()
    for step in range(1001):
        log.now += QUIET / 100
        log.reporter.progress("one", step, 1000)
    assert log.lines == ["  one: 25 %", "  one: 50 %", "  one: 75 %", "  one: 100 %"]
    log.reporter.progress("one", 0, 1000)
    log.now += QUIET
    log.reporter.progress("one", 300, 1000)
    assert log.lines[4:] == ["  one: 25 %"], "another time it begins anew"


def test_what_a_part_that_failed_left_unfinished_is_forgotten():
    log = Log()
    for how in ("failed: x", "done"):
        log.reporter.progress("training", 0, 4)
        log.now += QUIET
        log.reporter.progress("training", 3, 4)
        log.reporter.ends("one", how)
    assert log.lines == ["  training: 75 %", "one: failed: x", "  training: 75 %", "one: done"]


def test_quarters_are_never_a_flood():
    log = Log()
    for step in range(5):
        log.now += QUIET * 0.4
        log.reporter.progress("one", step, 4)
    assert log.lines == ["  one: 75 %"]


def test_on_a_terminal_one_bar_shows_the_whole_run():
    log = Log(terminal=True)
    reporter = log.reporter
    assert log.bottom() == ""
    reporter.plan({"one": 60.0, "two": 180.0})
    assert log.bottom().startswith("0 of 2 parts done ")
    assert log.bottom().endswith("about 4 min left")
    reporter.starts("one", None)
    log.now += 59
    assert log.bottom().endswith("one about 3 min left")
    reporter.ends("one", "done in 60.0 s", 60.0)
    reporter.starts("two", None)
    log.now += 130
    assert log.bottom().startswith("1 of 2 parts done ")
    assert log.bottom().endswith("two about 50 s left")


def filled(log):
    """How much of the run's bar is filled, 0..1."""
    row, _ = log.reporter._bottom().renderables
    (bar,) = row.columns[1].cells
    return bar.completed / bar.total


def test_the_bar_moves_with_the_part_and_ends_when_it_does():
    log = Log(terminal=True)
    log.reporter.plan({"one": 50.0, "two": 50.0})
    log.reporter.ends("one", "done", 50.0)
    log.reporter.starts("two", None)
    log.now += 500
    assert 0.99 < filled(log) < 1, "it takes ten times as long and says nothing"
    log.reporter.progress("weights.npy", 9, 10)
    assert filled(log) > 0.99, "that is not the part"
    log.reporter.progress("two", 1, 4)
    assert filled(log) == 0.625
    assert "two about 25 min left" in log.bottom()
    log.now += 250
    assert filled(log) == pytest.approx(0.5 + 0.5 * (0.25 + 0.8 * 0.25 * 0.5))
    log.reporter.ends("two", "done", 750.0)
    assert filled(log) == 1


@pytest.mark.parametrize("seconds", [60.0, None])
def test_the_bar_is_as_long_as_its_part_of_the_run(seconds):
    """Of seconds where they are known, else of parts."""
    log = Log(terminal=True)
    log.reporter.plan(dict.fromkeys("abcd", seconds))
    for part in "abc":
        log.reporter.ends(part, "done")
    assert filled(log) == 0.75


def test_on_a_terminal_a_part_that_starts_is_no_line_and_its_bars_go_with_it():
    log = Log(terminal=True)
    reporter = log.reporter
    reporter.plan({"one": None})
    reporter.starts("one", None)
    reporter.progress("weights.npy", 1, 4, "slow")
    assert "weights.npy" in log.bottom()
    assert "25%" in log.bottom()
    assert "slow" in log.bottom()
    assert log.lines == []
    reporter.progress("weights.npy", 4, 4)
    assert "weights.npy" not in log.bottom()
    reporter.progress("one", 1, 4)
    reporter.ends("one", "failed: x")
    assert log.lines == ["[1 of 1] one: failed: x"]
    assert "25%" not in log.bottom()


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    log = Log(terminal=True)
    with log.reporter as reporter:
        reporter.plan({"one": 60.0})
        reporter.starts("one", None)
        reporter.progress("one", 1, 4)
        reporter.ends("one", "done")
    assert log.lines == ["[1 of 1] one: running, about 60 s left", "[1 of 1] one: done"]


def test_the_bars_are_gone_when_the_block_ends():
    log = Log(terminal=True)
    with log.reporter as reporter:
        reporter.plan({"one": 60.0})
        reporter.say("a line")
    last = log.file.getvalue().rpartition("a line")[2]
    assert last.endswith("\x1b[2K"), "the last thing written takes a line away"


def test_several_parts_at_a_time_share_the_bar():
    log = Log(terminal=True)
    log.reporter.plan({"one": 60.0, "two": 40.0, "three": 20.0}, at_once=2)
    log.reporter.starts("one", None)
    log.reporter.starts("two", None)
    log.now += 30
    assert filled(log) == 0.5
    assert log.bottom().endswith("one, two about 30 s left")
    log.reporter.progress("epochs", 1, 4, part="one")
    log.reporter.progress("epochs", 2, 4, part="two")
    assert log.bottom().count("epochs") == 2
    log.reporter.ends("two", "failed: x")
    assert log.bottom().count("epochs") == 1
    assert "25%" in log.bottom()
    assert "50%" not in log.bottom()


def test_what_a_part_reports_elsewhere_is_heard_here(monkeypatch):
    log, now = Log(), 100.0
    monkeypatch.setattr(progress, "tell", heard_by(log.reporter))
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    relay = Relay("one")
    relay.starts("one", "squeezenet")
    relay.say("a [b]line[/b]")
    for step in range(1001):
        now += QUIET / 100
        log.now += QUIET / 100
        relay.progress("one", step, 1000)
    relay.starts("two", None)
    assert log.lines == [
        "one: running on squeezenet",
        "a [b]line[/b]",
        *(f"  one: {quarter} %" for quarter in (25, 50, 75, 100)),
        "two: running",
    ]


def test_what_comes_faster_than_anybody_reads_is_not_sent_but_for_the_last(monkeypatch):
    sent, now = [], 100.0
    monkeypatch.setattr(progress, "tell", sent.append)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    relay = Relay("one")
    for step in range(1, 1001):
        now += 0.01
        relay.progress("one", step, 1000, "note")
    assert 90 <= len(sent) <= 102
    assert sent[-1] == ("progress", "one", 1000, 1000, "note", "one")
