"""What tasks read reaches workers that do not see it, once, whole and under its hash."""

import os
import pickle
import shutil

import pytest

from tests.experiment import tasks as given
from tests.experiment.elsewhere import may_hide, workers_that_do_not_see
from tfviz.data import cifar10
from tfviz.errors import BadFileError
from tfviz.experiment import inputs
from tfviz.experiment.executor import Task, run, workers
from tfviz.experiment.inputs import Input, LackingError, content, finish, packed, pieces, receive, unpacked


@pytest.fixture
def caller(tmp_path, monkeypatch):
    """The caller's folder; the worker's cache is another."""
    monkeypatch.setenv("TFVIZ_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "caller"
    folder.mkdir()
    return folder


def at_the_worker(*given, work=None, argument=None):
    """Where a worker has the inputs, as a task there is called."""
    contents = {each.path: pickle.dumps(content(each)) for each in given}
    called = packed([each.path for each in given] + ([argument] if argument else []), contents, work)
    return lambda: unpacked(called, "tcp://worker:1")


def send(wanted, name="sending"):
    sizes = []
    for piece in pieces(wanted):
        sizes.append(sum(len(part) for _, part in piece))
        receive(name, piece)
    finish(name, wanted)
    return sizes


def test_what_is_seen_is_not_sent(caller):
    file = caller / "weights.h5"
    file.write_bytes(b"weights")
    assert at_the_worker(Input(file))() == [file]
    cache = caller.parent / "cache"
    cache.mkdir()
    called = at_the_worker(Input(file))
    file.rename(cache / file.name)
    assert called() == [cache / file.name], "the worker has the published file in its own cache"


@pytest.mark.parametrize("how", ["gone", "another", "a folder"])
def test_what_is_not_seen_is_sent_once_and_keeps_its_name(caller, how, monkeypatch):
    monkeypatch.setattr(inputs, "_PIECE", 4)
    file = caller / "my network.keras"
    file.write_bytes(b"0123456789")
    wanted = content(Input(file))
    called = at_the_worker(Input(file))
    kept = caller.parent / "kept"
    file.rename(kept)
    if how == "another":
        file.write_bytes(b"9876543210")
    elif how == "a folder":
        file.mkdir()
    with pytest.raises(LackingError) as lacking:
        called()
    assert (lacking.value.address, lacking.value.contents) == ("tcp://worker:1", (wanted,))
    assert str(pickle.loads(pickle.dumps(lacking.value)).contents[0].input.path) == str(file)
    shutil.rmtree(file) if how == "a folder" else file.unlink(missing_ok=True)
    kept.rename(file)
    assert send(wanted) == [4, 4, 2]
    file.unlink()
    (there,) = called()
    assert there == caller.parent / "cache" / "sent" / wanted.sha256 / "my network.keras"
    assert there.read_bytes() == b"0123456789"
    assert os.listdir(there.parent.parent) == [wanted.sha256]


def test_a_folder_arrives_as_it_is(caller):
    folder = caller / "pictures"
    (folder / "a" / "b").mkdir(parents=True)
    for name, value in {
        "1.png": b"one",
        "a/2.png": b"",
        "a/b/3.png": b"three",
        "a/passed over.txt": b"x",
    }.items():
        (folder / name).write_bytes(value)
    (folder / "link.png").symlink_to("1.png")
    (folder / "nowhere.png").symlink_to("not there")
    some = Input(folder, ("a/b/3.png", "1.png", "not there.png"))
    wanted = [content(Input(folder)), content(some)]
    called = [at_the_worker(Input(folder)), at_the_worker(some)]
    for number, each in enumerate(wanted):
        send(each, str(number))
    shutil.rmtree(folder)
    found = [
        {path.relative_to(there).as_posix(): path.read_bytes() for path in there.rglob("*") if path.is_file()}
        for (there,) in (each() for each in called)
    ]
    every = {
        "1.png": b"one",
        "a/2.png": b"",
        "a/b/3.png": b"three",
        "a/passed over.txt": b"x",
        "link.png": b"one",
    }
    assert found == [every, {"1.png": b"one", "a/b/3.png": b"three"}]


def test_more_than_the_caller_has_is_not_the_same_folder(caller):
    folder = caller / "pictures"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"one")
    every, some = at_the_worker(Input(folder)), at_the_worker(Input(folder, ("1.png",)))
    (folder / "2.png").write_bytes(b"two")
    assert some() == [folder]
    with pytest.raises(LackingError):
        every()


def test_an_empty_folder_and_an_empty_file(caller):
    (caller / "folder").mkdir()
    (caller / "file").touch()
    both = Input(caller / "folder"), Input(caller / "file")
    called, wanted = at_the_worker(*both), [content(each) for each in both]
    for number, each in enumerate(wanted):
        send(each, str(number))
    shutil.rmtree(caller)
    folder, file = called()
    assert list(folder.iterdir()) == []
    assert file.read_bytes() == b""


def test_links_of_what_is_not_believed_lead_nowhere(caller):
    """Of a submission: a link stays one, to be refused where it is measured, and nothing behind it is sent."""
    (caller / "secret").mkdir()
    (caller / "secret" / "x.json").write_text("secret")
    folder = caller / "theirs"
    (folder / "results").mkdir(parents=True)
    (folder / "results" / "x.json").symlink_to("../../secret/x.json")
    (folder / "results" / "y.json").mkdir()
    (folder / "arrays").symlink_to("../secret")
    them = Input(
        folder, ("results/x.json", "results/y.json", "arrays/x.json", "arrays/y.npz"), believed=False
    )
    wanted, called = content(them), at_the_worker(them)
    assert dict(wanted.files) == {
        "results/x.json": "a link",
        "results/y.json": "a folder",
        "arrays": "a link",
    }
    send(wanted)
    shutil.rmtree(caller)
    (there,) = called()
    assert (there / "results" / "x.json").is_symlink()
    assert (there / "results" / "y.json").is_dir()
    assert (there / "arrays").is_symlink()


def test_what_is_no_file_is_said(caller):
    os.mkfifo(caller / "pipe")
    with pytest.raises(BadFileError, match=r"pipe cannot be read for the workers \(it is no regular file\)"):
        content(Input(caller))
    with pytest.raises(BadFileError, match=r"gone cannot be read for the workers \(No such file"):
        content(Input(caller / "gone"))


def test_a_damaged_copy_is_sent_again(caller):
    file = caller / "weights.h5"
    file.write_bytes(b"weights")
    wanted, called = content(Input(file)), at_the_worker(Input(file))
    send(wanted)
    kept = file.rename(caller / "kept")
    (there,) = called()
    there.write_bytes(b"damaged")
    with pytest.raises(LackingError):
        called()
    kept.rename(file)
    send(wanted)
    file.unlink()
    assert called()[0].read_bytes() == b"weights"


def test_what_changes_while_it_is_sent_is_not_kept(caller):
    file = caller / "weights.h5"
    file.write_bytes(b"weights")
    wanted = content(Input(file))
    file.write_bytes(b"others")
    with pytest.raises(BadFileError, match=r"weights\.h5 changed while it was sent"):
        send(wanted)
    assert list((caller.parent / "cache" / "sent").iterdir()) == []
    file.unlink()
    with pytest.raises(BadFileError, match=r"weights\.h5 cannot be sent to a worker \(No such file"):
        send(wanted)


def test_what_is_too_large_must_be_there(caller, monkeypatch):
    monkeypatch.setattr(inputs, "LARGEST", 9)
    folder = caller / "pictures"
    folder.mkdir()
    for name in ("1", "2"):
        (folder / name).write_bytes(b"12345")
    called = at_the_worker(Input(folder))
    assert called() == [folder]
    assert at_the_worker(Input(folder, ("1",)))() == [folder], "what is read of it is not"
    shutil.rmtree(folder)
    with pytest.raises(
        BadFileError, match=f"worker at tcp://worker:1 does not see {folder}, and its 0.0 GB are more"
    ):
        called()


def test_a_cache_that_cannot_be_written_is_said(caller, monkeypatch):
    file = caller / "weights.h5"
    file.write_bytes(b"weights")
    (caller / "no folder").touch()
    monkeypatch.setenv("TFVIZ_CACHE", str(caller / "no folder"))
    with pytest.raises(
        BadFileError, match=r"cannot be written \(Not a directory\): make room there, or name another"
    ):
        send(content(Input(file)))


def test_what_was_not_used_for_a_week_goes(caller):
    old, used, new = (caller / name for name in ("old", "used", "new"))
    for file in (old, used, new):
        file.write_bytes(file.name.encode())
    for file in (old, used):
        send(content(Input(file)))
    sent = caller.parent / "cache" / "sent"
    for kept in sent.iterdir():
        os.utime(kept, (0, 0))
    called = at_the_worker(Input(used))
    used.unlink()
    called()
    send(content(Input(new)))
    assert {path.name for path in sent.glob("*/*")} == {"used", "new"}


def test_a_folder_to_work_in_is_the_worker_s_own_where_it_does_not_see_the_caller_s(caller):
    at = at_the_worker(work=caller, argument=caller / "training" / "seed 3")
    assert at() == [caller / "training" / "seed 3"]
    shutil.rmtree(caller)
    (there,) = at()
    assert there.parts[-2:] == ("training", "seed 3")
    assert there.is_relative_to(caller.parent / "cache" / "sent")
    assert there.parent.parent.is_dir()
    assert at() == [there]


@pytest.mark.parametrize(
    "how", ["folder", "folder around it", "archive in a folder", "archive", "test alone", "gone"]
)
def test_of_cifar10_only_what_is_read(tmp_path, how):
    """The parts' and the graders' `data_dir`, as `tfviz.data.cifar10.find` takes it."""
    place = tmp_path / cifar10.FOLDER if how == "folder" else tmp_path
    folder = tmp_path / cifar10.FOLDER
    if how in ("folder", "folder around it", "test alone"):
        folder.mkdir()
        for name in (*cifar10.TRAIN_BATCHES, cifar10.TEST_BATCH)[-1 if how == "test alone" else 0 :]:
            (folder / name).touch()
    elif "archive" in how:
        (tmp_path / cifar10.ARCHIVE).touch()
        place = tmp_path / cifar10.ARCHIVE if how == "archive" else tmp_path
    (tmp_path / "other things").touch()
    every = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    expected = {
        "folder": (tuple(every), ("test_batch",)),
        "folder around it": (
            tuple(f"cifar-10-batches-py/{name}" for name in every),
            ("cifar-10-batches-py/test_batch",),
        ),
        "archive in a folder": (("cifar-10-python.tar.gz",),) * 2,
        "archive": (None, None),
        "test alone": (("cifar-10-batches-py/test_batch",),) * 2,
        "gone": ((), ()),
    }[how]
    assert [inputs.of_cifar10(place, test=test) for test in (False, True)] == [
        Input(place, names) for names in expected
    ]


@pytest.mark.skipif(not may_hide(), reason="this user may make no mount namespaces")
def test_workers_that_do_not_see_the_files_get_them_once(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    hidden, place = tmp_path / "hidden", tmp_path / "elsewhere"
    for folder in (hidden / "pictures", hidden / "out", place):
        folder.mkdir(parents=True)
    large = hidden / "weights.h5"
    large.write_bytes(b"large" + bytes(9_000_000))
    (hidden / "pictures" / "1.png").write_bytes(b"one")
    sent = []
    before = inputs.pieces
    monkeypatch.setattr(inputs, "pieces", lambda of: sent.append(of.input.path.name) or before(of))

    def done(count):
        kept = []
        tasks = [
            Task(f"{path.name} {number}", given.reads, (path, hidden / "out"), "", (Input(path),))
            for number in range(count)
            for path in (large, hidden / "pictures")
        ]
        with workers(scheduler=address) as pool:
            failures = run(
                tasks,
                pool,
                done=lambda _: False,
                keep=lambda task, value: kept.append((task.arguments[0].name, value)),
                shared=hidden / "out",
            )
        assert failures == []
        return kept

    with workers_that_do_not_see([hidden], place, 2) as address:
        kept = done(10)
        assert len(kept) == 20
        contents = {"weights.h5": {"weights.h5": b"large" + bytes(15)}, "pictures": {"1.png": b"one"}}
        for name, (where, value) in kept:
            assert value == contents[name]
            assert where.startswith(str(place)), "it lies in the worker's cache"
        assert max(map(sent.count, sent)) <= 2, "once for each worker"
        assert len(list(place.glob("cache-*/sent/*/mark"))) >= 1
        assert list((hidden / "out").iterdir()) == []
        sent.clear()
        done(4)
        assert sent == []
        monkeypatch.setattr(inputs, "LARGEST", 1000)
        with workers(scheduler=address) as pool:
            task = Task("large", given.reads, (large,), "", (Input(large),))
            (failure,) = run([task], pool, done=lambda _: False, keep=lambda *_: None)
        assert f"does not see {large}, and its 0.0 GB are more than the 1 that are sent" in failure.reason
