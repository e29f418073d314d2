"""`check` with encoders: what they would make of a corpus, and nothing is kept."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from study.app.cli import main


def test_check_says_what_encoders_would_make_of_a_corpus(
    tiny_manifest: Path, tiny_encoder: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = list(csv.reader(tiny_manifest.read_text(encoding="utf-8").splitlines()))
    rows[3][3], rows[4][3] = "dog " * 280, "0 " * 20
    with tiny_manifest.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    bert, output = str(tiny_encoder("bert")), tmp_path / "out"
    line = ["check", str(tiny_manifest), "--audio-encoder", "logmel", "--text-encoder", bert, "--output", str(output)]
    assert main(line) == 0
    printed = capsys.readouterr().out
    assert "audio by logmel: about " in printed
    assert "frames (12.5 a second) of 43 values" in printed
    assert f"text by {bert}: about " in printed
    assert "12 utterances to extract, in about" in printed
    assert "a2 has 280 tokens, of which tiny-bert does not read 242" in printed
    assert not output.exists()
    # Its vocabulary has no digits.
    assert "of the corpus's tokens are not in its vocabulary" in printed
    assert main(["features", *line[2:], "--corpus", str(tiny_manifest), "--variant", "audio"]) == 0
    capsys.readouterr()
    assert main(line) == 0
    assert "audio by logmel: extracted already, " in capsys.readouterr().out


def test_an_encoder_that_cannot_be_opened_is_a_problem_and_the_other_is_estimated(
    tiny_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["check", str(tiny_manifest), "--output", str(tmp_path / "out")]
    assert main([*line, "--audio-encoder", str(tmp_path), "--text-encoder", "hash"]) == 1
    printed = capsys.readouterr().out
    assert (
        f"a model folder holds config.json and model*.safetensors (or pytorch_model*.bin), {tmp_path} does" in printed
    )
    assert "text by hash: about " in printed
    assert main(line) == 0
    assert " by " not in capsys.readouterr().out
