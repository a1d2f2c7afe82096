"""Weights and pictures made from a seed, the same ones for PyTorch and for Keras. Needs NumPy alone."""

import numpy as np

# Name and shape of each tensor, in PyTorch's order of axes: (out, in / groups, rows, columns) and (out, in).
ALEXNET = {
    "features.0": (64, 3, 11, 11),
    "features.3": (192, 64, 5, 5),
    "features.6": (384, 192, 3, 3),
    "features.8": (256, 384, 3, 3),
    "features.10": (256, 256, 3, 3),
    "classifier.1": (4096, 9216),
    "classifier.4": (4096, 4096),
    "classifier.6": (1000, 4096),
}
CAFFE_ALEXNET = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3),
    "fc6": (4096, 9216),
    "fc7": (4096, 4096),
    "fc8": (1000, 4096),
}
SIZES = {"alexnet": 224, "caffe_alexnet": 227}
CLASSES = (7, 42, 123, 256, 389, 512, 770, 985)
"""The class whose logit's gradient is taken, one per picture."""


def weights(network: str) -> dict[str, np.ndarray]:
    """Normal random weights, scaled so that activations keep their size from layer to layer (He et al. 2015).

    Under the names of torchvision's file for "alexnet", of the ONNX file for "caffe_alexnet".
    """
    shapes, weight, bias = {
        "alexnet": (ALEXNET, ".weight", ".bias"),
        "caffe_alexnet": (CAFFE_ALEXNET, "_w_0", "_b_0"),
    }[network]
    rng = np.random.Generator(np.random.PCG64(2012))
    tensors = {}
    for name, shape in shapes.items():
        kernel = rng.standard_normal(shape, dtype=np.float32)
        kernel *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        tensors[name + weight] = kernel
        tensors[name + bias] = np.float32(0.1) * rng.standard_normal(shape[0], dtype=np.float32)
    return tensors


def picture(network: str, seed: int) -> np.ndarray:
    """A picture of noise, (H, W, 3) RGB in [0, 1)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.random((SIZES[network], SIZES[network], 3), dtype=np.float32)
