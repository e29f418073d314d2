"""Ends a study whose cluster has lost its head: Ray's own way is to end the process after a minute, without a word."""

from __future__ import annotations

import socket
from collections.abc import Callable
from threading import Event, Thread

from study import process
from study.errors import FAILED

# A head on this machine never comes back; one elsewhere may be out of reach for a while. Ray waits for 60 s.
LOCAL_HEAD_SECONDS, HEAD_SECONDS = 6.0, 45.0
POLL_SECONDS = 2.0


def end_process(message: str) -> None:
    """End this process with the error line `message` and how to go on.

    A signal to a whole group of processes ends the head too: then the study was interrupted, and lost nothing.
    """
    if process.is_terminated():
        process.end_as_interrupted()
    process.end_with(message, FAILED)


class HeadWatch:
    """A context manager that asks the head every two seconds whether it is there, from a thread of its own."""

    def __init__(self, address: str, seconds: float, lost: Callable[[str], object] = end_process) -> None:
        """Call `lost` with the reason, once nothing has listened at `address`, host:port, for so many seconds."""
        self._address, self._seconds, self._lost = address, seconds, lost
        self._over = Event()
        self._thread = Thread(target=self._watch, name="head watch", daemon=True)

    def __enter__(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        """Stop watching."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        missed = 0
        pause = min(POLL_SECONDS, self._seconds)
        while not self._over.wait(pause):
            missed = 0 if self._listens() else missed + 1
            if missed * pause >= self._seconds:
                reason = f"its head at {self._address} has not answered for {self._seconds:g} s"
                self._lost(f"a study needs its Ray cluster, and {reason}; everything on record is intact")
                return

    def _listens(self) -> bool:
        host, _, port = self._address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), POLL_SECONDS).close()
        except OSError:
            return False
        return True
