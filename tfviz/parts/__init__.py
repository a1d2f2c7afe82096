"""The parts: one module each, in report order.

A part is a module with the attributes of :class:`Part`. Parts import TensorFlow only inside ``run`` (they use the
public calls of ``tfviz``, which load on first use), so that listing them and rendering a report need none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tfviz.context import Context
from tfviz.grading import Expected
from tfviz.parts import (
    cifar_cnn,
    cifar_resnet,
    class_image,
    class_neuron,
    conv1_filters,
    conv1_units,
    conv2_neuron,
    jellyfish_to_mink,
    narrow_network,
    natural_prior,
    normalization,
    occlusion_map,
    receptive_fields,
    ship_to_retriever,
    training_hardness,
)
from tfviz.results import Drawing, Findings


class Part(Protocol):
    """What a module must have to be a part.

    Attributes:
        ID: the part's name in files and on the command line; its template is templates/parts/<ID>.html.
        TITLE: heading in the report.
        TRACK: the piece of work it belongs to.
        NETWORKS: the networks it can run on, best first; empty if it needs none.
        INPUTS: names of the user's inputs that it uses (attributes of tfviz.context.Inputs).
        SETTINGS: a frozen dataclass of JSON values: the full run.
        QUICK: the same for a shorter run, labelled as such; equal to SETTINGS where the full run is quick.
        EXPECTED: the values that its numbers are graded against.
    """

    # Properties, since a module's own are more exact (a tuple of one string).
    @property
    def ID(self) -> str: ...

    @property
    def TITLE(self) -> str: ...

    @property
    def TRACK(self) -> str: ...

    @property
    def NETWORKS(self) -> tuple[str, ...]: ...

    @property
    def INPUTS(self) -> tuple[str, ...]: ...

    @property
    def SETTINGS(self) -> Any: ...

    @property
    def QUICK(self) -> Any: ...

    @property
    def EXPECTED(self) -> tuple[Expected, ...]: ...

    def run(self, settings: Any, context: Context) -> Findings:
        """Compute; touches no files."""
        ...

    def figures(self, findings: Findings) -> Sequence[Drawing]:
        """Draw what was found."""
        ...


PARTS: tuple[Part, ...] = (
    cifar_cnn,
    cifar_resnet,
    normalization,
    conv1_filters,
    conv1_units,
    class_image,
    ship_to_retriever,
    conv2_neuron,
    class_neuron,
    natural_prior,
    jellyfish_to_mink,
    occlusion_map,
    receptive_fields,
    narrow_network,
    training_hardness,
)
