"""Events sorted into fold runs as they arrive, with the times that a tracker shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from study.record.events import EpochDone, Event, FoldRun, RunLost, digest
from study.record.plan import Plan
from study.record.results import ConfigResult, Configurations, FoldResult
from study.tracking.search_progress import DECISIONS, SearchProgress, Step


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


class Arrivals:
    """Every event so far, by fold run, configuration and variant.

    A large study has tens of thousands, which are never looked through again: each is sorted in as it arrives.
    `identity` distinguishes this ledger from every other one: it is a digest of the first result, which has its
    seconds in it. It is empty until there is a result.
    """

    def __init__(self, plan: Plan) -> None:
        """Begin with none, of the study of `plan`."""
        self.runs: dict[FoldRun, History] = {}
        self.identity = ""
        self._plan = plan
        self._found = Configurations(plan.terms.seeds, plan.terms.epoch_rule)
        self._progress: dict[str, SearchProgress] = {}
        self._of: dict[tuple[str, int], list[FoldRun]] = {}
        self._n_results: Counter[tuple[str, int]] = Counter()
        self._variants: dict[str, None] = {}

    def add(self, at: float, event: Event) -> bool:
        """Add an event that arrived at time `at`; returns whether there is something new to show."""
        self._found.add(event)
        progress = self._progress.setdefault(event.variant, SearchProgress(self._plan))
        progress.add(at, event, self._found.by_variant[event.variant])
        if not isinstance(event, (EpochDone, RunLost)):
            return isinstance(event, DECISIONS) and bool(self.identity)
        self.identity = self.identity or digest(event)
        is_first = event.variant not in self._variants
        self._variants[event.variant] = None
        history = self._history(at, event)
        return is_first or (event.seed > 0 and (history.lost is not None or history.result.ended))

    def _history(self, at: float, event: EpochDone | RunLost) -> History:
        """What is known of a fold run, with another result of it."""
        config = event.variant, event.config
        self._n_results[config] += 1
        if event.run not in self.runs:
            seconds = event.seconds if isinstance(event, EpochDone) else 0.0
            self._of.setdefault(config, []).append(event.run)
            self.runs[event.run] = History(FoldResult(event.run), at - seconds, at)
        history = self.runs[event.run]
        history.last = at
        if isinstance(event, RunLost):
            history.lost = event
        else:
            history.result.epochs.append(event)
        return history

    def configurations(self, variant: str) -> list[ConfigResult]:
        """The configurations of a variant."""
        return self._found.by_variant[variant]

    def steps(self, variant: str) -> Sequence[Step]:
        """The steps of a variant's search so far."""
        return self._progress[variant].steps

    def variants(self) -> list[str]:
        """The variants that have a result, in the order of their first."""
        return list(self._variants)

    def n_results(self, config: ConfigResult) -> int:
        """The number of results of a configuration: what is written of it changes only with them."""
        return self._n_results[config.variant, config.number]

    def of_config(self, config: ConfigResult) -> dict[FoldRun, History]:
        """The fold runs of a configuration, those of the search first."""
        mine = self._of.get((config.variant, config.number), ())
        return {run: self.runs[run] for run in sorted(mine, key=lambda run: (run.seed, run.fold))}
