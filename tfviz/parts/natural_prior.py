"""The picture of a class, kept close to the spectrum of natural pictures.

Papers: Olah et al. 2017, "Feature Visualization" (the Fourier-parametrised picture, the transformations); Fel et al.
2023, "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization" (MaCo: the
magnitude fixed); Field 1987, "Relations between the statistics of natural images and the response properties of
cortical cells" (the slope); Moisan 2011, "Periodic Plus Smooth Image Decomposition"; the penalty is track A's.
Cost: about five minutes on two cores.
Expected: with the penalty, the slope of the log power spectrum is nearer to -2, for every class.
Alone: python run_all.py --only natural_prior
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Findings, Number

if TYPE_CHECKING:
    import keras

    from tfviz.method.ascent import Trace
    from tfviz.method.parametrizations import Parametrization
    from tfviz.method.transforms import Transform

Array = npt.NDArray[np.floating]

ID = "natural_prior"
TITLE = "The same, kept close to natural pictures"
TRACK = "A"
NETWORKS = ("alexnet", "caffe_alexnet", "squeezenet")
INPUTS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """The objective and the steps of class_neuron; all else was not stated and is this project's choice.

    The picture's coordinates are those of pictures in [0, 1] on every network, since that is where natural spectra
    are known; it is not clipped. All rates fall in a straight line to 0.

    Attributes:
        classes: the first is the one that class_neuron shows; it also gets the long runs.
        weight: of the logit in the objective weight * logit - ||x||^2 - prior_weight * spectrum.
        prior_weight: the smallest, in steps of about 3, at which the spectrum's slope comes near -2: so this slope
            cannot be graded as if it were a finding.
        weights_tried: shown beside it, with the first class.
        rate: first rate without the prior. With it, rate / (1 + prior_weight): the curvature grows by that factor.
        steps: of the long runs, as published.
        short_steps: of every other run.
        fourier_rate: first rate of the Fourier-parametrised picture, whose objective is the logit alone.
        shift: largest random shift, pixels.
        scale: largest random relative change of size.
        degrees: largest random turn.
        shown_deviations: how many standard deviations from the mean are shown as black and white.
        repeats: of the long run with the prior and of the first class's short runs without and with it, from starts
            that differ in the last bit and are rounded apart at every step.
    """

    classes: tuple[int, ...] = (107, 1, 130, 145, 340)
    weight: float = 1000.0
    prior_weight: float = 1000.0
    weights_tried: tuple[float, ...] = (100.0, 300.0, 3000.0)
    rate: float = 0.33
    noise_std: float = 0.01
    steps: int = 1000
    keep: tuple[int, ...] = (0, 8, 64, 512, 1000)
    short_steps: int = 200
    fourier_rate: float = 0.2
    fourier_mean: float = 0.5
    shift: float = 8.0
    scale: float = 0.1
    degrees: float = 10.0
    shown_deviations: float = 3.0
    repeats: int = 2


SETTINGS = Settings()
QUICK = Settings(classes=(107, 145), weights_tried=(100.0,), steps=120, keep=(0, 8, 64, 120), short_steps=60)

_METHODS = {
    "without": "no prior",
    "prior": "prior",
    "moved": "prior, transformations",
    "fourier": "Fourier picture, transformations",
}
_REPEATED = ("without", "prior")
NATURAL_SLOPE = -2.0
"""In power: Field 1987, "Relations between the statistics of natural images and the response properties of cortical
cells". The photographs behind the penalty fall more steeply; their median is measured beside it."""

EXPECTED = (
    Expected(
        "slope_gain_min",
        0.0,
        0.0,
        "own bound",
        "nearer to -2 with the prior, for each class (Field 1987)",
        comparison="at least",
    ),
    # The prior's weight was chosen for it; as the weight grows, the slope goes to that of the photographs instead.
    Expected(
        "spectrum_slope",
        NATURAL_SLOPE,
        0.75,
        "own bound",
        "−2 (Field 1987), for which the prior's weight was chosen",
    ),
)


def run(settings: Settings, context: Context) -> Findings:
    """The first class at length, without and with the prior; then every class in four ways; then several weights."""
    model = context.model()
    from scipy.special import softmax

    from tfviz.data.labels import imagenet_classes
    from tfviz.measures import spectrum
    from tfviz.parts._repeats import apart

    height, width = model.input_shape[1:3]
    experiment = _Experiment(
        model,
        settings,
        context,
        settings.short_steps * (4 * len(settings.classes) + len(settings.weights_tried)),
    )
    first = settings.classes[0]

    numbers: dict[str, Number] = {}
    arrays: dict[str, Array] = {"steps": np.array(settings.keep)}
    edges = spectrum.band_edges()
    arrays["frequency"] = np.sqrt(edges[1:] * edges[:-1])
    arrays["power_natural"] = spectrum.natural_radial_power(edges)
    slopes, variations = spectrum.natural_measures()

    def measure(pictures: Array, class_index: int, suffix: str) -> list[dict[str, float]]:
        """The four measures of each picture (repeats, H, W, 3), also as numbers with this suffix."""
        logits = np.asarray(model(pictures)).astype(np.float64)
        measured = [
            {
                "activation": float(logit[class_index]),
                "probability": float(softmax(logit)[class_index]),
                "spectrum_slope": spectrum.slope(picture),
                "total_variation": spectrum.total_variation(picture),
            }
            for picture, logit in zip(pictures, logits, strict=True)
        ]
        for name in measured[0]:
            values = [each[name] for each in measured]
            numbers[f"{name}{suffix}"] = (
                context.repeated(values) if len(values) > 1 else context.number(values[0])
            )
        return measured

    def gains(
        without: Sequence[Mapping[str, float]], prior: Sequence[Mapping[str, float]], wanted: float
    ) -> list[float]:
        """How much nearer to a slope the prior's pictures are, by repeat; what was not repeated counts for all."""
        off = [
            [abs(each[index % len(each)]["spectrum_slope"] - wanted) for index in range(settings.repeats)]
            for each in (without, prior)
        ]
        return [first - second for first, second in zip(*off, strict=True)]

    long = {}
    for name, suffix in (("without", "_without"), ("prior", ""), ("moved", "_moved")):
        prior_weight = 0.0 if name == "without" else settings.prior_weight
        trace = experiment.ascend(
            first,
            prior_weight,
            settings.steps,
            transformed=name == "moved",
            repeated=name == "prior",
            keep=settings.keep,
        )
        long[name] = measure(trace.picture, first, suffix)
        numbers[f"spectrum_distance{suffix}"] = context.number(trace.terms["spectrum"][-1, 0])
        numbers[f"largest_value{suffix}"] = context.number(np.abs(trace.picture[0]).max())
        if name == "prior":
            numbers["repeats_apart"] = context.number(apart(trace.picture))
        arrays[f"long_{name}"] = np.stack([trace.snapshots[step][0] for step in settings.keep])
        arrays[f"power_{name}"] = spectrum.radial_power(trace.picture[0], edges)
        arrays[f"objective_{name}"] = trace.scores[:, 0]
        arrays[f"logit_{name}"] = settings.weight * trace.terms[f"logit({first})"][:, 0]
        arrays[f"l2_{name}"] = trace.terms["l2"][:, 0]
        arrays[f"spectrum_{name}"] = prior_weight * trace.terms["spectrum"][:, 0]
    pairs = [(long["without"], long["prior"])]

    names = imagenet_classes()
    gallery: list[dict[str, Any]] = []
    for class_index in settings.classes:
        measured = {}
        for method in _METHODS:
            pictures = experiment.pictures(
                class_index, method, repeated=class_index == first and method in _REPEATED
            )
            arrays[f"picture_{class_index}_{method}"] = pictures[0]
            measured[method] = measure(pictures, class_index, f"_{class_index}_{method}")
        pairs.append((measured["without"], measured["prior"]))
        gallery.append(
            {
                "index": class_index,
                "name": names[class_index],
                "measured": {method: values[0] for method, values in measured.items()},
            }
        )
    for measure_name, value in gallery[0]["measured"]["fourier"].items():
        numbers[f"{measure_name}_fourier"] = context.number(value)
    arrays["power_fourier"] = spectrum.radial_power(arrays[f"picture_{first}_fourier"], edges)
    for suffix, wanted in (("", NATURAL_SLOPE), ("_photographs", float(np.median(slopes)))):
        by_repeat = zip(*(gains(without, prior, wanted) for without, prior in pairs), strict=True)
        numbers[f"slope_gain_min{suffix}"] = context.repeated(min(each) for each in by_repeat)
    for measure_name in ("spectrum_slope", "total_variation"):
        # Both fall with what is smoother: how many classes the transformations move that way.
        lower = [
            entry["measured"]["moved"][measure_name] < entry["measured"]["prior"][measure_name]
            for entry in gallery
        ]
        numbers[f"moved_lower_{measure_name}"] = context.number(sum(lower), "classes")

    tried = {0.0: gallery[0]["measured"]["without"], settings.prior_weight: gallery[0]["measured"]["prior"]}
    arrays["tried_0"] = arrays[f"picture_{first}_without"]
    arrays[f"tried_{settings.prior_weight:g}"] = arrays[f"picture_{first}_prior"]
    for prior_weight in settings.weights_tried:
        pictures = experiment.ascend(first, prior_weight, settings.short_steps).picture
        arrays[f"tried_{prior_weight:g}"] = pictures[0]
        (tried[prior_weight],) = measure(pictures, first, f"_weight_{prior_weight:g}")

    facts: dict[str, Any] = {
        "methods": list(_METHODS.values()),
        "gallery": gallery,
        "closest_weight": min(tried, key=lambda weight: abs(tried[weight]["spectrum_slope"] - NATURAL_SLOPE)),
        "tried": [{"weight": weight, **tried[weight]} for weight in sorted(tried)],
        "prior_rate": experiment.rate(settings.prior_weight),
        "size": [height, width],
        "natural": {
            "pictures": len(slopes),
            "slope": [float(value) for value in np.percentile(slopes, (5, 50, 95))],
            "total_variation": [float(value) for value in np.percentile(variations, (5, 50, 95))],
        },
        "fit_range": list(spectrum.FIT_RANGE),
    }
    return Findings(numbers, arrays, facts)


class _Experiment:
    """What all runs share: the network, the starts, the penalty and the progress over all steps."""

    def __init__(self, model: keras.Model, settings: Settings, context: Context, short_steps: int) -> None:
        from tfviz.measures import spectrum
        from tfviz.parts._repeats import rounded_apart

        self._model, self._settings, self._context = model, settings, context
        height, width = model.input_shape[1:3]
        shape = (height, width, 3)
        random = context.random()
        self._black = random.normal(0, settings.noise_std, shape)
        self._repeats = rounded_apart(self._black, settings.repeats, random)
        self._grey = context.random().normal(settings.fourier_mean, settings.noise_std, shape)
        self._penalty = tfviz.priors.spectrum(
            spectrum.natural_magnitude(height, width), spectrum.colour_axes()
        )
        self._colour_root = spectrum.colour_root()
        self._transforms = (
            tfviz.transforms.affine(shift=settings.shift, scale=settings.scale, degrees=settings.degrees),
        )
        self._done, self._total = 0, 3 * settings.steps + short_steps

    def rate(self, prior_weight: float) -> float:
        """The first step's."""
        return self._settings.rate / (1 + prior_weight)

    def ascend(
        self,
        class_index: int,
        prior_weight: float,
        steps: int,
        *,
        transformed: bool = False,
        repeated: bool = False,
        keep: Sequence[int] = (),
    ) -> Trace:
        """From black noise: weight * logit - l2 - prior_weight * spectrum; the penalty is reported also at weight 0."""
        goal = self._settings.weight * tfviz.objectives.logit(class_index) - tfviz.priors.l2()
        goal = goal - prior_weight * self._penalty
        transforms = self._transforms if transformed else ()
        start = self._repeats if repeated else self._black
        return self._run(goal, start, self.rate(prior_weight), steps, transforms, keep)

    def pictures(self, class_index: int, method: str, *, repeated: bool = False) -> Array:
        """One picture of the gallery, or repeats of it: (repeats, H, W, 3)."""
        settings = self._settings
        if method == "fourier":
            start = tfviz.parametrizations.fourier(self._grey, colour_root=self._colour_root)
            goal = tfviz.objectives.logit(class_index)
            trace = self._run(goal, start, settings.fourier_rate, settings.short_steps, self._transforms)
        else:
            trace = self.ascend(
                class_index,
                0.0 if method == "without" else settings.prior_weight,
                settings.short_steps,
                transformed=method == "moved",
                repeated=repeated,
            )
        pictures: Array = trace.picture
        return pictures

    def _run(
        self,
        goal: tfviz.objectives.Goal,
        start: Array | Parametrization,
        rate: float,
        steps: int,
        transforms: Sequence[Transform] = (),
        keep: Sequence[int] = (),
    ) -> Trace:
        from tfviz.method.ascent import falling

        trace = tfviz.ascend(
            self._model,
            goal,
            start,
            steps=steps,
            rate=falling(rate, steps),
            clip=None,
            transforms=transforms,
            seed=self._context.seed,
            keep=keep,
        )
        self._done += steps
        self._context.reporter.progress(ID, self._done, self._total)
        return trace


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The pair, its way there, its spectra and curves; the gallery of classes; the weights tried."""
    from tfviz import figures as draw

    arrays, facts = findings.arrays, findings.facts
    deviations = settings.shown_deviations
    steps = [int(step) for step in arrays["steps"]]
    rescaled = f"Rescaled: the mean is grey, {deviations:g} standard deviations from it are black and white."

    def shown(picture: Array, method: str = "") -> Array:
        return picture if method == "fourier" else draw.stretched(picture, deviations)

    long = {name: label for name, label in _METHODS.items() if name != "fourier"}
    drawn = {"without": "no prior", "prior": "prior", "fourier": "Fourier picture"}

    def said(measure: str, labels: Mapping[str, str]) -> str:
        """A measure of some pictures, in words."""
        suffixes = {name: "" if name == "prior" else f"_{name}" for name in labels}
        values = {name: findings.numbers[f"{measure}{suffix}"].value for name, suffix in suffixes.items()}
        return ", ".join(f"{label} {values[name]:.2f}" for name, label in labels.items())

    classes = ", ".join(entry["name"] for entry in facts["gallery"])
    return (
        Drawing(
            "pictures",
            f"After the last step. {rescaled}",
            f"Three squares. Total variation: {said('total_variation', long)}.",
            lambda: draw.picture_table(
                [("", [shown(arrays[f"long_{name}"][-1]) for name in long])], list(long.values()), cell=2.2
            ),
        ),
        Drawing(
            "steps",
            f"On the way there. {rescaled}",
            "A row of small pictures for each of the three above, from the noise at the start to the last step.",
            lambda: draw.picture_table(
                [
                    (label.replace(", ", ",\n"), [shown(picture) for picture in arrays[f"long_{name}"]])
                    for name, label in long.items()
                ],
                [f"step {step}" for step in steps],
                cell=1.25,
            ),
        ),
        Drawing(
            "spectra",
            "Power of the pictures between circles of frequency, each curve relative to its own geometric mean; for "
            "natural pictures, the square of the mean magnitude that the penalty uses.",
            f"Four curves and a dotted line. Slopes: {said('spectrum_slope', drawn)}, natural pictures "
            f"{facts['natural']['slope'][1]:.2f}, dotted line {NATURAL_SLOPE:g}.".replace("-", "−"),
            lambda: draw.log_lines(
                arrays["frequency"],
                [
                    (label, relative(arrays[f"power_{name}"]))
                    for name, label in {**drawn, "natural": "natural pictures"}.items()
                ],
                xlabel="cycles per pixel",
                ylabel="relative power",
                slope=NATURAL_SLOPE,
            ),
        ),
        Drawing(
            "curves",
            "The objective of the run with the prior, and its three terms.",
            "Four curves: the objective, the weighted logit, the squared norm and the weighted distance.",
            lambda: draw.curves(
                [
                    (label, arrays[f"{name}_prior"] / 1e6)
                    for name, label in {
                        "objective": "objective",
                        "logit": "weight · logit",
                        "l2": "squared norm",
                        "spectrum": "prior's weight · distance",
                    }.items()
                ],
                xlabel="step",
                ylabel="run with the prior / 10⁶",
            ),
        ),
        Drawing(
            "classes",
            f"Each class in four ways, from the same noise. {rescaled} The Fourier picture lies in [0, 1] and is "
            "shown as it is.",
            f"A table of pictures, one row for each of {classes}, one column for each way.",
            lambda: draw.picture_table(
                [
                    (
                        entry["name"].replace(" ", "\n"),
                        [shown(arrays[f"picture_{entry['index']}_{method}"], method) for method in _METHODS],
                    )
                    for entry in facts["gallery"]
                ],
                [label.replace(", ", ",\n") for label in _METHODS.values()],
                cell=1.5,
            ),
        ),
        Drawing(
            "weights",
            f"The first class with other weights of the prior, fewer steps. {rescaled}",
            f"{len(facts['tried'])} pictures in a row; weight, slope and logit stand over each.",
            lambda: draw.picture_table(
                [("", [shown(arrays[f"tried_{entry['weight']:g}"]) for entry in facts["tried"]])],
                [
                    f"weight {entry['weight']:g}\nslope {entry['spectrum_slope']:.2f}\nlogit {entry['activation']:.0f}"
                    for entry in facts["tried"]
                ],
                cell=1.7,
            ),
        ),
    )


def relative(power: Array) -> Array:
    """Power over its geometric mean."""
    found: Array = power / np.exp(np.mean(np.log(power)))
    return found
