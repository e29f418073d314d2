"""Files and disks that have no room."""

import errno
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_files(n_bytes: int) -> Iterator[None]:
    """In the block no file of this process grows beyond so many bytes, that of its captured output included."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class SmallDisk:
    """A place for a study's output, which can be left without room: a disk of its own where one can be mounted."""

    def __init__(self, home: Path) -> None:
        """Mount a disk in `home`; a user who cannot limits the size of the driver's files instead."""
        self.path = home / "disk"
        self.path.mkdir()
        line = ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(self.path)]
        self.is_mounted = subprocess.run(line, capture_output=True).returncode == 0
        self.fault = "No space left on device" if self.is_mounted else "could not be written (File too large)"

    def leave_no_room(self, driver: int, ledger: Path) -> None:
        """Leave no byte free; or let no file of the process `driver` grow beyond the ledger's size."""
        if not self.is_mounted:
            size = ledger.stat().st_size if ledger.exists() else 0
            resource.prlimit(driver, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            return
        with (self.path / "filler").open("wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                _fill(file.write, b"\0" * size)

    def make_room(self) -> None:
        """Free what was filled. A limit ends with its process."""
        (self.path / "filler").unlink(missing_ok=True)

    def unmount(self) -> None:
        """Unmount the disk, whatever is still on it."""
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)


def _fill(write: Callable[[bytes], object], block: bytes) -> None:
    try:
        while True:
            write(block)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A small disk, which goes with the test."""
    disk = SmallDisk(tmp_path)
    yield disk
    disk.unmount()
