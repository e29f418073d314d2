"""One path or several, as they are typed for an option: "A,B"."""

from __future__ import annotations

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
    return tuple(dict.fromkeys(map(Path, found)))


def _is_there(text: str, base: Path) -> bool:
    try:
        return bool(text.strip()) and (base / Path(text).expanduser()).exists()
    except (OSError, RuntimeError, ValueError):  # a text that no path can be, or a home that nothing is
        return False


def paths_of(option: Option, text: str, base: Path) -> tuple[Path, ...]:
    """The paths that were typed for an option that takes one, or several; relative ones are seen from `base`."""
    return several_paths(text, base) if option.read is several_paths else (Path(text),)
