"""Write the README's table of results from reports/grades.json: ``python -m tests.readme_results``."""

import json
import re

from tfviz.files.program import ROOT
from tfviz.report.numbers import NETWORK_NAMES, like

START, END = "<!-- results: written by python -m tests.readme_results -->", "<!-- end of results -->"


def table(verdicts):
    """The verdicts as a Markdown table."""
    lines = [
        "| part | number | expected | measured | network | kind | verdict |",
        "| --- | --- | ---: | ---: | --- | --- | --- |",
    ]
    for row in verdicts:
        sign = {"equal": "", "at least": "≥ ", "at most": "≤ "}[row["comparison"]]
        measured = "–" if row["measured"] is None else like(row["measured"], row["tolerance"])
        network = NETWORK_NAMES.get(row["network"], row["network"]) or "–"
        lines.append(
            f"| `{row['part']}` | {row['number'].replace('_', ' ')} | {sign}{like(row['expected'], row['tolerance'])} "
            f"| {measured} | {network} | {row['kind']} | {row['status']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    verdicts = json.loads((ROOT / "reports" / "grades.json").read_text())["verdicts"]
    readme = ROOT / "README.md"
    text = readme.read_text()
    body = f"{START}\n{table(verdicts)}\n{END}"
    readme.write_text(re.sub(re.escape(START) + ".*" + re.escape(END), lambda _: body, text, flags=re.DOTALL))
