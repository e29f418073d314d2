"""How far a study is, as metrics of its run: one step for each decision of the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.protocols import PROTOCOLS
from study.record.events import Closed, ConfigAdded, EpochDone, Event, Phase, Promoted
from study.record.plan import Plan
from study.record.results import ConfigResult

STEP = "search/decisions"
# What the search decides: to begin a configuration, to let it go on, to end it.
DECISIONS = (ConfigAdded, Promoted, Closed)


@dataclass(frozen=True)
class Step:
    """The figures after so many decisions, at a time in seconds since 1970."""

    number: int
    at: float
    figures: Mapping[str, float]


class SearchProgress:
    """The steps of one variant's search; they follow from the events in their order.

    The best validation score is the mean over folds of the best complete configuration, as the search ranks it.
    """

    def __init__(self, plan: Plan) -> None:
        """Begin with no event, in the study of `plan`."""
        self.steps: list[Step] = []
        self._plan = plan
        self._begun = self._done = self._epochs = 0
        self._best: dict[str, float] = {}

    def add(self, at: float, event: Event, configs: Sequence[ConfigResult]) -> None:
        """Take in the variant's next event, which arrived at time `at`; `configs` are its configurations with it."""
        self._epochs += isinstance(event, EpochDone)
        self._begun += isinstance(event, ConfigAdded)
        self._done += isinstance(event, Closed)
        if isinstance(event, Closed) and event.outcome is Phase.COMPLETE:
            [viewed] = PROTOCOLS[self._plan.terms.protocol].viewed(self._plan, [configs[event.config]])
            name = f"search/best_validation_{self._plan.metric}"
            self._best = {name: max(viewed.validation_score(self._plan.metric), self._best.get(name, 0.0))}
        if isinstance(event, DECISIONS):
            number = len(self.steps) + 1
            counts = {"search/configs": self._begun, "search/configs_done": self._done, "search/epochs": self._epochs}
            self.steps.append(Step(number, at, {STEP: number, **counts, **self._best}))
