"""What is known of recordings and films that were decoded before: a command run again does not decode them again."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path

from study.corpus.described import Pictures, Recording
from study.files import write_file

_TYPES = {"int": int, "float": float, "bool": bool, "str": str}


def read_recordings(path: Path) -> dict[str, Recording | Pictures]:
    """The recordings and films in a file that `write_recordings` wrote; none where it is missing or damaged."""
    with suppress(OSError, ValueError, RecursionError, AttributeError, TypeError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            key: kind(**facts) for key, facts in found.items() for kind in (Recording, Pictures) if _fits(facts, kind)
        }
    return {}


def write_recordings(path: Path, recordings: dict[str, Recording | Pictures]) -> None:
    """Write recordings by key; without a place to write, they are decoded again next time."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps({key: asdict(each) for key, each in recordings.items()}))


def _fits(facts: dict[str, object], kind: type[Recording | Pictures]) -> bool:
    types = {each.name: _TYPES[str(each.type)] for each in fields(kind)}
    fits = facts.keys() == types.keys() and all(type(facts[name]) is own for name, own in types.items())
    return fits and facts.get("rate_hz") != 0
