"""Runs on the user's own network: which parts, under which name, and when a result is kept."""

import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from tests.fake_part import FakePart
from tests.models import networks
from tfviz import cli
from tfviz.experiment import fingerprint
from tfviz.experiment.context import OwnNetwork
from tfviz.experiment.grading import Expected, grade
from tfviz.experiment.progress import Reporter
from tfviz.experiment.runner import Options, Runner
from tfviz.models.networks import OWN


@dataclass
class AnyNetwork(FakePart):
    NETWORKS: tuple = ("alexnet",)
    ANY_NETWORK: bool = True


@pytest.fixture
def runner(tmp_path):
    def made(file, **said):
        own = OwnNetwork("digits", **said)
        return Runner(
            Options(tmp_path / "out", own=own, own_file=file), Reporter(Console(file=io.StringIO()))
        )

    return made


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "digits.keras"
    path.write_bytes(b"one")
    return path


def test_a_part_that_runs_on_any_gets_it(runner, file):
    part = AnyNetwork()
    result = runner(file).run(part)
    context = part.runs[0].context
    assert (context.network, context.weights.path, context.own.name) == (OWN, file, "digits")
    assert context.label == "your network “digits”"
    assert result.provenance["network"] == context.label
    assert result.provenance["weights"]["source"] == "digits.keras, named by the user"


def test_another_part_says_what_it_needs(runner, file):
    part = AnyNetwork(ANY_NETWORK=False, NETWORKS=("alexnet", "squeezenet"))
    result = runner(file).run(part)
    assert (result.status, part.runs) == ("not run", [])
    assert (
        result.reason
        == "It does not run on your network, since it needs alexnet or squeezenet: leave --model out."
    )


def test_a_part_without_a_network_runs_as_ever(runner, file):
    part = FakePart()
    runner(file).run(part)
    assert part.runs[0].context.own is None


def test_kept_until_the_file_or_what_is_said_of_it_changes(runner, file):
    part = AnyNetwork()
    runner(file).run(part)
    assert runner(file).waiting([part]) == []
    assert runner(file, classes=("a", "b")).waiting([part]) == ["fake"]
    assert runner(file, pictures="caffe").waiting([part]) == ["fake"]
    file.write_bytes(b"two")
    assert runner(file).waiting([part]) == ["fake"]


def test_a_folder_is_known_by_all_its_files(runner, tmp_path):
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "data").write_bytes(b"one")
    part = AnyNetwork()
    runner(folder).run(part)
    assert runner(folder).waiting([part]) == []
    (folder / "variables" / "data").write_bytes(b"two")
    assert runner(folder).waiting([part]) == ["fake"]


def test_the_fingerprint_covers_what_opens_it():
    sources = fingerprint.ingredients(FakePart(), {}, {}, OWN)["sources"]
    assert {"tfviz.models.files", "tfviz.models.own", "tfviz.models.graph"} <= set(sources)
    assert "tfviz.models.own" not in fingerprint.ingredients(FakePart(), {}, {}, None)["sources"]


def test_its_numbers_are_not_graded(runner, file):
    from tfviz.experiment.part import Number
    from tfviz.experiment.store import PartResult

    number = {"sum": Number(3.0, network="your network “alexnet”")}
    expected = Expected("sum", 3.0, 0.5, "reference", "ones", ("alexnet",))
    assert grade("fake", expected, PartResult("fake", "done", numbers=number)).status == "not comparable"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "digits.keras"
    networks.grey().save(path)
    return path


def own(*arguments):
    return cli._own(cli.parse(["--model", *map(str, arguments)])[1])


def test_the_command_line_opens_it_and_says_what_it_is(digits, tmp_path, capsys):
    names = tmp_path / "names.txt"
    names.write_text("zero one two three four five six seven eight nine".replace(" ", "\n"))
    said = own(digits, "--model-classes", names, "--model-input", "0..255", "--target-class", "three")
    assert (said.name, said.pictures, said.head, said.target_class) == ("digits", "0..255", None, 3)
    assert said.source_class is None
    assert capsys.readouterr().out == (
        "Your network digits: pictures of 28 x 28 with 1 channel, taken in 0..255; 10 classes with names, a softmax "
        "gives the probabilities of its classes.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--target-class", "10"], "indices go from 0 to 9"),
        (["--target-class", "mink"], "one of your network's names"),
        (["--model-head", "sigmoid"], "last activation is softmax"),
        (["--model-input", "torch"], "'torch' is for three colours"),
    ],
)
def test_what_cannot_be_stops_before_anything_runs(digits, arguments, why, tmp_path, capsys):
    out = tmp_path / "out"
    said_of_it = [
        "--model",
        str(digits),
        "--model-input",
        "[0,1]",
        *arguments,
    ]  # of one option twice the last counts
    assert cli.main([*said_of_it, "--out", str(out)]) == cli.EXIT_USAGE
    said = capsys.readouterr().err
    assert why in said
    assert len(said.strip().splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    "option", [["--model-classes", "x"], ["--model-input", "caffe"], ["--model-head", "values"]]
)
def test_options_that_say_more_need_a_model(option, capsys):
    with pytest.raises(SystemExit):
        cli.main(option)
    assert "say more about --model FILE" in capsys.readouterr().err


def test_what_is_set_for_other_networks_is_not_comparable():
    from tfviz.experiment.part import Number
    from tfviz.experiment.store import PartResult

    label = OwnNetwork("x").label
    numbers = {"loss": Number(3.0, network=label), "theory": Number(7.0)}
    result = PartResult("fake", "done", numbers=numbers, provenance={"network": label})
    said = [
        grade("fake", Expected(name, 7.0, 0.0, "own bound", "us", networks), result).status
        for name, networks in (("loss", ()), ("absent", ("alexnet",)), ("absent", ()), ("theory", ()))
    ]
    assert said == ["not comparable", "not comparable", "missing", "pass"]


def test_over_it_stands_no_other_networks_class():
    from tfviz.experiment.store import PartResult
    from tfviz.parts import class_image, class_neuron
    from tfviz.report.publish import _title

    own = {"network": OwnNetwork("x").label}
    done = PartResult("class_image", "done", provenance=own)
    assert _title(class_image, {"class_image": done}) == class_image.TITLE_ON_ANY
    failed = PartResult("class_neuron", "failed", reason="why")
    assert _title(class_neuron, {"class_image": done, "class_neuron": failed}) == class_neuron.TITLE_ON_ANY
    usual = PartResult("class_image", "done", provenance={"network": "alexnet"})
    assert _title(class_image, {"class_image": usual}) == class_image.TITLE
    for title in (class_image.TITLE_ON_ANY, class_neuron.TITLE_ON_ANY):
        assert "retriever" not in title
        assert "jellyfish" not in title
