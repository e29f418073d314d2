"""What `--dry-run` shows: folds, runs, expected cost and disk, before anything is started."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from study.results.formats import format_duration
from study.results.plan import Plan
from study.settings import UNLIMITED
from study.tuning.probing import Cost


def print_preview(console: Console, plan: Plan, costs: Sequence[Cost], slots: int, folder: Path) -> None:
    """The study as it would run with `slots` runs at once."""
    console.print(f"\nstudy {plan.name}: a dry run, nothing is started\n", highlight=False)
    folds = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("fold", "test", "validation", "training", "utterances"):
        folds.add_column(heading, justify="right" if heading == "utterances" else "left")
    sizes = plan.corpus["groups"]
    for fold in plan.folds:
        parts = [fold[part] for part in ("test", "validation", "training")]
        counts = " / ".join(str(sum(sizes[group] for group in part)) for part in parts)
        folds.add_row(str(fold["number"]), *(", ".join(part) for part in parts), counts)
    console.print(folds)
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("variant", "configs", "fold runs", "epochs", "s per epoch", "worker time", "share", "disk"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    total = sum(cost.seconds for cost in costs) or 1.0
    configs = "until time is up" if plan.n_configs >= UNLIMITED else str(plan.n_configs)
    for cost in costs:
        runs = "-" if plan.n_configs >= UNLIMITED else f"up to {plan.n_configs * len(plan.folds) + _fresh_runs(plan)}"
        spent = cost.seconds if plan.seconds is None else plan.seconds
        epochs = round(spent / cost.seconds_per_epoch)
        share = f"{cost.seconds / total:.0%}" if plan.seconds is None else f"{1 / len(costs):.0%}"
        row = (configs, runs, f"about {epochs}", f"{cost.seconds_per_epoch:.2f}", format_duration(spent), share)
        table.add_row(cost.variant, *row, f"{cost.disk / 1e6:.0f} MB")
    console.print(table)
    worker = total if plan.seconds is None else plan.seconds * len(costs)
    disk, free = sum(cost.disk for cost in costs), shutil.disk_usage(folder).free
    console.print(
        f"\n{slots} runs at once: about {format_duration(worker / slots)} by the clock; "
        f"{disk / 1e6:.0f} MB of disk, {free / 1e9:.0f} GB free",
        highlight=False,
    )
    console.print(
        "One epoch of each published setting was timed on one core; configurations differ, and so will the total.",
        style="dim",
    )


def _fresh_runs(plan: Plan) -> int:
    return (plan.finalists + 1) * plan.seeds * len(plan.folds)
