"""Runs a study through Ray Client: Tune needs its driver on the cluster's head; the output is shown here."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import ray

from study.errors import UserError
from study.execution.address import no_cluster
from study.execution.cluster import reason_of
from study.execution.handshake import require_cluster

PROGRAM = "from study.app.cli import main; raise SystemExit(main())"
# Attempts: the client's server is forked from a process with many threads, and sometimes dies for that reason.
CONNECTIONS = 3
POLL_SECONDS = 1.0
# Ray sets these for its workers; the driver extracts features and needs the whole machine.
WORKERS_ONLY = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "RAY_ADDRESS")


def run_on_head(address: str, arguments: Sequence[str], write: Callable[[str], object]) -> int:
    """Run `ser-study` with `arguments` on the head of the cluster at `address`, and return its exit code.

    Its output is passed to `write` as it is printed. An interrupt here interrupts it there.

    Raises:
        UserError: no cluster answers, or the project is not installed there.
    """
    _connect(address)
    try:
        on_head = ray.remote(num_cpus=0, max_concurrency=2, resources={"node:__internal_head__": 0.001})
        driver = on_head(Driver).remote(arguments)
        return _follow(driver, write)
    except ray.exceptions.RayError as error:
        raise UserError(
            f"a study through {address} needs the project on the cluster's machines, and its driver could not run "
            f"({reason_of(error)}); install it on each, or use `ray job submit --working-dir .`"
        ) from None
    finally:
        ray.shutdown()


class Driver:
    """An actor on the head that starts the driver process and passes on its output and exit code."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Start `ser-study` with `arguments`."""
        environment = {name: value for name, value in os.environ.items() if name not in WORKERS_ONLY}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            # Without the working directory on its path; and with the address of this cluster, since another one may run
            # on that machine.
            [sys.executable, "-P", "-c", PROGRAM, *arguments, "--address", ray.get_runtime_context().gcs_address],
            env=environment,
            cwd=tempfile.gettempdir(),
            preexec_fn=_unblock_interrupts,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def news(self) -> tuple[str, int | None]:
        """Output since the last call, after a wait of up to a second; and the exit code, None while it runs."""
        # The order matters: all output is in the queue once the reader has ended.
        self._reader.join(POLL_SECONDS)
        ended = None if self._reader.is_alive() else self._process.wait()
        text = ""
        try:
            while True:
                text += self._lines.get_nowait()
        except Empty:
            return text, ended

    def interrupt(self) -> None:
        """Interrupt the driver process as Ctrl-C would."""
        self._process.send_signal(signal.SIGINT)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)


def _unblock_interrupts() -> None:
    """Let the driver process receive interrupts: Ray's workers block them, and their children inherit that."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _connect(address: str) -> None:
    require_cluster(address)
    for attempt in range(1, CONNECTIONS + 1):
        try:
            with warnings.catch_warnings(action="ignore"):
                ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
            return
        except (ConnectionError, ValueError, RuntimeError) as error:
            if attempt == CONNECTIONS:
                raise no_cluster(address, str(error)) from None
            time.sleep(attempt)


def _follow(driver: Any, write: Callable[[str], object]) -> int:
    while True:
        try:
            text, ended = ray.get(driver.news.remote())
        except KeyboardInterrupt:
            ray.get(driver.interrupt.remote())
            continue
        write(text)
        if ended is not None:
            return int(ended)
