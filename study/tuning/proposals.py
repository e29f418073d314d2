"""The next configuration to try: a pure function of what was tried before, through Optuna's samplers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FixedTrial, TrialState, create_trial

from study.training.seeding import derived_seed
from study.tuning.racing import Phase
from study.variants import Variant

STARTUP_CONFIGS = 6


@dataclass(frozen=True)
class Tried:
    """A configuration and what the sampler may know of it.

    `value` is the mean validation score: final for a complete one, at the last rung for a stopped one.
    `step` is the epoch that the value belongs to.
    """

    params: Mapping[str, Any]
    phase: Phase
    value: float | None = None
    step: int = 0


# A stopped configuration is PRUNED with its value as an intermediate one: told as COMPLETE, its early value
# would pass for a final one and mislead the sampler. A diverged one is PRUNED without a value.
STATES = {
    Phase.OPEN: TrialState.RUNNING,
    Phase.COMPLETE: TrialState.COMPLETE,
    Phase.STOPPED: TrialState.PRUNED,
    Phase.DIVERGED: TrialState.PRUNED,
    Phase.FAILED: TrialState.FAIL,
}


def propose(variant: Variant, tried: Sequence[Tried], seed: int) -> dict[str, Any]:
    """The parameters of configuration number `len(tried)`.

    The first is the published setting. Nothing is remembered between calls: the sampler is built anew from
    `tried` and a seed of its own for each number, so a resumed study proposes what an uninterrupted one does.
    """
    if not tried:
        return published_params(variant)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(
            seed=derived_seed(seed, "proposal", len(tried)),
            multivariate=True,
            constant_liar=True,
            n_startup_trials=STARTUP_CONFIGS,
        ),
    )
    study.add_trials([_as_optuna_trial(variant, entry) for entry in tried])
    trial = study.ask()
    variant.suggest(trial)
    return dict(trial.params)


def published_params(variant: Variant) -> dict[str, Any]:
    """The published setting as parameters of the variant's space."""
    trial = FixedTrial(variant.published())
    variant.suggest(trial)
    return dict(trial.params)


def configuration(variant: Variant, params: Mapping[str, Any]) -> tuple[Any, Any]:
    """The config and recipe that stored parameters stand for."""
    return variant.suggest(FixedTrial(dict(params)))


def _as_optuna_trial(variant: Variant, tried: Tried) -> optuna.trial.FrozenTrial:
    fixed = FixedTrial(dict(tried.params))
    variant.suggest(fixed)
    stopped = tried.phase is Phase.STOPPED and tried.value is not None
    return create_trial(
        state=STATES[tried.phase],
        params=fixed.params,
        distributions=fixed.distributions,
        value=tried.value if tried.phase is Phase.COMPLETE else None,
        intermediate_values={tried.step: tried.value} if stopped else None,
    )
