"""The quick report under what users' machines set: the same numbers and the same figures as in a clean environment.

Several settings at once; `python -m tests.hostile.environments` tries each alone.
"""

import json

import pytest

from tests.hostile.environments import KERAS, RC, differences, results


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return results(tmp_path_factory.mktemp("clean"), {})


def test_a_notebook_a_matplotlibrc_and_a_home_that_cannot_be_written(clean, tmp_path):
    """Nobody may write below /proc, not even root."""
    (tmp_path / "matplotlibrc").write_text(RC)
    variables = {
        "HOME": "/proc/nowhere",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(tmp_path),
        "TERM": "dumb",
        "COLUMNS": "20",
    }
    assert differences(results(tmp_path, variables), clean) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "matplotlibrc", "out"]


def test_keras_configuration(clean, tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps(KERAS))
    variables = {"HOME": str(tmp_path), "KERAS_HOME": str(tmp_path)}
    assert differences(results(tmp_path, variables), clean) == []


def test_no_home_and_a_plain_locale(clean, tmp_path):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Kiritimati"}
    assert differences(results(tmp_path, plain, "unset HOME; "), clean) == []


def test_what_differs_is_found(clean):
    other = [clean[0] | {"numbers": {}}, clean[1] | {"status": "failed", "figures": []}]
    assert differences(other, clean) == [
        "numbers of narrow_network",
        "training_hardness is failed with 0 figures",
        "figures of training_hardness",
    ]
