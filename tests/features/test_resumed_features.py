import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.extract import Progress
from study.features.pack import Pack
from study.features.prepare import pack_of
from study.features.spec import EncoderSpec
from study.features.turn import Waiting
from study.modalities import AUDIO, MODALITIES


@pytest.fixture(scope="module")
def specs(tiny_encoder: Callable[[str], Path]) -> dict[str, str]:
    return {"audio": str(tiny_encoder("hubert")), "text": str(tiny_encoder("bert"))}


def test_a_finished_pack_of_another_layer_is_not_a_source(tones: Corpus, specs: dict[str, str], tmp_path: Path) -> None:
    few = replace(tones, utterances=tones.utterances[:3])
    pack_of(few, AUDIO, EncoderSpec(specs["audio"], "1"), tmp_path)
    path = pack_of(few, AUDIO, EncoderSpec(specs["audio"], "2"), tmp_path)
    assert path.read_bytes() == pack_of(few, AUDIO, EncoderSpec(specs["audio"], "2"), tmp_path / "clean").read_bytes()


def interrupt(progress: Progress) -> None:
    """What pressing Ctrl-C after the first block does."""
    if progress.utterances_done > 0:
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["audio", "text"])
def test_an_interrupted_extraction_goes_on_to_the_same_bytes(
    tones: Corpus, specs: dict[str, str], tmp_path: Path, name: str
) -> None:
    modality, spec = replace(MODALITIES[name], block=4), EncoderSpec(specs[name])
    whole = pack_of(tones, modality, spec, tmp_path / "whole")

    with pytest.raises(KeyboardInterrupt):
        pack_of(tones, modality, spec, tmp_path / "cut", on_progress=interrupt, workers=1)
    calls: list[Progress] = []
    resumed = pack_of(tones, modality, spec, tmp_path / "cut", on_progress=calls.append)
    assert 0 < calls[0].utterances_reused < 80
    assert resumed.read_bytes() == whole.read_bytes()


def extract(corpus: Corpus, folder: Path, kill_after: int) -> None:
    """Extracts in blocks of four, and dies without a word once more than `kill_after` utterances are done."""

    def kill(progress: Progress | Waiting) -> None:
        if isinstance(progress, Progress) and progress.utterances_done > kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    pack_of(corpus, replace(AUDIO, block=4), EncoderSpec("logmel"), folder, on_progress=kill, workers=1)


# One process imports the libraries; those that extract are forked from it, before it has done anything.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["study.modalities", "study.features.prepare", __name__])


def in_another_process(corpus: Corpus, folder: Path, kill_after: int) -> BaseProcess:
    process = FORKS.Process(target=extract, args=(corpus, folder, kill_after))
    process.start()
    return process


def test_a_killed_extraction_goes_on_to_the_same_bytes(tones: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    killed = in_another_process(tones, folder, kill_after=8)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert not list(folder.glob("*.safetensors"))
    calls: list[Progress] = []
    resumed = pack_of(tones, AUDIO, EncoderSpec("logmel"), folder, on_progress=calls.append)
    assert 8 < calls[0].utterances_reused < 80
    assert resumed.read_bytes() == pack_of(tones, AUDIO, EncoderSpec("logmel"), tmp_path / "whole").read_bytes()
    assert not list(folder.glob("*.parts"))


def test_two_processes_at_once_make_one_pack(tones: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    both = [in_another_process(tones, folder, kill_after=999) for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert len(list(folder.glob("*.safetensors"))) == 1
    Pack.open(pack_of(tones, AUDIO, EncoderSpec("logmel"), folder)).verify()


def test_blocks_of_another_layer_are_not_used(specs: dict[str, str], tones: Corpus, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pack_of(tones, AUDIO, EncoderSpec(specs["audio"], "1"), tmp_path, on_progress=interrupt, workers=1)
    (parts,) = tmp_path.glob("*.parts")
    calls: list[Progress] = []
    path = pack_of(tones, AUDIO, EncoderSpec(specs["audio"], "2"), tmp_path, on_progress=calls.append)
    assert calls[0].utterances_reused == 0
    assert path.read_bytes() == pack_of(tones, AUDIO, EncoderSpec(specs["audio"], "2"), tmp_path / "clean").read_bytes()
    assert parts.exists()


def test_a_damaged_block_is_made_again(specs: dict[str, str], tones: Corpus, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pack_of(tones, AUDIO, EncoderSpec(specs["audio"], "1"), tmp_path, on_progress=interrupt, workers=1)
    for block in tmp_path.glob("*.parts/*.safetensors"):
        content = bytearray(block.read_bytes())
        content[-10] ^= 1
        block.write_bytes(content)
    path = pack_of(tones, AUDIO, EncoderSpec(specs["audio"], "1"), tmp_path)
    assert path.read_bytes() == pack_of(tones, AUDIO, EncoderSpec(specs["audio"], "1"), tmp_path / "clean").read_bytes()


def test_fewer_classes_or_more_utterances_cost_only_what_is_new(tones: Corpus, tmp_path: Path) -> None:
    calls: list[Progress] = []
    most = replace(tones, utterances=tones.utterances[:70])
    pack_of(most, AUDIO, EncoderSpec("logmel"), tmp_path)
    path = pack_of(tones, AUDIO, EncoderSpec("logmel"), tmp_path, on_progress=calls.append)
    assert calls[0].utterances_reused == 70
    assert path.read_bytes() == pack_of(tones, AUDIO, EncoderSpec("logmel"), tmp_path / "clean").read_bytes()
    some = replace(tones, utterances=tones.utterances[5:9])
    calls.clear()
    assert Pack.open(pack_of(some, AUDIO, EncoderSpec("logmel"), tmp_path, on_progress=calls.append)).ids == (
        "u005",
        "u006",
        "u007",
        "u008",
    )
    assert not calls


def test_files_that_cannot_be_read_are_told_together_and_cost_nothing_else(
    write_tones: Callable[..., Corpus], tmp_path: Path
) -> None:
    corpus = write_tones(tmp_path / "wav")
    good = corpus.utterances[10].audio.read_bytes()
    for number in (10, 11, 40, 70):
        corpus.utterances[number].audio.write_bytes(b"no audio")
    with pytest.raises(UserError, match=r"4 of 80.*10\.wav.*11\.wav.*40\.wav.*\| \.\.\.$") as refusal:
        pack_of(corpus, AUDIO, EncoderSpec("logmel"), tmp_path / "f")
    assert "\n" not in str(refusal.value)
    corpus.utterances[10].audio.write_bytes(good)
    kept = tuple(u for u in corpus.utterances if u.audio.read_bytes() != b"no audio")
    calls: list[Progress] = []
    path = pack_of(
        replace(corpus, utterances=kept), AUDIO, EncoderSpec("logmel"), tmp_path / "f", on_progress=calls.append
    )
    assert calls[0].utterances_reused == 76
    assert len(Pack.open(path).ids) == 77
