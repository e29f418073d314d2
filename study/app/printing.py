"""What a run prints, and where: on the terminal, into a log file, or nothing but warnings and errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from study import process
from study.app.output import LoggedConsole, print_line
from study.app.place import PrintOptions
from study.errors import UserError, type_and_line


@contextmanager
def printed(options: PrintOptions, console: Console) -> Iterator[Console]:
    """The console that a run prints on, given the usual one; the log has how the run ended, too.

    Raises:
        UserError: the log file cannot be written.
    """
    is_terminal = False if options.quiet else None  # None: as it is
    if options.log_file is None:
        yield Console(quiet=True, force_terminal=is_terminal) if options.quiet else console
        return
    try:
        log = options.log_file.open("a", encoding="utf-8", errors="replace", buffering=1)
    except OSError as error:
        raise UserError(
            f"--log-file expects a file that can be written; {options.log_file} is none ({error.strerror})"
        ) from None
    with log, process.last_words_to(log.fileno()):
        yield from _logged(LoggedConsole(log, quiet=options.quiet, force_terminal=is_terminal))


def _logged(console: LoggedConsole) -> Iterator[Console]:
    print_line(console.copy, process.typed_command())
    try:
        yield console
    except UserError as error:
        print_line(console.copy, f"error: {error}")
        raise
    except KeyboardInterrupt:
        print_line(console.copy, process.go_on_message())
        raise
    except BaseException as error:
        print_line(console.copy, f"error: {type_and_line(error)}")
        raise
