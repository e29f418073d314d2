"""Addresses of SQLite databases: paths with characters that an address reads as its own."""

from __future__ import annotations

from pathlib import Path

from study.errors import UserError

PLAIN, ESCAPED = "sqlite:///", "sqlite+pysqlite:///"
# They begin an escape, a query and a fragment.
SPECIAL = "%?#"


def sqlite_uri(path: Path) -> str:
    """The address of the database at `path`, as SQLAlchemy reads it.

    Escapes stand under another name of the driver: MLflow takes what follows the usual one for a path as it is.

    Raises:
        UserError: SQLAlchemy is too old to have an address for it.
    """
    if not any(character in str(path) for character in SPECIAL):
        return f"{PLAIN}{path}"
    from sqlalchemy import URL  # takes a while to import, and few paths are so

    uri = str(URL.create(ESCAPED.partition(":")[0], database=str(path)).render_as_string())
    if sqlite_path(uri) != path:
        raise UserError(
            f"a database's path has none of {', '.join(SPECIAL)} before SQLAlchemy 2.1; rename {path.parent}"
        )
    return uri


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite address, in which special characters need no escape; None for any other."""
    if uri.startswith(PLAIN) and uri != PLAIN:
        return Path(uri.removeprefix(PLAIN))
    if not uri.startswith(ESCAPED):
        return None
    from sqlalchemy import make_url

    name = make_url(uri).database
    return Path(name) if name else None
