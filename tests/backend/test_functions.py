"""What each framework answers to what the program asks of it once, by hand; and in how many programs."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tfviz import backend
from tfviz.files.program import CHECKOUT

FRAMEWORKS = [
    name
    for name, framework in backend.MODULES.items()
    if all(find_spec(package) for package in framework.packages)
]


def run(framework, code):
    environment = {**os.environ, "KERAS_BACKEND": framework}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CHECKOUT, env=environment)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_by_hand(framework):
    code = (
        "import keras, numpy as np\n"
        "from keras import ops\n"
        "from tfviz import backend\n"
        "backend.load()\n"
        "current = backend.current()\n"
        "factor = keras.Variable(np.float32(3))\n"
        "x, y, z = np.array([[1, 2]]), np.array([4.0, 5, 6]), np.array(7.0)\n"
        "score = lambda xs: factor * ops.sum(xs[0] ** 2) + ops.sum(xs[1])\n"
        "two, one, none = current.gradients_once(score, [factor], [x, y, z])\n"
        "assert two.dtype == one.dtype == none.dtype == np.float32\n"
        "assert two.tolist() == [[6, 12]] and one.tolist() == [1, 1, 1] and none.tolist() == 0\n"
        "for constant in (lambda xs: 2 * factor, lambda xs: ops.sum(ops.stop_gradient(xs[0]))):\n"
        "    try:\n"
        "        current.gradients_once(constant, [factor], [x])\n"
        "    except ValueError as error:\n"
        "        assert 'does not depend on the picture' in str(error)\n"
        "    else:\n"
        "        raise AssertionError('it has no gradient')\n"
        "times = current.at_once(lambda a, b: factor * a + b, [factor])\n"
        "assert times(y, 1.0).tolist() == [13, 16, 19]\n"
        "factor.assign(2.0)\n"
        "assert times(y, 1.0).tolist() == [9, 11, 13]\n"
        "picture = keras.Input((2, 2, 1))\n"
        "dense = keras.layers.Dense(1)\n"
        "model = keras.Model(picture, dense(keras.layers.Dropout(0.5)(keras.layers.Flatten()(picture))))\n"
        "dense.set_weights([np.arange(4.0)[:, None], np.array([10.0])])\n"
        "said = current.outputs(model, np.arange(8.0).reshape(2, 2, 2, 1))\n"
        "assert isinstance(said, np.ndarray) and said.tolist() == [[24], [48]]\n"
    )
    run(framework, code)


@pytest.mark.skipif(
    "jax" not in FRAMEWORKS, reason="JAX is not installed: pip install -r requirements-jax.txt"
)
def test_jax_compiles_few_programs():
    """Each takes a GPU a second or more; what NumPy does as well is not one."""
    code = (
        "import numpy as np\n"
        "from tfviz import backend\n"
        "backend.load()\n"
        "import jax, keras\n"
        "from keras import ops\n"
        "import tfviz\n"
        "from tfviz.measures.random_networks import compare_random_networks\n"
        "from tfviz.models import cifar\n"
        "programs = []\n"
        "def count(event, seconds, **_):\n"
        "    if event == '/jax/core/compile/backend_compile_duration':\n"
        "        programs.append(seconds)\n"
        "jax.monitoring.register_event_duration_secs_listener(count)\n"
        "def compiled(what, most):\n"
        "    programs.clear()\n"
        "    made = what()\n"
        "    assert len(programs) <= most, (len(programs), most)\n"
        "    return made\n"
        "model = compiled(lambda: cifar.load('cifar_resnet', cifar.BUNDLED['cifar_resnet']), 2)\n"
        "pictures = np.full((3, 32, 32, 3), 0.5)\n"
        "compiled(lambda: backend.current().outputs(model, pictures), 1)\n"
        "compiled(lambda: backend.current().outputs(model, pictures), 0)\n"
        "goal = tfviz.objectives.logit(2)\n"
        "compiled(lambda: tfviz.ascend(model, goal, pictures, steps=5, rate=0.1, keep=(2,)), 1)\n"
        "compiled(lambda: tfviz.ascend(model, tfviz.objectives.logit(3), pictures, steps=9, rate=0.1), 0)\n"
        "compiled(lambda: compare_random_networks(4, np.random.default_rng(0)), 2)\n"
    )
    run("jax", code)
