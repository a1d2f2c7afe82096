"""Write mean_spectrum.npz from a folder of natural pictures, 256 x 256 JPEG files.

python -m tfviz.assets.make_mean_spectrum FOLDER
"""

import sys
from pathlib import Path

import numpy as np

from tfviz.data.pictures import read_picture
from tfviz.measures.spectrum import Array, magnitude, periodic_part, slope, total_variation

SIZE = 256


def mean_spectrum(folder: Path) -> dict[str, Array]:
    """The arrays of mean_spectrum.npz.

    Returns:
        "colour_axes": (3, 3), see tfviz.measures.spectrum.colour_axes; "colour_std": (3,), standard deviations along
        them;
        "magnitude": (SIZE, SIZE // 2 + 1, 3), mean over the pictures of the orthonormal Fourier magnitude of their
        periodic part along those axes; "slope", "total_variation": (pictures,).
    """
    files = sorted(folder.glob("*.jpg"))
    if not files:
        raise SystemExit(f"{folder} has no .jpg files")
    # About each picture's own mean colour, since frequency 0 is left out everywhere.
    covariance = np.mean([np.cov(_read(file).reshape(-1, 3), rowvar=False) for file in files], axis=0)
    variances, directions = np.linalg.eigh(covariance)
    axes = directions[:, ::-1].T
    axes = axes * np.sign(axes.sum(axis=1, keepdims=True))
    total = np.zeros((SIZE, SIZE // 2 + 1, 3))
    measures = []
    for file in files:
        picture = _read(file)
        total += magnitude(periodic_part(picture) @ axes.T)
        measures.append((slope(picture), total_variation(picture)))
    slopes, variations = np.transpose(measures)
    return {
        "colour_axes": axes,
        "colour_std": np.sqrt(variances[::-1]),
        "magnitude": total / len(files),
        "slope": slopes,
        "total_variation": variations,
    }


def _read(file: Path) -> Array:
    return read_picture(file, SIZE, SIZE).astype(np.float64)


if __name__ == "__main__":
    target = Path(__file__).with_name("mean_spectrum.npz")
    arrays = mean_spectrum(Path(sys.argv[1]))
    # 11 bits are a rounding of at most 0.05 %, where the mean of 1,000 pictures is known to some 2.5 %.
    kept = {
        name: values.astype(np.float32 if name == "colour_axes" else np.float16)
        for name, values in arrays.items()
    }
    np.savez_compressed(target, allow_pickle=False, **kept)
