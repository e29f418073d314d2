"""What the scores so far say of every configuration: the folds' difficulty taken out, the end foretold.

A score after few epochs on few folds is biased by which folds they are and blind to what is still to come. Both
are corrected here from the race's own data, so that configurations that have come differently far can be compared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# A line is fitted through few finished configurations; this many imaginary ones on the prior line steady it.
PRIOR_WEIGHT = 4.0


@dataclass(frozen=True)
class Outlook:
    """What is expected of every configuration by its scores at one epoch.

    `estimate` is the expected mean over all folds at full length, by configuration number, NaN where the epoch
    has not been reached on any fold, and `error` the standard deviation of (true - estimate).
    """

    estimate: Numbers
    error: Numbers


class Standings:
    """Best validation scores so far by configuration, fold and epoch."""

    def __init__(self, n_folds: int, epochs: int, rungs: Sequence[int] = ()) -> None:
        """No scores yet. `rungs` are the epochs below `epochs` at which configurations are compared."""
        self._epochs = epochs
        self._rungs = (*rungs, epochs)
        self._cells = np.full((epochs, 0, n_folds), np.nan)
        self._versions = [0] * epochs  # of the cells at each epoch, so that nothing is fitted twice
        self._effects: dict[int, tuple[int, tuple[Numbers, Numbers]]] = {}
        self._outlooks: dict[int, tuple[tuple[int, ...], Outlook]] = {}

    def note(self, number: int, fold: int, epoch: int, score: float, ended: bool) -> None:
        """Take in a fold's best score up to `epoch`; a fold that has ended stands with it from there on."""
        if number >= self._cells.shape[1]:
            room = np.full((self._epochs, 2 * number + 16 - self._cells.shape[1], self._cells.shape[2]), np.nan)
            self._cells = np.concatenate([self._cells, room], axis=1)
            self._versions = [version + 1 for version in self._versions]
        last = self._epochs if ended else epoch
        self._cells[epoch - 1 : last, number, fold] = score
        for index in range(epoch - 1, last):
            self._versions[index] += 1

    def forget(self, number: int) -> None:
        """Leave a configuration out: it is out of the race."""
        if number < self._cells.shape[1]:
            self._cells[:, number] = np.nan
            self._versions = [version + 1 for version in self._versions]

    def only(self, numbers: Iterable[int]) -> "Standings":
        """The same scores of the configurations `numbers` alone."""
        _, n_configs, n_folds = self._cells.shape
        fewer = Standings(n_folds, self._epochs, self._rungs[:-1])
        fewer._cells = self._cells.copy()
        fewer._cells[:, sorted(set(range(n_configs)) - set(numbers))] = np.nan
        return fewer

    def means(self, epoch: int) -> Numbers:
        """The expected mean over all folds at `epoch` of every configuration; NaN without any cell."""
        return self._fitted(epoch)[0]

    def finals(self) -> Numbers:
        """The mean over folds at full length, NaN for a configuration that is not complete."""
        return np.asarray(self._cells[-1].mean(axis=1))

    def outlook(self, epoch: int) -> Outlook:
        """What the scores at `epoch` and their growth since half that epoch say of the end."""
        later = [each for each in self._rungs if each > epoch]
        asked = {each for rung in (epoch, *later) for each in (rung, max(1, rung // 2))}
        version = tuple(self._versions[each - 1] for each in sorted(asked))
        known = self._outlooks.get(epoch)
        if known is None or known[0] != version:
            self._outlooks[epoch] = known = version, self._look_ahead(epoch)
        return known[1]

    def _look_ahead(self, epoch: int) -> Outlook:
        """From rung to rung: what a rung foretells is learnt from all that came to the next, not to the end alone."""
        if epoch == self._epochs:
            finals = self.finals()
            return Outlook(finals, np.zeros_like(finals))
        later = self.outlook(next(rung for rung in self._rungs if rung > epoch))
        means, variances = self._fitted(epoch)
        growth = means - self.means(max(1, epoch // 2)) if epoch > 1 else np.zeros_like(means)
        estimate, error = expected_finals(means, growth, later.estimate)
        beyond = later.error[~np.isnan(later.estimate)]
        further = float(np.median(beyond)) if len(beyond) else 0.0
        return Outlook(estimate, np.sqrt(error**2 + further**2 + variances))

    def _fitted(self, epoch: int) -> tuple[Numbers, Numbers]:
        version = self._versions[epoch - 1]
        known = self._effects.get(epoch)
        if known is None or known[0] != version:
            self._effects[epoch] = known = version, mixed_effects(self._cells[epoch - 1])
        return known[1]


def mixed_effects(cells: Numbers, rounds: int = 15) -> tuple[Numbers, Numbers]:
    """What every configuration would score on average over all folds, and the variance of that expectation.

    `cells` is [configurations, folds] with NaN where nothing was measured. The model is cell = fold + configuration
    + rest, the configurations' effects normal, the rest normal with a variance of each fold's own: a session that
    says little about the others counts little. Fitted by expectation-maximisation. The folds that were measured
    enter with their own scores, the others with what the model expects of them.
    """
    seen = ~np.isnan(cells)
    n, n_folds = cells.shape
    values = np.where(seen, cells, 0.0)
    per_fold = seen.sum(axis=0)
    present = seen.any(axis=1)
    if not present.any():
        return np.full(n, np.nan), np.full(n, np.nan)
    level = values.sum(axis=0) / np.maximum(per_fold, 1)
    total = float(values[seen].var()) + 1e-8
    of_configs, rest = total / 2, np.full(n_folds, total / 2)
    for _ in range(rounds):
        precision = 1 / of_configs + (seen / rest).sum(axis=1)
        effect = np.where(seen, (values - level) / rest, 0.0).sum(axis=1) / precision
        left = np.where(seen, values - effect[:, None], 0.0)
        level = left.sum(axis=0) / np.maximum(per_fold, 1)
        squares = np.where(seen, (left - level) ** 2 + 1 / precision[:, None], 0.0).sum(axis=0)
        typical = squares.sum() / max(int(per_fold.sum()), 1)
        rest = (squares + PRIOR_WEIGHT * typical) / (per_fold + PRIOR_WEIGHT) + 1e-10
        of_configs = float((effect**2 + 1 / precision)[present].mean()) + 1e-10
    level = np.where(per_fold > 0, level, level[per_fold > 0].mean())
    precision = 1 / of_configs + (seen / rest).sum(axis=1)
    effect = np.where(seen, (values - level) / rest, 0.0).sum(axis=1) / precision
    expected = np.where(seen, values, level + effect[:, None]).mean(axis=1)
    unseen = (~seen).sum(axis=1) / n_folds
    variance = unseen**2 / precision + (~seen * rest).sum(axis=1) / n_folds**2
    return np.where(present, expected, np.nan), np.where(present, variance, np.nan)


def expected_finals(scores: Numbers, growth: Numbers, finals: Numbers) -> tuple[Numbers, float]:
    """final = mean + w0 (score - mean) + w1 (growth - mean), fitted on the configurations that have a final.

    A final may itself be what the next rung foretells. Gives the expected finals and the standard deviation of what
    they miss. The prior is w0 = w1 = 1: what was
    gained in the second half of the time so far will be gained once more.
    """
    done = ~np.isnan(finals) & ~np.isnan(scores)
    spread = float(np.nanvar(scores)) if (~np.isnan(scores)).sum() > 1 else 1e-4
    spread = max(spread, 1e-6)
    if not done.any():
        return scores + growth, float(np.sqrt(spread))
    features = np.stack([scores[done], growth[done]], axis=1)
    centre, level = features.mean(axis=0), float(finals[done].mean())
    shift = features - centre
    scale = np.array([spread, max(float(np.nanvar(growth)), 1e-6)])
    penalty = np.diag(PRIOR_WEIGHT * scale)
    weights = np.linalg.solve(shift.T @ shift + penalty, shift.T @ (finals[done] - level) + penalty @ np.ones(2))
    residuals = finals[done] - level - shift @ weights
    error = float(np.sqrt((PRIOR_WEIGHT * 0.25 * spread + (residuals**2).sum()) / (PRIOR_WEIGHT + done.sum())))
    estimate = level + (np.stack([scores, growth], axis=1) - centre) @ weights
    return estimate, error
