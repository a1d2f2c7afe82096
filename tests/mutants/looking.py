"""Faults in what looks into networks: the methods, the measures, and the networks themselves."""

from tests.mutants.mutant import faults

_INCREMENTAL = "tests/method/test_incremental.py"
_BY_HAND = f"{_INCREMENTAL}::test_what_a_block_changes_by_hand"
_RANDOM = f"{_INCREMENTAL}::test_random_networks_say_what_they_say_of_whole_pictures"
_QUESTIONS = f"{_INCREMENTAL}::test_what_was_made_for_one_question_does_not_answer_another"
_WINDOW = "tests/method/test_window.py"
_UNITS = f"{_WINDOW}::test_units_of_random_networks_are_those_of_the_whole_network"
_BORDER = f"{_WINDOW}::test_a_pool_at_the_border_is_that_of_what_is_there"
_KINDS = f"{_WINDOW}::test_windows_of_one_kind_differ_in_their_corner"
_RELU = (
    "tests/method/test_shortcuts.py::"
    "test_a_layer_has_a_shortcut_where_a_relu_stops_the_gradient_and_nowhere_else"
)
_ATTACKS = tuple(
    f"tests/method/test_attacks.py::test_{name}"
    for name in (
        "at_the_box_the_other_pixels_make_up_for_those_that_stop",
        "the_8_bit_search_stays_on_the_grid_and_beats_rounding_afterwards",
        "the_nearest_of_several_attempts_counts",
        "what_cannot_be_reached_is_said_and_the_nearest_try_returned",
        "the_network_with_a_relu_is_fooled_and_what_is_reported_is_what_it_says",
    )
)
_FIELD = ("tests/measures/test_receptive_field.py::test_formula_is_the_set_of_pixels_with_a_gradient",)
_RANGES = tuple(
    f"tests/models/test_own.py::test_{name}"
    for name in ("pictures_are_brought_to_the_networks_range", "the_range_that_the_first_layers_show")
)

MUTANTS = (
    *faults(
        "tfviz/method/incremental.py",
        _BY_HAND,
        (
            "a row too few changed",
            "(stop - 1) // slide.stride[axis] + 1)",
            "(stop - 1) // slide.stride[axis])",
        ),
        (
            "changes without padding",
            "first, stop = (each + slide.padding[axis] for each in span)",
            "first, stop = (each for each in span)",
        ),
    ),
    *faults(
        "tfviz/method/incremental.py",
        _RANDOM,
        (
            "windows over the border",
            "starts.append(np.minimum(first, self._lengths[value][axis] - sizes[-1]))",
            "starts.append(first)",
        ),
        (
            "the last pixel for padding",
            "        np.int32(height * width),\n    )",
            "        np.int32(height * width - 1),\n    )",
        ),
        ("what a maximum pads is 0", "fill or 0.0, dtype", "0.0, dtype"),
    ),
    *faults(
        "tfviz/method/incremental.py",
        _QUESTIONS,
        (
            "another stride's blocks",
            "key = (picture.shape, patch, corners, batch)",
            "key = (picture.shape, patch, batch)",
        ),
        (
            "another batch than was asked for",
            "key = (picture.shape, patch, corners, batch)",
            "key = (picture.shape, patch, corners)",
        ),
        (
            "compiled programs kept without end",
            "            known.popitem(last=False)\n    found",
            "            pass\n    found",
        ),
    ),
    *faults(
        "tfviz/method/window.py",
        _UNITS,
        (
            "what each branch needs apart",
            "_widen(wanted, value, _clipped(needed[call.path], lengths[value]))",
            "wanted[value] = _clipped(needed[call.path], lengths[value])",
        ),
        (
            "all padding before the first row",
            "before = max((count - 1) * step + reach - length, 0) // 2 if",
            "before = max((count - 1) * step + reach - length, 0) if",
        ),
    ),
    *faults(
        "tfviz/method/window.py",
        _BORDER,
        ("averages with the padding", "layers.AveragePooling2D: None}", "layers.AveragePooling2D: 0.0}"),
        (
            "a maximum of 0 in the padding",
            "layers.MaxPooling2D: -math.inf, layers",
            "layers.MaxPooling2D: 0.0, layers",
        ),
    ),
    *faults(
        "tfviz/method/window.py",
        _KINDS,
        (
            "both borders are one",
            "tuple((call.path, cuts) for call, _, _, cuts in steps),",
            "tuple(call.path for call, *_ in steps),",
        ),
    ),
    *faults(
        "tfviz/method/window.py",
        f"{_WINDOW}::test_the_whole_network_is_computed_where_it_must_be",
        (
            "a batch's moments taken of a window",
            'if call.arguments[1].get("training"):',
            'if call.arguments[1].get("mask"):',
        ),
    ),
    *faults(
        "tfviz/method/shortcuts.py",
        _RELU,
        (
            "a slope below 0 taken for a ReLU",
            "return not layer.negative_slope and not layer.threshold",
            "return not layer.threshold",
        ),
        (
            "a gradient that misses what no ReLU stops",
            "if _is_large_dense(layer) and all(_is_behind_relu(call, maker) for call in group):",
            "if _is_large_dense(layer):",
        ),
    ),
    *faults(
        "tfviz/method/occlusion.py",
        "tests/method/test_occlusion.py",
        (
            "the last row of blocks left out",
            "range(0, shape[0] - patch + 1, stride), range(0,",
            "range(0, shape[0] - patch, stride), range(0,",
        ),
        (
            "blocks a row too low",
            "hidden[top : top + patch, left : left + patch] = colour",
            "hidden[top + 1 : top + 1 + patch, left : left + patch] = colour",
        ),
        (
            "the first class in place of the one",
            "probabilities[numbers] = said[:, known]",
            "probabilities[numbers] = said[:, 0]",
        ),
    ),
    *faults(
        "tfviz/method/objectives.py",
        "tests/method/test_objectives.py",
        (
            "a unit's number off by one",
            "of_each = each or (tuple(size // 2 for size in sizes),)",
            "of_each = each or (tuple((size - 1) // 2 for size in sizes),)",
        ),
        (
            "the logarithm of a probability that is 0",
            "lambda reading: reading.model.log_probabilities(reading.output))",
            "lambda reading: ops.log(reading.model.probabilities(reading.output)))",
        ),
        (
            "the second weight of a term forgotten",
            "weights[same] = weights.get(same, 0.0) + weight",
            "weights[same] = weight",
        ),
        ("units counted from the end", "all(0 <= at < size for at, size", "all(at < size for at, size"),
    ),
    *faults(
        "tfviz/method/objectives.py",
        _UNITS,
        (
            "a window's units counted from the map's corner",
            "tuple(np.subtract(place, corner)), computed",
            "tuple(place), computed",
        ),
    ),
    *faults(
        "tfviz/method/attacks.py",
        _ATTACKS,
        (
            "a distance in another norm",
            "distance = float(np.linalg.norm(tried - source))",
            "distance = float(np.abs(tried - source).sum())",
        ),
        ("pictures that 8 bits do not hold", "tried = round_to_bytes(tried)", "pass"),
        ("the farthest from what was asked for", "else -each.probability", "else each.probability"),
        (
            "the farthest attempt",
            "np.linalg.norm(each.picture - source) if each.reached else",
            "-np.linalg.norm(each.picture - source) if each.reached else",
        ),
    ),
    *faults(
        "tfviz/method/probe.py",
        "tests/method/test_objectives.py",
        (
            "channels first read as rows",
            "                    layers[path] = ops.moveaxis(layers[path], 1, -1)",
            "                    pass",
        ),
    ),
    *faults(
        "tfviz/measures/receptive_field.py",
        _FIELD,
        (
            "a receptive field without padding",
            "offset.append(before.offset[axis] - pad * before.stride[axis])",
            "offset.append(before.offset[axis])",
        ),
        (
            "a dilated kernel as small as a plain one",
            "extent = (kernel[axis] - 1) * dilation[axis] + 1",
            "extent = kernel[axis]",
        ),
        (
            "the first branch's field for all",
            "size.append(max(start + extent for start, extent, _ in parts) - first)",
            "size.append(parts[0][1])",
        ),
    ),
    *faults(
        "tfviz/measures/costs.py",
        "tests/measures/test_costs.py",
        (
            "a layer that is called twice costs once",
            "products = sum(_positions(layer, call) for call in calls) * sum(kernels)",
            "products = _positions(layer, calls[0]) * sum(kernels)",
        ),
        (
            "a nested model that is called twice costs once",
            "cost.multiplications * len(calls),",
            "cost.multiplications,",
        ),
        (
            "channels first counted as rows",
            "places = tensor.shape[2:] if first else tensor.shape[1:-1]",
            "places = tensor.shape[1:-1]",
        ),
    ),
    *faults(
        "tfviz/measures/spectrum.py",
        "tests/measures/test_spectrum.py",
        ("a spectrum without its window", "np.fft.fft2(window * x, axes", "np.fft.fft2(x, axes"),
        ("variation along one axis", " + np.mean(np.abs(np.diff(x, axis=1)))", ""),
    ),
    *faults(
        "tfviz/measures/similarity.py",
        "tests/measures/test_similarity.py",
        ("the largest rise in place of the largest change", "np.abs(difference).max()", "difference.max()"),
    ),
    *faults(
        "tfviz/models/own.py",
        _RANGES,
        ("[-1, 1] by half", "layers.Rescaling(2.0, -1.0, name", "layers.Rescaling(1.0, -0.5, name"),
        (
            "variances for spreads",
            "variance = [std**2 for std in IMAGENET_STD]",
            "variance = list(IMAGENET_STD)",
        ),
    ),
    *faults(
        "tfviz/models/ranges.py",
        _RANGES,
        ("a layer's offset not added", "step[0] * shift + step[1]", "step[0] * shift"),
        ("an offset that later scales leave", "step[0] * shift + step[1]", "shift + step[1]"),
        ("a variance for a spread", "np.maximum(np.sqrt(found[1]), 1e-7)", "np.maximum(found[1], 1e-7)"),
        ("a division as a product", "return 1 / number, none", "return number, none"),
        (
            "any mean and variance in [0, 1]",
            "if ((mean > low) & (mean < high) & (variance <= (high - mean) * (mean - low))).all():",
            "if (mean > low).all():",
        ),
    ),
    *faults(
        "tfviz/models/ranges.py",
        "tests/models/test_own.py::test_first_layers_that_show_no_range",
        (
            "a picture subtracted from a number",
            "return (one, -number) if picture[0] else (-one, number)",
            "return one, -number",
        ),
        (
            "the first of two ways",
            ") == 1 and len(after[0].outputs) == 1:",
            ") >= 1 and len(after[0].outputs) == 1:",
        ),
    ),
    *faults(
        "tfviz/models/ranges.py",
        "tests/models/test_own.py::test_the_range_of_one_of_two_inputs",
        (
            "another input's scale",
            "call.is_input and input_name in (None, call.layer.name)",
            "call.is_input",
        ),
    ),
    *faults(
        "tfviz/models/trial.py",
        "tests/models/test_own.py::test_refused_in_one_line",
        ("values that are not finite", "if not np.isfinite(first).all():", "if False:"),
        (
            "a network that draws at random",
            "if abs(first - second).max(initial=0) > _APART * abs(first).max(initial=0):",
            "if False:",
        ),
    ),
    *faults(
        "tfviz/models/layers.py",
        "tests/models/test_layers.py",
        (
            "moving moments that follow too fast",
            "self.momentum + value * (1 - self.momentum))",
            "(1 - self.momentum) + value * self.momentum)",
        ),
        ("a stride ignored", "plain = self.strides == (1, 1) and self.padding", "plain = self.padding"),
        ("alpha for each square", "self.alpha / self.size * total", "self.alpha * total"),
        ("red and blue not exchanged", "255.0 * ops.flip(x, axis=-1) -", "255.0 * x -"),
    ),
    *faults(
        "tfviz/models/narrow.py",
        "tests/models/test_narrow.py",
        ("a shift that is not taken away again", "np.array([-shift], number)])", "np.array([0.0], number)])"),
        (
            "a shift that the layers round and the sum does not",
            "added = float(number(targets[k] - shift))",
            "added = float(targets[k] - shift)",
        ),
        (
            "a partial sum that a ReLU cuts",
            "points = np.concatenate([[-bound, bound], bends[np.abs(bends) < bound]])",
            "points = np.array([-bound, bound])",
        ),
    ),
    *faults(
        "tfviz/models/blank.py",
        "tests/models/test_blank.py",
        ("initialisers that stay blank", "initializer.__class__ = kind", "del initializer"),
        ("a scale of 0", '("ones", "Ones"): np.ones', '("ones", "Ones"): np.zeros'),
        (
            "another's settings taken for an initialiser",
            'isinstance(value, dict) and value.get("module") == "keras.initializers"',
            "isinstance(value, dict)",
        ),
    ),
    *faults(
        "tfviz/models/files.py",
        "tests/models/test_files.py",
        ("a stranger's code run", "compile=False, safe_mode=True)", "compile=False, safe_mode=False)"),
        ("an HDF5 file not looked at before", "        _check_hdf5(path, path.read_bytes())\n", ""),
    ),
)
