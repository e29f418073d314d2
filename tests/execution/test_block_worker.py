"""What a process on another machine checks before it encodes, and what it encodes: as threads of the driver do."""

import os
import pickle
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from study.corpus.utterance import Corpus, Utterance, Video
from study.errors import UserError
from study.execution.block_worker import NO_GPU, BlockWorker, EncodedBlock, Order, versions
from study.features.encoder import Encoded
from study.features.spec import EncoderSpec
from study.modalities import AUDIO, TEXT, VIDEO
from tests.plugins.films import grey, write_film
from tests.plugins.tiny_vision import save_tiny_vision


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")


def order(name: str, **other: object) -> Order:
    encoder = AUDIO.open(EncoderSpec(name))
    own = Order(AUDIO, [EncoderSpec(name)], False, dict(encoder.identity), versions(name not in AUDIO.built_in), 0)
    return replace(own, **other)


def contents_of(corpus: Corpus) -> dict[str, str]:
    return AUDIO.contents(corpus, AUDIO.open(EncoderSpec("logmel")))


def encoded(worker: BlockWorker, block: Sequence[Utterance], contents: dict[str, str]) -> EncodedBlock:
    return worker.encode(block, [contents[utterance.id] for utterance in block])


def test_it_encodes_what_threads_do_and_sees_no_gpu_that_it_was_not_given(
    tiny_encoder: Callable[[str], Path], tones: Corpus
) -> None:
    worker, contents, block = BlockWorker(order(str(tiny_encoder("hubert")))), contents_of(tones), tones.utterances[:3]
    ready = worker.start(block[0], contents[block[0].id])
    assert (ready.fault, ready.device) == ("", NO_GPU)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    encoder = AUDIO.open(EncoderSpec(str(tiny_encoder("hubert"))))
    expected = [each for each in AUDIO.encode(encoder, block) if isinstance(each, Encoded)]
    found = encoded(worker, block, contents)
    assert (found.fault, found.failures) == ("", [])
    assert [each.utterance.id for each in found.encoded] == [each.id for each in block]
    assert all(torch.equal(a.frames, b.frames) for a, b in zip(found.encoded, expected, strict=True))


def test_an_utterance_that_cannot_be_encoded_is_a_line_and_the_others_are_there(
    write_tones: Callable[..., Corpus], tmp_path: Path
) -> None:
    corpus = write_tones(tmp_path / "wav", 3)
    corpus.utterances[1].audio.write_bytes(b"no audio")
    contents, worker = contents_of(corpus), BlockWorker(order("logmel"))
    assert worker.start(corpus.utterances[0], contents["u000"]).fault == ""
    found = encoded(worker, corpus.utterances, contents)
    assert [each.utterance.id for each in found.encoded] == ["u000", "u002"]
    (line,) = found.failures
    assert "u001" in line
    (local,) = AUDIO.encode(AUDIO.open(EncoderSpec("logmel")), corpus.utterances[1:2])
    assert isinstance(local, UserError)
    assert line == str(local)


def test_another_encoder_under_the_name_is_refused(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_encoder("hubert"), tmp_path / "own")
    asked = order(str(folder))
    shutil.copy(tiny_encoder("wavlm") / "model.safetensors", folder)
    first = Utterance("u", tmp_path / "u.wav", "", "a", "1", "1")
    fault = BlockWorker(asked).start(first, "").fault
    assert fault == "its encoder own is another than the driver's, in weights"
    shutil.rmtree(folder)
    assert "own" in BlockWorker(asked).start(first, "").fault


def test_other_versions_are_refused() -> None:
    fault = BlockWorker(order("logmel", versions={"torch": "1.0"})).start(Utterance("u", Path("u"), "", "", "", ""), "")
    assert fault.fault == f"it has torch {torch.__version__.partition('+')[0]}, and the driver 1.0"


def test_a_file_that_is_not_there_or_another_is_a_fault_and_no_feature(
    write_tones: Callable[..., Corpus], tmp_path: Path
) -> None:
    corpus = write_tones(tmp_path / "wav", 3)
    contents, worker = contents_of(corpus), BlockWorker(order("logmel"))
    assert worker.start(corpus.utterances[0], contents["u000"]).fault == ""
    shutil.copy(corpus.utterances[0].audio, corpus.utterances[1].audio)
    found = encoded(worker, corpus.utterances, contents)
    assert found.fault == (
        f"what it reads of utterance u001 is not what the driver reads ({corpus.utterances[1].audio})"
    )
    assert not found.encoded
    corpus.utterances[2].audio.unlink()
    gone = encoded(worker, corpus.utterances[2:], contents).fault
    assert gone == f"it cannot read {corpus.utterances[2].audio} (No such file or directory)"
    assert BlockWorker(order("logmel")).start(corpus.utterances[2], contents["u002"]).fault == gone


def test_words_need_no_file(tiny_encoder: Callable[[str], Path], tones: Corpus) -> None:
    encoder = TEXT.open(EncoderSpec("hash"))
    contents = TEXT.contents(tones, encoder)
    worker = BlockWorker(Order(TEXT, [EncoderSpec("hash")], False, dict(encoder.identity), versions(False), 0))
    block = [replace(utterance, audio=Path("nowhere")) for utterance in tones.utterances[:2]]
    assert worker.start(block[0], contents["u000"]).fault == ""
    assert len(encoded(worker, block, contents).encoded) == 2


def test_films_are_encoded_as_threads_do_and_another_film_is_no_feature(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_film(tmp_path / name, lambda seconds: np.hstack([grey(40 + 30 * seconds), grey(200)]), 3.0, 10)
    (tmp_path / "c.mp4").write_text("no film")
    spec = EncoderSpec(str(save_tiny_vision("dinov2", tmp_path / "dinov2")))
    encoder = VIDEO.open(spec)
    parts = [Video(tmp_path / "a.mp4", n, n + 1.5, "left") for n in (1.0, 0.0)]
    videos = [*parts, Video(tmp_path / "b.mp4"), Video(tmp_path / "c.mp4")]
    block = [Utterance(f"u{n}", Path(), "", "a", "1", "1", video=video) for n, video in enumerate(videos)]
    contents = VIDEO.contents(Corpus("films", ("a",), tuple(block)), encoder)
    asked = Order(VIDEO, [spec], False, dict(encoder.identity), versions(True), 0)
    worker = BlockWorker(pickle.loads(pickle.dumps(asked)))  # as Ray brings it there
    assert worker.start(block[0], contents["u0"]).fault == ""
    expected = [each for each in VIDEO.encode(encoder, block) if isinstance(each, Encoded)]
    found = pickle.loads(pickle.dumps(encoded(worker, pickle.loads(pickle.dumps(block)), contents)))
    assert [each.utterance for each in found.encoded] == block[:3]
    assert all(torch.equal(a.frames, b.frames) for a, b in zip(found.encoded, expected, strict=True))
    assert not torch.equal(found.encoded[0].frames, found.encoded[1].frames)
    (line,) = found.failures
    assert "c.mp4 (utterance u3) cannot be decoded" in line
    shutil.copy(tmp_path / "a.mp4", tmp_path / "c.mp4")
    fault = encoded(worker, block, contents).fault
    assert fault == f"what it reads of utterance u3 is not what the driver reads ({tmp_path / 'c.mp4'})"
