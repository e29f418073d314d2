"""What an earlier study knows, for the sampler of a new one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, pstdev
from typing import Any

from optuna.trial import FixedTrial

from study.errors import UserError
from study.results.ledger import Ledger
from study.results.plan import Plan
from study.training.seeding import derived_seed
from study.tuning.conductor import Conductor
from study.tuning.entries import Phase, Rules
from study.tuning.proposals import Proposer, Suggest, Tried, propose, proposer
from study.tuning.racing import Race
from study.variants import TRAINED, VARIANTS

# A score from another study says this much less: its error grows by so many standard deviations of its scores.
DISTRUST = 0.5


def remembered(folder: Path, rules_of: Any) -> dict[str, Any]:
    """The configurations and expected final scores of the study in `folder`, ready for the plan of another.

    Gives {"name", "corpus", "variants": {variant: [{"params", "score", "error"}, ...]}}, configuration 0 first.
    `rules_of(plan)` gives the rules of its races.

    Raises:
        UserError: there is no such study, or nothing of it is known yet.
    """
    plan = Plan.read(folder)
    if plan.protocol != "shared":
        raise UserError(
            f"--warm-start expects a study under protocol shared; {plan.name} is {plan.protocol}, and its choices are "
            "several"
        )
    rules: Rules = rules_of(plan)
    conductor = Conductor(
        [name for name in plan.variants if name in TRAINED],
        rules,
        Ledger(folder / "ledger.jsonl", writable=False),
        policy=plan.policy,
        propose=lambda variant, tried: {},
        metric=plan.metric,
        seed=plan.seed,
        slots=0,
    )
    found: dict[str, Any] = {}
    for variant, race in conductor.races.items():
        assert isinstance(race, Race)  # as under protocol shared
        for entry in race.entries:
            forecast = race.in_hindsight(entry)
            if forecast is not None and entry.phase in (Phase.COMPLETE, Phase.STOPPED, Phase.OPEN):
                known = {"params": dict(conductor.params[variant, entry.number]), "number": entry.number}
                found.setdefault(variant, []).append({**known, "score": forecast[0], "error": forecast[1]})
    if not found:
        raise UserError(f"--warm-start expects a study that has scores; {plan.name} at {folder} has none yet")
    return {"name": plan.name, "corpus": plan.corpus["name"], "variants": found}


def warm_proposer(seed: int, sampler: str, memory: Mapping[str, Any], frame_rates: Sequence[str] = ()) -> Proposer:
    """What proposes the next configuration of a variant: the published setting, what was best before, then news.

    Without a memory, the same as `proposer`.
    """
    cold = proposer(seed, sampler, frame_rates)

    def next_params(variant: str, tried: Sequence[Tried]) -> dict[str, Any]:
        suggest = VARIANTS[variant].at(frame_rates).suggest
        known = prior(memory, variant, suggest) if memory and tried else []
        if not known:
            return cold(variant, tried)
        before = [each for each in moved(known, tried) if _key(each.params) not in {_key(t.params) for t in tried}]
        if len(tried) == 1 and before:
            return dict(max(before, key=lambda each: each.estimate or 0.0).params)
        return propose(suggest, tried, derived_seed(seed, variant), sampler, before)

    return next_params


def prior(memory: Mapping[str, Any], variant: str, suggest: Suggest) -> list[Tried]:
    """What of `memory` fits the space of `variant`: its own configurations, else those of the first that fit."""
    for name in dict.fromkeys([variant, *memory.get("variants", {})]):
        known = memory.get("variants", {}).get(name, [])
        fitting = [each for each in known if math.isfinite(each["score"]) and fits(suggest, each["params"])]
        if fitting:
            spread = pstdev([each["score"] for each in fitting])
            return [
                Tried(
                    each["params"],
                    Phase.COMPLETE,
                    each["score"],
                    0,
                    each["score"],
                    math.hypot(each["error"], DISTRUST * spread),
                )
                for each in fitting
            ]
    return []


def fits(suggest: Suggest, params: Mapping[str, Any]) -> bool:
    """Whether a space has these parameters and their values."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            suggest(FixedTrial(dict(params)))
    except (ValueError, UserWarning):
        return False
    return True


def moved(prior: Sequence[Tried], tried: Sequence[Tried]) -> list[Tried]:
    """`prior` on the new study's level: corpora differ in difficulty, so the medians are made to agree.

    Only what both have tried can tell the difference: the configurations of the same parameters, the published
    setting first of all. Where there is none yet, nothing is moved.
    """
    known = {_key(each.params): each.estimate for each in prior if each.estimate is not None}
    differences = [
        each.estimate - known[_key(each.params)]
        for each in tried
        if each.estimate is not None and _key(each.params) in known
    ]
    shift = median(differences) if differences else 0.0
    return [
        Tried(
            each.params, each.phase, (each.value or 0.0) + shift, each.step, (each.estimate or 0.0) + shift, each.error
        )
        for each in prior
    ]


def _key(params: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(params.items()))
