"""Miniature corpora that several tests read: an IEMOCAP release with its traps, and a manifest."""

import csv
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import settings

# IEMOCAP code, the category annotators name, a tone in Hz, and words that only this class uses.
MINIATURE_CLASSES = (
    ("ang", "Anger", 400, "Get out of my house right now"),
    ("hap", "Happiness", 600, "What a lovely sunny morning"),
    ("exc", "Excited", 900, "We won the great big prize"),
    ("sad", "Sadness", 150, "She died and nobody came along"),
    ("neu", "Neutral", 220, "The form is on this desk"),
    ("fru", "Frustration", 320, "Again that stupid machine broke down"),
    ("sur", "Surprise", 1300, "Really? You never told anyone before"),
)
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
NOT_UTF_8 = b"\x92"


# With matrix units for bfloat16 (AMX), oneDNN's convolutions of 8 channels are far off (.34 from float32; those of
# 128 channels .014), and only tiny encoders have so few. It reads this at its first use.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")

# Examples per property test: few on every save, many in the nightly run (HYPOTHESIS_PROFILE=nightly). None has a time
# limit: on a busy machine any example may take long.
settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile("nightly", max_examples=300, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with many slow tests first, so that two processes with a file each end at about the same time."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def write_release() -> Callable[..., Path]:
    """The function that writes a miniature release: `write_release(root, utterances_per_speaker=14)` -> root."""
    return _write_release


@pytest.fixture(scope="session")
def iemocap_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature release with every trap, 140 utterances in seven classes. Read only: copy it to damage it."""
    return _write_release(tmp_path_factory.mktemp("Session9_copies") / "IEMOCAP_full_release")


@pytest.fixture
def tiny_manifest(tmp_path: Path) -> Path:
    """A faultless manifest.csv: three shows, two speakers each, two classes, 12 utterances of .2 s."""
    rows = []
    for show in ("a", "b", "c"):
        for number in range(4):
            name = f"{show}{number}.wav"
            _write_tone(tmp_path / "audio" / name, 300.0 + 200 * (number % 2) + 5 * len(rows), 0.2)
            words = f"show {show} says {number}"
            label = ("calm", "tense")[number % 2]
            rows.append([f"audio/{name}", name[:2], label, words, f"{show}{number // 2}", show])
    path = tmp_path / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file_name", "utterance_id", "label", "text", "speaker", "group"], *rows])
    return path


def _write_release(root: Path, utterances_per_speaker: int = 14) -> Path:
    """An IEMOCAP release folder at `root`: five sessions, two speakers each, two dialogues a session.

    Every speaker says every class in turn, half of it improvised. Class i has a tone and words of its own.
    Scripted words are the same in all sessions. Beside these there are one undecided and one fearful utterance
    per dialogue, and the traps of the real release.
    """
    for session in "12345":
        folder = root / f"Session{session}"
        for dialogue in (f"Ses0{session}F_impro01", f"Ses0{session}M_script01_1"):
            _write_dialogue(folder, dialogue, session, utterances_per_speaker)
        (folder / "dialog" / "EmoEvaluation" / "Categorical").mkdir()
        (folder / "dialog" / "EmoEvaluation" / "Categorical" / "x_cat.txt").write_text("no label file\n")
    return root


def _write_dialogue(folder: Path, dialogue: str, session: str, utterances_per_speaker: int) -> None:
    labels = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    said = [b"M: Yeah.", f"{dialogue}_MXX0 [000.1000-000.2000]: Mhm.".encode()]
    parity = int("script" in dialogue)
    for letter in "FM":
        for number in range(parity, utterances_per_speaker, 2):
            id = f"{dialogue}_{letter}{number:03d}"
            code, vote, tone, words = MINIATURE_CLASSES[(number // 2) % 7]
            labels += _label_block(id, code, f"C-E2:\t{vote};\t()", f"C-E3:\t{vote}; Other;\t(Fear, they say)")
            if not parity:
                words = f"{words} in session {session}"
            said.append(_transcription(id, words, trap=number if letter == "F" else -1))
            _write_tone(
                folder / "sentences" / "wav" / dialogue / f"{id}.wav", tone * (1.2 if letter == "F" else 1), 0.3
            )
    for number, code, vote in ((900, "xxx", "Happiness"), (901, "fea", "Fear")):
        id = f"{dialogue}_M{number}"
        labels += _label_block(id, code, f"C-E2:\t{vote};\t()", "C-E4:\tNeutral state;\t()")
        said.append(_transcription(id, "No idea", trap=-1))
        _write_tone(folder / "sentences" / "wav" / dialogue / f"{id}.wav", 500, 0.1)
    _write(folder / "dialog" / "EmoEvaluation" / f"{dialogue}.txt", "\n".join([*labels, ""]).encode())
    _write(folder / "dialog" / "transcriptions" / f"{dialogue}.txt", b"\r\n".join([*said, b""]))
    for place in ("dialog/EmoEvaluation", "dialog/transcriptions", f"sentences/wav/{dialogue}"):
        suffix = ".wav" if "wav" in place else ".txt"
        _write(folder / place / f"._{dialogue}{suffix}", APPLE_DOUBLE)


def _label_block(id: str, code: str, *votes: str) -> list[str]:
    line = f"[6.2901 - 8.2357]\t{id}\t{code}\t[2.5000, 2.5000, 2.5000]"
    return [line, *votes, "C-M1:\tSurprise;\t()", "A-E3:\tval 3; act 2; dom  2;\t()", ""]


def _transcription(id: str, words: str, trap: int) -> bytes:
    """A transcription line; the first lines of each dialogue bring a colon, a wrong byte and tags without words."""
    text = words.encode()
    if trap in (0, 1):
        text = b"Listen: [LAUGHTER] " + text
    if trap in (2, 3):
        text = b"It" + NOT_UTF_8 + b"s so: " + text + b" [BREATHING]"
    if trap in (4, 5):
        text = b"[LIPSMACK] [GARBAGE]"
    return f"{id} [006.2901-008.2357]: ".encode() + text


def _write_tone(path: Path, tone_hz: float, seconds: float) -> None:
    time = np.arange(int(16_000 * seconds)) / 16_000
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * tone_hz * time), 16_000, subtype="PCM_16")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


# Tiny encoders and a corpus for them, for the tests of features and of whole studies; and a disk that can be filled.
pytest_plugins = (
    "tests.plugins.tiny_encoders",
    "tests.plugins.tiny_recognisers",
    "tests.plugins.tone_corpora",
    "tests.plugins.small_disk",
)
