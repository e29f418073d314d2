"""Files that have no room."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def small_files(n_bytes: int) -> Iterator[None]:
    """In the block no file of this process grows beyond so many bytes, that of its captured output included."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
