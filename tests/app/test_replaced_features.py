"""A study goes on with the features that it was begun with: other audio or other weights are another study."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import transformers
from rich.console import Console

from study.app.cli import main, parser
from study.app.extraction import extract_features, wanted_features
from study.app.options import settings_of
from study.app.planning import make_plan
from study.corpus.source import open_corpus
from study.record.folder import StudyFolder
from study.record.plan import Plan
from tests.report.toy import settings_of as params_of
from tests.report.toy import write_study

SMALL = ("--configs", "2", "--epochs", "2", "--seeds", "0", "--policy", "asha", "--sampler", "qmc")


def begun(output: Path, *options: str) -> tuple[list[str], StudyFolder]:
    """The command of a finished study, whose predictions are made up, and its folder."""
    line = ["run", *options, *SMALL, "--output", str(output), "--name", "own"]
    settings, folder = settings_of(parser().parse_args(line)), StudyFolder.of(output, "own")
    corpus, console = open_corpus(settings.corpus, ()), Console(quiet=True)
    features = wanted_features(corpus, settings)
    extract_features(features, corpus, settings, console, "a test")
    choices = {modality: [each.choice for each in own] for modality, own in features.items()}
    params = {name: params_of(name, 2) for name in settings.variants}
    write_study(folder, make_plan(settings, corpus, choices, "own"), params)
    return line, folder


def refusal(capsys: pytest.CaptureFixture[str], line: list[str]) -> str:
    capsys.readouterr()
    assert main(line) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "give this study another --name, or start over with --fresh" in error
    return error


def test_another_recording_under_an_old_name_is_refused_and_nothing_is_lost(
    tiny_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--variant", "audio", "--corpus", str(tiny_manifest), "--audio-encoder", "logmel")
    line, folder = begun(tmp_path / "out", *options)
    ledger, packs = folder.ledger.read_bytes(), sorted(folder.features.glob("audio-*"))
    (old,) = (path.stem for path in packs if path.suffix == ".safetensors")
    recording = tiny_manifest.parent / "audio" / "b2.wav"
    before = recording.read_bytes()
    soundfile.write(recording, np.full(3200, 0.1), 16_000)
    error = refusal(capsys, line)
    assert f"cannot continue own with other settings: audio features by logmel were {old}, now audio-logmel-" in error
    assert "(1 of 12 utterances has changed (b2))" in error
    # Nothing is extracted for a study that may not go on, with more configurations or without.
    refusal(capsys, [*line, "--configs", "4"])
    assert sorted(folder.features.glob("audio-*")) == packs
    assert folder.ledger.read_bytes() == ledger
    (folder.features / f"{old}.safetensors").unlink()
    assert "is not known, since that pack is gone" in refusal(capsys, line)
    recording.write_bytes(before)
    assert main(line) == 0  # a finished study needs no features
    assert "finished already" in capsys.readouterr().out


def test_other_weights_in_an_encoder_s_folder_are_refused(
    tiny_manifest: Path, tiny_encoder: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = Path(shutil.copytree(tiny_encoder("bert"), tmp_path / "own-bert"))
    options = ("--variant", "text", "--corpus", str(tiny_manifest), "--text-encoder", str(encoder))
    line, _ = begun(tmp_path / "out", *options)
    model = transformers.AutoModel.from_pretrained(encoder)
    model.embeddings.word_embeddings.weight.data.mul_(2)
    model.save_pretrained(encoder)
    error = refusal(capsys, line)
    assert f"text features by {encoder} were text-own-bert-" in error
    assert "(its weights were " in error
    assert "utterances" not in error.split("(its weights were ")[1]


def test_an_output_folder_that_was_moved_has_the_study_and_its_features(
    tiny_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--variant", "text", "--corpus", str(tiny_manifest), "--text-encoder", "hash")
    line, _ = begun(tmp_path / "out", *options)
    moved = (tmp_path / "out").rename(tmp_path / "elsewhere")
    there = StudyFolder.of(moved, "own")
    assert Path(Plan.read(there).pack("text")) == next(there.features.glob("*.safetensors"))
    assert main([str(moved) if each == str(tmp_path / "out") else each for each in line]) == 0
    assert "finished already" in capsys.readouterr().out
