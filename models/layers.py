"""Layers over streams: context layers (encoder frames to the model's width) and multi-head attention."""

from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor, nn

from models.kernels.attention import attend
from models.kernels.gru import scan_both_ways, scan_together
from models.streams import Stream

ContextRule = Literal["gru", "linear"]


class BidirectionalGRU(nn.Module):
    """One recurrent layer in both directions, each with half of the width.

    The backward direction scans each utterance's frames in reverse.
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
        """The stream with every frame replaced by the hidden states at it, forward and backward."""
        if stream.frames.is_cuda:
            return stream.with_frames(scan_both_ways(self.ahead, self.back, stream))
        order = reversed_order(stream)
        return stream.with_frames(scan_together([self.ahead, self.back], stream, [order[order], order]))


def reversed_order(stream: Stream) -> Int[Tensor, " frames"]:
    """Indices on the host that reverse the frames within each utterance; they are their own inverse."""
    lengths = torch.tensor(stream.lengths)
    first = lengths.cumsum(0) - lengths
    last = first + lengths - 1
    return (first + last)[stream.owner] - torch.arange(len(stream.frames))


def context_layer(rule: ContextRule, dim: int, width: int) -> nn.Module:
    """A module from Stream to Stream: "gru" (published) or "linear" (every frame by itself)."""
    return BidirectionalGRU(dim, width) if rule == "gru" else FrameProjection(dim, width)


class FrameProjection(nn.Module):
    """A linear map of every frame: sufficient if the encoder's frames already contain their context."""

    def __init__(self, dim: int, width: int) -> None:
        """Map frames of `dim` to `width` dimensions."""
        super().__init__()
        self.linear = nn.Linear(dim, width)

    def forward(self, stream: Stream) -> Stream:
        """The stream with every frame mapped."""
        return stream.map(self.linear)


class MultiHeadAttention(nn.Module):
    """`nn.MultiheadAttention` for ragged streams: equal projections and initial values, no padding, no mask."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        """Split `width` evenly over `n_heads`; drop attention weights with probability `dropout`.

        Raises:
            ValueError: the width is no multiple of the number of heads, or every weight would be dropped.
        """
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1; got {dropout}")
        if width % n_heads:
            raise ValueError(f"width must be a multiple of n_heads; got {width} and {n_heads}")
        self.n_heads = n_heads
        self.dropout = dropout
        # One matrix for query, key and value, so that its Xavier bound is the one of nn.MultiheadAttention.
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        nn.init.zeros_(self.output.bias)

    def forward(self, target: Stream, source: Stream) -> Stream:
        """The target's stream: every frame attends to the source's frames of its utterance."""
        width = self.output.in_features
        weight, bias = self.project.weight, self.project.bias
        query = nn.functional.linear(target.frames, weight[:width], bias[:width])
        key, value = nn.functional.linear(source.frames, weight[width:], bias[width:]).chunk(2, dim=1)
        heads = (-1, self.n_heads, width // self.n_heads)
        attended = attend(
            query.view(heads),
            key.reshape(heads),
            value.reshape(heads),
            target,
            source,
            self.dropout if self.training else 0.0,
        )
        return target.with_frames(self.output(attended.flatten(1)))
