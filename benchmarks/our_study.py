"""The study that `benchmarks.scheduling` times, by the project's own conductor on its own Ray workers.

Like the command, it imports what it can while Ray starts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.execution import connection

if TYPE_CHECKING:
    from study.execution.places import Slots
    from study.record.events import Event

MEANWHILE = ("benchmarks.studies", "benchmarks.machine", "study.execution.tuner", "study.searches")


def ours(folder: Path) -> dict[str, Any]:
    """The figures of the study that `prepare` left in `folder`; ledger, checkpoints and predictions included."""
    workers = json.loads((folder / "setting.json").read_text())["workers"]
    begun = time.time()
    with connection.cluster(None, workers, 0.0, meanwhile=MEANWHILE) as machines:
        return {"connect_seconds": time.time() - begun, **_trained(folder, machines.slots())}


def _trained(folder: Path, slots: Slots) -> dict[str, Any]:
    from benchmarks.machine import private_megabytes
    from benchmarks.studies import MODEL, SESSIONS, Setting
    from study.execution import tuner
    from study.execution.checkpoint_cleanup import CheckpointCleanup
    from study.execution.jobs import jobs_of
    from study.record.events import EpochDone
    from study.record.folder import StudyFolder
    from study.record.ledger import Ledger
    from study.record.plan import Plan
    from study.searches import conductor_of

    begun, cpu = time.time(), time.process_time()
    setting, study = Setting.read(folder), StudyFolder(folder / "ours")
    plan, ledger = Plan.read(study), Ledger(study.ledger)
    memory: list[float] = []
    arrivals: list[float] = []
    middle = setting.n_configs * SESSIONS * setting.epochs // 2

    def watch(event: Event) -> None:
        if isinstance(event, EpochDone):
            arrivals.append(time.time())
            if len(arrivals) == middle:
                memory.extend(private_megabytes("ray::FoldTrainable"))

    def propose(variant: str, tried: Sequence[Any]) -> dict[str, Any]:
        return {**asdict(MODEL), **asdict(setting.recipe(len(tried)))}

    cleanup = CheckpointCleanup(study)
    conductor = conductor_of(plan, ledger, propose, slots=slots.number, listeners=[cleanup, watch])
    cleanup.follow(conductor)
    tuner.run(conductor, jobs_of(plan), study, slots)
    epochs = [event for event in ledger.events if isinstance(event, EpochDone)]
    return {
        "training_seconds": sum(epoch.seconds for epoch in epochs),
        "runs": sum(epoch.ended for epoch in epochs),
        "first_epoch_after": arrivals[0] - begun,
        "between_epochs_seconds": arrivals[-1] - arrivals[0],
        "driver_cpu_seconds": time.process_time() - cpu,
        "worker_private_mb": memory,
        "pack_mb": sum(Path(plan.pack(name)).stat().st_size for name in plan.features) / 1e6,
    }
