"""Imports the project's other packages whatever the working directory holds: many folders have a package `models`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from study.errors import UserError

PACKAGES = ("models", "search_spaces")


def import_own_packages() -> None:
    """Import the packages that are installed beside this one; modules of theirs are then found in them.

    Raises:
        UserError: this process has imported others of these names.
    """
    beside = Path(__file__).resolve().parents[1]
    sys.path.insert(0, str(beside))
    try:
        for name in PACKAGES:
            found = importlib.import_module(name)
            places = [Path(place).resolve() for place in getattr(found, "__path__", ())]
            if beside / name not in places:
                raise UserError(
                    f"the project's package {name} is in {beside}, and this process has imported another one "
                    f"({found.__file__ or name}); start a new one, and call study.results before importing that"
                )
    finally:
        sys.path.remove(str(beside))
