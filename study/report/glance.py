"""All systems at a glance: who is above whom, who is not told apart, and what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from study.protocols import PROTOCOLS
from study.record.plan import Plan
from study.report.glance_view import GlanceRow, GlanceView
from study.report.letter_groups import letter_groups
from study.report.metric_view import MetricView, parts_view
from study.report.significance import Comparison, compare, is_confirmed, with_holm
from study.report.systems import Outcomes, Systems, searched, share_tested, tuned_figures
from study.report.variant_view import VariantView

FEWEST_SYSTEMS = 2


def glance(plan: Plan, outcomes: Outcomes, systems: Systems, variants: Mapping[str, VariantView]) -> GlanceView | None:
    """The view of all systems in the study's metric; None where fewer than two were tuned."""
    if len(searched(outcomes)) < FEWEST_SYSTEMS:
        return None
    rows = sorted(
        [*_tuned(plan, outcomes, variants), *_others(plan, variants)], key=lambda row: row.test.mean, reverse=True
    )
    names = [row.name for row in rows if row.is_trained]
    pairs = _pairs(plan, systems, names)
    apart = {frozenset((pair.first, pair.second)) for pair in pairs if is_confirmed(pair)}
    has_verdicts = any(pair.has_verdict for pair in pairs)
    return GlanceView(tuple(rows), letter_groups(names, apart) if has_verdicts else {}, len(pairs), len(apart))


def _pairs(plan: Plan, systems: Systems, names: list[str]) -> list[Comparison]:
    """Every pair of tuned systems, the higher one first; none under one division, which has no folds to test over."""
    if PROTOCOLS[plan.terms.protocol].one_division:
        return []
    share, metric = share_tested(plan), plan.metric
    return with_holm(
        [compare(systems[one][metric], systems[other][metric], metric, share) for one, other in combinations(names, 2)]
    )


def _tuned(plan: Plan, outcomes: Outcomes, variants: Mapping[str, VariantView]) -> Iterator[GlanceRow]:
    for name, searches in searched(outcomes).items():
        own = [variants[search] for search in searches]
        yield GlanceRow(
            name,
            own[0].modalities,
            own[0].role,
            _test(plan, outcomes, name, own[0]),
            max((each.n_parameters for each in own if each.n_parameters is not None), default=None),
            max((each.epoch_seconds for each in own if each.epoch_seconds is not None), default=None),
            sum(each.cost.epochs for each in own),
        )


def _test(plan: Plan, outcomes: Outcomes, name: str, first: VariantView) -> MetricView:
    """The test score of a tuned system over its searches; under one division with its interval over speakers."""
    if PROTOCOLS[plan.terms.protocol].one_division and first.tuned is not None:
        return first.tuned.figures["test"][plan.metric]
    return parts_view(tuned_figures(outcomes, name))["test"][plan.metric]


def _others(plan: Plan, variants: Mapping[str, VariantView]) -> Iterator[GlanceRow]:
    """The guess and the probe."""
    for name, variant in variants.items():
        if not variant.trained and variant.tuned is not None:
            yield GlanceRow(name, variant.modalities, variant.role, variant.tuned.figures["test"][plan.metric])
