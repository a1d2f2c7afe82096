"""The faults: where, what, and the tests that must notice."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault.

    Attributes:
        name: in a few words.
        file: relative to the checkout.
        old: text that stands there once.
        new: what takes its place.
        tests: files or tests that pytest is given.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


_FINGERPRINT = "tests/experiment/test_fingerprint.py"
_RUNNER = "tests/experiment/test_runner.py"
_LOOP = "tests/training/test_loop.py"
_RECORD = "tests/training/test_record.py"
_PAGES = "tests/report/test_publish.py"

MUTANTS = (
    Mutant(
        "a centred colour scale doubled",
        "tfviz/figures/pictures.py",
        "return 0.5 + values / (2 * largest)",
        "return 0.5 + values / largest",
        ("tests/figures/test_pictures.py",),
    ),
    Mutant(
        "a map shifted by one stride",
        "tfviz/figures/pictures.py",
        "    edge = first - stride / 2\n",
        "    edge = first + stride / 2\n",
        ("tests/figures/test_pictures.py",),
    ),
    Mutant(
        "confusion axes swapped",
        "tfviz/figures/plots.py",
        'axes.set(xlabel=_("the network says"), ylabel=_("label"))',
        'axes.set(xlabel=_("label"), ylabel=_("the network says"))',
        ("tests/figures/test_plots.py",),
    ),
    Mutant(
        "confusion counts transposed",
        "tfviz/figures/plots.py",
        "for row, line in enumerate(counts):",
        "for row, line in enumerate(counts.T):",
        ("tests/figures/test_plots.py",),
    ),
    Mutant(
        "ends of error bars swapped",
        "tfviz/figures/plots.py",
        "yerr=np.maximum([value - low, high - value], 0)",
        "yerr=np.maximum([high - value, value - low], 0)",
        ("tests/figures/test_plots.py",),
    ),
    Mutant(
        "best mistakes instead of worst",
        "tfviz/parts/_cifar.py",
        "worst = wrong[np.argsort(judged.probabilities[wrong, test.labels[wrong]])]",
        "worst = wrong[np.argsort(-judged.probabilities[wrong, test.labels[wrong]])]",
        ("tests/parts/test_cifar.py",),
    ),
    Mutant(
        "a published value changed",
        "tfviz/parts/cifar_resnet.py",
        "PUBLISHED_ACCURACY = 0.8919",
        "PUBLISHED_ACCURACY = 0.8819",
        ("tests/parts/test_published.py",),
    ),
    Mutant(
        "a published value typed into a template",
        "templates/parts/conv1_units.html",
        "published.activation_channel_5 | num %}",
        '"34.98" %}',
        (_PAGES,),
    ),
    Mutant(
        "Muon's weight decay 0",
        "tfviz/training/loop.py",
        "        weight_decay=recipe.weight_decay,\n",
        "        weight_decay=0.0,\n",
        (_RECORD, _LOOP),
    ),
    Mutant(
        "Muon's momentum ignored",
        "tfviz/training/loop.py",
        "        momentum=recipe.momentum,\n",
        "        momentum=0.95,\n",
        (_RECORD, _LOOP),
    ),
    Mutant(
        "label smoothing ignored",
        "tfviz/training/loop.py",
        "label_smoothing=recipe.label_smoothing",
        "label_smoothing=0.0",
        (_RECORD, _LOOP),
    ),
    Mutant(
        "a recipe's batch norm ignored",
        "tfviz/training/loop.py",
        "                    batch_norm_epsilon=recipe.batch_norm_epsilon,\n",
        "",
        (_RECORD, _LOOP),
    ),
    Mutant(
        "coupled L2 twice as strong",
        "tfviz/training/loop.py",
        "recipe.l2 / 2",
        "recipe.l2",
        (_LOOP,),
    ),
    Mutant(
        "Gabor fits from one start",
        "tfviz/measures/gabor.py",
        "_STARTS = 12",
        "_STARTS = 1",
        ("tests/measures/test_gabor.py",),
    ),
    Mutant(
        "the attack's memory",
        "tfviz/method/attacks.py",
        "_MEMORY = 0.3",
        "_MEMORY = 0.9",
        ("tests/method/test_attacks.py",),
    ),
    Mutant(
        "versions dropped from the fingerprint",
        "tfviz/experiment/fingerprint.py",
        '"versions": machine.versions(*sorted(packages)),\n        "keras"',
        '"versions": {},\n        "keras"',
        (_FINGERPRINT,),
    ),
    Mutant(
        "the float type dropped from the fingerprint",
        "tfviz/experiment/fingerprint.py",
        '"floatx": backend.floatx()',
        '"floatx": "float32"',
        (_FINGERPRINT,),
    ),
    Mutant(
        "assets dropped from the fingerprint",
        "tfviz/experiment/fingerprint.py",
        '''        "assets": {name: file_sha256(PACKAGE / "assets" / name) for name in sorted(sources.assets)},
        "settings"''',
        '''        "assets": {},
        "settings"''',
        (_FINGERPRINT,),
    ),
    Mutant(
        "file times dropped from an input's identity",
        "tfviz/experiment/runner.py",
        "[stat.st_size, stat.st_mtime_ns]",
        "[stat.st_size]",
        (_RUNNER,),
    ),
    Mutant(
        "quick also where both settings are equal",
        "tfviz/experiment/runner.py",
        "self.options.quick and part.QUICK != part.SETTINGS",
        "self.options.quick",
        (_RUNNER,),
    ),
    Mutant(
        "arrays not compared with their hashes",
        "tfviz/experiment/store.py",
        "if {name: array_sha256(array) for name, array in arrays.items()} != dict(result.arrays):",
        "if set(arrays) != set(result.arrays):",
        ("tests/experiment/test_store.py",),
    ),
    Mutant(
        "figures not compared with their hashes",
        "tfviz/experiment/store.py",
        "file_sha256(self.out / path) == sha256",
        "(self.out / path).exists()",
        ("tests/experiment/test_store.py",),
    ),
    Mutant(
        "an older schema taken as it is",
        "tfviz/experiment/store.py",
        '(schema := stored.get("schema", 1)) != SCHEMA',
        '(schema := stored.get("schema", 1)) > SCHEMA',
        ("tests/experiment/test_store.py",),
    ),
    Mutant(
        "a figure that fails costs the part",
        "tfviz/report/publish.py",
        """            except Exception as error:
                failed(drawing.name, error)
""",
        """            except KeyboardInterrupt as error:
                failed(drawing.name, error)
""",
        ("tests/test_cli.py",),
    ),
    Mutant(
        "the sign of a bound turned round",
        "tfviz/report/numbers.py",
        '"at least": "≥ ", "at most": "≤ "',
        '"at least": "≤ ", "at most": "≥ "',
        ("tests/report/test_numbers.py",),
    ),
    Mutant(
        "a falling rate that does not reach 0",
        "tfviz/method/ascent.py",
        "rate * (1 - step / steps)",
        "rate * (1 - step / (2 * steps))",
        ("tests/method/test_ascent.py",),
    ),
    Mutant(
        "an import that runs back up",
        "tfviz/files/hashes.py",
        "from typing import TYPE_CHECKING, Any\n",
        "from typing import TYPE_CHECKING, Any\n\nfrom tfviz.report.numbers import sign\n",
        ("tests/test_rooms.py",),
    ),
    Mutant(
        "a page rendered again before the last one is paid for",
        "tfviz/experiment/growing.py",
        "self._cost <= SHARE *",
        "self._cost >= SHARE *",
        ("tests/experiment/test_growing.py",),
    ),
    Mutant(
        "a run's own pace ignored",
        "tfviz/experiment/durations.py",
        "(self._taken + TRUST) / (self._compared + TRUST)",
        "1.0",
        ("tests/experiment/test_durations.py",),
    ),
    Mutant(
        "an interrupted run asks for all parts",
        "tfviz/cli.py",
        "report.publish(print, asked_for=finished)",
        "report.publish(print)",
        ("tests/test_cli.py",),
    ),
    Mutant(
        "formulas let through into the table",
        "tfviz/experiment/grading.py",
        "value.startswith(_FORMULA)",
        "value.startswith(_FORMULA[:3])",
        ("tests/experiment/test_grading.py",),
    ),
    Mutant(
        "an experiment counts as reproduced if one number passes",
        "tfviz/report/scores.py",
        'set(statuses) == {"pass"}',
        '"pass" in statuses',
        ("tests/report/test_scores.py",),
    ),
    Mutant(
        "numbers not kept left to right in Hebrew",
        "tfviz/report/numbers.py",
        '<bdi dir="ltr" class="nw">',
        '<bdi class="nw">',
        ("tests/report/test_numbers.py",),
    ),
    Mutant(
        "what looks like an element let through into the Markdown",
        "tfviz/report/export.py",
        '.replace("<", "&lt;")',
        "",
        ("tests/report/test_export.py",),
    ),
)
