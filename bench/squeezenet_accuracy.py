"""How often SqueezeNet is right on ImageNet's sample pictures, one of each class.

    python -m bench.squeezenet_accuracy FOLDER

FOLDER holds pictures 256 pixels wide and high, named NNNN_*.jpg after their class. They are brought to 227 in
several ways. Pillow's bilinear filter, which takes the mean over all pixels it shrinks, gives the published
top-1 of 0.609 and top-5 of 0.832; bicubic 0.627 and 0.848; 1000 pictures, under a minute on two cores.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import tfviz

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resized(picture: Image.Image, how: str) -> np.ndarray:
    """A picture as (227, 227, 3) in [0, 1]; "crop" cuts the middle out unchanged."""
    if how == "crop":
        picture = picture.crop((14, 14, 241, 241))
    elif how == "sampled":  # bilinear, from the four nearest pixels only, as old TensorFlow and OpenCV do
        scale = 256 / 227
        matrix = (scale, 0, 0, 0, scale, 0)
        picture = picture.transform((227, 227), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    else:
        picture = picture.resize((227, 227), FILTERS[how])
    return np.asarray(picture, np.float32) / 255


def main() -> dict[str, tuple[float, float]]:
    """Prints and returns the top-1 and the top-5 accuracy for each way of resizing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, help="a file of weights, in place of the published one")
    arguments = parser.parse_args()
    paths = sorted(arguments.folder.glob("[0-9][0-9][0-9][0-9]_*.jpg"))
    if not paths:
        parser.error(f"{arguments.folder} holds no pictures named NNNN_*.jpg")
    classes = np.array([int(path.name[:4]) for path in paths])
    model = tfviz.load("squeezenet", weights=arguments.weights)
    pictures = [Image.open(path).convert("RGB") for path in paths]
    accuracies = {}
    for how in (*FILTERS, "sampled", "crop"):
        images = np.stack([resized(picture, how) for picture in pictures])
        logits = model.predict(images, batch_size=50, verbose=0)
        best = np.argsort(-logits, axis=1)[:, :5] == classes[:, None]
        accuracies[how] = float(best[:, 0].mean()), float(best.any(axis=1).mean())
        print(f"{how:9} top-1 {accuracies[how][0]:.3f}  top-5 {accuracies[how][1]:.3f}", flush=True)
    return accuracies


if __name__ == "__main__":
    main()
