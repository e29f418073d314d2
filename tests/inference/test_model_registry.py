"""Model folders in MLflow: the same predictions by every way, nothing of them a pickle, found again by name."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas
import pytest

from study.app.cli import main
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.inference.ser_model import SerModel
from study.record.folder import StudyFolder
from study.sqlite_uri import sqlite_uri
from study.tracking.model_registry import log_model, registered_folder
from study.tracking.registered_name import is_alias, is_registered_name
from study.tracking.uri import check_uri

TAGS = {"study": "tiny", "level": "study"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, model: Path) -> tuple[Path, str]:
    """An output folder with a registry that has the model of `cross` as "emotions", and its address there."""
    output = tmp_path_factory.mktemp("registry")
    classes = SerModel.from_pretrained(model).labels
    return output, log_model(model, None, output, TAGS, "emotions", "champion", classes, {"trust_remote_code": False})


@pytest.fixture(scope="module")
def rows(finished: tuple[StudyFolder, Corpus]) -> list[dict[str, str]]:
    return [{"audio": str(u.audio), "text": u.words} for u in finished[1].utterances[:2]]


def expected(model: Path, rows: list[dict[str, str]]) -> list[dict[str, float]]:
    predict = SerModel.from_pretrained(model)
    return [{each["label"]: each["score"] for each in predict(row["audio"], text=row["text"])} for row in rows]


def shares(records: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [{key[2:]: value for key, value in row.items() if key.startswith("p_")} for row in records]


def test_a_registered_model_is_found_by_version_and_alias_with_its_bytes(
    registry: tuple[Path, str], model: Path
) -> None:
    output, address = registry
    assert address == "models:/emotions/1"
    for name in (address, "models:/emotions@champion"):
        found = registered_folder(name, None, output)
        assert {path.name: path.read_bytes() for path in found.iterdir()} == {
            path.name: path.read_bytes() for path in model.iterdir()
        }
    files = [path for path in output.rglob("*") if path.is_file()]
    [requirements] = [path.read_text() for path in files if path.name == "requirements.txt"]
    assert {"ser-study", "torch", "transformers"} <= {line.partition("==")[0] for line in requirements.splitlines()}
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".pt", ".bin")]


def test_what_is_not_registered_is_one_line(registry: tuple[Path, str]) -> None:
    with pytest.raises(UserError, match=r"a registered model is models:/NAME/VERSION .*emotions@other was not"):
        registered_folder("models:/emotions@other", None, registry[0])


@pytest.mark.parametrize("named", ["", "sqlite:////{output}/elsewhere/mlflow.db"])
def test_where_there_is_no_registry_none_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", named.format(output=str(tmp_path)[1:]))
    (recording := tmp_path / "a.wav").touch()
    line = ["predict", "models:/emotions@champion", str(recording), "--output", str(tmp_path / "mlruns")]
    assert main(line) == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), "there is none at" in err) == (1, True)
    assert list(tmp_path.iterdir()) == [recording]


ODD = [
    "emotions",
    "my model",
    "a.b-c_d",
    "é",
    "",
    " ",
    ".",
    "..",
    "a/b",
    "a:b",
    "champion",
    "Latest",
    "v3",
    "V12",
    "3",
    "a.b",
]


@pytest.mark.parametrize("text", ODD)
def test_names_that_are_taken_are_names_for_mlflow_too(text: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.utils import validation

    def allows(*checks: Any) -> bool:
        try:
            for check in checks:
                check(text)
        except MlflowException:
            return False
        return True

    assert is_registered_name(text) == allows(validation._validate_model_name)
    alias = validation._validate_model_alias_name, validation._validate_model_alias_name_reserved
    assert is_alias(text) == allows(*alias)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--register", "a/b"], "--register expects a name without / and :"),
        (["--register", "x" * 201], "at most 200 bytes"),
        (["--register", "a", "--alias", "latest"], "--alias expects letters, digits"),
        (["--register", "a", "--alias", "v3"], "--alias expects letters, digits"),
        (["--register", "a"], "--tracking-uri expects a running MLflow server"),
    ],
)
def test_what_cannot_be_registered_is_refused_before_anything_is_written(
    finished: tuple[StudyFolder, Corpus],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    output = finished[0].path.parent.parent
    before = sorted(output.rglob("*"))
    assert main(["export", "tiny", "--output", str(output), "--to", str(tmp_path / "to"), *arguments]) == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), message in err) == (1, True), err
    assert list(tmp_path.iterdir()) == []
    assert sorted(output.rglob("*")) == before


def test_pyfunc_gives_what_the_folder_gives_without_pickle(
    registry: tuple[Path, str], model: Path, rows: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    mlflow.set_tracking_uri(check_uri(None, registry[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's own tables
        loaded = mlflow.pyfunc.load_model("models:/emotions@champion")
    mlflow.set_tracking_uri(None)
    assert loaded.metadata.signature is not None
    columns = loaded.metadata.signature.inputs
    assert {each.name: (each.type.name, each.required) for each in columns} == {
        "audio": ("string", False),
        "text": ("string", False),
    }
    found = loaded.predict(pandas.DataFrame(rows)).to_dict("records")
    assert shares(found) == expected(model, rows)
    assert [row["label"] for row in found] == [max(row, key=lambda name: row[name]) for row in expected(model, rows)]
    content = base64.b64encode(Path(rows[0]["audio"]).read_bytes()).decode()
    given = loaded.predict(pandas.DataFrame([{**rows[0], "audio": f"data:audio/wav;base64,{content}"}]))
    assert shares(given.to_dict("records")) == expected(model, rows[:1])
    for wrong in ("data:audio/wav,abc", "data:audio/wav;base64,a", "data:audio/wav;base64,aGVsbG8=", "/no/such.wav"):
        with pytest.raises(UserError, match=r"^row 1: "):
            loaded.predict(pandas.DataFrame([rows[0], {**rows[1], "audio": wrong}]))


def test_a_server_answers_a_request_with_what_the_folder_gives(
    registry: tuple[Path, str], model: Path, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/emotions/1", "--env-manager", "local"]
    place = {"MLFLOW_TRACKING_URI": sqlite_uri(registry[0] / "mlflow.db"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            env={**os.environ, **place, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        body = json.dumps({"dataframe_records": rows}).encode()
        answer = _answer(f"http://127.0.0.1:{port}/invocations", body, server)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    for found, own in zip(shares(answer["predictions"]), expected(model, rows), strict=True):
        assert found == pytest.approx(own, abs=1e-6)


def _answer(url: str, body: bytes, server: "subprocess.Popen[bytes]") -> Any:
    """The answer of a server that may still be starting."""
    for _ in range(240):
        assert server.poll() is None, "the server has ended"
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
        except OSError:
            time.sleep(0.5)
    raise AssertionError("no answer")
