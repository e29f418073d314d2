"""The connection to a Ray cluster, or to a new one of this machine, and the slots that it has for fold runs."""

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray
from ray.tune.execution import class_cache

from study import process
from study.errors import UserError
from study.execution.cluster import alive_nodes, room

ROOT = Path(__file__).resolve().parents[2]
# Set by `ray job submit` for the command that it runs.
JOB_MARK = "RAY_JOB_CONFIG_JSON_ENV_VAR"


@dataclass(frozen=True)
class Slots:
    """The number of fold runs that train at once, and the share of a GPU that each has (0 without GPUs)."""

    number: int
    gpus_per_run: float


@contextmanager
def cluster(address: str | None, concurrency: int | None, gpus_per_run: float | None) -> Iterator[Slots]:
    """A connection to the cluster at `address`, or to a new cluster of this machine that ends with the block.

    Without `concurrency`, every core (or every GPU share, where Ray sees GPUs) is a slot.

    Raises:
        UserError: no cluster answers at `address`, or it has no room for a single run.
    """
    try:
        _connect(address, concurrency)
    except SystemExit:  # Ray raises it for SIGTERM while it starts
        raise KeyboardInterrupt from None
    # Ray has replaced the handler of SIGTERM by its own, which ends the process with a dump.
    process.raise_on_interrupt()
    try:
        yield _slots(concurrency, gpus_per_run)
    finally:
        ray.shutdown()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Ray's own tables, hints and warnings off the terminal, where the progress view is."""
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
    # Tune would set a variable of PyTorch Lightning, and then could not use the workers that Ray starts in advance.
    class_cache.DEFAULT_ENV_VARS.clear()
    with quiet():
        if address is None:
            _put_project_on_path()
            # Never another cluster that happens to run on this machine.
            ray.init(address="local", num_cpus=concurrency, include_dashboard=False, **silent)
            return
        # In a job interrupts are blocked, and the handler of SIGTERM raises one, which would never arrive.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        # A job's workers have the folder that was submitted with the job.
        sent = {} if in_job else {"runtime_env": {"env_vars": {"PYTHONPATH": str(ROOT)}}}
        try:
            ray.init(address=address, **silent, **sent)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"--address expects a running Ray cluster, as auto, host:port or ray://host:port; {address} did not "
                f"answer ({str(error).splitlines()[0]}); start one with `ray start --head`, or leave --address out to "
                "use this machine"
            ) from None


def _put_project_on_path() -> None:
    """Let workers, which inherit the environment, import the project from any working directory."""
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
