import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch

from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.extract import Progress, Tally
from study.features.pack import Pack
from study.features.prepare import pack_of, prepare
from study.features.spec import EncoderSpec
from study.modalities import AUDIO, MODALITIES, TEXT


@pytest.fixture(scope="module")
def specs(tiny_encoder: Callable[[str], Path]) -> dict[str, str]:
    return {"audio": str(tiny_encoder("hubert")), "text": str(tiny_encoder("bert"))}


def test_a_pack_holds_what_the_encoder_says_of_each_audio_file(
    tones: Corpus, specs: dict[str, str], tmp_path: Path
) -> None:
    pack = Pack.open(pack_of(tones, AUDIO, EncoderSpec(specs["audio"], "2"), tmp_path))
    encoder = AUDIO.open(EncoderSpec(specs["audio"], "2"))
    assert pack.ids == tuple(utterance.id for utterance in tones.utterances)
    for row in (0, 31, 32, 79):
        samples, _ = soundfile.read(tones.utterances[row].audio, dtype="float32")
        assert torch.allclose(pack.of(row).float(), encoder.encode(torch.from_numpy(samples)), atol=2e-3)
    assert pack.vectors is None


def test_a_pack_holds_what_the_encoder_says_of_each_text(tones: Corpus, specs: dict[str, str], tmp_path: Path) -> None:
    pack = Pack.open(pack_of(tones, TEXT, EncoderSpec(specs["text"]), tmp_path))
    encoder = TEXT.open(EncoderSpec(specs["text"]))
    assert pack.vectors is not None
    for row, utterance in enumerate(tones.utterances):
        ((tokens, sentence),) = encoder.encode([utterance.words])
        assert torch.allclose(pack.of(row).float(), tokens, atol=2e-3)
        assert torch.allclose(pack.vectors[row].float(), sentence, atol=2e-3)


@pytest.mark.parametrize("modality", ["audio", "text"])
def test_features_do_not_depend_on_the_other_utterances(
    tones: Corpus, specs: dict[str, str], tmp_path: Path, modality: str
) -> None:
    some = replace(tones, utterances=tones.utterances[40:43])
    few = Pack.open(pack_of(some, MODALITIES[modality], EncoderSpec(specs[modality]), tmp_path / "few"))
    all_ = Pack.open(pack_of(tones, MODALITIES[modality], EncoderSpec(specs[modality]), tmp_path / "all"))
    for row in range(3):
        assert torch.allclose(few.of(row).float(), all_.of(40 + row).float(), atol=2e-3)


def test_the_number_of_threads_does_not_change_a_byte(tones: Corpus, specs: dict[str, str], tmp_path: Path) -> None:
    one = pack_of(tones, AUDIO, EncoderSpec(specs["audio"]), tmp_path / "1", workers=1)
    three = pack_of(tones, AUDIO, EncoderSpec(specs["audio"]), tmp_path / "3", workers=3)
    assert one.read_bytes() == three.read_bytes()


def test_threads_are_left_as_they_were(tones: Corpus, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        pack_of(tones, TEXT, EncoderSpec("hash"), tmp_path)
        # What a thread started later sees is torch's setting for the process.
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_finished_pack_is_used_again(tones: Corpus, tmp_path: Path) -> None:
    path = pack_of(tones, AUDIO, EncoderSpec("logmel"), tmp_path)
    written = path.stat().st_mtime_ns
    calls: list[Progress] = []
    assert pack_of(tones, AUDIO, EncoderSpec("logmel"), tmp_path, on_progress=calls.append) == path
    assert path.stat().st_mtime_ns == written
    assert not calls
    assert sorted(each.suffix for each in tmp_path.iterdir()) == [".lock", ".safetensors"]


def test_another_layer_encoder_modality_or_corpus_is_another_pack(
    tones: Corpus, specs: dict[str, str], tmp_path: Path
) -> None:
    few = replace(tones, utterances=tones.utterances[:3])
    fewer = replace(tones, utterances=tones.utterances[:2])
    paths = {
        pack_of(few, AUDIO, EncoderSpec(specs["audio"]), tmp_path),
        pack_of(few, AUDIO, EncoderSpec(specs["audio"], "1"), tmp_path),
        pack_of(fewer, AUDIO, EncoderSpec(specs["audio"], "1"), tmp_path),
        pack_of(few, AUDIO, EncoderSpec("logmel"), tmp_path),
        pack_of(few, TEXT, EncoderSpec("hash"), tmp_path),
    }
    assert len(paths) == 5


def test_progress_counts_up_to_the_whole_corpus(tones: Corpus, tmp_path: Path) -> None:
    calls: list[Progress] = []
    pack_of(tones, AUDIO, EncoderSpec("logmel"), tmp_path, on_progress=calls.append)
    seconds = sum(soundfile.info(u.audio).duration for u in tones.utterances)
    assert calls[0].utterances_done == 0
    assert calls[0].remaining_seconds is None
    assert [call.utterances_done for call in calls] == sorted(call.utterances_done for call in calls)
    assert calls[-1].utterances_done == calls[-1].utterances_total == 80
    assert calls[-1].amount_done == pytest.approx(seconds)
    assert calls[-1].amount_total == pytest.approx(seconds)
    assert calls[-1].remaining_seconds == pytest.approx(0, abs=1e-6)
    assert {(call.what, call.unit) for call in calls} == {("audio by logmel", "x real time")}


def test_words_are_counted_by_utterance(tones: Corpus, tmp_path: Path) -> None:
    calls: list[Progress] = []
    pack_of(tones, TEXT, EncoderSpec("hash"), tmp_path, on_progress=calls.append)
    assert [call.amount_done for call in calls] == [call.utterances_done for call in calls]
    assert {(call.what, call.unit) for call in calls} == {("text by hash", "per second")}


def test_the_rate_leaves_out_what_was_there_before() -> None:
    assert Progress(60, 100, 20, 120.0, 200.0, 40.0, 8.0).rate == 10
    assert Progress(60, 100, 20, 120.0, 200.0, 40.0, 8.0).remaining_seconds == 8
    assert Progress(60, 100, 20, 60.0, 100.0, 20.0, 8.0).rate == 5
    assert Progress(60, 100, 20, 60.0, 100.0, 20.0, 8.0).remaining_seconds == 8


def test_rates_of_machines_add_up_and_the_clock_starts_with_the_first_encoder(tones: Corpus) -> None:
    shown: list[Progress] = []
    blocks = [tones.utterances[20:50], tones.utterances[50:80]]
    tally = Tally(tones.utterances, blocks, lambda utterance: 2.0, shown.append, "audio", "x real time")
    time.sleep(0.2)
    tally.begin()
    tally.add(blocks[0], "m1")
    tally.begin()  # a machine that joins later changes nothing
    tally.add(blocks[1], "m2")
    assert shown[1].elapsed_seconds < 0.2
    assert [each.utterances_done for each in shown] == [20, 50, 80]
    assert (shown[0].amount_reused, shown[0].machines, shown[0].rate) == (40.0, {}, 0.0)
    assert shown[2].machines == {"m1": 60.0, "m2": 60.0}
    assert sum(shown[2].machine_rates.values()) == pytest.approx(shown[2].rate)


def test_a_changed_audio_file_is_encoded_again(write_tones: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = write_tones(tmp_path / "wav", 4)
    before = Pack.open(pack_of(corpus, AUDIO, EncoderSpec("logmel"), tmp_path / "f"))
    shutil.copy(corpus.utterances[0].audio, corpus.utterances[3].audio)
    after = Pack.open(pack_of(corpus, AUDIO, EncoderSpec("logmel"), tmp_path / "f"))
    assert before.path != after.path
    assert torch.equal(after.of(3), before.of(0))


def test_a_pack_of_another_corpus_under_this_name_is_refused(tones: Corpus, tmp_path: Path) -> None:
    few = replace(tones, utterances=tones.utterances[:3])
    path, other = (pack_of(each, TEXT, EncoderSpec("hash"), tmp_path) for each in (few, tones))
    shutil.copy(other, path)
    with pytest.raises(UserError, match="another corpus or encoder"):
        pack_of(few, TEXT, EncoderSpec("hash"), tmp_path)


def test_a_damaged_pack_is_refused(tones: Corpus, tmp_path: Path) -> None:
    path = pack_of(tones, TEXT, EncoderSpec("hash"), tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(UserError, match="checksum"):
        pack_of(tones, TEXT, EncoderSpec("hash"), tmp_path)


def test_a_missing_audio_file_is_named(tones: Corpus, tmp_path: Path) -> None:
    gone = replace(tones.utterances[0], audio=tmp_path / "gone.wav")
    with pytest.raises(UserError, match=r"gone\.wav"):
        pack_of(replace(tones, utterances=(gone,)), AUDIO, EncoderSpec("logmel"), tmp_path / "f")


def test_a_folder_that_is_a_file_is_refused(tones: Corpus, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(UserError, match="pass another folder"):
        pack_of(tones, TEXT, EncoderSpec("hash"), tmp_path / "f")


def test_the_choices_of_a_modality_come_in_the_order_asked_for(
    tones: Corpus, specs: dict[str, str], tmp_path: Path
) -> None:
    few = replace(tones, utterances=tones.utterances[:3])
    asked = [EncoderSpec(specs["audio"], rate_hz=rate) for rate in (12.5, 50.0, 25.0)]
    choices = prepare(few, AUDIO, asked, tmp_path)
    assert [choice.spec for choice in choices] == asked
    assert [choice.label for choice in choices] == [f"{specs['audio']}, {rate} Hz" for rate in ("12.5", "50", "25")]
    assert [Path(choice.path) for choice in choices] == [pack_of(few, AUDIO, spec, tmp_path) for spec in asked]
