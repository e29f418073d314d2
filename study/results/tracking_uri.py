"""Where MLflow keeps a study: the address checked before it is relied on, and how to look at it."""

import http.client
import json
import os
import shlex
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

from study.errors import UserError

SERVER_SECONDS = 5.0
PORT = 5000
SQLITE = "sqlite:///"
SQLITE_MAGIC = b"SQLite format 3\x00"


def check_uri(uri: str | None, output: Path) -> str:
    """The tracking URI to use: `uri`, or a database in `output` where none is given.

    Raises:
        UserError: it is no place that MLflow can write to: no server answers there, or it is no database.
    """
    if uri is None:
        uri = f"{SQLITE}{output.absolute() / 'mlflow.db'}"
    if urlsplit(uri).scheme in ("http", "https"):
        _check_server(uri)
        return uri.rstrip("/")
    if uri.startswith(SQLITE) and len(uri) > len(SQLITE):
        path = Path(uri.removeprefix(SQLITE)).absolute()
        _check_database(path)
        return f"{SQLITE}{path}"
    raise UserError(
        f"--tracking-uri expects http://host:port of an MLflow server, or {SQLITE}path/of/mlflow.db; found {uri!r}; "
        "any other store belongs behind a server"
    )


def viewer_command(uri: str) -> str:
    """What to type before the link opens; empty where a server runs already."""
    if not uri.startswith(SQLITE):
        return ""
    return f"mlflow ui --backend-store-uri {shlex.quote(uri)} --port {PORT} --workers 1"


def experiment_link(uri: str, experiment: str, only: str) -> str:
    """The page that compares an experiment's runs in charts, those only that the search `only` finds."""
    server = f"http://127.0.0.1:{PORT}" if uri.startswith(SQLITE) else uri
    page = f"{server}/#/experiments/{experiment}/runs"
    return f"{page}?workflowType=machine_learning&searchFilter={quote(only)}&compareRunsMode=CHART"


def _check_server(uri: str) -> None:
    found = ""
    request = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1"
    try:
        with urllib.request.urlopen(request, timeout=SERVER_SECONDS) as answer:
            json.load(answer)
    except urllib.error.HTTPError as error:
        known = "MLFLOW_TRACKING_USERNAME" in os.environ or "MLFLOW_TRACKING_TOKEN" in os.environ
        if error.code != 401:
            found = (
                f"HTTP {error.code}: is the host in its --allowed-hosts?" if error.code == 403 else f"HTTP {error.code}"
            )
        elif not known:
            found = "it asks for MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment"
    except (OSError, ValueError, http.client.HTTPException) as error:
        found = str(getattr(error, "reason", error)) or type(error).__name__
    if found:
        raise UserError(
            f"--tracking-uri expects a running MLflow server; {uri} did not answer as one ({found}); "
            "start it with `mlflow server`, or leave the option out to write to a file"
        )


def _check_database(path: Path) -> None:
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
        with path.open("rb") as file:
            if file.read(len(SQLITE_MAGIC)) not in (b"", SQLITE_MAGIC):
                problem = "the file is something else"
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        raise UserError(
            f"MLflow needs an SQLite database that it can write to; {path}: {problem}; "
            "choose another place with --tracking-uri or --output"
        )
