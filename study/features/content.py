"""Digests of what features are computed from: features are found again by them."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

# Of the files whose digests are kept while a command runs; more than corpora have.
MOST_FILES = 2**18


def digest(texts: Sequence[str]) -> str:
    """sha256 of texts in their order."""
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes. A command asks for it several times, and large files are read once unless they change.

    Raises:
        OSError: the file cannot be read.
    """
    state = path.stat()
    return _digest_as_of(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(MOST_FILES)
def _digest_as_of(path: Path, *state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
