"""The page of a model: a real server, a real upload, and the probabilities that the folder gives."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from study.inference.ser_model import SerModel


@pytest.fixture(scope="module")
def address(model: Path) -> Iterator[str]:
    """The address of the page, which a process serves as a user would have it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        command(model, port), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        assert f"http://127.0.0.1:{port}" in line, line + server.stdout.read()
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0  # that is how it ends
    finally:
        server.kill()
        server.stdout.close()
        server.wait(30)


def command(model: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "ser_study", "page", str(model), "--port", str(port)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def read(request: urllib.request.Request | str) -> bytes:
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: bytes = answer.read()
    return content


def uploaded(address: str, path: Path) -> str:
    """Where the server has put a file that a browser would upload."""
    head = '--b\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    body = head.encode() + path.read_bytes() + b"\r\n--b--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    [place] = json.loads(read(urllib.request.Request(f"{address}/gradio_api/upload", body, kind)))
    return str(place)


def predicted(address: str, *data: Any) -> tuple[str, Any]:
    """What pressing the button comes to: "complete" or "error", and the values of the page's outputs."""
    body = json.dumps({"data": data}).encode()
    kind = {"Content-Type": "application/json"}
    event = json.loads(read(urllib.request.Request(f"{address}/gradio_api/call/predict", body, kind)))["event_id"]
    lines = read(f"{address}/gradio_api/call/predict/{event}").decode().strip().splitlines()
    return lines[-2].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: "))


def test_an_uploaded_recording_gets_the_probabilities_of_the_folder(address: str, model: Path, manifest: Path) -> None:
    recording = sorted(manifest.parent.rglob("*.wav"))[0]
    expected = SerModel.from_pretrained(model)(recording, text="hello there")
    file = {"path": uploaded(address, recording), "meta": {"_type": "gradio.FileData"}}
    event, (label, words, _) = predicted(address, file, "hello there")
    assert event == "complete"
    assert {each["label"]: each["confidence"] for each in label["confidences"]} == {
        each["label"]: pytest.approx(each["score"]) for each in expected
    }
    assert (label["label"], words) == (expected[0]["label"], "hello there")


def test_what_is_missing_is_said_and_the_page_needs_no_other_server(address: str) -> None:
    event, error = predicted(address, None, "hello")
    assert event == "error"
    assert "no recording is given" in str(error)
    config = read(f"{address}/config").decode()
    assert "was scored on nothing held out" in config
    assert json.loads(config)["analytics_enabled"] is False
    theme = read(f"{address}/theme.css").decode()
    assert "googleapis" not in theme + config
    assert "url(http" not in theme
    assert "share" not in json.dumps([each["props"].get("buttons") for each in json.loads(config)["components"]])


def test_errors_are_in_the_words_of_the_page_and_name_no_temporary_file(address: str, tmp_path: Path) -> None:
    broken, long = tmp_path / "broken.wav", tmp_path / "long.wav"
    broken.write_text("no sound")
    soundfile.write(long, np.zeros(16_000 * 41), 16_000)
    for path, expected in ((long, "`ser-study predict --window 0`"), (broken, "the recording cannot be decoded (")):
        place = uploaded(address, path)
        event, error = predicted(address, {"path": place, "meta": {"_type": "gradio.FileData"}}, "so")
        assert event == "error"
        assert expected in str(error)
        assert str(Path(place).parent) not in str(error)
        assert "=..." not in str(error)


def test_a_port_that_is_taken_is_one_line(address: str, model: Path) -> None:
    found = subprocess.run(
        command(model, int(address.rpartition(":")[2])),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 2
    assert "--port expects a port that nothing listens on" in found.stderr
    assert read(f"{address}/config")
