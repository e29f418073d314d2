"""The command line: arguments to settings to one call; every mistake of the user's becomes one line."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from study import process
from study.app.verbs import VERBS
from study.corpus.quoting import path_text
from study.errors import FAILED, INTERRUPTED, WRONG_USAGE, UserError
from study.files import FORBIDDEN, StorageFull, is_full, storage_full


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that `arguments` (by default the process's) name, and return the exit code."""
    # Heavy imports wait until the arguments are known to be sound, so that --help and mistakes answer at once.
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    from rich.console import Console

    from study.app.output import print_line

    console = Console()
    try:
        _require_working_directory()
        parsed = parsed_arguments(arguments)
        process.raise_on_interrupt()
        return VERBS[parsed.verb].do(parsed, arguments, console)
    except StorageFull as full:
        return _paused(full)
    except OSError as error:
        if is_full(error):
            return _paused(storage_full(error.filename or "a file", error))
        if error.errno not in FORBIDDEN:
            raise
        place = path_text(Path(str(error.filename))) if error.filename else "a file"
        _print_error(
            f"a command may read its files and write its places; {place} it may not ({error.strerror}); change the "
            "permissions, or name another place"
        )
        return WRONG_USAGE
    except UserError as error:
        _print_error(str(error))
        return WRONG_USAGE
    except KeyboardInterrupt:
        process.end_at_next_interrupt(INTERRUPTED)
        print_line(console, process.go_on_message())
        return INTERRUPTED


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, as all others, and takes no option for another that begins like it."""

    def __init__(self, **options: Any) -> None:
        """A parser with the `options` of argparse."""
        super().__init__(**{**options, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        """Raise it.

        Raises:
            UserError: always.
        """
        raise UserError(f"{message}; see `{self.prog} --help`")


def parsed_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments by name.

    Raises:
        UserError: one of them is not text or not known; the line names the nearest option of the verb.
    """
    from study.app.output import is_text

    if broken := [each for each in arguments if not is_text(each)]:
        raise UserError(
            f"arguments are text, and {broken[0]!r} has bytes that are none in this locale; rename the file, or set "
            "PYTHONUTF8=1 if its name is UTF-8"
        )
    top = parser(next((argument for argument in arguments if not argument.startswith("-")), ""))
    parsed, unknown = top.parse_known_args(arguments)
    if unknown:
        (verbs,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
        flags = [flag for action in verbs.choices[parsed.verb]._actions for flag in action.option_strings]
        near = difflib.get_close_matches(unknown[0].partition("=")[0], flags, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(f"unknown argument {unknown[0]!r}{hint}; see `ser-study {parsed.verb} --help`")
    return parsed


class Version(argparse.Action):
    """Prints what a report of a fault needs to name, and ends."""

    def __call__(self, *parsed: Any) -> NoReturn:
        """Print it."""
        from study.app.environment import version_line

        print(version_line())
        raise SystemExit(0)


def parser(verb: str | None = None) -> argparse.ArgumentParser:
    """The verbs and their options; those of one `verb` alone where it is given: the others need not be imported."""
    top = Parser(
        prog="ser-study", description="Honest hyperparameter studies of multimodal speech emotion recognition."
    )
    top.add_argument("--version", action=Version, nargs=0, help="print the versions of the project and its libraries")
    top.set_defaults(whole_parser=parser)  # for the verb that describes all of it
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, row in VERBS.items():
        own = verbs.add_parser(name, **row.parser_options())
        if verb in (None, name):
            row.add(own)
    return top


def _require_working_directory() -> None:
    """Libraries end the process where there is none.

    Raises:
        UserError: it was removed.
    """
    try:
        os.getcwd()
    except OSError:
        raise UserError(
            "the working directory was removed; change to another (cd) and type the command again"
        ) from None


def _paused(full: StorageFull) -> int:
    _print_error(f"{full}\nthen go on with:\n  {process.typed_command()}")
    return FAILED


def _print_error(text: str) -> None:
    from rich.console import Console

    from study.app.output import print_line

    print_line(Console(stderr=True), f"error: {text}", style="red")
