"""Follows the recipes of CONTRIBUTING.md, step by step, in a copy of the project."""

import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from textwrap import dedent

import numpy as np
import pytest

from tfviz import backend
from tfviz.backend.protocol import Backend
from tfviz.experiment.store import Store
from tfviz.files.program import CHECKOUT, PACKAGE
from tfviz.models.networks import NETWORKS, TRAINED_HERE
from tfviz.report.numbers import NETWORK_NAMES
from tfviz.weights.catalog import CATALOG

RECIPES = ("Add a part", "Add a network", "Add a backend")
COPIED = ("tfviz", "templates", "tests", "run_all.py", "pyproject.toml", "requirements*.txt")


@dataclass(frozen=True)
class Step:
    """A numbered step: what it says, the files that it names, its blocks of code."""

    number: int
    text: str
    files: list
    blocks: list

    @property
    def makes(self):
        """The file that it has written, or None."""
        return self.files[0] if self.text.startswith("Write") else None


def recipe(title):
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    _, *found = re.split(r"^(\d+)\. ", section, flags=re.MULTILINE)
    numbers, bodies = [int(number) for number in found[::2]], found[1::2]
    assert numbers == list(range(1, len(numbers) + 1))
    steps = []
    for number, body in zip(numbers, bodies, strict=True):
        fence = re.compile(r"^   ```\w+\n(.*?)^   ```$", re.MULTILINE | re.DOTALL)
        words = fence.sub("", body)
        files = re.findall(r"`([\w./-]+\.(?:py|html|md|txt|toml)|[\w/]+/)`", words)
        steps.append(Step(number, words, files, [dedent(block) for block in fence.findall(body)]))
    return steps


def follow(step, root):
    """Does what a step says to the files under root."""
    file = root / step.files[0]
    if step.makes:
        assert not file.exists()
        file.write_text(step.blocks[0], encoding="utf-8")
        return
    text = file.read_text(encoding="utf-8")
    for stanza in step.blocks[0].strip().split("\n\n"):
        text = with_lines(text, stanza.splitlines())
    file.write_text(text, encoding="utf-8")


def with_lines(text, stanza):
    """The text with a stanza's lines in the place that it shows: its first and last line, and "..." for the rest."""
    first, *inner, last = stanza
    place = [line.strip() for line in inner].index("...")
    lines = text.splitlines()
    assert lines.count(first) == 1, first
    start = lines.index(first)
    stop = lines.index(last, start)
    new = [first, *inner[:place], *lines[start + 1 : stop], *inner[place + 1 :], last]
    return "\n".join([*lines[:start], *new, *lines[stop + 1 :]]) + "\n"


def commands(step):
    for line in step.blocks[-1].splitlines():
        program, *arguments = shlex.split(line)
        assert program == "python", line
        yield [sys.executable, *arguments]


def done(command, root, **environment):
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, env={**os.environ, **environment}
    )


def checked(command, root, statuses=(0,), **environment):
    finished = done(command, root, **environment)
    assert finished.returncode in statuses, finished.stdout[-3000:] + finished.stderr[-3000:]
    return finished.stdout


def ruff(root, *files):
    checked([sys.executable, "-m", "ruff", "check", "--no-cache", *files], root)
    checked([sys.executable, "-m", "ruff", "format", "--no-cache", "--check", *files], root)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """copy(): a fresh copy of what a recipe changes or runs."""

    def make():
        root = tmp_path_factory.mktemp("copy")
        for pattern in COPIED:
            for path in CHECKOUT.glob(pattern):
                if path.is_dir():
                    shutil.copytree(path, root / path.name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(path, root)
        return root

    return make


@pytest.mark.parametrize("title", RECIPES)
def test_every_file_that_a_recipe_names_is_there_or_is_made_by_it(title):
    steps = recipe(title)
    made = {step.makes for step in steps}
    for step in steps:
        assert step.files or step.blocks, step.text
        for file in step.files:
            assert (file in made) != (CHECKOUT / file).exists(), f"{title}, step {step.number}: {file}"


@pytest.fixture(scope="module")
def with_part(copy):
    """A copy with the part, and the lines that running it printed."""
    root = copy()
    *steps, last = recipe("Add a part")
    for step in steps:
        follow(step, root)
    run, test = commands(last)
    printed = checked(run, root, (0, 3))  # 3: a machine without Pango
    return root, printed, test


def test_the_part_has_its_number_its_figure_its_verdict_and_its_section(with_part):
    root, printed, _ = with_part
    assert "mirror: done" in printed
    result = Store(root / "reports").load("mirror")
    assert result.status == "done"
    assert 0 < result.numbers["difference_ship"].value <= 1
    assert result.numbers["difference_ship"].network == "cifar_resnet"
    assert not result.not_drawn
    (figure,) = result.figures
    assert (root / "reports" / figure.path).stat().st_size > 1000
    page = (root / "reports" / "report.html").read_text(encoding="utf-8")
    section = page.split('<section class="part" id="mirror"')[1].split("</section>")[0]
    assert ">A picture and its mirror image</h2>" in section
    assert 'id="mirror-pictures"' in section
    assert 'The answers differ by <span class="nw">0.' in section
    assert "difference for a picture that is its own mirror image" in section
    verdicts = json.loads((root / "reports" / "grades.json").read_text())["verdicts"]
    assert [row["status"] for row in verdicts if row["part"] == "mirror"] == ["pass"]


def test_the_part_s_tests_and_the_linters_pass(with_part):
    root, _, test = with_part
    assert "3 passed" in checked(test, root)
    ruff(root, "tfviz/parts/mirror.py", "tests/parts/test_mirror.py")


@pytest.mark.parametrize(("left_out", "fails"), [(2, "template"), (3, "module_is_listed")])
def test_without_its_template_or_its_line_a_test_fails(copy, left_out, fails):
    root = copy()
    for step in recipe("Add a part")[:3]:
        if step.number != left_out:
            follow(step, root)
    (named,) = (
        file for file in recipe("Add a part")[2].files if file.startswith("tests/")
    )  # the one that is said to fail
    found = done([sys.executable, "-m", "pytest", "-q", named, "-k", "every_part"], root)
    assert found.returncode == 1, found.stdout
    assert re.search(rf"FAILED .*{fails}", found.stdout)


def test_the_network_is_found_counted_and_filled(copy, tmp_path):
    root = copy()
    steps = recipe("Add a network")
    for step in steps[:4]:
        follow(step, root)
    ruff(root, "tfviz/models/lenet5.py", "tfviz/weights/catalog.py", "tfviz/models/networks.py")
    walking = [file for file in steps[4].files if "/test_" in file]
    printed = checked([sys.executable, "-m", "pytest", "-q", *walking, "-k", "lenet5"], root)
    assert f"{len(walking)} passed" in printed

    shapes = {"conv1": (6, 3, 5, 5), "conv2": (16, 6, 5, 5), "fc3": (120, 400), "fc4": (84, 120)}
    tensors = {}
    for name, shape in {**shapes, "fc5": (10, 84)}.items():
        tensors[f"{name}.weight"] = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        tensors[f"{name}.bias"] = np.full(shape[0], 7, np.float32)
    np.save(tmp_path / "lenet5.npy", tensors, allow_pickle=True)
    code = (
        "import sys\nimport numpy as np\nimport tfviz\nfrom tfviz.report.numbers import network_name\n"
        "model = tfviz.load('lenet5', weights=sys.argv[1])\n"
        "assert model.get_layer('conv2').kernel[4, 3, 5, 15] == ((15 * 6 + 5) * 5 + 4) * 5 + 3\n"
        "assert model.get_layer('fc5').bias[9] == 7\n"
        "assert model(np.zeros((2, 32, 32, 3))).shape == (2, 10)\n"
        "print(network_name('lenet5'))"
    )
    assert checked([sys.executable, "-c", code, str(tmp_path / "lenet5.npy")], root) == "LeNet-5\n"


def test_the_backend_is_found_by_its_name(copy):
    """With functions that answer nothing: the framework itself is not there."""
    assert "torch" not in backend.MODULES, "the recipe needs another example"
    root = copy()
    module, row, requirements, _ = recipe("Add a backend")
    assert module.files[1] == "tfviz/backend/protocol.py"
    asked = {name: function for name, function in vars(Backend).items() if not name.startswith("_")}
    stubs = (
        f"def {name}({', '.join(list(inspect.signature(function).parameters)[1:])}):\n    return None\n"
        for name, function in asked.items()
    )
    (root / module.makes).write_text("\n\n".join(stubs), encoding="utf-8")
    follow(row, root)
    packages = "torch==1.0\n"
    (root / requirements.makes).write_text(f"-r requirements.txt\n{packages}", encoding="utf-8")
    code = (
        "from tfviz import backend\nframework = backend.MODULES[backend.name()]\n"
        "print(backend.current().__name__, framework.requirements)"
    )
    printed = checked([sys.executable, "-c", code], root, KERAS_BACKEND="torch")
    assert printed.split() == ["tfviz.backend.on_torch", requirements.makes]


def test_the_tables_of_networks_agree():
    assert set(CATALOG) == set(NETWORKS)
    assert set(NETWORK_NAMES) == {*NETWORKS, *TRAINED_HERE}
    for network in NETWORKS.values():
        assert (PACKAGE / "models" / f"{network.module}.py").is_file()


def test_the_table_of_backends_names_files_that_are_there():
    for framework in backend.MODULES.values():
        assert (PACKAGE / "backend" / f"{framework.module}.py").is_file()
        assert (CHECKOUT / framework.requirements).is_file()
