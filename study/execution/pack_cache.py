"""Caches feature packs on a node's own disk: copied from shared storage once, mapped by all workers of the node."""

import hashlib
import json
import os
import struct
import tempfile
import time
from pathlib import Path

from filelock import FileLock

from study.features.pack import METADATA_KEY

CHUNK_BYTES = 8 << 20
UNUSED_DAYS = 7.0


def on_this_node(path: Path) -> Path:
    """A copy of the pack at `path` on this machine's own disk, or `path` itself if no copy can be kept.

    The copy is named by a digest of the pack's header, which holds its ids and the checksum of its contents; its
    bytes are checked against that checksum while they are copied. Copies not used for a week are removed first.
    """
    try:
        header, checksum = _header(path)
        folder = _own_folder()
        if folder is None:
            return path
        copy = folder / f"{hashlib.sha256(header).hexdigest()[:32]}.safetensors"
        with FileLock(folder / ".lock"):
            if not copy.exists():
                _remove_unused(folder)
                _fetch(path, copy, header, checksum)
            os.utime(copy)
        return copy
    except (OSError, ValueError, KeyError, TypeError):
        # A full disk, or no pack: opening `path` itself gives the frames, or an error that names the problem.
        return path


def _header(path: Path) -> tuple[bytes, str]:
    """The header of a pack as bytes, and the checksum of the bytes after it.

    Source: the safetensors format: the header's length in 8 bytes, JSON, then the tensors.
    """
    with path.open("rb") as file:
        start = file.read(8)
        header = start + file.read(struct.unpack("<Q", start)[0])
    metadata = json.loads(json.loads(header[8:])["__metadata__"][METADATA_KEY])
    return header, str(metadata["sha256"])


def _own_folder() -> Path | None:
    """A folder on this machine's disk that belongs to this user alone; None if another user has one of its name."""
    folder = Path(tempfile.gettempdir()) / f"ser-study-packs-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    return folder if folder.is_dir() and not folder.is_symlink() and state.st_uid == os.getuid() else None


def _fetch(source: Path, copy: Path, header: bytes, checksum: str) -> None:
    """Copy and rename: `copy` either holds the whole pack or does not exist."""
    unfinished = copy.with_suffix(".unfinished")
    state = hashlib.sha256()
    try:
        with source.open("rb") as pack, unfinished.open("wb") as file:
            file.write(pack.read(len(header)))
            while chunk := pack.read(CHUNK_BYTES):
                state.update(chunk)
                file.write(chunk)
        if state.hexdigest() != checksum:
            raise ValueError(f"{source} does not match its checksum")
        os.replace(unfinished, copy)
    finally:
        unfinished.unlink(missing_ok=True)


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86_400
    for pack in folder.glob("*.safetensors"):
        if pack.stat().st_mtime < oldest:
            pack.unlink(missing_ok=True)
