"""Ledger records sorted into runs as they come in, with the times that a tracker shows."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from study.results.aggregate import ConfigResult, FoldResult, configurations
from study.results.ledger import FoldRun


@dataclass(frozen=True)
class Key:
    """Which run: a study's run has neither config nor fold, a configuration's has no fold and no seed."""

    variant: str
    config: int | None = None
    fold: int | None = None
    seed: int | None = None

    @property
    def parent(self) -> "Key | None":
        """The run that this one belongs under."""
        if self.fold is not None:
            return Key(self.variant, self.config)
        return Key(self.variant) if self.config is not None else None

    @property
    def tags(self) -> dict[str, str]:
        """The key as tags: a run is found again by them, whatever a reader renames it to."""
        level = "study" if self.config is None else "config" if self.fold is None else "fold"
        named = {"variant": self.variant, "config": self.config, "fold": self.fold, "seed": self.seed}
        return {"level": level, **{name: str(value) for name, value in named.items() if value is not None}}

    @staticmethod
    def of(tags: Mapping[str, str]) -> "Key":
        """The key that `tags` hold."""
        return Key(tags["variant"], *(int(tags[name]) if name in tags else None for name in ("config", "fold", "seed")))


@dataclass
class History:
    """What is known of one fold run, and when it came. A continued study hands in at once what was before."""

    result: FoldResult
    first: float
    last: float
    lost: Mapping[str, Any] | None = None

    @property
    def seconds(self) -> float:
        """Seconds of training and evaluation, pauses aside."""
        return float(sum(epoch["seconds"] for epoch in self.result.epochs))

    @property
    def started(self) -> float:
        """When the run began: never so late that it would end in the future."""
        return min(self.first, self.last - self.seconds)


@dataclass
class Arrivals:
    """Every record so far, by fold run.

    `identity` tells this ledger from every other: its first result, which has its seconds in it. It is empty
    until there is one.
    """

    runs: dict[Key, History] = field(default_factory=dict)
    identity: str = ""
    _records: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, at: float, record: Mapping[str, Any]) -> bool:
        """Take in one ledger record that came at time `at`; says whether there is something new to show."""
        self._records.append(record)
        if record["kind"] not in ("epoch", "lost"):
            return bool(record["kind"] == "closed")
        self.identity = self.identity or hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
        is_first = record["variant"] not in self.variants()
        run = FoldRun(record["variant"], record["config"], record["fold"], record["seed"])
        key = Key(run.variant, run.config, run.fold, run.seed)
        history = self.runs.setdefault(key, History(FoldResult(run), at - record.get("seconds", 0.0), at))
        history.last = at
        if record["kind"] == "lost":
            history.lost = record
        else:
            history.result.epochs.append(record)
        return is_first or (run.seed > 0 and (history.lost is not None or history.result.ended))

    def results(self) -> dict[str, list[ConfigResult]]:
        """The configurations of every variant."""
        return configurations(self._records)

    def variants(self) -> list[str]:
        """The variants that have a result, in the order of their first."""
        return list(dict.fromkeys(key.variant for key in self.runs))

    def results_under(self, config: Key) -> int:
        """How many results there are of a configuration: what is written of it changes with them alone."""
        histories = self.under(config).values()
        return sum(len(history.result.epochs) + (history.lost is not None) for history in histories)

    def under(self, config: Key) -> dict[Key, History]:
        """The fold runs of a configuration, the search's first."""
        mine = {key: history for key, history in self.runs.items() if key.parent == config}
        return dict(sorted(mine.items(), key=lambda item: (item[0].seed or 0, item[0].fold or 0)))
