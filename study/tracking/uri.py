"""Where MLflow keeps a study: the address checked before it is relied on, and how to look at it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shlex
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from study.errors import UserError
from study.sqlite_uri import PLAIN, sqlite_path, sqlite_uri

SERVER_SECONDS = 5.0
PORT = 5000
SQLITE_MAGIC = b"SQLite format 3\x00"


def default_uri(output: Path) -> str:
    """The address of the database that an output folder has, or would have."""
    return sqlite_uri(output.absolute() / "mlflow.db")


def check_uri(uri: str | None, output: Path) -> str:
    """The tracking URI to use: `uri`, or a database in `output` where none is given.

    Raises:
        UserError: it is no place that MLflow can write to: no server answers there, or it is no database.
    """
    if uri is None:
        uri = default_uri(output)
    if uri.partition("://")[0].lower() in ("http", "https"):
        _check_server(uri)
        return uri.rstrip("/")
    path = sqlite_path(uri)
    if path is not None:
        _check_database(path.absolute())
        return sqlite_uri(path.absolute())
    raise UserError(
        f"--tracking-uri expects http://host:port of an MLflow server, or {PLAIN}path/of/mlflow.db; found "
        f"{without_credentials(uri)!r}; any other store belongs behind a server"
    )


def without_credentials(text: str) -> str:
    """The `text` without the user and password of any address in it, "http://host:5000" for "http://me:pw@host:5000".

    In doubt it removes too much: a password may have characters that should have been escaped.
    """
    return re.sub(r"(\w:/{1,2})[^/].*@", r"\1", text)


def viewer_command(uri: str) -> str:
    """The command to run before the link opens; empty where a server runs already."""
    if sqlite_path(uri) is None:
        return ""
    return f"mlflow ui --backend-store-uri {shlex.quote(uri)} --port {PORT} --workers 1"


def experiment_link(uri: str, experiment: str, only: str) -> str:
    """The page that compares an experiment's runs in charts, those only that the search `only` finds."""
    server = f"http://127.0.0.1:{PORT}" if sqlite_path(uri) else _split_credentials(uri)[0]
    page = f"{server}/#/experiments/{experiment}/runs"
    return f"{page}?workflowType=machine_learning&searchFilter={quote(only)}&compareRunsMode=CHART"


def _split_credentials(uri: str) -> tuple[str, dict[str, str]]:
    """The address of a server without its user and password, and the header that carries these."""
    parts = urlsplit(uri)
    credentials, _, host = parts.netloc.rpartition("@")
    if not credentials:
        return uri, {}
    encoded = base64.b64encode(unquote(credentials).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {encoded}"}


def _check_server(uri: str) -> None:
    found = ""
    try:
        found = _answer(*_split_credentials(uri))
    except (OSError, ValueError, http.client.HTTPException) as error:
        found = without_credentials(str(getattr(error, "reason", error))) or type(error).__name__
    if found:
        raise UserError(
            f"--tracking-uri expects a running MLflow server; {without_credentials(uri)} did not answer as one "
            f"({found}); start it with `mlflow server`, or leave the option out to write to a file"
        )


def _answer(address: str, headers: Mapping[str, str]) -> str:
    """What keeps the server at `address` from being used; empty for nothing."""
    if "@" in address:
        return "/, ?, # and @ in a name or password are written as %2F, %3F, %23 and %40"
    page = f"{address.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(page, headers=dict(headers)), timeout=SERVER_SECONDS
        ) as answer:
            json.load(answer)
    except urllib.error.HTTPError as error:
        return _refusal(error.code, with_credentials=bool(headers))
    return ""


def _refusal(code: int, *, with_credentials: bool) -> str:
    """Why a server that answers with `code` cannot be used; empty if MLflow will know how to log in."""
    if code == 403:
        return "HTTP 403: is the host in its --allowed-hosts?"
    if code != 401:
        return f"HTTP {code}"
    if with_credentials:
        return "HTTP 401: it does not know this user and password"
    if "MLFLOW_TRACKING_USERNAME" in os.environ or "MLFLOW_TRACKING_TOKEN" in os.environ:
        return ""
    return "it asks for MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment"


def _check_database(path: Path) -> None:
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):  # SQLite writes its journal beside the database
            pass
        if path.exists():
            with path.open("r+b") as file:
                if file.read(len(SQLITE_MAGIC)) not in (b"", SQLITE_MAGIC):
                    problem = "the file is something else"
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        raise UserError(
            f"MLflow needs an SQLite database that it can write to; {path}: {problem}; "
            "choose another place with --tracking-uri or --output"
        )
