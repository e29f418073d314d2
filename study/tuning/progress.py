"""What the user sees while a study runs: a live view on a terminal, a line per configuration elsewhere."""

import time
from collections import Counter
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from study.tuning.conductor import Conductor
from study.tuning.contest import Contest
from study.tuning.entries import Phase
from study.tuning.forecast import expected_of_race


class ProgressView:
    """Counts, the best score so far, elapsed and remaining time of a study under way."""

    def __init__(self, console: Console, name: str, metric: str) -> None:
        """Show the study `name`, judged by `metric`, on `console`."""
        self._console = console
        self._name = name
        self._metric = metric
        self._started = time.monotonic()
        self._epochs_before: int | None = None
        self._conductor: Conductor | None = None
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self.render)

    def __enter__(self) -> "ProgressView":
        """Begin to draw, where there is a terminal to draw on."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop drawing and leave the terminal as it was."""
        if self._console.is_terminal:
            self._live.stop()

    def follow(self, conductor: Conductor) -> None:
        """Show `conductor` from now on; what it has already replayed does not count for the pace."""
        self._conductor = conductor
        self._started = time.monotonic()
        self._epochs_before = _epochs_done(conductor)

    def __call__(self, record: dict[str, Any]) -> None:
        """Tell one ledger record where there is no terminal: a line when a configuration closes or is confirmed."""
        if self._conductor is None or self._console.is_terminal or record["variant"] not in self._conductor.races:
            return
        race = self._conductor.races[record["variant"]]
        if record["kind"] == "closed":
            what = f"{record['outcome']} ({record['reason']}) · {_opened(race)} configs"
        elif record["kind"] == "promoted" and race.entries[record["config"]].phase is Phase.OPEN:
            what = f"goes on ({record['reason']}) · {_opened(race)} configs"
        elif record["kind"] == "epoch" and record["seed"] and record["ended"]:
            what = f"fold {record['fold']} with fresh seed {record['seed']} · {_fresh(race)} fresh runs"
        else:
            return
        line = f"{record['variant']} config {record['config']} {what} · best {_best(race)} · {self._times()}"
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def render(self) -> RenderableType:
        """The view as it stands now."""
        if self._conductor is None:
            return Text("starting workers ...")
        done, expected = _epochs_done(self._conductor), expected_epochs(self._conductor)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("variant", "configs", "open", "complete", "stopped", "lost", "fresh runs", "running"):
            table.add_column(heading, justify="left" if heading == "variant" else "right")
        table.add_column(f"best validation {self._metric}", justify="right")
        for name, race in self._conductor.races.items():
            table.add_row(name, *_counts(race), str(_running(self._conductor, name)), _best(race))
        below = Table.grid()  # a bar alone does not end its line
        below.add_row(ProgressBar(total=max(expected, 1), completed=done, width=60))
        below.add_row(f"study {self._name} · epoch {done} of about {expected} · {self._times()}")
        return Group(table, below)

    def remaining_seconds(self) -> float | None:
        """Expected seconds to the end at the pace so far, or None before there is a pace."""
        if self._conductor is None or self._epochs_before is None:
            return None
        done = _epochs_done(self._conductor)
        fresh = done - self._epochs_before
        if fresh == 0:
            return None
        return (expected_epochs(self._conductor) - done) * (time.monotonic() - self._started) / fresh

    def _times(self) -> str:
        remaining = self.remaining_seconds()
        left = "time left unknown yet" if remaining is None else f"about {clock(remaining)} left"
        return f"{clock(time.monotonic() - self._started)} elapsed, {left}"


def expected_epochs(conductor: Conductor) -> int:
    """Epochs that the whole study is likely to take."""
    return round(sum(expected_of_race(race) for race in conductor.races.values()))


def clock(seconds: float) -> str:
    """Seconds as "1:05" or "2:03:04"."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _epochs_done(conductor: Conductor) -> int:
    races = conductor.races.values()
    searched = sum(entry.epochs_spent() for race in races for entry in race.entries)
    return searched + sum(race.confirmation.epochs_spent() for race in races)


def _counts(race: Contest) -> list[str]:
    phases = Counter(entry.phase for entry in race.entries)
    lost = phases[Phase.DIVERGED] + phases[Phase.FAILED]
    return [
        _opened(race),
        str(phases[Phase.OPEN]),
        str(phases[Phase.COMPLETE]),
        str(phases[Phase.STOPPED]),
        str(lost),
        _fresh(race),
    ]


def _opened(race: Contest) -> str:
    """Configurations proposed so far, of how many where their number is the limit."""
    opened = len(race.entries)
    return str(opened) if race.rules.seconds is not None else f"{opened}/{race.rules.n_configs}"


def _fresh(race: Contest) -> str:
    """Runs with fresh seeds that are done, of how many; the finalists are known when the search is over."""
    if not race.confirmation.begun:
        return "-"
    finalists = race.confirmation.finalists.values()
    return f"{sum(len(f.ended) for f in finalists)}/{sum(len(f.curves) for f in finalists)}"


def _running(conductor: Conductor, variant: str) -> int:
    return sum(run.variant == variant for run in conductor.busy)


def _best(race: Contest) -> str:
    best = race.best()
    return "-" if best is None else f"{best.score(race.rules.epochs):.3f}"
