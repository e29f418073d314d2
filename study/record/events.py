"""What happens in a study, as the ledger keeps it: one frozen dataclass for each kind of event.

The JSON form of an event and the check of a line that is read follow from the fields and their types.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, get_args, get_type_hints

from study.training.metrics import METRICS

LARGEST = 1_000_000
Scores = Mapping[str, float]
LayerWeights = Mapping[str, Mapping[str, float]]


class Phase(StrEnum):
    """Where a configuration stands. Only a complete one may be selected or reported."""

    OPEN = "open"
    COMPLETE = "complete"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"


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
    def named(name: str) -> FoldRun:
        """The run whose `name` this is.

        Raises:
            ValueError: it is no run's name.
        """
        match = re.fullmatch(r"(.+)-c(\d+)-f(\d+)-s(\d+)", name)
        if match is None:
            raise ValueError(f'a fold run is named like "cross-c003-f2-s0"; got {name!r}')
        return FoldRun(match[1], int(match[2]), int(match[3]), int(match[4]))


@dataclass(frozen=True)
class StudyBegun:
    """A study begins, or goes on with larger terms: what its decisions follow from until the next such line.

    `plan` is the digest of the plan's part that may not change. `spaces` has every parameter's distribution in words,
    by variant and name; `terms` what may grow, as `Plan.growing`.
    """

    kind: ClassVar[str] = "begun"
    plan: str
    spaces: Mapping[str, Any]
    terms: Mapping[str, Any]


@dataclass(frozen=True)
class ConfigAdded:
    """Configuration `config` of `variant` enters the search with `params`; numbers count from 0."""

    kind: ClassVar[str] = "config"
    variant: str
    config: int
    params: Mapping[str, Any]


@dataclass(frozen=True)
class EpochDone:
    """A fold run has trained an epoch, counted from 1; `ended` if it is the run's last.

    `validation` and `test` hold the four metrics by name, each in [0, 1]. `layer_weights` are those that its model has
    learned, by stream and band; None where it mixes no layers. `device` is what trained it, in words; None in ledgers
    of versions that did not record it.
    """

    kind: ClassVar[str] = "epoch"
    variant: str
    config: int
    fold: int
    seed: int
    epoch: int
    loss: float
    validation: Scores
    test: Scores
    seconds: float
    ended: bool
    layer_weights: LayerWeights | None = None
    device: str | None = None

    @property
    def run(self) -> FoldRun:
        """The run that trained it."""
        return FoldRun(self.variant, self.config, self.fold, self.seed)


@dataclass(frozen=True)
class Promoted:
    """A configuration may train up to its stage `stage`; under protocol nested, for one `test_block`."""

    kind: ClassVar[str] = "promoted"
    variant: str
    config: int
    stage: int
    reason: str
    test_block: int | None = None


@dataclass(frozen=True)
class RunLost:
    """A fold run diverged or failed for good, and its configuration with it."""

    kind: ClassVar[str] = "lost"
    outcomes: ClassVar[tuple[Phase, ...]] = (Phase.DIVERGED, Phase.FAILED)
    variant: str
    config: int
    fold: int
    seed: int
    outcome: Phase
    reason: str

    @property
    def run(self) -> FoldRun:
        """The run that is lost."""
        return FoldRun(self.variant, self.config, self.fold, self.seed)


@dataclass(frozen=True)
class BlockClosed:
    """Under protocol nested: how a configuration ended for one test block."""

    kind: ClassVar[str] = "block_closed"
    outcomes: ClassVar[tuple[Phase, ...]] = (Phase.COMPLETE, Phase.STOPPED, Phase.DIVERGED, Phase.FAILED)
    variant: str
    config: int
    test_block: int
    outcome: Phase
    reason: str


@dataclass(frozen=True)
class Closed:
    """A configuration trains no further in the search, and how it ended."""

    kind: ClassVar[str] = "closed"
    outcomes: ClassVar[tuple[Phase, ...]] = (Phase.COMPLETE, Phase.STOPPED, Phase.DIVERGED, Phase.FAILED)
    variant: str
    config: int
    outcome: Phase
    reason: str


# What happens in the search of a variant.
Event = ConfigAdded | EpochDone | Promoted | RunLost | BlockClosed | Closed
# What a line of a ledger holds.
Record = StudyBegun | Event
KINDS: dict[str, type[Record]] = {each.kind: each for each in get_args(Record)}


def to_json(event: Record) -> dict[str, Any]:
    """The event as the ledger has it; fields that are None are left out."""
    values = ((name, getattr(event, name)) for name in TYPES[type(event)])
    # Not `asdict`, which copies every score: an epoch of a thousand configurations is a fifth faster recorded.
    return {"kind": event.kind, **{name: value for name, value in values if value is not None}}


def digest(event: Event) -> str:
    """A short digest of an event. That of the first result identifies a ledger, for it has its seconds in it."""
    return hashlib.sha256(json.dumps(to_json(event), sort_keys=True).encode()).hexdigest()[:16]


def from_json(record: Any) -> Record:
    """The event that `to_json` wrote.

    Raises:
        ValueError: it is none; the text names what was found and what is expected.
    """
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str) or record["kind"] not in KINDS:
        raise ValueError("found something else")
    event = KINDS[record["kind"]]
    types = TYPES[event]
    given = {name: record[name] for name in types if name in record}
    for name, kind in types.items():
        if name not in given and kind in (int | None, str | None, LayerWeights | None):
            continue
        given[name] = _checked(name, kind, given.get(name), getattr(event, "outcomes", ()))
    return event(**given)


# Field names and types of each event; ClassVars are no fields.
TYPES: dict[type[Record], dict[str, Any]] = {
    event: {field.name: get_type_hints(event)[field.name] for field in fields(event)} for event in KINDS.values()
}


OPTIONAL: dict[Any, type] = {int | None: int, str | None: str}


def _checked(name: str, kind: Any, value: Any, outcomes: tuple[Phase, ...]) -> Any:
    """The value of a field, or a ValueError that names what is wrong with it."""
    if kind is Phase:
        if value not in list(outcomes):
            raise ValueError(f"found {name}={_short(value)} where one of {', '.join(outcomes)} is expected")
        return Phase(value)
    if kind == Scores:
        if not isinstance(value, dict) or not all(_is_score(value.get(metric)) for metric in METRICS):
            raise ValueError(f"found {name}={_short(value)} where {', '.join(METRICS)} from 0 to 1 are expected")
        return value
    if kind == LayerWeights | None:
        if not _are_layer_weights(value):
            raise ValueError(f"found {name}={_short(value)} where weights from 0 to 1 by stream and band are expected")
        return value
    plain = dict if kind == Mapping[str, Any] else OPTIONAL.get(kind, kind)
    if type(value) is not plain and not (plain is float and type(value) is int):
        raise ValueError(f"found {name}={_short(value)} where {plain.__name__} is expected")
    if plain in (int, float) and not _is_sound(value):
        raise ValueError(f"found {name}={_short(value)} where a finite number from 0 is expected")
    if plain is str and not _is_text(value):
        raise ValueError(f"found {name}={_short(value)} where text is expected")
    return value


def _is_sound(value: Any) -> bool:
    return 0 <= value <= LARGEST if type(value) is int else math.isfinite(value) and value >= 0


def _is_score(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _are_layer_weights(value: Any) -> bool:
    own = list(value.values()) if isinstance(value, dict) else []
    return bool(own) and all(isinstance(each, dict) and each and all(map(_is_score, each.values())) for each in own)


def _is_text(value: Any) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(value: Any) -> str:
    try:
        text = ascii(value)
    except (ValueError, RecursionError):  # a number of absurd length, or a list of absurd depth
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
