import pickle

import numpy as np
import pytest
from scipy.special import softmax

import tfviz
from tests.tiny import linear_model
from tfviz.experiment import lab
from tfviz.experiment.lab import EXACT, ROUNDING, Lab
from tfviz.experiment.part import (
    Again,
    Findings,
    NotHandedInError,
    NotMeasurableError,
    Number,
    array,
    measuring,
    network_of,
)


def findings(**arrays):
    return Findings({}, arrays)


def test_an_array_is_what_it_was_asked_to_be():
    there = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 4, 3)
    found = array(findings(picture=there), "picture", (2, None, 3), (0, 1))
    np.testing.assert_array_equal(found, there)
    with pytest.raises(NotHandedInError, match=r"^the array picture is of shape 2 x 4 x 3, not 2 x any x 4$"):
        array(findings(picture=there), "picture", (2, None, 4))
    with pytest.raises(NotHandedInError, match=r"values from 0 to 1, outside 0 to 0\.5$"):
        array(findings(picture=there), "picture", (2, 4, 3), (0, 0.5))
    with pytest.raises(NotHandedInError, match="is of shape 0 x 4 x 3, not any x 4 x 3"):
        array(findings(picture=there[:0]), "picture", (None, 4, 3))
    with pytest.raises(NotHandedInError, match="is of type >f4, not float32"):
        array(findings(picture=there.astype(">f4")), "picture", (2, 4, 3))
    with pytest.raises(NotHandedInError, match="the array other was not handed in"):
        array(findings(picture=there), "other", (2, 4, 3))


def test_pictures_of_8_bits_are_their_multiples():
    levels = np.arange(256, dtype=np.float32).reshape(1, 16, 16) / np.float32(255)
    np.testing.assert_array_equal(lab.eight_bit_pictures(findings(x=levels), "x", (1, 16, 16)), levels)
    levels[0, 3, 3] = np.nextafter(levels[0, 3, 3], np.float32(1))
    with pytest.raises(NotHandedInError, match="the array x holds values that are no multiples of 1/255"):
        lab.eight_bit_pictures(findings(x=levels), "x", (1, 16, 16))


def test_what_failed_has_its_reason_and_what_was_measured_before_stays():
    found = {}
    with measuring(found, "first", "second"):
        found["first"] = Again(1.0)
        raise NotHandedInError("it is torn")
    with measuring(found, "third"):
        raise NotMeasurableError("the grader has none")
    with measuring(found, "fourth"):
        raise ValueError("it is constant")
    assert found == {
        "first": Again(1.0),
        "second": Again(None, reason="it is torn", theirs=True),
        "third": Again(None, reason="the grader has none"),
        "fourth": Again(None, reason="it is constant", theirs=True),
    }


@pytest.mark.parametrize(("value", "tolerance"), [(np.nan, 0), (np.inf, 0), (1, np.nan), (-np.inf, np.inf)])
def test_a_number_that_is_none_is_not_measured(value, tolerance):
    with pytest.raises(NotHandedInError, match="no finite number"):
        Again(value, tolerance)


def test_the_one_network_of_the_numbers():
    def labelled(*labels):
        return Findings({str(n): Number(1, network=label) for n, label in enumerate(labels)})

    assert network_of(labelled("a", None, "a")) == "a"
    assert network_of(labelled(None)) is None
    with pytest.raises(NotHandedInError, match="labelled with 2 networks"):
        network_of(labelled("a", "b"))


def test_a_probability_is_the_softmax_s_and_as_open_as_its_logits():
    logits = np.random.default_rng(0).normal(size=50) * 10
    for k in (int(logits.argmax()), int(logits.argmin()), 7):
        found = lab.probability_of(logits, k)
        assert found.value == pytest.approx(softmax(logits)[k], rel=1e-9)
        moved = logits.copy()
        moved[k] += ROUNDING * np.abs(logits).max()
        moved[np.arange(50) != k] -= ROUNDING * np.abs(logits).max()
        assert abs(softmax(moved)[k] - found.value) <= found.tolerance
        moved[k] += 4 * ROUNDING * np.abs(logits).max()
        assert abs(softmax(moved)[k] - found.value) > found.tolerance


def test_a_probability_of_logits_beyond_all_doubt_is_0_or_1():
    logits = np.array([5e5, 1e5, -3e5])
    assert [lab.probability_of(logits, k).value for k in range(3)] == [1, 0, 0]
    assert all(lab.probability_of(logits, k).tolerance < 1e-5 for k in range(3))
    # Of two that rounding cannot tell apart nothing is known.
    assert lab.probability_of(np.array([5e5, 5e5 - 3, 0]), 0).tolerance > 0.5


def test_numbers_made_of_numbers():
    first, second, none = Again(6.0, 0.5), Again(3.0, 0.1), Again(None, reason="lost")
    assert lab.extreme([first, second], min) == second
    assert lab.extreme([first, second], max) == first
    assert lab.extreme([first, none], max) == none
    assert lab.combined(lambda one, other: one - other, first, second) == Again(3.0, 0.6)
    assert lab.combined(max, first, none) == none
    assert lab.ratio(first, second) == Again(2.0, (0.5 + 2 * 0.1) / 3)
    assert lab.ratio(none, second) == lab.ratio(first, none) == none
    assert lab.ratio(first, Again(0.0)) == Again(None, reason="it would be divided by 0", theirs=True)
    assert lab.rounded(-3.0, 100.0) == Again(-3.0, 100 * ROUNDING)
    assert lab.rounded(-3.0) == Again(-3.0, 3 * ROUNDING)
    assert lab.exact(-3.0) == Again(-3.0, 3 * EXACT)


def test_scores_are_those_that_an_ascent_reads():
    model = linear_model()
    pictures = np.random.default_rng(0).random((3, 5, 7, 3)).astype(np.float32)
    goal = 2.0 * tfviz.objectives.logit(1) - tfviz.priors.l2()
    score, terms = lab.scores(model, goal, pictures)
    logits = np.asarray(model(pictures))[:, 1]
    norms = (pictures.astype(float) ** 2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(terms["logit(1)"], logits, rtol=1e-6)
    np.testing.assert_allclose(terms["l2"], norms, rtol=1e-6)
    np.testing.assert_allclose(score, 2 * logits - norms, rtol=1e-5)


def test_a_lab_has_its_own_files_and_no_others(tmp_path):
    empty = Lab()
    for label in ("squeezenet", "squeezenet (user's file)", "../squeezenet", None):
        with pytest.raises(NotMeasurableError, match="the grader has no weights of "):
            empty.model(label)
    with pytest.raises(NotMeasurableError, match="the grader has no CIFAR-10"):
        empty.cifar_test()
    assert pickle.loads(pickle.dumps(Lab({"squeezenet": tmp_path}, 3))) == Lab({"squeezenet": tmp_path}, 3)


def test_what_another_program_computed_is_computed_again(tmp_path, monkeypatch):
    grader = Lab(memory=tmp_path)
    assert grader.once({"network": None}, lambda: 3) == 3
    monkeypatch.setattr(lab, "commit", lambda: "another")
    assert grader.once({"network": None}, lambda: 4) == 4


def test_what_takes_long_is_computed_once(tmp_path):
    weights = tmp_path / "weights"
    weights.write_bytes(b"1")
    calls = []

    def compute():
        calls.append(1)
        return {"number": 0.1 + 0.2}

    memory = Lab({"net": weights}, memory=tmp_path / "memory")
    assert [memory.once({"network": "net", "settings": {"n": 1}}, compute) for _ in range(2)] == [
        {"number": 0.1 + 0.2}
    ] * 2
    assert len(calls) == 1
    memory.once({"network": "net", "settings": {"n": 2}}, compute)
    assert len(calls) == 2
    weights.write_bytes(b"2")
    memory.once({"network": "net", "settings": {"n": 1}}, compute)
    assert len(calls) == 3
    Lab({"net": weights}).once({"network": "net", "settings": {"n": 1}}, compute)
    assert len(calls) == 4
    (torn,) = list((tmp_path / "memory").iterdir())[:1]
    torn.write_text("{")
    memory.once({"network": "net", "settings": {"n": 1}}, compute)
    memory.once({"network": "net", "settings": {"n": 2}}, compute)


@pytest.mark.weights
def test_the_grader_s_network_is_loaded_once(real_weights):
    one = Lab({"alexnet_features": real_weights("alexnet_features").path})
    model = one.model("alexnet_features", normalize=False)
    assert one.model("alexnet_features", normalize=False) is model
    assert one.model("alexnet_features") is not model


def test_other_types_where_a_part_stores_them():
    counts = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(array(findings(a=counts), "a", (2, 3), (0, 5), "int64"), counts)
    with pytest.raises(NotHandedInError, match="is of type int64, not float64"):
        array(findings(a=counts), "a", (2, 3), dtype="float64")
    with pytest.raises(NotHandedInError, match="values from 0 to 5, outside 0 to 4"):
        array(findings(a=counts), "a", (2, 3), (0, 4), "int64")


def test_what_is_close_to_the_grader_s_is_taken():
    own, stored = np.array([1.0, 2.0]), np.array([1.0, 2.25])
    assert lab.close_to(own, stored, 0.25, "it is not") is stored
    with pytest.raises(NotHandedInError, match=r"^it is not: 0\.25 apart, 0\.2 is allowed$"):
        lab.close_to(own, stored, 0.2, "it is not")
    # In whole numbers of 8 bits the difference of 1 and 255 would be 2.
    with pytest.raises(NotHandedInError, match=r"2.5e\+02 apart, 3 is allowed"):
        lab.close_to(np.array([255], np.uint8), np.array([1], np.uint8), 3, "it is not")


def test_what_hangs_on_no_network_is_kept_too(tmp_path):
    grader = Lab(memory=tmp_path)
    assert grader.once({"part": "a", "network": None}, lambda: 3) == 3
    assert grader.once({"part": "a", "network": None}, lambda: 4) == 3
    assert grader.once({"part": "b", "network": None}, lambda: 4) == 4
    assert Lab().once({"part": "a", "network": None}, lambda: 5) == 5
