"""What is shown while features are extracted: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from study.app.output import print_line
from study.app.pace import MINUTE, clock, every_minute
from study.features.extract import Progress as Extraction
from study.features.turn import Waiting

# Rates below are shown with a decimal.
SLOW = 10
# More are shown by the slowest and the fastest.
MOST_MACHINES = 6


class _Bars(Progress):
    """The bars, and a line below them."""

    below = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The table of bars, then the line if it has anything."""
        yield from super().get_renderables()
        if self.below:
            yield Text(self.below, style="dim", overflow="ellipsis", no_wrap=True)


class ExtractionView:
    """Shows the extractions of one modality; nothing where there is nothing to extract."""

    def __init__(self, console: Console) -> None:
        """Show them on `console`."""
        self._console = console
        self._bar = _Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f} utterances"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last: Extraction | None = None
        self._said_waiting = float("-inf")

    def __call__(self, progress: Extraction | Waiting) -> None:
        """Show how far an extraction is, here or in the process that this one waits for."""
        if isinstance(progress, Waiting):
            self._wait(progress)
            return
        self._last = progress
        self._bar.below = _pace(progress)
        if not self._tasks:
            self._bar.start()
        if progress.what not in self._tasks:
            self._tasks[progress.what] = self._bar.add_task(escape(progress.what), total=progress.utterances_total)
        self._bar.update(self._tasks[progress.what], completed=progress.utterances_done)

    def say(self) -> None:
        """Print how far the last extraction is, in a line."""
        if self._last is not None:
            print_line(self._console, line_of(self._last))

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._tasks:
            self._bar.stop()

    def _wait(self, waiting: Waiting) -> None:
        now = time.monotonic()
        if now - self._said_waiting >= MINUTE:
            self._said_waiting = now
            print_line(self._console, waiting_line(waiting))


@contextmanager
def extraction_progress(console: Console) -> Iterator[ExtractionView]:
    """A view of the extractions in the block."""
    view = ExtractionView(console)
    try:
        if console.is_terminal:
            yield view
        else:
            with every_minute(view.say):
                yield view
    finally:
        view.stop()


def line_of(progress: Extraction) -> str:
    """How far an extraction is, for example "audio by logmel: 64 of 719 utterances · 9 s/s, about 1:05 left"."""
    counts = f"{progress.utterances_done} of {progress.utterances_total} utterances"
    return f"{progress.what}: {counts} · {_pace(progress)}"


def machines_text(rates: Mapping[str, float]) -> str:
    """How fast each machine is, in the unit of the whole: "on m1 90, m2 110"; empty where this process does all."""
    if len(rates) < 2:  # then its rate is that of the whole
        return "".join(f"on {name}" for name in rates)
    if len(rates) <= MOST_MACHINES:
        return "on " + ", ".join(f"{name} {_number(rates[name])}" for name in sorted(rates))
    ordered = sorted(rates, key=lambda name: rates[name])
    slowest, fastest = (f"{_number(rates[name])} ({name})" for name in (ordered[0], ordered[-1]))
    return f"on {len(rates)} machines, {slowest} to {fastest}"


def waiting_line(waiting: Waiting) -> str:
    """Whom this process waits for, what is done there, and for how long it has waited."""
    done = f", {waiting.done} of {waiting.total} utterances done" if waiting.total else ""
    return f"waiting for {waiting.what}: {waiting.who} extracts the same{done} · {clock(waiting.seconds)} so far"


def _pace(progress: Extraction) -> str:
    left = progress.remaining_seconds
    time_left = "time left unknown yet" if left is None else f"about {clock(left)} left"
    if not progress.rate:
        return time_left
    machines = machines_text(progress.machine_rates)
    return f"{_number(progress.rate)} {progress.unit}, {time_left}" + (f" · {machines}" if machines else "")


def _number(rate: float) -> str:
    return f"{rate:.{0 if rate >= SLOW else 1}f}"
