"""One process at a time extracts a corpus's features by an encoder; one that waits can say for which process."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from study.files import write_file

# Between two looks at a lock that another process holds, and between two notes of the process that holds it.
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Waiting:
    """A process waits until another one has extracted the same features.

    `what` is being made; `who` makes it, in words; `done` of `total` utterances are done, as far as that is known.
    """

    what: str
    who: str
    seconds: float
    done: int | None = None
    total: int | None = None


class Turn:
    """The right to extract, and the note beside the lock by which other processes know who has it."""

    def __init__(self, lock: Path, by: str) -> None:
        """Hold `lock` for the command `by`, "study demo-cross"."""
        self._note = note_of(lock)
        self._facts: dict[str, Any] = {"by": by, "process": os.getpid(), "host": platform.node()}
        self._noted = -math.inf
        write_file(self._note, json.dumps(self._facts))

    def report(self, done: int, total: int) -> None:
        """Note how many utterances are done; at most once a second."""
        if time.monotonic() - self._noted >= LOOK_SECONDS:
            self._noted = time.monotonic()
            write_file(self._note, json.dumps(self._facts | {"done": done, "total": total}))


@contextmanager
def turn(lock: Path, what: str, by: str, on_wait: Callable[[Waiting], None]) -> Iterator[Turn]:
    """Hold `lock` while the block makes `what` for the command `by`; as long as it has to wait, `on_wait` is called."""
    held, begun = FileLock(lock), time.monotonic()
    seconds = 0.0
    while True:
        try:
            held.acquire(timeout=seconds)
            break
        except Timeout:
            on_wait(_waiting(lock, what, time.monotonic() - begun))
            seconds = LOOK_SECONDS
    try:
        yield Turn(lock, by)  # it may be a while before the first utterance is done: an encoder is loaded
    finally:
        note_of(lock).unlink(missing_ok=True)
        held.release()


def note_of(lock: Path) -> Path:
    """The file that says who holds `lock`."""
    return lock.with_suffix(".holder")


def _waiting(lock: Path, what: str, seconds: float) -> Waiting:
    """What is known of the process that holds `lock`: its note may be missing for a moment."""
    try:
        facts = json.loads(note_of(lock).read_text(encoding="utf-8"))
        who = f"{facts['by']} (process {facts['process']} on {facts['host']})"
        return Waiting(what, who, seconds, facts.get("done"), facts.get("total"))
    except (OSError, ValueError, KeyError, TypeError):
        return Waiting(what, "another process", seconds)
