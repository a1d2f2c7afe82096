"""Write typical_seconds.json from output folders of full and of --quick runs, without trainings.

python -m tfviz.assets.make_typical_seconds FOLDER ...
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any


def table(folders: list[Path]) -> dict[str, Any]:
    """The seconds of each part by kind of run, the median where several folders have it; and the devices."""
    seconds: dict[str, dict[str, list[float]]] = {"full": defaultdict(list), "quick": defaultdict(list)}
    devices = set()
    for path in sorted(path for folder in folders for path in folder.glob("results/*.json")):
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["status"] == "done":
            provenance = stored["provenance"]
            seconds["quick" if provenance["quick"] else "full"][stored["part"]].append(provenance["seconds"])
            devices.add(" and ".join(provenance["devices"]))
    return {
        "devices": sorted(devices),
        **{
            kind: {part: round(median(values), 1) for part, values in sorted(parts.items())}
            for kind, parts in seconds.items()
        },
    }


if __name__ == "__main__":
    target = Path(__file__).with_name("typical_seconds.json")
    found = table([Path(folder) for folder in sys.argv[1:]])
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
