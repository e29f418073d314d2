"""Writes files that survive a kill, a full disk and a loss of power: to a temporary name first, then renamed."""

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from study.errors import UserError

# No space left, quota exceeded, largest allowed size of a file exceeded.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Permission denied, operation not permitted, a file system that is read only.
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class StorageFull(UserError):
    """The disk has no room for a file of the study. The study pauses; everything written before is intact."""


def write_file(path: Path, content: bytes | str | Sequence[bytes | memoryview]) -> None:
    """Replace `path` by `content` in one step: a reader finds the old content or the new one.

    Text is written as UTF-8; pieces are written one after the other.

    The content is on disk when this returns.

    Raises:
        StorageFull: there is no room; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.writelines(_pieces(content))
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and is_full(error):
            raise storage_full(path, error) from None
        raise


def _pieces(content: bytes | str | Sequence[bytes | memoryview]) -> Sequence[bytes | memoryview]:
    if isinstance(content, str):
        return [content.encode()]
    return [content] if isinstance(content, bytes) else content


def append_durably(path: Path, content: bytes, *, wait: bool = True) -> None:
    """Append `content` to `path`; it is on disk when this returns.

    Without `wait`, the system has it, so that the end of this process does not lose it; the next append that waits, or
    `sync`, puts it on disk too.

    Raises:
        StorageFull: there is no room; `path` is as it was.
    """
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    before = os.fstat(file).st_size
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(file, rest) :]
        if wait:
            os.fsync(file)
    except OSError as error:
        # A partial line would corrupt the line that is appended next.
        os.ftruncate(file, before)
        if is_full(error):
            raise storage_full(path, error) from None
        raise
    finally:
        os.close(file)


def sync(path: Path) -> None:
    """Wait until a file, or the list of names in a folder where the system supports that, is on disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if is_full(error) or not path.is_dir():
            raise
    finally:
        os.close(file)


def sweep_temporary(folder: Path) -> None:
    """Remove the temporary files that killed writers left in `folder`; no writer may be running there."""
    for path in folder.glob(".*.*"):
        if path.suffix.lstrip(".").isdigit() and path.is_file():
            path.unlink(missing_ok=True)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock that is this file, which is free or held as before when this returns."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        return error.errno in (errno.ENOSYS, errno.EOPNOTSUPP)  # where nothing can say so, it may be
    return False


def is_full(error: OSError) -> bool:
    """Whether `error` means that the disk, the quota or the largest allowed size of a file is exhausted."""
    return error.errno in FULL


def storage_full(path: Path | str, error: OSError) -> StorageFull:
    """The exception to raise for `error`, which writing `path` raised for want of space."""
    return StorageFull(
        f"a study needs room on the disk for its results; {path} could not be written ({error.strerror}); "
        "free some space on that disk; everything written before is intact"
    )
