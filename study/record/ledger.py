"""The study's memory: one JSON line for every event, appended and never changed."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from study.errors import UserError
from study.files import append_durably, sync
from study.record.events import ConfigAdded, EpochDone, Event, FoldRun, Record, StudyBegun, from_json, to_json

# An epoch's line waits at most so long for the disk, if others follow: they share one wait.
WAIT_SECONDS = 1.0


class Ledger:
    """The append-only file of a study. One process writes it; every decision is on disk before it is acted on.

    An epoch is handed to the system at once and to the disk with the lines that follow it. A power cut in between costs
    no training: the worker has put its checkpoint on disk before it reports an epoch, and reports it again.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        """Open the ledger at `path`, new or with what it holds; if not `writable`, its file is left as it is.

        A last line without its newline was torn by a kill in the middle of a write; nothing was decided on
        it, so it is cut off.

        Raises:
            UserError: a line in the middle is no event.
        """
        self.path = path
        self._writable = writable
        self._waited = -WAIT_SECONDS
        self.records = list(read_records(path)) if path.exists() else []
        self.events = [record for record in self.records if not isinstance(record, StudyBegun)]
        if not writable:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.truncate(_whole_length(path))
        sync(path.parent)

    def where(self, index: int) -> str:
        """The place of `events[index]` in words: the file and the line."""
        lines = [number for number, each in enumerate(self.records, start=1) if not isinstance(each, StudyBegun)]
        return f"{self.path} line {lines[index]}"

    def append(self, record: Record) -> None:
        """Write one record, and wait until the disk has it and all before it; of an epoch, until the system has it.

        If the ledger is not writable, the record is kept here alone.

        Raises:
            StorageFull: there is no room; the ledger is as it was.
        """
        if self._writable:
            now = time.monotonic()
            wait = not isinstance(record, EpochDone) or now - self._waited >= WAIT_SECONDS
            append_durably(self.path, to_line(record), wait=wait)
            self._waited = now if wait else self._waited
        self.records.append(record)
        if not isinstance(record, StudyBegun):
            self.events.append(record)


def to_line(record: Record) -> bytes:
    """The record as a line of a ledger."""
    return json.dumps(to_json(record), allow_nan=False).encode() + b"\n"


def read(path: Path) -> Iterator[Event]:
    """The events of the searches in the ledger at `path`; see `read_records`."""
    return (record for record in read_records(path) if not isinstance(record, StudyBegun))


def read_records(path: Path) -> Iterator[Record]:
    """The record of every line of the ledger at `path`, without a torn last line.

    Raises:
        UserError: a whole line is no event, or cannot follow from those before it; with its number.
    """
    whole = path.read_bytes()[: _whole_length(path)]
    order = _Order()
    for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
        try:
            record = from_json(_parsed(line))
            order.check(record)
        except ValueError as error:
            raise UserError(
                f"every line of a ledger is one event in JSON; {error} in {path} line {number}; "
                "restore the file from a copy, or start over with --fresh"
            ) from None
        yield record


class _Order:
    """Checks that configurations and the epochs of a run are counted without a gap."""

    def __init__(self) -> None:
        """Before the first event."""
        self._configs: dict[str, int] = {}
        self._epochs: dict[FoldRun, int] = {}

    def check(self, event: Record) -> None:
        """Take in the next record.

        Raises:
            ValueError: its number is not the one that comes next.
        """
        if isinstance(event, StudyBegun):
            return
        known = self._configs.get(event.variant, 0)
        if isinstance(event, ConfigAdded):
            self._configs[event.variant] = known + 1
            _require("config", event.config, known)
        elif event.config >= known:
            raise ValueError(f"found config={event.config}, which no line before it proposes,")
        elif isinstance(event, EpochDone):
            self._epochs[event.run] = self._epochs.get(event.run, 0) + 1
            _require("epoch", event.epoch, self._epochs[event.run])


def _parsed(line: bytes) -> Any:
    """The JSON value of a line; None for a line that is no JSON, which no event is either."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _require(name: str, found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(f"found {name}={found} where {expected} comes next,")


def _whole_length(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    return path.read_bytes().rfind(b"\n") + 1


def ledger_digest(path: Path) -> str:
    """sha256 of the ledger at `path`: a model folder or an evaluation says of which state of its study it is.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"a study's ledger is needed, and {path} cannot be read ({error.strerror})") from None
