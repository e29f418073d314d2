"""The study's memory: one JSON line for everything that happened, appended and never changed."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import UserError

# What each kind of line must carry, and of which type; a line may carry more.
FIELDS: dict[str, dict[str, type]] = {
    "config": {"variant": str, "config": int, "params": dict},
    "epoch": {
        "variant": str,
        "config": int,
        "fold": int,
        "seed": int,
        "epoch": int,
        "loss": float,
        "validation": dict,
        "test": dict,
        "seconds": float,
        "ended": bool,
    },
    "promoted": {"variant": str, "config": int, "stage": int, "reason": str},
    "lost": {"variant": str, "config": int, "fold": int, "seed": int, "outcome": str, "reason": str},
    # Under protocol nested: how a configuration ended for one held-out block. Promotions name theirs as well.
    "judged": {"variant": str, "config": int, "outer": int, "outcome": str, "reason": str},
    "closed": {"variant": str, "config": int, "outcome": str, "reason": str},
}


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

    def append(self, record: dict[str, Any]) -> None:
        """Write one record and wait until the disk has it."""
        with self.path.open("ab") as file:
            file.write(json.dumps(record, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.records.append(record)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The records of the ledger at `path`, without a torn last line.

    Raises:
        UserError: a whole line is no record, with its number.
    """
    whole = path.read_bytes()[: _whole_length(path)]
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        problem = _problem(record)
        if problem:
            raise UserError(
                f"every line of a ledger is one JSON record; {problem} in {path} line {number}; "
                "restore the file from a copy, or start over with --fresh"
            )
        yield record


def _problem(record: Any) -> str:
    if not isinstance(record, dict) or record.get("kind") not in FIELDS:
        return "found something else"
    for name, kind in FIELDS[record["kind"]].items():
        value = record.get(name)
        whole_for_float = kind is float and type(value) is int
        if type(value) is not kind and not whole_for_float:
            return f"found {name}={value!r} where {kind.__name__} is expected"
    return ""


def _whole_length(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    return path.read_bytes().rfind(b"\n") + 1
