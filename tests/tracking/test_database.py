"""MLflow's database is there whole or not at all, however many studies make it and wherever one was killed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from study.record.events import Event
from study.record.plan import Plan
from study.report.view import ReportView
from study.tracking.database import make_database
from study.tracking.tracker import Tracker

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


def tables(path: Path) -> set[str]:
    database = sqlite3.connect(path)
    try:
        return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        database.close()


def test_killed_while_it_is_made_leaves_none_and_the_next_study_is_tracked(
    tmp_path: Path,
    make_plan: Callable[..., Plan],
    make_ledger: Callable[..., list[Event]],
    make_view: Callable[..., ReportView],
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "mlflow.db"
    code = "import sys, pathlib, study.tracking.database as it; it.make_database(pathlib.Path(sys.argv[1]))"
    line = [sys.executable, "-W", "ignore", "-c", code, str(path)]
    making = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.DEVNULL)
    half_made = tmp_path / ".mlflow.db.new" / "mlflow.db"
    deadline = time.monotonic() + 60
    while not half_made.exists() or not half_made.stat().st_size:
        assert making.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(making.pid, signal.SIGKILL)
    making.wait()
    assert half_made.exists()
    assert not path.exists()
    events = make_ledger()
    tracker = Tracker(None, tmp_path, make_plan())
    for event in events:
        tracker(event)
    assert tracker.finish(make_view(events)).warning == ""
    assert not half_made.parent.exists()
    assert capfd.readouterr() == ("", "")


def test_database_that_is_there_is_left_as_it_is(tmp_path: Path, template_database: Path) -> None:
    path = tmp_path / "mlflow.db"
    shutil.copy(template_database, path)
    before = path.read_bytes()
    make_database(path)
    assert path.read_bytes() == before


def test_two_studies_that_begin_at_once_make_one_database(tmp_path: Path, template_database: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.touch()  # an empty file is a database without a table

    def inode_of_database(_: int) -> int:
        make_database(path)
        return path.stat().st_ino

    with ThreadPoolExecutor(2) as both:
        inodes = set(both.map(inode_of_database, range(2)))
    assert len(inodes) == 1
    assert tables(path) == tables(template_database)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".mlflow.db.lock", "mlflow.db"]
