"""What is compared: a variant as its searches have tuned it, or its published setting as they have trained it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from study.protocols import PROTOCOLS
from study.record.events import Phase
from study.record.outcome import Outcome
from study.record.plan import Plan
from study.record.results import PARTS, ConfigResult, Figures, spread
from study.record.search_name import variant_of
from study.record.search_variance import search_variance
from study.report.significance import System, Tuning
from study.seeding import derived_seed
from study.training.metrics import METRICS
from study.variants import VARIANTS

Outcomes = Mapping[str, Outcome]
Configs = Mapping[str, Sequence[ConfigResult]]
# By the name that tables give it, then by metric.
Systems = Mapping[str, Mapping[str, System]]


def share_tested(plan: Plan) -> float:
    """n_test / n_train, the mean over folds."""
    sizes = plan.corpus["groups"]
    return fmean(
        sum(sizes[group] for group in division["test"]) / sum(sizes[group] for group in division["training"])
        for division in PROTOCOLS[plan.terms.protocol].divisions(plan)
    )


def searched(outcomes: Outcomes) -> dict[str, list[str]]:
    """The searches that have an outcome, by variant."""
    found: dict[str, list[str]] = {}
    for name in outcomes:
        found.setdefault(variant_of(name), []).append(name)
    return found


def untuned(variant: str) -> str:
    """What a variant's configuration 0 is called among systems: "cross published"."""
    return f"{variant} {VARIANTS[variant].start_word}"


def systems_of(plan: Plan, outcomes: Outcomes, configs: Configs) -> Systems:
    """Every tuned variant, and the published setting of those where it is compared."""
    found = {name: tuned_system(plan, outcomes, configs, name) for name in searched(outcomes)}
    start = {untuned(name): published_system(outcomes, name) for name in found}
    return {**found, **{name: system for name, system in start.items() if system is not None}}


def tuned_figures(outcomes: Outcomes, variant: str) -> Figures:
    """The figures of a tuned variant: of every fold the mean over its searches."""
    return _mean([outcomes[name].figures for name in searched(outcomes)[variant]])


def tuned_system(plan: Plan, outcomes: Outcomes, configs: Configs, variant: str, name: str = "") -> dict[str, System]:
    """By metric, a tuned variant; `name` is what the tables call it, if not the variant's."""
    names = searched(outcomes)[variant]
    figures, tunings = tuned_figures(outcomes, variant), [tuning(plan, each, configs[each]) for each in names]
    return {
        metric: System(
            name or variant,
            figures["test"][metric].folds,
            _of_several([each[metric] for each in tunings]),
            tuple(outcomes[each].figures["test"][metric].mean for each in names),
        )
        for metric in METRICS
    }


def published_system(outcomes: Outcomes, variant: str) -> dict[str, System] | None:
    """By metric, the published setting of a variant, which no search chose; None where it is not compared.

    That is where it was not trained to the end, or where it was selected by every search.
    """
    own = [outcomes[name] for name in searched(outcomes)[variant]]
    trained = [each.published for each in own if each.published is not None]
    if not trained or all(each.is_published for each in own):
        return None
    figures = _mean(trained)
    return {
        metric: System(
            untuned(variant),
            figures["test"][metric].folds,
            None,
            tuple(each["test"][metric].mean for each in trained),
        )
        for metric in METRICS
    }


def tuning(plan: Plan, search: str, configs: Sequence[ConfigResult]) -> dict[str, Tuning]:
    """By metric, what is known of the search that a reported configuration comes from."""
    choices = PROTOCOLS[plan.terms.protocol].choices(plan, configs)
    tried = [config.number for config in configs if config.outcome is not Phase.OPEN]
    seed = derived_seed(plan.terms.seed, "search variance", search)
    luck = search_variance(choices, tried, plan.terms.finalists, seed)
    return {metric: Tuning(len(tried), variance) for metric, variance in luck.items()}


def _of_several(tunings: Sequence[Tuning]) -> Tuning:
    """What is known of the mean of several searches: its luck is a share of theirs."""
    known = [each.variance for each in tunings if not math.isnan(each.variance)]
    variance = fmean(known) / len(tunings) if len(known) == len(tunings) else math.nan
    return Tuning(min(each.n_configs for each in tunings), variance)


def _mean(figures: Sequence[Figures]) -> Figures:
    if len(figures) == 1:
        return figures[0]
    return {
        part: {
            metric: spread(
                [fmean(values) for values in zip(*(each[part][metric].folds for each in figures), strict=True)]
            )
            for metric in METRICS
        }
        for part in PARTS
    }
