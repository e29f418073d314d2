"""What a race is made of: its rules, its configurations, and the decisions that are taken about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean

from study.record.epoch_rule import EpochRule
from study.record.events import Phase
from study.record.terms import Terms


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


RunDecision = Continue | Pause | Stop


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


ConfigDecision = Promote | Close


@dataclass(frozen=True)
class BlockDecision:
    """Under protocol nested: a decision for the test block `test_block` alone."""

    test_block: int
    decision: ConfigDecision


@dataclass(frozen=True)
class Stage:
    """What a configuration has to reach to be compared: `epoch`, on each of `folds`."""

    epoch: int
    folds: tuple[int, ...]


def lookahead_of(slots: int, n_folds: int) -> int:
    """How many configurations are open at once where policies decide in order of number, to keep `slots` busy.

    Three more than fill the slots: while the last folds of one run to their end, others have rungs to reach. Beyond the
    folds of one, each open configuration may have a single run to go and wait for those before it.
    """
    return max(1, slots - n_folds + 1) + 3


@dataclass(frozen=True, kw_only=True)
class Rules(Terms):
    """The terms of a study as its races read them, with what the corpus and the machines add.

    `rungs` are epochs, rising and below `epochs`. Policies that decide in order of number propose a configuration
    once all those `lookahead` or more before it are closed. No configuration is opened once the rest of `seconds`
    (worker seconds of one variant) is needed to bring the open ones and the confirmation runs to their end.
    """

    n_folds: int
    rungs: tuple[int, ...] = ()
    lookahead: int = 4
    seconds: float | None = None

    @property
    def full(self) -> int:
        """Epochs of one full cross-validation."""
        return self.n_folds * self.epochs

    @property
    def reserve(self) -> int:
        """Epochs that are kept back from the search: the last ones promoted, and the confirmation runs."""
        return (self.finalists + (self.finalists + 1) * self.seeds) * self.full


@dataclass
class Entry:
    """One configuration in the race.

    `stages` are its own; `allowed_stage` is the index of the one it trains for or waits at. `curves` holds per
    fold the validation score after each epoch; a fold that has `ended` keeps its last one at every later epoch.
    `epoch_rule` says at which epochs they count. `pending_close` is how it has to be closed because a run diverged or
    failed.
    """

    number: int
    stages: tuple[Stage, ...]
    allowed_stage: int
    curves: list[list[float]]
    ended: list[bool]
    epoch_rule: EpochRule
    phase: Phase = Phase.OPEN
    reason: str = ""
    pending_close: Close | None = None
    # What is asked of every entry at every decision, and changes with its scores alone.
    _reached: set[int] = field(default_factory=set, repr=False, compare=False)
    _scores: dict[int, float] = field(default_factory=dict, repr=False, compare=False)

    def add(self, fold: int, score: float, ended: bool) -> None:
        """Take in the validation score of the next epoch of `fold`."""
        self.curves[fold].append(score)
        self.ended[fold] = ended
        self._scores.clear()

    def target(self, fold: int) -> int:
        """The epoch up to which `fold` may be trained now; 0 while it is not needed."""
        return max((stage.epoch for stage in self.stages[: self.allowed_stage + 1] if fold in stage.folds), default=0)

    def has_reached(self, stage: int) -> bool:
        """Whether every fold of `stage` has trained up to its epoch, or has ended before."""
        if stage not in self._reached:
            required = self.stages[stage]
            for fold in required.folds:
                if len(self.curves[fold]) < required.epoch and not self.ended[fold]:
                    return False
            self._reached.add(stage)  # scores are added and never taken back
        return True

    @property
    def at_rest(self) -> bool:
        """Whether it has reached its allowed stage."""
        return self.has_reached(self.allowed_stage)

    @property
    def waiting(self) -> bool:
        """Whether it may be promoted."""
        return self.phase is Phase.OPEN and self.allowed_stage + 1 < len(self.stages) and self.at_rest

    def furthest(self) -> Stage | None:
        """The furthest stage that it has reached."""
        reached = [stage for index, stage in enumerate(self.stages) if self.has_reached(index)]
        return max(reached, key=lambda stage: (stage.epoch, len(stage.folds)), default=None)

    def score(self, epoch: int) -> float:
        """The mean over the folds that were trained of the validation scores that count after `epoch` epochs."""
        if epoch not in self._scores:
            folds = [fold for fold, curve in enumerate(self.curves) if curve]
            self._scores[epoch] = fmean(self._counted(folds, epoch).values())
        return self._scores[epoch]

    def counted(self, epoch: int) -> dict[int, float]:
        """By fold, the validation scores that count at `epoch`, of the folds that have come that far or have ended."""
        return self._counted([f for f, c in enumerate(self.curves) if len(c) >= epoch or (c and self.ended[f])], epoch)

    def last_epoch(self) -> int:
        """The latest of the epochs at which its folds count."""
        return max(self.epoch_rule.pick(self.curves))

    def _counted(self, folds: list[int], epoch: int) -> dict[int, float]:
        curves = [self.curves[fold][:epoch] for fold in folds]
        picked = zip(folds, curves, self.epoch_rule.pick(curves) if curves else (), strict=True)
        return {fold: curve[at - 1] for fold, curve, at in picked}

    def epochs_spent(self) -> int:
        """Epochs trained, over all folds."""
        return sum(len(curve) for curve in self.curves)
