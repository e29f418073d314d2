"""The study on Ray: connect, run every fold run that the conductor wants, leave nothing behind."""

import logging
import os
import shutil
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray
from ray import tune
from ray.tune.execution import class_cache

from study import interrupts
from study.errors import UserError
from study.storage import is_full, no_room
from study.tuning.conductor import Conductor
from study.tuning.halt import Halt
from study.tuning.nodes import alive_nodes, check_shared_storage, room
from study.tuning.scheduler import RaceScheduler
from study.tuning.searcher import RaceSearcher
from study.tuning.trial import FoldTrial
from study.tuning.watchdog import EPOCH_SECONDS, HANGS

ROOT = Path(__file__).resolve().parents[2]
# Machines may be lost often in a long study: a run is given up when so many workers died without a single epoch.
DEATHS_IN_A_ROW = 8
# Set by `ray job submit` for the command that it runs.
JOB_MARK = "RAY_JOB_CONFIG_JSON_ENV_VAR"


@dataclass(frozen=True)
class Slots:
    """How many fold runs train at once, and the share of a GPU that each has (0 without GPUs)."""

    number: int
    gpus_per_run: float


@contextmanager
def cluster(address: str | None, concurrency: int | None, gpus_per_run: float | None) -> Iterator[Slots]:
    """A connection to the cluster at `address`, or a cluster of this machine alone that ends with the block.

    Without `concurrency`, every core (or every GPU share, where Ray sees GPUs) is a slot.

    Raises:
        UserError: no cluster answers at `address`, or it has no room for a single run.
    """
    try:
        _connect(address, concurrency)
    except SystemExit:  # what Ray makes of SIGTERM while it starts
        raise KeyboardInterrupt from None
    interrupts.listen()  # Ray has put its own handler of SIGTERM there, which ends the process with a dump
    try:
        yield _slots(concurrency, gpus_per_run)
    finally:
        ray.shutdown()


def run(conductor: Conductor, folder: Path, slots: Slots, epoch_seconds: float = EPOCH_SECONDS) -> None:
    """Run the study to its end, or until interrupted; what is done is in the ledger either way.

    `folder` is the study's, on storage that every node sees. An epoch that takes longer than `epoch_seconds` is ended.

    Raises:
        StorageFull: there is no room for what the study has to keep; it was stopped in good order.
        UserError: there are several machines, and one of them does not share `folder`.
    """
    several = len(alive_nodes()) > 1
    if several:
        with quiet():
            check_shared_storage(folder)
    scratch = folder / "ray"
    for place in (scratch, folder / HANGS):
        shutil.rmtree(place, ignore_errors=True)
    trainable = tune.with_resources(
        tune.with_parameters(
            FoldTrial, study=str(folder), gpu_share=slots.gpus_per_run, fetch=several, epoch_seconds=epoch_seconds
        ),
        {"cpu": 1, "gpu": slots.gpus_per_run},
    )
    halt = Halt()
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=RaceSearcher(conductor, halt),
            scheduler=RaceScheduler(conductor, halt),
            num_samples=-1,
            # The searcher refuses Ray's limiter, but Ray derives from this how many trials may be pending.
            max_concurrent_trials=slots.number,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            stop=halt,
            failure_config=tune.FailureConfig(max_failures=DEATHS_IN_A_ROW),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    with quiet():
        try:
            tuner.fit()
        except OSError as error:  # of Tune's own files; what went before it is in the ledger
            if not is_full(error):
                raise
            halt.reason = halt.reason or no_room(error.filename or scratch, error)
    for place in (scratch, folder / HANGS):
        shutil.rmtree(place, ignore_errors=True)
    if halt.reason is not None:
        raise halt.reason


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Ray's own tables, hints and warnings off the terminal: the progress view says what matters."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    for name in ("ray.tune", "ray.train", "ray.air", "ray._private"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


def _connect(address: str | None, concurrency: int | None) -> None:
    in_job = JOB_MARK in os.environ
    address = address or os.environ.get("RAY_ADDRESS") or ("auto" if in_job else None)
    silent = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.CRITICAL}
    # A variable of PyTorch Lightning's that Tune would set: with it, no worker that Ray starts in advance can be used.
    class_cache.DEFAULT_ENV_VARS.clear()
    with quiet():
        if address is None:
            _let_workers_import_this()
            # Never another cluster that happens to run on this machine.
            ray.init(address="local", num_cpus=concurrency, include_dashboard=False, **silent)
            return
        # In a job, interrupts are blocked, and SIGTERM would wait for one in vain.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        # A job's workers have the folder that was submitted with it.
        sent = {} if in_job else {"runtime_env": {"env_vars": {"PYTHONPATH": str(ROOT)}}}
        try:
            ray.init(address=address, **silent, **sent)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"--address expects a running Ray cluster, as auto, host:port or ray://host:port; {address} did not "
                f"answer ({str(error).splitlines()[0]}); start one with `ray start --head`, or leave --address out to "
                "use this machine"
            ) from None


def _let_workers_import_this() -> None:
    """Workers inherit the environment: this lets them import the project from any working directory."""
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([known] if known else [])])


def _slots(concurrency: int | None, gpus_per_run: float | None) -> Slots:
    machines = [node["Resources"] for node in alive_nodes()]
    gpus = sum(machine.get("GPU", 0.0) for machine in machines)
    share = gpus_per_run if gpus_per_run is not None else (1.0 if gpus else 0.0)
    if share > gpus:
        raise UserError(f"--gpus-per-run {share:g} expects a GPU on the cluster; Ray sees {gpus:g}")
    slots = room(machines, share)
    number = min(slots, concurrency or slots)
    if number < 1:
        raise UserError(f"a fold run needs one core and {share:g} GPU on one machine; the cluster has no such slot")
    return Slots(number, share)
