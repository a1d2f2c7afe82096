import pytest

from tests.fake_part import FakePart
from tfviz.experiment.durations import TRUST, Estimate, Own, about, approaching, expected, took
from tfviz.experiment.store import PartResult
from tfviz.files.program import asset
from tfviz.files.reading import read_json
from tfviz.parts import PARTS


def stored(part, seconds, *, quick=False, status="done"):
    return {part: PartResult(part, status, provenance={"seconds": seconds, "quick": quick})}


def test_recorded_seconds_go_before_typical_ones():
    typical = read_json(asset("typical_seconds.json"))
    part, other = FakePart(ID="class_image"), FakePart(ID="occlusion_map")
    found = expected([other, part], stored("class_image", 7.5), quick=False, train=False)
    assert found == {"occlusion_map": typical["full"]["occlusion_map"], "class_image": 7.5}
    assert list(found) == ["occlusion_map", "class_image"]


def test_a_shorter_run_says_nothing_of_a_full_one():
    typical = read_json(asset("typical_seconds.json"))
    part = FakePart(ID="class_image")
    full, quick = stored("class_image", 7.5), stored("class_image", 2.5, quick=True)
    assert expected([part], quick, quick=False, train=False) == {
        "class_image": typical["full"]["class_image"]
    }
    assert expected([part], full, quick=True, train=False) == {"class_image": typical["quick"]["class_image"]}
    assert expected([part], quick, quick=True, train=False) == {"class_image": 2.5}
    same = FakePart(ID="class_image", QUICK=FakePart().SETTINGS)
    assert expected([same], full, quick=True, train=False) == {"class_image": 7.5}


def test_what_did_not_end_and_what_nobody_measured_says_nothing():
    part = FakePart(ID="fake")
    assert expected([part], stored("fake", 7.5, status="failed"), quick=False, train=False) == {"fake": None}
    assert expected([part], {}, quick=True, train=False) == {"fake": None}


def test_the_time_of_a_training_is_not_known():
    typical = read_json(asset("typical_seconds.json"))
    part = FakePart(ID="cifar_cnn", INPUTS=("data_dir", "train"))
    assert expected([part], stored("cifar_cnn", 7000.0), quick=False, train=True) == {"cifar_cnn": None}
    without = expected([part], stored("cifar_cnn", 7000.0), quick=False, train=False)
    assert without == {"cifar_cnn": typical["full"]["cifar_cnn"]}, "what is stored may have trained"


def test_every_part_has_typical_seconds():
    for quick in (False, True):
        seconds = expected(PARTS, {}, quick=quick, train=False)
        assert all(value is not None for value in seconds.values()), seconds
        assert sum(seconds.values()) > 10


def test_what_is_left_follows_this_run_s_pace():
    estimate = Estimate({"a": TRUST, "b": 30.0, "c": 60.0})
    assert estimate.left() == TRUST + 90
    assert estimate.left({"a": (5.0, None)}) == TRUST + 85
    estimate.ends("a", 3 * TRUST)
    assert estimate.pace == 2.0, "this pace of 3 counts as much as the recorded one"
    assert estimate.left() == 180.0
    assert estimate.left({"b": (20.0, None)}) == 160.0
    assert (estimate.passed, estimate.total) == (TRUST, TRUST + 90)
    assert estimate.running("b", 20.0) == 10.0


def test_a_part_that_takes_longer_than_expected_takes_nothing_from_the_others():
    estimate = Estimate({"a": 10.0, "b": 30.0})
    assert estimate.left({"a": (1000.0, None)}) == pytest.approx(30.0, abs=0.01)


def test_what_takes_longer_than_expected_comes_nearer_to_its_end_and_never_there():
    assert approaching(30.0, 60.0) == 0.5
    assert approaching(48.0, 60.0) == 0.8
    assert approaching(60.0, 60.0) == pytest.approx(0.9)
    assert approaching(108.0, 60.0) == pytest.approx(1 - 0.2 / 6), (
        "a sixth of the rest after five times the rest"
    )
    behind = [approaching(float(second), 60.0) for second in range(240)]
    assert sorted(behind) == behind
    assert len(set(behind)) == 240, "it moves every second"
    assert behind[-1] < 1
    estimate = Estimate({"a": 60.0})
    assert 59 < estimate.running("a", 239.0) < 60


def test_a_part_s_own_progress_goes_before_the_time_that_was_expected():
    estimate, own = Estimate({"a": 60.0, "b": 100.0}), Own()
    assert own.share(50.0) is None
    own.says(0.0, 0.0)
    assert own.share(50.0) is None, "nothing is done yet, which tells nothing"
    own.says(0.25, 100.0)
    assert own.share(100.0) == 0.25
    assert own.share(150.0) == pytest.approx(0.25 + 0.8 * 0.25 * 0.5), "half the time of the last quarter"
    assert 0.449 < own.share(10_000.0) < 0.45, "the next quarter has not been said"
    assert estimate.running("a", 100.0, own.share(100.0)) == 15.0
    assert estimate.left({"a": (100.0, own.share(100.0))}) == 300.0 + 100.0
    own.says(1.0, 500.0)
    assert own.share(500.0) is None, "it goes on after what it counted"
    own.says(0.0, 510.0)
    own.says(0.5, 520.0)
    assert own.share(520.0) == 0.5


def test_where_a_part_s_time_is_not_known_the_bar_counts_parts():
    estimate = Estimate({"a": 10.0, "training": None})
    assert (estimate.total, estimate.passed) == (2.0, 0.0)
    estimate.ends("a", 10.0)
    assert estimate.passed == 1.0
    assert estimate.running("training", 3600.0) == 0.0
    assert estimate.running("training", 3600.0, 0.25) == 0.25
    assert estimate.words({"training": (3600.0, None)}) == ""
    assert estimate.words({"training": (3600.0, 0.25)}) == "about 3.0 h left"


def test_parts_that_were_kept_or_failed_leave_the_pace_alone():
    estimate = Estimate({"a": 10.0, "b": 30.0})
    estimate.ends("a")
    assert estimate.pace == 1.0
    assert estimate.left() == 30.0


def test_a_part_whose_time_nobody_knew_says_nothing_of_the_pace():
    estimate = Estimate({"a": None, "b": 30.0})
    estimate.ends("a", 5000.0)
    assert (estimate.pace, estimate.words()) == (1.0, "about 30 s left")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ({"a": 540.0}, "about 9 min left"),
        ({"a": 540.0, "b": None}, "about 9 min left, not counting b"),
        ({"a": None}, ""),
        ({}, ""),
    ],
)
def test_what_is_left_in_words(seconds, words):
    assert Estimate(seconds).words() == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "a few seconds"),
        (9.9, "a few seconds"),
        (14.0, "about 10 s"),
        (86.0, "about 90 s"),
        (95.0, "about 2 min"),
        (5000.0, "about 83 min"),
        (9000.0, "about 2.5 h"),
    ],
)
def test_times_that_are_not_known_exactly(seconds, words):
    assert about(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(14.12, "14.1 s"), (680.0, "11 min 20 s"), (119.7, "2 min 0 s"), (7500.0, "2 h 5 min")],
)
def test_measured_times(seconds, words):
    assert took(seconds) == words


def test_what_is_left_of_several_at_a_time_is_shared_out_and_the_longest_is_not_cut_up():
    estimate = Estimate({"a": 60.0, "b": 40.0, "c": 20.0}, at_once=2)
    assert estimate.left() == 60.0
    assert estimate.left({"a": (30.0, None), "b": (30.0, None)}) == (30 + 10 + 20) / 2
    assert estimate.left({"a": (0.0, None), "b": (30.0, None)}) == 60.0
    assert estimate.left({"a": (30.0, 0.25), "b": (30.0, None)}) == 90.0
