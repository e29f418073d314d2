"""The epoch at which a run counts: the table of `--epoch-rule`. Search, tracker and report read it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Validation scores of one run after each of its epochs.
Curve = Sequence[float]


@dataclass(frozen=True)
class EpochRule:
    """A rule by which runs of one configuration count with an epoch each.

    Attributes:
        pick: the epochs, counted from 1, of runs that are read together, given their validation scores; no run is
            empty.
        ends_confirmation: whether confirmation runs train to the epoch that the search has picked, so that no score of
            theirs takes part in the choice of an epoch. Otherwise each of them is read by `pick`.
        words: what it does, for help and report.
    """

    pick: Callable[[Sequence[Curve]], list[int]]
    ends_confirmation: bool
    words: str

    def pick_confirmed(self, curves: Sequence[Curve]) -> list[int]:
        """The epochs at which confirmation runs that have ended count."""
        return last_epochs(curves) if self.ends_confirmation else self.pick(curves)


def shared_epoch(curves: Sequence[Curve]) -> list[int]:
    """The epoch with the best mean over the runs; the earliest of equals.

    A run that ended before keeps its last score in the mean, and counts with its last epoch.

    >>> shared_epoch([[0.1, 0.5, 0.2], [0.2, 0.3, 0.9], [0.4, 0.1]])
    [3, 3, 2]
    """
    length = max(len(curve) for curve in curves)
    held = ([*curve, *[curve[-1]] * (length - len(curve))] for curve in curves)
    totals = [sum(scores) for scores in zip(*held, strict=True)]
    best = totals.index(max(totals)) + 1
    return [min(best, len(curve)) for curve in curves]


def last_epochs(curves: Sequence[Curve]) -> list[int]:
    """Each run's last epoch.

    >>> last_epochs([[0.1, 0.5, 0.2], [0.2, 0.3]])
    [3, 2]
    """
    return [len(curve) for curve in curves]


def best_epochs(curves: Sequence[Curve]) -> list[int]:
    """Each run's own best epoch; the earliest of equals.

    >>> best_epochs([[0.1, 0.5, 0.2], [0.2, 0.3]])
    [2, 2]
    """
    return [curve.index(max(curve)) + 1 for curve in curves]


EPOCH_RULES: dict[str, EpochRule] = {
    "shared": EpochRule(shared_epoch, True, "one epoch for all folds, at which their mean validation score is best"),
    "last": EpochRule(last_epochs, False, "the last epoch of each run"),
    "best": EpochRule(best_epochs, False, "the best validation epoch of each run, which makes validation too good"),
}
