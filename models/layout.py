"""Where the frames of a batch are: indices that the host makes, and one copy of all of them to a GPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

# Tensors begin at multiples of this many bytes in what is copied to a GPU.
ALIGNMENT = 16


@dataclass(frozen=True)
class Padding:
    """A padded batch of utterances in one direction, its places [utterances * longest] row by row.

    Attributes:
        places: the place of each frame, which no other frame has.
        filled: the frame at each place; any frame where there is none, because what stands there is never read.
        longest: places of each utterance.
    """

    places: Int[Tensor, " frames"]
    filled: Int[Tensor, " places"]
    longest: int

    def pad(self, frames: Float[Tensor, "frames dim"]) -> Float[Tensor, "utterances time dim"]:
        """The frames in their places."""
        padded: Tensor = _Padded.apply(frames, self.filled, self.places)  # type: ignore[no-untyped-call]
        return padded.view(-1, self.longest, frames.shape[1])

    def unpad(self, padded: Float[Tensor, "utterances time dim"]) -> Float[Tensor, "frames dim"]:
        """The frames from their places."""
        return taken(padded.flatten(0, 1), self.places)


@dataclass(frozen=True)
class Layout:
    """Where the frames of a batch of utterances are, end to end and padded, as indices on their device.

    Attributes:
        offsets: the first frame of each utterance, and the number of all frames.
        owner: the utterance of each frame.
        last: the last frame of each utterance.
        ahead: a padded batch with the frames of each utterance in their order.
        back: a padded batch with the frames of each utterance reversed.
    """

    offsets: Int[Tensor, " bounds"]
    owner: Int[Tensor, " frames"]
    last: Int[Tensor, " utterances"]
    ahead: Padding
    back: Padding

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All indices, as `at` takes them."""
        padded = (self.ahead.places, self.ahead.filled, self.back.places, self.back.filled)
        return self.offsets, self.owner, self.last, *padded

    def at(self, tensors: Sequence[Tensor]) -> "Layout":
        """This layout with `tensors` in place of its own: their copies on a device."""
        offsets, owner, last, ahead, ahead_filled, back, back_filled = tensors
        longest = self.ahead.longest
        return Layout(offsets, owner, last, Padding(ahead, ahead_filled, longest), Padding(back, back_filled, longest))

    def on(self, device: torch.device) -> "Layout":
        """This layout on `device`."""
        return self if device.type == "cpu" else self.at(upload(self.tensors, device))


def layout_of(lengths: Sequence[int]) -> Layout:
    """The layout on the host of utterances of so many frames."""
    sizes, longest, total = torch.tensor(lengths), max(lengths), sum(lengths)
    ends = sizes.cumsum(0)
    owner = torch.repeat_interleave(torch.arange(len(lengths)), sizes, output_size=total)
    frames = torch.arange(total)
    row = owner * longest
    ahead = row + frames - (ends - sizes)[owner]
    back = row + (ends - 1)[owner] - frames
    # Attention takes offsets of 32 bits.
    offsets = torch.nn.functional.pad(ends, (1, 0)).int()
    paddings = (Padding(places, _filled(places, len(lengths) * longest), longest) for places in (ahead, back))
    return Layout(offsets, owner, ends - 1, *paddings)


def _filled(places: Int[Tensor, " frames"], n_places: int) -> Int[Tensor, " places"]:
    found = torch.zeros(n_places, dtype=torch.long)
    found[places] = torch.arange(len(places))
    return found


def upload(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Copies on `device` of tensors of the host, in one transfer that the host does not wait for.

    Only a copy from pinned memory lets the host go on. PyTorch keeps that memory until the copy has ended.
    """
    sizes = [-(-tensor.nbytes // ALIGNMENT) * ALIGNMENT for tensor in tensors]
    buffer = torch.empty(sum(sizes), dtype=torch.uint8, pin_memory=device.type == "cuda")
    for tensor, place in zip(tensors, _views(buffer, sizes, tensors), strict=True):
        place.copy_(tensor)
    return _views(buffer.to(device, non_blocking=True), sizes, tensors)


def _views(buffer: Tensor, sizes: Sequence[int], like: Sequence[Tensor]) -> list[Tensor]:
    """The pieces of a buffer of bytes, in the types and shapes of `like`."""
    return [
        piece[: tensor.nbytes].view(tensor.dtype).view(tensor.shape)
        for piece, tensor in zip(buffer.split(sizes), like, strict=True)
    ]


def taken(rows: Float[Tensor, "rows dim"], index: Int[Tensor, " taken"]) -> Float[Tensor, "taken dim"]:
    """The rows at `index`, none of which is taken twice.

    PyTorch's own selection allows repeated rows, so its backward pass adds with atomic operations, in an order that a
    GPU leaves to chance.
    """
    return _Taken.apply(rows, index)  # type: ignore[no-any-return,no-untyped-call]


class _Taken(torch.autograd.Function):
    """Rows by index; the backward pass writes each to the one place that it was taken from."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor) -> Tensor:
        """The row `index[i]` at each place i."""
        ctx.save_for_backward(index)
        ctx.n_rows = len(rows)
        return rows.index_select(0, index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """The gradient in its rows, and zeros in rows that were not taken."""
        (index,) = ctx.saved_tensors
        return grad.new_zeros(ctx.n_rows, grad.shape[1]).index_copy_(0, index, grad), None


class _Padded(torch.autograd.Function):
    """Frames into padded places; the backward pass reads the places that hold frames."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, filled: Tensor, places: Tensor) -> Tensor:
        """The frame `filled[i]` at each place i."""
        ctx.save_for_backward(places)
        return frames.index_select(0, filled)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of each frame, from its own place."""
        (places,) = ctx.saved_tensors
        return grad.index_select(0, places), None, None
