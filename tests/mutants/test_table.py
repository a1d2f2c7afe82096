"""Each mutant can still be made, and what must kill it is still there."""

import ast
from collections import Counter

import pytest

from tests.mutants.table import MUTANTS
from tfviz.files.program import CHECKOUT


def tree(path, text=None):
    """A module's syntax, without docstrings."""
    parsed = ast.parse((CHECKOUT / path).read_text(encoding="utf-8") if text is None else text)
    for node in ast.walk(parsed):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            body[:] = body[isinstance(body[0].value, ast.Constant) :] or [ast.Pass()]
    return ast.dump(parsed)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_a_program_and_another_one(mutant):
    text = (CHECKOUT / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1
    mutated = text.replace(mutant.old, mutant.new)
    assert mutated != text
    if mutant.file.endswith(".py"):
        assert tree(mutant.file, mutated) != tree(mutant.file)


@pytest.mark.parametrize("test", sorted({test for mutant in MUTANTS for test in mutant.tests}))
def test_what_must_kill_it_is_there(test):
    path, _, name = test.partition("::")
    module = ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))
    tests = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
    assert name.partition("[")[0] in tests if name else any(each.startswith("test_") for each in tests)


def test_each_has_a_name_of_its_own_and_a_test():
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1
    assert all(mutant.tests for mutant in MUTANTS)
