"""Tiny studies for tests of workers."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.plugins.tiny_study import TinyStudy, write_study


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., TinyStudy]:
    """The function that writes a tiny study: `make_study(name="tiny", **terms)`."""
    return partial(write_study, tmp_path)


@pytest.fixture
def tiny_study(make_study: Callable[..., TinyStudy]) -> TinyStudy:
    """The study under protocol shared."""
    return make_study()
