"""One safetensors file with a tensor for each utterance."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from study.errors import UserError
from study.features.elsewhere.form import Arrays, array_of
from study.tensor_file import sealed_pieces

# Not the id of an utterance in this form: the key of the metadata.
RESERVED = "__metadata__"


def open_safetensors(path: Path) -> Arrays:
    """The arrays of the file."""
    file: Any = safe_open(str(path), framework="pt")

    def read(name: str) -> NDArray[Any]:
        return array_of(file.get_tensor(name))

    return Arrays(list(file.keys()), read)


def write_safetensors(path: Path, arrays: Mapping[str, Tensor]) -> None:
    """A file of all arrays."""
    if RESERVED in arrays:
        raise UserError(f"{RESERVED} names no tensor in a safetensors file; choose another form, such as --to npz")
    with path.open("wb") as file:
        file.writelines(sealed_pieces(arrays, {}))
