"""Whether runs were trained for long enough: in how many of them the best epoch was at the very end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from study.record.outcome import Use
from study.record.results import ConfigResult

# The best epoch is at the end if it is one of so many last ones of the full length.
AT_THE_END = 2
# From this share of runs on, more epochs would probably help: scores that have levelled off are best in any of their
# last epochs, so that few runs are best in just these two.
TOO_MANY = 0.5


@dataclass(frozen=True)
class LateRuns:
    """Of `n_runs`, so many have their best validation score in the last epoch or the one before."""

    n_late: int
    n_runs: int

    @property
    def too_many(self) -> bool:
        """Whether more epochs would probably help."""
        return self.n_runs > 0 and self.n_late >= TOO_MANY * self.n_runs


def late_runs(curves: Iterable[Sequence[float]], epochs: int) -> LateRuns:
    """Counts curves of validation scores by epoch, at full length `epochs`, whose best (first of equals) is at the end.

    A curve that its own early stop has ended before is best somewhere else.
    """
    bests = [curve.index(max(curve)) + 1 for curve in curves if curve]
    return LateRuns(sum(best > epochs - AT_THE_END for best in bests), len(bests))


def validation_curves(configs: Sequence[ConfigResult], uses: Iterable[Use], metric: str) -> Iterator[list[float]]:
    """The validation scores by epoch of the search's runs, which may go to full length, of what is reported.

    Each in the role that it is reported in; confirmation runs may be shorter by plan.
    """
    runs = {result.run: result for config in configs for result in config.folds.values()}
    for run, swapped in dict.fromkeys((replace(use.run, seed=0), use.swapped) for use in uses):
        result = runs[run].swapped() if swapped else runs[run]
        yield [epoch.validation[metric] for epoch in result.epochs]
