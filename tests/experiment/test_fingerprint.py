import shutil
from dataclasses import replace

import pytest

from tests.fake_part import FakePart
from tfviz import backend, language
from tfviz.backend import machine
from tfviz.experiment import fingerprint
from tfviz.files.program import PACKAGE
from tfviz.parts import PARTS, cifar_cnn, conv1_filters, conv1_units, narrow_network, training_hardness

CIFAR = {"cifar_cnn", "cifar_resnet"}
ALL = {part.ID for part in PARTS}


@pytest.fixture(scope="module")
def sources():
    """All sources read once: a test reads anew what it changes (see `write`)."""
    fingerprints()


@pytest.fixture
def package(tmp_path, monkeypatch, sources):
    """A copy of the sources that a test may change."""
    copy = tmp_path / "tfviz"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    for asset in PACKAGE.glob("assets/*.npz"):
        (copy / "assets" / asset.name).write_bytes(asset.name.encode())
    monkeypatch.setattr(fingerprint, "PACKAGE", copy)
    monkeypatch.setattr(fingerprint, "_READ", dict(fingerprint._READ))
    fingerprint._path.cache_clear()
    yield copy
    fingerprint._path.cache_clear()


def fingerprints():
    return {
        part.ID: fingerprint.of_run(part, {}, {}, part.NETWORKS[-1] if part.NETWORKS else None)
        for part in PARTS
    }


def changed(package, file, old=None, new=None):
    """The parts that are computed again after a change of a file: `old` -> `new`, or a line more."""
    before = fingerprints()
    path = package / file
    if old is None:
        write(path, path.read_bytes() + b"\n_TOUCHED = 1\n")
    else:
        text = path.read_text()
        assert text.count(old) >= 1, f"{old} is not in {file}"
        write(path, text.replace(old, new).encode())
    after = fingerprints()
    return {part for part in before if before[part] != after[part]}


def write(path, content):
    """Change a source: what was read of it is forgotten, all else is still known."""
    path.write_bytes(content)
    *folders, name = path.with_suffix("").parts[path.parts.index("tfviz") :]
    module = ".".join([*folders, *([] if name == "__init__" else [name])])
    fingerprint._READ.pop(module, None)


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("training/muon.py", CIFAR),
        ("training/loop.py", CIFAR),
        ("models/cifar.py", CIFAR),
        ("assets/cifar_cnn.npz", CIFAR),
        ("assets/cifar_published.json", {"cifar_resnet"}),
        ("assets/cifar_study.json", {"cifar_cnn"}),
        ("assets/ringach2002.csv", {"conv1_filters", "conv1_units"}),
        ("models/three_node.py", {"training_hardness"}),
        ("models/narrow.py", {"narrow_network"}),
        ("measures/gabor.py", {"conv1_filters", "conv1_units"}),
        ("measures/filters.py", {"conv1_filters"}),
        ("measures/costs.py", {"receptive_fields"}),
        ("measures/spectrum.py", {"class_neuron", "natural_prior"}),
        ("assets/mean_spectrum.npz", {"class_neuron", "natural_prior"}),
        ("measures/similarity.py", {"ship_to_retriever", "jellyfish_to_mink"}),
        ("method/attacks.py", {"jellyfish_to_mink"}),
        ("method/occlusion.py", {"occlusion_map"}),
        ("method/attribution.py", {"occlusion_map"}),
        ("parts/_toward_class.py", set()),
        ("data/drawings.py", {"ship_to_retriever", "jellyfish_to_mink", "occlusion_map"}),
        ("experiment/context.py", ALL),
        ("figures/style.py", set()),
        ("figures/plots.py", set()),
        ("report/page.py", set()),
        ("report/numbers.py", set()),
        ("experiment/grading.py", set()),
        ("experiment/runner.py", set()),
        ("experiment/progress.py", set()),
        ("cli.py", set()),
        ("assets/README.md", set()),
    ],
)
def test_a_change_recomputes_the_parts_that_rest_on_it_and_no_other(package, file, parts):
    assert changed(package, file) == parts


def test_every_part_on_a_gradient_rests_on_the_loop_and_its_framework(package):
    ascents = {
        "conv1_units",
        "class_image",
        "ship_to_retriever",
        "conv2_neuron",
        "class_neuron",
        "natural_prior",
        "jellyfish_to_mink",
    }
    assert changed(package, "method/ascent.py") == ascents
    module = backend.MODULES[backend.name()].module
    gradients = ascents | {"occlusion_map", "receptive_fields"}
    assert gradients <= changed(package, f"backend/{module}.py") <= ALL - {"training_hardness"}
    other = "on_jax" if module == "on_tensorflow" else "on_tensorflow"
    assert changed(package, f"backend/{other}.py") == set()


def test_a_network_s_code_counts_where_the_part_runs_on_it(package):
    assert changed(package, "models/squeezenet.py") == {
        part.ID for part in PARTS if part.NETWORKS[-1:] == ("squeezenet",)
    }


def test_of_a_part_only_what_it_computes_with_counts(package):
    drawing = '"The unit’s output at each step; dotted: the closed-form bound."'
    assert changed(package, "parts/conv1_units.py", drawing, '"Another caption."') == set()
    assert changed(package, "parts/conv1_units.py", '"""As published;', '"""As it was published;') == set()
    assert changed(package, "parts/conv1_units.py", "0.005,", "0.05,") == set(), "a tolerance"
    assert changed(package, "parts/conv1_units.py", "kernel > 0", "kernel >= 0") == {"conv1_units"}
    assert changed(package, "parts/_toward_class.py", "np.exp(", "1 * np.exp(") == {
        "class_image",
        "ship_to_retriever",
    }


def test_comments_docstrings_and_types_change_nothing(package):
    path = package / "models" / "three_node.py"
    before = fingerprints()
    text = path.read_text()
    text = text.replace('"""Every split', '"""Each split').replace("elements: int)", "elements: float)")
    write(path, f"# a comment\n{text}".encode())
    assert fingerprints() == before


def key(part=conv1_units, settings=(), inputs=(), network="alexnet_features"):
    return fingerprint.of_run(part, dict(settings), dict(inputs), network)


def test_settings_inputs_and_network_count():
    keys = [
        key(),
        key(settings={"steps": 1}),
        key(inputs={"seed": 1}),
        key(inputs={"weights": "ab"}),
        key(network="alexnet"),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == key()


@pytest.fixture
def other_version(monkeypatch):
    """other_version(package): as if another release of it were installed."""

    def pretend(package):
        real = machine.version
        monkeypatch.setattr(machine, "version", lambda name: "9.9" if name == package else real(name))
        machine.versions.cache_clear()

    yield pretend
    monkeypatch.undo()
    machine.versions.cache_clear()


@pytest.mark.parametrize(
    ("package", "part", "counts"),
    [
        ("numpy", conv1_units, True),
        ("keras", conv1_units, True),
        ("scipy", conv1_filters, True),
        ("scipy", training_hardness, True),
        ("keras", training_hardness, False),
        ("matplotlib", conv1_units, False),
        ("jinja2", conv1_units, False),
        ("rich", conv1_units, False),
    ],
)
def test_versions_of_the_numeric_libraries_that_a_part_imports_count(other_version, package, part, counts):
    network = "alexnet_features" if part.NETWORKS else None
    before = key(part, network=network)
    other_version(package)
    assert (key(part, network=network) != before) is counts


def test_the_framework_s_version_counts_where_keras_does(other_version):
    before = key(), key(training_hardness, network=None)
    other_version(backend.MODULES[backend.name()].packages[0])
    assert key() != before[0]
    assert key(training_hardness, network=None) == before[1]


def test_python_s_version_counts(monkeypatch):
    before = key(training_hardness, network=None)
    monkeypatch.setattr(machine.platform, "python_version", lambda: "3.99.0")
    machine.versions.cache_clear()
    assert key(training_hardness, network=None) != before
    monkeypatch.undo()
    machine.versions.cache_clear()


@pytest.mark.parametrize(("name", "other"), [("floatx", "float64"), ("name", None)])
def test_keras_float_type_and_backend_count_where_keras_does(monkeypatch, name, other):
    before = key(narrow_network, network=None), key(training_hardness, network=None)
    if other is None:
        other = next(framework for framework in backend.MODULES if framework != backend.name())
    monkeypatch.setattr(backend, name, lambda: other)
    assert key(narrow_network, network=None) != before[0]
    assert key(training_hardness, network=None) == before[1]


def test_figures_rest_on_their_code_and_on_what_is_drawn(package, tmp_path):
    from tests.experiment.test_store import result

    def drawn(part=conv1_units, **changes):
        return fingerprint.of_figures(part, replace(result(), **changes))

    before = drawn()
    assert drawn() == before
    assert drawn(facts={}) != before
    assert drawn(settings={"steps": 31}) != before
    assert drawn(arrays={"map": "ab"}) != before
    assert drawn(numbers={}) != before
    number = result().numbers["count"]
    ranged = replace(number, spread=(number.value, number.value + 1), repeats=2)
    assert drawn(numbers={**result().numbers, "count": ranged}) != before, "a figure may show the range"
    assert drawn(provenance={"seed": 1}) == before, "no figure shows it"
    path = package / "figures" / "style.py"
    write(path, path.read_text().replace("#0072b2", "#0072b3").encode())
    assert drawn() != before
    again = drawn()
    path = package / "models" / "alexnet.py"
    write(path, path.read_bytes() + b"\n_TOUCHED = 1\n")
    assert drawn() == again


def test_figures_rest_on_the_language_and_its_words_and_results_do_not(monkeypatch):
    from tests.experiment.test_store import result

    before, run = fingerprint.of_figures(conv1_units, result()), key()
    with language.use("he") as words:
        in_hebrew = fingerprint.of_figures(conv1_units, result())
        assert key() == run
    monkeypatch.setattr(fingerprint.language, "current", lambda: replace(words, sha256="another"))
    in_other_words = fingerprint.of_figures(conv1_units, result())
    assert len({before, in_hebrew, in_other_words}) == 3


def test_a_part_from_elsewhere_has_a_fingerprint_of_its_own():
    assert fingerprint.of_run(FakePart(), {}, {}, None) != fingerprint.of_run(
        FakePart(), {"size": 4}, {}, None
    )
    assert "tfviz.models.cifar" in fingerprint.ingredients(cifar_cnn, {}, {}, None)["sources"]
