"""Nested selection: a race of its own for every block that is tested, over runs that two of them share.

The run of a pair of blocks trains on all other blocks and is scored on both after every epoch. It serves two
races: that of the one block reads its scores on the other, and the other way round. So the race of a block never
reads a score on that block, and what it stops and chooses would be the same whatever those scores were.

A run goes on while either of its races wants it to, and so may be ahead of the other. How far is the doing of
scores that the other must not read, so a race is shown an epoch, or the loss of a run, only once it has itself
granted the run that far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from math import isqrt
from statistics import fmean
from typing import Any

from study.tuning.confirming import Confirmation
from study.tuning.entries import Close, Continue, Decision, Entry, Pause, Phase, Promote, Rules, Stop, Verdict
from study.tuning.pair_runs import NestedEntry, PairRun, end_of, roles
from study.tuning.policies import InOrder, Policy
from study.tuning.racing import Race


@dataclass(frozen=True)
class Judged:
    """A decision of the race whose block `outer` is tested."""

    outer: int
    verdict: Verdict


class NestedRace:
    """One variant's search under protocol nested; to the conductor a race like any other, without fresh seeds."""

    out_of_time = False

    def __init__(self, rules: Rules, policy: Policy) -> None:
        """Races that have not begun; `rules.n_folds` is the number of pairs.

        Raises:
            ValueError: the policy's decisions depend on who is faster, and so on what other races grant.
        """
        if not isinstance(policy, InOrder):
            raise ValueError("nested races need a policy that decides in order of number")
        n_blocks = (1 + isqrt(1 + 8 * rules.n_folds)) // 2
        self.rules = rules
        self.policy = policy
        self.pairs = tuple(combinations(range(n_blocks), 2))
        self.races = [
            Race(replace(rules, n_folds=n_blocks - 1, seeds=0, seconds=None), policy) for _ in range(n_blocks)
        ]
        self.entries: list[NestedEntry] = []
        self.confirmation = Confirmation(rules.n_folds, 0)
        self.epochs_spent = 0

    def take(self, record: Mapping[str, Any], metric: str) -> bool:
        """Apply one ledger record, as `Race.take` does. Of an epoch, both held-out blocks' scores are kept."""
        number = record["config"]
        match record["kind"]:
            case "config":
                self.open()
            case "epoch":
                scores = record["validation"][metric], record["test"][metric]
                self.record(number, record["fold"], scores, record["ended"])
                return True
            case "promoted":
                self.promote(record["outer"], number, record["stage"])
            case "judged":
                self.races[record["outer"]].close(number, Phase(record["outcome"]), record["reason"])
            case "lost":
                self.lose(number, record["fold"], Phase(record["outcome"]), record["reason"])
                return True
            case "closed":
                self.entries[number].phase, self.entries[number].reason = Phase(record["outcome"]), record["reason"]
        return False

    def open(self) -> int:
        """Enter the next configuration into every race; gives its number."""
        number = len(self.entries)
        self.entries.append(NestedEntry(number, [PairRun() for _ in self.pairs]))
        for race in self.races:
            race.open()
        return number

    def record(self, number: int, fold: int, scores: tuple[float, float], ended: bool) -> None:
        """Take in one epoch's scores, on the pair's second block and on its first."""
        self.epochs_spent += 1
        run = self.entries[number].runs[fold]
        run.scores.append(scores)
        run.ended = ended
        for outer in self.pairs[fold]:
            self._show(outer, number)

    def promote(self, outer: int, number: int, stage: int) -> None:
        """Let the race of block `outer` have a configuration trained up to a later stage."""
        self.races[outer].promote(number, stage)
        self._show(outer, number)

    def lose(self, number: int, fold: int, phase: Phase, reason: str) -> None:
        """Take in that a run diverged or failed."""
        self.entries[number].runs[fold].lost = Close(number, phase, reason)
        for outer in self.pairs[fold]:
            self._show(outer, number)

    def verdict(self) -> Judged | Close | None:
        """A decision of one of the races that is due now, or the end of a configuration that all have closed."""
        for outer, race in enumerate(self.races):
            if verdict := race.verdict():
                return Judged(outer, verdict)
        ends = (end_of(entry.number, [race.entries[entry.number] for race in self.races]) for entry in self._open())
        return next((end for end in ends if end is not None), None)

    def promotion(self) -> Promote | None:
        """None: whoever may go on does so at once."""
        return None

    def decision(self, number: int, fold: int, seed: int) -> Decision:
        """What a run does after the epoch that it reported last."""
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
        """Whether the next configuration may be proposed now: when every race would."""
        return not self.all_opened() and all(self.policy.may_open(race) for race in self.races)

    def known_to(self, number: int) -> set[int]:
        """The configurations whose outcomes may inform the proposal of configuration `number`."""
        return self.races[0].known_to(number)

    def runnable(self) -> Iterator[tuple[int, int, int]]:
        """(configuration, pair, 0) of every run that has epochs to train now, lower numbers first."""
        for entry in self._open():
            for fold, run in enumerate(entry.runs):
                if not run.ended and len(run.scores) < self._target(entry.number, fold):
                    yield entry.number, fold, 0

    def epochs_known(self, number: int, fold: int, seed: int) -> int:
        """How many epochs of a run have been recorded."""
        return len(self.entries[number].runs[fold].scores)

    def is_wanted(self, number: int, fold: int, seed: int) -> bool:
        """Whether a run that waits may be trained again some time: while one of its two races is open to it."""
        if number >= len(self.entries):
            return False
        run = self.entries[number].runs[fold]
        return not run.ended and run.lost is None and any(self._racing(number, fold))

    def closed(self) -> bool:
        """Whether nothing is left to run or to propose."""
        return self.all_opened() and not self._open()

    def all_opened(self) -> bool:
        """Whether no more configurations will be proposed."""
        return len(self.entries) >= self.rules.n_configs or self.hopeless()

    def hopeless(self) -> bool:
        """Whether the first three configurations all failed for every block."""
        return len(self.entries) >= 3 and all(entry.phase is Phase.FAILED for entry in self.entries)

    def choices(self) -> list[int | None]:
        """For every tested block, the configuration that its race selects; None where none is complete."""
        best = [race.best() for race in self.races]
        return [None if entry is None else entry.number for entry in best]

    def best(self) -> NestedEntry | None:
        """The one configuration that all blocks together select, of those complete for all of them."""
        complete = [e for e in self.entries if all(r.entries[e.number].phase is Phase.COMPLETE for r in self.races)]
        return max(complete, key=lambda entry: (entry.score(self.rules.epochs), -entry.number), default=None)

    def chosen(self) -> set[int]:
        """The numbers of the configurations that would be reported now."""
        best = self.best()
        return {n for n in self.choices() if n is not None} | (set() if best is None else {best.number})

    def forecast(self, entry: NestedEntry) -> tuple[float, float] | None:
        """The expected final score of `entry` and its standard deviation, the mean over the races that know some."""
        known = [found for race, mine in self._at_home(entry) if (found := race.forecast(mine)) is not None]
        return (fmean(mean for mean, _ in known), fmean(error for _, error in known)) if known else None

    def level(self, entry: NestedEntry) -> float | None:
        """The mean over folds that is expected of `entry` where it stands, the mean over the races that know it."""
        known = [found for race, mine in self._at_home(entry) if (found := race.level(mine)) is not None]
        return fmean(known) if known else None

    def _at_home(self, entry: NestedEntry) -> Iterator[tuple[Race, Entry]]:
        """The races with their entries for a configuration, but for those that lost it."""
        for race in self.races:
            mine = race.entries[entry.number]
            if mine.phase not in (Phase.DIVERGED, Phase.FAILED):
                yield race, mine

    def _open(self) -> list[NestedEntry]:
        return [entry for entry in self.entries if entry.phase is Phase.OPEN]

    def _racing(self, number: int, fold: int) -> Iterator[tuple[Entry, int]]:
        """The entries of a run's two races that are open to it, with the number that its fold has there."""
        for outer, inner, _ in roles(self.pairs[fold]):
            entry = self.races[outer].entries[number]
            if entry.phase is Phase.OPEN and entry.loss is None:
                yield entry, inner

    def _target(self, number: int, fold: int) -> int:
        """The epoch up to which a run may be trained now."""
        if self.entries[number].runs[fold].lost is not None:
            return 0
        return max((entry.target(inner) for entry, inner in self._racing(number, fold)), default=0)

    def _show(self, outer: int, number: int) -> None:
        """Show the race of block `outer` what it has granted of a configuration and no more."""
        race, runs = self.races[outer], self.entries[number].runs
        entry = race.entries[number]
        if entry.phase is not Phase.OPEN:
            return
        lost, unseen = [], False
        for run, pair in zip(runs, self.pairs, strict=True):
            if outer not in pair:
                continue
            _, inner, part = next(role for role in roles(pair) if role[0] == outer)
            target = entry.target(inner)
            for epoch in range(len(entry.curves[inner]), min(target, len(run.scores))):
                ended = run.ended and epoch + 1 == len(run.scores)
                race.record(number, inner, 0, run.scores[epoch][part], ended)
            if len(entry.curves[inner]) < target and not entry.ended[inner]:
                lost += [run.lost] if run.lost is not None else []
                unseen |= run.lost is None
        # Others are compared with the published setting wherever it has come: that must not depend on how far
        # its other folds happened to be when one was lost. Nobody else trains past a stage without all its folds.
        straight = race.policy.first_stage(race.rules, number) > 0
        if lost and entry.loss is None and not (straight and unseen):
            race.lose(number, 0, lost[0].phase, lost[0].reason)
