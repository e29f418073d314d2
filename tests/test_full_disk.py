"""A disk that is full: the study pauses and says so, nothing is spoilt, and the same command goes on."""

import errno
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from benchmarks.fault_study import BUDGET, OPTIONS, write_corpus
from study.record.events import RunLost
from study.record.folder import StudyFolder
from study.record.ledger import read

ROOT = Path(__file__).resolve().parents[1]


# In a process of its own: the limit would hold for the file that this one's output may go to.
SMALL_FILES = """
import resource, sys
from pathlib import Path
from study.files import StorageFull, append_durably, write_file
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
path = Path(sys.argv[1])
"""


def where_no_file_may_exceed_1000_bytes(code: str, path: Path) -> str:
    """What `code` prints."""
    script = SMALL_FILES + dedent(code)
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_line_that_has_no_room_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    output = where_no_file_may_exceed_1000_bytes(
        r"""
        append_durably(path, b"a" * 599 + b"\n")
        try:
            append_durably(path, b"b" * 599 + b"\n")
        except StorageFull as full:
            print(full)
        assert path.read_bytes() == b"a" * 599 + b"\n"
        append_durably(path, b"c" * 99 + b"\n")
        """,
        path,
    )
    assert "ledger.jsonl could not be written (File too large); free some space" in output
    assert path.read_bytes() == b"a" * 599 + b"\n" + b"c" * 99 + b"\n"


def test_a_file_that_has_no_room_is_not_replaced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    output = where_no_file_may_exceed_1000_bytes(
        """
        write_file(path, "old")
        try:
            write_file(path, "new" * 1000)
        except StorageFull:
            print("no room")
        """,
        path,
    )
    assert output.strip() == "no room"
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path | None]:
    """A disk of 48 MB; None for a user who cannot mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", place], capture_output=True)
    yield None if mounted.returncode else place
    if not mounted.returncode:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return filler


def paused_and_continued(output: Path, home: Path, exhaust: Callable[[int, Path], Callable[[], None]]) -> str:
    """What a study prints whose ledger finds no room after some lines, and which goes on once there is room again.

    `exhaust(pid, ledger)` leaves the driver no room, and gives the function that makes room again.
    """
    corpus = write_corpus(home / "corpus")
    line = [sys.executable, str(ROOT / "study" / "run.py"), *OPTIONS, *BUDGET, "--corpus", str(corpus)]
    line += ["--configs", "2", "--epochs", "4", "--concurrency", "1", "--output", str(output)]
    folder = StudyFolder.of(output, "faults")
    with subprocess.Popen(
        line, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    ) as driver:
        while driver.poll() is None and (not folder.ledger.exists() or folder.ledger.read_bytes().count(b"\n") < 12):
            time.sleep(0.05)
        make_room = exhaust(driver.pid, folder.ledger)
        printed, _ = driver.communicate(timeout=240)
    assert driver.returncode == 1, printed
    assert "free some space on that disk" in printed
    assert f"then go on with:\n  python {ROOT / 'study' / 'run.py'} --variant text" in printed
    assert "Traceback" not in printed
    before = folder.ledger.read_bytes()
    assert before.endswith(b"\n")
    assert not [event for event in read(folder.ledger) if isinstance(event, RunLost)]
    make_room()
    finished = subprocess.run(line, cwd=home, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert folder.ledger.read_bytes().startswith(before)
    assert not [path for path in folder.path.rglob(".*") if path.is_file()]
    return printed


@pytest.mark.slow
def test_a_full_disk_pauses_a_study_which_goes_on_once_there_is_room(disk: Path | None, tmp_path: Path) -> None:
    """On a disk of its own; for a user who cannot mount one, the driver may write no file beyond the ledger's size."""

    def exhaust(driver: int, ledger: Path) -> Callable[[], None]:
        if disk is not None:
            return fill(disk).unlink
        size = ledger.stat().st_size if ledger.exists() else 0
        resource.prlimit(driver, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return lambda: None  # the limit ends with the process

    printed = paused_and_continued((disk or tmp_path) / "mlruns", tmp_path, exhaust)
    assert ("No space left on device" if disk else "ledger.jsonl could not be written (File too large)") in printed
