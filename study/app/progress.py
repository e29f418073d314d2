"""The view of a study that runs: live on a terminal; elsewhere a line per configuration, and one a minute."""

import time
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from study.app.output import plain_table, print_line, print_progress
from study.app.pace import clock, every_minute
from study.record.events import Closed, EpochDone, Event, Phase, Promoted
from study.search.conductor import Conductor
from study.search.search import Search

# The headings of `_counts`.
COUNTS = ("configs", "open", "complete", "stopped", "lost", "confirmed")


class ProgressView:
    """Counts, the best score so far, elapsed and remaining time of a study under way."""

    def __init__(self, console: Console, name: str, metric: str) -> None:
        """Show the study `name`, whose `metric` selects, on `console`."""
        self._console = console
        self._name = name
        self._metric = metric
        self._started = time.monotonic()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._epochs: Counter[str] = Counter()
        self._conductor: Conductor | None = None
        self._any_run_ended = False
        self._while_shown = ExitStack()
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self.render)

    def __enter__(self) -> "ProgressView":
        """Begin to draw, where there is a terminal to draw on, else to print a line a minute."""
        self._while_shown.enter_context(self._live if self._console.is_terminal else every_minute(self.say))
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop drawing and leave the terminal as it was."""
        self._while_shown.close()

    def follow(self, conductor: Conductor) -> None:
        """Show `conductor` from now on; what it has already replayed does not count for the pace."""
        self._conductor = conductor
        self._started = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Print one event where there is no terminal: a line when a configuration goes on, closes or is confirmed."""
        if self._conductor is not None:
            self._any_run_ended |= isinstance(event, Closed) or (isinstance(event, EpochDone) and event.ended)
            if isinstance(event, EpochDone):
                self._seconds[event.variant] += event.seconds
                self._epochs[event.variant] += 1
        if self._conductor is None or event.variant not in self._conductor.searches:
            return
        search = self._conductor.searches[event.variant]
        match event:
            case Closed():
                what = f"{event.outcome} ({event.reason}) · {_opened(search)} configs"
            case Promoted() if search.entries[event.config].phase is Phase.OPEN:
                what = f"goes on ({event.reason}) · {_opened(search)} configs"
            case EpochDone(ended=True) if event.seed:
                what = f"{_fold(search, event)} with new seed {event.seed} · {_confirmed(search)} confirmation runs"
            case _:
                return
        line = f"{event.variant} config {event.config} {what} · best {_best(search)} · {self._times()}"
        print_progress(self._console, line)

    def say(self) -> None:
        """Print how far the study is, in a line."""
        with suppress(RuntimeError):  # the search grew while this thread looked at it: the next line will do
            print_line(self._console, f"{self._progress()} · best {self._bests()}")

    def render(self) -> RenderableType:
        """The view at this moment."""
        if self._conductor is None:
            return Text("starting workers ...")
        done, expected = _epochs_done(self._conductor), expected_of_study(self._conductor)
        numbers = (*COUNTS, "running", f"best validation {self._metric}")
        table = plain_table("variant", *numbers, right=numbers)
        for name, search in self._conductor.searches.items():
            table.add_row(name, *_counts(search), str(_running(self._conductor, name)), _best(search))
        below = Table.grid()  # a bar alone does not end its line
        below.add_row(ProgressBar(total=max(expected, 1), completed=done, width=60))
        below.add_row(self._progress())
        return Group(table, below)

    def remaining_seconds(self) -> float | None:
        """Expected seconds to the end; None before a run has ended.

        An epoch of one system takes many times as long as one of another: each has its own pace so far, and one that
        has not begun has the mean pace of all. The first epochs have the start of the workers in their time, and the
        search's length is not known yet.
        """
        trained = sum(self._seconds.values())
        if self._conductor is None or not trained or not self._any_run_ended:
            return None
        usual = trained / sum(self._epochs.values())
        left = 0.0
        for name, search in self._conductor.searches.items():
            own = self._seconds[name] / self._epochs[name] if self._epochs[name] else usual
            left += own * (search.expected_epochs() - _epochs_of(search))
        return left * (time.monotonic() - self._started) / trained

    def _progress(self) -> str:
        if self._conductor is None:
            return f"study {self._name} · starting workers"
        done, expected = _epochs_done(self._conductor), expected_of_study(self._conductor)
        return f"study {self._name} · epoch {done} of about {expected} · {self._times()}"

    def _bests(self) -> str:
        searches = self._conductor.searches if self._conductor else {}
        return ", ".join(f"{name} {_best(search)}" for name, search in searches.items()) or "-"

    def _times(self) -> str:
        remaining = self.remaining_seconds()
        left = "time left unknown yet" if remaining is None else f"about {clock(remaining)} left"
        return f"{clock(time.monotonic() - self._started)} elapsed, {left}"


def expected_of_study(conductor: Conductor) -> int:
    """Epochs that the whole study is likely to take."""
    return round(sum(search.expected_epochs() for search in conductor.searches.values()))


def _epochs_done(conductor: Conductor) -> int:
    return sum(map(_epochs_of, conductor.searches.values()))


def _epochs_of(search: Search) -> int:
    return sum(entry.epochs_spent() for entry in search.entries) + search.confirmation.epochs_spent()


def _counts(search: Search) -> list[str]:
    phases = Counter(entry.phase for entry in search.entries)
    lost = phases[Phase.DIVERGED] + phases[Phase.FAILED]
    return [
        _opened(search),
        str(phases[Phase.OPEN]),
        str(phases[Phase.COMPLETE]),
        str(phases[Phase.STOPPED]),
        str(lost),
        _confirmed(search),
    ]


def _opened(search: Search) -> str:
    """Configurations proposed so far, of how many where their number is the limit."""
    opened = len(search.entries)
    return str(opened) if search.rules.seconds is not None else f"{opened}/{search.rules.n_configs}"


def _confirmed(search: Search) -> str:
    """Confirmation runs that are done, of how many; the finalists are known when the search is over."""
    if not search.confirmation.begun:
        return "-"
    finalists = search.confirmation.finalists.values()
    return f"{sum(len(f.ended) for f in finalists)}/{sum(len(f.curves) for f in finalists)}"


def _fold(search: Search, event: EpochDone) -> str:
    """The fold of an epoch in words; where there is one, it is the corpus's own split."""
    return f"fold {event.fold}" if search.rules.n_folds > 1 else "the split"


def _running(conductor: Conductor, variant: str) -> int:
    return sum(run.variant == variant for run in conductor.busy)


def _best(search: Search) -> str:
    best = search.best()
    return "-" if best is None else f"{best.score(search.rules.epochs):.3f}"
