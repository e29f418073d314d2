"""The way in, from the first import on."""

from collections.abc import Sequence

from study import interrupts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that `arguments` (by default the process's) name; gives the exit code."""
    interrupts.leave_at_once()
    from study.cli import main as run

    return run(arguments)
