"""A quiet run prints warnings and errors alone; a log has every line with its time, and how the run ended."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from study.app.cli import main
from study.app.output import print_line, print_progress, print_raw
from study.app.place import PrintOptions
from study.app.printing import printed
from study.errors import UserError

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  "


def logged(path: Path) -> list[str]:
    """The lines of a log after the first, the command, without their times; each of them has one."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    assert all(re.match(STAMP, line) for line in lines)
    return [re.sub(STAMP, "", line) for line in lines][1:]


def test_a_log_has_what_is_printed_and_the_terminal_still_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.log"
    with printed(PrintOptions(log_file=path), Console()) as console:
        print_line(console, "[/red] corpus $x$", style="dim")
        print_progress(console, "config 3 stopped")
        print_raw(console, "half a li")
        print_raw(console, "ne\n")
    expected = ["[/red] corpus $x$", "config 3 stopped", "half a line"]
    assert capsys.readouterr().out.splitlines() == expected
    assert logged(path) == expected
    with printed(PrintOptions(log_file=path), Console()) as console:
        print_line(console, "again")
    assert logged(path)[:3] == expected, "a log is appended to"


def test_a_quiet_run_prints_warnings_alone_and_its_log_has_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.log"
    for options in (PrintOptions(quiet=True), PrintOptions(quiet=True, log_file=path)):
        with printed(options, Console()) as console:
            print_line(console, "corpus")
            print_line(console, "it keeps more than was asked for", style="yellow")
            print_progress(console, "config 3 stopped")
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.split() == "it keeps more than was asked for".split()
    assert logged(path) == ["corpus", "it keeps more than was asked for", "config 3 stopped"]


def test_a_view_that_is_drawn_on_a_terminal_leaves_lines_and_no_drawing_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a console that takes itself for one on a terminal
    path, screen = tmp_path / "run.log", io.StringIO()
    with printed(PrintOptions(log_file=path), Console()) as console:
        console.file = screen
        assert console.is_terminal
        with Live("a drawing", console=console, transient=True):
            print_progress(console, "config 3 stopped")
            print_line(console, "a warning", style="yellow")
    assert "a drawing" in screen.getvalue()
    assert "config 3" not in screen.getvalue(), "the view shows it"
    assert "\x1b" not in path.read_text(encoding="utf-8")
    assert logged(path) == ["config 3 stopped", "a warning"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("no room"), "error: no room"),
        (KeyboardInterrupt(), "interrupted; nothing is lost. Go on with:"),
        (ZeroDivisionError("by 0"), "error: ZeroDivisionError: by 0"),
    ],
)
def test_a_log_says_how_a_run_ended(tmp_path: Path, error: BaseException, line: str) -> None:
    path = tmp_path / "run.log"
    with pytest.raises(type(error)), printed(PrintOptions(log_file=path), Console()):
        raise error
    assert logged(path)[0] == line


def test_a_log_that_cannot_be_written_is_one_line_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none" / "run.log"
    assert main(["run", "--log-file", str(path), "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert (
        error == f"error: --log-file expects a file that can be written; {path} is none (No such file or directory)\n"
    )
    assert not (tmp_path / "out").exists()
