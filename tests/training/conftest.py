"""What tests of training share: one run from its beginning to its end."""

import pytest

from tests.training.made_up import QUIET, TINY, pictures_of


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    from tfviz.training.loop import Training

    training = Training(TINY, pictures_of(200), tmp_path_factory.mktemp("run") / "a", seed=3)
    training.run(*QUIET)
    return training
