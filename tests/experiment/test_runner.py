import io
import os

import numpy as np
import pytest
from rich.console import Console

from tests.fake_part import FakePart
from tfviz import backend
from tfviz.errors import BadFileError, WeightsUnavailableError
from tfviz.experiment import fingerprint
from tfviz.experiment.context import Inputs
from tfviz.experiment.progress import Reporter
from tfviz.experiment.runner import Options, Runner
from tfviz.experiment.store import Store
from tfviz.weights import fetch


@pytest.fixture
def run(tmp_path):
    """Run a part in tmp_path; returns (result, what was printed)."""

    def run(part, **options):
        output = io.StringIO()
        with Reporter(Console(file=output, soft_wrap=True)) as reporter:
            result = Runner(Options(tmp_path, **options), reporter).run(part)
        return result, output.getvalue()

    return run


def test_result_and_arrays_are_stored(run, tmp_path):
    result, _ = run(FakePart(), seed=7)
    assert Store(tmp_path).load("fake") == result
    assert result.status == "done"
    assert result.numbers["sum"].value == 3.0
    assert result.settings == {"size": 3}
    assert result.provenance["seed"] == 7
    assert not result.provenance["quick"]
    assert result.provenance["seconds"] >= 0
    assert result.provenance["backend"] == backend.name()
    assert result.provenance["versions"]["numpy"] == np.__version__
    np.testing.assert_array_equal(np.load(tmp_path / "arrays" / "fake.npz")["ones"], np.ones(3))
    assert list(result.figures) == []


def test_quick_settings_that_are_the_full_ones_are_not_labelled_quick(run):
    same = FakePart(QUICK=FakePart().SETTINGS)
    result, _ = run(same, quick=True)
    assert result.provenance["quick"] is False
    shorter, _ = run(FakePart(), quick=True)
    assert shorter.provenance["quick"] is True


def test_unchanged_is_kept_and_every_change_runs_again(run, tmp_path, monkeypatch):
    part = FakePart()
    run(part)
    _, printed = run(part)
    assert "unchanged" in printed
    assert len(part.runs) == 1
    run(part, force=True)
    run(part, seed=1)
    assert len(part.runs) == 3
    quick, _ = run(part, quick=True)
    assert quick.provenance["quick"]
    assert quick.numbers["sum"].value == 2.0
    run(part)
    assert len(part.runs) == 5
    (tmp_path / "arrays" / "fake.npz").unlink()
    run(part)
    (tmp_path / "results" / "fake.json").write_text("{")
    run(part)
    other = fingerprint.Sources({"tfviz.x": "other code"}, frozenset(), frozenset())
    monkeypatch.setattr(fingerprint, "sources_of", lambda *_, **__: other)
    run(part)
    assert len(part.runs) == 8


def test_inputs_count_for_the_parts_that_use_them(run, tmp_path):
    picture = tmp_path / "mine.png"
    picture.write_bytes(b"one")
    user, other = FakePart(ID="user", INPUTS=("image", "pictures")), FakePart(ID="other")
    folder = tmp_path / "pictures"
    folder.mkdir()
    inputs = Inputs(image=picture, pictures=folder)
    for part in (user, other, user, other):
        run(part, inputs=inputs)
    assert (len(user.runs), len(other.runs)) == (1, 1)
    picture.write_bytes(b"two")
    for part in (user, other):
        run(part, inputs=inputs)
    assert (len(user.runs), len(other.runs)) == (2, 1)
    (folder / "more.png").write_bytes(b"three")
    run(user, inputs=inputs)
    assert len(user.runs) == 3


def test_a_change_deep_in_a_folder_counts(run, tmp_path):
    batch = tmp_path / "data" / "cifar-10-batches-py" / "test_batch"
    batch.parent.mkdir(parents=True)
    batch.write_bytes(b"one")
    part = FakePart(INPUTS=("data_dir",))
    inputs = Inputs(data_dir=tmp_path / "data")
    run(part, inputs=inputs)
    run(part, inputs=inputs)
    assert len(part.runs) == 1
    batch.write_bytes(b"another")
    run(part, inputs=inputs)
    assert len(part.runs) == 2
    time = batch.stat().st_mtime_ns
    batch.write_bytes(b"ANOTHER")
    os.utime(batch, ns=(time + 1, time + 1))
    run(part, inputs=inputs)
    assert len(part.runs) == 3, "as many bytes, written later"


def test_an_interrupted_store_leaves_the_earlier_result_whole(run, tmp_path, monkeypatch):
    """Numbers of one run never stand beside arrays of another."""
    part = FakePart()
    good, _ = run(part)

    def interrupted(path, **arrays):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(part, quick=True)
    kept, printed = run(part)
    assert "unchanged" in printed
    assert kept == good
    np.testing.assert_array_equal(np.load(tmp_path / "arrays" / "fake.npz")["ones"], np.ones(3))


def test_the_users_own_network_comes_first(run, tmp_path, monkeypatch):
    def fake_fetch(name, **_options):
        return fetch.WeightsFile(tmp_path, "cd" * 32, "mine.npy, named by the user", name, published=False)

    monkeypatch.setattr(fetch, "fetch", fake_fetch)
    part = FakePart(NETWORKS=("alexnet", "caffe_alexnet"))
    result, _ = run(part, weights={"caffe_alexnet": tmp_path / "mine.npy"})
    assert part.runs[0].context.network == "caffe_alexnet"
    assert part.runs[0].context.label == "caffe_alexnet (user's file)"
    assert result.provenance["network"] == "caffe_alexnet (user's file)"


@pytest.mark.weights
def test_the_published_tensors_in_the_users_file_count_as_published(run, tmp_path, real_weights):
    """The same tensors with one byte more in the file: another hash, the same network."""
    copy = tmp_path / "mine.ckpt"
    copy.write_bytes(real_weights("alexnet_features").path.read_bytes() + b".")
    part = FakePart(NETWORKS=("alexnet_features",))
    result, _ = run(part, weights={"alexnet_features": copy})
    assert part.runs[0].context.label == "alexnet_features"
    assert result.provenance["weights"]["source"] == "mine.ckpt, named by the user (the published tensors)"


def test_a_failure_is_stored_and_the_last_good_result_survives_it(run, tmp_path):
    part = FakePart()
    good, _ = run(part)
    failed, printed = run(FakePart(error=BadFileError("x.pth is cut off: copy it again.")), force=True)
    assert (failed.status, failed.reason) == ("failed", "x.pth is cut off: copy it again.")
    assert "Traceback" not in printed
    assert failed.provenance["traceback"] == ""
    assert Store(tmp_path).load("fake").status == "failed"
    run(FakePart(error=ZeroDivisionError("once more")), force=True)
    again, printed = run(part)
    assert again == good
    assert "unchanged" in printed
    assert len(part.runs) == 1


def test_a_bug_is_stored_with_its_traceback(run):
    failed, printed = run(FakePart(error=ZeroDivisionError("division by zero")))
    assert failed.reason == "ZeroDivisionError: division by zero"
    assert "fake_part.py" in failed.provenance["traceback"]
    assert "Traceback" not in printed


def test_the_first_network_that_can_be_had_is_taken(run, tmp_path, monkeypatch):
    asked = []

    def fake_fetch(name, **options):
        asked.append((name, options["offline"]))
        if name == "alexnet":
            raise WeightsUnavailableError("alexnet cannot be had: take a file.")
        return fetch.WeightsFile(path=tmp_path, sha256="ab" * 32, source="a test", network=name)

    monkeypatch.setattr(fetch, "fetch", fake_fetch)
    part = FakePart(NETWORKS=("alexnet", "squeezenet"))
    result, printed = run(part, offline=True)
    assert asked == [("alexnet", True), ("squeezenet", True)]
    assert part.runs[0].context.network == "squeezenet"
    assert result.provenance["network"] == "squeezenet"
    assert result.provenance["weights"] == {"sha256": "ab" * 32, "source": "a test"}
    assert printed.count("alexnet cannot be had") == 1


def test_without_any_network_the_part_is_not_run_and_says_why(run, monkeypatch):
    def no_weights(name, **_options):
        raise WeightsUnavailableError(f"{name} cannot be had.")

    monkeypatch.setattr(fetch, "fetch", no_weights)
    part = FakePart(NETWORKS=("alexnet", "squeezenet"))
    result, _ = run(part)
    assert result.status == "not run"
    assert result.reason == "alexnet cannot be had. squeezenet cannot be had."
    assert part.runs == []


def test_unavailable_weights_are_said_once_a_run(tmp_path, monkeypatch):
    calls = []

    def no_weights(name, **_options):
        calls.append(name)
        raise WeightsUnavailableError("alexnet cannot be had.")

    monkeypatch.setattr(fetch, "fetch", no_weights)
    output = io.StringIO()
    with Reporter(Console(file=output)) as reporter:
        runner = Runner(Options(tmp_path), reporter)
        runner.run(FakePart(ID="one", NETWORKS=("alexnet",)))
        runner.run(FakePart(ID="two", NETWORKS=("alexnet",)))
    assert calls == ["alexnet"]
    assert output.getvalue().count("cannot be had") == 1


def test_numbers_that_are_not_finite_fail_the_part(run):
    class Broken(FakePart):
        def run(self, settings, context):
            findings = super().run(settings, context)
            return type(findings)(findings.numbers, findings.arrays, {"bad": float("nan")})

    result, _ = run(Broken())
    assert result.status == "failed"
    assert "Out of range float" in result.reason or "JSON" in result.reason


def test_networks_that_are_only_looked_at_count_where_they_are_in_the_cache(run, tmp_path, monkeypatch):
    part = FakePart()
    part.ALSO = ("alexnet_features",)
    cached = {}
    monkeypatch.setattr(fetch, "find", lambda name, user_files=None: cached.get(name))
    monkeypatch.setattr(fetch, "fetch", lambda name, **_: pytest.fail("nothing is downloaded for it"))
    run(part)
    assert part.runs[-1].context.also == {}
    cached["alexnet_features"] = fetch.WeightsFile(tmp_path, "ab" * 32, "a test", "alexnet_features")
    run(part)
    run(part)
    assert len(part.runs) == 2
    assert part.runs[-1].context.also == cached


def test_a_part_that_could_not_be_stored_is_a_failed_part(run, tmp_path):
    class Broken(FakePart):
        def run(self, settings, context):
            findings = super().run(settings, context)
            return type(findings)(findings.numbers, findings.arrays, {"bad": {1, 2}})

    result, _ = run(Broken())
    assert result.status == "failed"
    assert "set is not JSON serializable" in result.reason


def test_what_will_be_computed_is_known_beforehand_without_a_download(run, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "fetch", lambda name, **_: here(name))
    kept, changed = FakePart(ID="kept"), FakePart(ID="changed")
    networks, failed = FakePart(ID="networks", NETWORKS=("alexnet", "squeezenet")), FakePart(ID="failed")
    never = FakePart(ID="never")

    def here(name):
        return fetch.WeightsFile(tmp_path, "ab" * 32, "a test", name)

    # AlexNet could not be had when it ran, and is not looked for now.
    monkeypatch.setattr(fetch, "find", lambda name, *_: here(name) if name == "squeezenet" else None)
    monkeypatch.setattr(networks, "NETWORKS", ("squeezenet",))
    for part in (kept, changed, networks):
        run(part)
    monkeypatch.setattr(networks, "NETWORKS", ("alexnet", "squeezenet"))
    run(FakePart(ID="failed", error=ZeroDivisionError("once")))
    monkeypatch.setattr(fetch, "fetch", lambda name, **_: pytest.fail("nothing is downloaded for it"))
    changed.SETTINGS = changed.QUICK
    parts = [kept, changed, networks, failed, never]

    def waiting(**options):
        return Runner(Options(tmp_path, **options), Reporter()).waiting(parts)

    assert waiting() == ["changed", "failed", "never"]
    assert waiting(seed=1) == [part.ID for part in parts]
    assert waiting(force=True) == [part.ID for part in parts]
    monkeypatch.setattr(fetch, "find", lambda name, *_: None)
    assert waiting() == ["changed", "networks", "failed", "never"]
    assert len(kept.runs) == 1


def test_files_that_cannot_be_read_are_no_current_ones(run, tmp_path, monkeypatch):
    def fake_fetch(name, **_options):
        return fetch.WeightsFile(tmp_path, "ab" * 32, "a test", name)

    picture = tmp_path / "mine.png"
    picture.write_bytes(b"one")
    options = Options(tmp_path, inputs=Inputs(image=picture), weights={"squeezenet": tmp_path / "none.h5"})
    part = FakePart(NETWORKS=("squeezenet",))
    with monkeypatch.context() as patch:
        patch.setattr(fetch, "fetch", fake_fetch)
        run(part)
    assert Runner(options, Reporter()).waiting([part]) == ["fake"]
    result, _ = run(FakePart(INPUTS=("image",)), inputs=Inputs(image=picture))
    assert result.status == "done"

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("tfviz.experiment.runner.file_sha256", refuse)
    assert Runner(options, Reporter()).waiting([FakePart(INPUTS=("image",))]) == ["fake"]
    failed, printed = run(FakePart(INPUTS=("image",)), inputs=Inputs(image=picture))
    assert (failed.status, failed.reason) == ("failed", f"{picture}: Permission denied.")
    assert f"fake: failed: {picture}: Permission denied." in printed


def test_the_reporter_learns_how_each_part_ended(tmp_path, monkeypatch):
    said = []

    class Kept(Reporter):
        def starts(self, part, network):
            said.append((part, network))

        def ends(self, part, how, seconds=None):
            said.append((part, how.partition(" ")[0], seconds is not None))

    def no_weights(name, **_options):
        raise WeightsUnavailableError("alexnet cannot be had.")

    monkeypatch.setattr(fetch, "fetch", no_weights)
    runner = Runner(Options(tmp_path), Kept(Console(file=io.StringIO())))
    good = FakePart(ID="good")
    for part in (
        good,
        good,
        FakePart(ID="bad", error=ValueError("x")),
        FakePart(ID="no", NETWORKS=("alexnet",)),
    ):
        runner.run(part)
    assert said == [
        ("good", None),
        ("good", "done", True),
        ("good", "unchanged,", False),
        ("bad", None),
        ("bad", "failed:", False),
        ("no", "not", False),
    ]
