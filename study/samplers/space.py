"""A variant's search space in words, and whether parameters are of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from study.record.plan import Plan
from study.variant import Variant
from study.variants import TRAINED, VARIANTS


def spaces_of(plan: Plan) -> dict[str, dict[str, str]]:
    """The search space of every trained variant of a study, by name."""
    return {name: space_of(VARIANTS[name].choosing(plan.choices())) for name in plan.variants if name in TRAINED}


def space_of(variant: Variant) -> dict[str, str]:
    """The distribution of every parameter that one of the first configurations has, in words, by name.

    >>> from study.variants import VARIANTS
    >>> space_of(VARIANTS["text"])["batch_size"]
    'one of 16, 32, 64, 128'
    """
    found: dict[str, BaseDistribution] = {}
    for start in variant.starts():
        trial = FixedTrial(start)
        variant.suggest(trial)
        found |= trial.distributions
    return {name: in_words(distribution) for name, distribution in found.items()}


def in_words(distribution: BaseDistribution) -> str:
    """A distribution, for example "number 0.0001 to 0.01, logarithmic"."""
    if isinstance(distribution, CategoricalDistribution):
        return f"one of {', '.join(map(str, distribution.choices))}"
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    kind = "whole number" if isinstance(distribution, IntDistribution) else "number"
    step = f", in steps of {distribution.step}" if distribution.step not in (None, 1) else ""
    return f"{kind} {distribution.low} to {distribution.high}{step}{', logarithmic' if distribution.log else ''}"


def misfit(variant: Variant, params: Mapping[str, Any]) -> str:
    """What keeps parameters from being a configuration of the variant, in words; empty if nothing does."""
    trial = FixedTrial(dict(params))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a value out of range is found below
            variant.suggest(trial)
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        return " ".join(str(error).split())
    for name, distribution in trial.distributions.items():
        if not _holds(distribution, params[name]):
            return f"{name} {params[name]!r} is not {in_words(distribution)}"
    return next((f"{name} is no parameter" for name in params if name not in trial.distributions), "")


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return any(
            choice == value and isinstance(choice, bool) is isinstance(value, bool) for choice in distribution.choices
        )
    kinds = (int,) if isinstance(distribution, IntDistribution) else (int, float)
    return type(value) in kinds and bool(distribution._contains(distribution.to_internal_repr(value)))
