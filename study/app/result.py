"""What a study has found, shown: `run` and `report` end with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console

from study.app import terminal
from study.errors import FAILED, FINISHED
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.report import write as report
from study.searches import searches_of
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
    return FINISHED if all(written.view.variants[name].tuned for name in searches_of(plan)) else FAILED
