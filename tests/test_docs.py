"""What is written about the program is true of it."""

import importlib.util
import inspect
import re
import shlex
import subprocess
import sys
from importlib import import_module
from typing import get_args

import pytest
from PIL import Image

import tfviz
from tests import rooms
from tfviz import cli
from tfviz.atlas import command as atlas
from tfviz.course import command
from tfviz.data.labels import class_index
from tfviz.experiment import store
from tfviz.experiment.grading import STATUSES, Kind
from tfviz.files.program import CHECKOUT, templates
from tfviz.models.networks import NETWORKS, TRAINED_HERE
from tfviz.parts import PARTS
from tfviz.report.page import PANGO
from tfviz.training.presets import PRESETS
from tfviz.weights.catalog import CATALOG

DOCS = CHECKOUT / "docs"
SAMPLE = CHECKOUT / "reports" / "sample"
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "CHANGELOG.md", *DOCS.glob("*.md")]
MADE_BY_RECIPES = {"mirror", "lenet5", "torch"}
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def text_of(path):
    return path.read_text(encoding="utf-8")


def blocks(path, language):
    return [code for _, words, code in FENCE.findall(text_of(path)) if words == language]


def section(text, heading):
    return re.split(r"^#+ ", text.split(f"# {heading}\n")[1], flags=re.MULTILINE)[0]


def rows(text):
    """The cells of a Markdown table's rows, but for its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def tool(path):
    """A script that is no module of a package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def actions():
    return cli.parser()._actions


GRADING = {
    action.option_strings[-1]: action
    for action in command.parser("tfviz")._actions
    if action.option_strings and action.dest != "help"
}


ATLAS = {
    action.option_strings[-1]: action
    for action in atlas.parser("tfviz")._actions
    if action.option_strings and action.dest != "help"
}


def test_every_option_is_documented_and_no_other(actions):
    table = rows(section(text_of(DOCS / "start.md"), "The command line"))
    documented = {
        option for option, _ in table for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", option)
    }
    assert documented == {option for action in actions for option in action.option_strings}
    inline = re.findall(r"`(--[a-z-]+)", FENCE.sub("", text_of(DOCS / "start.md")))
    assert set(inline) <= documented | {"--help", "--grade", *GRADING, *ATLAS}


def test_every_option_of_grading_is_documented_and_no_other():
    table = rows(section(text_of(DOCS / "start.md"), "Grading what others hand in"))
    documented = {option for cell, _ in table for option in re.findall(r"`(--[^`]+)`", cell)}
    assert documented == {
        f"{option} {action.metavar}" if action.metavar else option for option, action in GRADING.items()
    }


def test_every_option_of_the_atlas_is_documented_and_no_other():
    table = rows(section(text_of(DOCS / "start.md"), "An atlas of a whole network"))
    documented = {option for cell, _ in table for option in re.findall(r"`(--[^`]+)`", cell)}
    assert documented == {
        " ".join(
            [option, *([action.metavar] if action.metavar else []), *(["..."] if action.nargs == "+" else [])]
        )
        for option, action in ATLAS.items()
    }


def test_options_are_documented_with_what_they_take(actions):
    table = rows(section(text_of(DOCS / "start.md"), "The command line"))
    documented = {cell for cell, _ in table}
    for action in actions:
        if action.metavar:
            more = " ..." if action.nargs == "+" else ""
            assert f"`{action.option_strings[0]} {action.metavar}{more}`" in documented


def test_every_preset_is_documented():
    names = [cell.strip("`") for cell, _ in rows(section(text_of(DOCS / "start.md"), "Training"))]
    assert set(names) == {name for presets in PRESETS.values() for name in presets}


def test_every_exit_status_is_documented():
    statuses = [int(cell) for cell, _ in rows(section(text_of(DOCS / "start.md"), "Exit status"))]
    assert statuses == sorted(value for name, value in vars(cli).items() if name.startswith("EXIT_"))


def test_every_network_is_documented_with_its_licence():
    table = rows(section(text_of(DOCS / "start.md"), "Weights and licences"))
    assert {network.split("`")[1] for network, _, _ in table} == set(CATALOG)
    assert all(licence for _, _, licence in table)


def commands():
    for path in PAGES:
        for code in blocks(path, "sh"):
            for line in re.split(r"\n|&&", code):
                words = shlex.split(line, comments=True)
                while words and re.fullmatch(r"[A-Z_]+=\w+", words[0]):
                    words.pop(0)
                for start in (["tfviz"], ["python", "run_all.py"], [".venv/bin/python", "run_all.py"]):
                    if words[: len(start)] == start:
                        yield pytest.param(words[len(start) :], id=f"{path.name}: {line.strip()}")


@pytest.mark.parametrize("arguments", list(commands()))
def test_commands_are_understood(arguments):
    if arguments == ["--help"]:
        return
    command, options = cli.parse(arguments)
    if command != "run":
        return
    assert set(options.only or ()) <= {part.ID for part in PARTS} | MADE_BY_RECIPES
    for name in (options.source_class, options.target_class):
        assert name is None or 0 <= class_index(name) < 1000
    for weights in options.weights:
        assert weights.partition("=")[0] in CATALOG


def test_the_reference_has_every_public_name_and_no_other():
    text = text_of(DOCS / "reference.md")
    described = re.findall(r"^\.\. auto(?:function|class):: tfviz\.([\w.]+)$", text, re.MULTILINE)
    assert {name.partition(".")[0] for name in described} == set(tfviz.__all__)
    assert len(set(described)) == len(described)
    for name in tfviz.__all__:
        public = getattr(tfviz, name)
        if inspect.ismodule(public):
            defined = {
                member
                for member, thing in vars(public).items()
                if getattr(thing, "__module__", "") == public.__name__ and not member.startswith("_")
            }
            assert {each.split(".")[1] for each in described if each.startswith(f"{name}.")} == defined
    modules = re.findall(r"^\.\. automodule:: ([\w.]+)$", text, re.MULTILINE)
    own = {home for name, home in tfviz.HOMES.items() if inspect.ismodule(getattr(tfviz, name))}
    assert set(modules) == own | {"tfviz.experiment.part", "tfviz.backend.protocol"}


def test_the_rooms_are_described_in_order():
    listed = re.findall(r"^(\w+) {2,}\S", blocks(DOCS / "how-it-works.md", "text")[0], re.MULTILINE)
    assert tuple(listed) == rooms.ORDER


def test_the_stored_result_is_described():
    text = section(text_of(DOCS / "how-it-works.md"), "What is stored")
    keys = {key for cell, _ in rows(text) for key in re.findall(r"`(\w+)`", cell)}
    assert keys == {*store.PartResult.__dataclass_fields__, "sha256"}
    assert f"schema {store.SCHEMA}:" in text


def test_the_backend_s_functions_are_described():
    from tfviz.backend.protocol import Backend

    table = rows(section(text_of(DOCS / "how-it-works.md"), "Backends"))
    assert {cell.strip("`") for cell, _ in table} == {name for name in vars(Backend) if name[0] != "_"}


def test_the_readme_is_short_and_its_two_commands_are_lines_that_can_be_copied():
    lines = text_of(CHECKOUT / "README.md").splitlines()
    assert len(lines) <= 100
    set_ups = [line for line in lines if "apt-get" in line]
    assert len(set_ups) == 2
    for line in set_ups:
        assert lines[lines.index(line) - 1 : lines.index(line) + 2] == ["```sh", line, "```"]
        assert set(PANGO.split()[2:]) <= set(line.split())
        (requirements,) = re.findall(r"-r (\S+)", line)
        assert (CHECKOUT / requirements).is_file()
    assert set_ups[0].endswith(".venv/bin/python run_all.py")
    assert (CHECKOUT / "run_all.py").is_file()
    assert set_ups[1].endswith(".venv/bin/python -m pytest -q")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_paths_lead_to_files(path):
    text = text_of(path)
    links = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'src="([^"]+)"', text)]
    for link in links:
        if not link.startswith("https://"):
            assert (path.parent / link.partition("#")[0]).exists(), link
            # Sphinx' pages know only what is in their folder.
            assert path.parent != DOCS or (path.parent / link).resolve().is_relative_to(DOCS)
    for named in re.findall(r"`((?:tfviz|tests|templates|docs|bench|reports/sample)/[\w./-]*)`", text):
        assert (CHECKOUT / named).exists() or any(word in named for word in MADE_BY_RECIPES), named


def untrained(name, **options):
    """The network without published weights: its layers and shapes are all that an example needs."""
    if name in TRAINED_HERE:
        return import_module("tfviz.models.loading").load(name, **options)
    network = NETWORKS[name]
    return getattr(import_module(f"tfviz.models.{network.module}"), network.build)(**options)


@pytest.mark.parametrize("code", blocks(CHECKOUT / "README.md", "python"))
def test_the_readme_s_examples_run(code, monkeypatch, capsys):
    monkeypatch.setattr(tfviz, "load", untrained)
    names = {}
    exec(code, names)
    assert capsys.readouterr().out
    scores = names["trace"].scores[:, 0]
    assert len(scores) == 31
    assert scores[-1] > scores[0]


def test_the_sample_pictures_are_small_and_all_there():
    make = tool(SAMPLE / "make.py")
    pictures = {path.stem: path for path in SAMPLE.iterdir() if path.suffix != ".py" and path.is_file()}
    assert set(pictures) == set(make.PAGES)
    assert sum(path.stat().st_size for path in pictures.values()) <= make.MOST_BYTES <= 1_000_000
    for path in pictures.values():
        with Image.open(path) as picture:
            assert min(picture.size) > 700
            picture.load()


def test_the_words_by_which_sample_pages_are_found_are_still_written():
    sources = [*(CHECKOUT / "tfviz" / "parts").glob("*.py"), *templates().rglob("*.html")]
    written = "".join(text_of(path) for path in sources)
    for words in tool(SAMPLE / "make.py").PAGES.values():
        assert words in written


@pytest.fixture(scope="module")
def make_results():
    return tool(DOCS / "make_results.py")


def test_a_verdict_as_a_row(make_results):
    verdict = {
        "part": "class_image",
        "number": "target_probability",
        "comparison": "at least",
        "expected": 0.998,
        "measured": 0.9512,
        "tolerance": 0.01,
        "network": "squeezenet",
        "kind": "published",
        "source": "track B",
        "status": "not comparable",
        "reason": "measured on squeezenet, comparable on alexnet or caffe_alexnet",
        "spread": None,
    }
    assert make_results.row(verdict) == (
        "| `class_image` | target probability | ≥ 0.998 | 0.951 | SqueezeNet 1.1 | published | not comparable: "
        "measured on SqueezeNet 1.1, comparable on AlexNet or AlexNet (BVLC) |"
    )
    missing = {**verdict, "measured": None, "network": None, "status": "pass", "reason": ""}
    assert make_results.row(missing).endswith("| – | – | published | pass |")
    repeated = {**verdict, "spread": (0.9481, 0.9512)}
    assert "| 0.951 (0.948 to 0.951) |" in make_results.row(repeated)


def test_only_what_stands_between_the_markers_is_written(make_results):
    start, end = make_results.START, make_results.END
    assert (
        make_results.written(f"a\n{start}\nold\n{end}\nb\n", r"new \1") == f"a\n{start}\nnew \\1\n{end}\nb\n"
    )
    for text in ("", f"{start}{end}{start}{end}"):
        with pytest.raises(ValueError, match="places between"):
            make_results.written(text, "new")


def test_the_readme_shows_rows_of_the_results(make_results):
    def written(path):
        return text_of(path).split(make_results.START)[1].split(make_results.END)[0].strip().splitlines()

    shown, all_rows = written(CHECKOUT / "README.md"), written(DOCS / "results.md")
    assert set(shown) <= set(all_rows)
    parts = {part for part, _ in make_results.CHOSEN}
    assert {cells[0].strip("`") for cells in rows("\n".join(shown))} == parts


def test_the_words_of_the_results_are_explained():
    text = text_of(DOCS / "results.md")
    for word in (*get_args(Kind), *STATUSES):
        assert f"*{word}*" in text


@pytest.mark.results
def test_the_results_are_those_that_are_expected(make_results):
    """Written after the last change of what is expected; measured values are another machine's."""
    table = rows(text_of(DOCS / "results.md").split(make_results.START)[1].split(make_results.END)[0])
    shown = [(part.strip("`"), number, kind) for part, number, _, _, _, kind, _ in table]
    assert shown == [
        (part.ID, expected.number.replace("_", " "), expected.kind)
        for part in PARTS
        for expected in part.EXPECTED
    ]


def test_versions_agree():
    assert f"\nversion: {tfviz.__version__}\n" in text_of(CHECKOUT / "CITATION.cff")
    newest = re.search(r"^## \[?([\d.]+)", text_of(CHECKOUT / "CHANGELOG.md"), re.MULTILINE)
    assert newest[1] == tfviz.__version__


def test_the_pages_are_made_without_a_warning(tmp_path):
    for package in ("sphinx", "myst_parser", "furo"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install -r requirements-docs.txt")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(tmp_path / "doctrees"), str(DOCS), str(tmp_path / "html")],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "A weighted sum of terms" in text_of(tmp_path / "html" / "reference.html")
