"""Files that survive a kill, a full disk and a loss of power: each is written beside its place and then put there."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from study.errors import UserError

# No space, no quota, over the largest size that is allowed.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StorageFull(UserError):
    """There is no room to write what a study has to keep. It pauses; everything written before is intact."""


def put(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content` in one step that is on disk on return: a reader sees the old one or the new one.

    Raises:
        StorageFull: there is no room; `path` is as it was.
    """

    def write(temporary: Path) -> None:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)

    put_written(path, write)


def put_written(path: Path, write: Callable[[Path], None]) -> None:
    """The same with what `write` puts into the path that it is given.

    Raises:
        StorageFull: there is no room; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and is_full(error):
            raise no_room(path, error) from None
        raise


def append(path: Path, content: bytes) -> None:
    """Append `content` to `path`, and return when the disk has it.

    Raises:
        StorageFull: there is no room; `path` is as it was.
    """
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    before = os.fstat(file).st_size
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    except OSError as error:
        # Half a line would spoil the one that is appended after it.
        os.ftruncate(file, before)
        if is_full(error):
            raise no_room(path, error) from None
        raise
    finally:
        os.close(file)


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder where the system can promise that."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if is_full(error) or not path.is_dir():
            raise
    finally:
        os.close(file)


def sweep_temporary(folder: Path) -> None:
    """Remove what writers that were killed left in `folder`; nobody may be writing there."""
    for path in folder.glob(".*.*"):
        if path.suffix.lstrip(".").isdigit() and path.is_file():
            path.unlink(missing_ok=True)


def is_full(error: OSError) -> bool:
    """Whether the reason is that there is no room."""
    return error.errno in FULL


def no_room(path: Path | str, error: OSError) -> StorageFull:
    """What to tell of `error`, met while writing `path`."""
    return StorageFull(
        f"a study needs room for what it learns, and {path} could not be written ({error.strerror}); "
        "free some space on that disk; what was written before is intact"
    )
