"""A plain convolutional network trained on CIFAR-10.

Paper: none; the network is the exercise's own. Batch norm: Ioffe and Szegedy 2015; dropout: Srivastava et al. 2014.
Cost: seconds for the recorded run; training takes minutes (see the recorded run's page).
Expected: 84.7 % test accuracy (published).
Alone: python run_all.py --only cifar_cnn --data-dir DIR [--train fast]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab
from tfviz.experiment.part import Again, Drawing, Findings
from tfviz.language import gettext as _
from tfviz.language import marked
from tfviz.parts import _cifar
from tfviz.parts._cifar import Settings

if TYPE_CHECKING:
    from tfviz.training.study import Study

ID = "cifar_cnn"
TITLE = marked("A plain network trained on CIFAR-10")
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
        marked("track B; measured: averaged over views (smoke trainings: the picture alone)"),
        not_comparable=marked("widths, dropout and training of the published network were not stated"),
        label=marked("test accuracy"),
    ),
    *_cifar.at_least_as_published(ID, PUBLISHED_ACCURACY, ("fast", "published")),
)


def run(settings: Settings, context: Context) -> Findings:
    """Train, or take the recorded run, and judge it; the study of kernels and normalisation, where there is one."""
    from tfviz.training import study

    findings = _cifar.run(ID, settings, context)
    stored = study.load(study.RECORDED)
    compared = None if stored is None else table_of(stored, PUBLISHED_KERNELS)
    return replace(findings, facts={**findings.facts, "kernels": PUBLISHED_KERNELS, "study": compared})


def table_of(study: Study, originals: Sequence[int]) -> dict[str, Any]:
    """A study as the template and the figure show it.

    Args:
        study: its trainings.
        originals: the kernels that did best in what was published.

    Returns:
        "epochs", "data" and "devices" of all; "rows", one a variant: "kernels", "standardize", "parameters", of its
        seeds "accuracies", "losses" (of the test split) and "seconds", and their means, and "validation", the mean
        accuracy after each epoch.
        Of the standardised ones, None where there is nothing to compare: "best", the row with the highest mean
        accuracy, "apart", whether each of its seeds is ahead of every seed of the others, "behind", the accuracy by
        which the originals' kernels stay behind it, "largest", whether no other has as many parameters, "slowest" and
        "quickest", the rows with the longest and the shortest training, by the least of their seeds' times: other work
        on the machine only adds to them.
        "standardised" and "bare" are rows that differ in that alone, None if there are none; "ahead" says which of them
        is ahead with every seed, "" if neither; "halfway" the same in the middle of the training: "epoch",
        "standardised" and "bare", the mean validation accuracies, and "ahead".
    """
    rows: list[dict[str, Any]] = []
    halfway = 0
    for name in dict.fromkeys(record.preset.name for record in study.trainings):
        records = [record for record in study.trainings if record.preset.name == name]
        preset = records[0].preset
        curves = np.array([_cifar.curve(record, "validation_accuracy") for record in records])
        halfway = (curves.shape[1] + 1) // 2
        seeds: dict[str, list[float]] = {
            "accuracies": [record.test.accuracy for record in records],
            "losses": [record.test.loss for record in records],
            "seconds": [record.seconds for record in records],
            "halfway": curves[:, halfway - 1].tolist(),
        }
        rows.append(
            {
                "kernels": preset.as_json()["architecture"]["kernels"],
                "standardize": preset.recipe.standardize,
                "parameters": records[0].parameters,
                "validation": curves.mean(axis=0).tolist(),
                **seeds,
                "mean_accuracy": fmean(seeds["accuracies"]),
                "mean_loss": fmean(seeds["losses"]),
            }
        )
    ranked = sorted((row for row in rows if row["standardize"]), key=lambda row: -row["mean_accuracy"])
    own = next((row for row in ranked if row["kernels"] == list(originals)), None)
    pairs = [
        (row, other)
        for row in ranked
        for other in rows
        if not other["standardize"] and other["kernels"] == row["kernels"]
    ]
    standardised, bare = pairs[0] if pairs else (None, None)
    compared = {
        "epochs": study.trainings[0].preset.recipe.epochs,
        "data": study.data,
        "devices": list(dict.fromkeys(device for each in study.trainings for device in each.devices)),
        "rows": rows,
        "best": None,
        "standardised": standardised,
        "bare": bare,
    }
    if own and len(ranked) > 1:
        best, *others = ranked
        quickest, *_between, slowest = sorted(ranked, key=lambda row: min(row["seconds"]))
        compared |= {
            "best": best,
            "apart": all(_ahead(best, other) for other in others),
            "behind": best["mean_accuracy"] - own["mean_accuracy"],
            "largest": all(best["parameters"] > other["parameters"] for other in others),
            "slowest": slowest,
            "quickest": quickest,
        }
    if standardised and bare:
        compared |= {
            "ahead": _which(standardised, bare, "accuracies"),
            "halfway": {
                "epoch": halfway,
                "standardised": fmean(standardised["halfway"]),
                "bare": fmean(bare["halfway"]),
                "ahead": _which(standardised, bare, "halfway"),
            },
        }
    return compared


def _ahead(one: Any, other: Any, values: str = "accuracies") -> bool:
    """Whether the lowest seed of one variant is above the highest of another; one seed does not say so."""
    first, second = one[values], other[values]
    return min(len(first), len(second)) > 1 and bool(min(first) > max(second))


def _which(standardised: Any, bare: Any, values: str) -> str:
    """Which of two variants is ahead with every seed; "" if neither."""
    if _ahead(standardised, bare, values):
        return "standardised"
    return "bare" if _ahead(bare, standardised, values) else ""


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """Curves, the study of kernels and normalisation where there is one, confusion matrix, worst mistakes."""
    published = _cifar.Published(PUBLISHED_ACCURACY)
    first, *others = _cifar.figures(findings, published, _cifar.what_validation_does(findings))
    study = findings.facts["study"]
    return (first, *([_study_drawn(study)] if study else []), *others)


def _study_drawn(study: Mapping[str, Any]) -> Drawing:
    """The variants of a study, seed by seed."""
    from tfviz.figures.trainings import by_seed

    def named(row: Mapping[str, Any]) -> str:
        kernels = ", ".join(map(str, row["kernels"]))
        return kernels if row["standardize"] else _("{kernels}\nnot standardised").format(kernels=kernels)

    variants = [
        (named(row), np.array(row["accuracies"]), np.array(row["validation"])) for row in study["rows"]
    ]
    reached = [accuracy for row in study["rows"] for accuracy in row["accuracies"]]
    best = study["best"]
    if best and study["apart"]:
        finding = _(
            "With kernels of {kernels} every seed is ahead of every seed of the other kernels."
        ).format(kernels=_cifar.in_one_piece(", ".join(map(str, best["kernels"]))))
    elif best:
        finding = _("The kernels’ seeds do not lie apart: which kernels are best stays open.")
    else:
        finding = _("What short trainings reach.")
    return Drawing(
        "study",
        _(
            "Short trainings that differ in the kernels, or in whether the pictures are standardised, on {data}. Left: "
            "test accuracy from the picture alone, a mark for each seed, and their mean as a line. Right: validation "
            "accuracy after each epoch, the mean of the seeds."
        ).format(data=_cifar.data_name(study["data"])),
        _(
            "Rows of marks for {variants}, between {low} and {high}; beside them a rising curve for each."
        ).format(
            variants="; ".join(name.replace("\n", " ") for name, _accuracies, _validation in variants),
            low=_cifar.percent(min(reached)),
            high=_cifar.percent(max(reached)),
        ),
        lambda: by_seed(variants),
        finding,
    )


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """See `tfviz.parts._cifar.again`."""
    return _cifar.again(ID, findings, lab)
