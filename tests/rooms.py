"""The rooms of the package and the imports between them: ``python -m tests.rooms``.

A room may import from itself and from rooms that stand after it here; no import runs back up.
"""

import ast
from collections import Counter
from pathlib import Path

import tfviz
from tfviz.files.program import PACKAGE

ORDER = (
    "cli",
    "course",
    "atlas",
    "parts",
    "report",
    "figures",
    "experiment",
    "training",
    "method",
    "measures",
    "models",
    "data",
    "weights",
    "backend",
    "language",
    "files",
    "errors",
)
"""From the top of the house to its ground."""
FACADE = ("__init__", "__main__")
"""What only hands on: the public calls, each imported from its own room when it is first used."""
SCRIPTS = "assets"
"""Scripts that make the files beside them; nothing imports them."""


def room_of(module):
    """The room of a module "tfviz.room.name"; "" for the package itself."""
    return module.removeprefix("tfviz").lstrip(".").partition(".")[0]


def modules():
    """{dotted name: path} of the package's modules, but for scripts and what only hands on."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] == SCRIPTS or (len(parts) == 1 and parts[0] in FACADE):
            continue
        found[".".join(("tfviz", *(part for part in parts if part != "__init__")))] = path
    return found


def imports(path: Path):
    """The modules of the package that a file imports, wherever in it; imports for type checkers count, too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "tfviz":
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("tfviz."))
        elif (
            isinstance(node, ast.Attribute)
            and ast.unparse(node.value) == "tfviz"
            and node.attr in tfviz.HOMES
        ):
            yield tfviz.HOMES[node.attr]


def arrows():
    """How many imports run from one room to another: {(from, to): count}."""
    found = Counter()
    for module, path in modules().items():
        for target in set(imports(path)):
            if (here := room_of(module)) != (there := room_of(target)):
                found[here, there] += 1
    return found


def backwards():
    """The arrows that run back up."""
    return {pair: count for pair, count in arrows().items() if ORDER.index(pair[0]) > ORDER.index(pair[1])}


def lines():
    """{module: lines}."""
    return {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in modules().items()}


def main():
    """Print the graph: a row a room, with its size and what it imports."""
    sizes = lines()
    print(f"{'room':<12}{'lines':>7}{'modules':>9}  largest module              imports from")
    for room in ORDER:
        own = {module: count for module, count in sizes.items() if room_of(module) == room}
        largest = max(own, key=own.get)
        targets = ", ".join(
            f"{there} {count}"
            for (here, there), count in sorted(arrows().items(), key=lambda item: ORDER.index(item[0][1]))
            if here == room
        )
        name = f"{largest.removeprefix('tfviz.')} {own[largest]}"
        print(f"{room:<12}{sum(own.values()):>7}{len(own):>9}  {name:<28}{targets or '-'}")
    print(f"{'all':<12}{sum(sizes.values()):>7}{len(sizes):>9}")
    print(f"arrows that run back up: {sum(backwards().values())}", *backwards())


if __name__ == "__main__":
    main()
