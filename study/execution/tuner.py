"""Runs a study by Ray Tune: trains every fold run that the conductor asks for, and cleans up."""

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

from ray import tune

from study.execution.cluster import alive_nodes, require_shared_storage, storage_faults
from study.execution.connection import quiet
from study.execution.jobs import Jobs
from study.execution.places import Slots
from study.execution.scheduler import RaceScheduler
from study.execution.searcher import RaceSearcher
from study.execution.site import Site
from study.execution.storage_stopper import StorageStopper
from study.execution.trainable import FoldTrainable
from study.execution.watchdog import EPOCH_SECONDS
from study.files import is_full, storage_full
from study.process import handlers_restored
from study.record.folder import StudyFolder
from study.search.conductor import Conductor

# Machines may be lost often in a long study: a run fails after this many worker deaths without an epoch between.
DEATHS_IN_A_ROW = 8
MOST_PENDING = 100_000


def run(
    conductor: Conductor,
    jobs: Jobs,
    folder: StudyFolder,
    slots: Slots,
    epoch_seconds: float = EPOCH_SECONDS,
    say: Callable[[str], object] = print,
) -> None:
    """Run the study to its end, or until interrupted; finished epochs are in the ledger either way.

    `folder` is on storage that all nodes share. A worker whose epoch takes longer than `epoch_seconds` is ended. Lines
    about machines that join or leave go to `say`.

    Raises:
        StorageFull: there is no room for the study's files; the study was stopped in good order.
        UserError: there are several machines, and one of them does not share `folder`.
    """
    with quiet():
        several = require_shared_storage(folder.path)
    _clear(folder)
    fetch = several or slots.may_grow
    parameters = {"study": str(folder.path), "gpu_share": slots.gpus_per_run, "fetch": fetch}
    trainable = tune.with_parameters(FoldTrainable, **parameters, epoch_seconds=epoch_seconds)
    stopper = StorageStopper()
    site = Site(slots, alive_nodes, partial(storage_faults, folder.path), say)
    scheduler, searcher = RaceScheduler(conductor, jobs, stopper, site), RaceSearcher(conductor, jobs, stopper)
    tuner = _tuner(scheduler, searcher, folder, tune.with_resources(trainable, {"cpu": 1}), stopper)
    with quiet(), handlers_restored():
        try:
            tuner.fit()
        except OSError as error:  # of Tune's own files; all epochs before it are in the ledger
            if not is_full(error):
                raise
            stopper.reason = stopper.reason or storage_full(error.filename or folder.scratch, error)
    _clear(folder)
    if stopper.reason is not None:
        raise stopper.reason


def _tuner(
    scheduler: RaceScheduler, searcher: RaceSearcher, folder: StudyFolder, trainable: Any, stopper: StorageStopper
) -> tune.Tuner:
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            # The searcher refuses Ray's limiter, but Ray derives from this how many trials may be pending. How many are
            # is the conductor's decision, which changes with the machines.
            max_concurrent_trials=MOST_PENDING,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder.scratch),
            verbose=0,
            stop=stopper,
            failure_config=tune.FailureConfig(max_failures=DEATHS_IN_A_ROW),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )


def _clear(folder: StudyFolder) -> None:
    for place in (folder.scratch, folder.hangs):
        shutil.rmtree(place, ignore_errors=True)
