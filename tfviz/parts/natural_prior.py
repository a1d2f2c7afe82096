"""The picture of a class, kept close to the spectrum of natural pictures.

Papers: Olah et al. 2017, "Feature Visualization" (the Fourier-parametrised picture, the transformations); Fel et al.
2023, "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization" (MaCo: the
magnitude fixed); Field 1987, "Relations between the statistics of natural images and the response properties of
cortical cells" (the slope); Moisan 2011, "Periodic Plus Smooth Image Decomposition"; the penalty is track A's.
Cost: about a minute and a half on one core.
Expected: with the penalty, the slope of the log power spectrum is nearer to -2, for every class.
Alone: python run_all.py --only natural_prior
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz import backend
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab, combined, exact, extreme, probability_of, rounded, scores
from tfviz.experiment.part import (
    Again,
    Drawing,
    Findings,
    NotHandedInError,
    Number,
    array,
    measuring,
    network_of,
)
from tfviz.language import gettext as _
from tfviz.language import marked, ngettext

if TYPE_CHECKING:
    import keras

    from tfviz.method.ascent import Trace
    from tfviz.method.objectives import Goal
    from tfviz.method.parametrizations import Parametrization
    from tfviz.method.transforms import Transform

Array = npt.NDArray[np.floating]

ID = "natural_prior"
TITLE = marked("The same, kept close to natural pictures")
TRACK = "A"
NETWORKS = ("alexnet", "caffe_alexnet", "squeezenet")
ANY_NETWORK = True
INPUTS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """The objective and the steps of class_neuron; all else was not stated and is this project's choice.

    The picture's coordinates are those of pictures in [0, 1] on every network, since that is where natural spectra
    are known; it is not clipped. All rates fall in a straight line to 0.

    Attributes:
        classes: the first is the one that class_neuron shows; its runs are repeated, and it also gets the long one.
        weight: of the logit in the objective weight * logit - ||x||^2 - prior_weight * spectrum.
        prior_weight: the smallest, in steps of about 3, at which the spectrum's slope comes near -2: so this slope
            cannot be graded as if it were a finding.
        weights_tried: shown beside it, with the first class.
        rate: first rate without the prior. With it, rate / (1 + prior_weight): the curvature grows by that factor.
        steps: of the long run with the prior, as published.
        short_steps: of every other run.
        fourier_rate: first rate of the Fourier-parametrised picture, whose objective is the logit alone.
        shift: largest random shift, pixels.
        scale: largest random relative change of size.
        degrees: largest random turn.
        shown_deviations: how many standard deviations from the mean are shown as black and white.
        repeats: of the first class's short runs, from starts that differ in the last bit and are rounded apart at every
            step.
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
    repeats: int = 3


SETTINGS = Settings()
QUICK = Settings(
    classes=(107, 145), weights_tried=(100.0,), steps=120, keep=(0, 8, 64, 120), short_steps=60, repeats=2
)

_METHODS = {
    "without": marked("no prior"),
    "prior": marked("prior"),
    "moved": marked("prior, transformations"),
    "fourier": marked("Fourier picture, transformations"),
}
_SUFFIXES = {"without": "_without", "prior": "", "moved": "_moved", "fourier": "_fourier"}
"""How the names of the first class's numbers end."""
_WITHIN = {
    "probability": (0.0, 1.0),
    **dict.fromkeys(("total_variation", "largest_value", "spectrum_distance"), (0.0, inf)),
}
"""Values that a number can have at all."""
_COVER = 340  # zebra: the class whose picture is the cover's large one
NATURAL_SLOPE = -2.0
"""In power: Field 1987, "Relations between the statistics of natural images and the response properties of cortical
cells". The photographs behind the penalty fall more steeply; their median is measured beside it."""

EXPECTED = (
    Expected(
        "slope_gain_min",
        0.0,
        0.0,
        "own bound",
        marked("nearer to −2 with the prior, for each class (Field 1987)"),
        comparison="at least",
        label=marked("how much nearer the slope comes to −2, least of all classes"),
    ),
    # The prior's weight was chosen for it; as the weight grows, the slope goes to that of the photographs instead.
    Expected(
        "spectrum_slope",
        NATURAL_SLOPE,
        0.75,
        "own bound",
        marked("−2 (Field 1987), for which the prior’s weight was chosen"),
        label=marked("slope of the spectrum with the prior"),
    ),
)


def run(settings: Settings, context: Context) -> Findings:
    """Every class in four ways, the first one several times; that one with several weights, and at length."""
    model = context.model()
    from tfviz.measures import spectrum
    from tfviz.parts._own import (
        UnfitNetworkError,
        class_names,
        probabilities,
        require_classes,
        several_classes,
    )
    from tfviz.parts._repeats import apart

    require_classes(model)
    height, width, colours = model.input_shape[1:]
    if colours not in (1, 3):
        raise UnfitNetworkError(
            f"It takes pictures of {colours} channels: the spectrum of natural ones is known in three colours and in "
            "grey."
        )
    classes = several_classes(context, settings.classes, model.output_shape[-1])
    of_picture = _of_picture()
    runs = len(_METHODS) * (len(classes) - 1 + settings.repeats) + len(settings.weights_tried)
    experiment = _Experiment(model, settings, context, settings.steps + settings.short_steps * runs)
    first = classes[0]

    numbers: dict[str, Number] = {}
    arrays: dict[str, Array] = {"steps": np.array(settings.keep)}
    edges = spectrum.band_edges()
    # A small picture has no frequency in some of the lower bands.
    known = np.isfinite(spectrum.radial_power(experiment.black, edges))
    arrays["frequency"] = np.sqrt(edges[1:] * edges[:-1])[known]
    arrays["power_natural"] = spectrum.natural_radial_power(edges)[known]
    slopes, variations = spectrum.natural_measures()

    def write(name: str, suffix: str, values: Sequence[float]) -> None:
        within = _WITHIN.get(name, (-inf, inf))
        repeated = len(values) > 1
        numbers[name + suffix] = (
            context.chaotic(values, within=within) if repeated else context.number(values[0])
        )

    def measure(pictures: Array, class_index: int, suffix: str) -> list[dict[str, float]]:
        """The four measures of each picture (repeats, H, W, colours), also as numbers with this suffix."""
        logits = backend.current().outputs(model, pictures).astype(np.float64)
        measured = [
            {
                "activation": float(logit[class_index]),
                "probability": float(probability[class_index]),
                **{name: of(picture) for name, of in of_picture.items()},
            }
            for picture, logit, probability in zip(
                pictures, logits, probabilities(model, logits), strict=True
            )
        ]
        for name in measured[0]:
            write(name, suffix, [each[name] for each in measured])
        return measured

    names = class_names(context, model)
    gallery: list[dict[str, Any]] = []
    by_repeat: dict[str, list[dict[str, float]]] = {}
    for class_index in classes:
        measured = {}
        for method in _METHODS:
            trace = experiment.gallery(class_index, method, repeated=class_index == first)
            arrays[f"picture_{class_index}_{method}"] = trace.picture[0]
            found = measure(trace.picture, class_index, f"_{class_index}_{method}")
            measured[method] = found[0]
            if class_index != first:
                continue
            by_repeat[method], suffix = found, _SUFFIXES[method]
            for name in found[0]:
                numbers[f"{name}{suffix}"] = numbers[f"{name}_{first}_{method}"]
            write("largest_value", suffix, np.abs(trace.picture).max(axis=(1, 2, 3)).tolist())
            if method != "fourier":
                write("spectrum_distance", suffix, trace.terms["spectrum"][-1].tolist())
            arrays[f"power_{method}"] = spectrum.radial_power(trace.picture[0], edges)[known]
            if method == "prior":
                numbers["repeats_apart"] = context.number(apart(trace.picture))
        gallery.append({"index": class_index, "name": names[class_index], "measured": measured})

    pairs = [
        (entry["measured"]["without"]["spectrum_slope"], entry["measured"]["prior"]["spectrum_slope"])
        for entry in gallery
    ]
    repeated = [
        (without["spectrum_slope"], prior["spectrum_slope"])
        for without, prior in zip(by_repeat["without"], by_repeat["prior"], strict=True)
    ]
    for suffix, wanted in (("", NATURAL_SLOPE), ("_photographs", float(np.median(slopes)))):
        write("slope_gain_min", suffix, least_gains(pairs, repeated, wanted))
    for measure_name in ("spectrum_slope", "total_variation"):
        # Both fall with what is smoother: how many classes the transformations move that way.
        lower = [
            entry["measured"]["moved"][measure_name] < entry["measured"]["prior"][measure_name]
            for entry in gallery
        ]
        numbers[f"moved_lower_{measure_name}"] = context.number(sum(lower), "classes")

    long = experiment.ascend(first, settings.prior_weight, settings.steps, keep=settings.keep)
    measure(long.picture, first, "_long")
    write("largest_value", "_long", [float(np.abs(long.picture).max())])
    write("spectrum_distance", "_long", [float(long.terms["spectrum"][-1, 0])])
    arrays["long_prior"] = np.concatenate([long.snapshots[step] for step in settings.keep])
    arrays["activation_prior"] = backend.current().outputs(model, arrays["long_prior"])[:, first]
    arrays["objective_prior"] = long.scores[:, 0]
    arrays["logit_prior"] = settings.weight * long.terms[f"logit({first})"][:, 0]
    arrays["l2_prior"] = long.terms["l2"][:, 0]
    arrays["spectrum_prior"] = settings.prior_weight * long.terms["spectrum"][:, 0]

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
    if context.own is not None:
        facts |= {"shift": experiment.shift, "grey": colours == 1}
    return Findings(numbers, arrays, facts)


def _of_picture() -> dict[str, Callable[[Array], float]]:
    """What is measured of a picture (H, W, colours) without the network, by the numbers' names."""
    from tfviz.measures import spectrum

    return {"spectrum_slope": spectrum.slope, "total_variation": spectrum.total_variation}


def _penalty(height: int, width: int, colours: int = 3) -> Goal:
    """The squared distance of a picture's spectrum from that of natural ones, in three colours or in grey."""
    from tfviz.measures import spectrum

    magnitude, axes = spectrum.natural_magnitude(height, width), spectrum.colour_axes()
    if colours == 1:
        # Grey is the mean of the colours; what three independent axes add to it adds in squares.
        grey = np.sqrt(np.sum((magnitude * axes.mean(axis=1)) ** 2, axis=-1, keepdims=True))
        return tfviz.priors.spectrum(grey)
    return tfviz.priors.spectrum(magnitude, axes)


def slope_gain(without: float, prior: float, wanted: float) -> float:
    """How much nearer to a slope that of the prior's picture is."""
    return abs(without - wanted) - abs(prior - wanted)


def least_gains(
    classes: Sequence[tuple[float, float]], repeats: Sequence[tuple[float, float]], wanted: float
) -> list[float]:
    """The least gain of all classes, one value for each repeat of the first.

    The others were not repeated: they are taken to move as far as the first does.

    Args:
        classes: slopes without and with the prior.
        repeats: those of the first class.
        wanted: slope.
    """
    least = min(slope_gain(*pair, wanted) for pair in classes)
    gains = [slope_gain(*pair, wanted) for pair in repeats]
    return [least + gain - gains[0] for gain in gains]


class _Experiment:
    """What all runs share: the network, the starts, the penalty and the progress over all steps."""

    def __init__(self, model: keras.Model, settings: Settings, context: Context, total: int) -> None:
        from tfviz.measures import spectrum
        from tfviz.method.ascent import last_bits
        from tfviz.parts._own import in_proportion
        from tfviz.parts._repeats import rounded_apart

        self._model, self._settings, self._context = model, settings, context
        shape = model.input_shape[1:]
        random = context.random()
        self.black = random.normal(0, settings.noise_std, shape)
        self._repeats = rounded_apart(self.black, settings.repeats, random)
        grey = context.random().normal(settings.fourier_mean, settings.noise_std, shape)
        self._greys = last_bits(grey, settings.repeats, random)
        self._penalty = _penalty(*shape)
        self._colour_root = spectrum.colour_root() if shape[-1] == 3 else None
        self.shift = in_proportion(context, settings.shift, shape)
        self._transforms = (
            tfviz.transforms.affine(shift=self.shift, scale=settings.scale, degrees=settings.degrees),
        )
        self._done, self._total = 0, total

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
        start = self._repeats if repeated else self.black
        return self._run(goal, start, self.rate(prior_weight), steps, transforms, keep)

    def gallery(self, class_index: int, method: str, *, repeated: bool = False) -> Trace:
        """A class in one of the four ways."""
        settings = self._settings
        if method == "fourier":
            # Its steps are no larger than what they start from: the start's last bits are not lost in the first.
            greys = self._greys if repeated else self._greys[0]
            start = tfviz.parametrizations.fourier(greys, colour_root=self._colour_root)
            goal = tfviz.objectives.logit(class_index)
            return self._run(goal, start, settings.fourier_rate, settings.short_steps, self._transforms)
        return self.ascend(
            class_index,
            0.0 if method == "without" else settings.prior_weight,
            settings.short_steps,
            transformed=method == "moved",
            repeated=repeated,
        )

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
        self._done += steps * len(trace.picture)
        self._context.reporter.progress(ID, self._done, self._total)
        return trace


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The gallery of classes, the long run's way, its spectra, the weights tried; the cover's picture."""
    from tfviz import figures as draw
    from tfviz.figures import live
    from tfviz.figures.style import number
    from tfviz.parts._own import in_colours

    arrays, numbers, facts = findings.arrays, findings.numbers, findings.facts
    gallery, tried = facts["gallery"], facts["tried"]
    steps = [int(step) for step in arrays["steps"]]
    methods = {name: _(label) for name, label in _METHODS.items()}
    rescaled = _(
        "Rescaled: the mean is grey, {deviations} standard deviations from it are black and white."
    ).format(deviations=number(settings.shown_deviations))

    def shown(picture: Array, method: str = "") -> Array:
        return in_colours(
            picture if method == "fourier" else draw.stretched(picture, settings.shown_deviations)
        )

    def written(value: float) -> str:
        return f"{value:.2f}".replace("-", "−")

    def ends(measure: str) -> tuple[float, float]:
        found = numbers[measure]
        return found.spread or (found.value, found.value)

    def span(measure: str) -> str:
        low, high = map(written, ends(measure))
        return low if low == high else _("{low} to {high}").format(low=low, high=high)

    if ends("slope_gain_min")[0] > 0:
        nearer = _("With the prior, the spectrum of every class comes nearer to that of natural pictures.")
    else:
        nearer = _("With the prior, not every class comes nearer to the spectrum of natural pictures.")
    if numbers["activation_long"].value > ends("activation")[1]:
        longer = _("In {steps} steps the logit rises above what {short} steps reach.")
    else:
        longer = _("In {steps} steps the logit does not rise above what {short} steps reach.")
    median = facts["natural"]["slope"][1]
    if off(ends("spectrum_slope"), median)[1] < off(ends("spectrum_slope_without"), median)[0]:
        bent = _("The prior brings the spectrum nearer to that of photographs.")
    else:
        bent = _("The prior does not bring the spectrum nearer to that of photographs in every repeat.")
    slopes, logits = ([entry[measure] for entry in tried] for measure in ("spectrum_slope", "activation"))
    if slopes == sorted(slopes, reverse=True) and logits == sorted(logits, reverse=True):
        paid = _("The more the prior weighs, the steeper the spectrum and the smaller the logit.")
    else:
        paid = _("Spectrum and logit do not always follow the prior’s weight.")

    drawn = {"without": methods["without"], "prior": methods["prior"], "fourier": _("Fourier picture")}
    weights = [
        _("weight {weight}\nslope {slope}\nlogit {logit}").format(
            weight=number(entry["weight"]),
            slope=number(entry["spectrum_slope"], 2),
            logit=number(entry["activation"], 2),
        )
        for entry in tried
    ]
    # The cover's first picture is the large one.
    covered = sorted(gallery, key=lambda entry: bool(entry["index"] != _COVER))
    made = _("Picture made for the class “{name}”")

    return (
        Drawing(
            "classes",
            _(
                "Each class in four ways, from the same noise. {rescaled} The Fourier picture lies in [0, 1] and is "
                "shown as it is."
            ).format(rescaled=rescaled),
            _("A table of pictures: {classes}, each in four ways.").format(
                classes=", ".join(entry["name"] for entry in gallery)
            ),
            lambda: draw.picture_table(
                [
                    (
                        label.replace(", ", ",\n"),
                        [shown(arrays[f"picture_{entry['index']}_{method}"], method) for entry in gallery],
                    )
                    for method, label in methods.items()
                ],
                [entry["name"] for entry in gallery],
                largest=0.82,
            ),
            nearer,
            lambda: live.Pictures(
                [
                    live.PicturesRow(
                        entry["name"],
                        [
                            live.Labelled(
                                "",
                                np.clip(shown(arrays[f"picture_{entry['index']}_{method}"], method), 0, 1),
                                f"{made.format(name=entry['name'])}: {label}",
                            )
                            for method, label in methods.items()
                        ],
                    )
                    for entry in gallery
                ],
                list(methods.values()),
            ),
        ),
        Drawing(
            "steps",
            _(
                "The first class with the prior, at length: from the noise at the start to the last step. {rescaled}"
            ).format(rescaled=rescaled),
            ngettext(
                "A row of pictures, the last after {count} step.",
                "A row of pictures, the last after {count} steps.",
                settings.steps,
            ).format(count=number(settings.steps)),
            lambda: draw.picture_table(
                [("", [shown(picture) for picture in arrays["long_prior"]])],
                [_("step {step}").format(step=step) for step in steps],
            ),
            longer.format(steps=number(settings.steps), short=number(settings.short_steps)),
            lambda: live.Steps(
                steps,
                [
                    live.StepsRow(
                        methods["prior"],
                        [shown(picture) for picture in arrays["long_prior"]],
                        [number(float(value)) for value in arrays["activation_prior"]],
                    )
                ],
                _("logit"),
            ),
        ),
        Drawing(
            "spectra",
            _(
                "Power of the pictures between circles of frequency, each curve relative to its own geometric mean; "
                "for natural pictures, the square of the mean magnitude that the penalty uses."
            ),
            _(
                "Four curves and a dotted line. Slopes: {slopes}, natural pictures {natural}, dotted line {dotted}."
            ).format(
                slopes=", ".join(
                    f"{label} {span('spectrum_slope' + _SUFFIXES[name])}" for name, label in drawn.items()
                ),
                natural=written(median),
                dotted=number(NATURAL_SLOPE),
            ),
            lambda: draw.log_lines(
                arrays["frequency"],
                [
                    (label, relative(arrays[f"power_{name}"]))
                    for name, label in {**drawn, "natural": _("natural pictures")}.items()
                ],
                xlabel=_("cycles per pixel"),
                ylabel=_("relative power"),
                slope=NATURAL_SLOPE,
            ),
            bent,
        ),
        Drawing(
            "weights",
            ngettext(
                "The first class with other weights of the prior, each in {count} step. {rescaled}",
                "The first class with other weights of the prior, each in {count} steps. {rescaled}",
                settings.short_steps,
            ).format(count=number(settings.short_steps), rescaled=rescaled),
            ngettext(
                "{count} picture; weight, slope and logit stand over it.",
                "{count} pictures in a row; weight, slope and logit stand over each.",
                len(tried),
            ).format(count=len(tried)),
            lambda: draw.picture_table(
                [("", [shown(arrays[f"tried_{entry['weight']:g}"]) for entry in tried])], weights
            ),
            paid,
            lambda: live.Pictures(
                [
                    live.PicturesRow(
                        "",
                        [
                            live.Labelled(
                                words.replace("\n", ", "),
                                shown(arrays[f"tried_{entry['weight']:g}"]),
                                _("Picture with the prior’s weight {weight}").format(
                                    weight=number(entry["weight"])
                                ),
                            )
                            for entry, words in zip(tried, weights, strict=True)
                        ],
                    )
                ]
            ),
        ),
        Drawing(
            "hero",
            _(
                "The classes: {classes}. A prior learnt from photographs kept each picture’s spectrum close to theirs, "
                "and the network saw it shifted, scaled and turned at random while it was made. {rescaled}"
            ).format(classes=", ".join(entry["name"] for entry in covered), rescaled=rescaled),
            _("Pictures in a row, made for these classes: {classes}.").format(
                classes=", ".join(entry["name"] for entry in covered)
            ),
            lambda: draw.picture_table(
                [("", [shown(arrays[f"picture_{entry['index']}_moved"]) for entry in covered])],
                [entry["name"] for entry in covered],
            ),
            _(
                "Each of these pictures was made by gradient ascent from noise, to please one class of a trained "
                "network."
            ),
            lambda: live.Pictures(
                [
                    live.PicturesRow(
                        "",
                        [
                            live.Labelled(
                                entry["name"],
                                shown(arrays[f"picture_{entry['index']}_moved"]),
                                made.format(name=entry["name"]),
                            )
                            for entry in covered
                        ],
                    )
                ]
            ),
        ),
    )


def off(ends: tuple[float, float], wanted: float) -> tuple[float, float]:
    """The least and the most by which what lies between two ends is off what is wanted."""
    low, high = ends
    most = max(abs(low - wanted), abs(high - wanted))
    return max(0.0, low - wanted, wanted - high), most


def relative(power: Array) -> Array:
    """Power over its geometric mean."""
    found: Array = power / np.exp(np.mean(np.log(power)))
    return found


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """All that the pictures of the first repeat show; of the others no picture was kept.

    A slope says nothing of the network. So it is believed only of a picture that has the activation that is claimed.
    """
    from tfviz.measures import spectrum

    model = lab.model(network_of(findings))
    shape = model.input_shape[1:]
    of_picture = _of_picture()
    measures = ("activation", "probability", *of_picture)
    found: dict[str, Again] = {}

    def measure(picture: Array, class_index: int, suffix: str) -> None:
        logits = backend.current().outputs(model, picture[np.newaxis])[0]
        activation = rounded(logits[class_index], np.abs(logits).max())
        found[f"activation{suffix}"] = activation
        found[f"probability{suffix}"] = probability_of(logits, class_index)
        claim = findings.numbers.get(f"activation{suffix}")
        if claim is None or abs(claim.value - float(logits[class_index])) > activation.tolerance:
            raise NotHandedInError(
                f"it is of a picture that has not the claimed activation{suffix}: {activation.value:.6g}"
            )
        found.update((f"{name}{suffix}", exact(of(picture))) for name, of in of_picture.items())

    first = settings.classes[0]

    def measure_more(picture: Array, suffix: str) -> None:
        found[f"largest_value{suffix}"] = exact(np.abs(picture).max())
        if suffix != _SUFFIXES["fourier"]:
            distance, _terms = scores(model, _penalty(*shape[:2]), picture[np.newaxis])
            found[f"spectrum_distance{suffix}"] = rounded(distance[0])

    with measuring(found, *(f"{each}_long" for each in (*measures, "largest_value"))):
        picture = array(findings, "long_prior", (len(settings.keep), *shape))[-1]
        measure(picture, first, "_long")
        measure_more(picture, "_long")
    for class_index in settings.classes:
        for method in _METHODS:
            suffix = f"_{class_index}_{method}"
            within = ((0.0, 1.0),) if method == "fourier" else ()
            with measuring(found, *(f"{each}{suffix}" for each in measures)):
                picture = array(findings, f"picture{suffix}", shape, *within)
                measure(picture, class_index, suffix)
            if class_index == first:
                short = _SUFFIXES[method]
                found |= {f"{each}{short}": found[f"{each}{suffix}"] for each in measures}
                with measuring(found, f"largest_value{short}"):
                    measure_more(array(findings, f"picture{suffix}", shape, *within), short)
    for weight in settings.weights_tried:
        suffix = f"_weight_{weight:g}"
        with measuring(found, *(f"{each}{suffix}" for each in measures)):
            measure(array(findings, f"tried_{weight:g}", shape), first, suffix)

    pairs = [
        (f"spectrum_slope_{class_index}_without", f"spectrum_slope_{class_index}_prior")
        for class_index in settings.classes
    ]
    photographs = float(np.median(spectrum.natural_measures()[0]))
    for suffix, wanted in (("", NATURAL_SLOPE), ("_photographs", photographs)):
        gains = [
            combined(partial(slope_gain, wanted=wanted), found[without], found[prior])
            for without, prior in pairs
        ]
        found[f"slope_gain_min{suffix}"] = extreme(gains, min)
    for name in of_picture:
        both = [
            found[f"{name}_{index}_{method}"] for index in settings.classes for method in ("moved", "prior")
        ]
        found[f"moved_lower_{name}"] = combined(_falls, *both)
    return found


def _falls(*values: float) -> float:
    """In how many of the pairs that follow one another the first is the lower."""
    return sum(first < second for first, second in zip(values[::2], values[1::2], strict=True))
