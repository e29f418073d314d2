"""What a study has found, shown: `run` and `report` end with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console

from study.app import terminal
from study.app.output import print_line
from study.app.predict_command import predict_command
from study.errors import FAILED, FINISHED
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.report import write as report
from study.report.variant_view import VariantView
from study.report.view import ReportView
from study.searches import searches_of, trained_searches
from study.tracking.tracker import TrackingLink
from study.variants import TRAINED, VARIANTS


def spaces(plan: Plan) -> dict[str, Callable[[Any], object]]:
    """The function that draws a configuration, by variant."""
    return {name: VARIANTS[name].choosing(plan.choices()).suggest for name in TRAINED}


def show(
    plan: Plan, folder: StudyFolder, console: Console, written: report.WrittenReport, link: TrackingLink | None
) -> int:
    """Print the report; the exit code is FAILED if a variant has no complete configuration."""
    terminal.print_report(console, written.view, folder, link)
    if command := _next_command(plan, written.view, folder):
        print_line(console, f"predict      {command}")
    return FINISHED if all(written.view.variants[name].tuned for name in searches_of(plan)) else FAILED


def _next_command(plan: Plan, view: ReportView, folder: StudyFolder) -> str:
    """What to type to predict with what was selected; empty where nothing was, or where recordings are of no use."""
    tuned = {name: view.variants[name] for name in trained_searches(plan) if view.variants[name].tuned}
    if view.unfinished or not tuned:
        return ""
    best = max(tuned.values(), key=lambda variant: _validation(variant, plan.metric))
    if any(choice.spec.is_elsewhere for name in best.modalities for choice in plan.features[name]):
        return ""
    return predict_command(plan.name, best.modalities, folder.path.parent.parent)


def _validation(variant: VariantView, metric: str) -> float:
    assert variant.tuned is not None
    return variant.tuned.figures["validation"][metric].mean
