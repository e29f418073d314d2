"""Errors are in the words of the door that they leave by: no option in Python, no temporary file anywhere."""

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from study import SerModel
from study.app.cli import main
from study.errors import UserError
from study.inference.door import PAGE, PYTHON, SERVED
from study.inference.mlflow_loader import ServedModel
from study.inference.recognition import Recogniser

ROOT = Path(__file__).parents[2]
# What Python, a server and a page call.
REACHED = [
    *(f"inference/{name}.py" for name in "ser_model predictor encoding recognition recording remarks ensemble".split()),
    *(f"features/{name}.py" for name in "huggingface model_faults audio words".split()),
]
OPTION = re.compile(r"--[a-z{][a-z{}-]*")


@pytest.mark.parametrize("name", REACHED)
def test_every_option_that_a_message_names_has_words_at_every_door(name: str) -> None:
    text = (ROOT / "study" / name).read_text(encoding="utf-8")
    named = {found.replace("{modality}", "audio") for found in OPTION.findall(text)}
    for door in (PYTHON, SERVED, {**PAGE, "--audio-encoder": "given to the command that starts the page"}):
        assert named <= {option.split()[0] for option in door}


@pytest.fixture(scope="module")
def loaded(model: Path) -> SerModel:
    return SerModel.from_pretrained(model)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, np.zeros(16_000 * 41), 16_000)
    return str(path)


def refusal(use, *arguments, **more) -> str:
    with pytest.raises(UserError) as refused:
        use(*arguments, **more)
    return str(refused.value)


def test_python_names_its_own_arguments(loaded, model, long, manifest, tiny_encoder):
    other = str(tiny_encoder("wavlm"))
    wav = str(manifest.parent / "said-00.wav")
    lines = {
        "give them with text=..., or have them recognised with asr=...": refusal(loaded, wav),
        "as a whole with window=0": refusal(loaded, long, text="well"),
        "the speech recogniser is a model folder or a hub id such as openai/whisper-small": refusal(
            SerModel.from_pretrained, model, asr="no recogniser"
        ),
        "the array of samples (utterance array)": refusal(
            loaded, np.full(100, np.nan), sampling_rate=16_000, text="so"
        ),
        'with encoders={"audio": ...}': refusal(SerModel.from_pretrained, model, encoders={"audio": other}),
    }
    for expected, line in lines.items():
        assert expected in line
        assert not re.search(r"--[a-z]", line)
        assert tempfile.gettempdir() not in line.replace(long, "").replace(other, "")
        assert "\n" not in line


def test_a_recogniser_that_fails_is_not_called_an_encoder(tmp_path, tiny_encoder):
    """Files of another model: the message is of a recogniser."""
    line = refusal(Recogniser(str(tiny_encoder("bert"))).load)
    assert "a speech recogniser (Whisper" in line
    assert not re.search(r"encoder\b", line.replace(str(tiny_encoder("bert")), ""))


def test_the_command_line_names_its_options(capsys, model, long, tiny_encoder):
    for arguments, expected in (
        ([long, "--text", "well"], "as a whole with --window 0"),
        ([long, "--asr", "no recogniser"], "the speech recogniser is a model folder"),
        ([long, "--audio-encoder", str(tiny_encoder("wavlm"))], "name the right one with --audio-encoder"),
    ):
        assert main(["predict", str(model), *arguments]) in (1, 2)
        assert expected in capsys.readouterr().err


def test_a_server_names_the_column(loaded, manifest):
    import pandas

    row = {"audio": str(manifest.parent / "said-00.wav"), "text": None}
    line = refusal(ServedModel(loaded).predict, pandas.DataFrame([row]))
    assert line.startswith("row 0: variant cross reads words, and none are given; give them with the column text")
    damaged = {"audio": "data:audio/wav;base64,aGVsbG8=", "text": "so"}
    line = refusal(ServedModel(loaded).predict, pandas.DataFrame([damaged]))
    assert tempfile.gettempdir() not in line
    assert "the recording" in line
