"""One HDF5 file with a dataset for each utterance."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from study.features.elsewhere.form import Arrays, require_path_names


def open_hdf5(path: Path) -> Arrays:
    """The arrays of the file; links to other files are not followed."""
    import h5py

    file, names = h5py.File(path, "r"), list[str]()

    def visit(name: str, found: object) -> None:
        if isinstance(found, h5py.Dataset):
            names.append(name)

    file.visititems(visit)

    def read(name: str) -> NDArray[Any]:
        dataset = file[name]
        if dataset.external or dataset.is_virtual:
            raise ValueError("its values are in other files")
        return np.asarray(dataset[()])

    return Arrays(names, read)


def write_hdf5(path: Path, arrays: Mapping[str, Tensor]) -> None:
    """A file of all arrays."""
    import h5py

    require_path_names(list(arrays))
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array.numpy())
