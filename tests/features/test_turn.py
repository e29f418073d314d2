"""Processes that want the same features: one extracts, the others show for which one they wait."""

import os
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from study.corpus.utterance import Corpus
from study.features.extract import Progress
from study.features.pack import Pack
from study.features.prepare import pack_of
from study.features.spec import EncoderSpec
from study.features.turn import Waiting, note_of, turn
from study.modalities import AUDIO


def waited(lock: Path, release: Callable[[], object]) -> Waiting:
    """What a second taker of `lock` is shown first; then it calls `release` and gets its turn."""
    shown: list[Waiting] = []

    def on_wait(waiting: Waiting) -> None:
        if not shown:
            shown.append(waiting)
            release()

    def second() -> None:
        with turn(lock, "audio by logmel", "study b", on_wait):
            pass

    thread = Thread(target=second)
    thread.start()
    thread.join()
    return shown[0]


def test_a_process_that_waits_is_shown_for_whom_and_how_far_that_one_is(tmp_path: Path) -> None:
    first = turn(tmp_path / "a.lock", "audio by logmel", "study a", lambda waiting: None)
    first.__enter__().report(3, 10)
    shown = waited(tmp_path / "a.lock", lambda: first.__exit__(None, None, None))
    assert shown.seconds < 60
    who = f"study a (process {os.getpid()} on {platform.node()})"
    assert shown == Waiting("audio by logmel", who, shown.seconds, 3, 10)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".lock"]


def test_it_is_known_who_extracts_before_the_first_utterance_is_done(tmp_path: Path) -> None:
    first = turn(tmp_path / "a.lock", "audio by logmel", "study a", lambda waiting: None)
    first.__enter__()
    shown = waited(tmp_path / "a.lock", lambda: first.__exit__(None, None, None))
    assert shown.who.startswith("study a (process ")
    assert shown.total is None


@pytest.mark.parametrize("note", [b"", b"\xff", b"[]", b'{"by": 1}'])
def test_a_note_that_cannot_be_read_ends_no_process(tmp_path: Path, note: bytes) -> None:
    first = turn(tmp_path / "a.lock", "audio by logmel", "study a", lambda waiting: None)
    first.__enter__()
    note_of(tmp_path / "a.lock").write_bytes(note)
    shown = waited(tmp_path / "a.lock", lambda: first.__exit__(None, None, None))
    assert (shown.who, shown.done, shown.total) == ("another process", None, None)


def test_different_corpora_do_not_wait_for_each_other(tones: Corpus, tmp_path: Path) -> None:
    """The second extraction begins and ends while the first is under way; they share some utterances."""
    logmel, folder = EncoderSpec("logmel"), tmp_path / "both"
    other = replace(tones, utterances=tones.utterances[40:])
    paths: list[Path] = []

    def begin_other(progress: Progress | Waiting) -> None:
        assert isinstance(progress, Progress), "it waits"
        if progress.utterances_done >= 60 and not paths:
            paths.append(folder)
            paths[0] = pack_of(other, replace(AUDIO, block=4), logmel, folder, on_progress=begin_other)

    first = pack_of(tones, replace(AUDIO, block=4), logmel, folder, on_progress=begin_other, workers=1)
    for path, corpus in ((first, tones), (paths[0], other)):
        assert path.read_bytes() == pack_of(corpus, AUDIO, logmel, tmp_path / "clean").read_bytes()
        Pack.open(path).verify()
    assert not list(folder.glob("*.parts"))
