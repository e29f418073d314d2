"""What a sampler may know of the configurations that were tried before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.record.events import Phase
from study.search.search import Contestant, Search

Params = dict[str, Any]


@dataclass(frozen=True)
class Observation:
    """A configuration and what the sampler may know of it.

    `value` is a mean validation score: final for a complete configuration, at the last rung that it reached for
    another; `step` grows with the epochs spent on it. `predicted` is its predicted final score, with standard
    deviation `error`, where anything is known.
    """

    params: Mapping[str, Any]
    phase: Phase
    value: float | None = None
    step: int = 0
    predicted: float | None = None
    error: float = 0.0


Proposer = Callable[[str, Sequence[Observation]], Params]


def observe(search: Search, entry: Contestant, params: Mapping[str, Any]) -> Observation:
    """What the sampler may know of `entry` now. One that waits to be promoted counts as stopped where it is."""
    predicted = search.predicted_final(entry)
    if predicted is None or entry.phase in (Phase.DIVERGED, Phase.FAILED):
        return Observation(params, entry.phase)
    phase = entry.phase if entry.phase is not Phase.OPEN else Phase.STOPPED
    value = predicted[0] if phase is Phase.COMPLETE else search.level(entry)
    return Observation(params, phase, value, entry.epochs_spent(), *predicted)
