"""The settings of a variant as a report shows them: tuned, published or untuned, and the guess."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from study.protocols import PROTOCOLS
from study.record.plan import Plan
from study.record.results import PARTS, Figures
from study.report.baselines import guess_on, guess_scores
from study.report.evidence import Evidence
from study.report.metric_view import PartsView, metric_views, parts_view
from study.report.predictions import TestedFold
from study.report.test_sets import part_view, set_names, views_by_set
from study.report.variant_view import SettingView, TestSetView


def tuned_setting(evidence: Evidence, name: str) -> SettingView | None:
    """What the search `name` has selected; None while that is nothing."""
    outcome = evidence.outcomes.get(name)
    if outcome is None:
        return None
    return _setting(evidence.plan, outcome.config.params, outcome.figures, evidence.tested[name])


def published_setting(evidence: Evidence, name: str) -> SettingView | None:
    """Configuration 0 of the search `name`; None where it is not complete, or nothing was selected."""
    outcome = evidence.outcomes.get(name)
    if outcome is None or outcome.published is None:
        return None
    params = evidence.configs[name][0].params
    return _setting(evidence.plan, params, outcome.published, evidence.published.get(name, ()))


def guess_setting(plan: Plan) -> SettingView:
    """A guess, which has no parameters; nothing about it varies with the speakers."""
    sizes = plan.corpus["groups"]
    sets = {name: TestSetView(sizes[name], metric_views(guess_on(plan, name))) for name in set_names(plan)}
    return SettingView(None, parts_view({part: guess_scores(plan, part) for part in PARTS}), sets)


def _setting(plan: Plan, params: Mapping[str, Any], figures: Figures, tested: Sequence[TestedFold]) -> SettingView:
    if not PROTOCOLS[plan.terms.protocol].one_division:
        return SettingView(params, parts_view(figures))
    return SettingView(params, _over_runs(plan, figures, tested), views_by_set(plan, tested))


def _over_runs(plan: Plan, figures: Figures, tested: Sequence[TestedFold]) -> PartsView:
    """Figures over runs: those of test with intervals over speakers, and others without, since runs are no sample."""
    views = parts_view(figures)
    without = {
        part: {name: replace(view, low=math.nan, high=math.nan) for name, view in by.items()}
        for part, by in views.items()
    }
    return {**without, "test": part_view(plan, tested, "test")}
