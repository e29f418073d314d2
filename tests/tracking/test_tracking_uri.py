"""An address that MLflow cannot use is refused at once, in one line."""

import base64
import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from study.errors import UserError
from study.tracking.uri import check_uri, experiment_link, viewer_command, without_credentials


class AnyOldServer(http.server.BaseHTTPRequestHandler):
    """Answers everything, and is no MLflow."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>welcome</html>")

    def log_message(self, format: str, *args: object) -> None:
        pass


class LockedServer(http.server.BaseHTTPRequestHandler):
    """Answers as MLflow does, to the user "me" with the password "p@ss" only."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        login = base64.b64encode(b"me:p@ss").decode()
        self.send_response(200 if self.headers.get("Authorization") == f"Basic {login}" else 401)
        self.end_headers()
        self.wfile.write(b'{"experiments": []}')

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    """The port of a server that answers by `handler`."""
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def web_server() -> Iterator[str]:
    with serving(AnyOldServer) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def locked_port() -> Iterator[int]:
    with serving(LockedServer) as port:
        yield port


def refusal(uri: str | None, output: Path) -> str:
    with pytest.raises(UserError) as raised:
        check_uri(uri, output)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_default_is_a_database_in_the_output_folder(tmp_path: Path) -> None:
    assert check_uri(None, tmp_path / "new") == f"sqlite:///{tmp_path}/new/mlflow.db"


@pytest.mark.parametrize("uri", ["mlruns", "file:./mlruns", "databricks", "postgresql://host/db", "sqlite:///", ""])
def test_only_servers_and_sqlite_files_are_taken(uri: str, tmp_path: Path) -> None:
    assert "--tracking-uri expects" in refusal(uri, tmp_path)


def test_server_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert "did not answer" in refusal(uri, tmp_path)


def test_server_that_is_no_mlflow_is_refused(web_server: str, tmp_path: Path) -> None:
    assert "did not answer as one" in refusal(web_server, tmp_path)


def test_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("dear diary", encoding="utf-8")
    assert "the file is something else" in refusal(None, tmp_path)
    assert path.read_text(encoding="utf-8") == "dear diary"


def test_check_makes_no_database(tmp_path: Path) -> None:
    check_uri(None, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_folder_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    assert "directory" in refusal(None, tmp_path)


def test_running_server_needs_no_command() -> None:
    assert viewer_command("http://tracking:5000") == ""
    assert experiment_link("http://tracking:5000", "7", "tags.level = 'study'").startswith(
        "http://tracking:5000/#/experiments/7/runs?"
    )


def test_user_and_password_in_the_address_are_sent_by_the_check_and_by_mlflow(
    locked_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    from mlflow import MlflowClient

    uri = f"http://me:p%40ss@127.0.0.1:{locked_port}"
    assert check_uri(uri, tmp_path) == uri
    assert list(MlflowClient(uri).search_experiments()) == []


def test_password_is_in_no_message_and_no_link(locked_port: int, tmp_path: Path) -> None:
    host = f"127.0.0.1:{locked_port}"
    for uri in (
        f"http://me:secret@{host}",
        f"http://me:sec/secret@{host}",
        f"http://secret/sec@{host}",
        f"http://me:sec secret@{host}",
        f"http:/me:secret@{host}",
        f"HTTPS://me:secret@[{host}",
        f"postgresql://me:secret@{host}/db",
    ):
        message = refusal(uri, tmp_path)
        assert "sec" not in message
        assert host in message
    link = experiment_link(f"http://me:secret@{host}", "7", "tags.level = 'study'")
    assert link.startswith(f"http://{host}/#/experiments/7/runs?")


def test_addresses_without_credentials_are_shown_as_they_are() -> None:
    for text in ("sqlite:////home/me@work/mlflow.db", "http://host:5000/mlflow", "no address at all"):
        assert without_credentials(text) == text


def test_wrong_password_is_refused_as_such(locked_port: int, tmp_path: Path) -> None:
    assert "it does not know this user and password" in refusal(f"http://me:wrong@127.0.0.1:{locked_port}", tmp_path)
