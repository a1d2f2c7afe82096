"""A part without a network, for tests of what surrounds the parts."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Findings, Number


@dataclass(frozen=True)
class Settings:
    size: int = 3


@dataclass
class FakePart:
    """Counts its runs; fails with `error`, or in its figure with `drawing_error`, if that is set."""

    ID: str = "fake"
    TITLE: str = "A part made up for a test"
    TRACK: str = "B"
    NETWORKS: tuple = ()
    INPUTS: tuple = ()
    SETTINGS: Settings = field(default_factory=Settings)
    QUICK: Settings = field(default_factory=lambda: Settings(size=2))
    EXPECTED: tuple = (Expected("sum", 3.0, 0.5, "reference", "ones add up"),)
    error: Exception | None = None
    drawing_error: Exception | None = None
    runs: list = field(default_factory=list)

    def run(self, settings, context):
        self.runs.append(SimpleNamespace(settings=settings, context=context))
        if self.error:
            raise self.error
        ones = np.ones(settings.size)
        return Findings({"sum": Number(float(ones.sum()), "px")}, {"ones": ones}, {"word": "three"})

    def figures(self, findings, settings):
        def line():
            from matplotlib.figure import Figure

            if self.drawing_error:
                raise self.drawing_error
            figure = Figure(figsize=(2, 1))
            figure.subplots().plot(findings.arrays["ones"])
            return figure

        return (Drawing("line", f"A line of {settings.size}.", "A level line.", line),)
