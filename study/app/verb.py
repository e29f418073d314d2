"""What a verb of the command line is: a row of the table in `study.app.verbs`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

STUDY_NAME = "the study's name, a folder in OUTPUT/studies"


@dataclass(frozen=True)
class Verb:
    """A row of the table.

    Attributes:
        help: its line in `ser-study --help`, and as a sentence the description in its own.
        add: adds its arguments to its parser.
        do: does it, given the arguments by name and as typed; returns the exit code.
        epilog: what its own `--help` ends with: what else a user has to know, and examples. `add` may set one instead.
    """

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    do: Callable[[argparse.Namespace, Sequence[str], Console], int]
    epilog: str = ""

    def parser_options(self) -> dict[str, Any]:
        """The arguments of its parser."""
        return {
            "help": self.help,
            "description": f"{self.help[0].upper()}{self.help[1:]}.",
            "epilog": self.epilog,
            "formatter_class": argparse.RawDescriptionHelpFormatter,
        }
