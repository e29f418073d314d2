"""The race between configurations: scores in, decisions out. No Ray, no Optuna, no files, no clock.

A configuration goes through stages. A stage is an epoch (a rung) that some or all folds have to reach; when they
have, the configuration waits until the policy promotes it to its next stage or closes it. Runs that wait are
paused and free their slot. What a policy compares is corrected for the folds' difficulty, so no configuration is
stopped because it began on a hard session.

The state changes by the events of the ledger only, so applying them again in their order gives the same race.
"""

from __future__ import annotations

from collections.abc import Iterator

from study.record.epoch_rule import EPOCH_RULES
from study.record.events import Closed, ConfigAdded, EpochDone, Event, Phase, Promoted, RunLost
from study.record.selection import Candidate, finalists, select
from study.search.confirmation import Confirmation
from study.search.policy import Policy
from study.search.remaining_work import epochs_left
from study.search.score_forecast import ScoreForecast
from study.search.state import Close, ConfigDecision, Continue, Entry, Pause, Promote, Rules, RunDecision, Stop


class Race:
    """The state of one variant's search, changed only by events."""

    def __init__(self, rules: Rules, policy: Policy) -> None:
        """A race that has not begun."""
        self.rules = rules
        self.policy = policy
        self.entries: list[Entry] = []
        self.confirmation = Confirmation(rules.n_folds, rules.seeds, EPOCH_RULES[rules.epoch_rule])
        self.score_forecast = ScoreForecast(rules.n_folds, rules.epochs, rules.rungs)
        self.out_of_time = False
        self.seconds_spent = 0.0
        self.epochs_spent = 0
        self._under_way: dict[int, Entry] = {}
        self._restricted: tuple[int, ScoreForecast] | None = None

    def apply(self, event: Event) -> bool:
        """Change by one event, in the same way when it happens and when the ledger is read again.

        Returns whether a decision may be due after it. Of an epoch's scores, those on validation by the metric of the
        rules are read and no others.
        """
        match event:
            case ConfigAdded():
                self.open()
            case EpochDone():
                score = event.validation[self.rules.metric]
                self.record(event.config, event.fold, event.seed, score, event.ended, event.seconds)
                return not event.seed and self.entries[event.config].at_rest
            case Promoted():
                self.promote(event.config, event.stage)
            case RunLost():
                self.mark_lost(event.config, event.seed, event.outcome, event.reason)
                return True
            case Closed():
                self.close(event.config, event.outcome, event.reason)
        return False

    def open(self) -> int:
        """Enter the next configuration, and return its number."""
        number, folds = len(self.entries), self.rules.n_folds
        stages = self.policy.stages(self.rules, number)
        allowed = self.policy.first_stage(self.rules, number)
        rule = EPOCH_RULES[self.rules.epoch_rule]
        entry = Entry(number, stages, allowed, [[] for _ in range(folds)], [False] * folds, rule)
        self.entries.append(entry)
        self._under_way[number] = entry
        return number

    def record(self, number: int, fold: int, seed: int, score: float, ended: bool, seconds: float = 0.0) -> None:
        """Take in one epoch's validation score and how long it took."""
        self.epochs_spent += 1
        self.seconds_spent += seconds
        if seed:
            self.confirmation.record(number, fold, seed, score, ended)
            return
        entry = self.entries[number]
        entry.add(fold, score, ended)
        epoch = len(entry.curves[fold])
        for each in range(epoch, (self.rules.epochs if ended else epoch) + 1):
            self.score_forecast.put(number, each, entry.counted(each))
        if self.rules.seconds is not None:
            pace = self.seconds_spent / self.epochs_spent
            self.out_of_time |= self.seconds_spent + self.rules.reserve * pace >= self.rules.seconds
        if entry.at_rest:
            self._under_way.pop(number, None)

    def decision(self, number: int, fold: int, seed: int) -> RunDecision:
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

    def predicted_final(self, entry: Entry) -> tuple[float, float] | None:
        """The predicted final score of `entry` and its standard deviation, from what the next proposal may know.

        None before its first stage is reached.
        """
        return self._predicted(entry, self._known_scores())

    def predicted_in_hindsight(self, entry: Entry) -> tuple[float, float] | None:
        """As `predicted_final`, from all scores: policies in order keep the latest ones from the next proposal."""
        return self._predicted(entry, self.score_forecast)

    def level(self, entry: Entry) -> float | None:
        """The mean over folds that is expected of `entry` at its furthest stage; None before the first."""
        furthest = entry.furthest()
        return None if furthest is None else float(self._known_scores().means(furthest.epoch)[entry.number])

    def _predicted(self, entry: Entry, forecast: ScoreForecast) -> tuple[float, float] | None:
        if entry.phase is Phase.COMPLETE:
            return entry.score(self.rules.epochs), 0.0
        furthest = entry.furthest()
        if furthest is None:
            return None
        predicted = forecast.predict(furthest.epoch)
        return float(predicted.mean[entry.number]), float(predicted.deviation[entry.number])

    def _known_scores(self) -> ScoreForecast:
        """The scores that the next proposal may know of: under policies that go in order, not the latest ones."""
        n_known = self.n_known_to(len(self.entries))
        if n_known == len(self.entries):
            return self.score_forecast
        if self._restricted is None or self._restricted[0] != n_known:
            self._restricted = n_known, self.score_forecast.first(n_known)
        return self._restricted[1]

    def promote(self, number: int, stage: int) -> None:
        """Let a configuration train up to a later stage."""
        entry = self.entries[number]
        entry.allowed_stage = stage
        if not entry.at_rest:
            self._under_way[number] = entry

    def close(self, number: int, phase: Phase, reason: str) -> None:
        """End a configuration; when the search is over with it, the finalists are entered."""
        entry = self.entries[number]
        entry.phase, entry.reason = phase, reason
        self._under_way.pop(number, None)
        if phase in (Phase.DIVERGED, Phase.FAILED):
            self.score_forecast.remove(number)
        self._enter_finalists()

    def mark_lost(self, number: int, seed: int, phase: Phase, reason: str) -> None:
        """Take in that a run diverged or failed: its configuration is out, no mean is taken over fewer folds."""
        if seed:
            self.confirmation.finalist(number).lost = f"{phase}: {reason}"
        else:
            self.entries[number].pending_close = Close(number, phase, reason)

    def due_decision(self) -> ConfigDecision | None:
        """A decision that is due now, whatever slots are free; to be applied and asked for again."""
        for entry in self.entries:
            if entry.pending_close is not None and entry.phase is Phase.OPEN:
                return entry.pending_close
        return self.policy.due_decision(self)

    def promotion(self) -> Promote | None:
        """The most promising continuation that a free slot could be used for."""
        return self.policy.promotion(self)

    def may_open(self) -> bool:
        """Whether the next configuration may be proposed now."""
        return not self.all_opened() and self.policy.may_open(self)

    def n_known_to(self, number: int) -> int:
        """How many of the first configurations may inform, by their outcomes, the proposal of `number`."""
        return self.policy.n_known_to(self.rules, number)

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

    def last_epoch(self, number: int, seed: int) -> int:
        """The epoch at which a run ends at the latest: that of the search, where the epoch rule says so."""
        if not seed or not EPOCH_RULES[self.rules.epoch_rule].ends_confirmation:
            return self.rules.epochs
        return self.entries[number].last_epoch()

    def target_epoch(self, number: int, fold: int, seed: int) -> int:
        """The epoch up to which a run is trained now, unless its scores end it before."""
        return self.last_epoch(number, seed) if seed else self.entries[number].target(fold)

    def counted_epochs(self, number: int) -> dict[int, set[int]]:
        """By fold, the epochs at which the runs of a complete configuration count in the search."""
        entry = self.entries[number]
        return {fold: {epoch} for fold, epoch in enumerate(entry.epoch_rule.pick(entry.curves))}

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
        """Whether every configuration has been proposed and closed."""
        return self.all_opened() and all(entry.phase is not Phase.OPEN for entry in self.entries)

    def hopeless(self) -> bool:
        """Whether the first three configurations all failed: the fault is not in the configurations."""
        return len(self.entries) >= 3 and all(entry.phase is Phase.FAILED for entry in self.entries)

    def quiet(self) -> bool:
        """Whether no configuration has epochs to train up to its allowed stage."""
        return not self._under_way

    def expected_epochs(self) -> float:
        """Epochs that the race is likely to take from its beginning to its end, confirmation runs included."""
        over = self.hopeless() or self.closed()
        return self.epochs_spent if over else self.epochs_spent + epochs_left(self)

    def candidates(self) -> list[Candidate]:
        """The complete configurations, as the selection rule reads them."""
        return [
            Candidate(
                entry.number,
                entry.score(self.rules.epochs),
                self.confirmation.score_of(entry.number),
                self.confirmation.is_lost(entry.number),
            )
            for entry in self.entries
            if entry.phase is Phase.COMPLETE
        ]

    def best(self) -> Entry | None:
        """The configuration to select now."""
        number = select(self.candidates(), self.rules.finalists)
        return None if number is None else self.entries[number]

    def chosen(self) -> set[int]:
        """The numbers of the configurations that would be reported now."""
        best = self.best()
        return set() if best is None else {best.number}

    def _enter_finalists(self) -> None:
        if self.rules.seeds and self.search_closed():
            self.confirmation.enter(finalists(self.candidates(), self.rules.finalists))
