"""Lines and tables on the terminal and in a log file. Text that comes from users is never read as markup."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import IO, Any, cast

from rich.console import Console, NewLine
from rich.control import Control
from rich.table import Table

# What is printed in these colours is shown even where the console is quiet.
PRESSING = ("yellow", "red")
LOG_WIDTH = 120
UNBOUNDED = 1000  # characters


class LoggedConsole(Console):
    """A console that writes what it prints, each line with its time, into a file as well."""

    def __init__(self, log: IO[str], **more: Any) -> None:
        """Print as a `Console` with these arguments, and into `log`."""
        super().__init__(**more)
        self.copy = Console(file=cast(IO[str], _Stamped(log)), width=LOG_WIDTH, color_system=None, force_terminal=False)

    def print(self, *objects: Any, **more: Any) -> None:
        """Print in both places; what only moves the cursor of a terminal, on it alone."""
        super().print(*objects, **more)
        if not any(isinstance(each, (Control, NewLine)) for each in objects):
            self.copy.print(*objects, **more)


def print_line(console: Console, line: str, style: str | None = None) -> None:
    """Print a line as it is, however long; a warning of a quiet console goes to the standard error."""
    console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)
    if console.quiet and style in PRESSING:
        Console(stderr=True).print(line, style=style, highlight=False, markup=False, soft_wrap=True)


def print_progress(console: Console, line: str) -> None:
    """Print a line about what is under way where there is no terminal that shows it: elsewhere, and in a log."""
    if not console.is_terminal:
        print_line(console, line)
    elif isinstance(console, LoggedConsole):
        print_line(console.copy, line)


def print_raw(console: Console, text: str) -> None:
    """Print what another process has printed as it is, whole lines or not."""
    console.print(text, end="", highlight=False, markup=False, soft_wrap=True)


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


class _Stamped:
    """A text file each line of which begins with the time."""

    def __init__(self, file: IO[str]) -> None:
        """Write into `file`."""
        self._file, self._line_begins = file, True

    def write(self, text: str) -> int:
        """Write whole lines or parts of them."""
        for line in text.splitlines(keepends=True):
            stamp = time.strftime("%Y-%m-%d %H:%M:%S  ") if self._line_begins and line.strip() else ""
            self._file.write(stamp + line.rstrip() + "\n" if line.endswith("\n") else stamp + line)
            self._line_begins = line.endswith("\n")
        return len(text)

    def flush(self) -> None:
        """Hand all lines to the system."""
        self._file.flush()

    def fileno(self) -> int:
        """That of the file."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """It is a file."""
        return False


def is_text(name: str) -> bool:
    """Whether a name has no bytes that the locale could not decode."""
    return not any("\ud800" <= character <= "\udfff" for character in name)
