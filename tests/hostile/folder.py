"""What lies in an output folder: whether each file is whole, and what the results say."""

import json
from pathlib import Path

from tfviz.errors import BadFileError
from tfviz.experiment.store import PartResult, Store
from tfviz.files.reading import read_arrays, read_json
from tfviz.report.current import RECORD

ENDS = {".html": b"</html>", ".svg": b"</svg>", ".pdf": b"%%EOF"}
"""How files of that kind end, white space aside."""


def half_files(out: Path) -> list[str]:
    """Finished files, by their names, that are none; results whose arrays are others'."""
    found = []
    for path in sorted(out.rglob("*")):
        inside = path.relative_to(out)
        if not path.is_file() or any(part.startswith(".tfviz") for part in inside.parts if part != RECORD):
            continue
        try:
            if path.suffix == ".json":
                read_json(path)
            elif path.suffix == ".npz":
                read_arrays(path)
            elif path.suffix in ENDS:
                if not path.read_bytes().rstrip().endswith(ENDS[path.suffix]):
                    raise BadFileError(f"{path} does not end as such files do")
            elif path.suffix != ".csv":
                raise BadFileError(f"{path}: what is this?")
        except BadFileError as error:
            found.append(str(error))
    for path in sorted((out / "results").glob("*.json")):
        try:
            result = PartResult.load(path)
            if result.status == "done":
                Store(out).findings(result)
        except BadFileError as error:
            found.append(str(error))
    return found


def left_over(out: Path) -> list[str]:
    """Hidden files and folders but the record of the rendering: what is written before it has its name, and locks."""
    return sorted(str(path.relative_to(out)) for path in out.rglob(".*") if path.name != RECORD)


def numbers(out: Path) -> dict[str, dict[str, float]]:
    """The numbers of each part that is done, but for times."""
    found = {}
    for path in sorted((out / "results").glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if result["status"] == "done":
            found[result["part"]] = {
                name: number["value"] for name, number in result["numbers"].items() if number["unit"] != "s"
            }
    return found
