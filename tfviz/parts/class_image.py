"""A picture, grown from noise, that the network calls a golden retriever.

Papers: Simonyan et al. 2014, "Deep Inside Convolutional Networks"; Nguyen et al. 2015, "Deep Neural Networks are Easily
Fooled".
Cost: about 30 s on two cores with SqueezeNet.
Expected: probability 1.0 on AlexNet (published), at least 0.998 for its logarithm on every network.
Alone: python run_all.py --only class_image
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab
from tfviz.experiment.part import Again, Drawing, Findings, network_of
from tfviz.language import gettext as _
from tfviz.language import marked

ID = "class_image"
TITLE = marked("A picture called a retriever")
TITLE_ON_ANY = marked("A picture of noise that the network is sure of")
TRACK = "B"
NETWORKS = ("alexnet", "squeezenet")
ANY_NETWORK = True
INPUTS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """As published, from several seeds.

    Attributes:
        seeds: pictures of noise to start from.
        repeats: of each, from starts that differ in the last bit.
        chaotic: a seed's end counts as chaotic where its repeats differ by more than this share of the largest.
        sure: from this probability on the network counts as sure.
        pictures: how many of the first seed's are kept on the way, the first and the last included.
    """

    target: int = 207
    seeds: int = 5
    repeats: int = 3
    chaotic: float = 0.1
    sure: float = 0.9
    pictures: int = 9
    noise_mean: float = 0.5
    noise_std: float = 0.01
    steps: int = 40
    rate: float = 5.0


SETTINGS = Settings()
QUICK = Settings(seeds=2, repeats=2)

EXPECTED = (
    Expected(
        "published_probability",
        1.0,
        0.001,
        "published",
        "track B",
        ("alexnet",),
        written="1.0",
        label=marked("probability, on the probability itself"),
    ),
    Expected(
        "target_probability",
        0.998,
        0.0,
        "own bound",
        marked("the log-probability’s lowest of all seeds"),
        NETWORKS,
        "at least",
        label=marked("probability, on its logarithm"),
    ),
)


def run(settings: Settings, context: Context) -> Findings:
    """Ascend on the probability and on its logarithm, from the same noise, for every seed."""
    from tfviz.parts._own import class_names, require_classes, target_class
    from tfviz.parts._toward_class import toward_class

    model = context.model()
    require_classes(model)
    target = target_class(context, settings.target)

    # The first seed's noise is that of conv1_units; the others follow from it.
    random = context.random()
    starts = random.normal(
        settings.noise_mean, settings.noise_std, (settings.seeds, *model.input_shape[1:])
    ).astype(np.float32)
    context.reporter.progress(ID, 0, 1)
    keep = sorted({round(step) for step in np.linspace(0, settings.steps, settings.pictures)})
    both = toward_class(
        model,
        target,
        starts,
        random,
        repeats=settings.repeats,
        steps=settings.steps,
        rate=settings.rate,
        logarithm_rate=settings.rate,
        keep=keep,
    )
    context.reporter.progress(ID, 1, 1)

    numbers = {name: context.repeated(values) for name, values in both.numbers().items()}
    for which, ascents in (("target", both.by_logarithm), ("published", both.published)):
        numbers[f"{which}_chaotic"] = context.number(ascents.chaotic(settings.chaotic), "seeds")
        for seed in range(settings.seeds):
            numbers[f"{which}_probability_seed_{seed}"] = context.repeated(ascents.probability[-1, :, seed])
    facts = {
        "class": class_names(context, model)[target],
        "class_index": target,
        "shape": list(starts.shape[1:]),
    }
    return Findings(numbers, both.arrays(), facts)


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The first seed's strip for both objectives, the last pictures of every seed, and the probability."""
    from tfviz import figures as draw
    from tfviz.figures import live
    from tfviz.parts._own import in_colours
    from tfviz.parts._toward_class import (
        OBJECTIVES,
        ends,
        headings,
        over_steps,
        percent,
        probability_curves,
        strip,
    )

    pictures = [name for which in OBJECTIVES for name in (which, f"{which}_strip")]
    arrays = {**findings.arrays, **{each: in_colours(findings.arrays[each]) for each in pictures}}
    name = findings.facts["class"]
    last = {which: arrays[f"{which}_probability"][-1] for which in OBJECTIVES}
    sure = {which: int(np.sum(each[0] >= settings.sure)) for which, each in last.items()}
    first = {which: percent(each[0, 0]) for which, each in last.items()}
    seeds = last["published"].shape[1]

    def table() -> live.Pictures:
        return live.Pictures(
            [
                live.PicturesRow(
                    _(words),
                    [
                        live.Labelled(
                            percent(end),
                            picture,
                            _("{objective}, seed {seed}").format(objective=_(words), seed=seed),
                        )
                        for seed, (picture, end) in enumerate(zip(arrays[which], last[which][0], strict=True))
                    ],
                )
                for which, words in OBJECTIVES.items()
            ],
            [_("seed {seed}").format(seed=seed) for seed in range(seeds)],
        )

    return (
        Drawing(
            "strip",
            _(
                "The first seed’s picture on its way from noise, and the probability of “{name}” that it has. Both "
                "rows begin with the same picture; only what they climb differs."
            ).format(name=name),
            _(
                "Two rows of pictures that begin as the same even grey noise. The first ends at {published}, the "
                "second at {logarithm}."
            ).format(**first),
            lambda: strip(arrays),
            _strip_shows(last["published"][:, 0], last["logarithm"][:, 0], settings.sure).format(**first),
            lambda: over_steps(arrays),
        ),
        Drawing(
            "last",
            _(
                "After the last step, for every seed; over each column the probability of “{name}” of its upper and "
                "of its lower picture."
            ).format(name=name),
            _("Pairs of pictures, one pair for each seed."),
            lambda: draw.picture_table(
                [(_(words), list(arrays[which])) for which, words in OBJECTIVES.items()],
                headings(arrays),
            ),
            _last_shows(sure["published"], sure["logarithm"], seeds),
            table,
        ),
        Drawing(
            "probability",
            _(
                "The probability of “{name}” at each step: one line for each seed, repeat and objective."
            ).format(name=name),
            _(
                "Two bundles of curves: those of the probability end between {low} and {high}, those of its logarithm "
                "between {lowest} and {highest}."
            ).format(
                **dict(zip(("low", "high"), ends(arrays, "published"), strict=True)),
                **dict(zip(("lowest", "highest"), ends(arrays, "logarithm"), strict=True)),
            ),
            lambda: probability_curves(arrays, name),
            _ends_show(
                bool(findings.numbers["published_chaotic"].value),
                bool(findings.numbers["target_chaotic"].value),
            ),
        ),
    )


def _strip_shows(
    published: npt.NDArray[np.floating], logarithm: npt.NDArray[np.floating], sure: float
) -> str:
    """What the first seed's ends (repeats,) say together; with places for the two that are shown."""
    if logarithm.min() >= sure and published.max() < sure:
        return _("On the logarithm the network becomes sure, on the probability itself it does not.")
    if min(logarithm.min(), published.min()) >= sure:
        return _("The network becomes sure of both pictures.")
    return _("From one noise the two climbs end at {published} and {logarithm}.")


def _ends_show(published_chaotic: bool, logarithm_chaotic: bool) -> str:
    """What the curves' repeats say."""
    if published_chaotic and not logarithm_chaotic:
        return _("On the probability the last bit decides where a climb ends, on its logarithm it does not.")
    if published_chaotic:
        return _("On both objectives the last bit decides where some climbs end.")
    if logarithm_chaotic:
        return _("On the logarithm the last bit decides where some climbs end.")
    return _("On both objectives climbs that begin together end together.")


def _last_shows(published: int, logarithm: int, seeds: int) -> str:
    """Of how many of the last pictures the network is sure."""
    if logarithm == seeds and not published:
        return _("From every seed the climb on the logarithm arrives, from none that on the probability.")
    if logarithm == published == seeds:
        return _("From every seed both climbs arrive.")
    return _(
        "Of {seeds} seeds the logarithm arrives from {logarithm}, the probability from {published}."
    ).format(seeds=seeds, logarithm=logarithm, published=published)


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """The last pictures' probabilities."""
    from tfviz.parts._toward_class import ends_again

    model = lab.model(network_of(findings))
    found, _pictures = ends_again(findings, model, settings.target, settings.seeds, "seed")
    return found
