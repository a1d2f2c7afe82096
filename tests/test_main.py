import subprocess
import sys

import pytest

from tfviz.files.program import CHECKOUT

INTERRUPTED = "\ntfviz: interrupted before anything was done.\n"


def run(code):
    return subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_while_things_are_imported_is_one_line(name):
    """Also where an import would swallow it."""
    done = run(
        "import os, signal\n"
        "from tfviz.__main__ import leaving_at_once\n"
        "with leaving_at_once():\n"
        "    try:\n"
        f"        os.kill(os.getpid(), signal.{name})\n"
        "        for _ in range(10**6): pass\n"
        "    except BaseException:\n"
        "        pass\n"
        "print('went on')\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", INTERRUPTED)


def test_what_is_ignored_stays_so_and_handlers_come_back():
    done = run(
        "import os, signal\n"
        "from tfviz.__main__ import leaving_at_once\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "with leaving_at_once():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    for _ in range(10**6): pass\n"
        "except KeyboardInterrupt:\n"
        "    print('heard')\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "heard\n", "")


def test_a_library_that_is_missing_is_one_line():
    done = run("import sys; sys.modules['rich'] = None\nfrom tfviz.__main__ import main\nsys.exit(main())")
    assert done.returncode == 2
    assert done.stderr == "tfviz: rich is not installed: pip install -r requirements.txt\n"
