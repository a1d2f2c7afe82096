import subprocess
import sys

import pytest

from tfviz.files.program import CHECKOUT

CODE = """
import resource
from tfviz.training import allocator

def faults(count=30):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        bytearray(8 << 20), bytearray(100 << 20)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / count

before = faults()
assert allocator.keep_freed_memory()
faults(3)
print(before, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_freed_memory_is_used_again():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    before, after = map(float, done.stdout.split())
    assert before > 40, "100 MB, every time, in pages of 2 MB at most"
    assert after < before / 10
