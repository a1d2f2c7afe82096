"""The command line of grading, and what it shows."""

import functools
import io

import pytest
from rich.console import Console

from tfviz import cli
from tfviz.course import command, rubric
from tfviz.course.rows import Graded, Row
from tfviz.weights.fetch import WeightsFile


def row(number, verdict, reason="", *, part="class_image", **more):
    return Row("דנה לוי", part, number, 1.0, None, None, verdict, reason=reason, **{"status": "pass", **more})


GRADED = Graded(
    "דנה לוי",
    (
        row("one", "borne out"),
        row("two", "not borne out", "so", theirs=True, status="fail"),
        row("three", "not borne out", "so", theirs=True),
        row("four", "not borne out", "otherwise", theirs=True),
        row("five", "cannot be measured", "no array", points=4.25),
        row("six", "cannot be measured", "older", theirs=True, part="occlusion_map"),
    ),
    points=61.5,
    out_of=100.0,
)


def test_a_line_a_part_and_reason():
    assert command.lines(GRADED) == [
        "דנה לוי: class_image: 2 numbers (two, ...): not borne out: so",
        "דנה לוי: class_image: four: not borne out: otherwise",
        "דנה לוי: occlusion_map: six: cannot be measured: older",
    ]
    assert command.lines(Graded("x", refused="It is a link.")) == ["x: not graded: It is a link."]


def test_why_a_late_submission_has_no_points_is_said():
    late = rubric.load().apply(
        Graded("levi_LATE_12_3", (row("one", "borne out"),), notes=("quick settings",))
    )
    assert command.lines(late) == ["levi_LATE_12_3: late, as Canvas marks it: no points"]


def test_the_table_counts_and_marks_no_markup():
    shown = io.StringIO()
    graded = [GRADED, Graded("[red]x[/red]", refused="no zip")]
    command.show(graded, Console(file=shown, width=150))
    text = shown.getvalue()
    (line,) = [line for line in text.splitlines() if "61.5 of 100" in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        *("דנה לוי", "61.5 of 100", "4.25", "1", "3", "2", "5", "1"),
    ]
    assert "[red]x[/red]: not graded: no zip" in text


def test_networks_that_the_grader_lacks_are_named_with_the_points_that_hang_on_them():
    def of(name, network, points, reason="the grader has no weights of alexnet; all of the points"):
        return Graded(name, (row("n", "cannot be measured", reason, network=network, points=points),) * 2)

    assert command.lacking(
        [
            of("a", "alexnet", 1.25),
            of("b", "alexnet", 2),
            of("c", "squeezenet (user's file)", 3),
            of("d", "alexnet", 0),
            of("d", "your network “mine”", 1),
            of("e", "squeezenet", 3, "a duration"),
        ]
    ) == [
        "alexnet: 6.5 points of 2 submissions (a, b) are unchecked, since you have no weights of it: "
        "--weights alexnet=FILE",
        "squeezenet (user's file): 6 points of c are unchecked, since you have no weights of it: "
        "--weights squeezenet=FILE",
        "your network “mine”: 2 points of d are unchecked, since only the student has its weights",
    ]


def test_what_is_said_of_one_submission_is_bounded():
    many = Graded("x", tuple(row(f"n{i}", "not borne out", f"reason {i}", theirs=True) for i in range(50)))
    shown = io.StringIO()
    command.show([many], Console(file=shown, width=150))
    assert "reason 5" in shown.getvalue()
    assert "reason 6" not in shown.getvalue()
    assert "x: 44 more in grades.csv" in shown.getvalue()


@pytest.mark.parametrize("arguments", [["grade", "a", "b c"], ["--grade", "a", "b c"]])
def test_both_ways_to_ask(arguments):
    name, options = cli.parse([*arguments, "--workers", "3", "--rubric", "r.toml"])
    assert name == "grade"
    assert [str(path) for path in options.paths] == ["a", "b c"]
    assert (options.workers, str(options.rubric), str(options.out)) == (3, "r.toml", "grades")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grade"], "name folders or zips"),
        (["grade", "a", "--workers", "0"], "must be positive"),
        (["grade", "a", "--seed", "-1"], "from 0 to 4294967295"),
    ],
)
def test_wrong_usage(arguments, said, capsys):
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert said in capsys.readouterr().err


def test_a_bad_rubric_or_path_stops_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command.running, "grade", None)
    out = ["--out", str(tmp_path / "out"), "--offline"]
    assert cli.main(["grade", str(tmp_path / "nowhere"), *out]) == cli.EXIT_USAGE
    assert "nowhere does not exist" in capsys.readouterr().err
    (tmp_path / "rubric.toml").write_text("parts = 3")
    assert (
        cli.main(["grade", str(tmp_path), "--rubric", str(tmp_path / "rubric.toml"), *out]) == cli.EXIT_USAGE
    )
    assert "rubric.toml" in capsys.readouterr().err


@pytest.mark.parametrize("refused", ["", "no zip"])
def test_whether_each_was_graded_is_the_answer(tmp_path, monkeypatch, refused):
    graded = [Graded("a"), Graded("b", refused=refused)]
    monkeypatch.setattr(command, "measured", lambda asked, say: graded)
    assert command.grade(command.Asked([], tmp_path)) is not bool(refused)


def test_a_seed_is_drawn_once_for_an_output_folder(tmp_path):
    lab = functools.partial(command.lab, say=lambda line: None)
    first = lab(command.Asked([], tmp_path / "a", offline=True))
    again = lab(command.Asked([], tmp_path / "a", offline=True))
    other = lab(command.Asked([], tmp_path / "b", offline=True))
    assert first.seed == again.seed != other.seed
    assert lab(command.Asked([], tmp_path / "a", offline=True, seed=7)).seed == 7


@pytest.mark.parametrize(
    ("published", "same", "label"),
    [
        (True, False, "squeezenet"),
        (False, True, "squeezenet"),  # the published weights in a file of another layout
        (False, False, "squeezenet (user's file)"),
    ],
)
def test_weights_by_hand_are_a_network_of_their_own_unless_they_are_the_published_ones(
    tmp_path, monkeypatch, published, same, label
):
    path = tmp_path / "own.h5"
    monkeypatch.setenv("TFVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "_holds_published", lambda name, path: same)

    def find(name, files=()):
        return WeightsFile(files[name], "", "", name, published) if name in files else None

    monkeypatch.setattr(command.fetch, "find", find)
    asked = command.Asked([], tmp_path, offline=True, files={"squeezenet": path})
    assert command.lab(asked, lambda line: None).files == {label: path}


def test_a_network_that_is_named_by_hand_is_not_said_to_lack(tmp_path, monkeypatch):
    monkeypatch.setenv("TFVIZ_CACHE", str(tmp_path / "cache"))
    said = []
    monkeypatch.setattr(command.fetch, "find", lambda name, files: None)
    command.lab(
        command.Asked([], tmp_path, offline=True, files={"squeezenet": tmp_path / "own.h5"}), said.append
    )
    assert [line for line in said if line.startswith("Without")]
    assert not [line for line in said if "squeezenet" in line]
