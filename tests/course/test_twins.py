import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tfviz.course import twins
from tfviz.course.measuring import signature
from tfviz.course.rows import Graded
from tfviz.experiment.part import Number
from tfviz.experiment.store import PartResult
from tfviz.files.hashes import array_sha256

PART = "class_neuron"


def picture(seed, number):
    """A picture (96, 96, 3) of coarse noise in [0, 1]: another for each seed and number."""
    coarse = np.random.default_rng((seed, number)).random((8, 8))
    grey = np.asarray(Image.fromarray(coarse.astype(np.float32)).resize((96, 96), Image.Resampling.BICUBIC))
    return np.clip(grey, 0, 1)[..., None].repeat(3, -1)


def pictures(seed):
    return {f"picture_{number}": picture(seed, number) for number in range(4)}


def handed_in(name, arrays, seed=0, run=None, part=PART, settings="s", machine="m"):
    """A submission of one part; its run is nobody else's unless it is named."""
    times = {"started": f"2026-11-26T10:00:00 {run or name}", "seconds": 2.5, "memory": 700.25}
    return Graded(
        name,
        hashes={f"{part}/{key}": array_sha256(value) for key, value in arrays.items()},
        signatures={f"{part}/{key}": signature(value) for key, value in arrays.items() if value.ndim == 3},
        runs={part: {**times, "seed": seed, "settings": settings, "machine": machine}},
    )


HONEST = [handed_in(f"student {seed}", pictures(seed), seed) for seed in range(6)]


def certain(*graded):
    return [(each.submissions, each.what) for each in twins.find(graded) if each.certain]


def jpeg(values):
    written = io.BytesIO()
    Image.fromarray(np.round(255 * values).astype(np.uint8)).save(written, "JPEG", quality=75)
    return np.asarray(Image.open(written), np.float32) / 255


ENCODED = {
    "JPEG": jpeg,
    "shifted": lambda values: np.roll(values, 1, axis=0),
    "brighter": lambda values: values * np.float32(0.93),
    "noisy": lambda values: np.clip(values + np.random.default_rng(9).normal(0, 0.01, values.shape), 0, 1),
}


def test_honest_runs_of_different_seeds_are_nobodys_twins():
    assert twins.find(HONEST) == []


def test_honest_runs_of_one_seed_are_named_without_suspicion():
    same = [handed_in(f"same {number}", pictures(0)) for number in range(4)]
    other = handed_in("on an Arm", {name: values + 1e-5 for name, values in pictures(0).items()})
    first, second = twins.find([*same, *HONEST[1:], other])
    assert not first.certain
    assert not second.certain
    assert first.submissions == ("same 0", "same 1", "same 2", "same 3")
    assert second.submissions == (*first.submissions, "on an Arm")
    assert "as equal seeds and settings give" in first.what
    assert "another kind of machine" in second.what


def test_one_run_in_two_submissions_is_named():
    (found,) = certain(*HONEST, replace(HONEST[2], submission="copy"))
    assert found == (
        ("student 2", "copy"),
        "one run, with the same start, duration and peak memory, was handed in by all",
    )


def test_without_its_times_a_run_is_nobodys():
    runs = {
        PART: {"started": "", "seconds": None, "memory": None, "seed": 0, "settings": "s", "machine": "m"}
    }
    assert certain(*(Graded(name, runs=runs) for name in "ab")) == []


def test_a_copy_under_another_seed_is_named():
    ((names, what),) = certain(*HONEST, handed_in("copy", pictures(3), seed=77))
    assert names == ("student 3", "copy")
    assert what.startswith("4 of 4 telling pictures are one another")


def test_a_run_of_many_that_one_copied_under_another_seed_is_one_line():
    many = [handed_in(f"student {number}", pictures(0), 0) for number in range(9)]
    others = [handed_in(f"other {seed}", pictures(seed), seed) for seed in (1, 2, 3)]
    (one,) = certain(*many, *others, handed_in("copier", pictures(0), 7))
    assert one[0] == (*(each.submission for each in many), "copier")


def test_a_copy_that_names_no_seed_is_not_certain():
    (found,) = twins.find([*HONEST, handed_in("copy", pictures(3), seed=None)])
    assert found.submissions == ("student 3", "copy")
    assert not found.certain


@pytest.mark.parametrize("how", ENCODED)
def test_a_copy_encoded_anew_under_another_seed_is_named(how):
    changed = {name: ENCODED[how](values).astype(np.float32) for name, values in pictures(3).items()}
    ((names, _),) = certain(*HONEST, handed_in("copy", changed, seed=77))
    assert names == ("student 3", "copy")


@pytest.mark.parametrize("seed", [3, 77])
def test_a_mirrored_copy_is_named_whatever_its_seed(seed):
    turned = {name: values[:, ::-1] for name, values in pictures(3).items()}
    ((names, what),) = certain(*HONEST, handed_in("copy", turned, seed=seed))
    assert names == ("student 3", "copy")
    assert what == "4 of 4 telling pictures are mirrored in the other"


def test_of_two_submissions_alone_nothing_is_certain():
    (found,) = twins.find([HONEST[3], handed_in("copy", pictures(3), seed=77)])
    assert not found.certain
    assert "though seeds or settings differ" in found.what


def test_pictures_that_no_seed_changes_tell_nothing():
    source = {"source": picture(0, 0)}
    assert certain(*(handed_in(f"student {seed}", source, seed) for seed in range(6))) == []


def test_what_a_machine_changes_of_such_pictures_tells_nothing_either():
    """Four machines, each with its own end of a chaotic ascent; the first two students have one of a kind."""
    machines = [0, 0, 1, 2, 3, 4]
    sources = [picture(0, 0) + np.float32(0.1) * picture(9, machine) for machine in machines]
    handed = [handed_in(f"student {seed}", {"source": source}, seed) for seed, source in enumerate(sources)]
    assert certain(*handed) == []


def test_pictures_that_have_something_in_common_are_not_named():
    common, theirs = picture(1, 0), picture(2, 0)
    mixed = handed_in("b", {"picture_0": (2 * common + theirs) / 3})
    shared = np.dot(signature(common), mixed.signatures[f"{PART}/picture_0"])
    assert 0.8 < shared < twins.ALIKE
    assert twins.find([handed_in("a", {"picture_0": common}), mixed]) == []


def test_one_picture_drawn_twice_from_a_store_tells_nothing():
    drawn = {**pictures(5), "picture_0": picture(2, 0)}
    assert certain(*HONEST[:5], handed_in("student 5", drawn, seed=5)) == []


def test_another_program_with_the_same_seed_tells_nothing():
    """A quick run starts as the full one does."""
    assert certain(*HONEST, handed_in("quick", pictures(3), seed=3, settings="quick")) == []


def table(seed):
    return {"solved_at": np.random.default_rng(seed).integers(0, 99, 50)}


def test_arrays_that_are_no_pictures_count_where_equal_machines_show_that_the_seed_changes_them():
    honest = [handed_in(f"student {seed}", table(seed), seed) for seed in range(4)]
    copy = handed_in("copy", table(2), seed=77, machine="another")
    ((names, what),) = certain(*honest, copy)
    assert names == ("student 2", "copy")
    assert what.startswith("the same arrays to the bit, though the seeds are said to differ")
    apart = [replace(each, runs={PART: {**each.runs[PART], "machine": each.submission}}) for each in honest]
    assert certain(*apart, copy) == []
    assert certain(*honest[1:3], copy) == []  # of two alone nothing follows
    constant = [handed_in(f"student {seed}", table(0), seed) for seed in range(4)]
    assert certain(*constant) == []


def test_a_hundred_of_three_seeds_give_no_false_alarm():
    graded = [handed_in(f"student {number}", pictures(number % 3), number % 3) for number in range(100)]
    found = twins.find(graded)
    assert [each.certain for each in found] == [False] * 3
    assert found[0].line.startswith(
        "student 0, student 3, student 6, student 9, student 12 and 29 more: class_neuron: "
    )


@pytest.mark.parametrize(
    "values",
    [(), (1.0,) * 63, (float("nan"),) * 64, (1e30,) * 64, (0.0,) * 64],
    ids=["none", "63", "nan", "1e30", "0"],
)
def test_a_signature_that_is_none_is_passed_over(values):
    odd = replace(HONEST[0], submission="odd", signatures={f"{PART}/picture_0": values}, hashes={})
    assert [each for each in certain(*HONEST, odd) if "one run" not in each[1]] == []


def test_the_programs_own_picture_is_nobodys_where_others_took_theirs():
    """What hangs on an input, a network or settings tells nothing of the seed."""
    drawn = pictures(0)
    usual = [handed_in(f"usual {seed}", drawn, seed) for seed in range(2)]
    for settings in (None, "of another network"):
        own = [handed_in(f"own {seed}", pictures(seed), seed, settings=settings) for seed in range(3, 9)]
        assert certain(*usual, *own[:3]) == []
        assert certain(*usual, *own, handed_in("friend", pictures(3), 77, settings=None)) == []
        table_of_all = [handed_in(f"usual {seed}", table(0), seed, part="other") for seed in range(2)]
        table_of_own = [
            handed_in(f"own {s}", table(s), s, part="other", settings=settings) for s in range(3, 9)
        ]
        assert certain(*table_of_all, *table_of_own) == []


def test_what_decides_arrays_beside_the_seed():
    def recipe(inputs=(), numbers=("net",), settings=3, **facts):
        measured = {str(place): Number(1.0, network=network) for place, network in enumerate(numbers)}
        result = PartResult("p", "done", measured, settings={"steps": settings}, facts=facts)
        return twins.run_of(result, inputs)["settings"]

    known = [
        recipe(),
        recipe(settings=4),
        recipe(numbers=("net", "other")),
        recipe(("data_dir",), source="drawn"),
        recipe(("data_dir",), source="CIFAR-10"),
    ]
    assert None not in known
    assert len(set(known)) == 5
    assert recipe(drawn=False, source="CIFAR-10", pictures=[{}]) == known[0]  # no input of the part's
    assert recipe(("image",), drawn=True) == known[0]
    assert recipe(("pictures",), pictures=[{"package": "scikit-image"}]) == known[0]
    for inputs, facts in (
        (("train",), {}),
        (("image",), {"drawn": False}),
        (("image",), {}),
        (("pictures",), {"pictures": [{"package": "scikit-image"}, {"package": ""}]}),
        (("pictures",), {"pictures": [3]}),
    ):
        assert recipe(inputs, **facts) is None


def test_what_a_result_says_of_its_run_is_not_believed():
    result = PartResult(
        "p", "done", settings={"steps": 3},
        provenance={"started": "\x1b" + 99 * "x", "seconds": "1e999", "peak_memory_mb": float("inf"), "seed": 10**400},
    )  # fmt: skip
    run = twins.run_of(result)
    assert run["started"].isprintable()
    assert len(run["started"]) == 40
    assert (run["seconds"], run["memory"], run["seed"]) == (None, None, None)
    assert twins.run_of(replace(result, settings={"steps": 4}))["settings"] != run["settings"]
