"""Keeps names and values within what MLflow's stores take."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

# Of an experiment's name, MLflow's client takes 500 characters and its table on a server 256; of a run's name 250.
NAME_LENGTH = 250
# What every store takes by MLflow's documentation. Larger values would fail a whole batch.
TAG_LENGTH = 5000
PARAM_LENGTH = 6000
DIGEST_LENGTH = 12
CUT = " …"


def short_name(name: str) -> str:
    """The `name`, or its beginning and a digest of all of it where it is too long: names that differ stay different."""
    if len(name) <= NAME_LENGTH:
        return name
    ending = f"{CUT} {hashlib.sha256(name.encode()).hexdigest()[:DIGEST_LENGTH]}"
    return name[: NAME_LENGTH - len(ending)] + ending


def short_values(values: Mapping[str, str], length: int) -> dict[str, str]:
    """The `values` by name, each cut to `length` characters."""
    return {name: value if len(value) <= length else value[: length - len(CUT)] + CUT for name, value in values.items()}
