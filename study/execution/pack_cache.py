"""Caches feature packs on a node's own disk: copied from shared storage once, mapped by all workers of the node."""

import hashlib
import os
import shutil
import struct
import tempfile
import time
from pathlib import Path

from filelock import FileLock

from study.tensor_file import LENGTH, check_file

UNUSED_DAYS = 7.0


def on_this_node(path: Path) -> Path:
    """A copy of the pack at `path` on this machine's own disk, or `path` itself if no copy can be kept.

    The copy is named by a digest of the pack's header, which begins with the checksum of the whole file; the copy is
    checked against it before it is used. Copies not used for a week are removed first.
    """
    try:
        header = _header(path)
        folder = _own_folder()
        if folder is None:
            return path
        copy = folder / f"{hashlib.sha256(header).hexdigest()[:32]}.safetensors"
        with FileLock(folder / ".lock"):
            if not copy.exists():
                _remove_unused(folder)
                _fetch(path, copy)
            os.utime(copy)
        return copy
    except (OSError, ValueError, struct.error):
        # A full disk, or no pack: opening `path` itself gives the frames, or an error that names the problem.
        return path


def _header(path: Path) -> bytes:
    """The header of a pack.

    Source: the safetensors format: the header's length in 8 bytes, JSON, then the tensors.
    """
    with path.open("rb") as file:
        start = file.read(LENGTH.size)
        return start + file.read(min(LENGTH.unpack(start)[0], path.stat().st_size))


def _own_folder() -> Path | None:
    """A folder on this machine's disk that belongs to this user alone; None if another user has one of its name."""
    folder = Path(tempfile.gettempdir()) / f"ser-study-packs-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    return folder if folder.is_dir() and not folder.is_symlink() and state.st_uid == os.getuid() else None


def _fetch(source: Path, copy: Path) -> None:
    """Copy and rename: `copy` either holds the whole pack or does not exist."""
    unfinished = copy.with_suffix(".unfinished")
    try:
        shutil.copyfile(source, unfinished)
        check_file(unfinished)
        os.replace(unfinished, copy)
    finally:
        unfinished.unlink(missing_ok=True)


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86_400
    for pack in folder.glob("*.safetensors"):
        if pack.stat().st_mtime < oldest:
            pack.unlink(missing_ok=True)
