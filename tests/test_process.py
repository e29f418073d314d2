"""Interrupts at any moment of a command: the exit code, and the way to go on."""

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from study.process import show_any_text

ROOT = Path(__file__).resolve().parents[1]
# A command that says when it has come so far, and then does something long.
PROGRAM = """
import sys, time
from study import process
sys.argv = ["study/run.py", "--variant", "cross"]
def main():
    print("begun", flush=True)
    try:
        if sys.orig_argv[-1] == "working":
            process.raise_on_interrupt()
            print("working", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print(process.go_on_message())
        return 130
    return 0
process.run_to_exit(main)
"""


@pytest.mark.parametrize("moment", ["begun", "working"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_exits_with_130_and_says_how_to_go_on(moment: str, number: signal.Signals) -> None:
    line = [sys.executable, "-c", PROGRAM, moment]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != moment:
            assert process.poll() is None
        process.send_signal(number)
        printed, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert printed == "interrupted; nothing is lost. Go on with:\n  python study/run.py --variant cross\n"
    assert error == ""


# Places where Python prints an exception and goes on, or where one leaves the lock of imports held.
NOWHERE = """
import os, signal, sys, threading
from importlib import _bootstrap
from study import process
sys.argv = ["study/run.py", "--variant", "cross"]
def interrupt():
    os.kill(os.getpid(), signal.SIGTERM)
class Ended:
    def __del__(self):
        interrupt()
class Locks:
    def __init__(self, locks):
        self.locks, self.of = locks, {"cb", "_get_module_lock"}
    def __getattr__(self, name):
        return getattr(self.locks, name)
    def acquire_lock(self):
        self.locks.acquire_lock()
        if sys._getframe(1).f_code.co_name in self.of:
            self.of = set()
            interrupt()
def others_import():
    other = threading.Thread(target=__import__, args=["wave"], daemon=True)
    other.start()
    other.join(10)
    return not other.is_alive()
def main():
    process.raise_on_interrupt()
    try:
        if sys.orig_argv[-1] == "finalizer":
            Ended()
        else:
            _bootstrap._imp = Locks(_bootstrap._imp)
            import colorsys
        signal.pause()
    except KeyboardInterrupt:
        print(process.go_on_message() if others_import() else "imports hang")
        return 130
process.run_to_exit(main)
"""


@pytest.mark.parametrize("place", ["finalizer", "import"])
def test_an_interrupt_is_not_lost_where_python_raises_none(place: str) -> None:
    done = subprocess.run([sys.executable, "-c", NOWHERE, place], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout == "interrupted; nothing is lost. Go on with:\n  python study/run.py --variant cross\n"


def test_the_process_leaves_with_the_exit_code_of_its_command_and_all_of_its_output() -> None:
    program = "from study import process; process.run_to_exit(lambda: print('done') or 3)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (3, "done\n", "")


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", ".5 ± .1 · 愤怒 \\udce6"),
        ("latin-1", ".5 ± .1 · \\u6124\\u6012 \\udce6"),
        ("ascii", ".5 +- .1 - \\u6124\\u6012 \\udce6"),
    ],
)
def test_a_terminal_of_any_encoding_takes_any_text(encoding: str, shown: str) -> None:
    """The last character stands for a byte in the name of a file that is none of its encoding."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding)
    show_any_text(stream, io.StringIO())
    stream.write(".5 ± .1 · 愤怒 \udce6")
    stream.flush()
    assert written.getvalue().decode(encoding) == shown


def test_a_cluster_that_ended_by_the_signal_that_ends_the_study_is_an_interrupt(tmp_path: Path) -> None:
    """A signal to the whole group: the head is gone before the study has taken it in."""
    code = """
import os, signal
from study import process
from study.execution.head_watch import end_process
process.raise_on_interrupt()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    end_process("the head is gone")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "")
    assert "interrupted; nothing is lost" in done.stdout


def test_a_python_without_the_packages_is_named_with_the_command_that_installs_them() -> None:
    line = [sys.executable, "-S", "study/run.py", "--variant", "cross"]  # -S: without the installed packages
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    [printed] = done.stderr.splitlines()
    assert printed.startswith("ser-study needs the package filelock, which ")
    assert printed.endswith(f"-m pip install -e {ROOT}")
