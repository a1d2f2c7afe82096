"""The unit of one class in the last layer, driven by plain gradient descent.

Paper: Simonyan et al. 2014, "Deep Inside Convolutional Networks" (class score less squared norm); track A's loss.
Cost: about a minute and a half on one core.
Expected: the whole picture is drawn on; a rate that falls to 0 reaches a better objective.
Alone: python run_all.py --only class_neuron
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz import backend
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab, combined, exact, probability_of, rounded, scores
from tfviz.experiment.part import Again, Drawing, Findings, Number, array, measuring, network_of
from tfviz.language import gettext as _
from tfviz.language import marked, ngettext

Array = npt.NDArray[np.floating]

ID = "class_neuron"
TITLE = marked("The jellyfish unit of the last layer")
TITLE_ON_ANY = marked("The unit of one class in the last layer")
TRACK = "A"
NETWORKS = ("alexnet", "caffe_alexnet", "squeezenet")
ANY_NETWORK = True
INPUTS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """As published; the smaller and the falling rate are this project's.

    Attributes:
        class_index: 107, jellyfish.
        weight: of the logit in the loss -weight * logit + ||x||^2.
        rate: of the published run, constant.
        tenth: the constant rate of the second run. The third run's rate falls in a straight line from rate to 0.
        own_coordinates: networks on which x is the network's own input; on any other x is the picture in [0, 1],
            which the network normalises inside. Neither is clipped.
        block: pixels: a side of the blocks for which covered_fraction asks whether they changed.
        shown_deviations: how many standard deviations from the mean are shown as black and white.
        repeats: of each run, from starts that differ in the last bit and are rounded apart at every step.
    """

    class_index: int = 107
    weight: float = 1000.0
    rate: float = 0.33
    tenth: float = 0.033
    steps: int = 1000
    noise_std: float = 0.01
    own_coordinates: tuple[str, ...] = ("alexnet", "caffe_alexnet")
    keep: tuple[int, ...] = (0, 8, 64, 512, 1000)
    block: int = 16
    shown_deviations: float = 3.0
    repeats: int = 2


SETTINGS = Settings()
QUICK = Settings(steps=120, keep=(0, 8, 64, 120))

_MILLION = 1e6
_RUNS = {
    "published": marked("published rate"),
    "tenth": marked("a tenth of it"),
    "falling": marked("falling to 0"),
}

_WITHIN = {
    **dict.fromkeys(("probability", "covered_fraction"), (0.0, 1.0)),
    **dict.fromkeys(("largest_value", "total_variation", "l2"), (0.0, inf)),
}
"""Values that a number can have at all."""

EXPECTED = (
    Expected(
        "objective_gain",
        0.0,
        0.0,
        "own bound",
        marked("a smaller last step loses nothing"),
        comparison="at least",
        label=marked("objective with a falling rate less that with the published one"),
    ),
)


def run(settings: Settings, context: Context) -> Findings:
    """The same descent with three rates, each repeated."""
    own = context.network in settings.own_coordinates
    model = context.model(normalize=not own)
    from tfviz.method.ascent import falling
    from tfviz.parts._own import class_names, in_proportion, probabilities, require_classes, target_class
    from tfviz.parts._repeats import apart, rounded_apart

    require_classes(model)
    target = target_class(context, settings.class_index)
    block = max(1, round(in_proportion(context, settings.block, model.input_shape[1:])))
    logit = tfviz.objectives.logit(target)
    goal = settings.weight * logit - tfviz.priors.l2()
    random = context.random()
    start = random.normal(0, settings.noise_std, model.input_shape[1:])
    starts = rounded_apart(start, settings.repeats, random)
    rates: dict[str, float | Callable[[int], float]] = {
        "published": settings.rate,
        "tenth": settings.tenth,
        "falling": falling(settings.rate, settings.steps),
    }

    on, chaotic = context.number, context.chaotic
    names = class_names(context, model)
    numbers: dict[str, Number] = {}
    arrays: dict[str, Array] = {"steps": np.array(settings.keep)}

    def measure(pictures: Array, suffix: str) -> tuple[dict[str, list[float]], list[str]]:
        """What is measured of each picture (repeats, H, W, colours), also as numbers; and what the network calls it."""
        logits = backend.current().outputs(model, pictures).astype(np.float64)
        measured = {
            "activation": logits[:, target].tolist(),
            "probability": probabilities(model, logits)[:, target].tolist(),
            **{name: [of(picture) for picture in pictures] for name, of in _of_picture(block).items()},
        }
        for name, values in measured.items():
            within = _WITHIN.get(name, (-inf, inf))
            numbers[f"{name}{suffix}"] = chaotic(values, within=within) if len(values) > 1 else on(values[0])
        return measured, [names[int(best)] for best in logits.argmax(axis=1)]

    _, winners_of_start = measure(start[np.newaxis].astype(np.float32), "_start")
    winners = {"start": winners_of_start}
    objectives = {}
    for index, (name, rate) in enumerate(rates.items()):
        trace = tfviz.ascend(
            model,
            goal,
            starts,
            steps=settings.steps,
            rate=rate,
            clip=None,
            keep=settings.keep,
        )
        suffix = "" if name == "published" else f"_{name}"
        _, winners[name] = measure(trace.picture, suffix)
        objectives[name], norms = trace.scores[-1], trace.terms["l2"][-1]
        numbers[f"objective{suffix}"] = chaotic(objectives[name])
        numbers[f"l2{suffix}"] = chaotic(norms, within=_WITHIN["l2"])
        numbers[f"repeats_apart{suffix}"] = on(apart(trace.picture))
        arrays[f"pictures_{name}"] = np.stack([trace.snapshots[step][0] for step in settings.keep])
        arrays[f"objective_{name}"] = trace.scores[:, 0]
        arrays[f"logit_{name}"] = trace.terms[logit.terms[0][1].name][:, 0]
        arrays[f"l2_{name}"] = trace.terms["l2"][:, 0]
        context.reporter.progress(ID, index + 1, len(rates))
    numbers["start_activation"] = on(arrays["logit_published"][0])
    numbers["start_objective"] = on(arrays["objective_published"][0])
    numbers["objective_gain"] = chaotic(objectives["falling"].astype(np.float64) - objectives["published"])
    facts = {"own_coordinates": own, "class_name": names[target], "winners": winners}
    if context.own is not None:
        facts |= {"class_index": target, "block": block}
    return Findings(numbers, arrays, facts)


def _of_picture(block: int) -> dict[str, Callable[[Array], float]]:
    """What is measured of a picture (H, W, colours) without the network, by the numbers' names."""
    from tfviz.measures import spectrum

    return {
        "largest_value": lambda picture: float(np.abs(picture).max()),
        "covered_fraction": lambda picture: covered_fraction(picture, block),
        "spectrum_slope": spectrum.slope,
        "total_variation": spectrum.total_variation,
    }


def covered_fraction(picture: Array, block: int) -> float:
    """How much of a picture is drawn on: the part of its whole blocks with at least a tenth of the mean power.

    Args:
        picture: (H, W, colours), 0 where nothing is.
        block: side, pixels.
    """
    rows, columns = (size // block for size in picture.shape[:2])
    whole = picture[: rows * block, : columns * block].astype(np.float64)
    power = np.mean(whole.reshape(rows, block, columns, block, -1) ** 2, axis=(1, 3, 4))
    return float(np.mean(power >= 0.1 * power.mean()))


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The pictures on the way, and the curves of the objective and its terms."""
    from tfviz import figures as draw
    from tfviz.figures import live
    from tfviz.figures.style import number
    from tfviz.parts._own import in_colours

    arrays, facts = findings.arrays, findings.facts
    steps = [int(step) for step in arrays["steps"]]
    labels = {run: _(label) for run, label in _RUNS.items()}
    name, winners = facts["class_name"], facts["winners"]
    pictures = {
        run: [
            in_colours(draw.stretched(picture, settings.shown_deviations))
            for picture in arrays[f"pictures_{run}"]
        ]
        for run in labels
    }
    if set(winners["falling"]) != {name}:
        taken = _("The network does not take every picture of the falling rate for a “{name}”.")
    elif set(winners["published"]) == {name}:
        taken = _("The network takes the pictures of both the published and the falling rate for a “{name}”.")
    elif name in winners["published"]:
        taken = _(
            "The network takes the picture of the falling rate for a “{name}”, that of the published one not in every "
            "repeat."
        )
    else:
        taken = _(
            "The network takes the picture of the falling rate for a “{name}”, that of the published one in no repeat."
        )
    gain = findings.numbers["objective_gain"]
    low, high = gain.spread or (gain.value, gain.value)
    if low > 0:
        gained = _("A rate that falls to 0 ends higher than the published one.")
    elif high <= 0:
        gained = _("The published rate loses nothing against one that falls to 0.")
    else:
        gained = _("Whether a rate that falls to 0 ends higher hangs on rounding.")

    order = sorted(labels, key=lambda run: -arrays[f"objective_{run}"][-1])
    paid = {run: arrays[f"objective_{run}"][-1] < 0 for run in ("published", "falling")}
    if paid["published"] and not paid["falling"]:
        balance = _(
            "With the published rate the picture costs more than its logit brings, with the falling one it does not."
        )
    elif paid["falling"]:
        balance = _("The picture costs more than its logit brings, with the falling rate, too.")
    else:
        balance = _("With both rates the logit brings more than the picture costs.")

    return (
        Drawing(
            "steps",
            _(
                "From the noise at the start to the last step, from one start. Rescaled: the mean is grey, "
                "{deviations} standard deviations from it are black and white."
            ).format(deviations=number(settings.shown_deviations)),
            ngettext(
                "A row of pictures for each rate, after {count} step.",
                "A row of pictures for each rate, the last after {count} steps.",
                settings.steps,
            ).format(count=settings.steps),
            lambda: draw.picture_table(
                [(label, pictures[run]) for run, label in labels.items()],
                [_("step {step}").format(step=step) for step in steps],
                largest=0.82,
            ),
            taken.format(name=name),
            lambda: live.Steps(
                steps,
                [
                    live.StepsRow(
                        label, pictures[run], [number(float(arrays[f"logit_{run}"][step])) for step in steps]
                    )
                    for run, label in labels.items()
                ],
                _("logit"),
            ),
        ),
        Drawing(
            "objective",
            _("The objective, weight · logit − squared norm, at each step."),
            _("Three curves; from the highest end to the lowest: {order}.").format(
                order=", ".join(labels[run] for run in order)
            ),
            lambda: draw.curves(
                [(label, arrays[f"objective_{run}"] / _MILLION) for run, label in labels.items()],
                xlabel=_("step"),
                ylabel=_("objective (millions)"),
            ),
            gained,
        ),
        Drawing(
            "terms",
            _(
                "Its two terms at each step: what the logit brings, and the squared norm that the picture costs."
            ),
            _(
                "Four curves: weight times logit and squared norm, for the published and for the falling rate."
            ),
            lambda: draw.curves(
                [
                    (_("logit, published rate"), settings.weight * arrays["logit_published"] / _MILLION),
                    (_("norm, published rate"), arrays["l2_published"] / _MILLION),
                    (_("logit, falling rate"), settings.weight * arrays["logit_falling"] / _MILLION),
                    (_("norm, falling rate"), arrays["l2_falling"] / _MILLION),
                ],
                xlabel=_("step"),
                ylabel=_("weight · logit, squared norm (millions)"),
            ),
            balance,
        ),
    )


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """All that the first repeat's start and last pictures show; of the others no picture was kept."""
    label = network_of(findings)
    own = (label or "").partition(" ")[0] in settings.own_coordinates
    model = lab.model(label, normalize=not own)
    logit = tfviz.objectives.logit(settings.class_index)
    goal = settings.weight * logit - tfviz.priors.l2()
    of_picture = _of_picture(settings.block)
    found: dict[str, Again] = {}

    def measure(picture: Array, suffix: str) -> dict[str, Again]:
        """The numbers of one picture (H, W, 3); and its objective and squared norm."""
        logits = backend.current().outputs(model, picture[np.newaxis])[0]
        largest = np.abs(logits).max()
        found[f"activation{suffix}"] = rounded(logits[settings.class_index], largest)
        found[f"probability{suffix}"] = probability_of(logits, settings.class_index)
        found.update((f"{name}{suffix}", exact(of(picture))) for name, of in of_picture.items())
        score, terms = scores(model, goal, picture[np.newaxis])
        norm = terms["l2"][0]
        return {"objective": rounded(score[0], settings.weight * largest + norm), "l2": rounded(norm)}

    shape = (len(settings.keep), *model.input_shape[1:])
    names = ("activation", "probability", *of_picture)
    for run in _RUNS:
        suffix = "" if run == "published" else f"_{run}"
        with measuring(found, *(f"{name}{suffix}" for name in ("objective", "l2", *names))):
            last = array(findings, f"pictures_{run}", shape)[-1]
            found.update((f"{name}{suffix}", value) for name, value in measure(last, suffix).items())
    with measuring(found, "start_activation", "start_objective", *(f"{name}_start" for name in names)):
        start = measure(array(findings, "pictures_published", shape)[0], "_start")
        found |= {"start_activation": found["activation_start"], "start_objective": start["objective"]}
    found["objective_gain"] = combined(operator.sub, found["objective_falling"], found["objective"])
    return found
