"""A race in rounds: with any number of workers, one seed gives one study.

A plain race decides with what has been reported when a worker is free, so its decisions depend on which run is faster.
Here time is counted in rounds instead of seconds. In a round each of `round_size` places trains one epoch of its run.
What is decided in a round rests on the epochs of earlier rounds and on no others, however early those were reported.
So an event that is reported is kept until its round; only then does the race know of it.

Workers do not wait for a round to end: a run trains all epochs that it is allowed. A free worker waits only if the next
decision rests on an epoch that is still being trained. Results count `lag` rounds late, which makes that rare.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from study.record.events import Closed, EpochDone, Event, Phase, RunLost
from study.search.policy import Policy
from study.search.race import Race
from study.search.state import Continue, Pause, Promote, Rules, RunDecision, Stop

RunKey = tuple[int, int]  # (configuration, fold)
ROUNDS_PER_LAG = 16


def race_of(rules: Rules, policy: Policy) -> Race:
    """A race that has not begun: in rounds, if the rules have a size for them."""
    return RoundRace(rules, policy) if rules.round_size else Race(rules, policy)


@dataclass(frozen=True)
class Turn:
    """A run that has a place: from the end of round `begun`, for the epochs after `known` up to `target`."""

    run: RunKey
    begun: int
    known: int
    target: int

    @property
    def over(self) -> int:
        """The round at whose end its place is free."""
        return self.begun + self.target - self.known


class RoundRace(Race):
    """A race that takes in each result in the round in which it is due.

    Promotions and new configurations are asked for by the free place that comes next, and nothing is taken in before
    they are answered. So the events of the ledger give the same rounds again.
    """

    def __init__(self, rules: Rules, policy: Policy) -> None:
        """A race that has not begun."""
        super().__init__(rules, policy)
        self.lag = max(1, rules.epochs // ROUNDS_PER_LAG)
        self._round = 0
        self._turns: list[Turn] = []
        self._reports: dict[RunKey, list[EpochDone]] = {}
        self._losses: dict[RunKey, RunLost] = {}
        self._promotion: Promote | None = None
        self._has_place = False
        self._decision_due = True
        self._advance()

    def apply(self, event: Event) -> bool:
        """Take in one event; a run's epoch or loss in the search is kept until its round.

        The loss of a run that has no place any more, such as of its predictions after the last epoch, counts at once.
        """
        if isinstance(event, EpochDone) and not event.seed:
            self._reports.setdefault((event.config, event.fold), []).append(event)
        elif isinstance(event, RunLost) and not event.seed and self._has_turn(event.config, event.fold):
            self._losses[event.config, event.fold] = event
        else:
            if isinstance(event, Closed) and event.outcome in (Phase.COMPLETE, Phase.STOPPED):
                self._catch_up(event.config)
            super().apply(event)
            self._decision_due = True
        self._advance()
        return self._decision_due

    def promotion(self) -> Promote | None:
        """The promotion that the next place asks for, if it is free and all is known that is to be known."""
        return self._promotion

    def may_open(self) -> bool:
        """Whether the next place asks for a new configuration."""
        return self._has_place and self._promotion is None and super().may_open()

    def runnable(self) -> Iterator[tuple[int, int, int]]:
        """(configuration, fold, seed) of every run that has a place and epochs left, in order of their places."""
        for turn in self._turns:
            if self._may_train(turn):
                yield *turn.run, 0
        yield from self.confirmation.runnable()

    def decision(self, number: int, fold: int, seed: int) -> RunDecision:
        """What a run does after the epoch that it reported last."""
        entry = self.entries[number]
        if seed or entry.phase is not Phase.OPEN:
            return super().decision(number, fold, seed)
        if self._reports[number, fold][-1].ended:
            return Stop("finished")
        return (
            Continue() if any(turn.run == (number, fold) for turn in self._turns if self._may_train(turn)) else Pause()
        )

    def epochs_known(self, number: int, fold: int, seed: int) -> int:
        """How many epochs of a run have been reported."""
        return super().epochs_known(number, fold, seed) if seed else len(self._reports.get((number, fold), ()))

    def _has_turn(self, number: int, fold: int) -> bool:
        return any(turn.run == (number, fold) for turn in self._turns)

    def _may_train(self, turn: Turn) -> bool:
        reports = self._reports.get(turn.run, ())
        return turn.run not in self._losses and len(reports) < turn.target and not (reports and reports[-1].ended)

    def _advance(self) -> None:
        """Go on to where a decision is needed or a result is missing; changes nothing where it stands there already."""
        self._promotion, self._has_place = None, False
        while True:
            self._turns = [turn for turn in self._turns if self.entries[turn.run[0]].phase is Phase.OPEN]
            if self._decision_due and super().due_decision() is not None:
                return
            self._decision_due = False
            turn = next(
                (turn for turn in self._turns if self._taken_in(turn) < self._round - self.lag - turn.begun), None
            )
            if turn is not None:
                if not self._take_in(turn):
                    return
            elif sum(self._round < turn.over for turn in self._turns) < self.rules.round_size and self._fill():
                if self._has_place:
                    return
            elif self._turns:
                self._round += 1
            else:
                return

    def _taken_in(self, turn: Turn) -> int:
        """How many of its epochs the race knows."""
        number, fold = turn.run
        return len(self.entries[number].curves[fold]) - turn.known

    def _take_in(self, turn: Turn) -> bool:
        """Take in the next epoch of a turn, or its loss; gives False if it has not been reported."""
        number, fold = turn.run
        reports, known = self._reports.get(turn.run, ()), len(self.entries[number].curves[fold])
        if known < len(reports):
            event: Event = reports[known]
        elif turn.run in self._losses:
            event = self._losses[turn.run]
        else:
            return False
        self._decision_due |= super().apply(event)
        if not isinstance(event, EpochDone) or event.ended or event.epoch == turn.target:
            self._turns.remove(turn)
            if event is not (loss := self._losses.get(turn.run)) and loss is not None:
                self._decision_due |= super().apply(loss)
        return True

    def _fill(self) -> bool:
        """Give a free place to a run, or find what it asks for; False if there is nothing for it."""
        having = {turn.run for turn in self._turns}
        for number, fold, seed in super().runnable():
            if not seed and (number, fold) not in having:
                entry = self.entries[number]
                self._turns.append(Turn((number, fold), self._round, len(entry.curves[fold]), entry.target(fold)))
                return True
        self._promotion = self.policy.promotion(self)
        self._has_place = self._promotion is not None or super().may_open()
        return self._has_place

    def _catch_up(self, number: int) -> None:
        """Take in all epochs of a configuration that is closed.

        They have been taken in, unless the ledger was begun on other terms, such as fewer configurations: the places
        would then ask for other things.
        """
        entry = self.entries[number]
        for fold, curve in enumerate(entry.curves):
            for event in self._reports.get((number, fold), ())[len(curve) :]:
                super().apply(event)
