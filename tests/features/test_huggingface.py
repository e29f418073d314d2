import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from study.errors import UserError
from study.features.huggingface import model_folder
from study.features.spec import EncoderSpec
from study.modalities import AUDIO

COMMIT = "a" * 40
# What published models carry beside what is needed.
UNNEEDED = {
    "README.md": b"about",
    "pytorch_model.bin": b"a twin",
    "onnx/model.onnx": b"another",
    "tf_model.h5": b"third",
}


@contextmanager
def local_hub(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that answers as the hub does for the model me/tiny: its address, and what was asked."""
    asked: list[str] = []
    listing = [
        {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        for name, content in files.items()
    ]
    model = {"id": "me/tiny", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if path.startswith("/api/models/me/tiny/tree/"):
                self.answer(json.dumps(listing).encode())
            elif path.startswith("/api/models/me/tiny"):
                self.answer(json.dumps(model).encode())
            elif f"/resolve/{COMMIT}/" in path:
                name = path.split(f"/resolve/{COMMIT}/")[1]
                asked.append(name)
                self.answer(files[name], ETag=f'"{hashlib.sha1(files[name]).hexdigest()}"')
            else:
                self.send_error(404)

        do_HEAD = do_GET

        def answer(self, content: bytes, **headers: str) -> None:
            self.send_response(200)
            for name, value in {"Content-Length": str(len(content)), "X-Repo-Commit": COMMIT, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


OPEN_TWICE = """
import huggingface_hub.constants
from study.features.spec import EncoderSpec
from study.modalities import AUDIO
online = AUDIO.open(EncoderSpec("me/tiny")).identity
huggingface_hub.constants.HF_HUB_OFFLINE = True
assert AUDIO.open(EncoderSpec("me/tiny")).identity == online
print(online["weights"])
"""


def test_a_model_of_the_hub_is_downloaded_once_and_then_opens_offline(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tiny_encoder("wavlm")
    needed = {path.name: path.read_bytes() for path in folder.iterdir()}
    with local_hub({**needed, **UNNEEDED}) as (address, asked):
        own = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        done = subprocess.run([sys.executable, "-c", OPEN_TWICE], env={**kept, **own}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == AUDIO.open(EncoderSpec(str(folder))).identity["weights"]
    assert set(asked) == set(needed)


def test_pytorch_weights_are_taken_where_there_are_no_others(
    tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert model_folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("names", [[], ["config.json"], ["model.safetensors"], ["config.json", "tf_model.h5"]])
def test_a_folder_without_configuration_or_weights_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match=r"a model folder holds config\.json"):
        model_folder(str(tmp_path))
