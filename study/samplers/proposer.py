"""The next configuration to try: a pure function of seed, number and observations, drawn by a sampler of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from search_spaces.recipe import choices_in
from study.record.events import Phase
from study.record.search_name import variant_of
from study.samplers import SAMPLERS
from study.samplers.gp import DIVERGED, PREDICTED, PREDICTED_ERROR
from study.samplers.sobol import EARLIER
from study.search.observation import Observation, Params, Proposer
from study.seeding import derived_seed
from study.variant import Variant
from study.variants import VARIANTS

Suggest = Callable[[Any], Any]
# The labels of each modality's features, of which the search chooses where there are several, and the losses.
Labels = Mapping[str, Sequence[str]]
NO_LABELS: Labels = MappingProxyType({})

# A stopped configuration is PRUNED with its value as an intermediate one: as COMPLETE, its early value would pass for a
# final one and mislead the sampler. A diverged one is PRUNED without a value and marked by a user attribute.
STATES = {
    Phase.OPEN: TrialState.RUNNING,
    Phase.COMPLETE: TrialState.COMPLETE,
    Phase.STOPPED: TrialState.PRUNED,
    Phase.DIVERGED: TrialState.PRUNED,
    Phase.FAILED: TrialState.FAIL,
}


def proposer(seed: int, sampler: str, labels: Labels = NO_LABELS) -> Proposer:
    """What proposes the next configuration of a search: the published setting first, then what `sampler` draws.

    The first configurations are the published setting with each choice of features, and each loss, in turn. Choices
    are thus compared
    with all else equal, and none is missed: drawn ones of a dozen layers would often not have the best, or have it with
    a learning rate that learns nothing.

    Raises:
        UserError: the sampler needs a package that is not installed.
    """
    SAMPLERS[sampler].check()
    spaces: dict[str, Space] = {}

    def next_params(search: str, observations: Sequence[Observation]) -> Params:
        variant, number = VARIANTS[variant_of(search)].choosing(labels), len(observations)
        starts = variant.starts()
        if number < len(starts):
            return _params(variant, starts[number])
        space = spaces.setdefault(search, Space(variant.suggest))
        return propose(space, observations, derived_seed(seed, search), sampler)

    return next_params


class Space:
    """A search space that draws each configuration once: a study asks for all of them at every proposal."""

    def __init__(self, suggest: Suggest) -> None:
        """The space of `suggest`, which draws equal values for equal parameters."""
        self.suggest = suggest
        self._drawn: dict[tuple[Any, ...], tuple[Params, dict[str, BaseDistribution]]] = {}
        # Equal distributions are one object, which is the quickest way to see that they are equal.
        self._distributions: dict[str, BaseDistribution] = {}

    def at(self, params: Mapping[str, Any]) -> tuple[Params, dict[str, BaseDistribution]]:
        """Those of `params` that the space has, and their distributions, which are not to be changed."""
        key = (*params.items(), *map(type, params.values()))
        if key not in self._drawn:
            trial = FixedTrial(dict(params))
            self.suggest(trial)
            known = self._distributions
            distributions = {name: known.setdefault(repr(each), each) for name, each in trial.distributions.items()}
            self._drawn[key] = trial.params, distributions
        return self._drawn[key]


class Result(FrozenTrial):
    """A trial that no sampler changes, so that a storage need not copy what is in it."""

    def __deepcopy__(self, memo: Any) -> FrozenTrial:
        """The same with a number of its own."""
        return copy(self)


def published_params(variant: Variant) -> Params:
    """The published setting as parameters of the variant's space."""
    return _params(variant, variant.starts()[0])


def configuration(variant: Variant, params: Mapping[str, Any]) -> tuple[Any, Any]:
    """The config and recipe that stored parameters stand for."""
    config, recipe = replace(variant, choices=choices_in(params)).suggest(FixedTrial(dict(params)))
    return config, recipe


def _params(variant: Variant, start: Mapping[str, Any]) -> Params:
    """Values by field as parameters of the variant's space."""
    trial = FixedTrial(dict(start))
    variant.suggest(trial)
    return dict(trial.params)


def propose(
    space: Suggest | Space,
    observations: Sequence[Observation],
    seed: int,
    sampler: str = "tpe",
    earlier: Sequence[Observation] = (),
) -> Params:
    """The parameters of configuration number `len(observations)`, which is 1 or more: number 0 is given.

    `earlier` are observations of an earlier study, on this one's level. No result is remembered between calls: the
    sampler is built anew for each number, so a resumed study proposes what an uninterrupted one does.

    Raises:
        UserError: the sampler needs a package that is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space, storage = space if isinstance(space, Space) else Space(space), InMemoryStorage()
    number = len(observations)
    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[sampler](seed, number), storage=storage)
    study_id = storage.get_study_id_from_name(study.study_name)
    for each in observations:
        storage.create_new_trial(study_id, as_optuna_trial(space, each))
    for each in earlier:
        storage.create_new_trial(study_id, as_optuna_trial(space, each, {EARLIER: True}))
    trial = study.ask()
    space.suggest(trial)
    return dict(trial.params)


def as_optuna_trial(
    space: Suggest | Space, observation: Observation, attributes: Mapping[str, Any] | None = None
) -> FrozenTrial:
    """A configuration as Optuna's samplers read it; user attributes say what is predicted and that it diverged."""
    params, distributions = (space if isinstance(space, Space) else Space(space)).at(observation.params)
    state, now = STATES[observation.phase], datetime.now()
    reached = {} if observation.value is None else {observation.step: observation.value}
    known: dict[str, Any] = {DIVERGED: True} if observation.phase is Phase.DIVERGED else {}
    if observation.predicted is not None:
        known |= {PREDICTED: observation.predicted, PREDICTED_ERROR: observation.error}
    return Result(
        number=-1,  # this and trial_id are the storage's to give
        trial_id=-1,
        state=state,
        params=params,
        distributions=distributions,
        value=observation.value if observation.phase is Phase.COMPLETE else None,
        intermediate_values=reached if observation.phase in (Phase.STOPPED, Phase.OPEN) else {},
        user_attrs={**known, **(attributes or {})},
        system_attrs={},
        datetime_start=now,
        datetime_complete=now if state.is_finished() else None,
    )
