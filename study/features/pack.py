"""Features on disk: the frames of all utterances end to end in one file that every worker maps.

A pack is a sealed safetensors file (`study.tensor_file`) with the tensors `offsets` int64 [utterances + 1], `frames`
float16 [frames, dim] and, for text, `vectors` float16 [utterances, dim]; its metadata is one JSON object. This file
imports nothing heavy, because every training worker imports it.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor

from study.errors import UserError, first_line
from study.features.spec import bands_of
from study.plurals import counted
from study.tensor_file import Damaged, check_file, raw, sealed_header

FORMAT = "ser-study pack 2"
# The one key under which safetensors' string-to-string metadata carries our JSON.
METADATA_KEY = "pack"
TENSORS = ("offsets", "frames", "vectors")
HALF = torch.float16


@dataclass(frozen=True)
class Pack:
    """The features of a corpus's utterances by one encoder, mapped from a file and read as they are touched.

    Utterance i has the frames `frames[offsets[i]:offsets[i + 1]]`, at least one. `vectors` holds one vector per
    utterance where the encoder gives one. `metadata` names the encoder and corpus that they come from. The tensors
    are views of the file: treat them as read-only.
    """

    path: Path
    ids: tuple[str, ...]
    frames: Float[Tensor, "frames dim"]
    offsets: Int[Tensor, " utterances+1"]
    vectors: Float[Tensor, "utterances dim"] | None
    metadata: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> "Pack":
        """The pack in `path`, its header checked; frames are read when they are used.

        Raises:
            UserError: the file is missing, cut short, or is not a pack.
        """
        try:
            with safe_open(str(path), framework="pt") as file:
                metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, ""))
                if "sha256" not in (file.metadata() or {}):
                    raise ValueError("no checksum in its metadata")
                tensors = {name: file.get_tensor(name) for name in set(TENSORS).intersection(file.keys())}
            fault = _fault(metadata, tensors)
        except (SafetensorError, OSError, ValueError, RuntimeError, KeyError) as error:
            fault = first_line(error)
        if fault:
            raise UserError(
                f"a feature pack is needed in {path}, and this one cannot be used ({fault}); "
                "delete the file to have it extracted again"
            )
        return cls(
            path, tuple(metadata["ids"]), tensors["frames"], tensors["offsets"], tensors.get("vectors"), metadata
        )

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        """Sends a pack to another process as its path, so that all map one file instead of copying it."""
        return Pack.open, (self.path,)

    @property
    def dim(self) -> int:
        """Dimensions of a frame: of all its bands together, where it has several."""
        return self.frames.shape[1]

    @property
    def band_dim(self) -> int:
        """Dimensions of one band of a frame; of the frame, where it has no bands."""
        return self.dim // max(1, len(self.bands))

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the bands of layers that a frame holds side by side; none where it holds one state."""
        return _bands(self.metadata)

    @cached_property
    def lengths(self) -> Int[Tensor, " utterances"]:
        """The number of frames of each utterance."""
        return self.offsets.diff()

    @cached_property
    def _elsewhere(self) -> dict[torch.device, Float[Tensor, "frames dim"]]:
        return {}

    def on(self, device: torch.device) -> Float[Tensor, "frames dim"]:
        """The frames on `device`, copied there once; the mapped ones where that has no room for them."""
        if device.type == "cpu":
            return self.frames
        if device not in self._elsewhere:
            try:
                self._elsewhere[device] = self.frames.to(device)
            except torch.OutOfMemoryError:
                self._elsewhere[device] = self.frames
        return self._elsewhere[device]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {id: row for row, id in enumerate(self.ids)}

    def rows(self, ids: Sequence[str]) -> Int[Tensor, " wanted"]:
        """Where each of `ids` is in the pack.

        Raises:
            UserError: the pack lacks some of them.
        """
        missing = [id for id in ids if id not in self._row_of]
        if missing:
            raise UserError(
                f"features of {counted(len(ids), 'utterance')} are needed, {self.path} lacks {len(missing)} of them "
                f"({', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}); extract this corpus's features again"
            )
        return torch.tensor([self._row_of[id] for id in ids], dtype=torch.long)

    def as_single_frames(self) -> "Pack":
        """A pack in which each utterance's one frame is its vector; itself where that is all it has.

        Raises:
            UserError: there are several frames, and no vectors.
        """
        if self.vectors is None:
            if len(self.frames) == len(self.ids):
                return self
            raise UserError(
                f"one vector per utterance is needed, {self.path} has frames only; use a text encoder's pack, or "
                "features with vectors/ID beside frames/ID"
            )
        offsets = torch.arange(len(self.ids) + 1)
        return Pack(self.path, self.ids, self.vectors, offsets, self.vectors, self.metadata)

    def of(self, row: int) -> Float[Tensor, "time dim"]:
        """The frames of the utterance at `row`, as a view."""
        first, last = self.offsets[row : row + 2].tolist()
        return self.frames[first:last]

    def verify(self) -> None:
        """Reads the whole file once, ids and metadata included, and compares it with the checksum in its header.

        Raises:
            UserError: the file has changed since it was written.
        """
        try:
            check_file(self.path)
        except (Damaged, OSError) as error:
            raise UserError(
                f"the features in {self.path} do not match their checksum: the file has changed since it was "
                f"written ({error}); delete the file to have it extracted again"
            ) from None


def write_pack(
    path: Path,
    ids: Sequence[str],
    frames: Sequence[Float[Tensor, "_time dim"]],
    vectors: Sequence[Float[Tensor, " dim"]] | None,
    metadata: Mapping[str, object],
) -> None:
    """Writes a pack in one step: `path` either holds all of it or is untouched.

    `frames` and `vectors` hold one float16 tensor per utterance, which may be views of other packs: nothing is
    collected in memory. Equal input gives equal bytes. Two processes must not write the same `path` at once.

    Raises:
        ValueError: no utterances, repeated ids, an utterance without frames, or tensors that do not fit together.
    """
    _check_tensors(ids, frames, vectors)
    offsets = torch.tensor([0] + [len(each) for each in frames]).cumsum(0)
    contents = [raw(tensor) for tensor in (offsets, *frames, *(vectors or ()))]
    text = json.dumps({**metadata, "format": FORMAT, "ids": list(ids)}, sort_keys=True)
    shapes = {"offsets": (offsets.dtype, [len(ids) + 1]), "frames": (HALF, [int(offsets[-1]), frames[0].shape[1]])}
    if vectors is not None:
        shapes["vectors"] = (HALF, [len(ids), len(vectors[0])])
    unfinished = path.with_name(path.name + ".unfinished")
    with unfinished.open("wb") as file:
        file.write(sealed_header(shapes, {METADATA_KEY: text}, contents))
        file.writelines(contents)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def _check_tensors(ids: Sequence[str], frames: Sequence[Tensor], vectors: Sequence[Tensor] | None) -> None:
    if not ids or len(set(ids)) != len(ids):
        raise ValueError(f"a pack needs at least one utterance and no id twice; found {len(ids)} ids")
    if len(frames) != len(ids) or len({each.shape[1:] for each in frames}) != 1 or min(map(len, frames)) < 1:
        raise ValueError("a pack needs one [time, dim] tensor per utterance, none empty, all of one dim")
    if vectors is not None and (len(vectors) != len(ids) or len({each.shape for each in vectors}) != 1):
        raise ValueError("a pack needs one vector per utterance, all of one dim")
    if any(each.dtype != torch.float16 for each in [*frames, *(vectors or [])]):
        raise ValueError("a pack holds float16 only")


def _bands(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    encoder = metadata.get("encoder")
    return bands_of(encoder.get("layer")) if isinstance(encoder, Mapping) else ()


def _fault(metadata: Any, tensors: Mapping[str, Tensor]) -> str:
    """What keeps this from being a pack, or nothing."""
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        return f"no {FORMAT!r} in its metadata"
    ids, frames, offsets = metadata.get("ids"), tensors.get("frames"), tensors.get("offsets")
    if not isinstance(ids, list) or not ids or not all(isinstance(id, str) for id in ids) or len(set(ids)) != len(ids):
        return "no list of unique utterance ids in its metadata"
    if frames is None or frames.dtype != torch.float16 or frames.ndim != 2 or frames.shape[1] < 1:
        return "no float16 tensor `frames` of two axes"
    if offsets is None or offsets.dtype != torch.int64 or tuple(offsets.shape) != (len(ids) + 1,):
        return f"no int64 tensor `offsets` for its {counted(len(ids), 'utterance')}"
    if int(offsets[0]) != 0 or int(offsets[-1]) != len(frames) or not bool((offsets.diff() > 0).all()):
        return "offsets that do not divide its frames among the utterances"
    if frames.shape[1] % max(1, len(_bands(metadata))):
        return f"frames of {frames.shape[1]} dimensions for {len(_bands(metadata))} equal bands"
    vectors = tensors.get("vectors")
    if vectors is not None and (
        vectors.dtype != torch.float16 or vectors.shape[:1] != (len(ids),) or vectors.ndim != 2
    ):
        return f"vectors that do not fit its {counted(len(ids), 'utterance')}"
    return ""
