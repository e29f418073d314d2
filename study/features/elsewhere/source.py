"""A place with features of utterances, in any form: what is in it by id, one utterance at a time."""

import hashlib
import threading
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from study.corpus.quoting import one_line, path_text, quoted
from study.errors import UserError
from study.features.content import digest
from study.features.elsewhere.form import Arrays
from study.features.elsewhere.table import form_of
from study.features.encoder import HALF_MAX
from study.tensor_file import raw

# Where utterances have frames and a vector each, the names of their arrays begin with these.
FRAMES, VECTORS = "frames/", "vectors/"
# What is wrong with features that a source does not have.
ABSENT = "are not there"


class Unusable(ValueError):
    """Features of an utterance that cannot be used: `kind` is what is wrong, the text is what was found."""

    def __init__(self, kind: str, found: str) -> None:
        """Say what was `found`."""
        super().__init__(found)
        self.kind = kind


class Source:
    """The features in one place."""

    def __init__(self, path: Path) -> None:
        """Open what is at `path`; arrays are read later.

        Raises:
            UserError: it has none of the forms, it cannot be read, or has a name twice.
        """
        self.path = path
        self._lock = threading.Lock()  # readers of files are not made for several threads
        self._arrays = _opened(path)
        known = set(self._arrays.names)
        self._has_vectors = bool(known) and {name.partition("/")[0] + "/" for name in known} == {FRAMES, VECTORS}

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids that have frames."""
        names = self._arrays.names
        if not self._has_vectors:
            return frozenset(names)
        return frozenset(name.removeprefix(FRAMES) for name in names if name.startswith(FRAMES))

    def read(self, id: str) -> tuple[Float[Tensor, "time dim"], Float[Tensor, " dim"] | None]:
        """The frames of an utterance and its vector, in float16.

        Raises:
            Unusable: they cannot be read, or are none.
        """
        if not self._has_vectors:
            return _half(_frames(self._array(id))), None
        vector = _frames(self._array(VECTORS + id))
        if len(vector) != 1:
            raise Unusable("have a vector of several rows", f"{len(vector)} rows")
        return _half(_frames(self._array(FRAMES + id))), _half(vector)[0]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self._arrays.names)

    def _array(self, name: str) -> NDArray[Any]:
        if name not in self._known:
            raise Unusable(ABSENT, "no such name")
        try:
            with self._lock:
                return np.asarray(self._arrays.read(name))
        except Exception as error:  # of a form's library, for whatever the file has
            raise Unusable("cannot be read", one_line(error) or type(error).__name__) from error


def content_of(id: str, frames: Tensor, vector: Tensor | None) -> str:
    """A digest of an utterance's features, whatever form they came in."""
    parts = [frames, *([] if vector is None else [vector])]
    return digest([id, *(f"{list(part.shape)} {hashlib.sha256(raw(part)).hexdigest()}" for part in parts)])[:16]


def _opened(path: Path) -> Arrays:
    form = form_of(path)
    try:
        arrays = form.open(path)
    except UserError:
        raise
    except Exception as error:  # of the form's library, for whatever the file has
        raise UserError(
            f"features are needed in {path_text(path)}, and it cannot be read as {form.help} ({one_line(error)}); "
            "write it again"
        ) from error
    if not arrays.names:
        raise UserError(f"features are needed in {path_text(path)}, and it has no arrays; it should be {form.help}")
    if twice := [name for name, number in Counter(arrays.names).items() if number > 1]:
        raise UserError(
            f"an utterance has features once, found {quoted(twice[0])} twice in {path_text(path)}; remove one"
        )
    return arrays


def _frames(array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind not in "fiu":
        raise Unusable("are no numbers", f"type {array.dtype}")
    if array.ndim not in (1, 2) or not array.size:
        raise Unusable("are not [D] or [T, D]", f"shape {list(array.shape)}")
    with np.errstate(over="ignore"):  # a number that float32 cannot hold is infinite, and refused as such
        return np.atleast_2d(array).astype(np.float32)


def _half(values: NDArray[np.float32]) -> Float[Tensor, "time dim"]:
    # By numpy, in this thread: torch's threads wait for each other longer than these small arrays take.
    if not np.isfinite(values).all():
        raise Unusable("have values that are not finite", "nan or inf")
    largest = float(np.abs(values).max())
    if largest > HALF_MAX:
        raise Unusable(f"have values beyond {HALF_MAX:.0f}, which float16 cannot hold", f"{largest:g}")
    return torch.from_numpy(values.astype(np.float16))
