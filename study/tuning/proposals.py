"""The next configuration to try: a pure function of what was tried before."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial
from scipy.stats.qmc import Sobol

from study.training.seeding import derived_seed
from study.tuning.contest import Contest, Contestant
from study.tuning.entries import Phase
from study.tuning.gaussian_process import Numbers, conditioned, expected_improvement, fit
from study.tuning.unit_cube import Params, UnitCube
from study.variants import VARIANTS, Variant

STARTUP_CONFIGS = 6
RANDOM_CANDIDATES, NEIGHBOURS, PARENTS = 400, 30, 5

Suggest = Callable[[Any], Any]
Proposer = Callable[[str, Sequence["Tried"]], Params]


@dataclass(frozen=True)
class Tried:
    """A configuration and what the sampler may know of it.

    `value` is a mean validation score: final for a complete one, at the last rung that it reached for another;
    `step` grows with what was spent on it. `estimate` is the expected final score, with standard deviation
    `error`, where anything is known.
    """

    params: Mapping[str, Any]
    phase: Phase
    value: float | None = None
    step: int = 0
    estimate: float | None = None
    error: float = 0.0


# A stopped configuration is PRUNED with its value as an intermediate one: told as COMPLETE, its early value
# would pass for a final one and mislead the sampler. A diverged one is PRUNED without a value.
STATES = {
    Phase.OPEN: TrialState.RUNNING,
    Phase.COMPLETE: TrialState.COMPLETE,
    Phase.STOPPED: TrialState.PRUNED,
    Phase.DIVERGED: TrialState.PRUNED,
    Phase.FAILED: TrialState.FAIL,
}


def told(race: Contest, entry: Contestant, params: Mapping[str, Any]) -> Tried:
    """What the sampler is told of `entry` now. One that waits to be promoted counts as stopped where it stands."""
    forecast = race.forecast(entry)
    if forecast is None or entry.phase in (Phase.DIVERGED, Phase.FAILED):
        return Tried(params, entry.phase)
    phase = entry.phase if entry.phase is not Phase.OPEN else Phase.STOPPED
    if phase is Phase.COMPLETE:
        return Tried(params, phase, forecast[0], entry.epochs_spent(), *forecast)
    return Tried(params, phase, race.level(entry), entry.epochs_spent(), *forecast)


def proposer(seed: int, sampler: str, frame_rates: Sequence[str] = ()) -> Proposer:
    """What proposes the next configuration of a variant: the published setting first, then what `sampler` draws."""

    def next_params(variant: str, tried: Sequence[Tried]) -> Params:
        if not tried:
            return published_params(VARIANTS[variant].at(frame_rates))
        return propose(VARIANTS[variant].at(frame_rates).suggest, tried, derived_seed(seed, variant), sampler)

    return next_params


def published_params(variant: Variant) -> Params:
    """The published setting as parameters of the variant's space."""
    trial = FixedTrial(variant.published())
    variant.suggest(trial)
    return dict(trial.params)


def configuration(variant: Variant, params: Mapping[str, Any]) -> tuple[Any, Any]:
    """The config and recipe that stored parameters stand for."""
    config, recipe = variant.suggest(FixedTrial(dict(params)))
    return config, replace(recipe, frame_rate=params.get("frame_rate", ""))


def propose(
    suggest: Suggest, tried: Sequence[Tried], seed: int, sampler: str = "tpe", before: Sequence[Tried] = ()
) -> Params:
    """The parameters of configuration number `len(tried)`, which is 1 or more: number 0 is given.

    `before` is what an earlier study knows, on this one's level. Nothing is remembered between calls: the sampler is
    built anew from `tried` and a seed of its own for each number, so a resumed study proposes what an uninterrupted
    one does.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    number = len(tried)
    own_seed = derived_seed(seed, "proposal", number)
    if sampler == "gp" and number + len(before) > STARTUP_CONFIGS:
        return _completed(suggest, _by_expected_improvement(suggest, [*tried, *before], own_seed), own_seed)
    if sampler == "qmc":
        return _completed(suggest, _quasi_random(cube_of(suggest, tried), number, seed), own_seed)
    study = optuna.create_study(direction="maximize", sampler=_optuna_sampler(sampler, own_seed))
    study.add_trials([as_optuna_trial(suggest, entry) for entry in [*tried, *before]])
    trial = study.ask()
    suggest(trial)
    return dict(trial.params)


def cube_of(suggest: Suggest, tried: Sequence[Tried]) -> UnitCube:
    """The space as a cube, by the parameters of the first configuration."""
    fixed = FixedTrial(dict(tried[0].params))
    suggest(fixed)
    return UnitCube(fixed.distributions)


def as_optuna_trial(suggest: Suggest, tried: Tried) -> FrozenTrial:
    """What Optuna is told of a configuration."""
    fixed = FixedTrial(dict(tried.params))
    suggest(fixed)
    unfinished = tried.phase in (Phase.STOPPED, Phase.OPEN) and tried.value is not None
    return create_trial(
        state=STATES[tried.phase],
        params=fixed.params,
        distributions=fixed.distributions,
        value=tried.value if tried.phase is Phase.COMPLETE else None,
        intermediate_values={tried.step: tried.value} if unfinished else None,
    )


def _optuna_sampler(name: str, seed: int) -> BaseSampler:
    if name == "tpe":
        return TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=STARTUP_CONFIGS)
    return RandomSampler(seed=seed)


def _quasi_random(cube: UnitCube, number: int, seed: int) -> Params:
    """Point `number` of a scrambled Sobol sequence: it depends on its number alone, whatever was found."""
    with warnings.catch_warnings():  # balance matters to integrals over 2^n points, not to a search
        warnings.simplefilter("ignore", UserWarning)
        points = Sobol(cube.n_parameters, scramble=True, rng=seed).random(number)
    return cube.at(points[-1:])[0]


def _by_expected_improvement(suggest: Suggest, tried: Sequence[Tried], seed: int) -> Params:
    """The candidate that a Gaussian process expects most of, random ones and neighbours of the best considered."""
    random = np.random.default_rng(seed)
    cube = cube_of(suggest, tried)
    known = [each for each in tried if each.estimate is not None]
    if len(known) < 2:
        return cube.at(random.random((1, cube.n_parameters)))[0]
    best = sorted(known, key=lambda each: -(each.estimate or 0.0))[:PARENTS]
    candidates = cube.at(random.random((RANDOM_CANDIDATES, cube.n_parameters)))
    for parent in best:
        candidates += cube.near(parent.params, NEIGHBOURS, random)
    gain = _expected_gain(
        cube.points([each.params for each in known]),
        np.array([each.estimate for each in known], dtype=float),
        np.array([each.error for each in known]),
        cube.points([each.params for each in tried if each.phase is Phase.OPEN and each.estimate is None]),
        cube.points(candidates),
    )
    return candidates[int(np.argmax(gain))]


def _expected_gain(points: Numbers, values: Numbers, errors: Numbers, pending: Numbers, at: Numbers) -> Numbers:
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


def _completed(suggest: Suggest, params: Params, seed: int) -> Params:
    """`params` as the space takes them; what it asks for beyond them is drawn at random."""
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    study.enqueue_trial(params)
    trial = study.ask()
    suggest(trial)
    return dict(trial.params)
