"""The race between configurations: scores in, decisions out. No Ray, no Optuna, no files, no clock.

All folds of a configuration run in lockstep to each rung (an epoch at which configurations are compared) and
pause there. The statistic is the mean over folds, so a hard fold is never held against a configuration.

Every decision about configuration n reads configurations with lower numbers only, and waits for them where it
must. Decisions therefore do not depend on which worker was faster: under the same rules, the same scores give the
same race with one slot or fifty, interrupted or not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

import numpy as np

from study.tuning.confirming import Confirmation


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
    """Keep the state and free the slot: the other folds have to come this far first."""


@dataclass(frozen=True)
class Stop:
    """Train no further, for `reason`."""

    reason: str


Decision = Continue | Pause | Stop


@dataclass(frozen=True)
class Rules:
    """The terms of a race.

    `rungs` are epochs, rising and below `epochs`. At a rung a configuration goes on if its mean score is in
    the top 1/eta of those that came there before it, itself included in neither count; the first one, the
    published setting, always does. A configuration is proposed once all those `lookahead` or more before it
    are closed. When the search is over, the best `finalists` and the published setting run again with `seeds`
    fresh seeds; without seeds there is no such stage.
    """

    n_configs: int
    n_folds: int
    epochs: int
    rungs: tuple[int, ...] = ()
    eta: int = 3
    min_peers: int = 1
    lookahead: int = 4
    finalists: int = 0
    seeds: int = 0


@dataclass
class Entry:
    """One configuration in the race.

    `curves` holds per fold the best validation score so far after each epoch; a fold that has `ended` stands
    with its last value at every later rung.
    """

    number: int
    curves: list[list[float]]
    ended: list[bool]
    rung_scores: list[float] = field(default_factory=list)
    phase: Phase = Phase.OPEN
    reason: str = ""

    def reached(self, epoch: int) -> bool:
        """Whether every fold has come to `epoch`, or has ended before it."""
        return all(ended or len(curve) >= epoch for curve, ended in zip(self.curves, self.ended, strict=True))

    def score(self, epoch: int) -> float:
        """The mean over folds of the best validation score up to `epoch`."""
        return fmean(curve[:epoch][-1] for curve in self.curves)

    def epochs_spent(self) -> int:
        """Epochs trained, over all folds."""
        return sum(len(curve) for curve in self.curves)


def geometric_rungs(epochs: int, eta: int = 3, n_rungs: int = 2) -> tuple[int, ...]:
    """Epochs E/eta^n, ..., E/eta, rounded, without repeats, below E.

    None is before epoch 2: the first epoch is the learning rate's warm-up and says little about what follows.
    """
    candidates = (max(2, round(epochs / eta**i)) for i in range(1, n_rungs + 1))
    return tuple(sorted({rung for rung in candidates if rung < epochs}))


class Race:
    """The state of one variant's search, changed only by what is reported to it."""

    def __init__(self, rules: Rules) -> None:
        """A race that has not begun."""
        self.rules = rules
        self.entries: list[Entry] = []
        self.confirmation: Confirmation | None = None

    def may_open(self) -> bool:
        """Whether the next configuration may be proposed now."""
        number = len(self.entries)
        return (
            number < self.rules.n_configs
            and not self.hopeless()
            and all(entry.phase is not Phase.OPEN for entry in self.known_to(number))
        )

    def known_to(self, number: int) -> list[Entry]:
        """The configurations whose outcomes may inform the proposal of configuration `number`."""
        return self.entries[: max(0, number - self.rules.lookahead + 1)]

    def open(self) -> int:
        """Enter the next configuration; gives its number."""
        folds = self.rules.n_folds
        entry = Entry(len(self.entries), curves=[[] for _ in range(folds)], ended=[False] * folds)
        self.entries.append(entry)
        return entry.number

    def runnable(self) -> Iterator[tuple[int, int, int]]:
        """(configuration, fold, seed) of every run that has epochs to train now, most urgent first."""
        for entry in self.entries:
            if entry.phase is Phase.OPEN:
                target = self._target(entry)
                for fold, curve in enumerate(entry.curves):
                    if not entry.ended[fold] and len(curve) < target:
                        yield entry.number, fold, 0
        if self.confirmation is not None:
            yield from self.confirmation.runnable()

    def record(self, number: int, fold: int, seed: int, score: float, ended: bool) -> Decision:
        """Take in one epoch's validation score; says what its run does next."""
        if seed:
            return self._record_confirming(number, fold, seed, score, ended)
        entry = self.entries[number]
        curve = entry.curves[fold]
        curve.append(max(score, curve[-1]) if curve else score)
        entry.ended[fold] = ended
        self._settle()
        if ended:
            return Stop("finished")
        if entry.phase is not Phase.OPEN:
            return Stop(entry.reason)
        return Continue() if len(curve) < self._target(entry) else Pause()

    def lose(self, number: int, seed: int, phase: Phase, reason: str) -> None:
        """Close a configuration one of whose runs diverged or failed: no mean is taken over fewer folds."""
        entry = self.entries[number]
        if seed:
            assert self.confirmation is not None
            self.confirmation.finalists[number].lost = f"{phase}: {reason}"
        elif entry.phase is Phase.OPEN:
            entry.phase, entry.reason = phase, reason
            self._settle()

    def epochs_known(self, number: int, fold: int, seed: int) -> int:
        """How many epochs of a run have been recorded."""
        if seed == 0:
            return len(self.entries[number].curves[fold])
        return len(self.confirmation.finalists[number].curves[fold, seed]) if self.confirmation else 0

    def is_wanted(self, number: int, fold: int, seed: int) -> bool:
        """Whether a run that waits may be trained again some time."""
        if seed == 0:
            return number < len(self.entries) and self.entries[number].phase is Phase.OPEN
        return self.confirmation is not None and (number, fold, seed) in self.confirmation.runnable()

    def closed(self) -> bool:
        """Whether nothing is left to run or to propose."""
        return self.search_closed() and (self.confirmation is None or self.confirmation.closed())

    def search_closed(self) -> bool:
        """Whether every configuration has been proposed and judged."""
        return all(entry.phase is not Phase.OPEN for entry in self.entries) and (
            len(self.entries) >= self.rules.n_configs or self.hopeless()
        )

    def hopeless(self) -> bool:
        """Whether the first three configurations all failed: the fault is not in the configurations."""
        return len(self.entries) >= 3 and all(entry.phase is Phase.FAILED for entry in self.entries)

    def ranked(self) -> list[Entry]:
        """The complete configurations by mean validation score in the search, best first, earlier of equals first."""
        complete = [entry for entry in self.entries if entry.phase is Phase.COMPLETE]
        return sorted(complete, key=lambda entry: (-entry.score(self.rules.epochs), entry.number))

    def best(self) -> Entry | None:
        """The configuration to select: by the fresh runs where they are done, else by the search."""
        if self.confirmation is not None and (number := self.confirmation.best()) is not None:
            return self.entries[number]
        return next(iter(self.ranked()), None)

    def _record_confirming(self, number: int, fold: int, seed: int, score: float, ended: bool) -> Decision:
        assert self.confirmation is not None
        self.confirmation.record(number, fold, seed, score, ended)
        lost = self.confirmation.finalists[number].lost
        return Stop(lost or "finished") if ended or lost else Continue()

    def _target(self, entry: Entry) -> int:
        judged = len(entry.rung_scores)
        return self.rules.rungs[judged] if judged < len(self.rules.rungs) and entry.number else self.rules.epochs

    def _settle(self) -> None:
        """Judge every configuration that can be judged, in order of number."""
        for entry in self.entries:
            while entry.phase is Phase.OPEN and self._judge(entry):
                pass
        if self.confirmation is None and self.rules.seeds and self.entries and self.search_closed():
            chosen = self.ranked()[: self.rules.finalists]
            published = [entry for entry in self.entries[:1] if entry.phase is Phase.COMPLETE]
            numbers = {entry.number for entry in [*chosen, *published]}
            self.confirmation = Confirmation(sorted(numbers), self.rules.n_folds, self.rules.seeds)

    def _judge(self, entry: Entry) -> bool:
        """Take `entry` over its next rung or close it; False if that has to wait."""
        rung = len(entry.rung_scores)
        if rung == len(self.rules.rungs):
            if all(entry.ended):
                entry.phase, entry.reason = Phase.COMPLETE, "all folds at full length"
            return False
        earlier = self.entries[: entry.number]
        if any(other.phase is Phase.OPEN and len(other.rung_scores) <= rung for other in earlier):
            return False
        if not entry.reached(self.rules.rungs[rung]):
            return False
        score = entry.score(self.rules.rungs[rung])
        peers = [other.rung_scores[rung] for other in earlier if len(other.rung_scores) > rung]
        entry.rung_scores.append(score)
        if entry.number and len(peers) >= self.rules.min_peers:
            cutoff = float(np.quantile(peers, 1 - 1 / self.rules.eta))
            if score < cutoff:
                entry.phase = Phase.STOPPED
                entry.reason = (
                    f"epoch {self.rules.rungs[rung]}: mean {score:.3f} below {cutoff:.3f}, "
                    f"the top 1/{self.rules.eta} of {len(peers)} before it"
                )
        return True
