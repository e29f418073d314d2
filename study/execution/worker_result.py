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
    """An epoch is trained."""

    epoch: int
    loss: float
    validation: Scores
    test: Scores
    seconds: float
    ended: bool
    layer_weights: LayerWeights | None = None
    device: str | None = None

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
            device=self.device,
        )


@dataclass(frozen=True)
class EpochsTrained:
    """Epochs are trained, one or more in their order, and the checkpoint after the last of them is written.

    Where the next epoch raised an error there is no checkpoint of them: the error is reported by the next step.
    """

    epochs: tuple[EpochTrained, ...]

    def events(self, run: FoldRun) -> list[EpochDone]:
        """The epochs of `run` as the ledger keeps them."""
        return [epoch.event(run) for epoch in self.epochs]


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
    """The run needs more memory than its share of a GPU of the machine `node` has."""

    node: str


@dataclass(frozen=True)
class StorageIsFull:
    """There is no room to write what the run has to keep."""

    reason: str


WorkerResult = EpochsTrained | RunDiverged | RunFailed | ShareOutgrown | StorageIsFull
KINDS: dict[str, type[WorkerResult]] = {
    each.__name__: each for each in (EpochsTrained, RunDiverged, RunFailed, ShareOutgrown, StorageIsFull)
}


def to_tune(result: WorkerResult) -> dict[str, Any]:
    """The result as a Tune trainable returns it."""
    return {KEY: json.dumps({"kind": type(result).__name__, **asdict(result)})}


def from_tune(reported: Mapping[str, Any]) -> WorkerResult:
    """The result that `to_tune` wrote."""
    fields = json.loads(reported[KEY])
    kind = KINDS[fields.pop("kind")]
    if kind is EpochsTrained:
        fields["epochs"] = tuple(EpochTrained(**each) for each in fields["epochs"])
    return kind(**fields)
