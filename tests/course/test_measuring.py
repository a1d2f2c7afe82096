"""Claims beside what is measured again: honest ones, and ones forged in every way that is known here."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.course.forged import WAYS, Forger, mixed, result_of, rewrite
from tests.fake_part import FakePart
from tests.forged import forge
from tfviz.course import measuring
from tfviz.course.command import lines
from tfviz.course.limits import LIMITS
from tfviz.course.measuring import USERS, grade_one, judged, signature, thumbnail
from tfviz.course.rows import from_json
from tfviz.course.submissions import Submission
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab
from tfviz.experiment.part import Again, NotHandedInError, NotMeasurableError, Number, array, network_of
from tfviz.experiment.part import measuring as measured
from tfviz.experiment.store import PartResult, Store

NETWORKS = {"net": 0.25, "other net": 0.5}
"""How much of a picture's mean the made-up networks say."""


@dataclass
class Asked(FakePart):
    """Asks a made-up network about two pictures; like the parts, it believes nothing of what was handed in."""

    ID: str = "asked"
    NETWORKS: tuple = ("net",)
    EXPECTED: tuple = field(
        default=(
            Expected("answer", 0.1, 0.1, "own bound", "", ("net",), "at least"),
            Expected("brightness", 0.5, 0.2, "own bound", ""),
            Expected("left", 1.0, 0.0, "own bound", ""),
        )
    )

    def again(self, findings, settings, lab):
        found = {}
        with measured(found, "brightness", "answer"):
            pictures = array(findings, "pictures", (2, 24, 32, 3), (0.0, 1.0))
            found["brightness"] = Again(float(pictures.mean()), 1e-6)
            found["answer"] = Again(lab.model(network_of(findings))(pictures), 1e-6)
        return found


class Networks(Lab):
    def model(self, label, *, normalize=True):
        if label not in self.files:
            super().model(label)
        return lambda pictures: float(NETWORKS[label.removesuffix(USERS)] * pictures.mean())


LAB = Networks({"net": Path("net.h5")})


@pytest.fixture(autouse=True)
def part(monkeypatch):
    part = Asked()
    monkeypatch.setattr(measuring, "PARTS", (part,))
    return part


def run(out, seed=0, network="net", label="net"):
    """What the part stores."""
    pictures = np.random.default_rng(seed).random((2, 24, 32, 3), np.float32)
    mean = float(pictures.mean())
    numbers = {
        "answer": Number(NETWORKS[network] * mean, network=label),
        "brightness": Number(mean),
        "seconds": Number(3.5, "s"),
        "left": Number(1),
    }
    result = PartResult(
        "asked", "done", numbers, settings={"size": 3}, provenance={"network": label, "quick": False}
    )
    Store(out).save(result, {"pictures": pictures, "steps": np.arange(3)})
    return out


def graded(folder, scratch, lab=LAB):
    scratch.mkdir()
    found = from_json(grade_one(Submission("Dana", folder), scratch, lab, LIMITS))
    return found, {row.number: row for row in found.rows}


def test_an_honest_submission(tmp_path):
    found, rows = graded(run(tmp_path / "run"), tmp_path / "scratch")
    assert {name: (row.verdict, row.status) for name, row in rows.items()} == {
        "answer": ("borne out", "pass"),
        "brightness": ("borne out", "pass"),
        "left": ("cannot be measured", "pass"),
        "seconds": ("cannot be measured", ""),
    }
    assert rows["answer"].measured == pytest.approx(rows["answer"].claimed, abs=1e-6)
    assert (rows["answer"].network, rows["answer"].expected, rows["answer"].allowed) == ("net", 0.1, 1e-6)
    assert "leaves no array" in rows["seconds"].reason
    assert lines(found) == []
    assert not found.refused
    assert [picture.name for picture in found.pictures] == ["pictures 1", "pictures 2"]
    assert set(found.hashes) == {"asked/pictures", "asked/steps"}
    assert set(found.signatures) == {"asked/pictures 1", "asked/pictures 2"}


FLAT = [each for way in WAYS for each in ([way] if isinstance(way, str) else way)]
SAID = {
    "number_changed": "claimed 0.999, measured again 0.1",
    "picture_swapped": "measured again",
    "other_network": "measured again",
    "nan": "no finite numbers",
    "wrong_shape": "shape 2 x 24 x 31 x 3, not 2 x 24 x 32 x 3",
    "float64": "type float64, not float32",
    "outside": "outside 0 to 1",
    "leads_out": "whose name leads out of it",
    "link": "links are not followed",
    "pickle": "type",
    "huge_header": "header that does not fit",
    "bomb": "would become",
    "truncated": "missing or damaged",
    "older": "another version of the program (schema 2",
    "extra_fields": "a result has no 'bonus'",
    "nested": "nested more than 64 levels",
}


@pytest.mark.parametrize("way", FLAT)
def test_forged_ones_are_told_with_the_reason(tmp_path, way):
    honest = run(tmp_path / "run")
    folder = tmp_path / "Dana"
    mixed(folder, {"asked": honest})
    before = {path: path.read_bytes() for path in honest.rglob("*") if path.is_file()}
    forger = Forger(
        "asked", "answer", "pictures", run(tmp_path / "other", 1), run(tmp_path / "third", 2, "other net")
    )
    packed = getattr(forger, way)(folder)
    assert {path: path.read_bytes() for path in before} == before
    found, rows = graded(packed or folder, tmp_path / "scratch")
    (line, *_) = lines(found)
    assert SAID[way] in line
    assert line.isprintable()
    assert str(tmp_path) not in line
    assert not any(row.verdict == "borne out" for row in rows.values() if row.number == "answer")
    assert lines(graded(honest, tmp_path / "scratch2")[0]) == []


def test_every_way_is_tried():
    assert len(WAYS) == 15
    assert set(SAID) == set(FLAT)


def test_a_result_that_was_altered_and_not_hashed_anew_shows_what_it_claims(tmp_path):
    folder = run(tmp_path / "run")
    path = result_of(folder, "asked")
    path.write_text(path.read_text().replace('"value": 3.5', '"value": 0.5'))
    _, rows = graded(folder, tmp_path / "scratch")
    assert {row.verdict for row in rows.values()} == {"not borne out"}
    assert (rows["seconds"].claimed, rows["seconds"].measured) == (0.5, None)
    assert "was altered since it was stored" in rows["answer"].reason


def test_what_was_not_handed_in_is_no_forgery(tmp_path):
    folder = run(tmp_path / "run")
    rewrite(folder, "asked", lambda content: content["numbers"].pop("answer"))
    found, rows = graded(folder, tmp_path / "scratch")
    assert rows["answer"].verdict == "cannot be measured"
    assert rows["answer"].status == "missing"
    assert rows["answer"].claimed is None
    assert lines(found) == []
    result_of(folder, "asked").unlink()
    (folder / "results" / "asked.json").write_text("x")
    (folder / "results" / "asked.json").unlink()
    (folder / "results" / "other.json").write_text("{}")
    found, rows = graded(folder, tmp_path / "scratch2")
    assert "no results of this program" in found.refused


def test_arrays_that_were_left_out_are_said_to_be(tmp_path):
    folder = run(tmp_path / "run")
    (folder / "arrays" / "asked.npz").unlink()
    found, rows = graded(folder, tmp_path / "scratch")
    assert {(row.verdict, row.reason) for row in rows.values()} == {
        ("not borne out", "arrays/asked.npz was not handed in")
    }
    assert lines(found) == [
        "Dana: asked: 4 numbers (answer, ...): not borne out: arrays/asked.npz was not handed in"
    ]


def test_a_part_that_failed_says_so_in_its_own_printable_words(tmp_path):
    Store(tmp_path / "run").save_failure("asked", "failed", "it broke \x1b[31m\nhere", {})
    found, rows = graded(tmp_path / "run", tmp_path / "scratch")
    assert {row.verdict for row in rows.values()} == {"cannot be measured"}
    assert rows["answer"].reason.startswith("the part failed: it broke")
    assert rows["answer"].reason.isprintable()
    assert lines(found) == []


def test_a_network_that_the_grader_lacks_is_no_forgery_and_labelled(tmp_path):
    folder = run(tmp_path / "run", label="net" + USERS)
    found, rows = graded(folder, tmp_path / "scratch")
    assert rows["answer"].verdict == "cannot be measured"
    assert rows["answer"].reason == "the grader has no weights of net (user's file)"
    assert rows["brightness"].verdict == "borne out"  # no network is needed for it
    assert lines(found) == []


def test_a_file_of_weights_by_hand_is_known_by_its_hash(tmp_path):
    weights = tmp_path / "net.h5"
    weights.write_text("weights")
    lab = Networks({f"net{USERS}": weights})
    folder = run(tmp_path / "run", label="net" + USERS)
    forge(
        result_of(folder, "asked"), lambda content: content["provenance"].update(weights={"sha256": "other"})
    )
    assert graded(folder, tmp_path / "scratch", lab)[1]["answer"].verdict == "cannot be measured"
    sha256 = measuring.file_sha256(weights)
    forge(
        result_of(folder, "asked"), lambda content: content["provenance"].update(weights={"sha256": sha256})
    )
    assert graded(folder, tmp_path / "scratch2", lab)[1]["answer"].verdict == "borne out"


def test_a_network_that_another_is_called_by_is_told(tmp_path, monkeypatch):
    """The file that it names is in the catalogue, or unknown where the network is known by its values."""
    said = "it is said to be of {}, and the file of weights that it names is not that network's"
    squeezenet, features, alexnet = (
        min(measuring._published(name)) for name in ("squeezenet", "alexnet_features", "alexnet")
    )
    assert measuring._published("alexnet") < measuring._published("alexnet_features")
    lab = Networks({name: Path("net.h5") for name in ("alexnet", "alexnet_features", "squeezenet")})
    for name in lab.files:
        monkeypatch.setitem(NETWORKS, name, 0.25)
    cases = {
        ("alexnet", squeezenet): False,
        ("alexnet", None): False,
        ("alexnet", "0" * 64): False,  # would be labelled as the user's own file
        ("alexnet", alexnet): True,
        ("alexnet_features", features): True,
        ("alexnet_features", alexnet): True,
        ("alexnet_features", "0" * 64): True,  # another layout of the published weights
        ("alexnet_features", squeezenet): False,
        ("squeezenet", squeezenet): True,
    }
    for place, ((name, sha256), honest) in enumerate(cases.items()):
        folder = run(tmp_path / f"run{place}", network="net", label=name)
        weights = None if sha256 is None else {"sha256": sha256}
        rewrite(
            folder, "asked", lambda content, weights=weights: content["provenance"].update(weights=weights)
        )
        rows = graded(folder, tmp_path / f"scratch{place}", lab)[1]
        assert rows["answer"].verdict == ("borne out" if honest else "not borne out"), (name, sha256)
        assert rows["answer"].reason == ("" if honest else said.format(name))
        assert rows["answer"].claimed is not None


@pytest.mark.parametrize("network", [None, "other"])
def test_numbers_of_another_network_than_was_looked_at_are_told(tmp_path, network):
    folder = run(tmp_path / "run")
    rewrite(folder, "asked", lambda content: content["provenance"].update(network=network))
    row = graded(folder, tmp_path / "scratch")[1]["answer"]
    assert row.verdict == "not borne out"
    assert row.reason.startswith("its numbers are labelled net, and it says that it looked at ")


def test_settings_of_ones_own_cannot_be_measured_and_are_named(tmp_path):
    folder = run(tmp_path / "run")
    rewrite(folder, "asked", lambda content: content["settings"].update(size=10**9))
    found, rows = graded(folder, tmp_path / "scratch")
    assert {row.verdict for row in rows.values()} == {"cannot be measured"}
    assert "neither the full nor the quick ones" in lines(found)[0]


def test_what_breaks_the_measuring_is_not_borne_out(tmp_path, part, monkeypatch):
    monkeypatch.setattr(part, "again", lambda findings, *_: findings.facts["no such"], raising=False)
    found, _ = graded(run(tmp_path / "run"), tmp_path / "scratch")
    assert "cannot be measured (KeyError: 'no such')" in lines(found)[0]


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (NotHandedInError("it is torn"), "not borne out"),
        (NotMeasurableError("none here"), "cannot be measured"),
    ],
)
def test_what_keeps_a_whole_part_from_being_measured_is_the_reason_of_each_number(
    tmp_path, part, monkeypatch, error, verdict
):
    def again(*_):
        raise error

    monkeypatch.setattr(part, "again", again, raising=False)
    _, rows = graded(run(tmp_path / "run"), tmp_path / "scratch")
    assert {(row.verdict, row.reason) for row in rows.values()} == {(verdict, str(error))}


def test_where_memory_ends_nothing_is_said_of_the_numbers(tmp_path, part, monkeypatch):
    def again(*_):
        raise MemoryError

    monkeypatch.setattr(part, "again", again, raising=False)
    with pytest.raises(MemoryError):
        graded(run(tmp_path / "run"), tmp_path / "scratch")


def test_of_several_expected_values_the_one_counts_that_can_be_compared(tmp_path, part):
    here = Expected("answer", 0.1, 0.1, "own bound", "", ("net",), "at least")
    elsewhere = Expected("answer", 9.0, 0.1, "published", "", ("other net",))
    part.EXPECTED = (elsewhere, here, elsewhere)
    row = graded(run(tmp_path / "run"), tmp_path / "scratch")[1]["answer"]
    assert (row.expected, row.comparison, row.status, row.kind) == (0.1, "at least", "pass", "own bound")


def test_more_numbers_than_any_part_has_are_not_listed(tmp_path):
    numbers = {f"n{index}": Number(index) for index in range(1001)}
    Store(tmp_path / "run").save(PartResult("asked", "done", numbers, settings={"size": 3}), {})
    _, rows = graded(tmp_path / "run", tmp_path / "scratch")
    assert set(rows) == {"answer", "brightness", "left"}
    assert {row.verdict for row in rows.values()} == {"not borne out"}
    assert rows["answer"].reason == "it claims 1,001 numbers, more than any part has"


def test_quick_settings_are_named(tmp_path):
    folder = run(tmp_path / "run")
    assert graded(folder, tmp_path / "scratch")[0].notes == ()
    rewrite(folder, "asked", lambda content: content["provenance"].update(quick=True))
    assert graded(folder, tmp_path / "scratch2")[0].notes == ("asked: quick settings",)


def test_what_is_shown_and_compared_of_one_submission_is_bounded(tmp_path):
    random = np.random.default_rng(0)
    arrays = {
        "small": random.random((15, 16, 3), np.float32),
        "maps": random.random((16, 16, 4), np.float32),
        "bytes": random.integers(0, 255, (16, 16, 3), np.uint8),
    } | {f"many_{index}": random.random((9, 16, 16, 3), np.float32) for index in range(16)}
    Store(tmp_path / "run").save(PartResult("asked", "done", {}, settings={"size": 3}), arrays)
    found, _ = graded(tmp_path / "run", tmp_path / "scratch")
    eight = [f"many_{index} {number}" for index in range(16) for number in range(1, 9)]
    assert [picture.name for picture in found.pictures] == eight[:24]
    assert list(found.signatures) == [f"asked/{name}" for name in eight[:120]]
    assert set(found.hashes) == {f"asked/{name}" for name in arrays}


@pytest.mark.parametrize(
    ("claimed", "again", "verdict"),
    [
        (1.0, Again(1.0), "borne out"),
        (1.0, Again(1.25, 0.25), "borne out"),
        (1.0, Again(1.25, 0.125), "not borne out"),
        (1.0, Again(None, reason="why"), "cannot be measured"),
        (1.0, Again(None, reason="why", theirs=True), "not borne out"),
        (None, Again(1.0), "cannot be measured"),
    ],
)
def test_judged(claimed, again, verdict):
    assert judged(claimed, again)[0] == verdict
    assert bool(judged(claimed, again)[1]) == (verdict != "borne out")


def test_names_of_numbers_are_a_students_words(tmp_path):
    folder = run(tmp_path / "run")
    forge(
        result_of(folder, "asked"),
        lambda content: content["numbers"].update({"<script>\x1b": {"value": 1.0, "network": "\x1b[2J"}}),
    )
    _, rows = graded(folder, tmp_path / "scratch")
    assert all(name.isprintable() for name in rows)
    assert all((row.network or "").isprintable() for row in rows.values())


def test_signatures_outlive_another_encoding_and_tell_pictures_apart():
    random = np.random.default_rng(0)
    low = random.random((12, 12, 3), np.float32)
    picture = np.kron(low, np.ones((9, 9, 1), np.float32))
    encoded = np.round(np.clip(0.8 * picture + 0.1, 0, 1) * 31) / 31 + 0.01 * random.random(picture.shape)
    other = np.kron(random.random((12, 12, 3), np.float32), np.ones((9, 9, 1), np.float32))
    same = np.dot(signature(picture), signature(encoded))
    assert same > 0.999 > 0.7 > np.dot(signature(picture), signature(other))
    assert np.linalg.norm(signature(picture)) == pytest.approx(1, abs=1e-3)
    assert signature(np.full((32, 32, 3), 0.5, np.float32)) == (0.0,) * 64


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_thumbnails_of_anything(value):
    picture = np.zeros((200, 300, 3), np.float32)
    picture[0, 0] = value
    assert thumbnail(picture).startswith(b"\x89PNG")
    assert all(np.isfinite(signature(picture)))
