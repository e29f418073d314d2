"""Extraction on an imitated cluster gives the bytes of threads, whatever dies; one story, told once, in one process."""

import csv
import json
import os
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
from tests.plugins.extraction_story import AUDIO_OF_FOURS, BLOCK, KILLER, SIZE, TEXT_OF_FOURS

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
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def corpus(folder: Path, write_tones: Callable[..., Corpus]) -> Corpus:
    return write_tones(folder / "wav", SIZE)


@pytest.mark.parametrize("name", ["one", "three"])
@pytest.mark.parametrize("kind", ["audio", "text", "logmel"])
def test_one_and_three_machines_give_the_bytes_of_threads(
    facts: dict[str, Any], folder: Path, corpus: Corpus, name: str, kind: str
) -> None:
    """Those of three machines also after one of them and one of their processes died."""
    if (name, kind) == ("one", "logmel"):
        pytest.skip("an encoder without weights was on three machines alone")
    modality, spec = {
        "audio": (AUDIO_OF_FOURS, EncoderSpec(str(folder / "tiny-hubert"))),
        "text": (TEXT_OF_FOURS, EncoderSpec(str(folder / "tiny-bert"))),
        "logmel": (AUDIO_OF_FOURS, EncoderSpec("logmel")),
    }[kind]
    here = pack_of(corpus, modality, spec, folder / "here")
    there = folder / name / here.name
    assert there.read_bytes() == here.read_bytes()
    assert not list((folder / name).glob("*.parts"))


def test_encoders_with_weights_are_where_gpus_are_and_others_on_every_machine(facts: dict[str, Any]) -> None:
    assert len(facts["machines without weights"]) == 3
    assert len(facts["machines with weights"]) == 2
    assert all(name.endswith("(no GPU)") for name in facts["machines with weights"]), "the GPUs are made up"


def test_a_process_and_a_machine_were_lost_in_the_middle(facts: dict[str, Any]) -> None:
    first, second = facts["lost after"]
    assert BLOCK <= first < second < SIZE


def test_the_driver_never_uses_a_gpu_and_threads_would(facts: dict[str, Any]) -> None:
    assert facts["driver's attempts to use a GPU"] == 0
    assert facts["attempts by threads"] > 0


def test_a_block_that_kills_two_processes_is_named_and_all_others_are_kept(
    facts: dict[str, Any], folder: Path, corpus: Corpus
) -> None:
    number = int(KILLER[1:]) // BLOCK * BLOCK
    assert (
        f"{BLOCK} of {SIZE} could not be encoded, the others are kept: u{number:03} is in a block of 4 that ended"
        in (facts["killed"])
    )
    calls: list[Progress] = []
    spec = EncoderSpec(str(folder / "tiny-hubert"))
    path = pack_of(corpus, AUDIO_OF_FOURS, spec, folder / "killer", on_progress=calls.append)
    assert calls[0].utterances_reused == SIZE - BLOCK
    assert path.read_bytes() == (folder / "three" / path.name).read_bytes()


def test_after_a_driver_was_killed_the_next_command_goes_on(
    facts: dict[str, Any], folder: Path, corpus: Corpus
) -> None:
    assert facts["driver"] == -9
    calls: list[Progress] = []
    spec = EncoderSpec(str(folder / "tiny-hubert"))
    path = pack_of(corpus, AUDIO_OF_FOURS, spec, folder / "driver", on_progress=calls.append)
    assert 2 * BLOCK <= calls[0].utterances_reused < SIZE
    assert path.read_bytes() == (folder / "three" / path.name).read_bytes()


def test_files_that_machines_cannot_read_end_it_with_a_line_that_says_what_to_do(facts: dict[str, Any]) -> None:
    assert "every machine that extracts features reads the corpus and opens the encoder" in facts["gone"]
    assert "it cannot read " in facts["gone"]
    assert "gone/0.wav (No such file or directory)" in facts["gone"]
    assert "storage that all machines share" in facts["gone"]


def test_the_command_extracts_on_the_cluster(
    facts: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = facts["command"]
    assert code == 0, printed
    assert "starting workers ..." in printed
    monkeypatch.chdir(folder)
    line = ["features", "--corpus", "manifest.csv", "--variant", "audio", "--output", "here"]
    assert main([*line, "--audio-encoder", str(folder / "tiny-hubert")]) == 0
    (there,) = (folder / "cli" / "features").glob("*.safetensors")
    assert there.read_bytes() == (folder / "here" / "features" / there.name).read_bytes()
