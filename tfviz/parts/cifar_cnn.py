"""A plain convolutional network trained on CIFAR-10.

Paper: none; the network is the exercise's own. Batch norm: Ioffe and Szegedy 2015; dropout: Srivastava et al. 2014.
Cost: seconds for the recorded run; training takes minutes (see the recorded run's page).
Expected: 84.7 % test accuracy (published).
Alone: python run_all.py --only cifar_cnn --data-dir DIR [--train fast]
"""

from __future__ import annotations

from collections.abc import Sequence

from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Findings
from tfviz.parts import _cifar
from tfviz.parts._cifar import Settings

ID = "cifar_cnn"
TITLE = "A plain network trained on CIFAR-10"
TRACK = "B"
NETWORKS = ()
INPUTS = ("data_dir", "train")
SETTINGS = Settings()
QUICK = SETTINGS
PUBLISHED_ACCURACY = 0.847

EXPECTED = (
    Expected(
        "test_accuracy",
        PUBLISHED_ACCURACY,
        0.01,
        "published",
        "track B",
        not_comparable="widths, dropout and training of the published network were not stated",
    ),
    _cifar.at_least_as_published(ID, PUBLISHED_ACCURACY, ("fast", "published")),
)


def run(settings: Settings, context: Context) -> Findings:
    """Train, or take the recorded run, and judge it."""
    return _cifar.run(ID, settings, context)


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """Curves, confusion matrix, worst mistakes."""
    return _cifar.figures(findings, PUBLISHED_ACCURACY)
