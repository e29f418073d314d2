"""The path of a search: which configuration was the best so far, from when on, and what it scores. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from study.record.events import Closed, EpochDone, Event, Phase
from study.record.results import ConfigResult, metrics_over_folds


@dataclass(frozen=True)
class Incumbent:
    """A configuration that was the best by validation from `seconds` of training on; scores are means over folds."""

    number: int
    seconds: float
    validation: float
    test: float


def incumbents(events: Iterable[Event], configs: Sequence[ConfigResult], metric: str) -> list[Incumbent]:
    """The incumbents of one search in their order, given its events and its configurations as a protocol views them.

    `seconds` are those that workers trained in the search up to the end of the configuration.
    """
    found: list[Incumbent] = []
    seconds = 0.0
    for event in events:
        if isinstance(event, EpochDone) and not event.seed:
            seconds += event.seconds
        if not isinstance(event, Closed) or configs[event.config].outcome is not Phase.COMPLETE:
            continue
        config = configs[event.config]
        validation, test = (metrics_over_folds(config, part, metric)[metric].mean for part in ("validation", "test"))
        if not found or validation > found[-1].validation:
            found.append(Incumbent(config.number, seconds, validation, test))
    return found


def overtuning(path: Sequence[Incumbent]) -> float:
    """By how much an earlier incumbent is better on test than the last: what further search has cost there.

    Source: Schneider, Bischl and Feurer, Overtuning in hyperparameter optimization, AutoML 2025.
    """
    return max(each.test for each in path) - path[-1].test if path else 0.0
