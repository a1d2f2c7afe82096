"""A ship of CIFAR-10 that the network calls a golden retriever.

Paper: Szegedy et al. 2014, "Intriguing properties of neural networks".
Cost: about 30 s on two cores with SqueezeNet.
Expected: probability 1.0 on AlexNet (published), at least 0.998 for its logarithm on every network.
Alone: python run_all.py --only ship_to_retriever --data-dir DIR (with CIFAR-10 in DIR; else ships are drawn)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tfviz import backend
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab, eight_bit_pictures, exact, extreme, probability_of, rounded
from tfviz.experiment.part import Again, Drawing, Findings, measuring, network_of
from tfviz.language import gettext as _
from tfviz.language import marked, ngettext

Array = npt.NDArray[np.floating]
Bytes = npt.NDArray[np.uint8]

ID = "ship_to_retriever"
TITLE = marked("A ship that the network calls a golden retriever")
TRACK = "B"
NETWORKS = ("alexnet", "squeezenet")
WHY_NOT_ANY = (
    "it makes a ship of CIFAR-10 a golden retriever of ImageNet: class_image does the same for your classes"
)
INPUTS = ("data_dir",)

_SIDE = 32  # of CIFAR-10's pictures
_PLAINLY = 0.9  # structural similarity under which a picture counts as plainly changed
_DRAWN = marked("drawn by the program at 32 × 32 pixels, enlarged; not CIFAR-10")
_TAKEN = (
    marked("CIFAR-10, test split, enlarged from 32 × 32 pixels"),
    marked("CIFAR-10 (JPEG copy), test split, enlarged from 32 × 32 pixels"),
    marked("CIFAR-10 (not the original files), test split, enlarged from 32 × 32 pixels"),
)
"""Where the ships can be from, as it is stored: English, and translated where it is shown."""


@dataclass(frozen=True)
class Settings:
    """As published, for several ships.

    Attributes:
        rate: of the published ascent, on the probability.
        logarithm_rate: of the ascent on the log-probability, a tenth of it (ours): the smaller the step, the less the
            picture moves.
        ships: how many ships, of the test split where it is to be had, else drawn; picked by the seed.
        repeats: of each, from starts that differ in the last bit.
        moved: a value that changed by more than this, of [0, 1], counts as moved.
        chaotic: a ship's end counts as chaotic where its repeats differ by more than this share of the largest.
    """

    target: int = 207
    ships: int = 5
    repeats: int = 3
    steps: int = 40
    rate: float = 5.0
    logarithm_rate: float = 0.5
    moved: float = 0.1
    chaotic: float = 0.1


SETTINGS = Settings()
QUICK = Settings(ships=2, repeats=2)

EXPECTED = (
    Expected(
        "published_probability",
        1.0,
        0.001,
        "published",
        "track B",
        ("alexnet",),
        written="1.0",
        label=marked("ascent on the probability: the first ship’s end"),
    ),
    Expected(
        "target_probability",
        0.998,
        0.0,
        "own bound",
        marked("the ascent must arrive from every ship"),
        (),
        "at least",
        label=marked("ascent on its logarithm: the lowest end of all ships"),
    ),
)


def run(settings: Settings, context: Context) -> Findings:
    """Ascend from each ship on the probability and on its logarithm, and measure how far the picture moved."""
    model = context.model()
    from tfviz.data.labels import imagenet_classes
    from tfviz.parts._toward_class import steps_to_show, toward_class

    random = context.random()
    small, source = _ships(settings, context, random)
    starts = _enlarged(small, model.input_shape[1:3])
    context.reporter.progress(ID, 0, 1)
    both = toward_class(
        model,
        settings.target,
        starts,
        random,
        repeats=settings.repeats,
        steps=settings.steps,
        rate=settings.rate,
        logarithm_rate=settings.logarithm_rate,
        keep=steps_to_show(settings.steps),
    )
    context.reporter.progress(ID, 1, 1)

    names = imagenet_classes()
    numbers = {name: context.repeated(values) for name, values in both.numbers().items()}
    for prefix, of, ascents in (
        ("", "target", both.by_logarithm),
        ("published_", "published", both.published),
    ):
        numbers[f"{of}_chaotic"] = context.number(ascents.chaotic(settings.chaotic), "ships")
        called = [backend.current().outputs(model, pictures).argmax(axis=1) for pictures in ascents.pictures]
        numbers[f"{prefix}called"] = context.repeated(
            np.sum(np.equal(called, settings.target), axis=1), "ships"
        )
        for ship in range(settings.ships):
            numbers[f"{of}_probability_ship_{ship}"] = context.repeated(ascents.probability[-1, :, ship])
        for measure, values in _movement(starts, ascents.pictures, settings.moved).items():
            for ship in range(settings.ships):
                numbers[f"{prefix}{measure}_ship_{ship}"] = context.repeated(values[:, ship])
            numbers[f"{prefix}{measure}_least"] = context.number(values.min())
            numbers[f"{prefix}{measure}_most"] = context.number(values.max())
    facts = {
        "class": names[settings.target],
        "source": source,
        "before": [names[index] for index in backend.current().outputs(model, starts).argmax(axis=1)],
    }
    return Findings(numbers, {"start": starts, **both.arrays()}, facts)


def _ships(settings: Settings, context: Context, random: np.random.Generator) -> tuple[Bytes, str]:
    """Different ships, (ships, 32, 32, 3), and where they are from."""
    from tfviz.data import cifar10, drawings
    from tfviz.data.pictures import as_bytes

    if context.inputs.data_dir is None:
        drawn = as_bytes(drawings.fleet(settings.ships, _SIDE, _SIDE, random))
        return drawn, _DRAWN
    test = cifar10.read_test_batch(context.inputs.data_dir)
    ships = np.flatnonzero(test.labels == cifar10.CLASSES.index("ship"))
    chosen = test.pictures[random.choice(ships, settings.ships, replace=False)]
    return chosen, f"{test.source}, test split, enlarged from {_SIDE} × {_SIDE} pixels"


def _enlarged(small: Bytes, shape: tuple[int, int]) -> Array:
    """Pictures (N, 32, 32, 3) as (N, H, W, 3) in [0, 1]."""
    from PIL import Image

    from tfviz.data.pictures import as_floats

    size = shape[::-1]
    return np.stack(
        [as_floats(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)) for picture in small]
    )


def _movement(starts: Array, pictures: Array, moved: float) -> dict[str, Array]:
    """How far pictures (repeats, N, H, W, 3) are from their starts (N, H, W, 3), each measure (repeats, N).

    "l2", "linf" and "ssim" are those of `distances`; "moved" is the share of the values that changed by more than that.
    """
    from tfviz.measures.similarity import distances

    measured = [
        [distances(start, after) for start, after in zip(starts, each, strict=True)] for each in pictures
    ]
    found = {
        measure: np.array([[each[measure] for each in row] for row in measured]) for measure in measured[0][0]
    }
    return found | {"moved": np.mean(np.abs(pictures - starts) > moved, axis=(2, 3, 4))}


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The first ship before and after, to be wiped over, with what changed; every ship; and the probability."""
    from tfviz import figures as draw
    from tfviz.figures import live
    from tfviz.figures.style import number
    from tfviz.parts._toward_class import ends, headings, percent, probability_curves

    arrays, numbers, facts = findings.arrays, findings.numbers, findings.facts
    name, source, count = facts["class"], facts["source"], len(arrays["start"])
    # The first ship, after the ascent that made it the more probable.
    which = max(("published", "logarithm"), key=lambda each: arrays[f"{each}_probability"][-1, 0, 0])
    before, after = arrays["start"][0], arrays[which][0]
    difference = after.astype(np.float64) - before
    largest = number(float(np.abs(difference).max()), 2)
    share = float(arrays[f"{which}_probability"][-1, 0, 0])
    end = percent(share)
    similarity = numbers["published_ssim_ship_0" if which == "published" else "ssim_ship_0"].value
    if share <= 0.5:
        seen = _("The first ship does not become a “{name}”.").format(name=name)
    elif similarity < _PLAINLY:
        seen = _("The network takes the ship for a “{name}”, and the picture is plainly changed.").format(
            name=name
        )
    else:
        seen = _("The network takes the ship for a “{name}”, and the picture is nearly what it was.").format(
            name=name
        )
    enlarged = (
        _(
            "The first ship before, after ascent on the probability (“{name}”: {end}), and what changed: grey is no "
            "change, black and full colour are a change by {largest} of the range of values."
        )
        if which == "published"
        else _(
            "The first ship before, after ascent on the logarithm of the probability (“{name}”: {end}), and what "
            "changed: grey is no change, black and full colour are a change by {largest} of the range of values."
        )
    ).format(name=name, end=end, largest=largest)
    called = numbers["called"].spread or (numbers["called"].value,) * 2
    if called[0] == count:
        taken = _("The ascent on the logarithm makes a “{name}” of every ship.").format(name=name)
    else:
        taken = _("The ascent on the logarithm does not make a “{name}” of every ship.").format(name=name)
    chaotic = int(numbers["published_chaotic"].value)
    rows = [
        (
            _("before"),
            _("Ship {number} before"),
            arrays["start"],
            [_("“{name}”").format(name=each) for each in facts["before"]],
        ),
        *(
            (label, alt, arrays[objective], list(map(percent, arrays[f"{objective}_probability"][-1, 0])))
            for label, alt, objective in (
                (_("probability"), _("Ship {number} after ascent on the probability"), "published"),
                (_("log-probability"), _("Ship {number} after ascent on its logarithm"), "logarithm"),
            )
        ),
    ]

    (low, high), (low_logarithm, high_logarithm) = ends(arrays, "published"), ends(arrays, "logarithm")

    def wipe() -> live.Wipe:
        return live.Wipe(
            live.Labelled(
                _("before"), np.clip(before, 0, 1), _("The ship before the ascent"), pixelated=True
            ),
            live.Labelled(
                _("after: {end}").format(end=end),
                np.clip(after, 0, 1),
                _("The same ship after it"),
                pixelated=True,
            ),
            [
                live.Labelled(
                    _("difference"), draw.centred(difference), _("What changed, around grey"), pixelated=True
                )
            ],
        )

    return (
        Drawing(
            "enlarged",
            enlarged,
            _(
                "A ship of few pixels, enlarged; the same after the ascent; and the difference of the two, on grey."
            ),
            lambda: draw.picture_table(
                [("", [before, after, draw.centred(difference)])],
                (_("before"), _("after"), _("difference")),
            ),
            seen,
            wipe,
        ),
        Drawing(
            "ships",
            _(
                "Each ship before, and after ascent on the probability and on its logarithm, with the final "
                "probability of “{name}” after the one and the other. Source: {source}."
            ).format(name=name, source=_(source)),
            ngettext(
                "{count} column of three pictures of one ship.",
                "{count} columns, each of three pictures of one ship.",
                count,
            ).format(count=count),
            lambda: draw.picture_table(
                [(label, list(pictures)) for label, _alt, pictures, _words in rows],
                headings(arrays),
            ),
            taken,
            lambda: live.Pictures(
                [
                    live.PicturesRow(
                        label,
                        [
                            live.Labelled(
                                words, np.clip(picture, 0, 1), alt.format(number=ship + 1), pixelated=True
                            )
                            for ship, (picture, words) in enumerate(zip(pictures, written, strict=True))
                        ],
                    )
                    for label, alt, pictures, written in rows
                ]
            ),
        ),
        Drawing(
            "probability",
            _(
                "The probability of “{name}” at each step: one line for each ship, repeat and objective."
            ).format(name=name),
            _(
                "Two bundles of curves: those of the probability end between {low} and {high}, those of its logarithm "
                "between {low_logarithm} and {high_logarithm}."
            ).format(low=low, high=high, low_logarithm=low_logarithm, high_logarithm=high_logarithm),
            lambda: probability_curves(arrays, name),
            ngettext(
                "Where the ascent on the probability ends is chaotic for {chaotic} ship.",
                "Where the ascent on the probability ends is chaotic for {chaotic} ships.",
                chaotic,
            ).format(chaotic=chaotic)
            if chaotic
            else _("Starts that differ in the last bit end together."),
        ),
    )


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """The last pictures' probabilities, and how far each is from its ship."""
    from tfviz.parts._toward_class import ends_again

    model = lab.model(network_of(findings))
    found, pictures = ends_again(findings, model, settings.target, settings.ships, "ship")
    for objective, prefix in (("logarithm", ""), ("published", "published_")):
        if objective in pictures:
            called = backend.current().outputs(model, pictures[objective]).argmax(axis=1) == settings.target
            found[f"{prefix}called"] = exact(called.sum())
    with measuring(found, "start_probability"):
        starts = eight_bit_pictures(findings, "start", (settings.ships, *model.input_shape[1:]))
        before = [
            probability_of(logits, settings.target) for logits in backend.current().outputs(model, starts)
        ]
        found["start_probability"] = extreme(before, max)
        for objective, prefix in (("logarithm", ""), ("published", "published_")):
            if objective not in pictures:
                continue
            for measure, values in _movement(starts, pictures[objective][np.newaxis], settings.moved).items():
                for ship, value in enumerate(values[0]):
                    # Structural similarity is made of float32 sums, and those of pictures in [0, 1].
                    measured = rounded(value, 1) if measure == "ssim" else exact(value)
                    found[f"{prefix}{measure}_ship_{ship}"] = measured
    return found
