"""Configurations and predicted final scores of an earlier study, for the sampler of a new one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median, pstdev
from typing import Any

from optuna.trial import FixedTrial

from study.errors import UserError
from study.plurals import counted
from study.record.events import Phase
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.record.plan import Plan
from study.record.search_name import variant_of
from study.samplers.proposer import NO_LABELS, Labels, Suggest, propose, proposer
from study.search.observation import Observation, Proposer
from study.search.race import Race
from study.searches import conductor_of
from study.seeding import derived_seed
from study.variants import TRAINED, VARIANTS

# A score from another study is less certain: its error grows by so many standard deviations of its scores.
DISTRUST = 0.5


def load_prior(folder: StudyFolder) -> dict[str, Any]:
    """The configurations and predicted final scores of the study in `folder`, ready for the plan of another.

    Gives {"name", "corpus", "variants": {variant: [{"params", "score", "error"}, ...]}}, configuration 0 first.

    Raises:
        UserError: there is no such study, or it has no scores yet.
    """
    plan = Plan.read(folder)
    if plan.terms.protocol != "shared":
        raise UserError(
            f"--warm-start expects a study under protocol shared; {plan.name} is {plan.terms.protocol}, and its "
            "choices are several"
        )
    conductor = conductor_of(plan, Ledger(folder.ledger, writable=False), lambda variant, observations: {}, slots=0)
    found: dict[str, Any] = {}
    for variant, race in conductor.searches.items():
        assert isinstance(race, Race)  # as under protocol shared
        for entry in race.entries:
            predicted = race.predicted_in_hindsight(entry)
            if predicted is not None and entry.phase in (Phase.COMPLETE, Phase.STOPPED, Phase.OPEN):
                known = {"params": dict(conductor.params[variant, entry.number]), "number": entry.number}
                found.setdefault(variant, []).append({**known, "score": predicted[0], "error": predicted[1]})
    if not found:
        raise UserError(f"--warm-start expects a study that has scores; {plan.name} at {folder.path} has none yet")
    return {"name": plan.name, "corpus": plan.corpus["name"], "variants": found}


def warm_proposer(seed: int, sampler: str, earlier_study: Mapping[str, Any], labels: Labels = NO_LABELS) -> Proposer:
    """What proposes the next configuration of a variant, given what `load_prior` found in an earlier study.

    The published setting comes first, then the configuration that was best before, then what the sampler draws.
    Where no earlier configuration fits, it proposes what `proposer` does.
    """
    cold = proposer(seed, sampler, labels)

    def next_params(search: str, observations: Sequence[Observation]) -> dict[str, Any]:
        variant = variant_of(search)
        suggest = VARIANTS[variant].choosing(labels).suggest
        known = prior(earlier_study, variant, suggest) if earlier_study and observations else []
        if not known:
            return cold(search, observations)
        tried = {_key(each.params) for each in observations}
        earlier = [each for each in moved(known, observations) if _key(each.params) not in tried]
        if len(observations) == 1 and earlier:
            return dict(max(earlier, key=lambda each: each.predicted or 0.0).params)
        return propose(suggest, observations, derived_seed(seed, search), sampler, earlier)

    return next_params


def warm_start_sentence(plan: Plan) -> str:
    """What the sampler was given of an earlier study, by variant; empty without a warm start."""
    if not plan.prior:
        return ""
    known = {
        name: len(prior(plan.prior, name, VARIANTS[name].choosing(plan.choices()).suggest))
        for name in plan.variants
        if name in TRAINED
    }
    fitting = ", ".join(f"{name} {counted(n, 'configuration')}" for name, n in known.items())
    return f"warm start: of study {plan.prior['name']} on {plan.prior['corpus']}, the sampler knows for {fitting}"


def prior(earlier_study: Mapping[str, Any], variant: str, suggest: Suggest) -> list[Observation]:
    """The configurations of the `earlier_study` that fit the space of `variant`: its own, else another variant's."""
    for name in dict.fromkeys([variant, *earlier_study.get("variants", {})]):
        known = earlier_study.get("variants", {}).get(name, [])
        fitting = [each for each in known if math.isfinite(each["score"]) and fits(suggest, each["params"])]
        if fitting:
            spread = pstdev([each["score"] for each in fitting])
            return [
                Observation(
                    own_params(suggest, each["params"]),
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


def own_params(suggest: Suggest, params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `params`, which fit it, that a space has: the earlier study may have chosen features too."""
    trial = FixedTrial(dict(params))
    suggest(trial)
    return dict(trial.params)


def moved(prior: Sequence[Observation], observations: Sequence[Observation]) -> list[Observation]:
    """`prior` on the new study's level: corpora differ in difficulty, so the medians are made to agree.

    The difference is measured on the configurations that both studies have, the published setting first of all. Where
    there is none yet, nothing is moved.
    """
    known = {_key(each.params): each.predicted for each in prior if each.predicted is not None}
    differences = [
        each.predicted - known[_key(each.params)]
        for each in observations
        if each.predicted is not None and _key(each.params) in known
    ]
    shift = median(differences) if differences else 0.0
    return [
        replace(each, value=(each.value or 0.0) + shift, predicted=(each.predicted or 0.0) + shift) for each in prior
    ]


def _key(params: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(params.items()))
