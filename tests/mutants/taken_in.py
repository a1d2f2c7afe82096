"""Faults in what is taken in: pictures, data sets, weights, words; and in the atlas of it."""

from tests.mutants.mutant import faults

MUTANTS = (
    *faults(
        "tfviz/data/pictures.py",
        "tests/data/test_pictures.py",
        ("turned the other way", "        6: Transpose.ROTATE_270,", "        6: Transpose.ROTATE_90,"),
        (
            "black behind what is transparent",
            'Image.new("RGBA", layer.size, "white")',
            'Image.new("RGBA", layer.size, "black")',
        ),
        (
            "colours cut off, not rounded",
            "np.rint(np.clip(picture, 0, 1) * 255)",
            "np.floor(np.clip(picture, 0, 1) * 255)",
        ),
        (
            "a corner in place of the middle",
            "left, top = (columns - scale * width) / 2, (rows - scale * height) / 2",
            "left, top = 0.0, 0.0",
        ),
    ),
    *faults(
        "tfviz/data/cifar10.py",
        "tests/data/test_cifar10.py",
        ("rows for columns", ".transpose(0, 2, 3, 1)", ".transpose(0, 3, 2, 1)"),
        (
            "original by its name",
            "if hashlib.md5(content, usedforsecurity=False).hexdigest() == _MD5[name]:",
            "if name in _MD5:",
        ),
        (
            "a mixture called after one of its parts",
            "source=sources.pop() if len(sources) == 1 else OTHER",
            "source=min(sources)",
        ),
    ),
    *faults(
        "tfviz/data/labels.py",
        "tests/data/test_labels.py",
        ("of several classes the first", "    if len(matches) == 1 and any(", "    if any("),
        (
            "classes in the order of a file's keys",
            "found = [found[str(index)] for index in range(len(found))]",
            "found = [found[key] for key in found]",
        ),
    ),
    *faults(
        "tfviz/weights/port.py",
        "tests/weights/test_port.py",
        ("kernels turned", "return kernel.transpose(2, 3, 1, 0)", "return kernel.transpose(3, 2, 1, 0)"),
        (
            "variables that nothing fills",
            'wrong += [\n        f"the variable {place} has no row"',
            '_ = [\n        f"the variable {place} has no row"',
        ),
        ("weights that were quantised", 'if tensor.dtype.kind != "f":', 'if tensor.dtype.kind == "b":'),
    ),
    *faults(
        "tfviz/weights/readers.py",
        "tests/weights/test_readers.py",
        (
            "a view beyond its storage",
            "if last >= len(storage) or count > len(storage):",
            "if count > len(storage):",
        ),
        (
            "big numbers read from their little end",
            'newbyteorder("<" if order == b"little" else ">")',
            'newbyteorder("<")',
        ),
        (
            "numbers below 0 read above it",
            "[n - (n >> 63 << 64) for n in integers]",
            "[n >> 1 for n in integers]",
        ),
        ("gaps between tensors", "if first != end or last > len(data)", "if last > len(data)"),
        (
            "whatever a pickle asks for",
            'if name not in _FUNCTIONS and name not in _STORAGES and name != "numpy ndarray":',
            "if not name:",
        ),
    ),
    *faults(
        "tfviz/weights/fetch.py",
        "tests/weights/test_fetch.py::test_package_refused",
        (
            "whatever lies in a package",
            "    if hashlib.sha256(content).hexdigest() != source.sha256:",
            "    if not content:",
        ),
    ),
    *faults(
        "tfviz/weights/fetch.py",
        "tests/weights/test_fetch.py::test_users_file_wins",
        ("a user's file called published", '({note})", name, same is not None)', '({note})", name, True)'),
    ),
    *faults(
        "tfviz/language.py",
        "tests/test_language.py",
        (
            "a Hebrew page in English",
            'return _current.get().words.gettext(message) if message else ""',
            "return message",
        ),
        ("words known by their language alone", "(compiled), file_sha256(path))", "(compiled))"),
        ("a language that stays", "        _current.reset(token)", "        pass"),
        ("Hebrew from left to right", "return Locale.parse(self.code).text_direction", 'return "ltr"'),
    ),
    *faults(
        "tfviz/atlas/agreement.py",
        "tests/atlas/test_agreement.py",
        ("ties won", "(difference > 0) + 0.5 * (difference == 0)", "(difference >= 0)"),
        (
            "what all pictures share counts",
            "middle = controls.mean(axis=0)",
            "middle = 0 * controls.mean(axis=0)",
        ),
    ),
    *faults(
        "tfviz/atlas/table.py",
        "tests/atlas/test_table.py",
        (
            "units that were not asked for",
            "for unit in sorted(of_layer) if unit in layer.units)",
            "for unit in sorted(of_layer))",
        ),
        (
            "an altered chunk taken",
            "return content if sha256(content).hexdigest() == line.sha256 else None",
            "return content",
        ),
    ),
    *faults(
        "tfviz/atlas/keys.py",
        "tests/atlas/test_keys.py",
        ("other units' chunk", '"units": list(units), ', ""),
        ("another judge's chunk", '"survey": surveyed, "judge": judge}', '"survey": surveyed}'),
        (
            "a chunk of a network that takes another range",
            "network.sha256, network.pictures, network.head",
            "network.sha256, network.head",
        ),
        ("a survey of fewer pictures", '"data": [data.sha256, len(data.names)], ', '"data": [data.sha256], '),
    ),
    *faults(
        "tfviz/atlas/survey.py",
        "tests/atlas/test_survey.py",
        (
            "a patch shifted by a stride",
            "first = self.offset[axis] + at * self.stride[axis]",
            "first = self.offset[axis] + (at + 1) * self.stride[axis]",
        ),
        (
            "places with rows for columns",
            "np.stack([at // wide, at % wide], -1)",
            "np.stack([at % wide, at // wide], -1)",
        ),
        (
            "exemplars after the activation",
            "linear = [path for path in paths if _is_linear(graph.find(model, path).layer)]",
            "linear = list(paths)",
        ),
    ),
    *faults(
        "tfviz/atlas/drawing.py",
        "tests/atlas/test_drawing.py",
        (
            "a bound by the wrong norm",
            "float(np.maximum(slopes[0, :-1], 0).sum(dtype=np.float64))",
            "float(np.abs(slopes[0, :-1]).sum(dtype=np.float64))",
        ),
        (
            "a bound behind a ReLU",
            "in _AFFINE and activation in (None, keras.activations.linear)",
            "in _AFFINE",
        ),
        ("a bound without the bias", "found.append(float(values[0]) + float(", "found.append(float("),
        (
            "squares in the unit's own scale",
            "g = gradient[:, : self._size] * scale",
            "g = gradient[:, : self._size]",
        ),
    ),
    *faults(
        "tfviz/atlas/wiring.py",
        "tests/atlas/test_wiring.py",
        ("weights without their sign", "np.where(sums < 0, -1, 1)", "1"),
        (
            "one channel's kernel for all",
            "each : (channel + 1) * each] = kernel[:, :, channel]",
            "each : (channel + 1) * each] = kernel[:, :, 0]",
        ),
    ),
)
