"""What recordings are like, and that what is remembered of them is data that is checked."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from study.corpus.described import Recording
from study.corpus.recordings import inspect_recordings
from study.corpus.recordings_file import read_recordings, write_recordings
from study.corpus.utterance import Utterance

RATE_HZ = 16_000


def utterance(path: Path, group: str = "g", **span: float) -> Utterance:
    return Utterance(path.stem, path, "", "sad", "s", group, where=path.name, **span)


def write(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    return path


def noise(seed: int, n_samples: int = 1600) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n_samples)


def kinds(*utterances: Utterance) -> list[str]:
    return [problem.kind for problem in inspect_recordings(utterances).remarks]


@pytest.mark.parametrize(("left", "right", "cancels"), [(1, -1, True), (1, -0.9, True), (1, 0, False), (1, 1, False)])
def test_channels_cancel_out_where_little_of_them_is_left_in_the_mean(
    tmp_path: Path, left: float, right: float, cancels: bool
) -> None:
    samples = np.outer(noise(0), [left, right])
    assert kinds(utterance(write(tmp_path / "a.wav", samples))) == ["channels that cancel out"] * cancels


def test_independent_channels_do_not_cancel_out(tmp_path: Path) -> None:
    assert kinds(utterance(write(tmp_path / "a.wav", np.stack([noise(0), noise(1)], axis=1)))) == []


def test_the_same_sound_in_two_groups_is_found_in_other_formats_and_spans(tmp_path: Path) -> None:
    sound = np.round(noise(0) * 32_767) / 32_768
    soundfile.write(tmp_path / "a.flac", sound, RATE_HZ, subtype="PCM_16")
    whole = write(tmp_path / "b.wav", np.concatenate([noise(1), sound]))
    one, other = utterance(tmp_path / "a.flac"), utterance(whole, "h", start=0.1, end=0.2)
    (problem,) = inspect_recordings([one, other]).remarks
    assert problem.message == "2 utterances are the same recording: a in group g, b in group h; keep one of them"
    assert kinds(one, replace(other, group="g")) == ["recordings twice in a group"]


def test_silence_is_no_copy_of_other_silence(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.wav", np.zeros(1600)) for name in "ab"]
    assert kinds(utterance(files[0]), utterance(files[1], "h")) == ["silent utterances"] * 2


def test_what_is_known_is_not_decoded_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(0))
    known: dict[str, Recording] = {}
    first = inspect_recordings([utterance(path)], known=known)
    (key,) = known
    assert inspect_recordings([utterance(path)], known=known) == first
    known[key] = replace(known[key], peak=0.0)
    assert [p.kind for p in inspect_recordings([utterance(path)], known=known).remarks] == ["silent utterances"]


def test_recordings_are_read_as_they_were_written_and_damaged_ones_are_not_read(tmp_path: Path) -> None:
    known: dict[str, Recording] = {}
    inspect_recordings([utterance(write(tmp_path / "a.wav", noise(0)))], known=known)
    kept = tmp_path / "features" / "recordings.json"
    assert read_recordings(kept) == {}
    write_recordings(kept, known)
    assert read_recordings(kept) == known
    (facts,) = [asdict(each) for each in known.values()]
    damages = [{"n_samples": "1"}, {"rate_hz": 0}, {"rate_hz": True}, {"more": 1}, {"peak": None}]
    for damage in damages:
        kept.write_text(json.dumps({"key": facts | damage}), encoding="utf-8")
        assert read_recordings(kept) == {}
    for content in (b"", b"[]", b"[" * 100_000, b"\xff", b'{"key": 1}'):
        kept.write_bytes(content)
        assert read_recordings(kept) == {}
