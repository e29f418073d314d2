"""Which pairs of systems are compared, and what every comparison comes to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from study.protocols import PROTOCOLS
from study.record.plan import Plan
from study.report.evidence import Evidence
from study.report.paired import compare_by_speaker, predicted
from study.report.significance import Comparison, compare, with_holm
from study.report.systems import Outcomes, Systems, published_system, searched, share_tested, tuned_figures, untuned
from study.report.verdict import decision, sentence
from study.report.view import ComparisonView
from study.training.metrics import METRICS
from study.variants import VARIANTS


def compared(evidence: Evidence, outcomes: Outcomes, systems: Systems) -> dict[str, tuple[ComparisonView, ...]]:
    """By metric, the study's own first: the comparisons that a report shows of these outcomes.

    Under one division, which has no folds to test over, they are of predictions, and `systems` is not read.
    """
    plan = evidence.plan
    if PROTOCOLS[plan.terms.protocol].one_division:
        return _by_speaker(evidence, pairs(outcomes, plan.metric))
    return {metric: tuple(map(as_view, own)) for metric, own in comparisons(plan, outcomes, systems).items()}


def comparisons(plan: Plan, outcomes: Outcomes, systems: Systems) -> dict[str, list[Comparison]]:
    """By metric, the study's own first: the comparison of every pair, with Holm's adjustment over those of a metric."""
    wanted, share = pairs(outcomes, plan.metric), share_tested(plan)
    return {
        metric: with_holm(
            [compare(systems[one][metric], systems[other][metric], metric, share) for one, other in wanted]
        )
        for metric in _metrics(plan)
    }


def pairs(outcomes: Outcomes, metric: str) -> list[tuple[str, str]]:
    """Every fusion against the best baseline, then each variant against those that its row names, each pair once.

    Then each tuned variant against its untuned setting, unless that was selected. The best baseline is the best by
    validation: choosing it by test would make it look better than it is.
    """
    found = [*_against_baseline(outcomes, metric), *_against_named(outcomes), *_against_published(outcomes)]
    return list(dict.fromkeys(found))


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
        n_searches=comparison.n_searches,
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


def _by_speaker(evidence: Evidence, wanted: Sequence[tuple[str, str]]) -> dict[str, tuple[ComparisonView, ...]]:
    named = {name: predicted(evidence, name) for pair in wanted for name in pair}
    found = [compare_by_speaker(evidence.plan, named[one], named[other]) for one, other in wanted]
    return {metric: tuple(view for own in found for view in own[metric]) for metric in _metrics(evidence.plan)}


def _metrics(plan: Plan) -> list[str]:
    """All metrics, the study's own first."""
    return [plan.metric, *(name for name in METRICS if name != plan.metric)]


def _against_baseline(outcomes: Outcomes, metric: str) -> Iterator[tuple[str, str]]:
    variants = searched(outcomes)
    baselines = [name for name in variants if VARIANTS[name].role == "baseline"]
    if not baselines:
        return
    best = max(baselines, key=lambda name: tuned_figures(outcomes, name)["validation"][metric].mean)
    yield from ((name, best) for name in variants if VARIANTS[name].role == "fusion")


def _against_named(outcomes: Outcomes) -> Iterator[tuple[str, str]]:
    variants = searched(outcomes)
    for name in variants:
        yield from ((name, other) for other in VARIANTS[name].compared_with if other in variants)


def _against_published(outcomes: Outcomes) -> Iterator[tuple[str, str]]:
    for name in searched(outcomes):
        if published_system(outcomes, name) is not None:
            yield name, untuned(name)


def _defined(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
