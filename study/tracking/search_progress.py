"""How far a study is, as metrics of its run: one step for each configuration that is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from study.protocols import PROTOCOLS
from study.record.events import Closed, EpochDone, Phase
from study.record.plan import Plan
from study.tracking.arrivals import Arrivals

DONE = "search/configs_done"


@dataclass(frozen=True)
class Step:
    """The figures once so many configurations were done, at a time in seconds since 1970."""

    done: int
    at: float
    figures: Mapping[str, float]


def search_steps(variant: str, arrivals: Arrivals, plan: Plan) -> Iterator[Step]:
    """The steps of a variant's search so far, the first of none done; they follow from the events in their order.

    The best validation score is the mean over folds of the best complete configuration, as the search ranks it.
    """
    configs = arrivals.results(plan.terms.seeds).get(variant, [])
    searched = {run: history for run, history in arrivals.runs.items() if run.variant == variant and not run.seed}
    lasts: dict[int, float] = {}
    for run, history in searched.items():
        lasts[run.config] = max(history.last, lasts.get(run.config, 0.0))
    at = min((history.first for history in searched.values()), default=0.0)
    yield Step(0, at, {DONE: 0.0})
    done = epochs = 0
    best: float | None = None
    for event in arrivals.events:
        if event.variant != variant:
            continue
        if isinstance(event, EpochDone):
            epochs += 1
        if not isinstance(event, Closed):
            continue
        done += 1
        config = configs[event.config]
        at = max(at, lasts.get(event.config, 0.0))
        if event.outcome is Phase.COMPLETE:
            [viewed] = PROTOCOLS[plan.terms.protocol].viewed(plan, [config])
            best = max(viewed.validation_score(plan.metric), best or 0.0)
        figures = {DONE: float(done), "search/epochs": float(epochs)}
        yield Step(done, at, figures if best is None else figures | {f"search/best_validation_{plan.metric}": best})
