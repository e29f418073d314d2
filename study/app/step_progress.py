"""What is shown while something with counted steps is done: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from study.app.output import print_line
from study.app.pace import clock, every_minute

# Called with what is being done, how much of it is done, and of how much.
OnStep = Callable[[str, int, int], None]


@contextmanager
def step_progress(console: Console) -> Iterator[OnStep]:
    """What shows the steps of the block; each new name begins a new count."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} · {task.fields[left]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = bar.add_task("", total=None, left="", visible=False)
    line, begun = "", time.monotonic()

    def show(what: str, done: int, total: int) -> None:
        nonlocal line, begun
        if done == 0 or not line.startswith(f"{what}:"):
            begun = time.monotonic()
        left = _left(time.monotonic() - begun, done, total)
        line = f"{what}: {done} of {total} · {left}"
        bar.update(task, description=escape(what), completed=done, total=total, left=left, visible=True)

    def say() -> None:
        if line:
            print_line(console, line)

    if console.is_terminal:
        with bar:
            yield show
    else:
        with every_minute(say):
            yield show


def _left(seconds: float, done: int, total: int) -> str:
    return f"about {clock(seconds / done * (total - done))} left" if done and seconds > 1 else "time left unknown yet"
