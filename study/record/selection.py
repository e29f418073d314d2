"""The one rule by which a configuration is selected: by the search, its views, and the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A configuration that is complete: all folds at full length.

    `searched` is its mean over folds of the validation score that counts in the search. `confirmed` is such a mean over
    all folds and all new seeds that the study asks for; None unless every one of these runs has ended. It will never be
    confirmed if one of them is `lost`.
    """

    number: int
    searched: float
    confirmed: float | None = None
    lost: bool = False


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates by score in the search, best first, earlier of equals first."""
    return sorted(candidates, key=lambda each: (-each.searched, each.number))


def finalists(candidates: Sequence[Candidate], n_finalists: int) -> set[int]:
    """The numbers of those that are trained again with new seeds: the best of the search, and the published setting."""
    chosen = {each.number for each in ranked(candidates)[:n_finalists]}
    return chosen | {each.number for each in candidates if each.number == 0}


def select(candidates: Sequence[Candidate], n_finalists: int = 0) -> int | None:
    """The number of the configuration to report; None without a candidate.

    The best of those that are confirmed with new seeds, else the best of the search; the earliest of equals. While a
    finalist is neither confirmed nor lost, the search alone decides: the first to be confirmed need not be the best.
    """
    confirmed = [each for each in candidates if each.confirmed is not None]
    entered = finalists(candidates, n_finalists)
    awaited = any(each.confirmed is None and not each.lost for each in candidates if each.number in entered)
    if confirmed and not awaited:
        return max(confirmed, key=lambda each: (each.confirmed or 0.0, -each.number)).number
    return next((each.number for each in ranked(candidates)), None)
