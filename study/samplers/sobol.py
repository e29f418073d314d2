"""An Optuna sampler that follows a scrambled Sobol sequence by trial number, whatever was found."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.stats.qmc import Sobol

from study.samplers.encoding import UnitCube, space_of_first_trial

# User attribute of a trial that was carried over from an earlier study: it is not counted.
EARLIER = "from_earlier_study"


class SobolSampler(BaseSampler):
    """Trial n of a study gets point n of a scrambled Sobol sequence, the first point being number 1.

    Unlike Optuna's QMCSampler it keeps nothing in the study: which point is due follows from the trial's number alone,
    less the trials that bear the user attribute "from_earlier_study". Every choice of a categorical parameter and every
    whole number has an equal share of its axis.

    The relative search space is that of the study's first trial; the first trial itself, and parameters beyond the
    space, are drawn by the independent sampler.
    """

    def __init__(self, *, seed: int | None = None, independent_sampler: BaseSampler | None = None) -> None:
        """`seed` scrambles the sequence; `independent_sampler` draws uniformly by it if left out."""
        self._seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        self._independent_sampler = independent_sampler or RandomSampler(seed=seed)

    def reseed_rng(self) -> None:
        """Reseed the independent sampler; all workers have to follow the one sequence."""
        self._independent_sampler.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The space of the study's first trial."""
        return space_of_first_trial(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of `search_space` at the trial's point."""
        if not search_space:
            return {}
        n_earlier = sum(EARLIER in each.user_attrs for each in study.get_trials(deepcopy=False))
        cube = UnitCube(search_space)
        return cube.at(sobol_point(self._seed, max(1, trial.number - n_earlier), cube.n_parameters))[0]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value for a parameter beyond the relative search space."""
        return self._independent_sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the independent sampler."""
        self._independent_sampler.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Pass on to the independent sampler."""
        self._independent_sampler.after_trial(study, trial, state, values)


def sobol_point(seed: int, number: int, dims: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Point `number`, from 1, of the sequence that `seed` scrambles, [1, dims] in [0, 1)."""
    with warnings.catch_warnings():  # balance matters to integrals over 2^n points, not to a search
        warnings.simplefilter("ignore", UserWarning)
        points = Sobol(dims, scramble=True, rng=seed).random(number)
    return np.asarray(points[-1:])
