"""What is known of recordings that were decoded before, so that a command run again does not decode them again."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path

from study.corpus.recordings import Recording
from study.files import write_file

_TYPES = {"int": int, "float": float, "bool": bool, "str": str}


def read_recordings(path: Path) -> dict[str, Recording]:
    """The recordings in a file that `write_recordings` wrote; none where it is missing or damaged."""
    with suppress(OSError, ValueError, RecursionError, AttributeError, TypeError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: Recording(**facts) for key, facts in found.items() if _is_recording(facts)}
    return {}


def write_recordings(path: Path, recordings: dict[str, Recording]) -> None:
    """Write recordings by key; without a place to write, they are decoded again next time."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps({key: asdict(each) for key, each in recordings.items()}))


def _is_recording(facts: dict[str, object]) -> bool:
    types = {each.name: _TYPES[str(each.type)] for each in fields(Recording)}
    fits = facts.keys() == types.keys() and all(type(facts[name]) is kind for name, kind in types.items())
    return fits and facts["rate_hz"] != 0
