"""What a worker needs to know to train a fold run, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from study.record.events import FoldRun


@dataclass(frozen=True)
class Job:
    """A fold run with its model's config and recipe as fields.

    `torch_seed` names all its random numbers; `epochs_known` is how many epochs the ledger holds. `params` are those of
    the ledger that model and recipe were made from. The run ends after `last_epoch` at the latest, and up to
    `target_epoch` no decision about it is due: those epochs may be reported together. With
    `score_both_blocks` it is used twice, so that its test part, too, selects an epoch. A run that outgrew its share has
    a `whole_gpu`; one `on_cpu` has none, though others of the study have.
    """

    run: FoldRun
    model: dict[str, Any]
    recipe: dict[str, Any]
    torch_seed: int
    epochs_known: int
    params: dict[str, Any]
    last_epoch: int
    target_epoch: int = 0
    score_both_blocks: bool = False
    whole_gpu: bool = False
    on_cpu: bool = False

    def at(self, *, whole_gpu: bool = False, on_cpu: bool = False) -> Job:
        """The job in another place."""
        return replace(self, whole_gpu=whole_gpu, on_cpu=on_cpu)
