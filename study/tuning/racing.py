"""The race between configurations: scores in, decisions out. No Ray, no Optuna, no files, no clock.

A configuration goes through stages. A stage is an epoch (a rung) that some or all folds have to reach; when they
have, the configuration waits until the policy promotes it to its next stage or closes it. Runs that wait are
paused and free their slot. What a policy compares is free of the folds' difficulty, so a hard session is never
held against a configuration.

The state changes by five events only: `open`, `record`, `promote`, `close` and `lose`. All are on record in the
ledger, so applying them again in their order gives the same race.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from study.tuning.confirming import Confirmation
from study.tuning.entries import Close, Continue, Decision, Entry, Pause, Phase, Promote, Rules, Stop, Verdict
from study.tuning.standings import Standings

if TYPE_CHECKING:
    from study.tuning.policies import Policy


class Race:
    """The state of one variant's search, changed only by what is reported to it."""

    def __init__(self, rules: Rules, policy: Policy) -> None:
        """A race that has not begun."""
        self.rules = rules
        self.policy = policy
        self.entries: list[Entry] = []
        self.confirmation = Confirmation(rules.n_folds, rules.seeds)
        self.standings = Standings(rules.n_folds, rules.epochs, rules.rungs)
        self.out_of_time = False
        self.seconds_spent = 0.0
        self.epochs_spent = 0
        self._under_way: dict[int, Entry] = {}
        self._restricted: tuple[set[int], Standings] | None = None

    def take(self, record: Mapping[str, Any], metric: str) -> bool:
        """Apply one ledger record, the same when it happens and when the ledger is read again.

        Says whether a decision may be due after it. Of an epoch's scores, those on validation by `metric` are
        read and no others.
        """
        number = record["config"]
        match record["kind"]:
            case "config":
                self.open()
            case "epoch":
                score = record["validation"][metric]
                self.record(number, record["fold"], record["seed"], score, record["ended"], record["seconds"])
                return not record["seed"] and self.entries[number].at_rest
            case "promoted":
                self.promote(number, record["stage"])
            case "lost":
                self.lose(number, record["seed"], Phase(record["outcome"]), record["reason"])
                return True
            case "closed":
                self.close(number, Phase(record["outcome"]), record["reason"])
        return False

    def open(self) -> int:
        """Enter the next configuration; gives its number."""
        number, folds = len(self.entries), self.rules.n_folds
        stages = self.policy.stages(self.rules, number)
        granted = self.policy.first_stage(self.rules, number)
        entry = Entry(number, stages, granted, curves=[[] for _ in range(folds)], ended=[False] * folds)
        self.entries.append(entry)
        self._under_way[number] = entry
        return number

    def record(self, number: int, fold: int, seed: int, score: float, ended: bool, seconds: float = 0.0) -> None:
        """Take in one epoch's validation score and what it took."""
        self.epochs_spent += 1
        self.seconds_spent += seconds
        if seed:
            self.confirmation.record(number, fold, seed, score, ended)
            return
        entry = self.entries[number]
        curve = entry.curves[fold]
        curve.append(max(score, curve[-1]) if curve else score)
        entry.ended[fold] = ended
        self.standings.note(number, fold, len(curve), curve[-1], ended)
        if self.rules.seconds is not None:
            pace = self.seconds_spent / self.epochs_spent
            self.out_of_time |= self.seconds_spent + self.rules.reserve * pace >= self.rules.seconds
        if entry.at_rest:
            self._under_way.pop(number, None)

    def decision(self, number: int, fold: int, seed: int) -> Decision:
        """What a run does after the epoch that it reported last."""
        if seed:
            finalist = self.confirmation.finalist(number)
            return Stop(finalist.lost or "finished") if finalist.lost or (fold, seed) in finalist.ended else Continue()
        entry = self.entries[number]
        if entry.ended[fold]:
            return Stop("finished")
        if entry.phase is not Phase.OPEN:
            return Stop(entry.reason)
        return Continue() if len(entry.curves[fold]) < entry.target(fold) else Pause()

    def forecast(self, entry: Entry) -> tuple[float, float] | None:
        """What may be known to the next proposal of the final score of `entry`: its expectation and its deviation.

        None before its first stage is reached.
        """
        return self._expected(entry, self._known_standings())

    def in_hindsight(self, entry: Entry) -> tuple[float, float] | None:
        """The same by all scores, also those that policies in order keep from the next proposal."""
        return self._expected(entry, self.standings)

    def _expected(self, entry: Entry, standings: Standings) -> tuple[float, float] | None:
        if entry.phase is Phase.COMPLETE:
            return entry.score(self.rules.epochs), 0.0
        furthest = entry.furthest()
        if furthest is None:
            return None
        outlook = standings.outlook(furthest.epoch)
        return float(outlook.estimate[entry.number]), float(outlook.error[entry.number])

    def level(self, entry: Entry) -> float | None:
        """The mean over folds that is expected of `entry` at its furthest stage; None before the first."""
        furthest = entry.furthest()
        return None if furthest is None else float(self._known_standings().means(furthest.epoch)[entry.number])

    def _known_standings(self) -> Standings:
        """The scores that the next proposal may know of: under policies that go in order, not the latest ones."""
        known = self.known_to(len(self.entries))
        if len(known) == len(self.entries):
            return self.standings
        if self._restricted is None or self._restricted[0] != known:
            self._restricted = known, self.standings.only(known)
        return self._restricted[1]

    def promote(self, number: int, stage: int) -> None:
        """Let a configuration train up to a later stage."""
        entry = self.entries[number]
        entry.granted = stage
        if not entry.at_rest:
            self._under_way[number] = entry

    def close(self, number: int, phase: Phase, reason: str) -> None:
        """End a configuration; when the search is over with it, the finalists are entered."""
        entry = self.entries[number]
        entry.phase, entry.reason = phase, reason
        self._under_way.pop(number, None)
        if phase in (Phase.DIVERGED, Phase.FAILED):
            self.standings.forget(number)
        self._enter_finalists()

    def lose(self, number: int, seed: int, phase: Phase, reason: str) -> None:
        """Take in that a run diverged or failed: its configuration is out, no mean is taken over fewer folds."""
        if seed:
            self.confirmation.finalist(number).lost = f"{phase}: {reason}"
        else:
            self.entries[number].loss = Close(number, phase, reason)

    def verdict(self) -> Verdict | None:
        """A decision that is due now, whatever slots are free; to be applied and asked for again."""
        for entry in self.entries:
            if entry.loss is not None and entry.phase is Phase.OPEN:
                return entry.loss
        return self.policy.verdict(self)

    def promotion(self) -> Promote | None:
        """The most promising continuation that a free slot could be used for."""
        return self.policy.promotion(self)

    def may_open(self) -> bool:
        """Whether the next configuration may be proposed now."""
        return not self.all_opened() and self.policy.may_open(self)

    def known_to(self, number: int) -> set[int]:
        """The configurations whose outcomes may inform the proposal of configuration `number`."""
        return {entry.number for entry in self.policy.known_to(self, number)}

    def runnable(self) -> Iterator[tuple[int, int, int]]:
        """(configuration, fold, seed) of every run that has epochs to train now, most urgent first."""
        for entry in sorted(self._under_way.values(), key=self.policy.urgency):
            for fold, curve in enumerate(entry.curves):
                if not entry.ended[fold] and len(curve) < entry.target(fold):
                    yield entry.number, fold, 0
        yield from self.confirmation.runnable()

    def epochs_known(self, number: int, fold: int, seed: int) -> int:
        """How many epochs of a run have been recorded."""
        if seed == 0:
            return len(self.entries[number].curves[fold])
        return len(self.confirmation.finalist(number).curves.get((fold, seed), ()))

    def is_wanted(self, number: int, fold: int, seed: int) -> bool:
        """Whether a run that waits may be trained again some time."""
        if seed == 0:
            return number < len(self.entries) and self.entries[number].phase is Phase.OPEN
        return (number, fold, seed) in self.confirmation.runnable()

    def closed(self) -> bool:
        """Whether nothing is left to run or to propose."""
        return self.search_closed() and next(self.confirmation.runnable(), None) is None

    def all_opened(self) -> bool:
        """Whether no more configurations will be proposed."""
        return len(self.entries) >= self.rules.n_configs or self.hopeless() or self.out_of_time

    def search_closed(self) -> bool:
        """Whether every configuration has been proposed and judged."""
        return self.all_opened() and all(entry.phase is not Phase.OPEN for entry in self.entries)

    def hopeless(self) -> bool:
        """Whether the first three configurations all failed: the fault is not in the configurations."""
        return len(self.entries) >= 3 and all(entry.phase is Phase.FAILED for entry in self.entries)

    def quiet(self) -> bool:
        """Whether no configuration has epochs to train that it was granted."""
        return not self._under_way

    def complete(self) -> list[Entry]:
        """The configurations with all folds at full length."""
        return [entry for entry in self.entries if entry.phase is Phase.COMPLETE]

    def ranked(self) -> list[Entry]:
        """The complete configurations by mean validation score in the search, best first, earlier of equals first."""
        return sorted(self.complete(), key=lambda entry: (-entry.score(self.rules.epochs), entry.number))

    def best(self) -> Entry | None:
        """The configuration to select: by the fresh runs where they are done, else by the search."""
        if (number := self.confirmation.best()) is not None:
            return self.entries[number]
        return next(iter(self.ranked()), None)

    def chosen(self) -> set[int]:
        """The numbers of the configurations that would be reported now."""
        best = self.best()
        return set() if best is None else {best.number}

    def _enter_finalists(self) -> None:
        if self.rules.seeds and self.search_closed():
            chosen = self.ranked()[: self.rules.finalists]
            published = [entry for entry in self.entries[:1] if entry.phase is Phase.COMPLETE]
            self.confirmation.enter(entry.number for entry in [*chosen, *published])
