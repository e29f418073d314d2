"""The rule by which configurations go on in a race: what a policy may read of the race, and what it is asked."""

from __future__ import annotations

from typing import Protocol

from study.record.events import Phase
from study.search.score_forecast import ScoreForecast
from study.search.state import Close, ConfigDecision, Entry, Promote, Rules, Stage


class RaceState(Protocol):
    """What a policy reads of a race."""

    rules: Rules
    entries: list[Entry]
    score_forecast: ScoreForecast

    def all_opened(self) -> bool:
        """Whether no more configurations will be proposed."""

    def quiet(self) -> bool:
        """Whether no configuration has epochs to train up to its allowed stage."""


class Policy(Protocol):
    """Decides which configurations go on. No method changes the race.

    `in_order` is true for a policy that decides on configuration n from configurations before it alone, so that the
    same scores give the same race with any number of workers.
    """

    in_order: bool

    def stages(self, rules: Rules, number: int) -> tuple[Stage, ...]:
        """The stages of configuration `number`; the last is every fold at full length."""

    def first_stage(self, rules: Rules, number: int) -> int:
        """The index of the stage up to which configuration `number` may train from the start."""

    def urgency(self, entry: Entry) -> tuple[int, ...]:
        """The sort key of entries with runs to train, most urgent first."""

    def may_open(self, race: RaceState) -> bool:
        """Whether the next configuration may be proposed now."""

    def n_known_to(self, rules: Rules, number: int) -> int:
        """How many of the first configurations may inform, by their outcomes, the proposal of `number`."""

    def due_decision(self, race: RaceState) -> ConfigDecision | None:
        """A decision that is due now, whatever slots are free."""

    def promotion(self, race: RaceState) -> Promote | None:
        """The most promising continuation that a free slot could be used for."""


def completed(entry: Entry) -> Close:
    """The end of an entry whose folds are all at full length."""
    return Close(entry.number, Phase.COMPLETE, "all folds at full length")
