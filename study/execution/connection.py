"""The connection to a Ray cluster, or to a new one of this machine."""

import logging
import os
import secrets
import signal
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants, services, worker
from ray.tune.execution import class_cache

from study import process
from study.errors import UserError, type_and_line
from study.execution.address import AUTO, JOB_MARK, LOCAL, chosen_address, no_cluster
from study.execution.cluster import alive_nodes
from study.execution.connected import Connected
from study.execution.gpus import gpus_of
from study.execution.handshake import require_cluster, without_raw_lines
from study.execution.head_watch import HEAD_SECONDS, LOCAL_HEAD_SECONDS, HeadWatch
from study.execution.meanwhile import imported_meanwhile
from study.execution.ray_folder import ray_folder
from study.files import is_full

ROOT = Path(__file__).resolve().parents[2]
# To reach a cluster where something listens, a second apart.
ATTEMPTS = 5


@contextmanager
def cluster(
    address: str | None,
    concurrency: int | None,
    gpus_per_run: float | None,
    on_cpus: bool = False,
    meanwhile: Sequence[str] = (),
) -> Iterator[Connected]:
    """A connection to the cluster at `address`, or to a new cluster of this machine that ends with the block.

    What is asked of it is as in `Connected`. Modules that the block needs are imported `meanwhile`.

    Raises:
        UserError: no cluster answers at `address`, or it has no room for a single run.
    """
    with ExitStack() as at_end:
        try:
            with imported_meanwhile(meanwhile):
                is_local = _connect(address, concurrency, at_end)
        except SystemExit:  # Ray raises it for SIGTERM while it starts
            raise KeyboardInterrupt from None
        at_end.callback(ray.shutdown)
        # Ray has replaced the handler of SIGTERM by its own, which ends the process with a dump.
        process.raise_on_interrupt()
        head = ray.get_runtime_context().gcs_address
        with HeadWatch(head, LOCAL_HEAD_SECONDS if is_local else HEAD_SECONDS):
            with quiet():
                nodes = alive_nodes()
                gpus = gpus_of(nodes)
            connected = Connected(nodes, gpus, concurrency, gpus_per_run, on_cpus, may_grow=not is_local)
            connected.slots()  # raises before hours of extraction
            yield connected


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


def check_address(given: str | None) -> None:
    """Make sure, before any work is done, that a cluster answers at its address, where there is one.

    Raises:
        UserError: none does.
    """
    address = given or os.environ.get("RAY_ADDRESS") or LOCAL
    if address != LOCAL:
        require_cluster(_found(address))


@contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    """Work in `folder`. Ray lets workers import from the driver's working directory before anything else."""
    before = os.open(".", os.O_RDONLY)  # it may have been removed, so that it has no path
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def _connect(address: str | None, concurrency: int | None, at_end: ExitStack) -> bool:
    """Connect to the cluster at `address`, or to a new one of this machine; gives whether it is that.

    What is to be done after Ray's shutdown is left in `at_end`.
    """
    in_job = JOB_MARK in os.environ
    address = chosen_address(address)
    silent: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.CRITICAL}
    # Tune would set a variable of PyTorch Lightning, and then could not use the workers that Ray starts in advance.
    class_cache.DEFAULT_ENV_VARS.clear()
    # Ray prints every death of a worker or a machine, with lines of a daemon's log, whatever `log_to_driver` says.
    worker.print_to_stdstream = _print_nothing
    with quiet():
        if address == LOCAL:
            _start_here(concurrency, at_end.enter_context(ray_folder()), silent)
            return True
        # In a job interrupts are blocked, and the handler of SIGTERM raises one, which would never arrive.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        # A job's workers have the folder that was submitted with the job.
        sent = {} if in_job else {"runtime_env": {"env_vars": {"PYTHONPATH": str(ROOT)}}}
        ray_constants.NUM_REDIS_GET_RETRIES = ATTEMPTS
        try:
            require_cluster(_found(address))
            with without_raw_lines(), _in_folder(ROOT):
                ray.init(address=address, **silent, **sent)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise no_cluster(address, str(error)) from None
    return False


def _print_nothing(data: Mapping[str, Any], ignore_prefix: bool) -> None:
    pass


def _start_here(concurrency: int | None, folder: str | None, silent: Mapping[str, Any]) -> None:
    """Start a cluster of this machine, with Ray's files in `folder`."""
    _put_project_on_path()
    _keep_to_this_machine()
    try:
        with _in_folder(ROOT):
            # Never another cluster that happens to run on this machine.
            ray.init(address=LOCAL, num_cpus=concurrency, include_dashboard=False, _temp_dir=folder, **silent)
    except Exception as error:  # Ray has no type of its own for this
        if isinstance(error, OSError) and is_full(error):
            raise
        raise UserError(
            f"a study starts Ray on this machine, and Ray could not start ({type_and_line(error)}); it needs half a "
            "minute of a machine that is not overloaded, and writes to TMPDIR (or RAY_TMPDIR) and the home folder"
        ) from None


def _found(address: str) -> str:
    """The address as host:port; that of `auto` is what `ray start` has left on this machine.

    Raises:
        UserError: no cluster was started here.
    """
    if address != AUTO:
        return address
    try:
        return str(services.canonicalize_bootstrap_address_or_die(AUTO))
    except ConnectionError:
        raise no_cluster(AUTO, "none was started on this machine") from None


def _keep_to_this_machine() -> None:
    """Let a cluster of this machine listen on loopback alone, with a token that no file holds.

    Ray has this for systems whose firewall would ask, as a variable that it reads when it is imported. By default it
    listens on every interface, and writes its token where other users can read it.
    """
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _put_project_on_path() -> None:
    """Let workers, which inherit the environment, import the project from any working directory."""
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([known] if known else [])])
