"""Optuna's own samplers as this project builds them: quiet, seeded, and able to go on from trials alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from study.samplers.encoding import space_of_first_trial

STARTUP_TRIALS = 6
# The states of trials whose parameters make up TPE's space.
LEARNED_FROM = (TrialState.COMPLETE, TrialState.PRUNED)


def tpe(seed: int) -> BaseSampler:
    """TPE that models parameters together, and takes running trials for bad ones so as not to repeat them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return QuickTPE(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=STARTUP_TRIALS)


class QuickTPE(TPESampler):
    """Optuna's TPE, which proposes the same and finds the space of a thousand trials in less time."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that all finished trials have, with equal distributions and more than one value, by name."""
        finished = [each for each in study.get_trials(deepcopy=False) if each.state in LEARNED_FROM]
        space = dict(finished[-1].distributions) if finished else {}
        for each in finished:
            own = each.distributions
            # Trials that were drawn in one space share their distributions: to compare choices one by one takes long.
            kept = [name for name, found in space.items() if own.get(name) is found or own.get(name) == found]
            if len(kept) < len(space):
                space = {name: space[name] for name in kept}
        return {name: space[name] for name in sorted(space) if not space[name].single()}


def gp(seed: int) -> BaseSampler:
    """Optuna's Gaussian process; it needs torch."""
    return GPSampler(
        seed=seed,
        n_startup_trials=STARTUP_TRIALS,
        independent_sampler=RandomSampler(seed=seed),
        warn_independent_sampling=False,
    )


def cmaes(seed: int, independent: BaseSampler) -> BaseSampler:
    """CMA-ES over the numeric parameters; it needs the package cmaes."""
    return ReplayedSampler(lambda: CmaEsSampler(seed=seed, warn_independent_sampling=False), independent)


def qmc(seed: int, independent: BaseSampler) -> BaseSampler:
    """Optuna's scrambled Sobol sequence."""

    def build() -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)

    return ReplayedSampler(build, independent)


class ReplayedSampler(BaseSampler):
    """Gives back its state to a sampler that keeps it in the storage of a study, where there are trials alone.

    Optuna's CmaEsSampler keeps its distribution, and QMCSampler its place in the sequence, as system attributes. A
    study that is rebuilt from results has none: the one would start anew for every trial, the other repeat one point.
    Here a new sampler is asked once for every earlier trial, in order, and is shown what that trial came to. What is
    proposed follows from the seed and the trials, and takes a time in proportion to their number.
    """

    def __init__(self, build: Callable[[], BaseSampler], independent_sampler: BaseSampler) -> None:
        """`build()` gives the sampler, new and always with one seed."""
        self._build = build
        self._independent_sampler = independent_sampler

    def reseed_rng(self) -> None:
        """Reseed the independent sampler."""
        self._independent_sampler.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The space of the study's first trial; the sampler may draw a part of it."""
        return space_of_first_trial(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters that the sampler draws together, after all earlier trials."""
        if not search_space:
            return {}
        sampler, storage = self._build(), InMemoryStorage()
        replay = optuna.create_study(directions=study.directions, sampler=sampler, storage=storage)
        for past in study.get_trials(deepcopy=False)[: trial.number]:
            _draw(sampler, replay)
            _copy_outcome(storage, replay.study_name, past)
        return {name: value for name, value in _draw(sampler, replay).items() if name in search_space}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value for a parameter that the sampler does not draw."""
        return self._independent_sampler.sample_independent(study, trial, param_name, param_distribution)


def _draw(sampler: BaseSampler, study: Study) -> dict[str, Any]:
    """Begin the next trial of `study`; what the sampler draws for it together. The first has no space yet."""
    study.ask()
    trial = study.get_trials(deepcopy=False)[-1]
    if trial.number == 0:
        return {}
    drawn: dict[str, Any] = sampler.sample_relative(study, trial, sampler.infer_relative_search_space(study, trial))
    return drawn


def _copy_outcome(storage: InMemoryStorage, study_name: str, past: FrozenTrial) -> None:
    """Give the trial that has the number of `past` its parameters, values and state."""
    study_id = storage.get_study_id_from_name(study_name)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, past.number)
    for name, value in past.params.items():
        distribution = past.distributions[name]
        storage.set_trial_param(trial_id, name, distribution.to_internal_repr(value), distribution)
    for step, value in past.intermediate_values.items():
        storage.set_trial_intermediate_value(trial_id, step, value)
    if past.state.is_finished():
        storage.set_trial_state_values(trial_id, past.state, past.values)
