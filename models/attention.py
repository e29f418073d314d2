"""Multi-head attention between ragged streams: each utterance attends to its own frames and to no others."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from models.padding import Padding
from models.ragged_attention import attend_ragged
from models.streams import Stream


def attend(
    query: Float[Tensor, "queries heads width"],
    key: Float[Tensor, "keys heads width"],
    value: Float[Tensor, "keys heads width"],
    query_lengths: tuple[int, ...],
    key_lengths: tuple[int, ...],
    dropout: float = 0.0,
) -> Float[Tensor, "queries heads width"]:
    """Scaled dot-product attention within each utterance.

    `query_lengths` and `key_lengths` cut the frames into the same utterances in the same order. `dropout` is
    the probability of dropping an attention weight. On a CPU there is no work on padding, which in a random batch
    of speech would be most of it.
    """
    attended = attend_padded if query.is_cuda else attend_ragged
    return attended(query, key, value, query_lengths, key_lengths, dropout)


def attend_padded(
    query: Float[Tensor, "queries heads width"],
    key: Float[Tensor, "keys heads width"],
    value: Float[Tensor, "keys heads width"],
    query_lengths: tuple[int, ...],
    key_lengths: tuple[int, ...],
    dropout: float,
) -> Float[Tensor, "queries heads width"]:
    """The same in one call of PyTorch's function on padded frames: the way of a GPU, which waits for every call."""
    asking, answering = Padding(query_lengths, query.device), Padding(key_lengths, key.device)
    attended = scaled_dot_product_attention(
        asking.pad(query).transpose(1, 2),
        answering.pad(key).transpose(1, 2),
        answering.pad(value).transpose(1, 2),
        attn_mask=answering.real[:, None, None],
        dropout_p=dropout,
    )
    return asking.unpad(attended.transpose(1, 2))


class MultiHeadAttention(nn.Module):
    """`nn.MultiheadAttention` for ragged streams: same projections, same initial values, no padding, no mask."""

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
        """The target's frames, each rewritten as a mixture of the source's frames of the same utterance."""
        width = self.output.in_features
        weight, bias = self.project.weight, self.project.bias
        query = nn.functional.linear(target.frames, weight[:width], bias[:width])
        key, value = nn.functional.linear(source.frames, weight[width:], bias[width:]).chunk(2, dim=1)
        heads = (-1, self.n_heads, width // self.n_heads)
        attended = attend(
            query.view(heads),
            key.reshape(heads),
            value.reshape(heads),
            target.lengths,
            source.lengths,
            self.dropout if self.training else 0.0,
        )
        return target.with_frames(self.output(attended.flatten(1)))
