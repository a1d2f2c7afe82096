from tfviz.errors import printable, some


def test_what_a_terminal_obeys_is_not_printed():
    assert printable("\x1b[1mBad \x1b[31;1mlayer\x1b[0m\nnext, ä ש") == "Bad layer\nnext, ä ש"
    assert printable("a\x1b]0;title\x07 \u202eb\r") == "a\ufffd]0;title\ufffd \ufffdb\ufffd"


def test_of_many_names_the_first_are_said():
    assert some(["a\nb", *"cdef"], 3) == "a b, c, d and 2 more"
    assert some(["a", "b"], 2) == "a, b"
