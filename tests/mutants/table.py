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
        'axes.set_title(_("label"), x=0',
        'axes.set_title(_("the network says"), x=0',
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
        "array_sha256(arrays[name]) != result.arrays[name]",
        "name not in result.arrays",
        ("tests/experiment/test_store.py",),
    ),
    Mutant(
        "figures not compared with their hashes",
        "tfviz/experiment/store.py",
        "elif file_sha256(self.out / path) != sha256:",
        "elif not (self.out / path).exists():",
        ("tests/experiment/test_store.py",),
    ),
    Mutant(
        "an older schema taken as it is",
        "tfviz/experiment/store.py",
        "if schema in _SHOWN:",
        "if schema <= SCHEMA:",
        ("tests/experiment/test_store.py",),
    ),
    Mutant(
        "results not compared with their own hash",
        "tfviz/experiment/store.py",
        "sha256 != json_sha256(stored)",
        "sha256 is None",
        ("tests/experiment/test_store.py",),
    ),
    Mutant(
        "figures anywhere",
        "tfviz/experiment/store.py",
        "if not place.fullmatch(path):",
        'if not path.startswith("figures/"):',
        ("tests/experiment/test_store.py",),
    ),
    Mutant(
        "two runs in one folder",
        "tfviz/files/lock.py",
        "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        ("tests/files/test_lock.py",),
    ),
    Mutant(
        "a lock on a file that the last holder took away",
        "tfviz/files/lock.py",
        "if os.path.samestat(os.fstat(handle), os.stat(path)):",
        "if os.fstat(handle):",
        ("tests/files/test_lock.py",),
    ),
    Mutant(
        "what killed runs left stays",
        "tfviz/experiment/store.py",
        "remove_unfinished(folder)",
        "pass",
        ("tests/experiment/test_store.py",),
    ),
    Mutant(
        "a FIFO waited for",
        "tfviz/files/reading.py",
        "if not stat.S_ISREG(found.st_mode):",
        "if stat.S_ISCHR(found.st_mode):",
        ("tests/files/test_reading.py",),
    ),
    Mutant(
        "an archive unpacked before its size is known",
        "tfviz/files/reading.py",
        "if sum(entry.file_size for entry in entries) > largest:",
        "if not entries:",
        ("tests/files/test_reading.py",),
    ),
    Mutant(
        "an array's header believed",
        "tfviz/files/reading.py",
        " or size != entry.file_size - file.tell()",
        "",
        ("tests/files/test_reading.py",),
    ),
    Mutant(
        "a file downloaded again by those that waited for it",
        "tfviz/weights/fetch.py",
        "if is_sound(target, source.size, source.sha256):",
        "if False:",
        ("tests/weights/test_fetch.py",),
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
        "the second penalty of a kind not computed",
        "tfviz/method/objectives.py",
        "same = (term.name, term.score if term.key is None else term.key)",
        "same = term.name",
        ("tests/method/test_ascent.py",),
    ),
    Mutant(
        "the softmax of probabilities",
        "tfviz/method/occlusion.py",
        "known.probabilities(said)",
        "ops.softmax(said)",
        ("tests/method/test_occlusion.py",),
    ),
    Mutant(
        "Fourier parameters clipped like pixels",
        "tfviz/method/ascent.py",
        "clip if start.are_pixels else None",
        "clip",
        ("tests/method/test_parametrizations.py",),
    ),
    Mutant(
        "negative rates taken",
        "tfviz/method/ascent.py",
        "if not 0 <= rate < math.inf:",
        "if not rate < math.inf:",
        ("tests/method/test_ascent.py",),
    ),
    Mutant(
        "whole numbers taken for pictures",
        "tfviz/measures/pictures.py",
        'kind in "iub"',
        'kind in "b"',
        ("tests/measures/test_pictures.py",),
    ),
    Mutant(
        "a window in the padding that is not empty",
        "tfviz/measures/receptive_field.py",
        "start = min(max(first, 0), shape[axis])",
        "start = max(first, 0)",
        ("tests/measures/test_receptive_field.py",),
    ),
    Mutant(
        "joins along any axis",
        "tfviz/measures/receptive_field.py",
        '    if type(layer).__name__ == "Concatenate":\n        return _axes_of(layer) == {6 - sum(axes)}\n    return',
        '    if type(layer).__name__ == "Concatenate":\n        return True\n    return',
        ("tests/measures/test_receptive_field.py",),
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
        '"asked_for": finished, "pending"',
        '"asked_for": None, "pending"',
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
