"""Theory 3: does stopping gradient descent after a fixed number of steps contradict the hardness of training?

Papers: Blum and Rivest 1992, "Training a 3-Node Neural Network is NP-Complete" (the network and the instances);
Judd 1988, "On the Complexity of Loading Shallow Neural Networks".
Cost: about 15 s on one core.
Expected: the fraction solved falls with the size, more than chance explains, and more steps do not change that.
Alone: python run_all.py --only training_hardness
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab, exact
from tfviz.experiment.part import Again, Drawing, Findings, NotHandedInError, Number, array, measuring
from tfviz.language import gettext as _
from tfviz.language import marked

if TYPE_CHECKING:
    from tfviz.models.three_node import Instances, Training

Array = npt.NDArray[Any]

ID = "training_hardness"
TITLE = marked("Theory 3: a fixed number of steps and the hardness of training")
TRACK = "A"
NETWORKS: tuple[str, ...] = ()
INPUTS: tuple[str, ...] = ()
CONFIDENCE = 0.95
NEARLY_ALL = 0.9
"""From this share of the unsolved instances on, these are called stuck."""


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
        marked("the intervals of the smallest and the largest size do not meet"),
        comparison="at least",
        label=marked("gap between the intervals of the smallest and the largest size"),
    ),
    Expected(
        "optimum_errors",
        0,
        0.0,
        "reference",
        marked("Blum and Rivest 1992: weights made from a split"),
        label=marked("errors of the weights that a split gives"),
    ),
)


def run(settings: Settings, context: Context) -> Findings:
    """Draw instances that can be solved, train each from one start, and count."""
    from tfviz.models import three_node

    random = context.random()
    arrays: dict[str, Array] = {"sizes": np.array(settings.sizes)}
    rows: list[dict[str, Any]] = []
    optimum, unsolved, stuck, wrong = 0, 0, 0, 0
    for index, size in enumerate(settings.sizes):
        drawn, inputs, labels, training = _trained(settings, size, settings.long_steps, random)
        sets = drawn.sets.shape[1]
        optimum = max(optimum, _wrong_at_optimum(drawn, inputs, labels))
        solved_at = training.solved_at
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
                "later": int(np.sum(solved_at > settings.steps)),
                "unsolved": int(left.sum()),
                "jumping": int(jumping.sum()),
                "saved": saved,
                "stuck": flat,
            }
        )
        context.reporter.progress(ID, index + 1, len(settings.sizes))

    numbers = _counted(settings, {size: arrays[f"solved_at_{size}"] for size in settings.sizes})
    numbers["optimum_errors"] = Number(optimum)
    numbers["stuck_fraction"] = Number(stuck / unsolved if unsolved else 0.0)
    numbers["wrong_most"] = Number(wrong, "examples")
    numbers["saved"] = Number(sum(row["saved"] for row in rows), "instances")
    numbers["jumping"] = Number(sum(row["jumping"] for row in rows), "instances")
    return Findings(numbers, arrays, {"rows": rows, "confidence": CONFIDENCE, "nearly_all": NEARLY_ALL})


def _trained(
    settings: Settings, size: int, steps: int, random: np.random.Generator
) -> tuple[Instances, Array, Array, Training]:
    """Instances of a size, their inputs and labels, and what at most so many steps from one start of each do."""
    from tfviz.models import three_node

    sets = round(settings.sets_per_element * size)
    drawn = three_node.draw(size, sets, settings.instances, random)
    inputs, labels = three_node.examples(drawn.sets, size)
    start = random.normal(0, settings.start_std, (settings.instances, size + 1, 2))
    training = three_node.descend(start, inputs, labels, steps=steps, rate=settings.rate)
    return drawn, inputs, labels, training


def _wrong_at_optimum(drawn: Instances, inputs: Array, labels: Array) -> int:
    """The most errors that the weights which a split gives make on any instance."""
    from tfviz.models import three_node

    weights = three_node.weights_of(drawn.split, drawn.elements)
    return int(three_node.wrong(weights, inputs, labels).max())


def _counted(settings: Settings, solved_at: Mapping[int, Array]) -> dict[str, Number]:
    """What the steps at which instances were solved say, -1 for never: (instances,) by size."""
    numbers: dict[str, Number] = {}
    for size, steps in solved_at.items():
        for suffix, most in (("", settings.steps), ("_long", settings.long_steps)):
            count = int(np.sum((steps >= 0) & (steps <= most)))
            low, high = wilson(count, settings.instances)
            numbers[f"solved_fraction_{size}{suffix}"] = Number(count / settings.instances)
            numbers[f"solved_fraction_{size}{suffix}_lower"] = Number(low)
            numbers[f"solved_fraction_{size}{suffix}_upper"] = Number(high)
    first, last = settings.sizes[0], settings.sizes[-1]
    for suffix in ("", "_long"):
        numbers[f"fall{suffix}"] = Number(
            numbers[f"solved_fraction_{first}{suffix}_lower"].value
            - numbers[f"solved_fraction_{last}{suffix}_upper"].value
        )
    solved = [numbers[f"solved_fraction_{size}"].value for size in settings.sizes]
    numbers["largest_rise"] = Number(float(np.max(np.diff(solved), initial=-1.0)))
    every = np.concatenate(list(solved_at.values()))
    late = every[every > settings.steps]
    unsolved = int(np.sum(every < 0))
    numbers["not_in_time"] = Number(late.size + unsolved, "instances")
    numbers["solved_later"] = Number(late.size, "instances")
    if late.size:
        numbers["latest_step"] = Number(int(late.max()))
    numbers["unsolved"] = Number(unsolved, "instances")
    return numbers


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's confidence interval of a fraction (Wilson 1927): both ends, in [0, 1]."""
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The fraction solved against the size, and against the steps."""
    from tfviz import figures as draw
    from tfviz.figures.style import number

    numbers, arrays = findings.numbers, findings.arrays
    sizes = [int(size) for size in arrays["sizes"]]
    steps, long_steps = number(settings.steps), number(settings.long_steps)

    def fractions(suffix: str) -> Array:
        names = [f"solved_fraction_{size}{suffix}" for size in sizes]
        return np.array([[numbers[name + end].value for name in names] for end in ("", "_lower", "_upper")])

    def short(fraction: float) -> str:
        return number(fraction, 2)

    few, many = fractions(""), fractions("_long")
    if numbers["fall"].value <= 0:
        finding = _("How often so many steps are enough.")
    elif numbers["largest_rise"].value < 0:
        finding = _("The larger the instance, the less often so many steps are enough.")
    else:
        finding = _("Of the largest instances fewer are solved than of the smallest.")
    shown = sorted({sizes[0], sizes[len(sizes) // 3], sizes[2 * len(sizes) // 3], sizes[-1]})
    return (
        Drawing(
            "against_size",
            _(
                "Fraction of the instances of each size on which gradient descent reaches the optimum, with Wilson’s "
                "{interval} intervals."
            ).format(interval=f"{number(100 * CONFIDENCE)}\u202f%"),
            _(
                "Two lines with error bars over the sizes {sizes}: from {first} to {last} for {steps} steps, from "
                "{long_first} to {long_last} for {long_steps}."
            ).format(
                sizes=", ".join(map(str, sizes)),
                first=short(few[0, 0]),
                last=short(few[0, -1]),
                steps=steps,
                long_first=short(many[0, 0]),
                long_last=short(many[0, -1]),
                long_steps=long_steps,
            ),
            lambda: draw.fractions(
                np.array(sizes),
                [
                    (_("{steps} steps").format(steps=steps), few),
                    (_("{steps} steps").format(steps=long_steps), many),
                ],
                xlabel=_("elements n of the instance"),
                ylabel=_("fraction solved"),
            ),
            finding,
        ),
        Drawing(
            "against_steps",
            _(
                "The same fraction against the number of steps; dotted: {steps} steps. Where a line still rises to the "
                "right of it, the optimum lay farther away."
            ).format(steps=steps),
            _("Curves for the sizes {sizes}: how many instances are solved by each step.").format(
                sizes=", ".join(map(str, shown))
            ),
            lambda: draw.reached(
                [(_("n = {size}").format(size=size), arrays[f"solved_at_{size}"]) for size in shown],
                settings.long_steps,
                mark=settings.steps,
                xlabel=_("steps"),
                ylabel=_("fraction solved"),
            ),
            _(
                "Some optima only lie farther away; most of what is left is not reached in {steps} steps."
            ).format(steps=long_steps)
            if 0 < 2 * numbers["solved_later"].value < numbers["not_in_time"].value
            else _("When the optimum is reached."),
        ),
    )


_CHANCE = 1e-7
"""Where a fraction is less likely than this beside the grader's, it is no chance: of a hundred submissions with eight
sizes each, one in ten thousand gradings takes an honest one for made up."""


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """What is counted from the steps that were stored; other instances are trained, to see whether these can be.

    The instances hang on the run's seed and were not kept; nor were the weights that settled.
    """
    from scipy.stats import fisher_exact

    own = lab.once(
        {"part": ID, "network": None, "settings": asdict(settings), "seed": lab.seed},
        lambda: _of_others(settings, lab),
    )
    found = {"optimum_errors": exact(own["optimum_errors"])}
    with measuring(found, *(name for name in findings.numbers if name not in _NOT_KEPT)):
        solved_at = {}
        for size, solved in zip(settings.sizes, own["solved"], strict=True):
            steps = array(
                findings, f"solved_at_{size}", (settings.instances,), (-1, settings.long_steps), "int64"
            )
            count = int(np.sum((steps >= 0) & (steps <= settings.steps)))
            table = [[each, settings.instances - each] for each in (count, solved)]
            if fisher_exact(table).pvalue < _CHANCE:
                raise NotHandedInError(
                    f"of size {size} it says {count} of {settings.instances} were solved; of other instances, "
                    f"{solved} were: that is no chance"
                )
            solved_at[size] = steps
        found |= {name: exact(number.value) for name, number in _counted(settings, solved_at).items()}
    return found


_NOT_KEPT = ("stuck_fraction", "wrong_most", "saved", "jumping")


def _of_others(settings: Settings, lab: Lab) -> dict[str, Any]:
    """Of other instances: errors at the optimum, and how many were solved, by size."""
    random, optimum, solved = lab.context(None).random(), 0, []
    for size in settings.sizes:
        drawn, inputs, labels, training = _trained(settings, size, settings.steps, random)
        optimum = max(optimum, _wrong_at_optimum(drawn, inputs, labels))
        solved.append(int(np.sum(training.solved_at >= 0)))
    return {"optimum_errors": optimum, "solved": solved}
