"""The parts: one module each, in report order.

A part is a module with the attributes of `tfviz.experiment.part.Part`. Parts import frameworks only inside ``run``
(they use the public calls of ``tfviz``, which load on first use), so that listing, drawing and rendering need none.
What two parts share lies in a module with a leading underscore.
"""

from __future__ import annotations

from tfviz.experiment.part import Part
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
