"""Ends a worker whose epoch hangs, and records which runs did."""

import faulthandler
from pathlib import Path
from typing import IO

ATTEMPTS = 2
EPOCH_SECONDS = 1800.0  # an epoch that takes longer counts as hanging, unless --epoch-timeout gives another limit


class Watchdog:
    """A context manager that ends the process if its block takes longer than `seconds`.

    It uses Python's faulthandler, which needs neither the interpreter's lock nor the hung thread, and which writes the
    stack of each thread to `folder`/NAME.txt. The next attempt counts the timeouts in that file; a run has two.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        """Allow `seconds` per block, and write the stacks of those that take longer to `folder`."""
        self._folder, self._seconds = folder, seconds
        self._file: IO[bytes] | None = None
        self._name = ""

    def watch(self, name: str) -> None:
        """Set the name of the run that is trained from now on."""
        self._name = name

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._name}.txt"

    def gives_up(self) -> str:
        """Why the run is not tried again, followed by the stacks of its threads; empty if it may be tried again."""
        stacks = self._path.read_text(encoding="utf-8", errors="replace") if self._path.exists() else ""
        hangs = stacks.count("Timeout (")
        if hangs < ATTEMPTS:
            return ""
        return f"an epoch took longer than the {self._seconds:g} s of --epoch-timeout, {hangs} times\n{stacks}"

    def __enter__(self) -> None:
        """Start the clock."""
        self._folder.mkdir(exist_ok=True)
        self._file = self._path.open("ab")
        faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._file)

    def __exit__(self, *exception: object) -> None:
        """Stop the clock, and remove the file if nothing was written."""
        faulthandler.cancel_dump_traceback_later()
        assert self._file is not None
        self._file.close()
        if self._path.stat().st_size == 0:
            self._path.unlink()
