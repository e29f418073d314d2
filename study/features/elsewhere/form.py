"""What a form of features is: how arrays of utterances lie in files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from study.corpus.quoting import quoted
from study.errors import UserError

# File systems take names of 255 bytes, and a suffix follows.
NAME_BYTES = 200


@dataclass(frozen=True)
class Arrays:
    """Arrays by name, read one at a time.

    `names` are in the order of the files. `read` gives the array of a name; what it raises is its library's.
    """

    names: Sequence[str]
    read: Callable[[str], NDArray[Any]]


@dataclass(frozen=True)
class Form:
    """A row of the table of forms.

    Attributes:
        help: what it is, for messages.
        suffixes: of its files, that of a written one first; none for a folder.
        open: the arrays in a place; what it raises is its library's, or a UserError.
        write: puts float16 tensors, by name, into a place where nothing is.
        extra: the extra that it needs installed, and that extra's package; empty for none.
    """

    help: str
    suffixes: tuple[str, ...]
    open: Callable[[Path], Arrays]
    write: Callable[[Path, Mapping[str, Tensor]], None]
    extra: tuple[str, ...] = ()


def array_of(tensor: Tensor) -> NDArray[Any]:
    """A tensor of any type as an array; bfloat16, which numpy has not, as float32.

    Raises:
        ValueError: it has complex numbers, or is sparse.
    """
    if tensor.is_complex() or tensor.is_sparse or tensor.is_quantized:
        raise ValueError(f"a tensor of type {tensor.dtype} and layout {tensor.layout}")
    return np.asarray(tensor.detach().float().numpy())


def require_path_names(names: Sequence[str]) -> None:
    """Make sure that names can be those of files, below frames/ and vectors/ or not.

    Raises:
        UserError: one cannot.
    """
    for name in names:
        id = name.removeprefix("frames/").removeprefix("vectors/")
        if id in ("", ".", "..") or "/" in id or "\0" in id or len(id.encode(errors="replace")) > NAME_BYTES:
            raise UserError(
                f"files of this form bear the ids of utterances, and {quoted(id)} cannot be a file's name; "
                "choose another form, such as --to npz"
            )
