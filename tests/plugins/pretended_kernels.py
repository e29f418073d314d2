"""PyTorch's CUDA kernels that have no counterpart on a CPU, from their formulas; what they demand is asserted."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: None,
    query_offsets: Tensor,
    key_offsets: Tensor,
    most_queries: int,
    most_keys: int,
    dropout: float,
    mask: int,
    compute_log_sumexp: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor, int, int]:
    """`aten._efficient_attention_forward` of utterances end to end."""
    _require(query, key, value, query_offsets, key_offsets, most_queries, most_keys)
    assert bias is None
    assert mask == 0
    seed = torch.randint(2**31, ())
    output = torch.empty_like(query)
    rows = -(-most_queries // 32) * 32 if compute_log_sumexp else 0
    logsumexp = torch.full((len(query_offsets) - 1, query.shape[2], rows), torch.inf)
    for number, (queries, keys, kept) in enumerate(_utterances(query, query_offsets, key_offsets, dropout, seed)):
        scores = _scores(query[0, queries], key[0, keys])
        weights = scores.softmax(2) * kept
        output[0, queries] = torch.einsum("hqk,khd->qhd", weights, value[0, keys])
        if rows:
            logsumexp[number, :, : scores.shape[1]] = scores.logsumexp(2)
    return output, logsumexp, seed, torch.zeros((), dtype=torch.long), most_queries, most_keys


def attention_backward(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: None,
    output: Tensor,
    query_offsets: Tensor,
    key_offsets: Tensor,
    most_queries: int,
    most_keys: int,
    logsumexp: Tensor,
    dropout: float,
    seed: Tensor,
    offset: Tensor,
    mask: int,
    bias_requires_grad: bool,
    num_splits_key: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`aten._efficient_attention_backward`, from the logsumexp that the forward pass has kept."""
    _require(query, key, value, query_offsets, key_offsets, most_queries, most_keys)
    assert grad.stride(-1) == 1
    to_query, to_key, to_value = (torch.zeros_like(each) for each in (query, key, value))
    for number, (queries, keys, kept) in enumerate(_utterances(query, query_offsets, key_offsets, dropout, seed)):
        own_query, own_key, arriving = query[0, queries], key[0, keys], grad[0, queries]
        scores = _scores(own_query, own_key)
        weights = (scores - logsumexp[number, :, : scores.shape[1], None]).exp()
        to_value[0, keys] = torch.einsum("hqk,qhd->khd", weights * kept, arriving)
        to_weights = torch.einsum("qhd,khd->hqk", arriving, value[0, keys]) * kept
        to_scores = weights * (to_weights - (to_weights * weights).sum(2, keepdim=True)) * query.shape[3] ** -0.5
        to_query[0, queries] = torch.einsum("hqk,khd->qhd", to_scores, own_key)
        to_key[0, keys] = torch.einsum("hqk,qhd->khd", to_scores, own_query)
    return to_query, to_key, to_value, torch.empty(())


def _scores(query: Tensor, key: Tensor) -> Tensor:
    return torch.einsum("qhd,khd->hqk", query, key) * query.shape[2] ** -0.5


def _utterances(
    query: Tensor, query_offsets: Tensor, key_offsets: Tensor, dropout: float, seed: Tensor
) -> Iterator[tuple[slice, slice, Tensor]]:
    """The queries and keys of each utterance, and what its weights are multiplied by: 0, or 1 / (1 - dropout)."""
    generator = torch.Generator().manual_seed(int(seed))
    pairs = zip(query_offsets.tolist(), key_offsets.tolist(), strict=True)
    first = next(pairs)
    for last in pairs:
        queries, keys = slice(first[0], last[0]), slice(first[1], last[1])
        shape = (query.shape[2], last[0] - first[0], last[1] - first[1])
        yield queries, keys, torch.rand(shape, generator=generator).ge(dropout) / (1 - dropout)
        first = last


def _require(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_offsets: Tensor,
    key_offsets: Tensor,
    most_queries: int,
    most_keys: int,
) -> None:
    """What the kernel reads without a check, or refuses."""
    for frames, offsets, most in ((query, query_offsets, most_queries), (key, key_offsets, most_keys)):
        assert frames.dim() == 4
        assert len(frames) == 1
        assert frames.stride(-1) == 1
        assert offsets.dtype == torch.int32
        assert offsets.is_contiguous()
        assert int(offsets[-1]) == frames.shape[1]
        assert int(offsets.diff().max()) <= most
    assert value.shape == key.shape
    assert value.stride(-1) == 1


KERNELS: dict[str, Callable[..., Any]] = {
    "_efficient_attention_forward": attention,
    "_efficient_attention_backward": attention_backward,
}
