"""Makes MLflow's SQLite database whole or not at all: a process that is killed while it does so leaves none behind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from filelock import FileLock

from study.files import sync

LOCK_SECONDS = 60.0


def make_database(path: Path) -> None:
    """Make an MLflow database at `path`, unless one is there. Imports MLflow, which takes seconds.

    MLflow's own way is to create its tables in place, one by one, and to refuse a database that has some of them.
    So they are created in a folder beside `path`, and the database is put in its place when it is complete.

    Raises:
        filelock.Timeout: another process has been making it for a minute.
    """
    folder = path.with_name(f".{path.name}.new")
    with FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_SECONDS):
        shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
        if path.exists() and path.stat().st_size:
            return
        folder.mkdir()
        try:
            complete = folder / path.name
            _create_tables(complete, artifacts=path.parent / "artifacts")
            sync(complete)
            os.replace(complete, path)
            sync(path.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _create_tables(path: Path, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{path}", artifacts.as_uri())
    store.engine.dispose()  # no connection stays open to a file that is about to move
