"""Scaled dot-product attention within each utterance, without padding: one call on a GPU, many on a CPU.

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

from models.streams import Stream

# Scores that are computed at once: 1 MB in float32, about the size of a core's second-level cache.
SCORES = 2**18
# Fewer queries than this at a time would make the matrix products slow.
FEWEST_QUERIES = 16
# Weights are dropped by comparing 16 random bits with a threshold, so probabilities are multiples of 2^-16.
LEVELS = 2**16
# Of PyTorch's kernel: every query reads every key of its utterance.
NO_MASK = 0


def attend(
    query: Float[Tensor, "queries heads width"],
    key: Float[Tensor, "keys heads width"],
    value: Float[Tensor, "keys heads width"],
    target: Stream,
    source: Stream,
    dropout: float = 0.0,
) -> Float[Tensor, "queries heads width"]:
    """Scaled dot-product attention within each utterance.

    Queries are of the frames of `target`, keys and values of those of `source`, which divide them into utterances in
    one order. `dropout` is the probability of dropping an attention weight. There is no work on padding, which would
    be most of the work in a random batch of speech.
    """
    if not query.is_cuda:
        return attend_ragged(query, key, value, target.lengths, source.lengths, dropout)
    bounds = target.offsets, source.offsets, max(target.lengths), max(source.lengths)
    return PackedAttention.apply(query, key, value, bounds, dropout)  # type: ignore[no-any-return,no-untyped-call]


class PackedAttention(torch.autograd.Function):
    """Attention within utterances that stand end to end, on a GPU.

    PyTorch's public function for this, `varlen_attn`, has neither float32 nor dropout. The derivative that PyTorch
    gives the operation below would divide keys among blocks that add to one gradient in any order; here one block adds
    them, so that equal runs give equal bits.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Float[Tensor, "queries heads width"],
        key: Float[Tensor, "keys heads width"],
        value: Float[Tensor, "keys heads width"],
        bounds: tuple[Tensor, Tensor, int, int],
        dropout: float,
    ) -> Float[Tensor, "queries heads width"]:
        """The attended values.

        `bounds` are the offsets of utterances in queries and keys, and the most queries and keys of an utterance: the
        kernel would ask the GPU for them, and let the host wait for the answer.
        """
        ctx.bounds, ctx.dropout = bounds, dropout
        output, logsumexp, seed, offset, *_ = torch.ops.aten._efficient_attention_forward(
            *(each.unsqueeze(0) for each in (query, key, value)),
            None,
            *bounds,
            dropout,
            NO_MASK,
            compute_log_sumexp=any(ctx.needs_input_grad),
        )
        ctx.save_for_backward(query, key, value, output, logsumexp, seed, offset)
        return output.squeeze(0)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of query, key and value."""
        query, key, value, output, logsumexp, seed, offset = ctx.saved_tensors
        *found, _ = torch.ops.aten._efficient_attention_backward(
            *(each.unsqueeze(0) for each in (grad, query, key, value)),
            None,
            output,
            *ctx.bounds,
            logsumexp,
            ctx.dropout,
            seed,
            offset,
            NO_MASK,
            False,
            num_splits_key=1,
        )
        return *(each.squeeze(0) for each in found), None, None


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

    The weights of each block of queries are kept for the backward pass, with a minus sign where they were not dropped:
    long utterances have so many that keeping them twice, before and after dropout, would take most of a step's memory.
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
                kept.append(weights.sub_(left, alpha=2) if n_dropped else weights)
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
        for (queries, keys), weights in zip(ctx.blocks, kept, strict=True):
            arriving = grad[:, queries]
            if ctx.n_dropped:
                # The gradient and the dropped weights, both negative: the signs cancel in all that follows.
                arriving, left, weights = -arriving, weights.clamp(max=0), weights.abs()
                to_scores = torch.bmm(arriving, value[:, keys].transpose(1, 2))
                to_scores.mul_(left).addcmul_(weights, shrink[:, queries], value=-1)
            else:
                left = weights
                to_scores = torch.bmm(arriving, value[:, keys].transpose(1, 2))
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
