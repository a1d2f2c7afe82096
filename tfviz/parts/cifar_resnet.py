"""A residual network trained on CIFAR-10.

Paper: He et al. 2015, "Deep Residual Learning for Image Recognition"; the fast preset after Jordan 2024, "94% on
CIFAR-10 in 3.29 seconds on a single GPU".
Cost: seconds for the recorded run; training takes minutes (see the recorded run's page).
Expected: 89.19 % test accuracy at a loss of 0.3675 (published, 100 epochs).
Alone: python run_all.py --only cifar_resnet --data-dir DIR [--train fast]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Findings
from tfviz.parts import _cifar
from tfviz.parts._cifar import Settings

ID = "cifar_resnet"
TITLE = "A residual network trained on CIFAR-10"
TRACK = "B"
NETWORKS = ()
INPUTS = ("data_dir", "train")
SETTINGS = Settings()
QUICK = SETTINGS
PUBLISHED_ACCURACY = 0.8919
PUBLISHED_EPOCHS = (
    # epoch, training accuracy, validation accuracy, training loss, validation loss
    (1, 0.3723, 0.4630, 1.7184, 1.5769),
    (30, 0.8492, 0.8788, 0.4434, 0.3726),
    (60, 0.8744, 0.8944, 0.3666, 0.3408),
    (90, 0.8845, 0.8850, 0.3402, 0.3727),
    (100, 0.8842, 0.8984, 0.3386, 0.3194),
)

_OWN = ("cifar_resnet (published)",)
EXPECTED = (
    # Bounds: rate, blocks and augmentation were not stated, and whoever chooses them better has not failed.
    Expected("test_accuracy", PUBLISHED_ACCURACY, 0.01, "published", "track B", _OWN, "at least"),
    Expected("test_loss", 0.3675, 0.05, "published", "track B", _OWN, "at most"),
    Expected("epochs", 100, 0, "published", "track B", _OWN),
    _cifar.at_least_as_published(ID, PUBLISHED_ACCURACY, ("fast",)),
)


def run(settings: Settings, context: Context) -> Findings:
    """Train, or take the recorded run, and judge it."""
    findings = _cifar.run(ID, settings, context)
    return replace(findings, facts={**findings.facts, "published_epochs": PUBLISHED_EPOCHS})


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """Curves, confusion matrix, worst mistakes."""
    return _cifar.figures(findings, PUBLISHED_ACCURACY)
