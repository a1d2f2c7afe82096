"""Many submissions: each in a process of its own, in any order, taken up again."""

import os
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.course.forged import rewrite
from tests.course.test_apart import wait_until
from tests.experiment.elsewhere import may_hide, workers_that_do_not_see
from tfviz.course import command, running
from tfviz.course.limits import LIMITS, Limits
from tfviz.course.rows import Graded, as_json, from_json
from tfviz.course.running import FOLDER, grade
from tfviz.course.submissions import find
from tfviz.experiment.lab import Lab
from tfviz.experiment.progress import Reporter
from tfviz.experiment.runner import Options, Runner
from tfviz.files.hashes import json_sha256
from tfviz.parts import PARTS, narrow_network

IDS = [part.ID for part in PARTS]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A course of three, of a part that needs no weights: two seeds, and one whose number was changed."""
    folder = tmp_path_factory.mktemp("course")
    for name, seed in (("ben", 1), ("dana", 2), ("zoë", 2)):
        with Reporter() as reporter:
            Runner(Options(folder / name, quick=True, offline=True, seed=seed), reporter).run(narrow_network)

    def change(content):
        content["numbers"]["largest_difference"]["value"] = 0.5

    rewrite(folder / "zoë", "narrow_network", change)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path


def table(graded):
    return [(each.submission, each.refused, [replace(row, shown={}) for row in each.rows]) for each in graded]


def run(runs, out, **how):
    return grade(find([runs], IDS), out, Lab(), **how)


def test_each_is_measured_apart_and_comes_in_its_order(runs, out, capsys):
    said = []
    graded = run(runs, out, say=lambda each, done: said.append((each.submission, done)))
    assert [each.submission for each in graded] == ["ben", "dana", "zoë"]
    assert sorted(said) == sorted(zip([name for name, _ in said], [1, 2, 3], strict=True))
    verdicts = {
        each.submission: {
            row.verdict
            for row in each.rows
            if (row.part, row.number) == ("narrow_network", "largest_difference")
        }
        for each in graded
    }
    assert verdicts == {"ben": {"borne out"}, "dana": {"borne out"}, "zoë": {"not borne out"}}
    assert all(0 < each.peak_memory_mb < 4000 for each in graded)
    assert not list(out.glob(".tfviz-*"))  # what was unpacked is gone
    assert [from_json(as_json(each)) for each in graded] == graded


def test_a_measurement_depends_on_the_program_and_on_all_that_the_grader_has(tmp_path, monkeypatch):
    weights = tmp_path / "weights"
    weights.write_text("1")
    lab = Lab({"net": weights}, 1, tmp_path)
    labs = [lab, replace(lab, files={"other": weights}), replace(lab, seed=2), replace(lab, data_dir=None)]
    about = [running._about(each, LIMITS) for each in labs]
    about.append(running._about(lab, replace(LIMITS, memory=1)))
    weights.write_text("2")
    about.append(running._about(lab, LIMITS))
    monkeypatch.setattr(running, "sources_sha256", lambda: "another program")
    about.append(running._about(lab, LIMITS))
    assert len({json_sha256(each) for each in about}) == 7


def test_the_same_content_is_measured_once_and_again_where_it_would_be_otherwise(tmp_path, monkeypatch):
    for name in "ab":
        path = tmp_path / "course" / name / "results" / "narrow_network.json"
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    measured = []

    def measure(submission, *_):
        measured.append(submission.name)
        return as_json(Graded(submission.name))

    monkeypatch.setattr(running, "measure", measure)
    submissions = find([tmp_path / "course"], IDS)
    (tmp_path / "out").mkdir()
    for count, lab in ((1, Lab()), (1, Lab()), (2, Lab(seed=1)), (2, Lab())):
        graded = grade(submissions, tmp_path / "out", lab, workers=1)
        assert [each.submission for each in graded] == ["a", "b"]
        assert len(measured) == count


class Backwards(ThreadPoolExecutor):
    """Runs what was submitted last first, as other machines might."""

    def __init__(self):
        super().__init__(1)
        self.waiting = []

    def submit(self, function, /, *arguments, **named):
        future = Future()
        self.waiting.insert(0, (future, function, arguments))
        if len(self.waiting) == 3:
            for each, call, given in self.waiting:
                each.set_result(call(*given))
        return future


def test_any_executor_in_any_order_gives_the_same_and_what_is_kept_is_not_measured_again(
    runs, out, tmp_path, monkeypatch
):
    (out / "backwards").mkdir()
    (out / "usual").mkdir()
    backwards = run(runs, out / "backwards", executor=Backwards())
    usual = run(runs, out / "usual", workers=2)
    assert table(backwards) == table(usual)
    monkeypatch.setattr(running, "apart", None)  # nothing is measured
    assert table(run(runs, out / "usual")) == table(usual)
    renamed = find([runs / "dana", runs / "ben"], IDS)
    assert [each.submission for each in grade(renamed, out / "usual", Lab())] == ["dana", "ben"]
    for path in (out / "usual" / FOLDER).iterdir():
        path.write_text(path.read_text()[:100])  # damaged: measured again
    assert {each.refused for each in run(runs, out / "usual")} == {
        "Measuring it was stopped: TypeError: 'NoneType' object is not callable."
    }


def test_one_that_takes_more_than_it_may_is_named_and_the_others_go_on(runs, out):
    submissions = find([runs, Path(__file__)], IDS)
    graded = grade(submissions, out, Lab(), limits=Limits(unpacked=1000))
    reasons = {row.reason for each in graded for row in each.rows if row.part == "narrow_network"}
    assert any("more than" in reason or "at most 1000 are read" in reason for reason in reasons)
    graded = grade(submissions, out, Lab(), limits=Limits(seconds=0.001))
    assert [each.refused for each in graded[:3]] == [
        "Measuring it was stopped: it took more than 0.001 s."
    ] * 3
    assert "not a zip" in graded[3].refused
    assert not any((out / FOLDER).glob("*.json")) or LIMITS.seconds  # a stop is not kept


KILLED = """
import sys
from pathlib import Path
from tests.course.test_running import IDS
from tfviz.course.running import grade
from tfviz.course.submissions import find
from tfviz.experiment.lab import Lab
if __name__ == "__main__":
    grade(find([Path(sys.argv[1])], IDS), Path(sys.argv[2]), Lab(), workers=1)
"""


def test_killed_in_the_middle_and_taken_up_again(runs, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, script, runs, cut], env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    try:
        wait_until(lambda: any((cut / FOLDER).glob("*.json")), 300)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    kept = len(list((cut / FOLDER).glob("*.json")))
    assert 1 <= kept <= 3
    assert table(run(runs, cut)) == table(run(runs, whole))


def test_the_command(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command.fetch, "fetch", no_weights)
    asked = command.Asked([runs], tmp_path, offline=True)
    assert command.grade(asked)
    said = capsys.readouterr().out
    assert "zoë: narrow_network: largest_difference: not borne out: claimed 0.5, measured again" in said
    assert "ben: narrow_network" not in said
    assert (tmp_path / "grades.csv").read_text(encoding="utf-8").count("zoë") > 5
    assert (tmp_path / "grades.html").is_file()


def no_weights(name, **_):
    raise command.WeightsUnavailableError(f"no {name}")


@pytest.mark.skipif(not may_hide(), reason="this user may make no mount namespaces")
def test_on_dask_s_workers_that_see_no_submission_the_table_is_the_same(runs, out, tmp_path_factory):
    pytest.importorskip("distributed")
    (out / "dask").mkdir()
    (out / "usual").mkdir()
    with workers_that_do_not_see([runs, out], tmp_path_factory.mktemp("elsewhere"), 2) as address:
        there = run(runs, out / "dask", scheduler=address)
    assert [each.refused for each in there] == [""] * 3
    assert table(there) == table(run(runs, out / "usual", workers=2))
