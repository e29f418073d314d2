"""The preview of `--dry-run`: folds, runs, expected cost and disk, before anything is trained."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from study.app.division import division_table
from study.app.output import plain_table, print_line
from study.app.settings import UNLIMITED
from study.execution.cost_estimate import Cost
from study.execution.places import Slots
from study.plurals import counted
from study.record.plan import Plan
from study.report.formats import format_duration
from study.samplers.warm_start import warm_start_sentence


def print_preview(console: Console, plan: Plan, costs: Sequence[Cost], slots: Slots, folder: Path) -> None:
    """Show the study as it would run in `slots`, its files in `folder`."""
    console.print(f"\nstudy {plan.name}: a dry run, nothing is trained\n", highlight=False, markup=False)
    if sentence := warm_start_sentence(plan):
        print_line(console, f"{sentence}\n")
    console.print(_folds(plan))
    console.print(division_table(plan.folds, ((u["group"], u["label"]) for u in plan.utterances), plan.classes))
    console.print(_costs(plan, costs))
    limit = None if plan.seconds is None else plan.seconds * plan.terms.n_searches
    total = sum(cost.seconds for cost in costs) if limit is None else limit * len(costs)
    disk, free = sum(cost.disk for cost in costs), shutil.disk_usage(folder).free
    console.print(
        f"\n{counted(slots.number, 'run')} at once: about {format_duration(total / slots.number)} by the clock; "
        f"{disk / 1e6:.0f} MB of disk, {free / 1e9:.0f} GB free",
        highlight=False,
    )
    console.print(
        "One epoch of each configuration 0 was timed on one core; configurations differ, and so will the total.",
        style="dim",
    )


def _folds(plan: Plan) -> Table:
    table = plain_table("fold", "test", "validation", "training", "utterances", right=("utterances",))
    sizes = plan.corpus["groups"]
    for fold in plan.folds:
        parts = [fold[part] for part in ("test", "validation", "training")]
        counts = " / ".join(str(sum(sizes[group] for group in part)) for part in parts)
        table.add_row(str(fold["number"]), *(escape(", ".join(part)) for part in parts), counts)
    return table


def _costs(plan: Plan, costs: Sequence[Cost]) -> Table:
    numbers = ("configs", "fold runs", "epochs", "s per epoch", "worker time", "share", "disk")
    table = plain_table("variant", *numbers, right=numbers)
    total = sum(cost.seconds for cost in costs) or 1.0
    configs, runs = _budget(plan)
    for cost in costs:
        spent = cost.seconds if plan.seconds is None else plan.seconds * plan.terms.n_searches
        epochs = round(spent / cost.seconds_per_epoch)
        share = f"{cost.seconds / total:.0%}" if plan.seconds is None else f"{1 / len(costs):.0%}"
        row = (configs, runs, f"about {epochs}", f"{cost.seconds_per_epoch:.2f}", format_duration(spent), share)
        table.add_row(cost.variant, *row, f"{cost.disk / 1e6:.0f} MB")
    return table


def _budget(plan: Plan) -> tuple[str, str]:
    """How many configurations and fold runs each variant has, in words."""
    terms, n_folds = plan.terms, len(plan.folds)
    if terms.n_configs >= UNLIMITED:
        return "until time is up", "-"
    confirmation = (terms.finalists + 1) * terms.seeds * n_folds
    times = "" if terms.n_searches == 1 else f"{terms.n_searches} x "
    return f"{times}{terms.n_configs}", f"up to {terms.n_searches * (terms.n_configs * n_folds + confirmation)}"
