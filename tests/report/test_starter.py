import re
import sys

import numpy as np
import pytest
from PIL import Image

from tfviz import language
from tfviz.errors import BadFileError
from tfviz.report import answers, personal, starter
from tfviz.report.numbers import long_date
from tfviz.report.personal import Personal

ALL = [
    ("conv1_units", "Units of conv1"),
    ("class_image", "A class's picture"),
    ("narrow_network", "Width {n}"),
]
IDS = [part for part, _ in ALL]


def test_what_is_written_changes_nothing(tmp_path):
    started = starter.write(tmp_path / "new" / "folder", ALL)
    toml, *texts = started.written
    assert toml == tmp_path / "new" / "folder" / "report.toml"
    assert [path.name for path in texts] == [f"{part}.md" for part, _ in ALL]
    assert started.kept == []
    assert personal.load(toml) == Personal()
    assert answers.read(toml.parent / "answers", IDS) == answers.Answers()


def test_every_part_gets_its_answer(tmp_path):
    from tfviz.parts import PARTS

    starter.write(tmp_path, [(part.ID, part.TITLE) for part in PARTS])
    assert answers.read(tmp_path / "answers", [part.ID for part in PARTS]) == answers.Answers()
    assert len(list((tmp_path / "answers").iterdir())) == len(PARTS)


def test_what_is_there_is_kept(tmp_path):
    starter.write(tmp_path, ALL[:2])
    mine = tmp_path / "answers" / f"{ALL[0][0]}.md"
    mine.write_text("my words")
    (tmp_path / "report.toml").unlink()
    started = starter.write(tmp_path, ALL[:3])
    assert started.written == [tmp_path / "report.toml", tmp_path / "answers" / f"{ALL[2][0]}.md"]
    assert started.kept == [mine, tmp_path / "answers" / f"{ALL[1][0]}.md"]
    assert mine.read_text() == "my words"


def test_the_examples_are_right(tmp_path):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "cover.png")
    starter.write(tmp_path, ALL)
    toml = tmp_path / "report.toml"
    toml.write_text(re.sub(r"^# (?=\w+ = )", "", toml.read_text(), flags=re.M))
    known = personal.load(toml)
    assert all(getattr(known, name) for name in Personal.__dataclass_fields__)
    assert set(re.findall(r"^(\w+) = ", toml.read_text(), flags=re.M)) == set(personal.keys())
    assert known.language in language.available()
    with language.use(known.language):
        assert known.date == long_date("2001-02-28")
    assert known.hero.alt == "A picture that a network drew"

    part, title = ALL[0]
    text = tmp_path / "answers" / f"{part}.md"
    assert f'"{title}"' in text.read_text()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "answers" / "picture.png")
    text.write_text(re.sub(r"^(<!--|-->)$", "", text.read_text(), flags=re.M))
    said = answers.read(tmp_path / "answers", IDS)
    assert list(said.by_part) == [part]
    assert said.notes == ()
    html = said.by_part[part].html(
        lambda latex, display: f"<math>{latex} {display}</math>", lambda png: "data:"
    )
    for piece in (
        "<em>edges</em>",
        "<math>w False</math>",
        r"<math>a = \sum_i w_i x_i + b True</math>",
        "<td",
    ):
        assert piece in html
    assert 'alt="What the picture shows"' in html


@pytest.mark.skipif(sys.platform != "linux", reason="files are kept small by Linux' means")
def test_what_a_full_disk_cuts_short_does_not_stay(tmp_path):
    """It would be kept the next time as what the user wrote."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        with pytest.raises(BadFileError, match=r"report\.toml cannot be written \(File too large\)"):
            starter.write(tmp_path, ALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFileError, match=r"file.*cannot be written|file is no folder"):
        starter.write(tmp_path / "file", ALL)
    (tmp_path / "answers").write_text("")
    with pytest.raises(BadFileError, match="answers is no folder"):
        starter.write(tmp_path, ALL)
