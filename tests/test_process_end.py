"""What a command that ended prints: how to go on, without passwords, and nothing after it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study import process

ROOT = Path(__file__).resolve().parents[1]


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["study/run.py", *arguments])
    return process.typed_command()


def test_the_command_can_be_typed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    line = typed(monkeypatch, "--variant", "self,cross", "--output", "my runs")
    assert line == "python study/run.py --variant self,cross --output 'my runs'"


def test_going_on_never_starts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert typed(monkeypatch, "--fresh", "--seed", "1") == "python study/run.py --seed 1"


@pytest.mark.parametrize("form", ["--tracking-uri {}", "--tracking-uri={}"])
@pytest.mark.parametrize("password", ["secret", "se@cret", "se/cret", "http://secret"])
def test_a_password_is_not_printed_and_the_line_says_so(
    monkeypatch: pytest.MonkeyPatch, form: str, password: str
) -> None:
    line = typed(monkeypatch, *form.format(f"http://me:{password}@tracking:5000").split(" ", 1))
    assert "secret" not in line
    assert "cret" not in line
    assert "@tracking:5000" in line
    assert line.endswith("(*** stands for the user and password that you typed)")


# A library that takes a second to end, as Ray does; interrupted then, it would print a traceback.
ENDING = """
import atexit, sys, time
from study import process
def main():
    print("interrupted", flush=True)
    return 130
atexit.register(time.sleep, 20)
process.run_to_exit(main)
"""


def test_an_interrupt_after_the_last_line_ends_the_process_without_another() -> None:
    line = [sys.executable, "-c", ENDING]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    heed = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    with subprocess.Popen(
        line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=heed
    ) as ending:
        assert ending.stdout is not None
        assert ending.stdout.readline() == b"interrupted\n"
        time.sleep(0.3)
        ending.send_signal(signal.SIGINT)
        assert ending.stdout.read() == b""
        assert ending.wait(10) == 130


def test_a_process_that_ends_on_the_spot_leaves_its_last_words_in_the_log_too(tmp_path: Path) -> None:
    program = (
        "import sys; from study import process; log = open(sys.argv[1], 'a')\n"
        "with process.last_words_to(log.fileno()): process.end_with('the head of the cluster is lost', 1)\n"
    )
    line = [sys.executable, "-c", program, str(tmp_path / "log")]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=30)
    assert done.returncode == 1
    assert "error: the head of the cluster is lost. Go on with:" in done.stderr
    assert (tmp_path / "log").read_text(encoding="utf-8") == done.stderr.lstrip("\n")


def test_the_handler_that_tune_leaves_behind_does_not_stay() -> None:
    """It sets a flag for a loop that has ended: an interrupt of what comes after, the report, would do nothing."""
    from ray.tune.tune import _setup_signal_catching

    before = signal.getsignal(signal.SIGINT)
    with process.handlers_restored():
        _setup_signal_catching()
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
