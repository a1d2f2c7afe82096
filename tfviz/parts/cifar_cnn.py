"""A plain convolutional network trained on CIFAR-10.

Paper: none; the network is the exercise's own. Batch norm: Ioffe and Szegedy 2015; dropout: Srivastava et al. 2014.
Cost: seconds for the recorded run; training takes minutes (see the recorded run's page).
Expected: 84.7 % test accuracy (published).
Alone: python run_all.py --only cifar_cnn --data-dir DIR [--train fast]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Findings
from tfviz.parts import _cifar
from tfviz.parts._cifar import Settings

if TYPE_CHECKING:
    from tfviz.training.study import Study

ID = "cifar_cnn"
TITLE = "A plain network trained on CIFAR-10"
TRACK = "B"
NETWORKS = ()
INPUTS = ("data_dir", "train")
SETTINGS = Settings()
QUICK = SETTINGS
PUBLISHED_ACCURACY = 0.847
PUBLISHED_KERNELS = (7, 5, 3, 2)

EXPECTED = (
    Expected(
        "test_accuracy",
        PUBLISHED_ACCURACY,
        0.01,
        "published",
        "track B",
        not_comparable="widths, dropout and training of the published network were not stated",
    ),
    *_cifar.at_least_as_published(ID, PUBLISHED_ACCURACY, ("fast", "published")),
)


def run(settings: Settings, context: Context) -> Findings:
    """Train, or take the recorded run, and judge it; the study of kernels and normalisation, where there is one."""
    from tfviz.training import study

    findings = _cifar.run(ID, settings, context)
    stored = study.load(study.RECORDED)
    compared = None if stored is None else table_of(stored)
    return replace(findings, facts={**findings.facts, "kernels": PUBLISHED_KERNELS, "study": compared})


def table_of(study: Study) -> dict[str, Any]:
    """A study as the template shows it.

    Returns:
        "epochs", "data" and "devices" of all; "rows", one a variant: "kernels", "standardize", "parameters", of its
        seeds "accuracies", "losses" (of the test split) and "seconds", and their means. "best" is the standardised
        variant with the highest mean accuracy, "apart" whether each of its seeds is ahead of every seed of the others;
        None where there is nothing to compare. So are "standardised" and "bare", which differ in that alone, and
        "standardising_apart".
    """
    rows = []
    for name in dict.fromkeys(record.preset.name for record in study.trainings):
        records = [record for record in study.trainings if record.preset.name == name]
        preset = records[0].preset
        seeds: dict[str, list[float]] = {
            "accuracies": [record.test.accuracy for record in records],
            "losses": [record.test.loss for record in records],
            "seconds": [record.seconds for record in records],
        }
        rows.append(
            {
                "kernels": preset.as_json()["architecture"]["kernels"],
                "standardize": preset.recipe.standardize,
                "parameters": records[0].parameters,
                **seeds,
                "mean_accuracy": fmean(seeds["accuracies"]),
                "mean_loss": fmean(seeds["losses"]),
                "mean_seconds": fmean(seeds["seconds"]),
            }
        )
    ranked = sorted((row for row in rows if row["standardize"]), key=lambda row: -row["mean_accuracy"])
    pairs = [
        (row, other)
        for row in ranked
        for other in rows
        if not other["standardize"] and other["kernels"] == row["kernels"]
    ]
    standardised, bare = pairs[0] if pairs else (None, None)
    several = len(ranked) > 1
    return {
        "epochs": study.trainings[0].preset.recipe.epochs,
        "data": study.data,
        "devices": list(dict.fromkeys(device for each in study.trainings for device in each.devices)),
        "rows": rows,
        "best": ranked[0] if several else None,
        "apart": all(_ahead(ranked[0], other) for other in ranked[1:]) if several else None,
        "standardised": standardised,
        "bare": bare,
        "standardising_apart": _ahead(standardised, bare) or _ahead(bare, standardised) if pairs else None,
    }


def _ahead(one: Any, other: Any) -> bool:
    """Whether the worst seed of one variant is better than the best of another; one seed does not say so."""
    first, second = one["accuracies"], other["accuracies"]
    return min(len(first), len(second)) > 1 and bool(min(first) > max(second))


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """Curves, confusion matrix, worst mistakes."""
    return _cifar.figures(findings, PUBLISHED_ACCURACY)
