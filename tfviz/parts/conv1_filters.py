"""The first layer's weights: what they look like, and how much like receptive fields of simple cells.

Papers: Krizhevsky et al. 2012 (the filters); Ringach 2002, J. Neurophysiol. 88:455-463 (simple cells; its counts by way
of Dapello et al. 2020); Ringach, Shapley, Hawken 2002, J. Neurosci. 22:5639-5651 (orientation selectivity); Jehee,
Ballard 2009 (the original's source).
Cost: 20 to 25 seconds on two cores, most of them for the controls' fits.
Expected: 64 filters; no number of Gabor-like ones was published.
Alone: python run_all.py --only conv1_filters
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.lab import Lab, exact
from tfviz.experiment.part import Again, Drawing, Findings, Number, network_of
from tfviz.language import gettext as _
from tfviz.language import marked

Array = npt.NDArray[np.floating]

ID = "conv1_filters"
TITLE = marked("The first layer’s filters")
TRACK = "B"
NETWORKS = ("alexnet_features",)
ANY_NETWORK = True
INPUTS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What is drawn, when a filter counts as what, and how many pictures that are no filters it is held against.

    Attributes:
        variance_explained: least variance explained of a Gabor-like filter: the residual is at most a quarter of the
            variance. Chance does not get there: the best fits to 200 seeds of 11 x 11 white noise (eight parameters,
            121 pixels) explain 0.15 in the median and 0.29 at most. It does in small windows: noise reaches 0.33 at
            9 x 9, 0.49 at 7 x 7 and 0.83 at 5 x 5 (50 seeds each). The cut itself is a choice.
            A blob is an unoriented filter of which a round one (`explained_by_round_blob`) explains as much.
        orientation: least orientation selectivity of an oriented filter. A round blob has 0, an edge (the derivative of
            a round Gaussian) 1/3, stripes more.
        colour: a colour-opponent filter has a larger share of its squares off the grey axis; beyond two thirds none is
            that weighs its three colours with one sign (`share_off_grey`).
        contrast: least span of a high-contrast filter's weights, largest less smallest, in units of the widest span.
        scrambled: how many of the filters are drawn again with random phases, evenly spaced among all.
        round_blobs: how many differences of Gaussians, with centres of 0.8 to 3 pixels.
        noises: how many windows of white noise.
        conv2_units: how many conv2 channels are drawn, those of the largest weights first.
        slices: how many of each one's input channels are drawn.
    """

    variance_explained: float = 0.75
    orientation: float = 0.3
    colour: float = 0.667
    contrast: float = 0.5
    scrambled: int = 64
    round_blobs: int = 24
    noises: int = 16
    conv2_units: int = 6
    slices: int = 5


SETTINGS = Settings()
QUICK = Settings(scrambled=12, round_blobs=6, noises=6)

_DESIGN = marked("track B: the layer as stated")
_NETWORKS = ("alexnet", "alexnet_features")
EXPECTED = tuple(
    Expected(number, value, 0, "published theory", _DESIGN, _NETWORKS, label=label)
    for number, value, label in (
        ("conv2_inputs", 64, marked("channels that conv2 takes")),
        ("conv2_outputs", 192, marked("channels that conv2 gives")),
        ("conv2_kernel", 5, marked("side of its kernel")),
    )
)


CONTROLS = ("scrambled", "round_blobs", "noises")
"""Pictures that are no filters, in the order of the table; each is the name of its setting and of its numbers."""


def run(settings: Settings, context: Context) -> Findings:
    """Fit a Gabor function to each filter of conv1 and to the controls; count what is seen; read conv2's shape."""
    from tfviz.measures import filters as measures
    from tfviz.measures import gabor
    from tfviz.parts._own import UnfitNetworkError

    layers = _layers(context)
    conv1 = layers[0][1]
    name2, conv2 = layers[1] if len(layers) > 1 else ("", np.zeros((0, 0, 0, 0)))
    filters = np.moveaxis(conv1, -1, 0)
    zeros = np.ptp(filters.reshape(len(filters), -1), axis=1) == 0  # they look like nothing
    filters = filters[~zeros]
    if not (count := len(filters)):
        raise UnfitNetworkError(f"All weights of its first convolution, {layers[0][0]}, are 0.")
    parts = [gabor.first_spatial_component(weights) for weights in filters]
    components = [component for component, _, _ in parts]
    share_of_first = np.array([share for _, _, share in parts])
    controls = made_up(components, settings, context.random())
    total = count + sum(len(pictures) for pictures in controls.values())
    done = 0

    def fitted(picture: Array) -> gabor.GaborFit:
        nonlocal done
        found = gabor.fit(picture)
        done += 1
        context.reporter.progress(ID, done, total)
        return found

    fits = [fitted(component) for component in components]
    explained = np.array([fit.variance_explained for fit in fits])
    selectivity = np.array([measures.orientation_selectivity(component)[0] for component in components])
    like, oriented = explained >= settings.variance_explained, selectivity >= settings.orientation
    off_grey = np.array([measures.share_off_grey(weights) for weights in filters])
    opponent = off_grey > settings.colour
    span = np.ptp(filters.reshape(count, -1), axis=1)
    blobs = np.array(
        [
            not turned and measures.explained_by_round_blob(component) >= settings.variance_explained
            for component, turned in zip(components, oriented, strict=True)
        ]
    )

    n_x, n_y = np.array([fit.n_x for fit in fits]), np.array([fit.n_y for fit in fits])
    edges, cells = gabor.macaque_simple_cells()
    # An envelope with less than a tenth of a cycle under it has no size in cycles; one at a bound, no known size.
    carrier = np.array([fit.has_carrier for fit in fits])
    faded = np.array([not {"sigma_x", "sigma_y"} & {*fit.at_bound} for fit in fits])
    sized = like & oriented & carrier & faded
    among = count_in_bins(n_x[sized], n_y[sized], edges, cells > 0)
    ends = [edges[np.flatnonzero(cells.sum(axis=axis))[-1] + 1] for axis in (1, 0)]
    larger = (n_x >= ends[0]) | (n_y >= ends[1])
    read = conv2[:, :, ~zeros] if name2 else conv2
    strength = np.sqrt(np.sum(read**2, axis=(0, 1)))
    units = np.argsort(-np.linalg.norm(strength, axis=0))[: settings.conv2_units]
    inputs = np.argsort(-strength[:, units], axis=0)[: settings.slices].T

    on = context.number

    def how_many(flags: npt.NDArray[np.bool_]) -> Number:
        return on(int(flags.sum()), "filters")

    numbers = {
        "filters": on(count, "filters"),
        "oriented": how_many(oriented),
        "blobs": how_many(blobs),
        "neither": how_many(~oriented & ~blobs),
        "colour_opponent": how_many(opponent),
        "colour_opponent_oriented": how_many(opponent & oriented),
        "high_contrast": how_many(span >= settings.contrast * span.max()),
        "span_ratio": on(span.max() / span.min()),
        "gabor_like": how_many(like),
        "gabor_like_oriented": how_many(like & oriented),
        "median_variance_explained": on(float(np.median(explained))),
        "median_share_first_component": on(float(np.median(share_of_first))),
        "gabor_like_without_carrier": how_many(like & oriented & ~carrier),
        "sized": how_many(sized),
        "median_n_x": on(_median(n_x[sized]), "cycles"),
        "median_n_y": on(_median(n_y[sized]), "cycles"),
        "sized_among_cells": on(among, "filters"),
        "sized_with_more_cycles": how_many(sized & larger),
        "simple_cells": Number(int(cells.sum()), "cells"),
    }
    if name2:
        numbers |= {
            "conv2_inputs": on(conv2.shape[2], "channels"),
            "conv2_outputs": on(conv2.shape[3], "channels"),
            "conv2_kernel": on(conv2.shape[0], "px"),
        }
    arrays = {
        "filters": filters,
        "components": np.array(components),
        "fits": np.array([fit.picture(conv1.shape[:2]) for fit in fits]),
        "variance_explained": explained,
        "selectivity": selectivity,
        "off_grey": off_grey,
        "span": span,
        "blobs": blobs,
        "share": share_of_first,
        "n_x": n_x,
        "n_y": n_y,
        "gabor_like": like,
        "sized": sized,
        "cell_edges": edges,
        "cells": cells,
        "conv2_units": units,
        "conv2_inputs": inputs,
        "conv2_slices": np.array(
            [[read[:, :, source, unit] for source in row] for unit, row in zip(units, inputs, strict=True)]
        ),
    }
    for name, pictures in controls.items():
        reached = np.array([fitted(picture).variance_explained for picture in pictures])
        turned = np.array([measures.orientation_selectivity(picture)[0] for picture in pictures])
        passed = reached >= settings.variance_explained
        label = context.label if name == "scrambled" else None
        for key, flags in (
            (name, np.ones_like(passed)),
            (f"{name}_gabor_like", passed),
            (f"{name}_gabor_like_oriented", passed & (turned >= settings.orientation)),
        ):
            numbers[key] = Number(int(flags.sum()), "pictures", label)
        arrays |= {f"{name}_variance_explained": reached, f"{name}_selectivity": turned}
    facts = {
        "conv1": layers[0][0],
        "conv1_shape": list(conv1.shape),
        "conv2": name2,
        "conv2_shape": list(conv2.shape),
        "zero_filters": int(zeros.sum()),
        "cells_n_x": _central_bins(edges, cells.sum(axis=1)),
        "cells_n_y": _central_bins(edges, cells.sum(axis=0)),
    }
    return Findings(numbers, arrays, facts)


def _layers(context: Context) -> list[tuple[str, Array]]:
    """The first convolution, and the second where one reads its maps: names and kernels (h, w, in, out)."""
    model = context.model()
    if context.own is None:
        return [(name, np.asarray(model.get_layer(name).get_weights()[0])) for name in ("conv1", "conv2")]
    from tfviz.models import description
    from tfviz.parts._own import UnfitNetworkError

    try:
        first = description.first_convolution(model)
    except ValueError as error:
        raise UnfitNetworkError(str(error)) from error
    kernel = np.asarray(first.layer.kernel)
    if min(kernel.shape[:2]) < 2:
        raise UnfitNetworkError(
            f"Its first convolution, {first.path}, weighs single pixels: that is no pattern."
        )
    second = description.next_convolution(model, first)
    return [(call.path, np.asarray(call.layer.kernel)) for call in (first, second) if call is not None]


def made_up(
    components: Sequence[Array], settings: Settings, random: np.random.Generator
) -> dict[str, list[Array]]:
    """Pictures (h, w) that are no filters, by the names in `CONTROLS`.

    Args:
        components: the filters' own (h, w), of one shape.
        settings: how many of each.
        random: of the phases, the noise, and of the blobs' places and surrounds.

    Returns:
        Components with random phases; round differences of Gaussians, the middle at most 2 pixels from the window's,
        centres of 0.8 to 3 pixels, surrounds of 1.5 to 2.5 times the width and none to all of the volume; white noise.
    """
    from tfviz.measures import filters as measures

    rows, columns = components[0].shape
    chosen = np.linspace(0, len(components) - 1, settings.scrambled).round().astype(int)
    return {
        "scrambled": [measures.phase_scrambled(components[index], random) for index in chosen],
        "round_blobs": [
            measures.round_blob(
                (rows, columns),
                (columns - 1) / 2 + random.uniform(-2, 2),
                (rows - 1) / 2 + random.uniform(-2, 2),
                sigma,
                random.uniform(1.5, 2.5),
                random.uniform(0, 1),
            )
            for sigma in np.geomspace(0.8, 3.0, settings.round_blobs)
        ],
        "noises": [random.normal(size=(rows, columns)) for _ in range(settings.noises)],
    }


def _median(values: Array) -> float:
    return float(np.median(values)) if values.size else 0.0


def count_in_bins(x: Array, y: Array, edges: Array, wanted: npt.NDArray[np.bool_]) -> int:
    """How many points (x, y) fall into a wanted bin; bins are half open, and points outside all are in none."""
    counts, _, _ = np.histogram2d(x, y, bins=(edges, edges))
    return int(counts[wanted].sum())


def _central_bins(edges: Array, counts: npt.NDArray[np.int_]) -> list[float]:
    """First and last edge of the fewest neighbouring bins that hold at least half of the counts."""
    spans = [
        (stop - start, start, stop)
        for start in range(len(counts))
        for stop in range(start + 1, len(counts) + 1)
        if 2 * counts[start:stop].sum() >= counts.sum()
    ]
    _, start, stop = min(spans)
    return [round(float(edges[start]), 2), round(float(edges[stop]), 2)]


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The filters, examples of fits, how well all are explained, their sizes, and conv2's slices."""
    from tfviz import figures as draw
    from tfviz.figures import live
    from tfviz.figures.style import number as written
    from tfviz.parts._own import in_colours

    arrays = findings.arrays
    numbers = findings.numbers
    filters, explained, sized = arrays["filters"], arrays["variance_explained"], arrays["sized"]
    count, both = numbers["filters"].value, numbers["gabor_like_oriented"].value
    tiles = [draw.scaled(in_colours(weights)) for weights in filters]
    best, worst = int(explained.argmax()), int(explained.argmin())
    kinds = np.where(arrays["selectivity"] >= settings.orientation, 0, np.where(arrays["blobs"], 1, 2))

    def wall() -> live.Wall:
        names = (_("oriented"), _("blob"), _("neither"))
        return live.Wall(
            [
                live.Tile(
                    str(channel),
                    tiles[channel],
                    {
                        _("kind"): names[kinds[channel]],
                        _("orientation selectivity"): written(float(arrays["selectivity"][channel]), 3),
                        _("variance explained by the Gabor function"): written(float(explained[channel]), 3),
                        _("cycles across the stripes"): _size(arrays["n_x"][channel], sized[channel]),
                        _("cycles along the stripes"): _size(arrays["n_y"][channel], sized[channel]),
                        _("share off the grey axis"): written(float(arrays["off_grey"][channel]), 3),
                        _("span of the weights"): written(float(arrays["span"][channel]), 3),
                    },
                    [
                        live.Labelled(
                            _("first spatial component"),
                            arrays["components"][channel],
                            _("First spatial component of filter {channel}; grey is zero").format(
                                channel=channel
                            ),
                        ),
                        live.Labelled(
                            _("Gabor fit"),
                            arrays["fits"][channel],
                            _("The Gabor function fitted to filter {channel}").format(channel=channel),
                        ),
                    ],
                )
                for channel in range(len(filters))
            ],
            _("Filter {name}"),
            _("weights"),
        )

    slices = []
    for unit, sources, kernels in zip(
        arrays["conv2_units"], arrays["conv2_inputs"], arrays["conv2_slices"], strict=True
    ):
        pairs = [
            live.Labelled(label, picture, alt)
            for source, kernel in zip(sources, kernels, strict=True)
            for label, picture, alt in (
                (str(source), tiles[source], _("conv1 filter {channel}").format(channel=source)),
                (
                    "",
                    kernel,
                    _("slice of unit {unit} that reads map {channel}").format(unit=unit, channel=source),
                ),
            )
        ]
        slices.append(live.PicturesRow(_("unit {unit}").format(unit=unit), pairs))

    groups = (("", "filters"), *((f"{name}_", name) for name in CONTROLS))
    labels = (_("conv1’s filters"), _("phases scrambled"), _("round blobs"), _("white noise"))
    points = [
        (label, arrays[f"{prefix}selectivity"], arrays[f"{prefix}variance_explained"])
        for label, (prefix, _name) in zip(labels, groups, strict=True)
    ]
    inside = "; ".join(
        _("{label}: {passed} of {count}").format(
            label=label, passed=numbers[f"{prefix}gabor_like_oriented"].value, count=numbers[name].value
        )
        for label, (prefix, name) in zip(labels, groups, strict=True)
    )
    among, all_sized = numbers["sized_among_cells"].value, numbers["sized"].value
    drawings = (
        Drawing(
            "filters",
            _(
                "All filters of conv1, each scaled to [0, 1] on its own, row by row from channel 0 on; their first "
                "spatial components; and the Gabor functions fitted to these, which explain from {least} (channel "
                "{worst}) to {most} (channel {best}) of the variance."
            ).format(least=f"{explained[worst]:.2f}", worst=worst, most=f"{explained[best]:.2f}", best=best),
            _(
                "Grids of {count} small squares. Of the coloured ones {oriented} have an orientation, {blobs} are "
                "round blobs, and {opponent} weigh colours against each other."
            ).format(
                count=count,
                oriented=numbers["oriented"].value,
                blobs=numbers["blobs"].value,
                opponent=numbers["colour_opponent"].value,
            ),
            lambda: draw.picture_table(
                [("", [_grid(each) for each in (tiles, arrays["components"], arrays["fits"])])],
                [_("weights"), _("first spatial component"), _("Gabor fit")],
            ),
            _("Most filters of the first layer have an orientation.")
            if 2 * numbers["oriented"].value > count
            else _("Most filters of the first layer have no orientation."),
            wall,
        ),
        Drawing(
            "explained",
            _(
                "Variance that the best Gabor function explains, over the orientation selectivity; each point is a "
                "filter’s first spatial component or a picture that is no filter. Lines: the two criteria."
            ),
            _(
                "A scatter plot with four kinds of points. In the corner beyond both lines lie of {inside}."
            ).format(inside=inside),
            lambda: draw.two_criteria(
                points,
                (settings.orientation, settings.variance_explained),
                xlabel=_("orientation selectivity (1 − circular variance)"),
                ylabel=_("variance explained"),
            ),
            _(
                "Both criteria let {both} of {count} filters pass, and {chance} of {scrambled} with scrambled phases."
            ).format(
                both=both,
                count=count,
                chance=numbers["scrambled_gabor_like_oriented"].value,
                scrambled=numbers["scrambled"].value,
            ),
        ),
        Drawing(
            "sizes",
            _(
                "Size of the fits in cycles: oriented Gabor-like filters of conv1 (diamonds) over the number of simple "
                "cells of macaque visual cortex in each bin (Ringach 2002, counts by way of Dapello et al. 2020). "
                "Dotted: as long as wide."
            ),
            _(
                "A scatter plot on two logarithmic axes; {among} of {sized} filters lie in a bin that holds cells."
            ).format(among=among, sized=all_sized),
            lambda: draw.gabor_sizes(
                arrays["n_x"][sized], arrays["n_y"][sized], arrays["cell_edges"], arrays["cells"]
            ),
            _("Most of the filters drawn are of a size that simple cells have, too.")
            if 2 * among > all_sized
            else _("No more than half of the filters drawn are of a size that simple cells have."),
        ),
    )
    if "conv2_kernel" not in numbers:
        return drawings
    second = Drawing(
        "conv2",
        _(
            "What can be drawn of conv2: for the units with the largest weights, the strongest of their "
            "input slices (grey: 0, white: positive, black: negative), each beside the conv1 filter that it reads."
        ),
        _("Rows of pairs: a coloured conv1 filter and a grey square of {side} by {side} weights.").format(
            side=numbers["conv2_kernel"].value
        ),
        lambda: draw.picture_table(
            [(row.label, [each.picture for each in row.pictures]) for row in slices[:_PRINTED]]
        ),
        _("One filter of the second layer is {maps} grey slices, not a picture.").format(
            maps=numbers["conv2_inputs"].value
        ),
        lambda: live.Pictures(slices),
    )
    return (*drawings, second)


_PRINTED = 3  # rows of conv2's slices on paper; a browser has room for all


def _grid(pictures: Sequence[Array] | Array, columns: int = 8) -> Array:
    """Pictures (h, w, 3) in [0, 1], or maps (h, w), as one: row after row, a white pixel apart."""
    from tfviz.figures import centred

    height, width = pictures[0].shape[:2]
    grid = np.ones((-(-len(pictures) // columns) * (height + 1) - 1, columns * (width + 1) - 1, 3))
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        place = slice(row * (height + 1), None), slice(column * (width + 1), None)
        grid[place][:height, :width] = picture if picture.ndim == 3 else centred(picture)[..., np.newaxis]
    return grid


def _size(cycles: float, known: bool) -> str:
    """A fit's size as it is shown, where it has one that means something."""
    from tfviz.figures.style import number as written

    return written(float(cycles), 3) if known else "–"


_SEARCHED = 1e-3  # relative: where the least squares of another library stop, in medians of what they find


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """All but the controls, from the grader's own weights: nothing handed in is needed.

    The controls' phases and noise hang on the run's seed and were not kept.
    """
    label = network_of(findings)
    lab.model(label)  # what cannot be had is said before anything is asked of the memory
    alone = replace(settings, scrambled=0, round_blobs=0, noises=0)

    def measured() -> dict[str, float]:
        found = run(alone, lab.context(label)).numbers
        return {name: number.value for name, number in found.items() if not name.startswith(CONTROLS)}

    values = lab.once({"part": ID, "network": label, "settings": asdict(alone)}, measured)
    return {
        name: Again(value, _SEARCHED * abs(value)) if name.startswith("median") else exact(value)
        for name, value in values.items()
    }
