"""Makes MLflow's SQLite database whole or not at all: a process that is killed while it does so leaves none behind."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock

from study.files import sync
from study.sqlite_uri import sqlite_uri

LOCK_SECONDS = 60.0
# The folder beside the database.
ARTIFACTS = "artifacts"


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
            _create_tables(complete, artifacts=path.parent / ARTIFACTS)
            sync(complete)
            os.replace(complete, path)
            sync(path.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def follow_folder(path: Path) -> None:
    """Let experiments and runs of a database that was moved to `path` have their artifacts beside it.

    MLflow keeps absolute addresses and has no way to change them. Where the database was made is seen from the
    experiment that every database begins with.
    """
    now = (path.parent / ARTIFACTS).as_uri()
    with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection, connection:
        first = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
        was = str(first[0]).removesuffix("/0") if first else now
        if was == now or not was.startswith("file://") or not was.endswith(f"/{ARTIFACTS}"):
            return
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(
                f"UPDATE {table} SET {column} = :now || substr({column}, length(:was) + 1) "
                f"WHERE {column} = :was OR substr({column}, 1, length(:was) + 1) = :was || '/'",
                {"was": was, "now": now},
            )


def _create_tables(path: Path, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(sqlite_uri(path), artifacts.as_uri())
    store.engine.dispose()  # no connection stays open to a file that is about to move
