import subprocess
import sys

import pytest

from tfviz.files.download import Url
from tfviz.weights.catalog import CATALOG, PackageIndex, SameAs

CONVOLUTIONS = [(11, 3, 64), (5, 64, 192), (3, 192, 384), (3, 384, 256), (3, 256, 256)]
# Two groups: each kernel of conv2, conv4 and conv5 sees half of the channels.
BVLC_CONVOLUTIONS = [(11, 3, 96), (5, 48, 256), (3, 256, 384), (3, 192, 384), (3, 192, 256)]
DENSE = [(9216, 4096), (4096, 4096), (4096, 1000)]
FIRES = [(64, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128)]
FIRES += [(256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)]


def convolution(size, inputs, outputs):
    return size * size * inputs * outputs + outputs


def test_parameters_recounted():
    dense = sum(inputs * outputs + outputs for inputs, outputs in DENSE)
    features = sum(convolution(*shape) for shape in CONVOLUTIONS)
    assert CATALOG["alexnet_features"].parameters == features
    assert CATALOG["alexnet"].parameters == features + dense
    bvlc = sum(convolution(*shape) for shape in BVLC_CONVOLUTIONS)
    assert CATALOG["caffe_alexnet"].parameters == bvlc + dense
    fires = sum(
        convolution(1, inputs, squeezed) + convolution(1, squeezed, out) + convolution(3, squeezed, out)
        for inputs, squeezed, out in FIRES
    )
    assert CATALOG["squeezenet"].parameters == convolution(3, 3, 64) + fires + convolution(1, 512, 1000)


@pytest.mark.parametrize("name", CATALOG)
def test_every_record_is_complete(name):
    record = CATALOG[name]
    assert record.name == name
    assert record.licence
    assert record.what
    assert any(isinstance(source, Url | PackageIndex) for source in record.sources)
    for source in record.sources:
        if isinstance(source, SameAs):
            assert source.name in CATALOG
            continue
        hashes = [source.sha256]
        # Float32 weights: the file is a little larger than the numbers, or much larger (the whole network).
        assert source.size > 4 * record.parameters
        if isinstance(source, PackageIndex):
            hashes.append(source.archive_sha256)
            assert source.archive_size > 4e6
            assert source.requirement.count("==") == 1
        else:
            assert all(url.startswith("https://") for url in source.urls)
        assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in hashes)


def test_no_two_files_share_a_name_in_the_cache():
    sources = {s for record in CATALOG.values() for s in record.sources if not isinstance(s, SameAs)}
    assert len({source.filename for source in sources}) == len(sources)


def test_import_brings_nothing_heavy():
    heavy = "tensorflow keras pooch requests onnx h5py"
    modules = "catalog fetch readers port"
    code = f"""
import sys, importlib
for name in {modules.split()}: importlib.import_module("tfviz.weights." + name)
print([name for name in {heavy.split()} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
