"""Theory 3: does stopping gradient descent after a fixed number of steps contradict the hardness of training?

Papers: Blum and Rivest 1992, "Training a 3-Node Neural Network is NP-Complete" (the network and the instances);
Judd 1988, "On the Complexity of Loading Shallow Neural Networks".
Cost: about 40 s on two cores.
Expected: the fraction solved falls with the size, more than chance explains, and more steps do not change that.
Alone: python run_all.py --only training_hardness
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Findings, Number

Array = npt.NDArray[Any]

ID = "training_hardness"
TITLE = "Theory 3: a fixed number of steps and the hardness of training"
TRACK = "A"
NETWORKS: tuple[str, ...] = ()
INPUTS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """All are ours: nothing was stated.

    Attributes:
        sizes: elements of an instance, n; the network has 2 (n + 1) weights.
        sets_per_element: sets of an instance, as a multiple of n.
        instances: of each size.
        steps: K.
        long_steps: what is tried to see whether more steps help.
        rate: of gradient descent; of 1, 2, 5, 10, 20 and 40, with starts of 0.3, 1 and 2, the pair that solved most
            instances of the largest size within K steps, on other instances.
        start_std: of the weights' start, N(0, start_std).
        settling: runs that are not solved and still jump go on for so many steps at a tenth of the rate.
        flat: the gradient's norm below which a run that is not solved counts as stuck.
    """

    sizes: tuple[int, ...] = (6, 8, 10, 12, 14, 16, 18, 20)
    sets_per_element: float = 1.0
    instances: int = 200
    steps: int = 1000
    long_steps: int = 10_000
    rate: float = 20.0
    start_std: float = 2.0
    settling: int = 10_000
    flat: float = 1e-3


SETTINGS = Settings()
QUICK = Settings(sizes=(6, 10, 14), instances=80, steps=300, long_steps=3000, settling=3000)

EXPECTED = (
    Expected(
        "fall",
        0.0,
        0.0,
        "own bound",
        "the 95 % intervals of the smallest and the largest size do not meet",
        comparison="at least",
    ),
    Expected("optimum_errors", 0, 0.0, "reference", "Blum and Rivest 1992: weights made from a split"),
)


def run(settings: Settings, context: Context) -> Findings:
    """Draw instances that can be solved, train each from one start, and count."""
    from tfviz.models import three_node

    random = context.random()
    numbers: dict[str, Number] = {}
    arrays: dict[str, Array] = {"sizes": np.array(settings.sizes)}
    rows: list[dict[str, Any]] = []
    optimum, unsolved, stuck, wrong, later, latest = 0, 0, 0, 0, 0, 0
    for index, size in enumerate(settings.sizes):
        sets = round(settings.sets_per_element * size)
        drawn = three_node.draw(size, sets, settings.instances, random)
        inputs, labels = three_node.examples(drawn.sets, size)
        best = three_node.wrong(three_node.weights_of(drawn.split, size), inputs, labels)
        optimum = max(optimum, int(best.max()))
        training = three_node.descend(
            random.normal(0, settings.start_std, (settings.instances, size + 1, 2)),
            inputs,
            labels,
            steps=settings.long_steps,
            rate=settings.rate,
        )
        solved_at = training.solved_at
        for suffix, steps in (("", settings.steps), ("_long", settings.long_steps)):
            count = int(np.sum((solved_at >= 0) & (solved_at <= steps)))
            low, high = wilson(count, settings.instances)
            numbers[f"solved_fraction_{size}{suffix}"] = Number(count / settings.instances)
            numbers[f"solved_fraction_{size}{suffix}_lower"] = Number(low)
            numbers[f"solved_fraction_{size}{suffix}_upper"] = Number(high)
        late = solved_at[solved_at > settings.steps]
        later, latest = later + late.size, max(latest, int(late.max(initial=0)))
        left = solved_at < 0
        jumping = left & (training.slope >= settings.flat)
        settled = three_node.descend(
            training.weights[jumping],
            inputs[jumping],
            labels,
            steps=settings.settling,
            rate=settings.rate / 10,
        )
        saved = int(np.sum(settled.solved_at >= 0))
        flat = int(np.sum(training.slope[left] < settings.flat) + np.sum(settled.slope < settings.flat))
        unsolved += int(left.sum())
        stuck += flat
        training.weights[jumping] = settled.weights
        wrong = max(wrong, int(three_node.wrong(training.weights, inputs, labels).max()))
        arrays[f"solved_at_{size}"] = solved_at
        arrays[f"slope_{size}"] = training.slope
        rows.append(
            {
                "size": size,
                "sets": sets,
                "examples": len(labels),
                "weights": 2 * (size + 1),
                "parts": 2 ** (size - 1),
                "splits": float(np.median(drawn.splits)),
                "tried": drawn.tried,
                "later": int(late.size),
                "unsolved": int(left.sum()),
                "jumping": int(jumping.sum()),
                "saved": saved,
                "stuck": flat,
            }
        )
        context.reporter.progress(ID, index + 1, len(settings.sizes))

    first, last = settings.sizes[0], settings.sizes[-1]
    for suffix in ("", "_long"):
        numbers[f"fall{suffix}"] = Number(
            numbers[f"solved_fraction_{first}{suffix}_lower"].value
            - numbers[f"solved_fraction_{last}{suffix}_upper"].value
        )
    solved = [numbers[f"solved_fraction_{size}"].value for size in settings.sizes]
    numbers["largest_rise"] = Number(float(np.max(np.diff(solved), initial=-1.0)))
    numbers["optimum_errors"] = Number(optimum)
    numbers["not_in_time"] = Number(later + unsolved, "instances")
    numbers["solved_later"] = Number(later, "instances")
    if later:
        numbers["latest_step"] = Number(latest)
    numbers["unsolved"] = Number(unsolved, "instances")
    numbers["stuck_fraction"] = Number(stuck / unsolved if unsolved else 0.0)
    numbers["wrong_most"] = Number(wrong, "examples")
    numbers["saved"] = Number(sum(row["saved"] for row in rows), "instances")
    numbers["jumping"] = Number(sum(row["jumping"] for row in rows), "instances")
    return Findings(numbers, arrays, {"rows": rows})


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % confidence interval of a fraction (Wilson 1927): both ends, in [0, 1]."""
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The fraction solved against the size, and against the steps."""
    from tfviz import figures as draw

    numbers, arrays = findings.numbers, findings.arrays
    sizes = [int(size) for size in arrays["sizes"]]
    steps, long_steps = settings.steps, settings.long_steps

    def fractions(suffix: str) -> Array:
        names = [f"solved_fraction_{size}{suffix}" for size in sizes]
        return np.array([[numbers[name + end].value for name in names] for end in ("", "_lower", "_upper")])

    shown = sorted({sizes[0], sizes[len(sizes) // 3], sizes[2 * len(sizes) // 3], sizes[-1]})

    return (
        Drawing(
            "against_size",
            "Fraction of the instances on which gradient descent reaches the optimum, with Wilson's 95 % intervals.",
            f"Two lines with error bars over the sizes {', '.join(map(str, sizes))}, one for each number of steps: "
            f"from {fractions('')[0, 0]:.2f} to {fractions('')[0, -1]:.2f} for {steps} steps, from "
            f"{fractions('_long')[0, 0]:.2f} to {fractions('_long')[0, -1]:.2f} for {long_steps}.",
            lambda: draw.fractions(
                np.array(sizes),
                [(f"{steps} steps", fractions("")), (f"{long_steps} steps", fractions("_long"))],
                xlabel="elements n of the instance",
                ylabel="fraction solved",
            ),
        ),
        Drawing(
            "against_steps",
            f"The same fraction against the number of steps; dotted: {steps} steps. Where a line still rises to the "
            "right of it, the optimum lay farther away.",
            f"Rising curves for the sizes {', '.join(map(str, shown))}: how many instances are solved by each step.",
            lambda: draw.reached(
                [(f"n = {size}", arrays[f"solved_at_{size}"]) for size in shown],
                long_steps,
                mark=steps,
                xlabel="steps",
                ylabel="fraction solved",
            ),
        ),
    )
