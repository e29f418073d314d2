"""What a verb of the command line is: a row of the table in `study.app.verbs`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

STUDY_NAME = "the study's name, a folder in OUTPUT/studies"
RAW = {"formatter_class": argparse.RawDescriptionHelpFormatter}


@dataclass(frozen=True)
class Verb:
    """A row of the table.

    Attributes:
        help: its line in `ser-study --help`.
        add: adds its arguments to its parser.
        do: does it, given the arguments by name and as typed; returns the exit code.
        more: further arguments of its parser.
    """

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    do: Callable[[argparse.Namespace, Sequence[str], Console], int]
    more: dict[str, Any] = field(default_factory=dict)
