"""Streams whose utterances have a few rows more behind their frames, without a copy from the host to a GPU."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.layout import Layout, Padding, taken
from models.streams import Stream


@dataclass(frozen=True)
class RowsBehind:
    """Where the rows of a stream are when each utterance has as many more behind its frames.

    Attributes:
        lengths: frames and further rows of each utterance.
        layout: that of `lengths` on a GPU, None on a CPU, which makes what it needs.
        frames: the row of each frame.
        more: the row of each further one.
        order: at each row, the place of its content among all frames followed by all further rows.
    """

    lengths: tuple[int, ...]
    layout: Layout | None
    frames: Int[Tensor, " frames"]
    more: Int[Tensor, " more"]
    order: Int[Tensor, " rows"]

    def joined(self, stream: Stream, more: Float[Tensor, "batch more width"]) -> Stream:
        """Each utterance's frames, and its further rows behind them."""
        rows = taken(torch.cat([stream.frames, more.flatten(0, 1)]), self.order)
        return Stream(rows, self.lengths, self.layout)

    def separated(self, stream: Stream, both: Stream) -> tuple[Stream, Float[Tensor, "batch more width"]]:
        """What `joined` has put together, for the `stream` that it was given."""
        more = taken(both.frames, self.more)
        return stream.with_frames(taken(both.frames, self.frames)), more.view(len(self.lengths), -1, more.shape[1])


def rows_behind(stream: Stream, n: int) -> RowsBehind:
    """The rows of `stream` with `n` more for each utterance."""
    offsets, owner = stream.offsets.long(), stream.owner
    frames = _numbers(len(owner), owner) + n * owner
    utterances = _numbers(len(stream.lengths), owner)
    more = ((offsets[1:] + n * utterances).unsqueeze(1) + _numbers(n, owner)).flatten()
    order = _inverse(torch.cat([frames, more]))
    lengths = tuple(length + n for length in stream.lengths)
    layout = None
    if stream.frames.is_cuda:
        owners = torch.cat([owner, utterances.unsqueeze(1).expand(-1, n).flatten()])[order]
        layout = _layout(offsets + n * _numbers(len(offsets), owner), owners, max(lengths))
    return RowsBehind(lengths, layout, frames, more, order)


def _layout(offsets: Int[Tensor, " bounds"], owner: Int[Tensor, " rows"], longest: int) -> Layout:
    """As `layout_of`, from what is on a device already."""
    rows, last = _numbers(len(owner), owner), offsets[1:] - 1
    ahead = owner * longest + rows - offsets[owner]
    back = owner * longest + last[owner] - rows
    n_places = len(last) * longest
    paddings = (Padding(places, _inverse(places, n_places), longest) for places in (ahead, back))
    return Layout(offsets.int(), owner, last, *paddings)


def _numbers(n: int, like: Tensor) -> Int[Tensor, " n"]:
    return torch.arange(n, device=like.device)


def _inverse(places: Int[Tensor, " rows"], n_places: int | None = None) -> Int[Tensor, " places"]:
    """The row at each place; zero where there is none."""
    found = places.new_zeros(n_places or len(places))
    return found.index_copy_(0, places, _numbers(len(places), places))
