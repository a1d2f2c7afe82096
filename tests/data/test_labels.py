import re

import pytest

from tfviz.data.labels import (
    UnknownClassError,
    class_index,
    imagenet_classes,
    imagenet_synonyms,
    read_classes,
)
from tfviz.errors import BadFileError


def test_the_classes_that_the_parts_name():
    names = imagenet_classes()
    assert len(names) == 1000
    assert (names[0], names[107], names[207], names[357]) == (
        "tench",
        "jellyfish",
        "golden retriever",
        "mink",
    )


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("107", 107),
        (" 0 ", 0),
        ("mink", 357),
        ("Golden_Retriever", 207),
        ("  golden   retriever", 207),
        ("jelly", 107),
        ("partridge", 86),  # 82 is called so, too
        ("harp", 594),  # and 593
    ],
)
def test_a_name_or_an_index(text, index):
    assert class_index(text) == index


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("crane", r"134 \(crane\), 517 \(crane\): give the index"),
        ("shark", "great white shark"),
        ("a", "and .* more"),
        ("unicorn", "No class is named 'unicorn'"),
        ("1000", "from 0 to 999"),
        ("", "empty name"),
        ("nan", r"may be any of 954 \(banana\): give the index"),  # inside a word
        ("x" * 5000, "named 'x{200}…'"),
    ],
)
def test_no_class_or_several(text, says):
    with pytest.raises(UnknownClassError, match=says):
        class_index(text)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("n02708093", 409),
        ("N01440764", 0),
        ("Tinca tinca", 0),
        ("white shark", 2),
        ("n02012849", 134),
        ("man-eater", 2),
    ],
)
def test_wordnets_ids_and_synonyms(text, index):
    assert class_index(text) == index


def test_every_class_has_its_wordnet_entry():
    synonyms = imagenet_synonyms()
    assert len({wordnet_id for wordnet_id, *_ in synonyms}) == 1000
    for name, (wordnet_id, *nouns) in zip(imagenet_classes(), synonyms, strict=True):
        assert re.fullmatch(r"n\d{8}", wordnet_id)
        assert name.lower() in [noun.lower() for noun in nouns]


@pytest.mark.parametrize(
    ("text", "near"), [("jelyfish", "107 (jellyfish)"), ("golden retreiver", "207 (golden retriever)")]
)
def test_near_names_are_suggested(text, near):
    with pytest.raises(UnknownClassError, match=re.escape(f"near are {near}")):
        class_index(text)


def test_names_of_the_users_own():
    names = ("daisy", "rose", "wild rose")
    assert class_index("ROSE", names) == 1
    assert class_index("wild", names) == 2
    assert class_index("2", names) == 2
    for text, why in (
        ("3", "from 0 to 2"),
        ("tench", "one of your network's names"),
        ("rosy", r"near are 1 \(rose\)"),
    ):
        with pytest.raises(UnknownClassError, match=why):
            class_index(text, names)


def test_names_that_differ_in_writing_alone():
    names = ("Dog", "dog", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "straße", "ﬁsh")
    assert [class_index(text, names) for text in ("Dog", "dog")] == [0, 1]
    with pytest.raises(UnknownClassError, match=r"0 \(Dog\), 1 \(dog\)"):
        class_index("DOG", names)
    assert [class_index(text, names) for text in ("cafe\u0301", "STRASSE", "fish")] == [2, 3, 4]


def test_names_that_are_numbers():
    assert class_index("1", ("0", "1", "2")) == 1
    with pytest.raises(UnknownClassError, match="'1' is the name of class 0 and the index of class 1"):
        class_index("1", ("1", "0", "7"))
    assert [class_index(text, ("1", "0", "7")) for text in ("2", "7")] == [2, 2]
    with pytest.raises(UnknownClassError, match="There is no class 8: indices go from 0 to 2"):
        class_index("8", ("1", "0", "7"))


FILES = {
    "names.txt": "daisy\r\nrose\n",
    "mark.txt": "\ufeffdaisy\nrose",
    "list.json": '["daisy", "rose"]',
    "keras.json": '{"1": ["n2", "rose"], "0": ["n1", "daisy"]}',
    "plain.json": '{"0": "daisy", "1": "rose"}',
}


@pytest.mark.parametrize(("name", "text"), FILES.items(), ids=FILES)
def test_files_of_names(name, text, tmp_path):
    (tmp_path / name).write_bytes(text.encode())
    assert read_classes(tmp_path / name) == ("daisy", "rose")


BAD = {
    "empty.txt": (b"", "is empty"),
    "blank.txt": (b"daisy\n\nrose", "class 1 is empty"),
    "long.txt": (b"x" * 300, "more than 200 letters"),
    "escape.txt": (b"daisy\n\x1b[2J", "class 1 .* cannot be printed"),
    "binary.txt": (b"\xff\xfe", "not text in UTF-8"),
    "gap.json": (b'{"0": "daisy", "2": "rose"}', "no list of class names"),
    "number.json": (b"[1, 2]", "no list of class names"),
    "broken.json": (b"[", "no list of class names"),
    "nothing.json": (b"[]", "no list of class names"),
}


@pytest.mark.parametrize(("name", "content"), BAD.items(), ids=BAD)
def test_files_that_are_none(name, content, tmp_path):
    (tmp_path / name).write_bytes(content[0])
    with pytest.raises(BadFileError, match=content[1]) as caught:
        read_classes(tmp_path / name)
    assert name in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadFileError, match=r"none\.txt cannot be read"):
        read_classes(tmp_path / "none.txt")
