"""Ends a worker whose epoch takes for ever, and remembers which runs did that."""

import faulthandler
from pathlib import Path
from typing import IO

ATTEMPTS = 2
EPOCH_SECONDS = 1800.0  # an epoch that takes longer hangs, unless the user says otherwise
HANGS = "hangs"  # in the study's folder, as long as the study runs


class Watchdog:
    """While it is entered, this process has `seconds` left; then it ends, whatever it is doing.

    It is Python's faulthandler, which needs neither the interpreter's lock nor the hung thread: what each thread
    was doing is written to `folder`/NAME.txt, which is how the next attempt knows. A run has two.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        """Watch over steps of at most `seconds`, and write to `folder` about those that take longer."""
        self._folder, self._seconds = folder, seconds
        self._file: IO[bytes] | None = None
        self._name = ""

    def watch(self, name: str) -> None:
        """Turn to the run `name`."""
        self._name = name

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._name}.txt"

    def gives_up(self) -> str:
        """Why the run is not tried again, and in further lines what it was doing; nothing while it may be."""
        told = self._path.read_text(errors="replace") if self._path.exists() else ""
        hangs = told.count("Timeout (")
        if hangs < ATTEMPTS:
            return ""
        return f"an epoch took longer than the {self._seconds:g} s of --epoch-timeout, {hangs} times\n{told}"

    def __enter__(self) -> None:
        """Start the clock."""
        self._folder.mkdir(exist_ok=True)
        self._file = self._path.open("ab")
        faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._file)

    def __exit__(self, *exception: object) -> None:
        """Stop it."""
        faulthandler.cancel_dump_traceback_later()
        assert self._file is not None
        self._file.close()
        if self._path.stat().st_size == 0:
            self._path.unlink()
