"""A folder: ID.npy for each utterance, or ID/*.npy whose arrays follow each other in time."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from study.features.elsewhere.form import Arrays, require_path_names

SUFFIX = ".npy"


def open_folder(path: Path) -> Arrays:
    """The arrays of a folder: of its files, or, where all files are in folders of their own, of these folders."""
    files = {_name(path, file): [file] for file in sorted(path.rglob("*" + SUFFIX)) if file.is_file()}
    is_nested = all("/" in name for name in files)
    if is_nested and {name.split("/")[0] for name in files} != {"frames", "vectors"}:
        files = _by_folder(files)
    return Arrays(tuple(files), lambda name: _read(files[name]))


def write_folder(path: Path, arrays: Mapping[str, Tensor]) -> None:
    """A file for each array."""
    require_path_names(list(arrays))
    path.mkdir()
    for name, array in arrays.items():
        file = path / (name + SUFFIX)
        file.parent.mkdir(exist_ok=True)
        np.save(file, array.numpy(), allow_pickle=False)


def _name(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix().removesuffix(SUFFIX)


def _by_folder(files: Mapping[str, list[Path]]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for name, (file,) in files.items():
        found.setdefault(name.rpartition("/")[0], []).append(file)
    return {name: sorted(parts, key=_in_time) for name, parts in found.items()}


def _in_time(file: Path) -> list[tuple[int, str]]:
    """A key that sorts 2.npy before 10.npy."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", file.stem)]


def _read(files: list[Path]) -> NDArray[Any]:
    # Mapped, so that a header which claims more than the file holds is refused instead of allocated.
    arrays = [np.lib.format.open_memmap(file, mode="r") for file in files]
    if len(files) == 1:
        return arrays[0]
    if any(array.dtype.kind not in "fiu" for array in arrays):
        raise ValueError(f"arrays of {', '.join(sorted({str(array.dtype) for array in arrays}))}")
    return np.concatenate([array[None] if array.ndim == 1 else array for array in arrays])
