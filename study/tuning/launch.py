"""The study on Ray: connect, run every fold run that the conductor wants, leave nothing behind."""

import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray
from ray import tune

from study.errors import UserError
from study.tuning.conductor import Conductor
from study.tuning.scheduler import RaceScheduler
from study.tuning.searcher import RaceSearcher
from study.tuning.trial import FoldTrial

ROOT = Path(__file__).resolve().parents[2]


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
    _connect(address, concurrency)
    try:
        yield _slots(concurrency, gpus_per_run)
    finally:
        ray.shutdown()


def run(conductor: Conductor, folder: Path, slots: Slots) -> None:
    """Run the study to its end, or until interrupted; what is done is in the ledger either way.

    `folder` is the study's, on storage that every node sees.
    """
    scratch = folder / "ray"
    shutil.rmtree(scratch, ignore_errors=True)
    trainable = tune.with_resources(
        tune.with_parameters(FoldTrial, study=str(folder), gpu=slots.gpus_per_run > 0),
        {"cpu": 1, "gpu": slots.gpus_per_run},
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=RaceSearcher(conductor),
            scheduler=RaceScheduler(conductor),
            num_samples=-1,
            # The searcher refuses Ray's limiter, but Ray derives from this how many trials may be pending.
            max_concurrent_trials=slots.number,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=1),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    with quiet():
        tuner.fit()
    shutil.rmtree(scratch, ignore_errors=True)


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
    address = address or os.environ.get("RAY_ADDRESS")
    with quiet():
        if address is None:
            # Workers inherit the environment: this lets them import the project from any working directory.
            known = os.environ.get("PYTHONPATH")
            os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([known] if known else [])])
            ray.init(
                address="local",  # never another cluster that happens to run on this machine
                num_cpus=concurrency,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.CRITICAL,
            )
            return
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.CRITICAL,
                runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"--address expects a running Ray cluster, as auto, host:port or ray://host:port; {address} did not "
                f"answer ({str(error).splitlines()[0]}); start one with `ray start --head`, or leave --address out to "
                "use this machine"
            ) from None


def _slots(concurrency: int | None, gpus_per_run: float | None) -> Slots:
    resources = ray.cluster_resources()
    gpus = resources.get("GPU", 0.0)
    share = gpus_per_run if gpus_per_run is not None else (1.0 if gpus else 0.0)
    if share > gpus:
        raise UserError(f"--gpus-per-run {share:g} expects a GPU on the cluster; Ray sees {gpus:g}")
    room = int(resources.get("CPU", 1))
    if share:
        # A share above one half leaves room for one run on each GPU, whatever the sum of the shares says.
        room = min(room, int(gpus) * int(1 / share) if share <= 1 else int(gpus // share))
    number = min(room, concurrency or room)
    if number < 1:
        raise UserError(f"a fold run needs one core and {share:g} GPU; the cluster has {room} such slots")
    return Slots(number, share)
