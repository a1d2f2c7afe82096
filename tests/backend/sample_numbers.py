"""Numbers of one framework, to be compared with another's.

``KERAS_BACKEND=jax python -m tests.backend.sample_numbers FILE`` writes a .npz file of arrays: from the same seeds and
weights everywhere.
"""

import sys

import keras
import numpy as np

from tests.tiny import linear_model
from tfviz import backend
from tfviz.measures import spectrum
from tfviz.measures.measured_field import unit_gradients
from tfviz.method import attacks, objectives, parametrizations, priors, transforms
from tfviz.method.ascent import ascend, falling
from tfviz.method.attribution import grad_cam
from tfviz.method.occlusion import occlusion_map
from tfviz.method.probe import value_and_gradient
from tfviz.models import alexnet, caffe_alexnet, narrow, squeezenet


def seeded(model, scale=None, seed=1):
    """A model with weights from NumPy: He-normal kernels, small biases."""
    random = np.random.default_rng(seed)
    values = []
    for variable in model.weights:
        fan_in = np.prod(variable.shape[:-1]) if len(variable.shape) > 1 else 400.0
        values.append(random.normal(0, scale or np.sqrt(2 / fan_in), variable.shape).astype(np.float32))
    model.set_weights(values)
    return model


def sample():
    """Arrays by name, each the result of another thing that a framework computes."""
    random = np.random.default_rng(0)
    found = {}
    tiny = linear_model()
    pictures = random.uniform(size=(3, 5, 7, 3)).astype(np.float32)
    goal = (
        objectives.log_probability(2) + 0.5 * objectives.neuron("conv1", 1) - 0.1 * priors.total_variation()
    )
    scores, terms, gradient = value_and_gradient(tiny, goal, pictures)
    found |= {"gradient/scores": scores, "gradient/gradient": gradient}
    found |= {f"gradient/{name}": values for name, values in terms.items()}

    noise = random.normal(0.5, 0.01, (2, 40, 36, 3)).astype(np.float32)
    net = seeded(squeezenet.build((40, 36, 3)))
    last = net.get_layer("conv10")
    last.kernel.assign(0.02 * np.asarray(last.kernel))  # probabilities that are neither 0 nor 1
    first = int(np.asarray(net(noise))[0].argmax())
    for name, start, clip in (
        ("pixels", noise, (0.0, 1.0)),
        ("fourier", parametrizations.fourier(noise, colour_root=spectrum.colour_root()), None),
    ):
        trace = ascend(
            net,
            objectives.logit(first) - priors.l2(),
            start,
            steps=20,
            rate=falling(0.01, 20),
            clip=clip,
            transforms=[transforms.affine(shift=2)],
            keep=(5, 20),
        )
        found |= {f"ascent/{name}/picture": trace.picture, f"ascent/{name}/scores": trace.scores}
        found[f"ascent/{name}/after 5"] = trace.snapshots[5]
    prior = priors.spectrum(spectrum.natural_magnitude(40, 36), spectrum.colour_axes())
    trace = ascend(net, objectives.logit(first) - prior, noise, steps=10, rate=1e-3, clip=None)
    found |= {"spectrum/picture": trace.picture, "spectrum/cost": trace.terms["spectrum"]}

    found["occlusion"] = occlusion_map(net, noise[0], first, patch=8, stride=4)
    found["grad cam"] = grad_cam(net, "fire2_concat", noise[0], first)
    features = seeded(alexnet.build_features((63, 70, 3)))
    wide = random.uniform(size=(2, 63, 70, 3)).astype(np.float32)
    found["features"] = np.asarray(features(wide))
    found["unit gradients"] = unit_gradients(features, "conv2", [(1, 2, 0), (0, 1, None)], wide)
    grouped = seeded(caffe_alexnet.build())
    found["grouped, LRN"] = np.asarray(grouped(random.uniform(size=(1, 227, 227, 3)).astype(np.float32)))
    picture = np.round(255 * pictures[0]) / 255
    attack = attacks.minimum_distance(tiny, picture, 1, probability=0.9, steps=60)
    found |= {"attack/distance": np.linalg.norm(attack.picture - picture), "attack/reached": attack.reached}
    with backend.current().float64():
        a, w, b = random.normal(size=(3, 7))
        model = narrow.build(a, w, b, 3.0)
        x = np.linspace(-3, 3, 101)
        found["float64"] = np.asarray(model(x[:, None]))[:, 0]
        found["float64/exact"] = narrow.shallow(a, w, b, x)
    found["convolution in bfloat16"] = np.asarray(
        keras.ops.cast(
            keras.ops.conv(
                keras.ops.cast(noise, "bfloat16"), keras.ops.ones((3, 3, 3, 2), "bfloat16"), padding="same"
            ),
            "float32",
        )
    )
    return {name: np.asarray(values) for name, values in found.items()}


if __name__ == "__main__":
    np.savez(sys.argv[1], **sample())
