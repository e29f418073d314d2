"""One .npz file with an array for each utterance.

It is read as the zip file of .npy files that it is: numpy's own reader takes some names for others ("file", "a.npy").
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from study.features.elsewhere.form import Arrays

SUFFIX = ".npy"


def open_npz(path: Path) -> Arrays:
    """The arrays of the file."""
    archive = zipfile.ZipFile(path)

    def read(name: str) -> NDArray[Any]:
        with archive.open(name + SUFFIX) as member:
            array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
            member.read()  # the checksum is compared at the end
            return array

    return Arrays([name.removesuffix(SUFFIX) for name in archive.namelist() if name.endswith(SUFFIX)], read)


def write_npz(path: Path, arrays: Mapping[str, Tensor]) -> None:
    """A file of all arrays, as `numpy.savez` writes it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            # A fixed time, so that equal features give equal files.
            with archive.open(zipfile.ZipInfo(name + SUFFIX), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array.numpy(), allow_pickle=False)
