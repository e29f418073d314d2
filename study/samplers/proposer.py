"""The next configuration to try: a pure function of seed, number and observations, drawn by a sampler of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import optuna
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from search_spaces.recipe import choices_in
from study.record.events import Phase
from study.record.search_name import variant_of
from study.samplers import SAMPLERS
from study.samplers.gp import DIVERGED, PREDICTED, PREDICTED_ERROR
from study.samplers.sobol import EARLIER
from study.search.observation import Observation, Params, Proposer
from study.seeding import derived_seed
from study.variants import VARIANTS, Variant

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

    def next_params(search: str, observations: Sequence[Observation]) -> Params:
        variant, number = VARIANTS[variant_of(search)].choosing(labels), len(observations)
        starts = variant.starts()
        if number < len(starts):
            return _params(variant, starts[number])
        return propose(variant.suggest, observations, derived_seed(seed, search), sampler)

    return next_params


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
    suggest: Suggest,
    observations: Sequence[Observation],
    seed: int,
    sampler: str = "tpe",
    earlier: Sequence[Observation] = (),
) -> Params:
    """The parameters of configuration number `len(observations)`, which is 1 or more: number 0 is given.

    `earlier` are observations of an earlier study, on this one's level. Nothing is remembered between calls: the
    sampler is built anew for each number, so a resumed study proposes what an uninterrupted one does.

    Raises:
        UserError: the sampler needs a package that is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[sampler](seed, len(observations)))
    study.add_trials([as_optuna_trial(suggest, each) for each in observations])
    study.add_trials([as_optuna_trial(suggest, each, {EARLIER: True}) for each in earlier])
    trial = study.ask()
    suggest(trial)
    return dict(trial.params)


def as_optuna_trial(
    suggest: Suggest, observation: Observation, attributes: Mapping[str, Any] | None = None
) -> FrozenTrial:
    """A configuration as Optuna's samplers read it; user attributes say what is predicted and that it diverged."""
    fixed = FixedTrial(dict(observation.params))
    suggest(fixed)
    reached = {} if observation.value is None else {observation.step: observation.value}
    known: dict[str, Any] = {DIVERGED: True} if observation.phase is Phase.DIVERGED else {}
    if observation.predicted is not None:
        known |= {PREDICTED: observation.predicted, PREDICTED_ERROR: observation.error}
    return create_trial(
        state=STATES[observation.phase],
        params=fixed.params,
        distributions=fixed.distributions,
        value=observation.value if observation.phase is Phase.COMPLETE else None,
        intermediate_values=reached if observation.phase in (Phase.STOPPED, Phase.OPEN) else None,
        user_attrs={**known, **(attributes or {})},
    )
