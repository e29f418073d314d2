"""The second stage of a race: the finalists are trained again with new seeds, and the selection uses those runs alone.

The best score of a search is biased: it was picked for being the best. New seeds remove that bias. The
published setting is always confirmed too, so that tuned and untuned are compared on equal terms.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean

from study.record.epoch_rule import EpochRule

RunKey = tuple[int, int]  # (fold, seed)


@dataclass
class Finalist:
    """One configuration and its confirmation runs, with their validation scores after each epoch.

    `lost` is why it cannot be confirmed, if so.
    """

    number: int
    epoch_rule: EpochRule
    curves: dict[RunKey, list[float]]
    ended: set[RunKey] = field(default_factory=set)
    lost: str = ""

    @property
    def complete(self) -> bool:
        """Whether every fold has been trained to its end with every seed."""
        return not self.lost and len(self.ended) == len(self.curves)

    def score(self) -> float:
        """The mean over folds and seeds of the validation scores that count."""
        curves = list(self.curves.values())
        return fmean(curve[at - 1] for curve, at in zip(curves, self.epoch_rule.pick_confirmed(curves), strict=True))


class Confirmation:
    """The confirmation runs: which are left, and what the finalists score in them.

    A study that is extended with more configurations may enter other finalists than it did before; runs of
    earlier ones stay and count.
    """

    def __init__(self, n_folds: int, n_seeds: int, epoch_rule: EpochRule) -> None:
        """Finalists will run on every fold with seeds 1 to `n_seeds`; seed 0 was the search's."""
        self._epoch_rule = epoch_rule
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
            self.finalists[number] = Finalist(number, self._epoch_rule, {key: [] for key in self._keys})
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
        finalist.curves.setdefault((fold, seed), []).append(score)
        if ended:
            finalist.ended.add((fold, seed))

    def score_of(self, number: int) -> float | None:
        """The score of a finalist that is complete, else None."""
        finalist = self.finalists.get(number)
        return finalist.score() if finalist is not None and finalist.complete else None

    def is_lost(self, number: int) -> bool:
        """Whether a confirmation run of a configuration is lost."""
        return number in self.finalists and bool(self.finalists[number].lost)

    def epochs_spent(self) -> int:
        """Epochs trained with new seeds."""
        return sum(len(curve) for finalist in self.finalists.values() for curve in finalist.curves.values())
