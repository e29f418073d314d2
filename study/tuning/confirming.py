"""The second stage of a race: the finalists run again with fresh seeds, and the pick is made from those alone.

The best score of a search is too good: it was picked for being the best. Fresh seeds take that luck out. The
published setting always runs again too, so that tuned and untuned are compared on equal terms.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean

RunKey = tuple[int, int]  # (fold, seed)


@dataclass
class Finalist:
    """One configuration and its fresh runs, all at full length; `lost` says why it is out of the race."""

    number: int
    curves: dict[RunKey, list[float]]
    ended: set[RunKey] = field(default_factory=set)
    lost: str = ""

    @property
    def complete(self) -> bool:
        """Whether every fold has been trained to its end with every seed."""
        return not self.lost and len(self.ended) == len(self.curves)

    def score(self) -> float:
        """The mean over folds and seeds of the best validation score."""
        return fmean(curve[-1] for curve in self.curves.values())


class Confirmation:
    """The finalists' fresh runs: which are left, and who is best by them.

    A study that is extended with more configurations may enter other finalists than it did before; runs of
    earlier ones stay and count.
    """

    def __init__(self, n_folds: int, n_seeds: int) -> None:
        """Configurations will run on every fold with seeds 1 to `n_seeds`; seed 0 was the search's."""
        self._keys = [(fold, seed) for seed in range(1, n_seeds + 1) for fold in range(n_folds)]
        self._entered: set[int] = set()
        self.finalists: dict[int, Finalist] = {}

    @property
    def begun(self) -> bool:
        """Whether the finalists are known."""
        return bool(self._entered)

    def enter(self, numbers: Iterable[int]) -> None:
        """Let the configurations `numbers` run."""
        self._entered = set(numbers)
        for number in sorted(self._entered):
            self.finalist(number)

    def finalist(self, number: int) -> Finalist:
        """The finalist of that number."""
        if number not in self.finalists:
            self.finalists[number] = Finalist(number, {key: [] for key in self._keys})
        return self.finalists[number]

    def runnable(self) -> Iterator[tuple[int, int, int]]:
        """(configuration, fold, seed) of every run that is left."""
        for number in sorted(self._entered):
            finalist = self.finalists[number]
            if not finalist.lost:
                for fold, seed in finalist.curves:
                    if (fold, seed) not in finalist.ended:
                        yield number, fold, seed

    def record(self, number: int, fold: int, seed: int, score: float, ended: bool) -> None:
        """Take in one epoch's validation score."""
        finalist = self.finalist(number)
        curve = finalist.curves.setdefault((fold, seed), [])
        curve.append(max(score, curve[-1]) if curve else score)
        if ended:
            finalist.ended.add((fold, seed))

    def best(self) -> int | None:
        """The number of the complete finalist with the best score, the earliest of equals.

        None without one, and while others are still to come: the first to be done is not the best for that.
        """
        if next(self.runnable(), None) is not None:
            return None
        complete = [finalist for finalist in self.finalists.values() if finalist.complete]
        best = max(complete, key=lambda finalist: (finalist.score(), -finalist.number), default=None)
        return None if best is None else best.number

    def epochs_spent(self) -> int:
        """Epochs trained with fresh seeds."""
        return sum(len(curve) for finalist in self.finalists.values() for curve in finalist.curves.values())
