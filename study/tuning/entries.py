"""What a race is made of: its terms, its configurations, and the decisions that are taken about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean


class Phase(StrEnum):
    """Where a configuration stands. Only a complete one may be selected or reported."""

    OPEN = "open"
    COMPLETE = "complete"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"


@dataclass(frozen=True)
class Continue:
    """Train another epoch."""


@dataclass(frozen=True)
class Pause:
    """Keep the state and free the slot: what comes next is not decided yet."""


@dataclass(frozen=True)
class Stop:
    """Train no further, for `reason`."""

    reason: str


Decision = Continue | Pause | Stop


@dataclass(frozen=True)
class Promote:
    """Configuration `number` goes on to its stage `stage`, for `reason`."""

    number: int
    stage: int
    reason: str


@dataclass(frozen=True)
class Close:
    """Configuration `number` trains no further and ends as `phase`, for `reason`."""

    number: int
    phase: Phase
    reason: str


Verdict = Promote | Close


@dataclass(frozen=True)
class Stage:
    """What a configuration has to reach to be judged: `epoch`, on each of `folds`."""

    epoch: int
    folds: tuple[int, ...]


@dataclass(frozen=True)
class Rules:
    """The terms of a race.

    `rungs` are epochs, rising and below `epochs`. `eta`: one in eta goes on from a stage to the next. Policies
    that decide in order of number propose a configuration once all those `lookahead` or more before it are
    closed. When the search is over, the best `finalists` and the published setting run again with `seeds` fresh
    seeds; without seeds there is no such stage. No configuration is opened once what is left of `seconds` (of
    all workers together) is needed to bring the open ones and the fresh runs to their end.
    """

    n_configs: int
    n_folds: int
    epochs: int
    rungs: tuple[int, ...] = ()
    eta: int = 3
    lookahead: int = 4
    finalists: int = 0
    seeds: int = 0
    seconds: float | None = None

    @property
    def full(self) -> int:
        """Epochs of one full cross-validation."""
        return self.n_folds * self.epochs

    @property
    def reserve(self) -> int:
        """Epochs that are kept back from the search: the last ones promoted, and the fresh runs."""
        return (self.finalists + (self.finalists + 1) * self.seeds) * self.full


@dataclass
class Entry:
    """One configuration in the race.

    `stages` are its own; `granted` is the index of the one it works towards or waits at. `curves` holds per
    fold the best validation score so far after each epoch; a fold that has `ended` stands with its last value
    at every later epoch. `loss` is how it has to be closed because a run diverged or failed.
    """

    number: int
    stages: tuple[Stage, ...]
    granted: int
    curves: list[list[float]]
    ended: list[bool]
    phase: Phase = Phase.OPEN
    reason: str = ""
    loss: Close | None = None

    def target(self, fold: int) -> int:
        """The epoch up to which `fold` may be trained now; 0 while it is not needed."""
        return max((stage.epoch for stage in self.stages[: self.granted + 1] if fold in stage.folds), default=0)

    def has_reached(self, stage: int) -> bool:
        """Whether every fold of `stage` has come to its epoch, or has ended before."""
        asked = self.stages[stage]
        return all(self.ended[fold] or len(self.curves[fold]) >= asked.epoch for fold in asked.folds)

    @property
    def at_rest(self) -> bool:
        """Whether it has done what it was granted."""
        return self.has_reached(self.granted)

    @property
    def waiting(self) -> bool:
        """Whether it may be promoted."""
        return self.phase is Phase.OPEN and self.granted + 1 < len(self.stages) and self.at_rest

    def furthest(self) -> Stage | None:
        """The furthest stage that it has reached."""
        reached = [stage for index, stage in enumerate(self.stages) if self.has_reached(index)]
        return max(reached, key=lambda stage: (stage.epoch, len(stage.folds)), default=None)

    def score(self, epoch: int) -> float:
        """The mean over the folds that were trained of the best validation score up to `epoch`."""
        return fmean(curve[:epoch][-1] for curve in self.curves if curve)

    def epochs_spent(self) -> int:
        """Epochs trained, over all folds."""
        return sum(len(curve) for curve in self.curves)


def finished(entry: Entry) -> Close:
    """The end of an entry whose folds are all at full length."""
    return Close(entry.number, Phase.COMPLETE, "all folds at full length")


def geometric_rungs(epochs: int, eta: int = 3, n_rungs: int = 2) -> tuple[int, ...]:
    """Epochs E/eta^n, ..., E/eta, rounded, without repeats, below E.

    None is before epoch 2: the first epoch is the learning rate's warm-up and says little about what follows.
    """
    candidates = (max(2, round(epochs / eta**i)) for i in range(1, n_rungs + 1))
    return tuple(sorted({rung for rung in candidates if rung < epochs}))
