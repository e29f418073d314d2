"""How many cores a computation takes: one, so that its result depends on no other and on no number of cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def one_core() -> Iterator[None]:
    """The block computes on one core, as workers of a study do; threads of small models wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_core_each(n_threads: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Threads that compute on one core each: by default as many as this process has cores."""
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(n_threads or usable_cores(), initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
