"""The one place where sound is decoded: sound files and containers give the same, and what is broken is one line."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from study.corpus.container import CONTAINERS, suffix_of
from study.corpus.sound import SOUND_FILES, SoundError, open_sound
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


def steady(seconds: float, level: float = 0.4) -> np.ndarray:
    return level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * 16_000)) / 16_000)


@pytest.mark.parametrize("has_header", [True, False])
def test_an_mp3_of_joined_parts_is_read_as_a_whole(tmp_path: Path, has_header: bool) -> None:
    """Its first header is of a third of it; without one, the low rate of its silence would be taken for all."""
    parts = []
    for number, level in enumerate((0.0001, 0.4, 0.8)):
        soundfile.write(tmp_path / f"{number}.mp3", steady(2.0, level), 16_000)
        parts.append((tmp_path / f"{number}.mp3").read_bytes())
    if not has_header:
        parts[0] = parts[0].replace(b"Xing", bytes(4)).replace(b"Info", bytes(4))
    (tmp_path / "a.mp3").write_bytes(b"".join(parts))
    with open_sound(tmp_path / "a.mp3") as found:
        assert found.frames / found.rate_hz == pytest.approx(6.0, abs=0.4)
        assert found.stated_frames < found.frames - 8000
        samples = found.read(0, found.frames)
    peaks = [np.abs(samples[start : start + 8000]).max() for start in (8000, 48_000, 80_000)]
    assert peaks == pytest.approx([0.0001, 0.4, 0.8], abs=0.05)


def test_a_whole_mp3_is_read_to_the_sample(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", steady(1.0), 16_000)
    expected, _ = soundfile.read(tmp_path / "a.mp3", dtype="float32", always_2d=True)
    with open_sound(tmp_path / "a.mp3") as found:
        assert found.stated_frames == found.frames == len(expected)
        np.testing.assert_array_equal(found.read(0, found.frames), expected)


def test_a_wav_that_was_cut_off_states_what_it_has_lost_and_a_stream_nothing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", steady(1.0), 16_000)
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data[: len(data) // 2])
    with open_sound(tmp_path / "a.wav") as found:
        assert (found.stated_frames, found.frames) == (16_000, pytest.approx(8000, abs=30))
    place = data.index(b"data") + 4
    (tmp_path / "b.wav").write_bytes(data[:place] + b"\xff" * 4 + data[place + 4 :])
    with open_sound(tmp_path / "b.wav") as found:
        assert found.stated_frames == found.frames == 16_000


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


def test_a_recording_without_a_name_is_known_by_its_content(tmp_path: Path) -> None:
    for suffix in (".mp4", ".m4a", ".mov", ".3gp", ".mkv", ".avi", ".wma", ".aac"):
        path = write_clip(tmp_path / f"a{suffix}", tone(0.2), film=suffix in (".mp4", ".mkv", ".avi"))
        assert CONTAINERS[suffix_of(path.read_bytes())] == CONTAINERS[suffix], suffix
    for suffix in (".wav", ".flac", ".ogg", ".mp3", ".aiff"):
        soundfile.write(tmp_path / f"a{suffix}", steady(0.2), 16_000)
        assert suffix_of((tmp_path / f"a{suffix}").read_bytes()) == ".wav"
    assert suffix_of(b"") == ".wav"


def test_no_format_is_read_in_two_ways() -> None:
    assert not set(CONTAINERS) & set(SOUND_FILES)
