"""An address that MLflow cannot use is refused at once, in one line."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.errors import UserError
from study.results.tracking_uri import check_uri, experiment_link, viewer_command


class AnyOldServer(http.server.BaseHTTPRequestHandler):
    """Answers everything, and is no MLflow."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>welcome</html>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web_server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), AnyOldServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


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
    path.write_text("dear diary")
    assert "the file is something else" in refusal(None, tmp_path)
    assert path.read_text() == "dear diary"


def test_folder_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    assert "directory" in refusal(None, tmp_path)


def test_running_server_needs_no_command() -> None:
    assert viewer_command("http://tracking:5000") == ""
    assert experiment_link("http://tracking:5000", "7", "tags.level = 'study'").startswith(
        "http://tracking:5000/#/experiments/7/runs?"
    )
