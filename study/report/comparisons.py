"""Which pairs of systems are compared, and what every comparison comes to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from study.protocols import PROTOCOLS
from study.record.events import Phase
from study.record.outcome import Outcome
from study.record.plan import Plan
from study.record.results import ConfigResult, Figures
from study.record.search_variance import search_variance
from study.report.significance import Comparison, System, Tuning, compare, with_holm
from study.report.verdict import decision, sentence
from study.report.view import ComparisonView
from study.seeding import derived_seed
from study.training.metrics import METRICS
from study.variants import VARIANTS


def comparisons(
    plan: Plan, outcomes: Mapping[str, Outcome], configs: Mapping[str, Sequence[ConfigResult]]
) -> dict[str, list[Comparison]]:
    """By metric, the study's own first: the comparison of every pair, with Holm's adjustment over those of a metric."""
    wanted = pairs(outcomes, plan.metric)
    names = {name for pair in wanted for name in pair}
    tunings = {name: tuning(plan, name, configs[name]) for name in outcomes if names & {name, untuned(name)}}
    share = share_tested(plan)
    found = {}
    for metric in (plan.metric, *(name for name in METRICS if name != plan.metric)):
        systems = dict(_systems(outcomes, tunings, metric))
        found[metric] = with_holm([compare(systems[one], systems[other], metric, share) for one, other in wanted])
    return found


def pairs(outcomes: Mapping[str, Outcome], metric: str) -> list[tuple[str, str]]:
    """Every fusion against the best baseline, then each variant against those that its row names, each pair once.

    Then each tuned variant against its untuned setting, unless that was selected. The best baseline is the best by
    validation: choosing it by test would make it look better than it is.
    """
    found = [*_against_baseline(outcomes, metric), *_against_named(outcomes), *_against_published(outcomes)]
    return list(dict.fromkeys(found))


def untuned(name: str) -> str:
    """What a variant's configuration 0 is called among systems: "cross published"."""
    return f"{name} {VARIANTS[name].start_word}"


def tuning(plan: Plan, name: str, configs: Sequence[ConfigResult]) -> dict[str, Tuning]:
    """By metric, what is known of the search that a variant's reported configuration comes from."""
    choices = PROTOCOLS[plan.terms.protocol].choices(plan, configs)
    tried = [config.number for config in configs if config.outcome is not Phase.OPEN]
    seed = derived_seed(plan.terms.seed, "search variance", name)
    luck = search_variance(choices, tried, plan.terms.finalists, seed)
    return {metric: Tuning(len(tried), variance) for metric, variance in luck.items()}


def share_tested(plan: Plan) -> float:
    """n_test / n_train, the mean over folds."""
    sizes = plan.corpus["groups"]
    return fmean(
        sum(sizes[group] for group in division["test"]) / sum(sizes[group] for group in division["training"])
        for division in PROTOCOLS[plan.terms.protocol].divisions(plan)
    )


def as_view(comparison: Comparison) -> ComparisonView:
    """A comparison as reports show it; None is not defined, or not shown without a verdict."""
    odds, decided = comparison.equivalence, comparison.has_verdict
    return ComparisonView(
        first=comparison.first,
        second=comparison.second,
        metric=comparison.metric,
        differences=comparison.differences,
        mean=comparison.mean,
        luck=comparison.luck,
        low=_defined(comparison.interval.low),
        high=_defined(comparison.interval.high),
        p=_defined(comparison.test.p) if decided else None,
        p_holm=_defined(comparison.p_holm),
        smallest=_defined(comparison.smallest),
        worse=_defined(odds.worse) if decided else None,
        equal=_defined(odds.equal) if decided else None,
        better=_defined(odds.better) if decided else None,
        rope=odds.rope,
        decision=decision(comparison),
        sentence=sentence(comparison),
    )


def _against_baseline(outcomes: Mapping[str, Outcome], metric: str) -> Iterator[tuple[str, str]]:
    baselines = [name for name in outcomes if VARIANTS[name].role == "baseline"]
    if not baselines:
        return
    best = max(baselines, key=lambda name: outcomes[name].figures["validation"][metric].mean)
    yield from ((name, best) for name in outcomes if VARIANTS[name].role == "fusion")


def _against_named(outcomes: Mapping[str, Outcome]) -> Iterator[tuple[str, str]]:
    for name in outcomes:
        yield from ((name, other) for other in VARIANTS[name].compared_with if other in outcomes)


def _against_published(outcomes: Mapping[str, Outcome]) -> Iterator[tuple[str, str]]:
    for name, outcome in outcomes.items():
        if outcome.published is not None and not outcome.is_published:
            yield name, untuned(name)


def _systems(
    outcomes: Mapping[str, Outcome], tunings: Mapping[str, Mapping[str, Tuning]], metric: str
) -> Iterator[tuple[str, System]]:
    """The systems that may be compared, by name: tuned variants, and published settings, which no search chose."""
    for name, tuned in tunings.items():
        outcome = outcomes[name]
        yield name, System(name, _folds(outcome.figures, metric), tuned[metric])
        if outcome.published is not None:
            yield untuned(name), System(untuned(name), _folds(outcome.published, metric))


def _folds(figures: Figures, metric: str) -> tuple[float, ...]:
    return figures["test"][metric].folds


def _defined(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
