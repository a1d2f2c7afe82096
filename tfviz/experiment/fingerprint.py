"""What decides a part's numbers, as one hash: a result with another fingerprint is not current.

Covered are the sources that the part's `run` imports, and what these import in turn; the assets that they name;
settings, inputs and weights; the versions of the numeric libraries that they import; and, where Keras is among these,
its backend and float type. Not covered is what only presents results: figures, templates, texts, another part's code.

Sources are compared as syntax trees without docstrings, so that comments and layout do not count. Of a module of
`tfviz.parts`, which computes and draws, only the definitions count that `run` can reach.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tfviz
from tfviz import backend, language
from tfviz.backend import machine
from tfviz.files.hashes import file_sha256, json_sha256
from tfviz.files.program import PACKAGE
from tfviz.models.networks import NETWORKS, OWN, TRAINED_HERE

if TYPE_CHECKING:
    from tfviz.experiment.part import Part
    from tfviz.experiment.store import PartResult

NUMERIC = {
    "keras": "keras",
    "numpy": "numpy",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "PIL": "pillow",
}
"""Libraries whose version can change numbers, by the name that is imported; the framework's comes with Keras."""
_DRAWING = {"matplotlib": "matplotlib", "numpy": "numpy"}
_ALL = "*"
_CONTEXT = "tfviz.experiment.context"  # its own lines count for every part; what it imports, where there is a network


@dataclass(frozen=True)
class Sources:
    """What some code rests on.

    Attributes:
        modules: {module: hash of its reachable definitions}.
        assets: names of files in tfviz/assets.
        libraries: names of packages that are imported from elsewhere.
    """

    modules: Mapping[str, str]
    assets: frozenset[str]
    libraries: frozenset[str]


def of_run(part: Part, settings: Mapping[str, Any], inputs: Mapping[str, Any], network: str | None) -> str:
    """The fingerprint of a part's result.

    Args:
        part: a module of `tfviz.parts`, or what looks like one.
        settings: all of them, JSON values.
        inputs: what else goes in: seed, weights, the user's files by hash; JSON values.
        network: on which it runs.
    """
    return json_sha256(ingredients(part, settings, inputs, network))


def ingredients(
    part: Part, settings: Mapping[str, Any], inputs: Mapping[str, Any], network: str | None
) -> dict[str, Any]:
    """What `of_run` hashes, by name."""
    networks = [name for name in (network, *getattr(part, "ALSO", ())) if name]
    sources = sources_of(_module(part), "run", [_CONTEXT, *_modules_of(networks)])
    uses_keras = "keras" in sources.libraries
    packages = {NUMERIC[name] for name in sources.libraries & NUMERIC.keys()}
    if uses_keras:
        packages |= {*backend.MODULES[backend.name()].packages}
    return {
        "sources": sources.modules,
        "assets": {name: file_sha256(PACKAGE / "assets" / name) for name in sorted(sources.assets)},
        "settings": settings,
        "inputs": {**inputs, "network": network},
        "versions": machine.versions(*sorted(packages)),
        "keras": {"backend": backend.name(), "floatx": backend.floatx()} if uses_keras else None,
    }


def of_figures(part: Part, result: PartResult) -> str:
    """What decides how a part's figures look: the code that draws them, its words, and the result."""
    sources = sources_of(_module(part), "figures")
    words = language.current()
    return json_sha256(
        {
            "sources": sources.modules,
            "assets": {name: file_sha256(PACKAGE / "assets" / name) for name in sorted(sources.assets)},
            "versions": machine.versions(*_DRAWING.values()),
            "numbers": {name: asdict(number) for name, number in result.numbers.items()},
            "facts": result.facts,
            "settings": result.settings,
            "arrays": result.arrays,
            "language": [words.code, words.sha256],
        }
    )


def sources_of(module: str, function: str, more: Iterable[str] = ()) -> Sources:
    """What a function rests on: the closure over the imports of its module.

    Args:
        module: of which the function is.
        function: its name.
        more: modules that it uses without importing them.
    """
    waiting = [(module, function), *((name, _ALL) for name in more)]
    reached: dict[str, set[str]] = {}
    assets: set[str] = set()
    libraries: set[str] = set()
    while waiting:
        name, definition = waiting.pop()
        if _path(name) is None:
            libraries.add(name.partition(".")[0])
            continue
        known = reached.setdefault(name, set())
        if definition in known:
            continue
        known.add(definition)
        source = _read(name)
        assets |= _assets(source, definition)
        if name != _CONTEXT:
            waiting += _needs(source, definition)
        if name == "tfviz.backend":  # which imports it by name
            waiting.append((f"tfviz.backend.{backend.MODULES[backend.name()].module}", _ALL))
    return Sources(
        {name: _digest(_read(name), tuple(sorted(found))) for name, found in sorted(reached.items())},
        frozenset(assets),
        frozenset(libraries - sys.stdlib_module_names),
    )


def _modules_of(networks: Collection[str]) -> list[str]:
    """What the context imports to build networks, and the modules of these, which are chosen by name."""
    modules = [
        f"tfviz.models.{'cifar' if name in TRAINED_HERE else NETWORKS[name].module}"
        for name in networks
        if name in NETWORKS or name in TRAINED_HERE
    ]
    if OWN in networks:
        modules.append("tfviz.models.files")
    return ["tfviz.models.loading", *modules] if modules else []


def _module(part: Part) -> str:
    return str(getattr(part, "__name__", type(part).__module__))


@cache
def _path(module: str) -> Path | None:
    """The source of a module of this package; None: it is not one of these."""
    top, *parts = module.split(".")
    if top != PACKAGE.name:
        return None
    place = PACKAGE.joinpath(*parts)
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


@dataclass(frozen=True, eq=False)
class _Source:
    """A module's syntax tree, without docstrings and without what is imported for type checkers only.

    Attributes:
        module: its name.
        statements: of its top level.
        definitions: {name that they bind: statements}, imports not among them.
        imports: {name that it binds at the top level: (module, name in it or None)}.
    """

    module: str
    statements: tuple[ast.stmt, ...]
    definitions: Mapping[str, list[ast.stmt]]
    imports: Mapping[str, tuple[str, str | None]]

    def nodes(self, definition: str) -> list[ast.stmt]:
        """The statements that bind a name; all of the module's for "*"."""
        if definition == _ALL:
            return list(self.statements)
        return self.definitions.get(definition, [])


@cache
def _needs(source: _Source, definition: str) -> frozenset[tuple[str, str]]:
    """What a definition needs: (module, definition)."""
    return frozenset(_needed(source, source.nodes(definition)))


def _needed(source: _Source, nodes: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    walked = [inner for node in nodes for inner in ast.walk(node)]
    inside = dict(bound for inner in walked if isinstance(inner, _IMPORT) for bound in _bound(inner))
    names = {inner.id for inner in walked if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)}
    attributes: dict[str, set[str]] = {}
    for inner in walked:
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            attributes.setdefault(inner.value.id, set()).add(inner.attr)
    for name in names & source.definitions.keys() if _is_sliced(source.module) else ():
        yield source.module, name
    for name, (module, member) in {**source.imports, **inside}.items():
        if name not in names and name not in inside:
            continue
        if member is not None and _path(f"{module}.{member}") is not None:
            module, member = f"{module}.{member}", None
        members = {member} if member is not None else attributes.get(name, set())
        if module == PACKAGE.name:  # the public calls, each in a home of its own
            yield from ((tfviz.HOMES[call], _ALL) for call in members if call in tfviz.HOMES)
        elif _is_sliced(module):
            yield from ((module, each) for each in members or {_ALL})
        else:
            yield module, _ALL


@cache
def _digest(source: _Source, definitions: tuple[str, ...]) -> str:
    """Hash of these definitions of a module."""
    return json_sha256({name: [ast.dump(node) for node in source.nodes(name)] for name in definitions})


_IMPORT = (ast.Import, ast.ImportFrom)


def _is_sliced(module: str) -> bool:
    return module.startswith(f"{PACKAGE.name}.parts.")


_READ: dict[str, _Source] = {}


def _read(module: str) -> _Source:
    if module not in _READ:
        _READ[module] = _parse(module)
    return _READ[module]


def _parse(module: str) -> _Source:
    path = _path(module)
    if path is None:
        raise ValueError(f"{module} is no module of {PACKAGE}")
    tree = _Bare().visit(ast.parse(path.read_text(encoding="utf-8")))
    definitions: dict[str, list[ast.stmt]] = {}
    imports: dict[str, tuple[str, str | None]] = {}
    for statement in tree.body:
        if isinstance(statement, _IMPORT):
            imports.update(_bound(statement))
            continue
        for name in _binds(statement):
            definitions.setdefault(name, []).append(statement)
    return _Source(module, tuple(tree.body), definitions, imports)


def _bound(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """The names that an import binds, and what they stand for."""
    for alias in statement.names:
        if isinstance(statement, ast.ImportFrom):
            yield alias.asname or alias.name, (statement.module or "", alias.name)
        else:
            yield alias.asname or alias.name.partition(".")[0], (alias.name, None)


def _binds(node: ast.AST) -> set[str]:
    """The names that a statement of the top level binds there; those of comprehensions are their own."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    if isinstance(node, ast.comprehension):
        return set()
    return {name for child in ast.iter_child_nodes(node) for name in _binds(child)}


@cache
def _assets(source: _Source, definition: str) -> frozenset[str]:
    """The literal names that `tfviz.files.program.asset` is asked for."""
    return frozenset(
        str(call.args[0].value)
        for node in source.nodes(definition)
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "asset"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    )


class _Bare(ast.NodeTransformer):
    """Leaves out docstrings, annotations, and imports for type checkers."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Annotations are for readers."""
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """Annotations are for readers."""
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """A field of a dataclass stays one, whatever its type."""
        node.annotation = ast.Constant(...)
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """A string that stands alone does nothing."""
        alone = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if alone else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """What only type checkers see is not run."""
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)
