"""Gaussian process regression with a known error for every observation: what the sampler `gp` believes.

Optuna's own GP sampler learns from complete trials alone. Here a configuration that was seen on two folds for a
few epochs counts as well, with the error that its estimate has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize
from scipy.stats import norm

Numbers = NDArray[np.float64]

ROOT5 = np.sqrt(5.0)
ITERATIONS = 15
# Length scales are fitted on at most so many points, at equal distances in their order: a fit takes time with the cube
# of their number, and the scales hardly change with more. What is believed rests on all points.
POINTS_OF_A_FIT = 300
ROWS_AT_ONCE = 64
# How soft the border between ones and zeros is taken to be: no label of 0 or 1 is quite certain of its neighbourhood.
SOFTNESS = 0.3


@dataclass(frozen=True)
class Belief:
    """A fitted process: standardised values at `points` in the unit cube, and how far points are from each other.

    Attributes:
        points, scales, signal: where values were seen, the length scales, the variance of the noiseless values.
        kernel: the covariance of the noiseless values at `points`.
        factor: the Cholesky factor of that of the values.
        weights: what each point adds to a mean.
        means: of the noiseless values at `points`.
    """

    points: Numbers
    scales: Numbers
    signal: float
    kernel: Numbers
    factor: Numbers
    weights: Numbers
    means: Numbers

    def at(self, points: Numbers) -> tuple[Numbers, Numbers]:
        """Mean and standard deviation of the noiseless values at `points` [n, dims], standardised."""
        between = self._between(points)
        reduction = solve_triangular(self.factor, between.T, lower=True)
        return between @ self.weights, np.sqrt(np.maximum(self.signal - (reduction**2).sum(axis=0), 1e-12))

    def seeing(self, more: Numbers, values: Numbers, errors: Numbers) -> Belief:
        """The process with these scales that saw `values`, with other `errors`, at its points and then at `more`."""
        between = self._between(more)
        beside = self.signal * matern(scaled_distances(more, more, self.scales))
        kernel = np.block([[self.kernel, between.T], [between, beside]])
        return _believed(np.concatenate([self.points, more]), values, errors, self.scales, self.signal, kernel)

    def _between(self, points: Numbers) -> Numbers:
        return self.signal * matern(scaled_distances(points, self.points, self.scales))


def fit(points: Numbers, values: Numbers, errors: Numbers) -> Belief:
    """The most probable process for standardised `values` with standard deviations `errors` at `points`.

    Matern 5/2 with a length scale for each dimension, under log-normal priors that expect more of many
    dimensions (Hvarfner et al., Vanilla Bayesian Optimization Performs Great in High Dimensions, ICML 2024).
    """
    some = evenly_spaced(len(points), POINTS_OF_A_FIT)
    scales, signal, own_error = _most_probable(points[some], values[some], errors[some])
    return conditioned(points, values, np.hypot(errors, own_error), scales, signal)


def _most_probable(points: Numbers, values: Numbers, errors: Numbers) -> tuple[Numbers, float, float]:
    """The length scales, the signal's variance and the values' own error."""
    apart = distances(points, points)
    dims = points.shape[1]
    expected = np.sqrt(2) + np.log(dims) / 2 - 1.5
    start = np.concatenate([np.full(dims, expected), [0.0, np.log(0.05)]])
    spread = np.concatenate([np.full(dims, 1.2), [0.7, 1.0]])

    def loss(logs: Numbers) -> tuple[float, Numbers]:
        return _negative_log_posterior(logs, apart, values, errors, start, spread)

    bounds = [(np.log(0.03), np.log(30.0))] * dims + [(-3.0, 2.0), (np.log(1e-3), np.log(0.7))]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": ITERATIONS}).x
    return np.exp(found[:dims]), float(np.exp(found[-2])), float(np.exp(found[-1]))


def evenly_spaced(n: int, most: int) -> list[int]:
    """At most `most` numbers below `n`, at equal distances."""
    return list(range(n)) if n <= most else [index * n // most for index in range(most)]


def probability_of_one(points: Numbers, labels: Numbers, at: Numbers) -> Numbers:
    """How probable the label 1 is at the points `at`, given `labels` of 0 and 1 at `points`.

    A regression on labels, whose level above one half is turned into a probability by its own uncertainty (Rasmussen
    and Williams, Gaussian Processes for Machine Learning, 2006, 6.5). Far from all points it is the share of ones.
    """
    share = (labels.sum() + 1) / (len(labels) + 1)
    scale = np.sqrt(share * (1 - share))
    mean, error = fit(points, (labels - share) / scale, np.zeros(len(labels))).at(at)
    probability: Numbers = norm.cdf((share + scale * mean - 0.5) / np.hypot(scale * error, SOFTNESS))
    return probability


def conditioned(points: Numbers, values: Numbers, errors: Numbers, scales: Numbers, signal: float) -> Belief:
    """The process with these scales after seeing `values` at `points`."""
    kernel = signal * matern(scaled_distances(points, points, scales))
    return _believed(points, values, errors, scales, signal, kernel)


def _believed(
    points: Numbers, values: Numbers, errors: Numbers, scales: Numbers, signal: float, kernel: Numbers
) -> Belief:
    noise = errors**2 + 1e-8
    factor = cholesky(kernel + np.diag(noise), lower=True)
    weights = cho_solve((factor, True), values)
    # The kernel times the weights, as (kernel + noise) times the weights are the values.
    return Belief(points, scales, signal, kernel, factor, weights, values - noise * weights)


def expected_improvement(mean: Numbers, error: Numbers, best: float) -> Numbers:
    """How much better than `best` a point is expected to be, counting nothing where it is worse."""
    ahead = (mean - best) / error
    gain: Numbers = error * (ahead * norm.cdf(ahead) + norm.pdf(ahead))
    return gain


def distances(left: Numbers, right: Numbers) -> Numbers:
    """Squared differences by dimension, [n_left, n_right, dims]."""
    apart: Numbers = (left[:, None, :] - right[None, :, :]) ** 2
    return apart


def scaled_distances(left: Numbers, right: Numbers, scales: Numbers) -> Numbers:
    """Squared distances in units of `scales`, [n_left, n_right]; some rows at a time, which stay in the cache."""
    rows = [left[at : at + ROWS_AT_ONCE] for at in range(0, len(left), ROWS_AT_ONCE)] or [left]
    return np.concatenate([distances(some, right) @ scales**-2 for some in rows])


def matern(squared: Numbers) -> Numbers:
    """The Matern 5/2 correlation at squared, scaled distances."""
    root = ROOT5 * np.sqrt(squared)
    correlation: Numbers = (1 + root + root**2 / 3) * np.exp(-root)
    return correlation


def _negative_log_posterior(
    logs: Numbers, apart: Numbers, values: Numbers, errors: Numbers, centre: Numbers, spread: Numbers
) -> tuple[float, Numbers]:
    """The loss of log scales, log signal and log own error, and its gradient."""
    dims = apart.shape[2]
    inverse_squares, signal, own = np.exp(-2 * logs[:dims]), np.exp(logs[-2]), np.exp(2 * logs[-1])
    root = ROOT5 * np.sqrt(apart @ inverse_squares)
    decay = np.exp(-root)
    kernel = signal * (1 + root + root**2 / 3) * decay
    try:
        factor = cholesky(kernel + np.diag(errors**2 + own + 1e-8), lower=True)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(logs)
    # Two thirds less work than to solve for the columns of the identity; only the lower half is computed.
    lower = dpotri(factor, lower=1)[0]
    inverse = lower + np.tril(lower, -1).T
    weights = inverse @ values
    outer = inverse - np.outer(weights, weights)
    # d correlation / d log scale = 5/3 (1 + root) exp(-root) * squared difference / scale^2
    slope = signal * (5 / 3) * (1 + root) * decay * outer
    by_scale = slope.ravel() @ apart.reshape(-1, dims) * inverse_squares
    gradient = np.concatenate([0.5 * by_scale, [0.5 * (outer * kernel).sum(), own * np.trace(outer)]])
    off = (logs - centre) / spread
    value = 0.5 * values @ weights + np.log(np.diag(factor)).sum() + 0.5 * (off**2).sum()
    return float(value), gradient + off / spread
