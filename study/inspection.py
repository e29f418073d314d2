"""The verbs that look at a study and do not change it."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from study.commands import LEDGER, show, spaces
from study.errors import FINISHED, UserError
from study.results import explain, report
from study.results.ledger import Ledger
from study.results.plan import Plan
from study.variants import TRAINED


def report_again(name: str, output: Path, console: Console) -> int:
    """Compute the report of a study anew from its ledger and predictions, and show it."""
    folder = output.absolute() / "studies" / name
    plan = Plan.read(folder)
    return show(plan, folder, console, report.write(folder, spaces(plan)), link=None)


def explain_study(name: str, output: Path, variant: str | None, number: int | None, console: Console) -> int:
    """Tell the life of one configuration, or how each of them ended."""
    folder = output.absolute() / "studies" / name
    plan, records = Plan.read(folder), Ledger(folder / LEDGER, writable=False).records
    trained = [name for name in plan.variants if name in TRAINED]
    if variant not in (None, *trained):
        raise UserError(f"--variant expects one that {plan.name} has trained: {', '.join(trained)}; found {variant}")
    if number is not None:
        for each in [variant] if variant else trained:
            for line in explain.life(plan, records, each, number):
                console.print(line, highlight=False, markup=False, soft_wrap=True)
        return FINISHED
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("variant", "config", "epochs", "outcome", "why"):
        table.add_column(heading, justify="right" if heading in ("config", "epochs") else "left", overflow="fold")
    for row in explain.overview(plan, records):
        if variant in (None, row[0]):
            table.add_row(*map(escape, row))
    console.print(table)
    console.print("--config N tells the whole life of one", style="dim")
    return FINISHED
