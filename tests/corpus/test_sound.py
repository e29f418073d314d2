"""The one place where sound is decoded: sound files and containers give the same, and what is broken is one line."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from study.corpus.sound import CONTAINERS, SOUND_FILES, SoundError, missing_decoder, open_sound
from tests.plugins.clips import cut_off, tone, write_clip

RATE_HZ = 48_000


def whole(path: Path) -> np.ndarray:
    with open_sound(path) as found:
        return found.read(0, found.frames)


def fault(path: Path) -> str:
    with pytest.raises(SoundError) as caught:
        whole(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.mp4", "a.m4a", "a.mov", "a.mkv", "a.MP4"])
def test_sound_of_a_container_is_what_was_encoded(tmp_path: Path, name: str) -> None:
    samples = tone(1.0)
    path = write_clip(tmp_path / name, samples, film="m4a" not in name)
    with open_sound(path) as found:
        assert (found.rate_hz, found.channels) == (RATE_HZ, 2)
        assert found.frames == pytest.approx(len(samples), abs=2048)
        decoded = found.read(0, len(samples))
    assert decoded.dtype == np.float32
    assert decoded.shape == (len(samples), 2)
    # The encoder is lossy; a shift of one sample at 440 Hz would differ by more.
    assert np.abs(decoded[2000:-2000, 0] - samples[2000:-2000]).max() < 0.02


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_span_is_the_same_samples_as_in_the_whole(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, tone(3.0))
    everything = whole(path)
    with open_sound(path) as found:
        for start, stop in ((0, 100), (48_001, 96_001), (100_000, 140_000), (3, 143_000)):
            # AAC decoders fill some bands with noise; a shift of one sample differs by 0.02.
            np.testing.assert_allclose(found.read(start, stop), everything[start:stop], atol=2e-3)


def test_sound_files_are_read_by_span_too(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (800, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    with open_sound(tmp_path / "a.wav") as found:
        assert (found.rate_hz, found.frames, found.channels) == (8000, 800, 2)
        np.testing.assert_array_equal(found.read(10, 700), samples[10:700])


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    assert fault(write_clip(tmp_path / "mute.mp4", None)) == "it has no audio track"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_clip_that_is_cut_off_is_refused_and_not_read_in_part(tmp_path: Path, share: float) -> None:
    path = write_clip(tmp_path / "a.mp4", np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE_HZ).astype(np.float32))
    fault(cut_off(path, share))


def test_a_clip_whose_index_was_at_its_lost_end_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", tone(1.0))
    path.write_bytes(path.read_bytes()[:-2000])
    assert "Invalid data" in fault(path)


@pytest.mark.parametrize("suffix", [*CONTAINERS, ".wav", ".xyz"])
@pytest.mark.parametrize("content", [b"", b"no sound at all", b"#EXTM3U\n#EXTINF:1,\nother.mp4\n", b"\0" * 5000])
def test_a_file_of_something_else_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert fault(path)


def test_a_playlist_in_a_container_does_not_open_other_files(tmp_path: Path) -> None:
    write_clip(tmp_path / "other.mp4", tone(0.5))
    (tmp_path / "a.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n", encoding="utf-8")
    assert "Invalid data" in fault(tmp_path / "a.mp4")


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    for name in ("a.wav", "a.mp4"):
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 99\n"
        (tmp_path / name).write_text(pointer, encoding="utf-8")
        assert "run `git lfs pull`" in fault(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in ("a.wav", "a.mp4"):
        assert fault(tmp_path / name)


def test_without_its_decoder_a_container_is_one_line_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "a.mp4", tone(0.2))
    assert missing_decoder(path) == missing_decoder(tmp_path / "a.wav") == ""
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "av")
    assert missing_decoder(tmp_path / "a.wav") == ""
    assert fault(path) == missing_decoder(path)
    assert "pip install 'ser-study[video]', or convert: ffmpeg -i a.mp4 a.wav" in missing_decoder(path)


def test_no_format_is_read_in_two_ways() -> None:
    assert not set(CONTAINERS) & set(SOUND_FILES)
