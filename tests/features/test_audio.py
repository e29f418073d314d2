from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from study.corpus.lengths import MAX_SECONDS
from study.corpus.utterance import Utterance
from study.errors import UserError
from study.features.audio import audio_seconds, read_audio


def utterance(path: Path, start: float | None = None, end: float | None = None) -> Utterance:
    return Utterance("u1", path, "", "sad", "1F", "1", start, end)


def write(path: Path, samples: np.ndarray, rate_hz: int = 16_000, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def test_samples_come_back_as_they_were_written(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 800).astype(np.float32)
    assert torch.equal(read_audio(utterance(write(tmp_path / "a.wav", samples))), torch.from_numpy(samples))


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = np.stack([np.full(800, 0.5), np.full(800, -0.1)], axis=1)
    assert torch.allclose(read_audio(utterance(write(tmp_path / "a.wav", stereo))), torch.full((800,), 0.2))


def test_a_span_is_cut_out_of_a_longer_file(tmp_path: Path) -> None:
    samples = np.linspace(0, 1, 16_000, dtype=np.float32)
    cut = utterance(write(tmp_path / "a.wav", samples), 0.25, 0.75)
    assert torch.equal(read_audio(cut), torch.from_numpy(samples[4000:12_000]))
    assert audio_seconds(cut) == 0.5


@pytest.mark.parametrize("rate_hz", [8000, 22_050, 44_100, 48_000])
def test_resampling_keeps_length_and_tone(tmp_path: Path, rate_hz: int) -> None:
    time = np.arange(rate_hz) / rate_hz
    path = write(tmp_path / "a.wav", np.sin(2 * np.pi * 1000 * time), rate_hz)
    samples = read_audio(utterance(path))
    assert len(samples) == 16_000
    assert int(torch.fft.rfft(samples).abs().argmax()) == 1000


@pytest.mark.parametrize("content", [b"", b"not audio at all", b"RIFF\xff\xff\xff\xffWAVEfmt "])
def test_a_file_that_is_not_audio_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.wav.*u1.*cannot be decoded"):
        read_audio(utterance(path))
    assert audio_seconds(utterance(path)) == 0


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.wav"):
        read_audio(utterance(tmp_path / "none.wav"))


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.wav.*no samples"):
        read_audio(utterance(write(tmp_path / "a.wav", np.zeros(0))))


def test_a_span_past_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"start 1 and end 2 must lie in .*a\.wav, which lasts 0\.05 s"):
        read_audio(utterance(write(tmp_path / "a.wav", np.zeros(800)), 1.0, 2.0))


@pytest.mark.parametrize(("start", "end"), [(0.2, 0.1), (-0.1, 0.1), (0.0, float("nan")), (float("inf"), None)])
def test_a_span_that_does_not_run_forward_is_refused(tmp_path: Path, start: float, end: float | None) -> None:
    with pytest.raises(UserError, match="must run forward"):
        read_audio(utterance(write(tmp_path / "a.wav", np.zeros(8000)), start, end))


def test_samples_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not numbers"):
        read_audio(utterance(write(tmp_path / "a.wav", np.array([0.0, np.nan]))))


def test_a_rate_no_recorder_uses_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found 15999"):
        read_audio(utterance(write(tmp_path / "a.wav", np.zeros(800), 15_999)))


def test_an_utterance_of_more_than_ten_minutes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros(int(MAX_SECONDS + 1) * 100), 100, "PCM_U8")
    with pytest.raises(UserError, match="give its start and end"):
        read_audio(utterance(path))
