"""One variant's search as the conductor and the views see it: a `Race`, or the `NestedRace` of protocol nested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from study.record.events import Event, Phase
from study.search.confirmation import Confirmation
from study.search.state import BlockDecision, ConfigDecision, Promote, Rules, RunDecision


class Contestant(Protocol):
    """A configuration in a search."""

    number: int
    phase: Phase
    reason: str

    def score(self, epoch: int) -> float:
        """The mean of the validation scores that count after `epoch` epochs."""

    def epochs_spent(self) -> int:
        """Epochs trained, over all runs."""


class Search(Protocol):
    """A variant's search; see `Race` for what the methods promise."""

    rules: Rules
    confirmation: Confirmation
    epochs_spent: int

    @property
    def entries(self) -> Sequence[Contestant]:
        """The configurations, by number."""

    def apply(self, event: Event) -> bool:
        """Change by one event, and return whether a decision may be due after it."""

    def due_decision(self) -> ConfigDecision | BlockDecision | None:
        """A decision that is due now."""

    def promotion(self) -> Promote | None:
        """The most promising continuation that a free slot could be used for."""

    def decision(self, number: int, fold: int, seed: int) -> RunDecision:
        """What a run does after the epoch that it reported last."""

    def may_open(self) -> bool:
        """Whether the next configuration may be proposed now."""

    def n_known_to(self, number: int) -> int:
        """How many of the first configurations may inform, by their outcomes, the proposal of `number`."""

    def runnable(self) -> Iterator[tuple[int, int, int]]:
        """(configuration, fold, seed) of every run that has epochs to train now."""

    def epochs_known(self, number: int, fold: int, seed: int) -> int:
        """How many epochs of a run have been recorded."""

    def last_epoch(self, number: int, seed: int) -> int:
        """The epoch at which a run ends at the latest."""

    def target_epoch(self, number: int, fold: int, seed: int) -> int:
        """The epoch up to which a run is trained now, unless its scores end it before."""

    def counted_epochs(self, number: int) -> dict[int, set[int]]:
        """By fold, the epochs at which the runs of a complete configuration count in the search."""

    def is_wanted(self, number: int, fold: int, seed: int) -> bool:
        """Whether a run that waits may be trained again some time."""

    def closed(self) -> bool:
        """Whether nothing is left to run or to propose."""

    def all_opened(self) -> bool:
        """Whether no more configurations will be proposed."""

    def expected_epochs(self) -> float:
        """Epochs that the search is likely to take from its beginning to its end."""

    def hopeless(self) -> bool:
        """Whether the first three configurations all failed."""

    def best(self) -> Contestant | None:
        """The configuration to select."""

    def chosen(self) -> set[int]:
        """The numbers of the configurations that would be reported now."""

    def predicted_final(self, entry: Any) -> tuple[float, float] | None:
        """The predicted final score of an entry and its standard deviation."""

    def level(self, entry: Any) -> float | None:
        """The mean over folds that is expected of an entry at its furthest stage."""
