"""Lines and tables on the terminal. Text that comes from users is never read as markup."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rich.console import Console
from rich.table import Table

UNBOUNDED = 1000  # characters


def print_line(console: Console, line: str, style: str | None = None) -> None:
    """Print a line as it is, however long."""
    console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)


def print_whole(console: Console, table: Table) -> None:
    """Print a table with no cell cut, on a narrow terminal too."""
    table.width = console.measure(table, options=console.options.update(width=UNBOUNDED)).maximum
    console.print(table, crop=False)


def plain_table(
    *headings: str, right: Collection[str] = (), padding: tuple[int, int, int, int] = (0, 2, 0, 0), **column: Any
) -> Table:
    """A table without lines; columns in `right` are aligned there, and `column` has further settings of all columns."""
    table = Table(box=None, pad_edge=False, padding=padding)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", **column)
    return table
