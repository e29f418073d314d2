"""The study's memory: one JSON line for everything that happened, appended and never changed."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import UserError
from study.results.ledger_laws import Laws
from study.storage import append, sync


@dataclass(frozen=True, order=True)
class FoldRun:
    """One configuration of one variant trained on one fold with one seed: a Ray Tune trial."""

    variant: str
    config: int
    fold: int
    seed: int = 0

    @property
    def name(self) -> str:
        """A file name for what belongs to this run, for example "cross-c003-f2-s0"."""
        return f"{self.variant}-c{self.config:03d}-f{self.fold}-s{self.seed}"

    @staticmethod
    def named(name: str) -> "FoldRun":
        """The run whose `name` this is.

        Raises:
            ValueError: it is no run's name.
        """
        match = re.fullmatch(r"(.+)-c(\d+)-f(\d+)-s(\d+)", name)
        if match is None:
            raise ValueError(f'a fold run is named like "cross-c003-f2-s0"; got {name!r}')
        return FoldRun(match[1], int(match[2]), int(match[3]), int(match[4]))


class Ledger:
    """The append-only file of a study. One process writes it; every line is on disk before it is acted on."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        """Open the ledger at `path`, new or with what it holds; if not `writable`, its file is left as it is.

        A last line without its newline was torn by a kill in the middle of a write; nothing was decided on
        it, so it is cut off.

        Raises:
            UserError: a line in the middle is no record.
        """
        self.path = path
        self.records = list(read(path)) if path.exists() else []
        if not writable:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.truncate(_whole_length(path))
        sync(path.parent)

    def append(self, record: dict[str, Any]) -> None:
        """Write one record and wait until the disk has it.

        Raises:
            StorageFull: there is no room; the ledger is as it was.
        """
        append(self.path, json.dumps(record, allow_nan=False).encode() + b"\n")
        self.records.append(record)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The records of the ledger at `path`, without a torn last line.

    Raises:
        UserError: a whole line is no record, with its number.
    """
    whole = path.read_bytes()[: _whole_length(path)]
    laws = Laws()
    for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if problem := laws.problem(record):
            raise UserError(
                f"every line of a ledger is one JSON record; {problem} in {path} line {number}; "
                "restore the file from a copy, or start over with --fresh"
            )
        yield record


def _whole_length(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    return path.read_bytes().rfind(b"\n") + 1
