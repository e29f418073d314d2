"""Tiny encoders for the tests of features and of whole studies."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

# SciPy brings a BLAS of its own, which has to be loaded before it can be limited.
import scipy.linalg  # noqa: F401
import torch
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Keeps torch and BLAS to one thread: those of tiny computations wait for each other longer than they compute."""
    torch.set_num_threads(1)
    threadpool_limits(1)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The function that gives the folder of a tiny encoder of a family: `tiny_encoder("wavlm")`. Read only."""

    @cache
    def saved(family: str) -> Path:
        # Here because importing transformers takes a second, and most tests need none.
        from tests.plugins.tiny_weights import save_tiny_encoder

        folder = tmp_path_factory.mktemp("encoders") / f"tiny-{family}"
        save_tiny_encoder(family, folder)
        return folder

    return saved
