"""An Optuna sampler that learns from unfinished and diverged trials: Gaussian processes over scores and divergence.

Optuna's own GP sampler learns from complete trials alone. In a study that stops most configurations early, these are
few; a configuration that was seen on two folds for a few epochs counts here as well, with the error that the prediction
of its final score has. A trial that diverged has no score and still says where not to look: a second process models
how probable a configuration is to stay finite, and the expected improvement counts times this probability (Gelbart,
Snoek and Adams, Bayesian Optimization with Unknown Constraints, UAI 2014).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev, stdev
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from study.samplers.encoding import UnitCube, space_of_first_trial
from study.samplers.gaussian_process import (
    Numbers,
    evenly_spaced,
    expected_improvement,
    fit,
    probability_of_one,
)
from study.samplers.sobol import EARLIER

# User attributes of a trial: its predicted final score, and the standard deviation of (true - predicted).
PREDICTED, PREDICTED_ERROR = "predicted_final_score", "predicted_final_error"
# User attribute of a trial: true if it diverged, that is if its loss or score became NaN or infinite.
DIVERGED = "diverged"

RANDOM_CANDIDATES, NEIGHBOURS, PARENTS = 400, 30, 5
# At most so many trials of each kind teach what diverges: a fit takes time with the cube of their number.
LABELS_OF_A_KIND = 50
# Power of the probability to stay finite. With 1, a quarter of the proposals diverge where the best scores border on
# divergence, more than TPE's; with 3 the scores found get worse (benchmarks/RESULTS.md).
CAUTION = 2
# Less probable ones are no candidates: where scores rise steeply, the improvement expected beyond the border of what is
# finite outweighs any small probability.
EVEN_CHANCE = 0.5
# Draws of a startup trial before the untried configurations are listed.
STARTUP_DRAWS = 20


@dataclass(frozen=True)
class Known:
    """What trials teach.

    Attributes:
        scores: of trials whose final score is known or predicted, to be maximised.
        pending: parameters of running trials whose final scores nothing is known of.
        diverged: parameters of trials that diverged.
        tried: the cells of all trials of this study, whatever came of them.
    """

    scores: Sequence[Estimate]
    pending: Sequence[Mapping[str, Any]]
    diverged: Sequence[Mapping[str, Any]]
    tried: Collection[Hashable]


@dataclass(frozen=True)
class Estimate:
    """What is known of a trial's final score, to be maximised, and the standard deviation of its error."""

    params: Mapping[str, Any]
    score: float
    error: float


class ForecastGPSampler(BaseSampler):
    """Proposes the candidate of the largest expected improvement, times the probability that it does not diverge.

    A trial that diverged is marked by the caller with the user attribute "diverged" (true), in any state: prune it, or
    let it fail. It has no score. Any other counts with the first of these that it has, whatever its state but FAIL and
    WAITING, and as one that did not diverge:

    1. its user attributes "predicted_final_score" and "predicted_final_error" (a standard deviation, 0 if left out),
       which the caller may set while the trial runs;
    2. its value, if it is COMPLETE, with error 0;
    3. its last intermediate value, plus what complete trials gained on average from this step to their end; the error
       is the standard deviation of that gain.

    A RUNNING trial that has none of them is taken for what the process expects of it, so trials that run at once
    differ. A failed trial that is not marked, and a pruned one without any of these, teach nothing but that they were
    tried: no configuration is proposed twice, whatever came of it, until a space without continuous parameters is
    exhausted. Trials carried over from an earlier study ("from_earlier_study") may be tried once more.

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
        """The space of the study's first trial; empty before it."""
        return space_of_first_trial(study, trial)

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
        cube = UnitCube(search_space)
        known = Known(estimates(others, sign), pending(others), diverged(others), tried(cube, others))
        if trial.number < self._n_startup_trials:
            return self._drawn(study, trial, search_space, known.tried)
        params = proposal(cube, known, self._random)
        return {name: params[name] for name in search_space if name in params}

    def _drawn(
        self, study: Study, trial: FrozenTrial, space: dict[str, BaseDistribution], tried: Collection[Hashable]
    ) -> dict[str, Any]:
        """Parameters of `space` by the independent sampler, drawn again where they have been tried."""
        cube, draw = UnitCube(space), self._independent_sampler.sample_independent
        for _ in range(STARTUP_DRAWS):
            params = {name: draw(study, trial, name, each) for name, each in space.items()}
            if cube.cell(params) not in tried:
                return params
        return (cube.untried(tried, 1, self._random) or [params])[0]

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
    running = [each for each in running if not each.user_attrs.get(DIVERGED)]
    return [each.params for each in running if PREDICTED not in each.user_attrs and not _finite_values(each)]


def diverged(trials: Sequence[FrozenTrial]) -> list[Mapping[str, Any]]:
    """The parameters of trials that are marked as diverged."""
    return [each.params for each in trials if each.params and each.user_attrs.get(DIVERGED)]


def tried(cube: UnitCube, trials: Sequence[FrozenTrial]) -> set[Hashable]:
    """The cells of all trials that have parameters, but for those of an earlier study."""
    return {cube.cell(each.params) for each in trials if each.params and EARLIER not in each.user_attrs}


def proposal(cube: UnitCube, known: Known, random: np.random.Generator) -> Mapping[str, Any]:
    """The best candidate that was not tried, among random ones and neighbours of the best.

    If all of them were tried, others are looked for; where there are none, the best one is proposed again.
    """
    candidates = cube.at(random.random((RANDOM_CANDIDATES, cube.n_parameters)))
    if len(known.scores) > 1:
        for parent in sorted(known.scores, key=lambda each: -each.score)[:PARENTS]:
            candidates += cube.near(parent.params, NEIGHBOURS, random)
    best = ranked(cube, known, candidates)
    found = next((each for each in best if cube.cell(each) not in known.tried), None)
    if found is None:
        best = ranked(cube, known, cube.untried(known.tried, RANDOM_CANDIDATES, random)) or best
    return best[0] if found is None else found


def ranked(cube: UnitCube, known: Known, candidates: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The `candidates`, those of the largest expected improvement times probability to stay finite first.

    Candidates of equal worth stay in order. With fewer than two scores, all improve alike.
    """
    if not candidates:
        return []
    at, gain = cube.points(candidates), np.ones(len(candidates))
    if len(known.scores) > 1:
        gain = expected_gain(
            cube.points([each.params for each in known.scores]),
            np.array([each.score for each in known.scores]),
            np.array([each.error for each in known.scores]),
            cube.points(known.pending),
            at,
        )
    if known.diverged:
        finite, infinite = _some([each.params for each in known.scores]), _some(known.diverged)
        labels = np.array([1.0] * len(finite) + [0.0] * len(infinite))
        stays = probability_of_one(cube.points([*finite, *infinite]), labels, at)
        gain = np.where(stays >= min(EVEN_CHANCE, stays.max()), gain * stays**CAUTION, 0.0)
    return [candidates[index] for index in np.argsort(-gain, kind="stable")]


def expected_gain(points: Numbers, values: Numbers, errors: Numbers, pending: Numbers, at: Numbers) -> Numbers:
    """Expected improvement at `at`, given `values` at `points`; what is `pending` is taken for what is expected."""
    centre, scale = float(np.median(values)), float(values.std()) or 1.0
    # A few hopeless configurations would stretch the scale until the good ones looked alike.
    standard = np.maximum((values - centre) / scale, -2.5)
    belief = fit(points, standard, errors / scale)
    if len(pending):
        expected, _ = belief.at(pending)
        errors = np.concatenate([errors, np.full(len(pending), np.median(errors))])
        belief = belief.seeing(pending, np.concatenate([standard, expected]), errors / scale)
    return expected_improvement(*belief.at(at), float(belief.means.max()))


def _known_score(trial: FrozenTrial, complete: Sequence[FrozenTrial]) -> tuple[float, float] | None:
    """The final score of a trial, known or predicted, and the standard deviation of its error."""
    if trial.state in (TrialState.FAIL, TrialState.WAITING) or trial.user_attrs.get(DIVERGED):
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


def _some(many: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """At most LABELS_OF_A_KIND of them, at equal distances."""
    return [many[index] for index in evenly_spaced(len(many), LABELS_OF_A_KIND)]


def _finite_values(trial: FrozenTrial) -> dict[int, float]:
    return {step: value for step, value in trial.intermediate_values.items() if math.isfinite(value)}
