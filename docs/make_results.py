"""Writes the tables of results: ``python docs/make_results.py [OUT]``.

OUT is the output folder of a full run (default: reports). All its verdicts go into docs/results.md, the few of
`CHOSEN` into README.md, each between markers. What stands around them, above all on which machine the run was, is
written by hand.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tfviz.experiment.grading import Verdict as Graded  # noqa: E402
from tfviz.report.numbers import expected_value, like, network_name, with_network_names  # noqa: E402 (installed or not)

START, END = "<!-- results: written by docs/make_results.py -->", "<!-- end of results -->"
HEAD = (
    "| part | number | expected | measured | network | kind | verdict |",
    "| --- | --- | ---: | ---: | --- | --- | --- |",
)
CHOSEN = (
    ("conv1_units", "activation_channel_0"),
    ("conv2_neuron", "unrolled_error"),
    ("jellyfish_to_mink", "l2"),
    ("receptive_fields", "quantities_disagree"),
    ("narrow_network", "largest_difference"),
    ("cifar_resnet", "test_accuracy"),
)
"""Part and number of the rows that the README shows."""

Verdict = Mapping[str, Any]


def row(verdict: Verdict) -> str:
    """A verdict of grades.json as a row of a Markdown table."""
    expected = expected_value(Graded(**verdict))
    measured = "–" if verdict["measured"] is None else like(verdict["measured"], verdict["tolerance"])
    if verdict["spread"]:
        low, high = (like(value, verdict["tolerance"]) for value in verdict["spread"])
        measured += f" ({low} to {high})" if low != high else ""
    network = network_name(verdict["network"]) if verdict["network"] else "–"
    # Reasons name networks as the program does.
    reason = with_network_names(verdict["reason"])
    cells = (
        f"`{verdict['part']}`",
        verdict["number"].replace("_", " "),
        expected,
        measured,
        network,
        verdict["kind"],
        verdict["status"] + (f": {reason}" if reason else ""),
    )
    return f"| {' | '.join(cells)} |"


def table(verdicts: Sequence[Verdict]) -> str:
    """Verdicts as a Markdown table."""
    return "\n".join([*HEAD, *map(row, verdicts)])


def written(text: str, body: str) -> str:
    """The text with another body between the markers.

    Raises:
        ValueError: it does not have the markers once.
    """
    new, count = re.subn(
        f"{re.escape(START)}.*?{re.escape(END)}", lambda _: f"{START}\n{body}\n{END}", text, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{count} places between {START} and {END}")
    return new


def main(out: Path) -> None:
    """Write both tables from what a run left in its output folder."""
    grades = json.loads((out / "grades.json").read_text(encoding="utf-8"))
    versions = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["versions"]
    about = ", ".join(f"{name} {version}" for name, version in versions.items())
    counts = "\n".join(
        f"- {kind}: {', '.join(f'{count} {status}' for status, count in statuses.items())}"
        for kind, statuses in grades["kinds"].items()
    )
    verdicts = grades["verdicts"]
    chosen = [verdict for verdict in verdicts if (verdict["part"], verdict["number"]) in CHOSEN]
    texts = {
        path: written(path.read_text(encoding="utf-8"), body)
        for path, body in (
            (ROOT / "docs" / "results.md", f"Versions: {about}.\n\n{counts}\n\n{table(verdicts)}"),
            (ROOT / "README.md", table(chosen)),
        )
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "reports")
