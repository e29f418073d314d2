"""A model folder on the hub: pushed to and opened from a server that answers as the hub does."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

REPO, COMMIT = "someone/emotions", "c" * 40


class Hub(BaseHTTPRequestHandler):
    """The part of the hub that pushing and opening a model need: repositories of small files."""

    files: dict[str, bytes]

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            self._json({"url": f"http://{self.headers['Host']}/{REPO}", "name": REPO})
        elif self.path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            asked = json.loads(body)["files"]
            self._json({"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]})
        elif self.path.endswith("/commit/main"):
            for line in map(json.loads, body.decode().splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._json({"commitUrl": f"http://{self.headers['Host']}/{REPO}/commit/{COMMIT}", "commitOid": COMMIT})
        else:
            self.send_error(404)

    def do_HEAD(self) -> None:
        self._file(with_body=False)

    def do_GET(self) -> None:
        if self.path.startswith(f"/api/models/{REPO}/tree/"):
            sums = {name: hashlib.sha1(content).hexdigest() for name, content in self.files.items()}
            self._json([{"type": "file", "path": n, "size": len(self.files[n]), "oid": oid} for n, oid in sums.items()])
        elif self.path.startswith(f"/api/models/{REPO}"):
            siblings = [{"rfilename": name, "size": len(content)} for name, content in self.files.items()]
            self._json({"id": REPO, "modelId": REPO, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})
        else:
            self._file(with_body=True)

    def _file(self, with_body: bool) -> None:
        content = self.files.get(self.path.partition("?")[0].removeprefix(f"/{REPO}/resolve/").partition("/")[2])
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def _json(self, found: object) -> None:
        content = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def hub() -> Iterator[tuple[str, dict[str, bytes]]]:
    """The address of an empty hub, and its files."""
    files: dict[str, bytes] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneHub", (Hub,), {"files": files}))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", files
    server.shutdown()
    thread.join()
    server.server_close()


PROGRAM = """
import json, sys
from study import SerModel
folder, repo, recording = sys.argv[1:]
own = SerModel.from_pretrained(folder)
predicted = own(recording, text="hello")
imported = sorted({"ray", "mlflow", "optuna", "sklearn", "matplotlib", "pandas"} & set(sys.modules))
own.push_to_hub(repo, token="a token")
found = SerModel.from_pretrained(repo, token="a token")
print(json.dumps([predicted, found(recording, text="hello"), imported]))
"""


def test_a_pushed_model_is_the_folder_and_opens_by_its_id_and_predicting_imports_no_search_and_no_tracker(
    hub: tuple[str, dict[str, bytes]], model: Path, manifest: Path, tmp_path: Path
) -> None:
    address, files = hub
    recording = sorted(manifest.parent.rglob("*.wav"))[0]
    environment = {
        **os.environ,
        "HF_ENDPOINT": address,
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model), REPO, str(recording)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert {path.name: path.read_bytes() for path in model.iterdir()} == files
    own, pushed, imported = json.loads(found.stdout.splitlines()[-1])
    assert own == pushed
    assert imported == []
