"""What tests share: real weights, fetched the way the program fetches them."""

import random
import signal

import pytest

from tests.browser import browser  # noqa: F401 (a fixture)
from tests.misbehaving import cache, running, server  # noqa: F401 (fixtures)
from tfviz.errors import WeightsUnavailableError
from tfviz.weights import fetch


def pytest_configure():
    """A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start; nohup SIGHUP."""
    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        getattr(signal, "SIGHUP", signal.SIGTERM): signal.SIG_DFL,
    }
    for which, handler in usual.items():
        if signal.getsignal(which) is signal.SIG_IGN:
            signal.signal(which, handler)


def pytest_addoption(parser):
    parser.addoption(
        "--require-weights",
        action="store_true",
        help="fail where real weights cannot be had, instead of skipping",
    )


@pytest.fixture(autouse=True, scope="module")
def seeded_module():
    """Keras draws the seeds of its initialisers from Python's generator: every test sees the same weights."""
    random.seed(0)


@pytest.fixture(autouse=True)
def seeded(seeded_module):
    """The same for each test, whichever ran before it."""
    random.seed(0)


@pytest.fixture(scope="session")
def real_weights(request):
    """real_weights(name): the file with a network's published weights, or a skip that says why there is none."""

    def get(name):
        try:
            return fetch.fetch(name)
        except WeightsUnavailableError as error:
            if request.config.getoption("--require-weights"):
                pytest.fail(str(error), pytrace=False)
            pytest.skip(str(error))

    return get


@pytest.fixture(scope="session")
def context_on(real_weights):
    """context_on(name): what the runner would hand to a part that runs on that network."""
    from rich.console import Console

    from tfviz.experiment.context import Context
    from tfviz.experiment.progress import Reporter

    def get(name, seed=0):
        return Context(seed, Reporter(Console(quiet=True)), name, real_weights(name))

    return get
