"""What the conductor, the views and the forecast know of a race, be it one (`racing`) or several (`nesting`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from study.tuning.confirming import Confirmation
from study.tuning.entries import Decision, Phase, Promote, Rules, Verdict
from study.tuning.nesting import Judged, NestedRace
from study.tuning.policies import Policy
from study.tuning.racing import Race


class Contestant(Protocol):
    """A configuration in a race."""

    number: int
    phase: Phase
    reason: str

    def score(self, epoch: int) -> float:
        """The mean of the best validation scores up to `epoch`."""

    def epochs_spent(self) -> int:
        """Epochs trained, over all runs."""


class Contest(Protocol):
    """A variant's search; see `Race` for what the methods promise."""

    rules: Rules
    confirmation: Confirmation
    epochs_spent: int

    @property
    def entries(self) -> Sequence[Contestant]:
        """The configurations, by number."""

    def take(self, record: Mapping[str, Any], metric: str) -> bool:
        """Apply one ledger record; says whether a decision may be due after it."""

    def verdict(self) -> Verdict | Judged | None:
        """A decision that is due now."""

    def promotion(self) -> Promote | None:
        """The most promising continuation that a free slot could be used for."""

    def decision(self, number: int, fold: int, seed: int) -> Decision:
        """What a run does after the epoch that it reported last."""

    def may_open(self) -> bool:
        """Whether the next configuration may be proposed now."""

    def known_to(self, number: int) -> set[int]:
        """The configurations whose outcomes may inform the proposal of configuration `number`."""

    def runnable(self) -> Iterator[tuple[int, int, int]]:
        """(configuration, fold, seed) of every run that has epochs to train now."""

    def epochs_known(self, number: int, fold: int, seed: int) -> int:
        """How many epochs of a run have been recorded."""

    def is_wanted(self, number: int, fold: int, seed: int) -> bool:
        """Whether a run that waits may be trained again some time."""

    def closed(self) -> bool:
        """Whether nothing is left to run or to propose."""

    def hopeless(self) -> bool:
        """Whether the first three configurations all failed."""

    def best(self) -> Contestant | None:
        """The configuration to select."""

    def chosen(self) -> set[int]:
        """The numbers of the configurations that would be reported now."""

    def forecast(self, entry: Any) -> tuple[float, float] | None:
        """The expected final score of an entry and its standard deviation."""

    def level(self, entry: Any) -> float | None:
        """The mean over folds that is expected of an entry where it stands."""


def contest(rules: Rules, policy: Policy, protocol: str) -> Contest:
    """The race of one variant under `protocol`, "shared" or "nested"."""
    return NestedRace(rules, policy) if protocol == "nested" else Race(rules, policy)
