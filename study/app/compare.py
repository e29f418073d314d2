"""The verb that compares two studies."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from study.app.output import plain_table, print_line
from study.app.place import study_folder
from study.errors import FINISHED
from study.files import write_file
from study.record.results import PARTS
from study.report.charts.differences import differences
from study.report.charts.svg import svg
from study.report.export import comparison_tables, result_tables
from study.report.formats import format_spread
from study.report.tables import comparison_row
from study.report.versus import VersusView, versus
from study.training.metrics import METRICS


def compare_studies(first: str, second: str, output: Path, console: Console) -> int:
    """Show two studies side by side, and write tables and a picture."""
    view = versus(study_folder(first, output), study_folder(second, output))
    folder = output.absolute() / "comparisons" / first / second
    for name, text in _files(view).items():
        write_file(folder / name, text)
    _print(console, view)
    print_line(console, f"\npicture  {folder / 'differences.svg'}")
    print_line(console, f"tables   {folder}")
    return FINISHED


def _files(view: VersusView) -> dict[str, str]:
    about = f"{view.first} and {view.second} on {view.corpus}: mean ± std over {view.over}"
    every = (*view.pairs, *view.other_metrics)
    figure = differences(every if len(view.pairs) == 1 else view.pairs, f"{view.first} − {view.second}: {view.corpus}")
    rows = [(entrant.variant, entrant.study, entrant.figures) for entrant in view.entrants]
    return {
        **result_tables(("variant", "study"), rows, about),
        **comparison_tables(every, about),
        "differences.svg": svg(figure),
    }


def _print(console: Console, view: VersusView) -> None:
    print_line(console, f"{view.first} and {view.second} on {view.corpus}: mean ± std over {view.over}\n")
    console.print(_results(view))
    if view.differing:
        console.print("\n[bold]asked for otherwise[/bold]")
        terms = plain_table("", view.first, view.second, overflow="fold")
        for row in view.differing:
            terms.add_row(*map(escape, row))
        console.print(terms)
    console.print(f"\n[bold]{view.first} − {view.second}, test {view.metric}[/bold]")
    numbers = ("difference", "95 % interval", "Holm p", "could show")
    compared = plain_table("", *numbers, right=numbers, overflow="fold")
    for pair in view.pairs:
        one, other = pair.first.removesuffix(f" ({view.first})"), pair.second.removesuffix(f" ({view.second})")
        name = (one if one == other else f"{one} − {other}") + (f" on {pair.on}" if pair.on else "")
        compared.add_row(escape(name), *comparison_row(pair)[1:-1])
    console.print(compared)
    for pair in view.pairs:
        print_line(console, f"  {pair.sentence}.")


def _results(view: VersusView) -> Table:
    # Narrow enough for 80 columns with names of usual length.
    table = plain_table("", "scored on", *METRICS, right=METRICS, padding=(0, 1, 0, 0), overflow="fold")
    for entrant in view.entrants:
        for part in PARTS:
            figures = [format_spread(entrant.figures[part][metric]) for metric in METRICS]
            name = escape(f"{entrant.study} {entrant.variant}")
            table.add_row(name, part, *figures, style="bold" if part == "test" else None)
    return table
