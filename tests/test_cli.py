import json
import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from tests.fake_part import FakePart
from tfviz import cli
from tfviz.data import cifar10
from tfviz.errors import BadFileError, DataUnavailableError
from tfviz.files import program
from tfviz.parts import PARTS
from tfviz.report import page as report


@pytest.fixture
def parts(monkeypatch):
    """The command with made-up parts in place of the real ones; their sections use the real templates' names."""
    made_up = (FakePart(ID="good"), FakePart(ID="bad", error=BadFileError("x.npy is empty: copy it again.")))
    monkeypatch.setattr(cli, "PARTS", made_up)
    return made_up


@pytest.fixture
def templates(tmp_path_factory, monkeypatch):
    """The real page around templates of the made-up parts."""
    folder = tmp_path_factory.mktemp("templates")
    for name in ("base.html", "macros.html", "report.css"):
        (folder / name).write_text((program.templates() / name).read_text())
    (folder / "parts").mkdir()
    for name in ("good", "bad"):
        (folder / "parts" / f"{name}.html").write_text(
            '{% from "macros.html" import value, figure %}<p>It is {{ value(result, "sum") }}.</p>'
            '{{ figure(result, "line") }}'
        )
    monkeypatch.setattr(report, "templates", lambda: folder)


def exit_status(arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    return stopped.value.code


def test_done(tmp_path, parts, templates, capsys):
    assert cli.main(["--only", "good", "--out", str(tmp_path), "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert "1 pass   0 fail   1 missing   0 not comparable" in printed
    html = (tmp_path / "report.html").read_text()
    assert 'src="figures/good/line.svg"' in html
    assert "This part did not run" in html
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    grades = json.loads((tmp_path / "grades.json").read_text())
    assert [row["status"] for row in grades["verdicts"]] == ["pass", "missing"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [part["status"] for part in manifest["parts"]] == ["done", "not run"]
    assert parts[0].runs[0].context.seed == 3


def test_a_failed_part_gives_1_and_the_report_shows_it(tmp_path, parts, templates, capsys):
    assert cli.main(["--out", str(tmp_path)]) == 1
    assert "bad: failed: x.npy is empty: copy it again." in capsys.readouterr().out
    assert "x.npy is empty" in (tmp_path / "report.html").read_text()


def test_report_only_runs_nothing(tmp_path, parts, templates, capsys):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    (tmp_path / "report.html").unlink()
    assert cli.main(["--report-only", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").exists()
    assert len(parts[0].runs) == 1


def test_a_result_of_another_version_is_named_and_not_shown(tmp_path, parts, templates, capsys):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    stored = tmp_path / "results" / "good.json"
    stored.write_text(stored.read_text().replace('"sum"', '"total"'))
    capsys.readouterr()
    assert cli.main(["--report-only", "--out", str(tmp_path)]) == 0
    assert "good: not run: its stored result is not of this version of the program" in capsys.readouterr().out
    assert "its stored result is not of this version" in (tmp_path / "report.html").read_text()


def test_one_damaged_result_does_not_cost_the_report(tmp_path, parts, templates, capsys):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    (tmp_path / "results" / "bad.json").write_text("{")
    assert cli.main(["--only", "good", "--out", str(tmp_path)]) == 0
    assert "bad.json cannot be read" in capsys.readouterr().out


def test_a_result_of_another_schema_is_named_and_not_shown(tmp_path, parts, templates, capsys):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    stored = tmp_path / "results" / "good.json"
    stored.write_text(stored.read_text().replace('"schema": 2', '"schema": 1'))
    capsys.readouterr()
    assert cli.main(["--report-only", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "good.json was stored by another version of the program (schema 1" in printed
    assert "schema 1" in (tmp_path / "report.html").read_text()


def test_lost_figures_are_drawn_again(tmp_path, parts, templates):
    cli.main(["--only", "good", "--out", str(tmp_path)])
    drawn = (tmp_path / "figures" / "good" / "line.svg").read_bytes()
    for arguments in (["--report-only"], ["--only", "good"]):
        shutil.rmtree(tmp_path / "figures")
        assert cli.main([*arguments, "--out", str(tmp_path)]) == 0
        assert (tmp_path / "figures" / "good" / "line.svg").read_bytes() == drawn
    assert len(parts[0].runs) == 1


def test_a_figure_that_fails_costs_that_figure_and_the_status_says_so(tmp_path, parts, templates, capsys):
    parts[0].drawing_error = ValueError("no <b>room</b>")
    assert cli.main(["--only", "good", "--out", str(tmp_path)]) == 1
    assert "good: figure line could not be drawn: ValueError: no <b>room</b>" in capsys.readouterr().out
    html = (tmp_path / "report.html").read_text()
    assert "This figure could not be drawn:</b> ValueError: no &lt;b&gt;room" in html
    assert "It is" in html, "the numbers stay"
    grades = json.loads((tmp_path / "grades.json").read_text())
    assert grades["verdicts"][0]["status"] == "pass"
    parts[0].drawing_error = None
    assert cli.main(["--only", "good", "--out", str(tmp_path)]) == 0
    assert len(parts[0].runs) == 1
    assert "could not be drawn" not in (tmp_path / "report.html").read_text()


def test_report_only_without_results(tmp_path, parts, capsys):
    assert cli.main(["--report-only", "--out", str(tmp_path)]) == 2
    assert "holds no results" in capsys.readouterr().err


def test_no_pango_gives_3_and_the_html(tmp_path, parts, templates, capsys, monkeypatch):
    def refuse(out, page):
        raise report.PdfUnavailableError(f"no Pango: {report.PANGO}")

    monkeypatch.setattr(report, "write_pdf", refuse)
    assert cli.main(["--only", "good", "--out", str(tmp_path)]) == 3
    assert (tmp_path / "report.html").exists()
    assert "apt-get install" in capsys.readouterr().err


def test_list(parts, capsys):
    assert cli.main(["--list"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["good", "A"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--only", "conv1_unit"], "no part conv1_unit; there are: good, bad"),
        (["--only"], "expected at least one argument"),
        (["--wrong"], "unrecognized arguments: --wrong"),
        (["--seed", "x"], "invalid int value"),
        (["--seed", "-1"], "from 0 to 4294967295"),
        (["--seed", "4294967296"], "from 0 to 4294967295"),
        (["--train", "fast", "--only", "good"], "--only names neither"),
        (["--train", "slow"], "invalid choice: 'slow'"),
        (["--weights", "alexnet"], "write NAME=FILE"),
        (["--weights", "resnet=a.pth"], "no network resnet; there are: alexnet"),
    ],
)
def test_wrong_usage_gives_2(parts, arguments, says, capsys):
    assert exit_status(arguments) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "does not exist"), (b"", "empty"), (b"\x80\x02cposix\nsystem\n.", "posix.system")],
)
def test_a_bad_weights_file_stops_before_anything_runs(tmp_path, parts, content, says, capsys):
    file = tmp_path / "mine.pth"
    if content is not None:
        file.write_bytes(content)
    assert cli.main(["--weights", f"alexnet={file}", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert str(file) in error
    assert error.count("\n") == 1
    assert parts[0].runs == []


def test_the_users_inputs_reach_the_parts(tmp_path, parts, templates):
    Image.new("RGB", (40, 30)).save(tmp_path / "mine.png")
    arguments = [
        "--image",
        str(tmp_path / "mine.png"),
        "--source-class",
        "golden retriever",
        "--target-class",
        "9",
    ]
    out = tmp_path / "out"
    (tmp_path / "test_batch").write_bytes(b"looked for, not read")
    assert cli.main([*arguments, "--only", "good", "--out", str(out), "--data-dir", str(tmp_path)]) == 0
    inputs = parts[0].runs[0].context.inputs
    assert (inputs.image, inputs.source_class, inputs.target_class) == (tmp_path / "mine.png", 207, 9)
    assert inputs.data_dir == tmp_path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--image", "none.png"], "none.png does not exist"),
        (["--source-class", "crane"], "134 (crane), 517 (crane)"),
        (["--target-class", "1000"], "from 0 to 999"),
        (["--pictures", "none"], "none is not a folder"),
        (["--data-dir", "none"], "none is not a folder"),
    ],
)
def test_unusable_inputs_stop_before_anything_runs(tmp_path, parts, arguments, says, capsys):
    assert cli.main([*arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert parts[0].runs == []


def test_an_output_folder_that_cannot_be_made(tmp_path, parts, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["--out", str(tmp_path / "file" / "out")]) == 2
    assert "Not a directory" in capsys.readouterr().err


def test_interrupted(tmp_path, parts, capsys):
    parts[0].error = KeyboardInterrupt()
    assert cli.main(["--out", str(tmp_path)]) == 130
    assert "run again to go on" in capsys.readouterr().err


@pytest.fixture
def trained(monkeypatch, tmp_path_factory):
    """A part that asks for CIFAR-10, which is neither here nor to be had but from a replaced `fetch`."""
    part = FakePart(ID="cifar_cnn", INPUTS=("data_dir", "train"))
    monkeypatch.setattr(cli, "PARTS", (part, FakePart(ID="good")))
    monkeypatch.setattr(cli, "_publish", lambda out, asked_for: 0)
    monkeypatch.setattr(cifar10, "find", lambda data_dir=None: data_dir)
    part.asked = []

    def fetch(*, offline, progress, say):
        part.asked.append(offline)
        if offline:
            raise DataUnavailableError("CIFAR-10 is not to be had: downloads are forbidden (--offline).")
        return tmp_path_factory.mktemp("cache")

    monkeypatch.setattr(cifar10, "fetch", fetch)
    return part


def test_only_training_fetches_cifar10(tmp_path, trained, capsys):
    def run(*arguments):
        return cli.main([*arguments, "--out", str(tmp_path / "out")])

    assert run() == 0
    assert trained.asked == []
    assert trained.runs[-1].context.inputs.data_dir is None
    assert run("--train", "smoke") == 0
    assert trained.asked == [False]
    assert trained.runs[-1].context.inputs.train == "smoke"
    assert trained.runs[-1].context.inputs.data_dir.is_dir()
    count = len(trained.runs)
    assert run("--train", "smoke", "--offline") == 2
    assert len(trained.runs) == count
    assert "--offline" in capsys.readouterr().err
    assert run("--train", "smoke", "--data-dir", str(tmp_path)) == 0
    assert trained.asked == [False, True], "what was named is not fetched"
    assert trained.runs[-1].context.inputs.data_dir == tmp_path


def test_run_all_and_the_module_are_the_same_command(tmp_path):
    for command in (["run_all.py"], ["-m", "tfviz"]):
        done = subprocess.run(
            [sys.executable, *command, "--list"],
            capture_output=True,
            text=True,
            check=True,
            cwd=program.CHECKOUT,
        )
        assert done.stdout.splitlines()[0].split()[0] == PARTS[0].ID
        assert len(done.stdout.splitlines()) == len(PARTS)


def test_a_framework_that_is_not_known_is_refused_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "run_all.py", "--only", "conv1_units", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=program.CHECKOUT,
        env={**os.environ, "KERAS_BACKEND": "theano"},
    )
    assert done.returncode == 2
    assert "Keras is set to run on 'theano'" in done.stderr
    assert done.stderr.count("\n") == 1
