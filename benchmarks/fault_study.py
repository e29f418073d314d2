"""The study that benchmarks.faults kills: its corpus, its command, and what can be read off its folder."""

from __future__ import annotations

import csv
import ctypes
import json
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

from study.record.events import Event, to_json
from study.record.folder import StudyFolder
from study.record.ledger import read
from study.tensor_file import sealed_metadata
from study.training.checkpoint import METADATA_KEY

ROOT = Path(__file__).resolve().parents[1]
NAME = "faults"
MARK = "SER_STUDY_FAULTS"
OPTIONS = ("--variant", "text", "--text-encoder", "hash", "--configs", "5", "--epochs", "5")
BUDGET = ("--finalists", "1", "--seeds", "1", "--name", NAME)
CLASSES = {"angry": "out of my house now", "happy": "a lovely sunny morning", "sad": "she left and nobody came"}
COMMON = "the form is on this desk and I never told anyone before".split()
# Both, because the kernel merges an event with an equal one before it; of a rename, the two differ.
IN_MOVED_FROM, IN_MOVED_TO = 0x40, 0x80
LAST_SAVE = "last-save"


def write_corpus(folder: Path) -> Path:
    """A manifest of words alone: five shows, two speakers each, three classes, 120 utterances that overlap in words."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = random.Random(1), []
    for number in range(120):
        show, label = number % 5, list(CLASSES)[number // 5 % 3]
        words = [rng.choice(CLASSES[label].split() if rng.random() < 0.3 else COMMON) for _ in range(6)]
        rows.append([f"u{number:03d}", label, " ".join(words), f"s{show}{number // 15 % 2}", f"show{show}"])
    path = folder / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["utterance_id", "label", "text", "speaker", "group"], *rows])
    return path


class StudyUnderTest:
    """One study in a folder of its own; every process of it bears its mark in its environment."""

    def __init__(self, home: Path, corpus: Path, options: Sequence[str]) -> None:
        """The study of `corpus` with `options` in `home`."""
        self.home, self.mark = home, f"{MARK}-{uuid.uuid4().hex}"
        self.folder = home / "mlruns" / "studies" / NAME
        self._line = [sys.executable, str(ROOT / "study" / "run.py"), *OPTIONS, *BUDGET]
        self._line += ["--corpus", str(corpus), *options]
        home.mkdir(parents=True, exist_ok=True)

    def start(self) -> subprocess.Popen[str]:
        """The command, begun in a process group of its own."""
        hidden = {"RAY_ADDRESS", "PYTEST_CURRENT_TEST"}
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        return subprocess.Popen(
            self._line,
            cwd=self.home,
            env={**environment, MARK: self.mark, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=_receive_interrupts,
        )

    def is_finished(self) -> bool:
        """Whether the command has brought it to its report."""
        return (self.folder / "report.json").exists() and self.running_in_mlflow() == 0

    def raw_ledger(self) -> bytes:
        """The whole lines of the ledger."""
        try:
            found = StudyFolder(self.folder).ledger.read_bytes()
        except FileNotFoundError:
            return b""
        return found[: found.rfind(b"\n") + 1]

    def events(self) -> list[Event]:
        """The events of the ledger."""
        path = StudyFolder(self.folder).ledger
        return list(read(path)) if path.exists() else []

    def running_in_mlflow(self) -> int:
        """How many runs MLflow believes to be running."""
        path = self.home / "mlruns" / "mlflow.db"
        if not path.exists():
            return 0
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return int(database.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0])
        except sqlite3.OperationalError:
            return 1  # its tables are being made
        finally:
            database.close()

    def leftovers(self) -> list[str]:
        """Temporary files, and Ray's scratch."""
        output = self.home / "mlruns"
        hidden = [path for path in output.rglob(".*") if path.is_file() and path.suffix != ".lock"]
        scratch = [self.folder / name for name in ("ray", "hangs", "failures")]
        left = [*hidden, *output.rglob("*.unfinished"), *filter(Path.exists, scratch)]
        return [str(path.relative_to(output)) for path in left]

    def differences(self, other: Path, ordered: bool) -> tuple[int, int]:
        """Ledger lines, and figures of the report and rows of the predictions, that differ from those in `other`."""
        mine, theirs = (
            [json.dumps(_without_clock(event), sort_keys=True) for event in study.events()]
            for study in (self, _at(other))
        )
        if ordered:
            lines = sum(a != b for a, b in zip(mine, theirs, strict=False)) + abs(len(mine) - len(theirs))
        else:
            lines = sum(((Counter(mine) - Counter(theirs)) + (Counter(theirs) - Counter(mine))).values())
        reports = [dict(_flat(json.loads((place / "report.json").read_text()))) for place in (self.folder, other)]
        figures = sum(reports[0].get(key) != reports[1].get(key) for key in reports[0].keys() | reports[1].keys())
        rows = [(place / "predictions.csv").read_text().splitlines() for place in (self.folder, other)]
        return lines, figures + sum(a != b for a, b in zip(*rows, strict=False)) + abs(len(rows[0]) - len(rows[1]))


def _without_clock(event: Event) -> dict[str, Any]:
    return {name: value for name, value in to_json(event).items() if name != "seconds"}


def _receive_interrupts() -> None:
    """A shell's background jobs ignore interrupts, and their children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _at(folder: Path) -> StudyUnderTest:
    return StudyUnderTest(folder.parents[2], Path(), ())


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every figure of a report under its path, but for times and for versions."""
    if (name := path.rpartition("/")[2]) == "environment" or name.endswith("seconds"):
        return []
    if isinstance(value, Mapping):
        return [pair for key, each in value.items() for pair in _flat(each, f"{path}/{key}")]
    if isinstance(value, list):
        return [pair for index, each in enumerate(value) for pair in _flat(each, f"{path}/{index}")]
    return [(path, value)]


class Saves:
    """Reads every checkpoint that is put in place, by inotify: which epochs were trained, and how often.

    A checkpoint lists the epochs so far, each with the seconds that it took. An epoch that two checkpoints of one run
    have with other seconds was trained again although it had been saved. What a killed process had trained since its
    last save is in none of them: that is two seconds and an epoch at most.
    """

    def __init__(self, folder: Path) -> None:
        """Watch `folder`, which is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._watch = self._libc.inotify_init()
        moves = IN_MOVED_FROM | IN_MOVED_TO
        if self._watch < 0 or self._libc.inotify_add_watch(self._watch, os.fsencode(folder), moves) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        # By file name: (epoch, seconds) of all that were trained and saved.
        self._seen: dict[str, set[tuple[int, float]]] = {}
        self._reader = Thread(target=self._read, daemon=True)

    def __enter__(self) -> Saves:
        """The watch, begun."""
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it: what is moved last wakes the reader."""
        last = self._folder / LAST_SAVE
        last.touch()
        last.rename(self._folder / f"{LAST_SAVE}.moved").unlink()
        self._reader.join(10)
        os.close(self._watch)

    def repeated(self) -> tuple[int, int]:
        """Epochs trained again after they were saved, and runs of which that is true of every epoch."""
        excess = {name: len(seen) - len({epoch for epoch, _ in seen}) for name, seen in self._seen.items()}
        # Of a checkpoint that was swept before it could be read no epoch is known, and none was seen twice.
        whole = [
            name for name, seen in self._seen.items() if seen and excess[name] >= len({epoch for epoch, _ in seen})
        ]
        return sum(excess.values()), len(whole)

    def _read(self) -> None:
        while True:
            data, at = os.read(self._watch, 65536), 0
            while at < len(data):
                _, mask, _, length = struct.unpack_from("iIII", data, at)
                name = data[at + 16 : at + 16 + length].rstrip(b"\0").decode()
                at += 16 + length
                if name.startswith(LAST_SAVE):
                    return
                if mask & IN_MOVED_TO:
                    self._seen.setdefault(name, set()).update(_epochs_saved(self._folder / name))


def _epochs_saved(path: Path) -> list[tuple[int, float]]:
    """The epochs in a checkpoint with their seconds; of one that was swept already, none."""
    try:
        history = json.loads(sealed_metadata(path.read_bytes())[METADATA_KEY])["history"]
    except FileNotFoundError:
        return []
    return [(epoch["number"], epoch["seconds"]) for epoch in history]
