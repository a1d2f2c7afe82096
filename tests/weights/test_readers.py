"""Every hostile or damaged file here is made by hand, byte by byte where it matters."""

import io
import json
import os
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict

import h5py
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tfviz.errors import BadFileError
from tfviz.weights import readers
from tfviz.weights.readers import read


def refusal(path):
    with pytest.raises(BadFileError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert text.endswith(".")
    return text.removeprefix(str(path)).strip()


@pytest.fixture
def file(tmp_path):
    def write(content, name="weights.ckpt"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


# The layout of torch.save, without torch.


class Tensor:
    """Pickled the way torch pickles a view of a storage."""

    def __init__(self, key, kind, count, offset, size, stride, parameter=False):
        self.storage = Storage(key, kind, count)
        self.rest = offset, size, stride, False, OrderedDict()
        self.parameter = parameter


class Storage:
    def __init__(self, key, kind, count):
        self.identity = "storage", Named("torch", f"{kind}Storage"), key, "cpu", count


class Named:
    """A global that need not exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class TorchPickler(pickle._Pickler):
    """The pickler in Python: it can be made to write names of things that cannot be imported."""

    def persistent_id(self, item):
        return item.identity if isinstance(item, Storage) else None

    def save(self, item, save_persistent_id=True):
        if isinstance(item, Named):
            self.write(pickle.GLOBAL + f"{item.module}\n{item.name}\n".encode())
        elif isinstance(item, Tensor):
            if item.parameter:
                self.save(Named("torch._utils", "_rebuild_parameter"))
                self.write(pickle.MARK)
            self.save(Named("torch._utils", "_rebuild_tensor_v2"))
            self.save((item.storage, *item.rest))
            self.write(pickle.REDUCE)
            if item.parameter:
                self.save(True)
                self.save(OrderedDict())
                self.write(pickle.TUPLE + pickle.REDUCE)
        else:
            super().save(item, save_persistent_id)


def torch_pickle(state):
    buffer = io.BytesIO()
    TorchPickler(buffer, protocol=2).dump(state)
    return buffer.getvalue()


def torch_zip(path, state, storages, *, order=b"little", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", state if isinstance(state, bytes) else torch_pickle(state))
        if order is not None:
            archive.writestr("archive/byteorder", order)
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
        archive.writestr("archive/version", b"3\n")
    return path


def simple_torch(path, *, values=(1, 2, 3, 4, 5, 6), **options):
    content = np.array(values, "<f4").tobytes()
    tensor = Tensor("0", "Float", 6, 0, (2, 3), (3, 1))
    return torch_zip(path, OrderedDict({"features.0.weight": tensor}), {"0": content}, **options)


def test_torch_state_dict(tmp_path):
    tensors = read(simple_torch(tmp_path / "a.pth"))
    assert list(tensors) == ["features.0.weight"]
    assert tensors["features.0.weight"].dtype == np.float32
    np.testing.assert_array_equal(tensors["features.0.weight"], [[1, 2, 3], [4, 5, 6]])


def test_torch_views_of_one_storage(tmp_path):
    numbers = np.arange(24, dtype="<f8")
    state = {
        "whole": Tensor("0", "Double", 24, 0, (4, 6), (6, 1)),
        "transposed": Tensor("0", "Double", 24, 0, (6, 4), (1, 6)),
        "part": Tensor("0", "Double", 24, 7, (2, 2), (6, 2), parameter=True),
        "scalar": Tensor("0", "Double", 24, 23, (), ()),
        "empty": Tensor("0", "Double", 24, 0, (0, 3), (3, 1)),
    }
    tensors = read(torch_zip(tmp_path / "a.pth", state, {"0": numbers.tobytes()}))
    table = numbers.reshape(4, 6)
    np.testing.assert_array_equal(tensors["whole"], table)
    np.testing.assert_array_equal(tensors["transposed"], table.T)
    np.testing.assert_array_equal(tensors["part"], [[7, 9], [13, 15]])
    assert tensors["scalar"] == 23
    assert tensors["empty"].shape == (0, 3)


def test_torch_number_types(tmp_path):
    kinds = {"Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1", "Byte": "u1"}
    values = np.array([1, 2, 100])
    state = {kind: Tensor(kind, kind, 3, 0, (3,), (1,)) for kind in kinds}
    storages = {kind: values.astype(code).tobytes() for kind, code in kinds.items()}
    tensors = read(torch_zip(tmp_path / "a.pth", state, storages))
    for kind, code in kinds.items():
        assert tensors[kind].dtype == np.dtype(code)
        np.testing.assert_array_equal(tensors[kind], values)


def test_torch_bfloat16(tmp_path):
    # 1.0 is 0x3f80, -2.5 is 0xc020: the upper half of the float32.
    state = {"a": Tensor("0", "BFloat16", 2, 0, (2,), (1,))}
    tensors = read(torch_zip(tmp_path / "a.pth", state, {"0": struct.pack("<2H", 0x3F80, 0xC020)}))
    np.testing.assert_array_equal(tensors["a"], np.array([1.0, -2.5], np.float32))


@pytest.mark.parametrize(("order", "code"), [(b"big", ">f4"), (b"little", "<f4"), (None, "<f4")])
def test_torch_byte_order(tmp_path, order, code):
    state = {"a": Tensor("0", "Float", 2, 0, (2,), (1,))}
    content = np.array([1.5, -3], code).tobytes()
    tensors = read(torch_zip(tmp_path / "a.pth", state, {"0": content}, order=order))
    np.testing.assert_array_equal(tensors["a"], [1.5, -3])


def test_torch_attributes_of_the_dict_are_left_out(tmp_path):
    class State(OrderedDict):
        def __reduce__(self):
            return OrderedDict, (), {"_metadata": OrderedDict()}, None, iter(self.items())

    state = State(a=Tensor("0", "Byte", 1, 0, (1,), (1,)))
    assert read(torch_zip(tmp_path / "a.pth", state, {"0": b"\x07"}))["a"] == 7


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (7,), (1,)),
        (1, (6,), (1,)),
        (6, (1,), (1,)),
        (0, (2, 3), (4, 1)),
        (-1, (2,), (1,)),
        (0, (-2,), (1,)),
        (5, (2,), (-1,)),
        (0, (2,), (1, 1)),
        (0, (1 << 40,), (0,)),
        (0, (7, 7), (0, 0)),
        (0, (1 << 70,), (1,)),
        (0, (2.0,), (1,)),
        (0, (1,) * 40, (1,) * 40),
        (0, {0: 1}, (1,)),
    ],
)
def test_torch_view_beyond_its_storage(tmp_path, offset, size, stride):
    state = {"a": Tensor("0", "Float", 6, offset, size, stride)}
    assert "is damaged" in refusal(torch_zip(tmp_path / "a.pth", state, {"0": bytes(24)}))


@pytest.mark.parametrize(("count", "length"), [(6, 23), (6, 28), (7, 24), (1 << 40, 24)])
def test_torch_storage_of_another_size(tmp_path, count, length):
    state = {"a": Tensor("0", "Float", count, 0, (1,), (1,))}
    path = torch_zip(tmp_path / "a.pth", state, {"0": bytes(length)})
    assert "not as large as its shape says" in refusal(path)


def test_torch_storage_missing(tmp_path):
    state = {"a": Tensor("1", "Float", 6, 0, (1,), (1,))}
    assert "is damaged" in refusal(torch_zip(tmp_path / "a.pth", state, {"0": bytes(24)}))


def test_torch_unknown_storage(tmp_path):
    state = {"a": Tensor("0", "Evil", 6, 0, (1,), (1,))}
    assert "asks for torch.EvilStorage" in refusal(torch_zip(tmp_path / "a.pth", state, {"0": bytes(24)}))


def test_torch_whole_model_or_attack(tmp_path):
    state = {"a": Named("torch.nn.modules.linear", "Linear")}
    assert "asks for torch.nn.modules.linear.Linear" in refusal(torch_zip(tmp_path / "a.pth", state, {}))


def checkpoint(prefix=""):
    weights = OrderedDict({f"{prefix}features.0.weight": Tensor("0", "Float", 6, 0, (2, 3), (3, 1))})
    momentum = Tensor("1", "Float", 6, 0, (2, 3), (3, 1))
    optimiser = {
        "state": {0: {"step": 3, "exp_avg": momentum}},
        "param_groups": [{"lr": 0.1, "foreach": None}],
    }
    return {"epoch": 3, "arch": "alexnet", "best": 56.5, "state_dict": weights, "optimizer": optimiser}


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model.", "_orig_mod.module."])
@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_torch_checkpoint(tmp_path, prefix, key):
    state = {key if name == "state_dict" else name: value for name, value in checkpoint(prefix).items()}
    values = np.arange(6, dtype="<f4")
    tensors = read(torch_zip(tmp_path / "a.pth", state, {"0": values.tobytes(), "1": bytes(24)}))
    assert list(tensors) == ["features.0.weight"]
    np.testing.assert_array_equal(tensors["features.0.weight"], values.reshape(2, 3))


def test_torch_checkpoint_with_settings_as_objects(tmp_path):
    """What torchvision's own training script keeps beside the weights: the command line and a Counter."""
    from argparse import Namespace
    from collections import Counter

    state = checkpoint() | {"args": Namespace(lr=0.1, device="cuda"), "lr_scheduler": Counter({30: 1})}
    path = torch_zip(tmp_path / "a.pth", state, {"0": bytes(24), "1": bytes(24)})
    assert b"argparse" in path.read_bytes()
    assert list(read(path)) == ["features.0.weight"]


def test_a_prefix_of_some_names_is_kept(tmp_path):
    state = {"module.a": Tensor("0", "Byte", 1, 0, (1,), (1,)), "b": Tensor("0", "Byte", 1, 0, (1,), (1,))}
    assert list(read(torch_zip(tmp_path / "a.pth", state, {"0": b"\x07"}))) == ["module.a", "b"]


def test_torch_checkpoint_with_two_sets_of_weights(tmp_path):
    state = checkpoint() | {"model": checkpoint()["state_dict"]}
    path = torch_zip(tmp_path / "a.pth", state, {"0": bytes(24), "1": bytes(24)})
    assert "holds two sets of weights, state_dict and model" in refusal(path)


def test_torch_before_the_zip(file):
    legacy = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + pickle.dumps(1001, protocol=2)
    assert "torch.save(torch.load(OLD), NEW)" in refusal(file(legacy, "old.pth"))


def test_torch_checkpoint_with_other_things(tmp_path):
    state = {"epoch": 3, "state": {"a": Tensor("0", "Byte", 1, 0, (1,), (1,))}}
    assert "epoch is not a tensor" in refusal(torch_zip(tmp_path / "a.pth", state, {"0": b"\x07"}))


def test_zip_cut_anywhere(tmp_path, file):
    whole = simple_torch(tmp_path / "whole.pth").read_bytes()
    for length in range(4, len(whole), 7):
        assert "damaged" in refusal(file(whole[:length], "cut.pth"))


def test_zip_with_wrong_checksum(tmp_path, file):
    whole = simple_torch(tmp_path / "whole.pth").read_bytes()
    one = np.float32(1).tobytes()
    assert whole.count(one) == 1
    assert "damaged" in refusal(file(whole.replace(one, np.float32(2).tobytes()), "a.pth"))


def test_zip_bomb(tmp_path):
    state = {"a": Tensor("0", "Float", 1 << 22, 0, (1 << 22,), (1,))}
    path = torch_zip(tmp_path / "a.pth", state, {"0": bytes(1 << 24)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    assert "claims to hold more than its size" in refusal(path)


def test_zip_with_an_entry_twice(tmp_path):
    path = simple_torch(tmp_path / "a.pth")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data/0", bytes(24))
    assert "two entries of one name" in refusal(path)


def test_zip_of_something_else(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.ones(3))
    assert "not one that torch.save or Keras writes" in refusal(tmp_path / "a.npz")


def test_many_views_of_one_storage(tmp_path):
    state = {f"t{n}": Tensor("0", "Float", 5000, 0, (5000,), (1,)) for n in range(200)}
    path = torch_zip(tmp_path / "a.pth", state, {"0": bytes(20000)})
    assert "far more than its size" in refusal(path)


# Pickles of numpy trees.


TREE = {
    "AlexNet_0": {"Conv_0": {"kernel": np.arange(6, dtype="f4").reshape(2, 3), "bias": np.ones(3, ">f8")}},
    "list": [np.asfortranarray(np.arange(6).reshape(2, 3)), np.float32(2.5)],
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickled_tree(file, protocol):
    tensors = read(file(pickle.dumps(TREE, protocol)))
    expected = {
        "AlexNet_0/Conv_0/kernel": TREE["AlexNet_0"]["Conv_0"]["kernel"],
        "AlexNet_0/Conv_0/bias": np.ones(3),
        "list/0": [[0, 1, 2], [3, 4, 5]],
        "list/1": 2.5,
    }
    assert list(tensors) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(tensors[name], value)


def test_pickle_of_numpy_1_names_the_same_arrays(file):
    content = pickle.dumps(TREE, 3).replace(b"numpy._core.", b"numpy.core.")
    assert b"numpy.core.multiarray" in content
    np.testing.assert_array_equal(read(file(content))["list/0"], [[0, 1, 2], [3, 4, 5]])


def python_2_array(shape, code, content):
    """An array as Python 2 pickled it: bytes are "strings" there."""
    flags = b"\x3f" if code.startswith(b"O") else b"\x00"
    sizes = b"".join(b"K" + bytes([n]) for n in shape)
    dtype = b"cnumpy\ndtype\n(U" + bytes([len(code)]) + code + b"K\x00K\x01tR"
    dtype += b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" + flags + b"tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    return empty + b"(K\x01(" + sizes + b"t" + dtype + b"\x89" + content + b"tb"


def python_2_npy(numbers):
    content = numbers.tobytes()
    array = python_2_array(numbers.shape, b"f4", b"T" + struct.pack("<i", len(content)) + content)
    layer = b"(U\x05conv1](" + array + array + b"eu"
    boxed = python_2_array((), b"O8", b"]}" + layer + b"a")
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\x80\x02" + boxed + b"."


def test_npy_of_python_2(file):
    numbers = np.array([[1.5, -2], [np.pi, 1e-30]], "<f4")
    assert max(numbers.tobytes()) > 127, "not ASCII"
    path = file(python_2_npy(numbers), "bvlc_alexnet.npy")
    # numpy reads the same file, when it is told to trust it.
    reference = np.load(path, allow_pickle=True, encoding="latin1").item()
    tensors = read(path)
    assert list(tensors) == ["conv1/0", "conv1/1"]
    np.testing.assert_array_equal(tensors["conv1/0"], numbers)
    np.testing.assert_array_equal(tensors["conv1/1"], reference["conv1"][1])


def test_npy_of_python_3(tmp_path):
    np.save(tmp_path / "a.npy", {"fc6": {"weights": np.eye(2), "biases": np.zeros(2)}}, allow_pickle=True)
    tensors = read(tmp_path / "a.npy")
    assert list(tensors) == ["fc6/weights", "fc6/biases"]
    np.testing.assert_array_equal(tensors["fc6/weights"], np.eye(2))


def test_npy_of_one_array(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(2))
    assert "one array, not a dict" in refusal(tmp_path / "a.npy")


def test_npy_with_a_hostile_pickle(file):
    content = python_2_npy(np.ones((1, 1), "<f4"))
    content = content.replace(b"cnumpy\ndtype\n", b"cposix\nsystem\n")
    assert "asks for posix.system" in refusal(file(content, "a.npy"))


class Attack:
    """Unpickled, it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_attack_is_named_and_not_run(file, tmp_path, protocol):
    trap = tmp_path / "trap"
    path = file(pickle.dumps({"a": np.ones(3), "b": Attack(trap)}, protocol))
    assert "asks for posix.mkdir" in refusal(path).replace("nt.mkdir", "posix.mkdir")
    assert not trap.exists()
    with open(path, "rb") as opened:
        pickle.load(opened)
    assert trap.exists(), "the test's attack does work"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"cposix\nsystem\n(U\x02lstR.", "posix.system"),
        (b"(U\x02lsiposix\nsystem\n.", "posix.system"),
        (b"(cposix\nsystem\nU\x02lso.", "posix.system"),
        (b"\x8c\x05posix\x8c\x06system\x93(U\x02lstR.", "posix.system"),
        # The names of STACK_GLOBAL from the memo, put there in the wrong order, and computed.
        (b"\x8c\x06system\x940\x8c\x05posix\x94h\x00\x93.", "POP"),
        (b"\x8c\x06system\x94\x8c\x05posix\x94h\x01h\x00\x93.", "posix.system"),
        (b"]\x8c\x06system\x93.", "something else stands where a name should be"),
        (b"cnumpy\nload\n(U\x01atR.", "numpy.load"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "fromfile"),
        (b"cnumpy\nndarray\n(J\xff\xff\xff\x7ftR.", "damaged"),
        (b"cbuiltins\neval\n(U\x011tR.", "builtins.eval"),
        (b"c__builtin__\neval\n(U\x011tR.", "__builtin__.eval"),
        (b"ccollections\nOrderedDict.fromkeys\n.", "OrderedDict.fromkeys"),
        (b"\x82\x01.", "EXT1"),
        (b"\x83\x01\x00.", "EXT2"),
        (b"\x84\x01\x00\x00\x00.", "EXT4"),
        (b"ccollections\nOrderedDict\n)\x81.", "NEWOBJ"),
        (b"U\x010Q.", "BINPERSID"),
        (b"P0\n.", "PERSID"),
        (b"\x8c\x05a\nb\x1b[\x8c\x01x\x93.", "a?b?[.x"),
    ],
)
def test_hostile_pickles(file, content, words):
    assert words in refusal(file(b"\x80\x04" + content))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"}" + b")" + b"\x85" * 500_000 + b"K\x01s.", id="key that is nested too deep to hash"),
        pytest.param(
            b"ccollections\nOrderedDict\n(](]" + b")" + b"\x85" * 500_000 + b"K\x01eetR.",
            id="the same, by call",
        ),
        pytest.param(b"]" * 900_000 + b"a" * 899_999 + b".", id="nested lists"),
        pytest.param(b"}r\xff\xff\xff\x7f.", id="memo of 2**31 entries"),
        pytest.param(b"\x8e" + b"\xff" * 7 + b"\x7f" + b".", id="bytes of 2**63"),
        pytest.param(b"N0" * 600_000 + b"N.", id="operations without end"),
        pytest.param(b"N" * 1_100_000 + b".", id="stack without end"),
        pytest.param(b"]\x940" + b"", id="no end"),
        pytest.param(b".", id="nothing on the stack"),
        pytest.param(b"t.", id="no mark"),
        pytest.param(b"s.", id="nothing to set"),
        pytest.param(b"h\x05.", id="nothing in the memo"),
        pytest.param(b"K\x01K\x02b.", id="state of a number"),
        pytest.param(b"NNs.", id="items of nothing"),
        pytest.param(b"K\x01)R.", id="call of a number"),
        pytest.param(b"}]q\x00h\x00as.", id="list in itself"),
        pytest.param(b"K\x01.", id="a number"),
        pytest.param(b"}.", id="empty dict"),
        pytest.param(b"\x8c\x02\xff\xff.", id="not UTF-8"),
    ],
)
def test_pickles_that_would_crash_or_fill_the_memory(file, content):
    assert refusal(file(b"\x80\x04" + content))


def test_references_that_multiply(file):
    # Each of 15 dicts holds the one before ten times: 10**15 paths.
    content = b"}\x94" + b"".join(
        b"}\x94(" + b"".join(b"K%c" % key + b"h%c" % n for key in range(10)) + b"u" for n in range(15)
    )
    stack = b"(" + content + b"t."
    assert "nested deeper" in refusal(file(b"\x80\x04" + stack))


@pytest.mark.parametrize(
    "array",
    [
        python_2_array((2,), b"f4", b"U\x07" + bytes(7)),
        python_2_array((255, 255), b"f8", b"U\x01\x00"),
        python_2_array((), b"O8", b"]"),
        python_2_array((1,), b"O8", b"]K\x01a"),
        python_2_array((1,), b"V4", b"U\x04" + bytes(4)),
        python_2_array((1,), b"M8", b"U\x08" + bytes(8)),
        python_2_array((1,), b"f4,f4", b"U\x08" + bytes(8)),
    ],
)
def test_arrays_that_are_not_what_they_say(file, array):
    assert refusal(file(b"\x80\x02}U\x01a" + array + b"s."))


def test_a_file_cannot_change_how_the_next_is_read(file, tmp_path):
    hostile = b"\x80\x02ctorch\nFloatStorage\n(K\x03U\x01>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb."
    assert refusal(file(hostile))
    assert read(simple_torch(tmp_path / "a.pth"))["features.0.weight"][0, 1] == 2


def test_two_paths_to_one_name(file):
    tree = {"a": {"b": np.ones(1)}, "a/b": np.zeros(1)}
    assert "two tensors named a/b" in refusal(file(pickle.dumps(tree)))


def test_cut_pickle(file):
    whole = pickle.dumps(TREE, 3)
    for length in range(2, len(whole), 5):
        assert refusal(file(whole[:length]))


def test_flipped_bytes_never_escape_as_other_errors(file):
    whole = pickle.dumps(TREE, 3)
    for place in range(len(whole)):
        path = file(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        try:
            read(path)
        except BadFileError:
            continue


def test_no_operation_is_known_that_python_does_not_have():
    assert {operation.name for operation in pickletools.opcodes} >= readers._LITERALS


# ONNX.


def onnx_file(path, tensors):
    graph = onnx.helper.make_graph([], "net", [], [], initializer=tensors)
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    return path


def test_onnx_initialisers(tmp_path):
    kernel = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    bias = onnx.helper.make_tensor("conv1_b_0", onnx.TensorProto.FLOAT, [2], [0.5, -1.0])
    shape = onnx.helper.make_tensor("shape", onnx.TensorProto.INT64, [3], [-1, 9216, -(1 << 62)])
    made = [numpy_helper.from_array(kernel, "conv1_w_0"), bias, shape]
    tensors = read(onnx_file(tmp_path / "a.onnx", made))
    assert list(tensors) == ["conv1_w_0", "conv1_b_0", "shape"]
    np.testing.assert_array_equal(tensors["shape"], [-1, 9216, -(1 << 62)])
    np.testing.assert_array_equal(tensors["conv1_w_0"], kernel)
    np.testing.assert_array_equal(tensors["conv1_b_0"], [0.5, -1])


def test_onnx_with_numbers_in_another_file(tmp_path):
    tensor = numpy_helper.from_array(np.ones(2, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    assert "keeps w in another file" in refusal(onnx_file(tmp_path / "a.onnx", [tensor]))


def test_onnx_damage(tmp_path, file):
    tensor = numpy_helper.from_array(np.ones(100, np.float32), "w")
    whole = onnx_file(tmp_path / "whole.onnx", [tensor]).read_bytes()
    for length in range(1, len(whole), 11):
        assert refusal(file(whole[:length], "cut.onnx"))
    assert refusal(file(b"no protobuf at all", "b.onnx"))
    assert "no tensors" in refusal(onnx_file(tmp_path / "empty.onnx", []))
    tensor.dims[0] = 1 << 40
    assert "damaged" in refusal(onnx_file(tmp_path / "huge.onnx", [tensor]))
    assert "two tensors named w" in refusal(
        onnx_file(tmp_path / "twice.onnx", [numpy_helper.from_array(np.ones(1), "w")] * 2)
    )
    words = numpy_helper.from_array(np.array([b"a"], object), "words")
    assert "words is not of numbers" in refusal(onnx_file(tmp_path / "words.onnx", [words]))


# HDF5.


def test_h5_paths(tmp_path):
    kernel = np.arange(12, dtype=np.float32).reshape(3, 4)
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        opened["fire2/expand1x1/fire2/expand1x1_W:0"] = kernel
        opened["conv1/conv1_b:0"] = np.float64(2)
        opened.create_group("pool1")
        opened.attrs["layer_names"] = [b"conv1"]
    tensors = read(tmp_path / "a.h5")
    assert set(tensors) == {"fire2/expand1x1/fire2/expand1x1_W:0", "conv1/conv1_b:0"}
    np.testing.assert_array_equal(tensors["fire2/expand1x1/fire2/expand1x1_W:0"], kernel)
    assert tensors["conv1/conv1_b:0"] == 2


def virtual(opened):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "a", (3,))
    opened.create_virtual_dataset("a", layout)


def same_twice(opened):
    opened["a"] = 1.0
    opened["b"] = opened["a"]


def loop(opened):
    opened.create_group("g")["again"] = opened["/"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda opened: opened.__setitem__("a", h5py.ExternalLink("other.h5", "a")), "has links"),
        (lambda opened: opened.__setitem__("a", h5py.SoftLink("/b")), "link at a"),
        (virtual, "keeps a in another file"),
        (
            lambda opened: opened.create_dataset("a", (3,), "f4", external=[("/etc/passwd", 0, 12)]),
            "keeps a in another file",
        ),
        (lambda opened: opened.create_dataset("a", (1 << 40,), "f4", chunks=(1024,)), "more than its size"),
        (lambda opened: opened.create_dataset("a", data=np.ones(9), chunks=(3,)), "keeps a in chunks"),
        (
            lambda opened: opened.create_dataset("a", data=np.ones(9), compression="gzip"),
            "keeps a compressed",
        ),
        (lambda opened: opened.create_dataset("a", data=np.ones(9), fletcher32=True), "keeps a compressed"),
        (lambda opened: opened.create_dataset("a", (3,), "f4"), "a was never written"),
        (lambda opened: opened.create_dataset("a", data=[1j]), "a is not of numbers"),
        (lambda opened: opened.create_dataset("a", data=np.zeros(3, "V4")), "a is not of numbers"),
        (lambda opened: opened.create_dataset("a", data=np.ones(2, "f4,f4")), "a is not of numbers"),
        (
            lambda opened: opened.create_group("g", track_order=True).update(a=1.0),
            "a layout that Keras does not",
        ),
        (same_twice, "two names"),
        (lambda opened: opened.create_group("/".join("a" * 20)), "nested deeper"),
        (lambda opened: opened.create_dataset("a", data="text"), "a is not of numbers"),
        (lambda opened: opened.create_dataset("a", data=h5py.Empty("f4")), "a is empty"),
        (loop, "two names"),
        (lambda opened: None, "no tensors"),
    ],
)
def test_h5_refused(tmp_path, make, words):
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        make(opened)
    assert words in refusal(tmp_path / "a.h5")


def test_h5_numbers_of_every_kind_as_h5py_reads_them(tmp_path):
    """Groups large enough for trees of two levels, all widths and byte orders, scalars and empty arrays."""
    kinds = ["f2", "f4", "f8", ">f4", "i1", "u1", "<i2", ">u4", "i8"]
    random = np.random.default_rng(0)
    written = {
        f"g{n % 7}/layer{n}/v": random.normal(size=(n % 3, 2)).astype(kinds[n % len(kinds)]) * 50
        for n in range(700)
    }
    written["scalar"] = np.float64(2)
    written["truth"] = np.array([True, False])
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        for name, values in written.items():
            opened[name] = values
        opened.attrs["names"] = ["a"] * 500
        opened["g0"].attrs["text"] = "text"
    tensors = read(tmp_path / "a.h5")
    assert set(tensors) == set(written)
    with h5py.File(tmp_path / "a.h5") as opened:
        for name in written:
            assert tensors[name].dtype == opened[name].dtype
            np.testing.assert_array_equal(tensors[name], opened[name][()])


def test_h5_bfloat16_as_keras_writes_it(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        opened["a"] = np.array([0x3F80, 0xC020], "<u2").view("V2")  # 1.0 and -2.5
        opened["a"].attrs["dtype"] = "bfloat16"
    tensors = read(tmp_path / "a.h5")
    assert tensors["a"].dtype == np.float32
    np.testing.assert_array_equal(tensors["a"], [1, -2.5])


@pytest.mark.parametrize("libver", ["v108", "v110", "latest"])
def test_h5_of_newer_layouts(tmp_path, libver):
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as opened:
        opened["a"] = np.ones(3)
    assert "a layout that Keras does not write" in refusal(tmp_path / "a.h5")


def test_h5_groups_that_share_groups(tmp_path):
    """2**9 paths in a small file."""
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        for n in range(10):
            opened.create_group(f"g{n}")
        for n in range(9):
            opened[f"g{n}"]["a"] = opened[f"g{n + 1}"]
            opened[f"g{n}"]["b"] = opened[f"g{n + 1}"]
    assert "two names" in refusal(tmp_path / "a.h5")


def test_h5_with_flipped_bytes_is_read_or_refused(tmp_path, file):
    with h5py.File(tmp_path / "whole.h5", "w") as opened:
        opened["conv/kernel"] = np.arange(6.0)
        opened["conv/bias"] = np.arange(3, dtype="f4")
    whole = (tmp_path / "whole.h5").read_bytes()
    for place in range(0, len(whole), 5):
        path = file(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :], "flipped.h5")
        try:
            read(path)
        except BadFileError:
            continue


def test_h5_cut(tmp_path, file):
    with h5py.File(tmp_path / "whole.h5", "w") as opened:
        opened["a"] = np.ones(1000)
    whole = (tmp_path / "whole.h5").read_bytes()
    for length in (9, 100, len(whole) // 2, len(whole) - 1):
        assert "damaged" in refusal(file(whole[:length], "cut.h5"))


# Safetensors.


def safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(kind, shape, first, last):
    return {"dtype": kind, "shape": shape, "data_offsets": [first, last]}


def test_safetensors(file):
    header = {
        "__metadata__": {"format": "pt"},
        "features.0.weight": entry("F32", [2, 3], 2, 26),
        "features.0.bias": entry("F16", [1], 0, 2),
        "brain": entry("BF16", [2], 26, 30),
        "steps": entry("I64", [], 30, 38),
        "none": entry("F32", [0, 3], 38, 38),
    }
    data = np.float16(0.5).tobytes() + np.arange(6, dtype="<f4").tobytes()
    data += struct.pack("<2H", 0x3F80, 0xC020) + np.int64(7).tobytes()
    tensors = read(file(safetensors(header, data), "model.safetensors"))
    np.testing.assert_array_equal(tensors["features.0.weight"], [[0, 1, 2], [3, 4, 5]])
    assert tensors["features.0.bias"].dtype == np.float16
    assert tensors["features.0.bias"] == 0.5
    np.testing.assert_array_equal(tensors["brain"], np.array([1.0, -2.5], np.float32))
    assert tensors["steps"] == 7
    assert tensors["none"].shape == (0, 3)
    assert set(tensors) == set(header) - {"__metadata__"}


def test_safetensors_of_a_wrapped_model(file):
    content = safetensors({"module.a": entry("U8", [1], 0, 1)}, b"\x07")
    assert read(file(content, "model.safetensors")) == {"a": 7}
    assert read(file(content, "content_decides.bin")) == {"a": 7}


A = entry("F32", [2], 0, 8)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (safetensors({"a": A}, bytes(7)), "do not lie one after the other"),
        (safetensors({"a": A}, bytes(9)), "longer than its header says"),
        (safetensors({"a": A, "b": A}, bytes(8)), "do not lie one after the other"),
        (safetensors({"a": entry("F32", [2], 4, 12)}, bytes(12)), "do not lie one after the other"),
        (safetensors({"a": entry("F32", [3], 0, 8)}, bytes(8)), "do not lie one after the other"),
        (safetensors({"a": entry("F32", [10**12], 0, 4 * 10**12)}, bytes(8)), "do not lie one after"),
        (safetensors({"a": entry("F32", [1 << 62, 4], 0, 0)}), "impossible shape"),
        (safetensors({"a": entry("F32", [-1], 0, 8)}, bytes(8)), "impossible shape"),
        (safetensors({"a": entry("F32", [2.0], 0, 8)}, bytes(8)), "impossible shape"),
        (safetensors({"a": entry("F32", [1] * 40, 0, 4)}, bytes(4)), "impossible shape"),
        (safetensors({"a": entry("F8_E4M3", [8], 0, 8)}, bytes(8)), "keeps a as F8_E4M3"),
        (safetensors({"a": entry("F32", [1], 0, 4)}, struct.pack("<f", np.nan)), "a has values that are not"),
        (safetensors({"a": {"dtype": "F32"}}, bytes(8)), "damaged"),
        (safetensors({"a": 1}), "damaged"),
        (safetensors(b'{"a": 1, "a": 1}'), "two tensors of one name"),
        (safetensors(b"{" + b'"a":[' * 100_000), "damaged"),
        (safetensors({"a" * 201: A}, bytes(8)), "no proper name"),
        (safetensors({}), "no tensors"),
        (safetensors({"a": A}, bytes(8), length=1 << 40), "its header is longer"),
        (safetensors(b"{" + b" " * 5_000_000 + b"}"), "its header is longer"),
        (safetensors(b"[1]"), "not a weight file that is known"),
    ],
)
def test_safetensors_refused(file, content, words):
    assert words in refusal(file(content, "model.safetensors"))


# A `.keras`.


def test_the_weights_in_a_keras_file(tmp_path):
    weights = io.BytesIO()
    with h5py.File(weights, "w") as opened:
        opened["layers/conv2d/vars/0"] = np.arange(6.0)
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", weights.getvalue())
    tensors = read(tmp_path / "a.keras")
    assert list(tensors) == ["layers/conv2d/vars/0"]
    np.testing.assert_array_equal(tensors["layers/conv2d/vars/0"], np.arange(6.0))


# Limits: each of these took minutes or gigabytes, or would where its numbers are larger.


def test_a_zip_with_very_many_entries(file):
    record = b"PK\x01\x02" + bytes(42)
    directory = record * 100_000
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0, 0, len(directory), 4, 0)
    assert "more entries than any" in refusal(file(b"PK\x03\x04" + directory + end, "a.pth"))


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    assert "no regular file" in refusal(tmp_path / "pipe.pth")
    (tmp_path / "zero.pth").symlink_to("/dev/zero")
    assert "no regular file" in refusal(tmp_path / "zero.pth")
    (tmp_path / "circle.pth").symlink_to(tmp_path / "circle.pth")
    assert "cannot be read" in refusal(tmp_path / "circle.pth")


def test_a_link_to_a_file_is_read(tmp_path):
    simple_torch(tmp_path / "a.pth")
    (tmp_path / "b.pth").symlink_to(tmp_path / "a.pth")
    assert list(read(tmp_path / "b.pth")) == ["features.0.weight"]


def test_a_file_with_terabytes_of_holes(tmp_path):
    with open(tmp_path / "a.pth", "wb") as opened:
        opened.write(b"\x80\x04")
        opened.truncate(1 << 40)
    assert "bytes" in refusal(tmp_path / "a.pth") or "cannot be read" in refusal(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        # Integers that all have the hash 0: each new one is compared with all before it.
        (
            b"\x80\x04}(" + b"".join(pickle.dumps(n * (2**61 - 1), 2)[2:-1] + b"]" for n in range(9)) + b"u.",
            "keys are no names",
        ),
        (b"\x80\x04]p%d\n." % (2**61 - 1), "impossible number"),
        # One list of pairs made a table a thousand times, and a call with arguments without end.
        (
            b"\x80\x04(("
            + b"U\x01aN\x86" * 2000
            + b"l\x94"
            + b"ccollections\nOrderedDict\nh\x00\x85R" * 1000
            + b"t.",
            "far more than its size",
        ),
        (b"\x80\x04ctorch._utils\n_rebuild_parameter\n(" + b"N" * 17 + b"tR.", "more arguments"),
        # A name of a megabyte, which would be copied for all below it.
        (b"\x80\x04}X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20) + b"}s.", "too long"),
        (pickle.dumps({"a" * 150: {"b" * 150: np.ones(1)}}), "no proper name"),
    ],
)
def test_pickles_that_would_take_long(file, content, words):
    assert words in refusal(file(content))


# Every format.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(tmp_path, value):
    path = simple_torch(tmp_path / "a.pth", values=(1, 2, value, 4, 5, 6))
    assert "features.0.weight has values that are not finite" in refusal(path)


def test_content_decides_and_not_the_name(tmp_path):
    assert list(read(simple_torch(tmp_path / "a.h5"))) == ["features.0.weight"]


@pytest.mark.parametrize("name", ["a.pth", "a.ckpt", "a.npy", "a.onnx", "a.h5"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n <!DOCTYPE html><html>404</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "large file storage"),
        (b"\x80", "damaged"),
    ],
)
def test_what_is_often_there_instead(file, name, content, words):
    assert words in refusal(file(content, name))


def test_nothing_known(file):
    assert "not a weight file that is known" in refusal(file(b"hello", "a.txt"))


def test_missing_folder_forbidden(tmp_path, monkeypatch, file):
    assert "does not exist" in refusal(tmp_path / "none.pth")
    assert "does not exist" in refusal(file(b"x") / "none.pth")
    assert "is a folder" in refusal(tmp_path)
    path = file(b"x")

    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(readers, "open_regular", forbidden)
    assert "may not be read" in refusal(path)


def test_not_enough_memory(file, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(readers, "_unpickle", full)
    assert "does not fit into memory" in refusal(file(pickle.dumps(TREE)))


def test_names_that_would_disturb_the_screen(file):
    assert "no proper name" in refusal(file(pickle.dumps({"a\x1b[2J": np.ones(1)})))


def test_a_pickle_of_plain_data():
    tree = {
        b"labels": [1, 2, 300, 1 << 70],
        "mixed": (None, True, 1.5, "text", b"bytes", np.float32(2.5)),
        "array": np.arange(6, dtype=np.uint8).reshape(2, 3),
    }
    for protocol in (2, 3, 4, 5):
        read_tree = readers.read_pickle(pickle.dumps(tree, protocol), "a")
        assert read_tree[b"labels"] == tree[b"labels"]
        assert read_tree["mixed"] == tree["mixed"]
        np.testing.assert_array_equal(read_tree["array"], tree["array"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"cposix\nsystem\n(U\x02lstR.", "posix.system"),
        (b"cnumpy\nndarray\n.", "left unfinished"),
        (b"]\x94h\x00a.", "nested deeper"),  # a list that contains itself
        (b"", "damaged"),
    ],
)
def test_a_pickle_of_anything_else(content, words):
    with pytest.raises(BadFileError) as caught:
        readers.read_pickle(content, "batch")
    text = str(caught.value)
    assert text.startswith("batch ")
    assert words in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "call",
    [
        b"c_codecs\nencode\nh\x00U\x06latin1\x86R",
        b"cnumpy.core.numeric\n_frombuffer\n(h\x00h\x01h\x02U\x01CtR",
    ],
)
def test_one_text_turned_into_bytes_again_and_again(call):
    """A megabyte of text and 100 calls must not become 100 megabytes."""
    text = b"X" + (1 << 20).to_bytes(4, "little") + b"a" * (1 << 20)
    kind = b"cnumpy\ndtype\nU\x02u1\x85R"
    shape = b"J" + (1 << 20).to_bytes(4, "little") + b"\x85"
    content = b"(" + text + b"\x94" + kind + b"\x94" + shape + b"\x94" + call * 100 + b"l."
    with pytest.raises(BadFileError, match="far more than its size"):
        readers.read_pickle(content, "a")
