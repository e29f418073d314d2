"""An Optuna sampler that learns from unfinished trials: a Gaussian process over final scores and predictions of them.

Optuna's own GP sampler learns from complete trials alone. In a study that stops most configurations early, these are
few; a configuration that was seen on two folds for a few epochs counts here as well, with the error that the prediction
of its final score has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev, stdev
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from study.samplers.encoding import UnitCube, space_of_first_trial
from study.samplers.gaussian_process import Numbers, conditioned, expected_improvement, fit

# User attributes of a trial: its predicted final score, and the standard deviation of (true - predicted).
PREDICTED, PREDICTED_ERROR = "predicted_final_score", "predicted_final_error"

RANDOM_CANDIDATES, NEIGHBOURS, PARENTS = 400, 30, 5


@dataclass(frozen=True)
class Estimate:
    """What is known of a trial's final score, to be maximised, and the standard deviation of its error."""

    params: Mapping[str, Any]
    score: float
    error: float


class ForecastGPSampler(BaseSampler):
    """Proposes the candidate of the largest expected improvement under a Gaussian process.

    A trial counts with the first of these that it has, whatever its state but FAIL and WAITING:

    1. its user attributes "predicted_final_score" and "predicted_final_error" (a standard deviation, 0 if left out),
       which the caller may set while the trial runs;
    2. its value, if it is COMPLETE, with error 0;
    3. its last intermediate value, plus what complete trials gained on average from this step to their end; the error
       is the standard deviation of that gain.

    A RUNNING trial that has none of them is taken for what the process expects of it, so trials that run at once
    differ. A failed trial teaches nothing.

    The relative search space is that of the study's first trial. Parameters beyond it, and the first
    `n_startup_trials` trials, are drawn by the independent sampler. For studies with one objective.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        n_startup_trials: int = 7,
        independent_sampler: BaseSampler | None = None,
    ) -> None:
        """`independent_sampler` draws uniformly by `seed` if left out."""
        self._random = np.random.default_rng(seed)
        self._n_startup_trials = n_startup_trials
        self._independent_sampler = independent_sampler or RandomSampler(seed=seed)

    def reseed_rng(self) -> None:
        """Draw other random numbers from now on, as Optuna asks of every worker."""
        self._random = np.random.default_rng()
        self._independent_sampler.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The space of the study's first trial; empty during the start."""
        return {} if trial.number < self._n_startup_trials else space_of_first_trial(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of `search_space` to try next.

        Raises:
            ValueError: the study has several objectives.
        """
        self._raise_error_if_multi_objective(study)
        if not search_space:
            return {}
        others = [each for each in study.get_trials(deepcopy=False) if each.number != trial.number]
        sign = 1.0 if study.direction is StudyDirection.MAXIMIZE else -1.0
        params = proposal(UnitCube(search_space), estimates(others, sign), pending(others), self._random)
        return {name: params[name] for name in search_space if name in params}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value for a parameter beyond the relative search space."""
        self._raise_error_if_multi_objective(study)
        return self._independent_sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the independent sampler."""
        self._independent_sampler.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Pass on to the independent sampler."""
        self._independent_sampler.after_trial(study, trial, state, values)


def estimates(trials: Sequence[FrozenTrial], sign: float) -> list[Estimate]:
    """What is known of the trials' final scores; `sign` is -1 in a study that minimises."""
    complete = [each for each in trials if each.state is TrialState.COMPLETE]
    found = []
    for trial in trials:
        known = _known_score(trial, complete)
        if known is not None and all(math.isfinite(number) for number in known):
            found.append(Estimate(trial.params, sign * known[0], known[1]))
    return found


def pending(trials: Sequence[FrozenTrial]) -> list[Mapping[str, Any]]:
    """The parameters of running trials whose final scores nothing is known of."""
    running = [each for each in trials if each.state is TrialState.RUNNING and each.params]
    return [each.params for each in running if PREDICTED not in each.user_attrs and not _finite_values(each)]


def proposal(
    cube: UnitCube, known: Sequence[Estimate], pending: Sequence[Mapping[str, Any]], random: np.random.Generator
) -> Mapping[str, Any]:
    """The candidate of the largest expected improvement, among random ones and neighbours of the best."""
    if len(known) < 2:
        return cube.at(random.random((1, cube.n_parameters)))[0]
    candidates = cube.at(random.random((RANDOM_CANDIDATES, cube.n_parameters)))
    for parent in sorted(known, key=lambda each: -each.score)[:PARENTS]:
        candidates += cube.near(parent.params, NEIGHBOURS, random)
    gain = expected_gain(
        cube.points([each.params for each in known]),
        np.array([each.score for each in known]),
        np.array([each.error for each in known]),
        cube.points(pending),
        cube.points(candidates),
    )
    return candidates[int(np.argmax(gain))]


def expected_gain(points: Numbers, values: Numbers, errors: Numbers, pending: Numbers, at: Numbers) -> Numbers:
    """Expected improvement at `at`, given `values` at `points`; what is `pending` is taken for what is expected."""
    centre, scale = float(np.median(values)), float(values.std()) or 1.0
    # A few hopeless configurations would stretch the scale until the good ones looked alike.
    standard = np.maximum((values - centre) / scale, -2.5)
    belief = fit(points, standard, errors / scale)
    if len(pending):
        expected, _ = belief.at(pending)
        points, standard = np.concatenate([points, pending]), np.concatenate([standard, expected])
        errors = np.concatenate([errors, np.full(len(pending), np.median(errors))])
        belief = conditioned(points, standard, errors / scale, belief.scales, belief.signal)
    best = float(belief.at(points)[0].max())
    return expected_improvement(*belief.at(at), best)


def _known_score(trial: FrozenTrial, complete: Sequence[FrozenTrial]) -> tuple[float, float] | None:
    """The final score of a trial, known or predicted, and the standard deviation of its error."""
    if trial.state in (TrialState.FAIL, TrialState.WAITING):
        return None
    if PREDICTED in trial.user_attrs:
        return float(trial.user_attrs[PREDICTED]), float(trial.user_attrs.get(PREDICTED_ERROR, 0.0))
    if trial.state is TrialState.COMPLETE and trial.value is not None:
        return trial.value, 0.0
    return _from_last_value(trial, complete) if _finite_values(trial) else None


def _from_last_value(trial: FrozenTrial, complete: Sequence[FrozenTrial]) -> tuple[float, float]:
    """The last intermediate value plus the mean gain of complete trials since this step."""
    step, value = max(_finite_values(trial).items())
    finals = [(each, each.value) for each in complete if each.value is not None]
    gains = [final - known[step] for each, final in finals if step in (known := _finite_values(each))]
    if len(gains) > 1:
        return value + fmean(gains), stdev(gains)
    # How trials develop is not known: the value stands as it is, and is believed little.
    return value, pstdev([value, *(final for _, final in finals)])


def _finite_values(trial: FrozenTrial) -> dict[int, float]:
    return {step: value for step, value in trial.intermediate_values.items() if math.isfinite(value)}
