import subprocess
import sys

import pytest

from tfviz.provenance import ROOT

CODE = """
import resource
import numpy as np
from tfviz import allocator

def faults(count=30):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        np.ones(8 << 20, np.uint8), np.ones(100 << 20, np.uint8)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / count

before = faults()
assert allocator.keep_freed_memory()
faults(3)
print(before, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_freed_memory_is_used_again():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    before, after = map(float, done.stdout.split())
    assert before > 1000, "100 MB in pages, every time"
    assert after < 50
