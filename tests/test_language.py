import re
import runpy

import pytest

from tfviz import language
from tfviz.errors import TfvizError
from tfviz.files.hashes import file_sha256
from tfviz.files.program import CHECKOUT

CATALOGUE = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "step"
msgstr "paŝo"

msgid "one picture"
msgid_plural "{count} pictures"
msgstr[0] "unu bildo"
msgstr[1] "{count} bildoj"
"""


@pytest.fixture
def esperanto(tmp_path, monkeypatch):
    """A folder with one catalogue, and nothing of it left in memory afterwards."""
    (tmp_path / "eo.po").write_text(CATALOGUE, encoding="utf-8")
    monkeypatch.setattr(language, "folder", lambda: tmp_path)
    language.load.cache_clear()
    yield tmp_path
    language.load.cache_clear()


def test_words_are_those_of_the_language_in_use(esperanto):
    assert language.available() == ["en", "eo"]
    assert language.gettext("step") == "step"
    with language.use("eo") as words:
        assert (words.code, words.direction) == ("eo", "ltr")
        assert language.current() is words
        assert words.sha256 == file_sha256(esperanto / "eo.po")
        assert language.gettext("step") == "paŝo"
        assert language.gettext("not in it") == "not in it"
        assert language.ngettext("one picture", "{count} pictures", 1) == "unu bildo"
        assert language.ngettext("one picture", "{count} pictures", 3).format(count=3) == "3 bildoj"
        with language.use("en"):
            assert language.gettext("step") == "step"
        assert language.gettext("step") == "paŝo"
    assert language.gettext("step") == "step"


def test_the_language_in_use_ends_with_an_error(esperanto):
    with pytest.raises(RuntimeError), language.use("eo"):
        raise RuntimeError
    assert language.current().code == "en"


def test_nothing_is_translated_as_nothing(esperanto):
    """A catalogue's own header is what gettext has under the empty message."""
    with language.use("eo"):
        assert language.gettext("") == ""


def test_an_unknown_language_is_refused_with_those_that_there_are(esperanto):
    with pytest.raises(TfvizError, match=r"no language 'xx'; there are: en, eo\."):
        language.load("xx")
    with pytest.raises(TfvizError, match="no language"):
        language.load("../eo")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'msgid "a"\nmsgstr "b"\nnonsense here\n'])
def test_a_damaged_catalogue_is_named(esperanto, content):
    (esperanto / "eo.po").write_bytes(content)
    with pytest.raises(TfvizError, match=r"eo\.po is not a catalogue"):
        language.load("eo")


def test_hebrew_runs_from_right_to_left():
    assert language.load("he").direction == "rtl"
    assert language.load("en").direction == "ltr"


@pytest.fixture(scope="module")
def wanted():
    """All messages that the program asks for."""
    return runpy.run_path(str(CHECKOUT / "docs" / "make_catalogues.py"))["messages"]()


def _catalogue(code):
    from babel.messages.pofile import read_po

    with (language.folder() / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


def _holes(text):
    return set(re.findall(r"%\(\w+\)s|\{\w*\}", text))


@pytest.mark.parametrize("code", [code for code in language.available() if code != language.SOURCE])
def test_every_message_is_translated(code, wanted):
    """With its placeholders and elements; a number may be spelt out in a form for one, and only there."""
    catalogue = _catalogue(code)
    lacking, wrong = [], []
    for message in wanted:
        if not message.id:
            continue
        found = catalogue.get(message.id)
        plural = isinstance(message.id, tuple)
        forms = (found.string if plural else (found.string,)) if found else ()
        if not forms or not all(forms) or found.fuzzy:
            lacking.append(message.id)
            continue
        source = message.id[-1] if plural else message.id
        for index, form in enumerate(forms):
            missing = _holes(source) - _holes(form)
            if _holes(form) - _holes(source) or (missing and not (plural and index == 0)):
                wrong.append((source, form))
            if sorted(re.findall(r"</?\w+", source)) != sorted(re.findall(r"</?\w+", form)):
                wrong.append((source, form))
            if "%(" in source and re.search(r"%(?!\()", form.replace("%%", "")):
                wrong.append((source, form))
    assert lacking == []
    assert wrong == []


@pytest.mark.parametrize("code", [code for code in language.available() if code != language.SOURCE])
def test_no_catalogue_holds_what_nobody_asks_for(code, wanted):
    assert [message.id for message in _catalogue(code) if message.id and message.id not in wanted] == []
