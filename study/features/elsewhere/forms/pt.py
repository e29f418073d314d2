"""One file of `torch.save`: a dictionary with a tensor for each utterance."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from study.errors import UserError
from study.features.elsewhere.form import Arrays, array_of


def open_pt(path: Path) -> Arrays:
    """The arrays of the file, which is read as data: nothing in it is run.

    Raises:
        UserError: it is another thing than a dictionary of tensors.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:
        if type(error).__name__ != "UnpicklingError":  # of a module that nothing here imports
            raise
        raise UserError(
            f"{path} needs code of its own to be read, and none is run; save a dictionary of tensors by "
            "torch.save({id: tensor, ...}, PATH) where the code is trusted"
        ) from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise UserError(f"{path} needs a dictionary of tensors by utterance id, found {type(found).__name__}")
    if others := [type(value).__name__ for value in found.values() if not isinstance(value, Tensor)]:
        raise UserError(f"{path} needs a tensor for each utterance id, found {others[0]}; save tensors alone")
    return Arrays(list(found), lambda name: array_of(found[name]))


def write_pt(path: Path, arrays: Mapping[str, Tensor]) -> None:
    """A file of all arrays."""
    torch.save({name: array.clone() for name, array in arrays.items()}, path)
