"""Extraction on an imitated cluster gives the bytes of threads, whatever dies; one story, told once, in one process."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.app.cli import main
from study.corpus.utterance import Corpus
from study.features.extract import Progress
from study.features.prepare import pack_of
from study.features.spec import EncoderSpec
from tests.plugins import extraction_story
from tests.plugins.extraction_story import AUDIO_OF_TWOS, BLOCK, KILLER, SIZE, TEXT_OF_TWOS

ROOT = Path(__file__).resolve().parents[2]
# Makes Ray listen on loopback alone, without a token; workers then find the project as if it were installed.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(ROOT)}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[[str], Path], write_tones: Callable[..., Corpus]
) -> Path:
    folder = tmp_path_factory.mktemp("story")
    for name in ("hubert", "bert"):
        (folder / f"tiny-{name}").symlink_to(tiny_encoder(name))
    write_manifest(folder / "manifest.csv", write_tones(folder / "wav", SIZE))
    return folder


def write_manifest(path: Path, corpus: Corpus) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "utterance_id", "label", "text", "speaker", "group"])
        for number, each in enumerate(corpus.utterances):
            label, group = ("calm", "tense")[number % 2], number // 2 % 3
            writer.writerow([f"wav/{each.audio.name}", each.id, label, each.words, f"s{group}", f"g{group}"])


@pytest.fixture(scope="module")
def facts(folder: Path) -> dict[str, Any]:
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | LOOPBACK
    line = [sys.executable, extraction_story.__file__, str(folder)]
    told = subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert told.returncode == 0, told.stdout + told.stderr
    *printed, last = told.stdout.splitlines()
    return {**json.loads(last), "printed": printed, "errors": told.stderr}


@pytest.fixture(scope="module")
def corpus(folder: Path, write_tones: Callable[..., Corpus]) -> Corpus:
    return write_tones(folder / "wav", SIZE)


@pytest.fixture(scope="module")
def hubert(folder: Path) -> EncoderSpec:
    return EncoderSpec(str(folder / "tiny-hubert"))


def test_one_and_three_machines_give_the_bytes_of_threads(
    facts: dict[str, Any], folder: Path, corpus: Corpus, hubert: EncoderSpec
) -> None:
    """Those of three machines after one of them and one of their processes have died."""
    text = pack_of(corpus, TEXT_OF_TWOS, EncoderSpec(str(folder / "tiny-bert")), folder / "here")
    audio = pack_of(corpus, AUDIO_OF_TWOS, hubert, folder / "here")
    for here, name in ((text, "one"), (audio, "three")):
        assert (folder / name / here.name).read_bytes() == here.read_bytes()
        assert not list((folder / name).glob("*.parts"))


def test_every_machine_is_counted_and_one_without_the_gpu_that_it_should_have_is_marked(facts: dict[str, Any]) -> None:
    assert len(facts["one"]) == 1
    assert len(facts["three"]) == 3
    assert all(name.endswith("(no GPU)") for name in facts["one"] + facts["three"]), "the GPUs are made up"


def test_a_process_and_a_machine_were_lost_in_the_middle_and_nothing_of_it_is_printed(facts: dict[str, Any]) -> None:
    first, second = facts["lost after"]
    assert 3 * BLOCK <= first < second < SIZE
    assert "raylet" not in facts["errors"] + "".join(facts["printed"])


def test_what_is_done_is_on_disk_at_once_so_that_a_driver_that_is_killed_loses_nothing_of_it(
    facts: dict[str, Any],
) -> None:
    """How the next command goes on from there is tested with threads, which save by the same function."""
    assert all(saved >= done for done, saved in zip(facts["lost after"], facts["then on disk"], strict=True))


def test_the_driver_never_uses_a_gpu_and_threads_would(facts: dict[str, Any]) -> None:
    assert facts["attempts by the driver"] == 0
    assert facts["attempts by threads"] > 0


def test_a_block_that_ends_two_processes_is_named_and_all_others_are_kept(
    facts: dict[str, Any], folder: Path, corpus: Corpus
) -> None:
    assert (
        f"{BLOCK} of {SIZE} could not be encoded, the others are kept: u012: its block of {BLOCK} ended two"
        in facts["killed"]
    )
    assert KILLER in facts["killed"]
    calls: list[Progress] = []
    path = pack_of(corpus, AUDIO_OF_TWOS, EncoderSpec("logmel"), folder / "killer", on_progress=calls.append)
    assert calls[0].utterances_reused == SIZE - BLOCK
    here = pack_of(corpus, AUDIO_OF_TWOS, EncoderSpec("logmel"), folder / "here")
    assert path.read_bytes() == here.read_bytes()


def test_files_that_machines_cannot_read_end_it_with_a_line_that_says_what_to_do(facts: dict[str, Any]) -> None:
    assert "every machine that extracts features reads the corpus and opens the encoder" in facts["gone"]
    assert re.search(r"it cannot read \S+/wav/0\.wav \(No such file or directory\)", facts["gone"])
    assert "storage that all machines share" in facts["gone"]


def test_the_command_extracts_on_the_cluster(
    facts: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert facts["command"] == 0
    assert "starting workers ..." in facts["printed"]
    monkeypatch.chdir(folder)
    line = ["features", "--corpus", "manifest.csv", "--variant", "audio", "--output", "here"]
    assert main([*line, "--audio-encoder", str(folder / "tiny-hubert")]) == 0
    (there,) = (folder / "command" / "features").glob("*.safetensors")
    assert there.read_bytes() == (folder / "here" / "features" / there.name).read_bytes()
