"""Copies of results that are not delivered yet: found again, and nothing but this run's is opened."""

import os
import pickle
from pathlib import Path

import pytest

from tfviz.experiment.shelf import Shelf, shelf
from tfviz.files.atomic import remove_unfinished


class Counted:
    """Adds up, and counts how often."""

    times = 0

    def __call__(self, *numbers):
        self.times += 1
        return sum(numbers)


class Opened:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def copies(tmp_path):
    with shelf(tmp_path) as made:
        yield made


def only(copies):
    (path,) = copies.folder.iterdir()
    return path


def test_what_was_computed_is_found_again_until_it_is_forgotten(copies):
    add = Counted()
    assert [pickle.loads(copies.computed("a/b", add, (2, 3))) for _ in range(3)] == [5, 5, 5]
    assert add.times == 1
    there = pickle.loads(pickle.dumps(copies))  # as a worker has it
    assert pickle.loads(there.computed("a/b", add, (2, 3))) == 5
    assert pickle.loads(there.computed("c", add, (2, 2))) == 4
    assert add.times == 2
    for _ in range(2):
        copies.forget("a/b")
    assert only(copies).is_file()
    assert pickle.loads(copies.computed("a/b", add, (2, 3))) == 5
    assert add.times == 3


def test_a_stranger_s_file_is_not_opened_and_a_damaged_one_is_computed_again(copies, tmp_path):
    add, mark = Counted(), tmp_path / "opened"
    copies.computed("key", add, (2, 3))
    sound = only(copies).read_bytes()
    evil = pickle.dumps(Opened(mark))
    stranger = Shelf(copies.folder, bytes(32))
    wrong = [
        b"",
        sound[:-1],
        sound[:31] + bytes([sound[31] ^ 1]) + sound[32:],
        sound[:-1] + bytes([sound[-1] ^ 1]),
        sound[:32] + evil,
        stranger._seal("key", evil) + evil,
        copies._seal("another", evil) + evil,  # this run's, for another task
    ]
    for times, content in enumerate(wrong, 2):
        only(copies).write_bytes(content)
        assert pickle.loads(copies.computed("key", add, (2, 3))) == 5
        assert add.times == times
        assert only(copies).read_bytes() == sound
    assert not mark.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_what_is_no_file_is_not_waited_for(copies):
    add = Counted()
    copies.computed("key", add, (1,))
    path = only(copies)
    path.unlink()
    os.mkfifo(path)
    assert pickle.loads(copies.computed("key", add, (1,))) == 1
    assert path.is_file()


def test_a_worker_that_does_not_see_it_or_may_not_write_there_delivers_nevertheless(tmp_path, monkeypatch):
    gone = Shelf(tmp_path / "elsewhere", bytes(32))
    assert pickle.loads(gone.computed("key", Counted(), (1, 2))) == 3
    assert not gone.folder.exists()
    with shelf(tmp_path) as copies:

        def full(self, target):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", full)
        assert pickle.loads(copies.computed("key", Counted(), (1, 2))) == 3
        assert list(copies.folder.iterdir()) == []


def test_each_is_a_run_s_own_and_leaves_nothing(tmp_path):
    with shelf(tmp_path / "new") as one, shelf(tmp_path / "new") as other:
        assert one.folder != other.folder
        assert one.secret != other.secret
        assert len(one.secret) == 32
        assert repr(one.secret) not in repr(one)
        assert one.folder.stat().st_mode & 0o777 == 0o700
        one.computed("key", abs, (-1,))
    assert list((tmp_path / "new").iterdir()) == []
    with shelf(tmp_path / "new") as killed:
        remove_unfinished(tmp_path / "new")  # as the next run does
        assert not killed.folder.exists()
        assert pickle.loads(killed.computed("key", abs, (-1,))) == 1
