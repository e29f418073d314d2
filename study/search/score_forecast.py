"""Predicts final scores, corrected for fold difficulty.

A score after few epochs on few folds depends on the difficulty of those folds and on the speed of training. Both are
corrected with the race's own data, so that configurations trained to different stages can be compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# Weight of the priors, in observations: variances and regressions are fitted on few configurations.
PRIOR_WEIGHT = 4.0


@dataclass(frozen=True)
class PredictedScores:
    """Predicted final scores of all configurations from their scores at one epoch.

    `mean` is the predicted mean over all folds at full length, by configuration number, NaN where the epoch
    has not been reached on any fold, and `deviation` the standard deviation of (true - predicted).
    """

    mean: Numbers
    deviation: Numbers


class ScoreForecast:
    """The validation scores that count, by configuration, fold and epoch."""

    def __init__(self, n_folds: int, epochs: int, rungs: Sequence[int] = ()) -> None:
        """No scores yet. `rungs` are the epochs below `epochs` at which configurations are compared."""
        self._epochs = epochs
        self._rungs = (*rungs, epochs)
        self._cells = np.full((epochs, 0, n_folds), np.nan)
        self._versions = [0] * epochs  # of the cells at each epoch, so that nothing is fitted twice
        self._n_changes = 0  # of all cells
        self._asked: dict[int, int] = {}  # by epoch, how many changes there were when it was last predicted from
        self._effects: dict[int, tuple[int, tuple[Numbers, Numbers]]] = {}
        self._predictions: dict[int, tuple[tuple[int, ...], PredictedScores]] = {}

    def put(self, number: int, epoch: int, scores: Mapping[int, float]) -> None:
        """Put the scores that count of a configuration at `epoch`, by fold, in the place of those before."""
        if number >= self._cells.shape[1]:
            room = np.full((self._epochs, 2 * number + 16 - self._cells.shape[1], self._cells.shape[2]), np.nan)
            self._cells = np.concatenate([self._cells, room], axis=1)
            self._versions = [version + 1 for version in self._versions]
        self._cells[epoch - 1, number, list(scores)] = list(scores.values())
        self._versions[epoch - 1] += 1
        self._n_changes += 1

    def remove(self, number: int) -> None:
        """Leave out a configuration that diverged or failed."""
        if number < self._cells.shape[1]:
            self._cells[:, number] = np.nan
            self._n_changes += 1
            self._versions = [version + 1 for version in self._versions]

    def first(self, n: int) -> "ScoreForecast":
        """A forecast from the scores of the first `n` configurations alone."""
        n_folds = self._cells.shape[2]
        fewer = ScoreForecast(n_folds, self._epochs, self._rungs[:-1])
        fewer._cells = self._cells.copy()
        fewer._cells[:, n:] = np.nan
        return fewer

    def means(self, epoch: int) -> Numbers:
        """The expected mean over all folds at `epoch` of every configuration; NaN without a score."""
        return self._fitted(epoch)[0]

    def finals(self) -> Numbers:
        """The mean over folds at full length, NaN for a configuration that is not complete."""
        return np.asarray(self._cells[-1].mean(axis=1))

    def predict(self, epoch: int) -> PredictedScores:
        """Final scores, predicted from the scores at `epoch` and their growth since half that epoch."""
        if self._asked.get(epoch) == self._n_changes:
            return self._predictions[epoch][1]
        later = [each for each in self._rungs if each > epoch]
        needed = {each for rung in (epoch, *later) for each in (rung, max(1, rung // 2))}
        version = tuple(self._versions[each - 1] for each in sorted(needed))
        known = self._predictions.get(epoch)
        if known is None or known[0] != version:
            self._predictions[epoch] = known = version, self._predicted(epoch)
        self._asked[epoch] = self._n_changes
        return known[1]

    def _predicted(self, epoch: int) -> PredictedScores:
        """Predict rung by rung: the regression at a rung is fitted on all configurations that reached the next rung."""
        if epoch == self._epochs:
            finals = self.finals()
            return PredictedScores(finals, np.zeros_like(finals))
        later = self.predict(next(rung for rung in self._rungs if rung > epoch))
        means, variances = self._fitted(epoch)
        growth = means - self.means(max(1, epoch // 2)) if epoch > 1 else np.zeros_like(means)
        estimate, error = expected_finals(means, growth, later.mean)
        beyond = later.deviation[~np.isnan(later.mean)]
        further = float(np.median(beyond)) if len(beyond) else 0.0
        return PredictedScores(estimate, np.sqrt(error**2 + further**2 + variances))

    def _fitted(self, epoch: int) -> tuple[Numbers, Numbers]:
        version = self._versions[epoch - 1]
        known = self._effects.get(epoch)
        if known is None or known[0] != version:
            self._effects[epoch] = known = version, mixed_effects(self._cells[epoch - 1])
        return known[1]


def mixed_effects(cells: Numbers, rounds: int = 15) -> tuple[Numbers, Numbers]:
    """The expected mean score of every configuration over all folds, and the variance of that expectation.

    `cells` is [configurations, folds] with NaN where nothing was measured. The model is cell = fold + configuration
    + rest; the configurations' effects are normal, and the rest is normal with one variance per fold, so that a session
    that correlates little with the others has little weight. Fitted by expectation-maximisation. Measured folds enter
    the mean with their scores, the others with their expectation under the model.
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

    A final may itself be a prediction at the next rung. Gives the predicted finals and the standard deviation of
    their errors. The prior is w0 = w1 = 1: the gain of the second half of the epochs so far is added once more.
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
