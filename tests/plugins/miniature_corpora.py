"""Miniature corpora in the exact layouts of their releases, traps included, as functions that write them."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from tests.plugins.clips import tone, write_clip

RATE_HZ = 16_000
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 81234\n"
MELD_HEADER = [
    *("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"),
    *("Season", "Episode", "StartTime", "EndTime"),
]
MELD_FOLDERS = {
    "train": "train/train_splits",
    "dev": "dev/dev_splits_complete",
    "test": "test/output_repeated_splits_test",
}
MELD_SPEAKERS = ("Joey", "Monica", "A Waiter")


def write_wav(path: Path, tone_hz: float = 300.0, seconds: float = 0.2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, tone_hz, RATE_HZ), RATE_HZ, subtype="PCM_16")
    return path


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_meld(root: Path) -> Path:
    """Three splits of two dialogues of two utterances each, all dialogue ids the same; train is a folder deeper."""
    for episode, (split, folder) in enumerate(MELD_FOLDERS.items(), start=1):
        rows = []
        for number in range(4):
            dialogue, utterance = divmod(number, 2)
            emotion = ("joy", "anger")[utterance]
            begin, end = ("0:16:16.059", "0:16:21.731") if split == "test" else ("00:16:16,059", "00:16:21,731")
            said = f"It’s {emotion} in {split}, dialogue {dialogue}"
            speaker = MELD_SPEAKERS[utterance] if dialogue else MELD_SPEAKERS[2 * utterance]
            rows.append([number, said, speaker, emotion, "positive", dialogue, utterance, 8, episode, begin, end])
            samples = tone(0.25, (600.0, 300.0)[utterance], RATE_HZ)
            write_clip(root / folder / f"dia{dialogue}_utt{utterance}.mp4", samples, RATE_HZ)
        place = root / "train" if split == "train" else root
        place.mkdir(parents=True, exist_ok=True)
        with (place / f"{split}_sent_emo.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([MELD_HEADER, *rows])
    # Curly quotes as one byte of Windows-1252, and as the character that wrong decoding makes of it.
    table = root / "dev_sent_emo.csv"
    one, other = ("It’s joy in dev, dialogue 0".encode(), "It’s joy in dev, dialogue 1".encode())
    data = table.read_bytes().replace(one, one.replace("’".encode(), b"\x92"))
    table.write_bytes(data.replace(other, other.replace("’".encode(), "\x92".encode())))
    write_clip(root / MELD_FOLDERS["test"] / "final_videos_testdia0_utt0.mp4", tone(0.1, rate_hz=RATE_HZ), RATE_HZ)
    (root / MELD_FOLDERS["test"] / "._dia0_utt0.mp4").write_bytes(APPLE_DOUBLE)
    return root


def write_cremad(root: Path) -> Path:
    for actor in (1001, 1002, 1003):
        for sentence, emotion, level in (("IEO", "ANG", "HI"), ("IEO", "SAD", "LO"), ("TSI", "NEU", "XX")):
            write_wav(root / "AudioWAV" / f"{actor}_{sentence}_{emotion}_{level}.wav", 200 + len(sentence) * 40)
    write_wav(root / "AudioWAV" / "1002_ITH_SAD_X.wav")
    soundfile.write(root / "AudioWAV" / "1076_MTI_SAD_XX.wav", np.zeros(1600), RATE_HZ)
    write_wav(root / "AudioWAV" / "1001_XYZ_ANG_HI.wav")
    (root / "AudioWAV" / "._1001_IEO_ANG_HI.wav").write_bytes(APPLE_DOUBLE)
    write_text(root / "VideoFlash" / "1001_IEO_ANG_HI.flv", LFS)
    return root


def write_ravdess(root: Path) -> Path:
    for actor in ("01", "02", "24"):
        folder = root / f"Actor_{actor}"
        for emotion, statement in (("01", "01"), ("02", "01"), ("05", "02"), ("06", "02"), ("08", "01")):
            write_wav(folder / f"03-01-{emotion}-01-{statement}-01-{actor}.wav", 200 + 50 * int(emotion))
        write_wav(folder / f"03-02-05-01-01-01-{actor}.wav")
        for name in ("01-01-05-01-02-01", "02-01-05-01-02-01", "02-01-06-01-02-01"):
            write_clip(folder / f"{name}-{actor}.mp4", None)
    write_wav(root / "Actor_01" / "03-01-09-01-01-01-01.wav")
    return root


def write_emodb(root: Path) -> Path:
    for speaker in ("03", "08", "16"):
        for number, letter in enumerate("WLEAFTN"):
            write_wav(root / "wav" / f"{speaker}a04{letter}b.wav", 200 + 50 * number)
    write_wav(root / "wav" / "03a04Xb.wav")
    write_text(root / "labsilb" / "03a04Wb.labsilb", "0.1")
    return root


def write_msp_podcast(root: Path) -> Path:
    rows = [["FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set"]]
    speakers = ("12", "Unknown", "7", "Unknown", "9", "12", "3", "7")
    splits = ("Train", "Train", "Development", "Test1", "Test1", "Train", "Test2", "Development")
    for number, (code, speaker, split) in enumerate(zip("ASHNCAOX", speakers, splits, strict=True)):
        name = f"MSP-PODCAST_{number // 2:04d}_{number:04d}"
        rows.append([f"{name}.wav", code, "4.2", "3.1", "4.0", speaker, "Female", split])
        write_wav(root / "Audios" / f"{name}.wav", 200 + 30 * number)
        write_text(root / "Transcripts" / f"{name}.txt", f"Well,  this is\nnumber {number}.\n")
    rows.append(["MSP-PODCAST_0009_0001.wav", "", "", "", "", "", "", "Test3"])
    (root / "Labels").mkdir(parents=True)
    with (root / "Labels" / "labels_consensus.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return root


def write_msp_improv(root: Path) -> Path:
    lines = []
    for session in (1, 2, 3):
        for number, (sentence, scenario, code) in enumerate((("01A", "T", "A"), ("02H", "R", "H"), ("03N", "P", "X"))):
            for letter in "FM":
                turn = f"S{sentence}-{letter}0{session}-{scenario}-{letter}M0{number + 1}"
                lines += [f"UTD-IMPROV-{turn}.avi; {code}; A:2.900000; V:3.1; D:NaN ; N:3.7;"]
                lines += ["w-1; Angry; Angry,Frustrated,; A:3.0; V:2.0; D:3.0; N:4.0;", "w-2; Other; x; A:1.0;", ""]
                folder = root / "Audio" / f"session{session}" / f"S{sentence}" / scenario
                write_wav(folder / f"MSP-IMPROV-{turn}.wav", 200 + 60 * number)
                if number:
                    words = root / "Human_transcriptions" / "All_human_transcriptions"
                    write_text(words / f"MSP-IMPROV-{turn}.txt", f"Turn {number} of {letter} in {session}\n")
    write_text(root / "Evalution.txt", "\n".join(lines))
    return root


MINIATURES: dict[str, Callable[[Path], Path]] = {
    "meld": write_meld,
    "cremad": write_cremad,
    "ravdess": write_ravdess,
    "emodb": write_emodb,
    "msp-podcast": write_msp_podcast,
    "msp-improv": write_msp_improv,
}
