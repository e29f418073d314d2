"""The verbs that look at a study and do not change it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from study.app.output import plain_table, print_line
from study.app.place import study_folder
from study.errors import FINISHED, UserError
from study.record.ledger import Ledger
from study.report import explain
from study.samplers.warm_start import warm_start_sentence
from study.searches import trained_searches
from study.stored_plan import stored_plan


def report_again(name: str, output: Path, console: Console) -> int:
    """Compute the report of a study anew from its ledger and predictions, and show it."""
    # Here because pictures are slow to import, and an explanation has none.
    from study.app.result import show, spaces
    from study.report import write as report

    folder = study_folder(name, output)
    plan = stored_plan(folder)
    return show(plan, folder, console, report.write(folder, spaces(plan)), link=None)


def explain_study(name: str, output: Path, variant: str | None, number: int | None, console: Console) -> int:
    """Show the history of one configuration, or how each of them ended."""
    folder = study_folder(name, output)
    plan, events = stored_plan(folder), Ledger(folder.ledger, writable=False).events
    trained = trained_searches(plan)
    if variant not in (None, *trained):
        raise UserError(f"--variant expects one that {plan.name} has trained: {', '.join(trained)}; found {variant}")
    if sentence := warm_start_sentence(plan):
        print_line(console, sentence)
    if number is not None:
        for each in [variant] if variant else trained:
            for line in explain.history(plan, events, each, number):
                print_line(console, line)
        return FINISHED
    table = plain_table("variant", "config", "epochs", "outcome", "why", right=("config", "epochs"), overflow="fold")
    for row in explain.overview(plan, events):
        if variant in (None, row[0]):
            table.add_row(*map(escape, row))
    console.print(table)
    console.print("--config N shows the history of one", style="dim")
    return FINISHED
