"""Values of cells: numbers, seconds and votes."""

import json
import math
import re

# As pandas and audformat write a length of time: "0 days 00:00:01.500000".
_DAYS = re.compile(r"(\d+) days? (\d\d):(\d\d):(\d\d(?:\.\d+)?)")
_CLOCK = re.compile(r"\d+:\d\d(:\d\d)?([.,]\d+)?")


def number_of(cell: str) -> float | None:
    """A finite number; None for anything else."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def seconds_of(cell: str) -> float | None:
    """Seconds, 0 or more, as a number or as "0 days 00:00:01.5"; None for anything else."""
    if match := _DAYS.fullmatch(cell):
        days, hours, minutes, seconds = match.groups()
        return ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(seconds)
    value = number_of(cell)
    return value if value is not None and value >= 0 else None


def is_clock(cell: str) -> bool:
    """Whether a cell is a time such as 00:16:16,059: in which recording, or on which day, cannot be known."""
    return _CLOCK.fullmatch(cell) is not None


def is_whole_file(start: str, end: str) -> bool:
    """Whether a span goes from 0 to NaT, as audformat writes that the file is the utterance."""
    return end == "NaT" and seconds_of(start) == 0


def votes_of(cell: str) -> dict[str, int] | None:
    """Counts by label; empty for an empty cell, None for anything that is not votes."""
    if not cell:
        return {}
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(type(n) is int and n >= 0 for n in found.values()):
        return None
    return found
