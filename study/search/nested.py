"""Nested selection: one race per test block, over runs that two races share.

The run of a pair of blocks trains on all other blocks and is scored on both after every epoch. It serves two
races: the race of each block reads the run's scores on the other block. So the race of a block never reads a score
on that block, and its stops and its choice do not depend on those scores.

A run goes on while either of its races needs it, and so may be ahead of what the other race has allowed. How far it
is ahead depends on scores that the other race must not read, so a race is shown an epoch, or the loss of a run, only
once it has itself allowed the run to be trained that far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from math import isqrt
from statistics import fmean

from study.record.epoch_rule import EPOCH_RULES
from study.record.events import BlockClosed, Closed, ConfigAdded, EpochDone, Event, Phase, Promoted, RunLost
from study.record.selection import Candidate, select
from study.search.confirmation import Confirmation
from study.search.pair_runs import NestedEntry, PairRun, end_of, pair_uses
from study.search.policy import Policy
from study.search.race import Race
from study.search.state import BlockDecision, Close, Continue, Entry, Pause, Promote, Rules, RunDecision, Stop


class NestedRace:
    """One variant's search under protocol nested. It is a Search like a race, without confirmation runs."""

    def __init__(self, rules: Rules, policy: Policy) -> None:
        """Races that have not begun; `rules.n_folds` is the number of pairs.

        Raises:
            ValueError: the policy's decisions depend on which run is faster, and so on what other races allow.
        """
        if not policy.in_order:
            raise ValueError("nested races need a policy that decides in order of number")
        n_blocks = (1 + isqrt(1 + 8 * rules.n_folds)) // 2
        self.rules = rules
        self.policy = policy
        self.pairs = tuple(combinations(range(n_blocks), 2))
        self.races = [
            Race(replace(rules, n_folds=n_blocks - 1, seeds=0, seconds=None), policy) for _ in range(n_blocks)
        ]
        self.entries: list[NestedEntry] = []
        self.confirmation = Confirmation(rules.n_folds, 0, EPOCH_RULES[rules.epoch_rule])
        self.epochs_spent = 0

    def apply(self, event: Event) -> bool:
        """Change by one event, as `Race.apply` does. The scores of an epoch on both held-out blocks are kept."""
        match event:
            case ConfigAdded():
                self.open()
            case EpochDone():
                metric = self.rules.metric
                scores = event.validation[metric], event.test[metric]
                self.record(event.config, event.fold, scores, event.ended)
                return True
            case Promoted():
                assert event.test_block is not None
                self.promote(event.test_block, event.config, event.stage)
            case BlockClosed():
                self.races[event.test_block].close(event.config, event.outcome, event.reason)
            case RunLost():
                self.mark_lost(event.config, event.fold, event.outcome, event.reason)
                return True
            case Closed():
                self.entries[event.config].phase, self.entries[event.config].reason = event.outcome, event.reason
        return False

    def open(self) -> int:
        """Enter the next configuration into every race, and return its number."""
        number = len(self.entries)
        for race in self.races:
            race.open()
        by_block = [race.entries[number] for race in self.races]
        self.entries.append(NestedEntry(number, [PairRun() for _ in self.pairs], by_block))
        return number

    def record(self, number: int, fold: int, scores: tuple[float, float], ended: bool) -> None:
        """Record one epoch's scores: on the pair's second block and on its first."""
        self.epochs_spent += 1
        run = self.entries[number].runs[fold]
        run.scores.append(scores)
        run.ended = ended
        for test_block in self.pairs[fold]:
            self._show(test_block, number)

    def promote(self, test_block: int, number: int, stage: int) -> None:
        """Let the race of block `test_block` have a configuration trained up to a later stage."""
        self.races[test_block].promote(number, stage)
        self._show(test_block, number)

    def mark_lost(self, number: int, fold: int, phase: Phase, reason: str) -> None:
        """Record that a run diverged or failed."""
        self.entries[number].runs[fold].lost = Close(number, phase, reason)
        for test_block in self.pairs[fold]:
            self._show(test_block, number)

    def due_decision(self) -> BlockDecision | Close | None:
        """A decision of one of the races that is due now, or the end of a configuration that all have closed."""
        for test_block, race in enumerate(self.races):
            if decision := race.due_decision():
                return BlockDecision(test_block, decision)
        ends = (end_of(entry.number, [race.entries[entry.number] for race in self.races]) for entry in self._open())
        return next((end for end in ends if end is not None), None)

    def promotion(self) -> Promote | None:
        """None: promotions are decided as soon as they are due."""
        return None

    def decision(self, number: int, fold: int, seed: int) -> RunDecision:
        """Whether a run continues, pauses or stops after the epoch that it reported last."""
        entry = self.entries[number]
        run = entry.runs[fold]
        if run.ended:
            return Stop("finished")
        if entry.phase is not Phase.OPEN:
            return Stop(entry.reason)
        if len(run.scores) < self._target(number, fold):
            return Continue()
        return Pause() if self.is_wanted(number, fold, seed) else Stop("closed for both of its blocks")

    def may_open(self) -> bool:
        """Whether the next configuration may be proposed now: whether every race allows it."""
        return not self.all_opened() and all(self.policy.may_open(race) for race in self.races)

    def n_known_to(self, number: int) -> int:
        """How many of the first configurations may inform, by their outcomes, the proposal of `number`."""
        return self.races[0].n_known_to(number)

    def runnable(self) -> Iterator[tuple[int, int, int]]:
        """(configuration, pair, 0) of every run that has epochs to train now, lower numbers first."""
        for entry in self._open():
            for fold, run in enumerate(entry.runs):
                if not run.ended and len(run.scores) < self._target(entry.number, fold):
                    yield entry.number, fold, 0

    def epochs_known(self, number: int, fold: int, seed: int) -> int:
        """How many epochs of a run have been recorded."""
        return len(self.entries[number].runs[fold].scores)

    def last_epoch(self, number: int, seed: int) -> int:
        """The epoch at which a run ends at the latest."""
        return self.rules.epochs

    def target_epoch(self, number: int, fold: int, seed: int) -> int:
        """The epoch up to which a run is trained now, unless its scores end it before."""
        return self._target(number, fold)

    def counted_epochs(self, number: int) -> dict[int, set[int]]:
        """By pair, the epochs at which its run counts for one of its two blocks."""
        whole = [all(race.entries[number].curves) for race in self.races]
        by_block = [race.counted_epochs(number) if w else {} for race, w in zip(self.races, whole, strict=True)]
        return {
            fold: set().union(*(by_block[block].get(inner, set()) for block, inner, _ in pair_uses(pair)))
            for fold, pair in enumerate(self.pairs)
        }

    def is_wanted(self, number: int, fold: int, seed: int) -> bool:
        """Whether a paused run may still be trained further: whether one of its two races is open to it."""
        if number >= len(self.entries):
            return False
        run = self.entries[number].runs[fold]
        return not run.ended and run.lost is None and any(self._racing(number, fold))

    def closed(self) -> bool:
        """Whether no run is left to train and no configuration to propose."""
        return self.all_opened() and not self._open()

    def all_opened(self) -> bool:
        """Whether no more configurations will be proposed."""
        return len(self.entries) >= self.rules.n_configs or self.hopeless()

    def hopeless(self) -> bool:
        """Whether the first three configurations all failed for every block."""
        return len(self.entries) >= 3 and all(entry.phase is Phase.FAILED for entry in self.entries)

    def expected_epochs(self) -> float:
        """What its races are likely to take, by how often two of them have trained for one epoch so far."""
        trained_for = sum(race.epochs_spent for race in self.races)
        overlap = self.epochs_spent / trained_for if trained_for else 0.5
        return max(self.epochs_spent, overlap * sum(race.expected_epochs() for race in self.races))

    def choices(self) -> list[int | None]:
        """For every test block, the configuration that its race selects; None if none is complete."""
        best = [race.best() for race in self.races]
        return [None if entry is None else entry.number for entry in best]

    def best(self) -> NestedEntry | None:
        """The configuration with the best mean over all blocks, of those that are complete for all blocks."""
        complete = [e for e in self.entries if all(r.entries[e.number].phase is Phase.COMPLETE for r in self.races)]
        number = select([Candidate(entry.number, entry.score(self.rules.epochs)) for entry in complete])
        return None if number is None else self.entries[number]

    def chosen(self) -> set[int]:
        """The numbers of the configurations that would be reported now."""
        best = self.best()
        return {n for n in self.choices() if n is not None} | (set() if best is None else {best.number})

    def predicted_final(self, entry: NestedEntry) -> tuple[float, float] | None:
        """The predicted final score of `entry` and its standard deviation: means over the races that have one."""
        known = [found for race, mine in self._not_lost(entry) if (found := race.predicted_final(mine)) is not None]
        return (fmean(mean for mean, _ in known), fmean(error for _, error in known)) if known else None

    def level(self, entry: NestedEntry) -> float | None:
        """The predicted mean over folds of `entry` at its present epoch, averaged over the races that have one."""
        known = [found for race, mine in self._not_lost(entry) if (found := race.level(mine)) is not None]
        return fmean(known) if known else None

    def _not_lost(self, entry: NestedEntry) -> Iterator[tuple[Race, Entry]]:
        """The races with their entries for a configuration, except the races where it diverged or failed."""
        for race in self.races:
            mine = race.entries[entry.number]
            if mine.phase not in (Phase.DIVERGED, Phase.FAILED):
                yield race, mine

    def _open(self) -> list[NestedEntry]:
        return [entry for entry in self.entries if entry.phase is Phase.OPEN]

    def _racing(self, number: int, fold: int) -> Iterator[tuple[Entry, int]]:
        """The entries of a run in those of its two races that are open to it, with the number of its fold there."""
        for test_block, inner, _ in pair_uses(self.pairs[fold]):
            entry = self.races[test_block].entries[number]
            if entry.phase is Phase.OPEN and entry.pending_close is None:
                yield entry, inner

    def _target(self, number: int, fold: int) -> int:
        """The epoch up to which a run may be trained now."""
        if self.entries[number].runs[fold].lost is not None:
            return 0
        return max((entry.target(inner) for entry, inner in self._racing(number, fold)), default=0)

    def _show(self, test_block: int, number: int) -> None:
        """Pass to the race of block `test_block` the scores up to the epoch that it has allowed itself, and no more."""
        race, runs = self.races[test_block], self.entries[number].runs
        entry = race.entries[number]
        if entry.phase is not Phase.OPEN:
            return
        lost, unseen = [], False
        for run, pair in zip(runs, self.pairs, strict=True):
            if test_block not in pair:
                continue
            _, inner, part = next(use for use in pair_uses(pair) if use[0] == test_block)
            target = entry.target(inner)
            for epoch in range(len(entry.curves[inner]), min(target, len(run.scores))):
                ended = run.ended and epoch + 1 == len(run.scores)
                race.record(number, inner, 0, run.scores[epoch][part], ended)
            if len(entry.curves[inner]) < target and not entry.ended[inner]:
                lost += [run.lost] if run.lost is not None else []
                unseen |= run.lost is None
        # Others are compared with the published setting at any stage that it has reached: that must not depend on how
        # far its other folds were when one was lost. No other configuration passes a stage without all its folds.
        always_full = race.policy.first_stage(race.rules, number) > 0
        if lost and entry.pending_close is None and not (always_full and unseen):
            race.mark_lost(number, 0, lost[0].phase, lost[0].reason)
