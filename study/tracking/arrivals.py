"""Events sorted into fold runs as they arrive, with the times that a tracker shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from study.record.events import Closed, ConfigAdded, EpochDone, Event, FoldRun, Promoted, RunLost, digest
from study.record.results import ConfigResult, FoldResult, configurations
from study.record.terms import Terms

# What the search decides: to begin a configuration, to let it go on, to end it.
DECISIONS = (ConfigAdded, Promoted, Closed)


@dataclass
class History:
    """What is known of one fold run, and when its first and last event arrived, in seconds since 1970.

    When a study is continued, all earlier events arrive at once.
    """

    result: FoldResult
    first: float
    last: float
    lost: RunLost | None = None

    @property
    def started(self) -> float:
        """When the run began: never so late that it would end in the future."""
        return min(self.first, self.last - self.result.seconds)


@dataclass
class Arrivals:
    """Every event so far, by fold run.

    `identity` distinguishes this ledger from every other one: it is a digest of the first result, which has its
    seconds in it. It is empty until there is a result.
    """

    runs: dict[FoldRun, History] = field(default_factory=dict)
    identity: str = ""
    events: list[Event] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    # The runs of each variant and configuration: a large study has thousands, which are not looked through each time.
    _of: dict[tuple[str, int], list[FoldRun]] = field(default_factory=dict)
    _variants: dict[str, None] = field(default_factory=dict)

    def add(self, at: float, event: Event) -> bool:
        """Add an event that arrived at time `at`; returns whether there is something new to show."""
        self.events.append(event)
        self.times.append(at)
        if not isinstance(event, (EpochDone, RunLost)):
            return isinstance(event, DECISIONS) and bool(self.identity)
        self.identity = self.identity or digest(event)
        is_first = event.variant not in self._variants
        self._variants[event.variant] = None
        seconds = event.seconds if isinstance(event, EpochDone) else 0.0
        if event.run not in self.runs:
            self._of.setdefault((event.variant, event.config), []).append(event.run)
        history = self.runs.setdefault(event.run, History(FoldResult(event.run), at - seconds, at))
        history.last = at
        if isinstance(event, RunLost):
            history.lost = event
        else:
            history.result.epochs.append(event)
        return is_first or (event.seed > 0 and (history.lost is not None or history.result.ended))

    def results(self, terms: Terms) -> dict[str, list[ConfigResult]]:
        """The configurations of every variant, in a study of these terms."""
        return configurations(self.events, terms.seeds, terms.epoch_rule)

    def variants(self) -> list[str]:
        """The variants that have a result, in the order of their first."""
        return list(self._variants)

    def n_results(self, config: ConfigResult) -> int:
        """The number of results of a configuration: what is written of it changes only with them."""
        histories = [self.runs[run] for run in self._of.get((config.variant, config.number), ())]
        return sum(len(history.result.epochs) + (history.lost is not None) for history in histories)

    def of_config(self, config: ConfigResult) -> dict[FoldRun, History]:
        """The fold runs of a configuration, those of the search first."""
        mine = self._of.get((config.variant, config.number), ())
        return {run: self.runs[run] for run in sorted(mine, key=lambda run: (run.seed, run.fold))}
