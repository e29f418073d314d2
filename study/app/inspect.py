"""The verbs that look at a study and do not change it."""

from __future__ import annotations

import difflib
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from study.app.output import plain_table, print_line
from study.app.run import show, spaces
from study.errors import FINISHED, UserError
from study.option import is_name
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.record.terms import NAME
from study.report import explain
from study.report import write as report
from study.stored_plan import stored_plan
from study.variants import TRAINED


def report_again(name: str, output: Path, console: Console) -> int:
    """Compute the report of a study anew from its ledger and predictions, and show it."""
    folder = study_folder(name, output)
    plan = stored_plan(folder)
    return show(plan, folder, console, report.write(folder, spaces(plan)), link=None)


def explain_study(name: str, output: Path, variant: str | None, number: int | None, console: Console) -> int:
    """Show the history of one configuration, or how each of them ended."""
    folder = study_folder(name, output)
    plan, events = stored_plan(folder), Ledger(folder.ledger, writable=False).events
    trained = [name for name in plan.variants if name in TRAINED]
    if variant not in (None, *trained):
        raise UserError(f"--variant expects one that {plan.name} has trained: {', '.join(trained)}; found {variant}")
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


def study_folder(name: str, output: Path) -> StudyFolder:
    """The folder of the study that a user names.

    Raises:
        UserError: this cannot be a name, or there is no such study; the line has the nearest name.
    """
    if not is_name(name):
        raise UserError(f"a study is named by {NAME}; found {name!r}")
    folder = StudyFolder.of(output, name)
    if not folder.path.is_dir():
        known = [path.name for path in folder.path.parent.glob("*") if path.is_dir()]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? `ser-study list` shows all" if near else "`ser-study list` shows what there is"
        raise UserError(f"no study at {folder.path}; {hint}")
    return folder
