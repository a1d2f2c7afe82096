import ast
import json
import subprocess
import sys

import pytest

import tfviz
from tests import rooms
from tfviz.files.program import CHECKOUT

FRAMEWORKS = {"tensorflow", "jax", "torch"}


def test_no_import_runs_back_up():
    assert rooms.backwards() == {}


def test_every_module_lies_in_a_room_that_is_listed():
    assert {rooms.room_of(module) for module in rooms.modules()} == set(rooms.ORDER)


def test_an_import_that_runs_back_up_is_found(tmp_path, monkeypatch):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x.py").write_text("def f():\n    from tfviz.parts import conv1_units\n")
    monkeypatch.setattr(rooms, "PACKAGE", tmp_path)
    assert rooms.backwards() == {("files", "parts"): 1}
    (tmp_path / "files" / "x.py").write_text("import tfviz\n\ntfviz.ascend\n")
    assert rooms.backwards() == {("files", "method"): 1}


def test_only_the_backend_room_imports_frameworks():
    for module, path in rooms.modules().items():
        names = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
        assert not names & FRAMEWORKS or rooms.room_of(module) == "backend", module


@pytest.mark.parametrize("name", tfviz.__all__)
def test_public_names_are_there_and_documented(name):
    public = getattr(tfviz, name)
    assert public.__doc__
    assert public is getattr(tfviz, name)
    assert name in dir(tfviz)


def test_there_are_no_other_public_names():
    assert set(tfviz.__all__) == set(tfviz.HOMES)
    with pytest.raises(AttributeError, match="no attribute 'load_all'"):
        _ = tfviz.load_all


def test_importing_the_package_and_the_command_imports_no_framework():
    code = (
        "import sys\nimport tfviz.cli\ntfviz.cli.parser()\n"
        "heavy = {'tensorflow', 'jax', 'keras', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "import json\nprint(json.dumps(sorted(heavy)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert json.loads(done.stdout) == []
