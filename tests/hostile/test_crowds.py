"""Several runs at once into one folder and one cache."""

import re
import subprocess
import sys

import pytest

from tests.hostile.crowds import at_once
from tests.hostile.folder import half_files, left_over, numbers
from tests.misbehaving import CONTENT, SHA256

BUSY = r"tfviz: Another run \(process \d+, since .*\) works in .*: wait until it ends, or name another folder"


def test_five_runs_into_one_folder(tmp_path):
    """One does it; the others say in one line that it does, unless they came when it was done."""
    run = [
        sys.executable,
        "run_all.py",
        "--quick",
        "--offline",
        "--only",
        "training_hardness",
        "--out",
        tmp_path,
    ]
    ended = at_once(5, run)
    done = [printed for printed, status in ended if status == 0]
    assert done
    for printed, status in ended:
        if status:
            assert status == 2
            assert re.match(BUSY, printed), printed
            assert printed.count("\n") == 1
    assert half_files(tmp_path) == []
    assert left_over(tmp_path) == []
    assert numbers(tmp_path).keys() == {"training_hardness"}


def test_the_report_is_not_rendered_beside_a_run(tmp_path):
    code = f"""
import sys
from pathlib import Path
from tfviz.experiment.store import Store
with Store(Path({str(tmp_path)!r})).alone():
    print("works", flush=True)
    sys.stdin.read()
"""
    working = [sys.executable, "-c", code]
    with subprocess.Popen(working, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "works\n"
        report = [sys.executable, "run_all.py", "--report-only", "--out", tmp_path]
        ((printed, status),) = at_once(1, report)
        assert status == 2
        assert re.match(BUSY, printed), printed
        assert f"process {other.pid}," in printed
        assert printed.count("\n") == 1


@pytest.mark.parametrize("count", [2, 5])
def test_one_cache_is_filled_once(server, cache, count):
    address = f"http://127.0.0.1:{server.server_port}/slow"
    code = f"""
from tfviz.files.download import Url
from tfviz.weights.catalog import CATALOG, WeightsRecord
from tfviz.weights.fetch import fetch
source = Url(({address!r},), "tiny.pth", {len(CONTENT)}, {SHA256!r})
CATALOG["tiny"] = WeightsRecord("tiny", (source,), 1, "none", "a test")
print(fetch("tiny", say=print).sha256)
"""
    ended = at_once(count, [sys.executable, "-c", code])
    lines = [printed.splitlines() for printed, status in ended]
    assert [status for _, status in ended] == [0] * count
    assert {each[-1] for each in lines} == {SHA256}
    others = [line for each in lines for line in each[:-1]]
    assert others.count("Downloading tiny.pth (1 MB) from 127.0.0.1.") == 1
    waited = r"Another run \(.*\) is bringing tiny\.pth: waiting for it\."
    assert all(re.fullmatch(waited, line) for line in others if not line.startswith("Downloading"))
    assert server.asked == ["/slow"]
    assert [path.name for path in cache.iterdir()] == ["tiny.pth"]
