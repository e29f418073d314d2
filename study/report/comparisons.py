"""Which pairs of systems are compared, and the sentences that follow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from study.protocols import PROTOCOLS
from study.record.divisions import blocks_of
from study.record.outcome import Outcome
from study.record.plan import Plan
from study.report.predictions import TestedFold, confusions_by_speaker
from study.report.significance import Comparison, System, compare, sentence, with_holm
from study.report.view import ComparisonView
from study.variants import VARIANTS

# With fewer test utterances per fold, real differences are usually missed; see the simulation in the tests.
FEW_UTTERANCES = 1000


def comparisons(
    plan: Plan, outcomes: Mapping[str, Outcome], tested: Mapping[str, Sequence[TestedFold]]
) -> list[Comparison]:
    """The comparison of every pair, with Holm's adjustment over all of them."""
    wanted = pairs(outcomes, plan.metric)
    systems = {name: _system(plan, name, outcomes[name], tested[name]) for pair in wanted for name in pair}
    share = share_tested(plan)
    return with_holm(
        [compare(systems[one], systems[other], plan.metric, share, seed=plan.terms.seed) for one, other in wanted]
    )


def pairs(outcomes: Mapping[str, Outcome], metric: str) -> list[tuple[str, str]]:
    """Every fusion against the best baseline, then each variant against those that its row names, each pair once.

    The best baseline is the best by validation: choosing it by test would make it look better than it is.
    """
    found = [*_against_baseline(outcomes, metric), *_against_named(outcomes)]
    return list(dict.fromkeys(found))


def share_tested(plan: Plan) -> float:
    """n_test / n_train, the mean over folds."""
    sizes = plan.corpus["groups"]
    return fmean(
        sum(sizes[group] for group in division["test"]) / sum(sizes[group] for group in division["training"])
        for division in PROTOCOLS[plan.terms.protocol].divisions(plan)
    )


def conclusion(found: Sequence[Comparison], plan: Plan) -> tuple[str, ...]:
    """What the comparisons allow to conclude, in plain sentences."""
    sentences = [f"{sentence(comparison)}." for comparison in found]
    blocks = blocks_of(PROTOCOLS[plan.terms.protocol].divisions(plan))
    mean_test = fmean(sum(plan.corpus["groups"][group] for group in block) for block in blocks)
    if found and mean_test < FEW_UTTERANCES:
        sentences.append(
            f"With {mean_test:.0f} test utterances per fold, a real difference of 5 points would usually not be "
            "shown by these tests; no difference shown does not mean that there is none."
        )
    return tuple(sentences)


def as_view(comparison: Comparison) -> ComparisonView:
    """A comparison as reports show it; None is not defined."""
    odds = comparison.equivalence
    return ComparisonView(
        first=comparison.first,
        second=comparison.second,
        metric=comparison.metric,
        differences=comparison.differences,
        mean=comparison.mean,
        p=_defined(comparison.test.p),
        p_holm=_defined(comparison.p_holm),
        low=_defined(comparison.interval.low),
        high=_defined(comparison.interval.high),
        worse=_defined(odds.worse),
        equal=_defined(odds.equal),
        better=_defined(odds.better),
        rope=odds.rope,
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


def _system(plan: Plan, name: str, outcome: Outcome, folds: Sequence[TestedFold]) -> System:
    return System(name, outcome.test_scores(plan.metric).folds, confusions_by_speaker(folds, len(plan.classes)))


def _defined(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
