"""Scaled dot-product attention within each utterance: padded on a GPU, ragged with its own backward pass on a CPU.

The CPU kernel is several times as fast as one call of PyTorch's function per utterance, for two reasons: scores are
computed for few enough queries at a time to stay in the processor's cache, and dropout takes 16 random bits per weight
instead of a random float.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import scaled_dot_product_attention

from models.kernels.padding import Padding

# Scores that are computed at once: 1 MB in float32, about the size of a core's second-level cache.
SCORES = 2**18
# Fewer queries than this at a time would make the matrix products slow.
FEWEST_QUERIES = 16
# Weights are dropped by comparing 16 random bits with a threshold, so probabilities are multiples of 2^-16.
LEVELS = 2**16


def attend(
    query: Float[Tensor, "queries heads width"],
    key: Float[Tensor, "keys heads width"],
    value: Float[Tensor, "keys heads width"],
    query_lengths: tuple[int, ...],
    key_lengths: tuple[int, ...],
    dropout: float = 0.0,
) -> Float[Tensor, "queries heads width"]:
    """Scaled dot-product attention within each utterance.

    `query_lengths` and `key_lengths` divide the frames into utterances, in one order for both. `dropout` is the
    probability of dropping an attention weight. On a CPU there is no work on padding, which would be most of the work
    in a random batch of speech.
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
    """`attend` in one call of PyTorch's function on padded frames: fastest on a GPU, where each call has its cost."""
    queries, keys = Padding(query_lengths, query.device), Padding(key_lengths, key.device)
    attended = scaled_dot_product_attention(
        queries.pad(query).transpose(1, 2),
        keys.pad(key).transpose(1, 2),
        keys.pad(value).transpose(1, 2),
        attn_mask=keys.real[:, None, None],
        dropout_p=dropout,
    )
    return queries.unpad(attended.transpose(1, 2))


def attend_ragged(
    query: Float[Tensor, "queries heads width"],
    key: Float[Tensor, "keys heads width"],
    value: Float[Tensor, "keys heads width"],
    query_lengths: tuple[int, ...],
    key_lengths: tuple[int, ...],
    dropout: float,
) -> Float[Tensor, "queries heads width"]:
    """`attend` by `RaggedAttention`, utterance by utterance: fastest on a CPU."""
    n_dropped = min(round(dropout * LEVELS), LEVELS - 1)
    scaled = query * query.shape[2] ** -0.5
    # Dropout scales the kept weights by 1 / (1 - dropout); scaling the values instead takes far fewer products.
    rescaled = value * (LEVELS / (LEVELS - n_dropped)) if n_dropped else value
    heads_first = (each.transpose(0, 1) for each in (scaled, key, rescaled))
    attended = RaggedAttention.apply(*heads_first, query_lengths, key_lengths, n_dropped)  # type: ignore[no-untyped-call]
    return attended.transpose(0, 1)  # type: ignore[no-any-return]


class RaggedAttention(torch.autograd.Function):
    """softmax(query key') value for each utterance, with dropout of weights but without its scaling.

    The weights of each block of queries are kept for the backward pass, before and after dropout.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Float[Tensor, "heads queries width"],
        key: Float[Tensor, "heads keys width"],
        value: Float[Tensor, "heads keys width"],
        query_lengths: tuple[int, ...],
        key_lengths: tuple[int, ...],
        n_dropped: int,
    ) -> Float[Tensor, "heads queries width"]:
        """The attended values; a weight is dropped with probability `n_dropped` / LEVELS."""
        output = _frames_first(query)
        learning = any(ctx.needs_input_grad)
        blocks, kept = list(_blocks(query_lengths, key_lengths, len(query))), []
        for queries, keys in blocks:
            weights = torch.bmm(query[:, queries], key[:, keys].transpose(1, 2)).softmax(2)
            left = weights * keep_mask(weights, n_dropped) if n_dropped else weights
            output[:, queries] = torch.bmm(left, value[:, keys])
            if learning:
                kept += [weights, left]
        ctx.save_for_backward(query, key, value, output, *kept)
        ctx.blocks, ctx.n_dropped = blocks, n_dropped
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        """Gradients of query, key and value.

        With weights P, dropped weights D and their gradient G = grad value', the scores' gradient is
        D * G - P * rowsum(D * G), and that sum over keys equals rowsum(grad * output), which has far fewer terms.
        """
        query, key, value, output, *kept = ctx.saved_tensors
        shrink = (grad * output).sum(2, keepdim=True)
        to_query, to_key, to_value = _frames_first(query), _frames_first(key).zero_(), _frames_first(value).zero_()
        for (queries, keys), weights, left in zip(ctx.blocks, kept[::2], kept[1::2], strict=True):
            arriving = grad[:, queries]
            to_scores = torch.bmm(arriving, value[:, keys].transpose(1, 2))
            if ctx.n_dropped:
                to_scores.mul_(left).addcmul_(weights, shrink[:, queries], value=-1)
            else:
                to_scores.sub_(shrink[:, queries]).mul_(weights)
            to_query[:, queries] = torch.bmm(to_scores, key[:, keys])
            to_key[:, keys] += torch.bmm(to_scores.transpose(1, 2), query[:, queries])
            to_value[:, keys] += torch.bmm(left.transpose(1, 2), arriving)
        return to_query, to_key, to_value, None, None, None


def keep_mask(weights: Float[Tensor, "*shape"], n_dropped: int) -> Float[Tensor, "*shape"]:
    """Ones, and zeros with probability `n_dropped` / LEVELS, in the shape and type of `weights`."""
    words = torch.empty(-(-weights.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: weights.numel()].view(weights.shape)
    # Compared directly into floats: products with booleans are several times slower.
    return torch.ge(bits, n_dropped - LEVELS // 2, out=torch.empty_like(weights))


def _blocks(
    query_lengths: tuple[int, ...], key_lengths: tuple[int, ...], n_heads: int
) -> Iterator[tuple[slice, slice]]:
    """Pieces of each utterance's queries, with all of its keys."""
    starts = zip(accumulate(query_lengths, initial=0), accumulate(key_lengths, initial=0), strict=True)
    for (first_query, first_key), n_queries, n_keys in zip(starts, query_lengths, key_lengths, strict=False):
        step = max(FEWEST_QUERIES, SCORES // (n_heads * n_keys))
        last_query = first_query + n_queries
        for start in range(first_query, last_query, step):
            yield slice(start, min(start + step, last_query)), slice(first_key, first_key + n_keys)


def _frames_first(like: Float[Tensor, "heads frames width"]) -> Float[Tensor, "heads frames width"]:
    """An empty tensor of this shape with each frame contiguous in memory, as the linear maps before and after need."""
    return torch.empty_like(like.transpose(0, 1), memory_format=torch.contiguous_format).transpose(0, 1)
