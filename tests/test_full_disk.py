"""A disk that is full: the study pauses and says so, nothing is spoilt, and the same command goes on."""

import errno
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.fault_study import BUDGET, OPTIONS, write_corpus
from study.files import StorageFull, append_durably, write_file
from study.record.events import RunLost
from study.record.folder import StudyFolder
from study.record.ledger import read
from tests.plugins.small_disk import small_files

ROOT = Path(__file__).resolve().parents[1]


def test_a_line_that_has_no_room_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path, before = tmp_path / "ledger.jsonl", b"a" * 599 + b"\n"
    full = r"ledger\.jsonl could not be written \(File too large\); free some space"
    with small_files(1000):
        append_durably(path, before)
        with pytest.raises(StorageFull, match=full):
            append_durably(path, b"b" * 599 + b"\n")
        assert path.read_bytes() == before
        append_durably(path, b"c" * 99 + b"\n")
    assert path.read_bytes() == before + b"c" * 99 + b"\n"


def test_a_file_that_has_no_room_is_not_replaced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    with small_files(1000):
        write_file(path, "old")
        with pytest.raises(StorageFull):
            write_file(path, "new" * 1000)
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
