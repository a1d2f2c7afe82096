import pytest

from tfviz.data.labels import UnknownClassError, class_index, imagenet_classes


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
    ],
)
def test_no_class_or_several(text, says):
    with pytest.raises(UnknownClassError, match=says):
        class_index(text)
