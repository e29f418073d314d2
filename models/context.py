"""What happens to a stream before fusion: encoder frames in, frames of the model's width out."""

from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor, nn

from models.recurrence import scan_padded, scan_together
from models.streams import Stream

ContextRule = Literal["gru", "linear"]


class BidirectionalGRU(nn.Module):
    """One recurrent layer in both directions; half of the width each.

    The backward direction is the same scan over each utterance's frames in reverse.
    """

    def __init__(self, dim: int, width: int) -> None:
        """Map frames of `dim` to `width` dimensions.

        Raises:
            ValueError: the width is odd.
        """
        super().__init__()
        if width % 2:
            raise ValueError(f"a bidirectional layer needs an even width; got {width}")
        self.ahead = nn.GRU(dim, width // 2, batch_first=True)
        self.back = nn.GRU(dim, width // 2, batch_first=True)

    def forward(self, stream: Stream) -> Stream:
        """The stream with each frame rewritten in the light of its utterance."""
        order = reversed_order(stream)
        if not stream.frames.is_cuda:
            return stream.with_frames(scan_together([self.ahead, self.back], stream, [order[order], order]))
        ahead = scan_padded(self.ahead, stream)
        back = scan_padded(self.back, stream.with_frames(stream.frames[order]))[order]
        return stream.with_frames(torch.cat([ahead, back], dim=1))


def reversed_order(stream: Stream) -> Int[Tensor, " frames"]:
    """Indices that reverse the frames within each utterance; applied twice they change nothing."""
    lengths = torch.tensor(stream.lengths, device=stream.frames.device)
    first = lengths.cumsum(0) - lengths
    last = first + lengths - 1
    position = torch.arange(len(stream.frames), device=stream.frames.device)
    return (first + last)[stream.owner] - position


def context_layer(rule: ContextRule, dim: int, width: int) -> nn.Module:
    """A module from Stream to Stream: "gru" (published) or "linear" (frames stay alone)."""
    return BidirectionalGRU(dim, width) if rule == "gru" else FrameProjection(dim, width)


class FrameProjection(nn.Module):
    """A linear map of every frame: enough where the encoder's frames already know their context."""

    def __init__(self, dim: int, width: int) -> None:
        """Map frames of `dim` to `width` dimensions."""
        super().__init__()
        self.linear = nn.Linear(dim, width)

    def forward(self, stream: Stream) -> Stream:
        """The stream with every frame mapped."""
        return stream.map(self.linear)
