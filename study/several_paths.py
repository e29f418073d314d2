"""Paths as they are typed for an option: one, several ("A,B"), or one with its kind ("meld:A")."""

from __future__ import annotations

import os
import re
from pathlib import Path

from study.option import Option


def several_paths(text: str, base: Path = Path()) -> tuple[Path, ...]:
    """The paths of "A,B"; a comma is part of a name where something has that name, seen from `base`.

    Raises:
        ValueError: one is empty.
    """
    items, found = text.split(","), list[str]()
    while items:
        joined = [",".join(items[:number]) for number in range(len(items), 0, -1)]
        item = next((each for each in joined if _is_there(each, base)), items[0])
        if not item.strip():
            raise ValueError(text)
        found.append(item)
        del items[: item.count(",") + 1]
    return tuple(map(Path, found))


def expanded(text: str) -> Path:
    """The path with the home folder in the place of its "~"; as it is where nothing has that home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _is_there(text: str, base: Path) -> bool:
    try:
        return bool(text.strip()) and (base / expanded(text)).exists()
    except (OSError, ValueError):  # a text that no path can be
        return False


def kind_and_path(text: str, base: Path = Path()) -> tuple[str, str]:
    """The kind and the path in "meld:A"; "" and the text where it begins with no kind, or something has it as its name.

    A kind has two characters or more, so that "C:" is a drive. `base` is where relative paths are seen from.
    """
    match = re.fullmatch(r"([A-Za-z][A-Za-z0-9-]+):(.+)", text, re.DOTALL)
    return (match[1].lower(), match[2]) if match and not _is_there(text, base) else ("", text)


def absolute(option: Option, text: str, base: Path = Path()) -> str:
    """One path that was typed for an option as it would be typed anywhere: absolute, after its kind if it has one.

    It has no "..", which would need all folders to exist. Relative paths are seen from `base`.
    """
    kind, path = kind_and_path(text, base) if option.has_kind else ("", text)
    found = os.path.normpath(base.absolute() / expanded(path))
    return f"{kind}:{found}" if kind else found


def paths_of(option: Option, text: str, base: Path) -> tuple[Path, ...]:
    """The paths that were typed for an option that takes one, or several; relative ones are seen from `base`."""
    return several_paths(text, base) if option.read is several_paths else (Path(text),)
