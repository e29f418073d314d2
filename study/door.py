"""The way in, from the first import on, and the way out."""

import atexit
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from study import interrupts


def command_line(arguments: Sequence[str] | None = None) -> NoReturn:
    """Be the whole process: run the verb, and leave with its exit code.

    Taking the loaded libraries apart would take a second or two and do nothing else: it is left to the system.
    """
    codes: list[int] = []
    atexit.register(_leave_to_the_system, codes)  # registered first, it runs last
    codes.append(main(arguments))
    sys.exit(codes[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that `arguments` (by default the process's) name; gives the exit code."""
    interrupts.leave_at_once()
    from study.cli import main as run

    return run(arguments)


def _leave_to_the_system(codes: Sequence[int]) -> None:
    if codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(codes[0])
