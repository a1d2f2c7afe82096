"""Tasks in this process, on processes of this machine and on Dask's workers: the same from all of them."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.course.test_apart import alive, wait_until
from tests.experiment import tasks as given
from tests.experiment.elsewhere import may_hide, workers_that_do_not_see
from tfviz.errors import BadFileError
from tfviz.experiment import executor
from tfviz.experiment.executor import SchedulerError, Task, run, workers
from tfviz.files.program import PACKAGE


def task(function, *arguments):
    name = f"{function.__name__}{arguments}"
    return Task(name, function, arguments, name)


def nothing_done(_):
    return False


def done_by(tasks, pool, **how):
    """{name: result}, failures {name: reason}, and what was told."""
    kept, told = {}, []
    failures = run(
        tasks,
        pool,
        done=nothing_done,
        keep=lambda task, value: kept.__setitem__(task.name, value),
        heard=told.append,
        **how,
    )
    return kept, {failure.task.name: failure.reason for failure in failures}, told


ORDINARY = [
    *(task(given.square, number) for number in range(6)),
    task(given.fails),
    task(given.refuses, "x.npy"),
    task(given.tells, 3),
]
RESULTS = {**{f"square({number},)": number**2 for number in range(6)}, "tells(3,)": 3}
REASONS = {"fails()": "ValueError: it is broken", "refuses('x.npy',)": "x.npy is empty: copy it again."}


@pytest.fixture(scope="module")
def two():
    with workers(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def dask():
    """The address of a scheduler with two workers, each a process of one thread."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def test_in_this_process(capsys):
    with workers(1) as pool:
        assert done_by(ORDINARY, pool) == (RESULTS, REASONS, [0, 1, 2])
        assert done_by([task(os.getpid)], pool)[0] == {"getpid()": os.getpid()}
        assert (pool.at_once, pool.words) == (1, "this process")


def test_on_two_processes(two):
    kept, failed, told = done_by(ORDINARY, two)
    assert (kept, failed, sorted(told)) == (RESULTS, REASONS, [0, 1, 2])
    pids = done_by([task(given.pid, number) for number in range(20)], two)[0].values()
    assert os.getpid() not in pids
    assert 1 <= len(set(pids)) <= 2


def test_on_dask(dask):
    with workers(scheduler=dask) as pool:
        kept, failed, told = done_by(ORDINARY, pool)
        assert (kept, failed, sorted(told)) == (RESULTS, REASONS, [0, 1, 2])
        assert pool.words == f"2 Dask workers at {dask}"
        pids = done_by([task(given.pid, number) for number in range(20)], pool)[0].values()
        assert os.getpid() not in pids
        assert done_by([task(given.processes)], pool)[0] == {"processes()": [1]}, "a task may have processes"


def test_the_order_is_the_tasks_and_only_few_are_handed_over():
    """Of 10,000 tasks; as many are asked for as the next result needs."""
    asked = []

    def coming():
        for number in range(10_000):
            asked.append(number)
            yield task(given.square, number)

    class Counting(ThreadPoolExecutor):
        def submit(self, function, /, *arguments):
            assert len(asked) <= len(kept) + executor.AHEAD * executor.machine.cores() + 1
            return super().submit(function, *arguments)

    kept = []
    with Counting(1) as pool:
        assert run(coming(), pool, done=nothing_done, keep=lambda task, value: kept.append(value)) == []
    assert kept == [number**2 for number in range(10_000)]


def test_nothing_is_done_twice():
    kept = {"square(1,)": 1}
    seen, lines = [], []

    def keep(task, value):
        assert task.key not in kept
        kept[task.key] = value

    tasks = [task(given.square, number) for number in (0, 1, 2, 0, 1, 2)]
    with workers(1) as pool:
        shown = lambda *what: seen.append(what)  # noqa: E731
        run(tasks, pool, done=kept.__contains__, keep=keep, say=lines.append, show=shown)
    assert kept == {"square(0,)": 0, "square(1,)": 1, "square(2,)": 4}
    assert [(done, total) for done, total, _ in seen] == [(2, 6), (6, 6)]
    assert lines == []


def test_what_failed_is_not_tried_again_under_the_same_key():
    with workers(1) as pool:
        failures = run([task(given.fails)] * 2, pool, done=nothing_done, keep=lambda task, value: None)
    assert len(failures) == 1


def test_what_is_shown_is_the_throughput_the_time_left_and_what_is_worked_at(monkeypatch):
    now = 0.0
    monkeypatch.setattr(executor.time, "monotonic", lambda: now)
    progress = executor._Progress(20)
    progress.skipped()
    running, waits = Future(), Future()
    running.set_running_or_notify_cancel()
    for _ in range(9):
        now += 20.0
        progress.ended()
    waiting = {running: task(given.square, 7), waits: task(given.square, 8)}
    assert progress.words(waiting) == "3 a minute, about 3 min left: square(7,)"
    assert (progress.done, progress.total) == (10, 20)
    assert progress.words({}) == ""


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_one_whose_workers_die_is_given_up_and_the_others_go_on(where, two, request, tmp_path):
    how = {"count": 2} if where == "processes" else {"scheduler": request.getfixturevalue("dask")}
    said = []
    tasks = [
        *(task(given.square, number) for number in range(3)),
        task(given.dies),
        task(given.dies_once, str(tmp_path / "mark")),
        *(task(given.square, number) for number in range(3, 6)),
    ]
    with workers(**how) as pool:
        kept, failed, _ = done_by(tasks, pool, say=said.append)
    assert failed.keys() == {"dies()"}
    reason = "3 processes died of it (SIGKILL)." if where == "processes" else "3 workers or more died of it."
    assert failed["dies()"] == reason
    assert said == [f"dies(): failed: {reason}"]
    assert kept == {
        **{f"square({number},)": number**2 for number in range(6)},
        f"dies_once('{tmp_path / 'mark'}',)": "lives",
    }


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_what_dies_with_its_worker_undelivered_is_not_computed_again(where, request, tmp_path):
    how = {"count": 2} if where == "processes" else {"scheduler": request.getfixturevalue("dask")}
    log, shared = tmp_path / "log", tmp_path / "shared"
    with workers(**how) as pool:
        kept, failed, _ = done_by([task(given.dies_before_it_delivers, str(log))], pool, shared=shared)
    assert ([*kept.values()], failed) == (["delivered"], {})
    assert log.read_text() == "computed\n"
    assert list(shared.iterdir()) == []


def test_the_results_and_reasons_are_the_same_with_a_shared_folder(two, tmp_path):
    kept, failed, told = done_by(ORDINARY, two, shared=tmp_path)
    assert (kept, failed, sorted(told)) == (RESULTS, REASONS, [0, 1, 2])
    kept, failed, _ = done_by([task(given.unpicklable), task(given.square, 2)], two, shared=tmp_path)
    assert kept == {"square(2,)": 4}
    assert "cannot pickle" in failed["unpicklable()"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_leaves_the_shared_folder_at_once(two, tmp_path):
    lying = []

    def keep(task, value):
        lying.append(len(list(tmp_path.glob(".tfviz-shelf-*/*"))))

    run(
        [task(given.square, number) for number in range(30)],
        two,
        done=nothing_done,
        keep=keep,
        shared=tmp_path,
    )
    assert len(lying) == 30
    assert 1 <= max(lying) <= 2 * executor.AHEAD


def test_what_cannot_be_pickled_is_that_task_s_failure(two):
    kept, failed, _ = done_by(
        [task(given.unpicklable), task(given.fails_unpicklably), task(given.square, 2)], two
    )
    assert kept == {"square(2,)": 4}
    assert "cannot pickle" in failed["unpicklable()"]
    assert "it holds a lock" in failed["fails_unpicklably()"]


def test_each_process_computes_on_its_share_of_the_cores(two):
    """One thread here adds up in one order: the same to the last bit, however often."""
    kept, failed, _ = done_by([task(given.cores), *(task(given.sums, number) for number in range(8))], two)
    assert failed == {}
    share = max(1, executor.machine.cores() // 2)
    assert kept.pop("cores()") == [str(share)] * 3
    if share == 1:
        assert len(set(kept.values())) == 1


def test_an_interrupt_ends_the_processes_at_once(tmp_path):
    script = tmp_path / "interrupted.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        from tests.experiment import tasks
        from tfviz.experiment.executor import Task, run, workers
        if __name__ == "__main__":
            with workers(2) as pool:
                todo = [Task(str(n), tasks.writes_and_waits, (sys.argv[1], n)) for n in range(9)]
                run(todo, pool, done=lambda _: False, keep=lambda *_: None)
        """)
    )
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    for how in (signal.SIGINT, signal.SIGKILL):
        place = tmp_path / how.name
        place.mkdir()
        starts = subprocess.Popen([sys.executable, script, place], env=env, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda place=place: len(list(place.iterdir())) == 2, 300)
            starts.send_signal(how)
            starts.wait(30)
            pids = [int(path.name) for path in place.iterdir()]
            wait_until(lambda pids=pids: not any(map(alive, pids)), 30)
        finally:
            starts.kill()
            starts.wait()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("nonsense", "missing port number"),
        ("tcp://no-such-host.invalid:8786", ""),
    ],
)
def test_a_scheduler_that_is_not_there_is_one_line(address, why):
    pytest.importorskip("distributed")
    with pytest.raises(SchedulerError, match=why) as error, workers(scheduler=address):
        pass
    assert str(error.value).startswith(f"No Dask scheduler answers at {address} (")
    assert "\n" not in str(error.value)


def test_without_dask_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    with (
        pytest.raises(SchedulerError, match=r"pip install -r requirements-atlas\.txt"),
        workers(scheduler="tcp://a:1"),
    ):
        pass


def test_a_scheduler_that_dies_is_one_line_and_what_came_is_kept():
    distributed = pytest.importorskip("distributed")
    kept = []
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        gone = threading.Thread(target=cluster.close)

        def keep(task, value):
            kept.append(value)
            if len(kept) == 1:
                gone.start()

        tasks = [task(given.square, 3), *(task(given.waits, number) for number in range(100))]
        with (
            pytest.raises(SchedulerError, match="was lost: see that it runs"),
            workers(scheduler=cluster.scheduler_address) as pool,
        ):
            run(tasks, pool, done=nothing_done, keep=keep)
        gone.join()
    assert Counter(kept)[9] == 1


def test_a_worker_with_other_sources_is_refused(dask, monkeypatch):
    from tfviz.experiment import on_dask

    monkeypatch.setattr(on_dask, "sources_sha256", lambda: "0" * 64)
    with workers(scheduler=dask) as pool:
        _, failed, _ = done_by([task(given.square, 1)], pool)
    assert "has another version of the program" in failed["square(1,)"]


@pytest.mark.skipif(not may_hide(), reason="this user may make no mount namespaces")
@pytest.mark.parametrize(
    ("there", "why"),
    [
        (
            "no program",
            "A worker lacks what the program needs (No module named 'tfviz'): install the same there",
        ),
        ("another version", "has another version of the program: install the same there, and start it anew."),
    ],
)
def test_a_worker_elsewhere_that_has_not_got_the_program_says_so(tmp_path, there, why):
    pytest.importorskip("distributed")
    (tmp_path / "place").mkdir()
    path = []
    if there == "another version":
        shutil.copytree(PACKAGE, tmp_path / "tfviz", ignore=shutil.ignore_patterns("assets", "__pycache__"))
        (tmp_path / "tfviz" / "newer.py").touch()
        path = [tmp_path]
    with (
        workers_that_do_not_see([], tmp_path / "place", path=path) as address,
        workers(scheduler=address) as pool,
    ):
        _, failed, _ = done_by([task(given.square, 1), task(given.square, 2)], pool)
    assert list(failed) == ["square(1,)", "square(2,)"]
    assert all(why in reason for reason in failed.values())


def test_wrong_counts():
    with pytest.raises(ValueError, match="at least 1"), workers(0):
        pass


def test_errors_cross_over_as_they_are():
    error = executor._portable(BadFileError("x is empty."))
    assert isinstance(pickle.loads(pickle.dumps(error)), BadFileError)
