"""A short name for the folder of Ray's files: the system limits the length of the paths of its sockets."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ray._common.utils import get_default_ray_temp_dir

from study.errors import UserError

# Bytes in the path of a socket; on macOS three fewer. Source: sys/un.h.
LONGEST_PATH = 103
# What Ray appends to its folder.
LONGEST_NAME = "/session_2026-12-31_23-59-59_999999_4194304/sockets/plasma_store.1"
SHORT_PLACES = ("/tmp", "/var/tmp", "/dev/shm")


@contextmanager
def ray_folder(places: Sequence[str] = SHORT_PLACES) -> Iterator[str | None]:
    """The folder for Ray's files: None for Ray's own choice, or a short link to it as long as the block runs.

    Raises:
        UserError: the name of the folder is too long, and none of `places` can be written to hold a link.
    """
    chosen = get_default_ray_temp_dir()
    # An empty or relative TMPDIR would be one thing to this process and another to Ray's.
    own = chosen if os.path.isabs(chosen) else os.path.join(tempfile.gettempdir(), "ray")
    if len(os.fsencode(own + LONGEST_NAME)) <= LONGEST_PATH:
        yield None if own == chosen else own
        return
    beside = _new_folder(own, places)
    try:
        Path(own).mkdir(parents=True, exist_ok=True)
        (beside / "ray").symlink_to(own)
        yield str(beside / "ray")
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _new_folder(own: str, places: Sequence[str]) -> Path:
    for place in places:
        try:
            return Path(tempfile.mkdtemp(prefix="ser-", dir=place))
        except OSError:
            continue
    limit = LONGEST_PATH - len(LONGEST_NAME) - len("/ray")
    raise UserError(
        f"Ray needs a folder for its sockets whose name has at most {limit} characters; {own} is longer (by TMPDIR or "
        f"RAY_TMPDIR), and none of {', '.join(places)} can be written; set RAY_TMPDIR to a short folder"
    )
