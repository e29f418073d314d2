"""The five results of a worker's step, passed to the scheduler as text because Ray flattens nested values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from study.record.events import EpochDone, FoldRun, LayerWeights, Scores

KEY = "worker_result"


@dataclass(frozen=True)
class EpochTrained:
    """An epoch is trained and its checkpoint is written."""

    epoch: int
    loss: float
    validation: Scores
    test: Scores
    seconds: float
    ended: bool
    layer_weights: LayerWeights | None = None

    def event(self, run: FoldRun) -> EpochDone:
        """The epoch of `run` as the ledger keeps it."""
        return EpochDone(
            run.variant,
            run.config,
            run.fold,
            run.seed,
            epoch=self.epoch,
            loss=self.loss,
            validation=self.validation,
            test=self.test,
            seconds=self.seconds,
            ended=self.ended,
            layer_weights=self.layer_weights,
        )


@dataclass(frozen=True)
class RunDiverged:
    """The loss or a prediction is not finite."""

    reason: str


@dataclass(frozen=True)
class RunFailed:
    """The run raised an error, or hung, for the second time."""

    reason: str


@dataclass(frozen=True)
class ShareOutgrown:
    """The run needs more memory than its share of a GPU has."""


@dataclass(frozen=True)
class StorageIsFull:
    """There is no room to write what the run has to keep."""

    reason: str


WorkerResult = EpochTrained | RunDiverged | RunFailed | ShareOutgrown | StorageIsFull
KINDS: dict[str, type[WorkerResult]] = {
    each.__name__: each for each in (EpochTrained, RunDiverged, RunFailed, ShareOutgrown, StorageIsFull)
}


def to_tune(result: WorkerResult) -> dict[str, Any]:
    """The result as a Tune trainable returns it."""
    return {KEY: json.dumps({"kind": type(result).__name__, **asdict(result)})}


def from_tune(reported: Mapping[str, Any]) -> WorkerResult:
    """The result that `to_tune` wrote."""
    fields = json.loads(reported[KEY])
    return KINDS[fields.pop("kind")](**fields)
