from datetime import date

import numpy as np
import pytest
from PIL import Image

from tfviz import language
from tfviz.errors import BadFileError, TfvizError
from tfviz.report import personal
from tfviz.report.personal import Personal, load


@pytest.fixture
def toml(tmp_path):
    """toml(text): a report.toml with it."""

    def write(text):
        path = tmp_path / "report.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def hebrew(tmp_path, monkeypatch):
    """There is a catalogue for Hebrew."""
    folder = tmp_path / "translations"
    folder.mkdir()
    (folder / "he.po").write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n')
    monkeypatch.setattr(language, "folder", lambda: folder)
    language.load.cache_clear()
    yield
    language.load.cache_clear()


def refusal(path, **overrides):
    with pytest.raises(TfvizError) as caught:
        load(path, **overrides)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700
    assert isinstance(caught.value, BadFileError) == str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(f"{path}: ").removeprefix(f"{path} ")


def test_nothing_said_is_nothing_known(toml):
    assert load(None) == load(toml("")) == load(toml("# title = 'x'\n")) == Personal()
    assert load(None, title=None, authors=None, hero=None) == Personal()


def test_everything_that_can_be_said(toml, tmp_path, hebrew):
    Image.new("RGB", (30, 20), (10, 20, 30)).save(tmp_path / "cover.png")
    known = load(
        toml(
            'title = "  רשתות <b>קונבולוציה</b> "\nsubtitle = "Se\u0301ance"\nauthors = ["A. B.", "ג. ד."]\n'
            'ids = ["012", "345"]\ncourse = "Deep learning"\ndate = 2001-02-08\nlanguage = "he"\npaper = "Letter"\n'
            'hero = "cover.png"\nhero_alt = "A wall"\n'
        )
    )
    assert (known.title, known.subtitle) == ("רשתות <b>קונבולוציה</b>", "Séance")
    assert (known.authors, known.ids) == (("A. B.", "ג. ד."), ("012", "345"))
    assert (known.course, known.language, known.paper) == ("Deep learning", "he", "letter")
    assert known.date == "8 בפברואר 2001"
    assert (known.hero.width, known.hero.height, known.hero.alt) == (30, 20, "A wall")
    assert known.hero.png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2001-02-08", "8 February 2001"),
        ('"2001-02-08"', "8 February 2001"),
        ("2001-02-08T23:59:00+01:00", "8 February 2001"),
        ('"2001-02-31"', "2001-02-31"),
        ('"Spring 2001"', "Spring 2001"),
        ('""', ""),
    ],
)
def test_a_day_is_written_in_words(toml, written, shown):
    assert load(toml(f"date = {written}")).date == shown
    assert load(None, date=date(2001, 2, 8)).date == "8 February 2001"


def test_the_command_line_goes_before_the_file(toml, tmp_path, monkeypatch):
    path = toml('title = "T"\nauthors = "A"\nids = ["1"]\ncourse = "C"\nhero = "none.png"')
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save("mine.png")
    known = load(path, title="", authors=["B", "D"], ids="2", course=None, hero="mine.png")
    assert known == Personal(authors=("B", "D"), ids=("2",), course="C", hero=known.hero)
    assert (known.hero.width, known.hero.alt) == (3, "mine.png")
    assert load(path, authors=[""], hero="").authors == ()
    assert load(None, ids=["1", "2"]).ids == ("1", "2")  # of authors who are not named
    with pytest.raises(TypeError, match="colour"):
        load(None, colour="red")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('titel = "x"', "there is no key 'titel'; there are: title, subtitle, authors, ids, course, date, "),
        ('titel = "x"', "Did you mean title?"),
        ('author = "x"', "Did you mean authors?"),
        ('[report]\ntitle = "x"', "there is no key 'report'"),
        ('"\\u001b[31m" = 1', r"there is no key '\x1b[31m'"),
        ("title = 5", "title must be text in quotes, not 5."),
        ("title.x = 1", "title must be text in quotes, not {'x': 1}."),
        ("ids = 123456789", "ids must be text in quotes, not 123456789."),
        ("ids = 012345678", "is not TOML: "),
        ("authors = ['A', 5]", "authors must be text in quotes, not 5."),
        ("authors = ['A', ' ']", "authors has an empty entry"),
        ("authors = 'A'\nids = ['1', '2']", "ids has 2 entries for 1 author: give one for each author"),
        ("authors = " + str(["A"] * 21), "authors has 21 entries; it may have 20."),
        ("language = false", "language must be one of en"),
        ("language = 'xx'", "language must be one of en"),
        ("language = ['en']", "not ['en']."),
        ("paper = 'A3'", "paper must be one of a4, letter, not 'A3'."),
        ("paper = 0", "paper must be one of a4, letter, not 0."),
        ("date = 12:00:00", "date must be a date such as 2000-12-31, or text in quotes"),
        ("date = 2001", "date must be a date"),
        ("hero = 5", "hero must be a file's name in quotes, not 5."),
        ("hero = 'none.png'", "none.png does not exist."),
        ("hero = 'report.toml'", "report.toml is not a picture in PNG, JPEG, WebP or GIF"),
        ("hero = '.'", "is a folder"),
        ("hero = '~nobody-of-this-name/a.png'", "hero cannot be found: "),
        ("course = 'x'\ntitle = “Inside”", 'Text stands in straight quotes, ", as a programmer types them.'),
        ("# “x”\ntitle = x", "Text stands in quotes."),
        ('title = "a\n', "is not TOML: Illegal character"),
        ('title = "a\n', "(at line 1, column 11)"),
        ("title = " + "[" * 20_000, "is nested too deeply"),
        ("title = " + "9" * 5000, "is not TOML: "),
        ("title = 'x'\n" * 2, "is not TOML: Cannot overwrite a value"),
        (b"title = 'caf\xe9'", "is not text in UTF-8 (byte 0xe9 in line 1)"),
        ("title = 'x'".encode("utf-16"), "is not text in UTF-8 (byte 0xff in line 1)"),
        ("#" * 64_001, "is larger than 64 kB"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(toml, text, said):
    assert said in refusal(toml(text))


@pytest.mark.parametrize("key", personal.LONGEST)
def test_texts_have_a_limit(toml, key):
    limit = personal.LONGEST[key]
    load(toml(f'{key} = "{"x" * limit}"'))
    assert f"{key} has 10000 characters; it may have {limit}." in refusal(toml(f'{key} = "{"x" * 10_000}"'))


@pytest.mark.parametrize(
    ("character", "said"),
    [
        ("\u202e", "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        ("\u2066", "U+2066 (LEFT-TO-RIGHT ISOLATE)"),
        ("\u2069", "U+2069 (POP DIRECTIONAL ISOLATE)"),
        ("\u200e", "U+200E (LEFT-TO-RIGHT MARK)"),
        ("\u200b", "U+200B (ZERO WIDTH SPACE)"),
        ("\ufeff", "U+FEFF (ZERO WIDTH NO-BREAK SPACE)"),
        ("\x1b", "U+001B (a control character)"),
        ("\n", "U+000A (a control character)"),
        ("\u2028", "U+2028 (LINE SEPARATOR)"),
    ],
)
def test_characters_that_hide_or_steer_are_named(toml, character, said):
    escape = f"\\u{ord(character):04x}"
    path = toml(f'authors = ["A", "B{escape}C"]')
    typed = "; a backslash is written twice" if character == "\n" else ""
    assert f"authors holds {said} after 'B', which cannot be seen: take it out{typed}." == refusal(path)
    with pytest.raises(TfvizError, match=r"^--title holds U"):
        load(None, title=f"a{character}b")


def test_a_formula_whose_backslash_toml_took_for_its_own_is_told(toml):
    wanted = "title holds U+0009 (a control character) after 'Where $', which cannot be seen: take it out; a backslash "
    assert refusal(toml(r'title = "Where $\theta$ goes"')) == f"{wanted}is written twice."
    assert refusal(toml(r'title = "$\alpha$"')).endswith("In quotes a backslash is written twice.")
    assert load(toml(r'title = "$\\theta$"')).title == load(toml(r"title = '$\theta$'")).title == r"$\theta$"
    assert "backslash" not in refusal(None, title="a\tb")


def test_letters_of_all_writings_are_text():
    for name in ("Zoë Ångström", "שִׁירָה כ״ץ", "نام‌خانوادگی", "क्‍ष", "李", "x \u00a0y", "🙂"):
        assert load(None, authors=name).authors == (name,)


def test_an_option_is_named_as_it_is_typed():
    for key, option in (("authors", "--author"), ("ids", "--id"), ("course", "--course")):
        with pytest.raises(TfvizError, match=f"^{option} has 101|^{option} has \\d+ characters"):
            load(None, **{key: "x" * 1000})
    assert "--id has 2 entries for 1 author" in refusal(None, authors="A", ids=["1", "2"])
    assert refusal(None, language="xx").startswith("--lang must be one of en")
    with pytest.raises(TfvizError, match="U\\+DCFF"):
        load(None, title="caf\udcff")


def test_a_file_that_is_named_must_be_there(tmp_path):
    assert refusal(tmp_path / "report.toml") == "does not exist."
    assert refusal(tmp_path) == "is a folder: a file is needed."
