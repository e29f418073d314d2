"""A disk that is full: the study pauses and says so, nothing is spoilt, and the same command goes on."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from benchmarks.fault_study import BUDGET, OPTIONS, write_corpus

ROOT = Path(__file__).resolve().parents[1]


# In a process of its own: the limit would hold for the file that this one's output may go to.
SMALL_FILES = """
import resource, sys
from pathlib import Path
from study.storage import StorageFull, append, put
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
    told = where_no_file_may_exceed_1000_bytes(
        r"""
        append(path, b"a" * 599 + b"\n")
        try:
            append(path, b"b" * 599 + b"\n")
        except StorageFull as full:
            print(full)
        assert path.read_bytes() == b"a" * 599 + b"\n"
        append(path, b"c" * 99 + b"\n")
        """,
        path,
    )
    assert "ledger.jsonl could not be written (File too large); free some space" in told
    assert path.read_bytes() == b"a" * 599 + b"\n" + b"c" * 99 + b"\n"


def test_a_file_that_has_no_room_is_not_replaced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    told = where_no_file_may_exceed_1000_bytes(
        """
        put(path, "old")
        try:
            put(path, "new" * 1000)
        except StorageFull:
            print("no room")
        """,
        path,
    )
    assert told.strip() == "no room"
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a disk")
    yield place
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


@pytest.mark.slow
def test_a_full_disk_pauses_a_study_which_goes_on_once_there_is_room(disk: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    line = [sys.executable, str(ROOT / "study" / "run.py"), *OPTIONS, *BUDGET, "--corpus", str(corpus)]
    line += ["--concurrency", "1", "--output", str(disk / "mlruns")]
    folder = disk / "mlruns" / "studies" / "faults"
    ledger = folder / "ledger.jsonl"
    with subprocess.Popen(
        line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    ) as driver:
        while driver.poll() is None and (not ledger.exists() or ledger.read_bytes().count(b"\n") < 12):
            time.sleep(0.05)
        filler = fill(disk)
        told, _ = driver.communicate(timeout=240)
    assert driver.returncode == 1, told
    assert "No space left on device" in told
    assert "free some space on that disk" in told
    assert "then go on with:\n  python study/run.py --variant text" in told
    assert "Traceback" not in told
    before = ledger.read_bytes()
    assert before.endswith(b"\n")
    assert not [record for record in map(json.loads, before.splitlines()) if record["kind"] == "lost"]
    filler.unlink()
    finished = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert ledger.read_bytes().startswith(before)
    assert not [path for path in folder.rglob(".*") if path.is_file()]
