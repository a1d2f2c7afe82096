import hashlib

import numpy as np

from tfviz.files.hashes import array_sha256, file_sha256, json_sha256


def test_a_file_is_known_by_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_an_array_is_known_by_type_shape_and_values_not_by_its_layout():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    same = np.asfortranarray(array)
    assert array_sha256(same) == array_sha256(array)
    others = [array.astype(np.float64), array.reshape(3, 2), array + 1, array.T]
    assert len({array_sha256(other) for other in [array, *others]}) == 5


def test_the_order_of_keys_does_not_matter():
    assert json_sha256({"a": 1, "b": [2]}) == json_sha256({"b": [2], "a": 1})
    assert json_sha256({"a": 1}) != json_sha256({"a": 2})
