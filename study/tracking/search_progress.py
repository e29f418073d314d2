"""How far a study is, as metrics of its run: one step for each decision of the search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from study.protocols import PROTOCOLS
from study.record.events import Closed, ConfigAdded, EpochDone, Phase
from study.record.plan import Plan
from study.tracking.arrivals import DECISIONS, Arrivals

STEP = "search/decisions"


@dataclass(frozen=True)
class Step:
    """The figures after so many decisions, at a time in seconds since 1970."""

    number: int
    at: float
    figures: Mapping[str, float]


def search_steps(variant: str, arrivals: Arrivals, plan: Plan) -> Iterator[Step]:
    """The steps of a variant's search so far; they follow from the events in their order.

    The best validation score is the mean over folds of the best complete configuration, as the search ranks it.
    """
    configs = arrivals.results(plan.terms).get(variant, [])
    number = begun = done = epochs = 0
    best: dict[str, float] = {}
    for at, event in zip(arrivals.times, arrivals.events, strict=True):
        if event.variant != variant:
            continue
        epochs += isinstance(event, EpochDone)
        begun += isinstance(event, ConfigAdded)
        done += isinstance(event, Closed)
        if isinstance(event, Closed) and event.outcome is Phase.COMPLETE:
            [viewed] = PROTOCOLS[plan.terms.protocol].viewed(plan, [configs[event.config]])
            name = f"search/best_validation_{plan.metric}"
            best = {name: max(viewed.validation_score(plan.metric), best.get(name, 0.0))}
        if isinstance(event, DECISIONS):
            number += 1
            counts = {STEP: number, "search/configs": begun, "search/configs_done": done, "search/epochs": epochs}
            yield Step(number, at, counts | best)
