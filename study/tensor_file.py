"""Sealed files of tensors: safetensors files whose header begins with a checksum of every byte of the file.

Any safetensors reader reads them. They are written piece by piece, so that nothing is collected in memory: the
library's own writer copies every tensor twice.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

CHUNK_BYTES = 8 << 20
# How the header of a sealed file begins; 64 hexadecimal digits follow, which are zeros where they are computed.
BEGINNING = b'{"__metadata__": {"sha256": "'
DIGITS = 64
LENGTH = struct.Struct("<Q")  # of the JSON that follows
TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
Shapes = Mapping[str, tuple[torch.dtype, Sequence[int]]]


class Damaged(ValueError):
    """Bytes that are no sealed file, or not all of one, or not as they were written."""


def sealed_header(shapes: Shapes, metadata: Mapping[str, str], contents: Iterable[memoryview]) -> bytes:
    """The bytes that belong before `contents`, the tensors of these types and shapes end to end.

    Source: the safetensors format: the header's length in 8 bytes, JSON padded with spaces, then the tensors.
    """
    entries: dict[str, object] = {"__metadata__": {"sha256": "0" * DIGITS, **metadata}}
    start = 0
    for name, (dtype, shape) in shapes.items():
        end = start + dtype.itemsize * torch.Size(shape).numel()
        entries[name] = {"dtype": TYPES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    head = LENGTH.pack(len(text)) + text
    return _with_digits(head, _checksum(head, contents))


def sealed_pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """A sealed file of `tensors` as the pieces that are written one after the other."""
    # Types of more bytes first, so that each tensor begins at a multiple of its type's size.
    ordered = dict(sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize))
    contents = [raw(tensor) for tensor in ordered.values()]
    shapes = {name: (tensor.dtype, tensor.shape) for name, tensor in ordered.items()}
    return [sealed_header(shapes, metadata, contents), *contents]


def raw(tensor: Tensor) -> memoryview:
    """The bytes of a tensor; not copied if it is contiguous and on the CPU."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def sealed_metadata(content: bytes) -> dict[str, str]:
    """The metadata of a sealed file.

    Raises:
        Damaged: `content` is no sealed file, or not as it was written.
    """
    length = LENGTH.unpack(content[: LENGTH.size])[0] if len(content) >= LENGTH.size else 0
    end = min(LENGTH.size + length, len(content))
    _check(content[:end], [memoryview(content)[end:]])
    metadata: dict[str, str] = json.loads(content[LENGTH.size : end])["__metadata__"]
    return metadata


def check_file(path: Path) -> None:
    """Make sure, reading it once, that the file is sealed and as it was written.

    Raises:
        Damaged: it is not.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(LENGTH.size)
        length = LENGTH.unpack(start)[0] if len(start) == LENGTH.size else 0
        head = start + file.read(min(length, path.stat().st_size))
        _check(head, iter(lambda: memoryview(file.read(CHUNK_BYTES)), b""))


def _check(head: bytes, contents: Iterable[memoryview]) -> None:
    first = LENGTH.size + len(BEGINNING)
    if head[LENGTH.size : first] != BEGINNING:
        raise Damaged("it has no checksum")
    found = head[first : first + DIGITS]
    if _checksum(_with_digits(head, "0" * DIGITS), contents).encode() != found:
        raise Damaged("it does not match its checksum")


def _checksum(head: bytes, contents: Iterable[memoryview]) -> str:
    state = hashlib.sha256(head)
    for content in contents:
        state.update(content)
    return state.hexdigest()


def _with_digits(head: bytes, digits: str) -> bytes:
    first = LENGTH.size + len(BEGINNING)
    return head[:first] + digits.encode() + head[first + DIGITS :]
