"""Transformer layers over streams: positions, a block, and several blocks in turn."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.layers import MultiHeadAttention
from models.streams import Stream

LONGEST_WAVE = 10_000.0


class TransformerBlock(nn.Module):
    """Attention and a feed-forward network, each behind a layer norm and beside a residual connection.

    Source: Vaswani et al., "Attention is all you need", NeurIPS 2017, with its layer norms before the layers, as in
    the code of Tsai et al., ACL 2019. Target and source share a norm, as there.
    """

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        """For frames of `width` dimensions; `dropout` is of attention weights, hidden units and residual branches."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, n_heads, dropout)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, target: Stream, source: Stream | None = None) -> Stream:
        """The target's stream after its frames have attended to those of `source`, or to each other without one."""
        query = target.map(self.norm)
        attended = self.attention(query, query if source is None else source.map(self.norm))
        frames = target.frames + self.dropout(attended.frames)
        return target.with_frames(frames + self.dropout(self.feed_forward(frames)))


class Transformer(nn.Module):
    """Several blocks in turn, and a last layer norm."""

    def __init__(self, width: int, n_heads: int, n_layers: int, dropout: float) -> None:
        """`n_layers` blocks; see `TransformerBlock`."""
        super().__init__()
        self.blocks = nn.ModuleList(TransformerBlock(width, n_heads, dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, target: Stream, source: Stream | None = None) -> Stream:
        """The target's stream after every block; each attends to the same `source`, or to its own input without."""
        for block in self.blocks:
            target = block(target, source)
        return target.map(self.norm)


def with_positions(stream: Stream) -> Stream:
    """The frames times the root of their width, plus waves of their place in the utterance.

    Source: Vaswani et al., NeurIPS 2017, sections 3.4 and 3.5.
    """
    frames = stream.frames
    return stream.with_frames(frames * frames.shape[1] ** 0.5 + _waves(max(stream.lengths), frames)[stream.places])


def _waves(longest: int, like: Float[Tensor, "frames width"]) -> Float[Tensor, "time width"]:
    width = like.shape[1]
    places = torch.arange(longest, device=like.device, dtype=like.dtype)
    rates = LONGEST_WAVE ** -(torch.arange(0, width, 2, device=like.device, dtype=like.dtype) / width)
    angles = torch.outer(places, rates)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]
