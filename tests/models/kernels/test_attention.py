"""Attention on ragged streams against a naive loop, PyTorch's and numerical gradients; dropped weights are counted."""

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from models.kernels import attention as kernel
from models.kernels.attention import LEVELS, attend, attend_ragged, keep_mask
from models.streams import Stream
from tests.plugins.pretended_gpu import pretended_gpu


@pytest.fixture(params=[2**18, 8], ids=["whole utterances", "blocks of queries"])
def _block_size(request, monkeypatch):
    monkeypatch.setattr(kernel, "SCORES", request.param)
    monkeypatch.setattr(kernel, "FEWEST_QUERIES", 1)


@pytest.mark.usefixtures("_block_size")
@pytest.mark.parametrize(("queries", "keys"), [((3, 1, 7), (2, 5, 4)), ((1,), (1,)), ((40, 9), (40, 9))])
def test_outputs_and_gradients_equal_pytorchs_attention(queries, keys):
    torch.manual_seed(0)
    inputs = [torch.randn(sum(lengths), 2, 4) for lengths in (queries, keys, keys)]
    target = torch.randn(sum(queries), 2, 4)

    def theirs(*heads):
        parts = zip(*(x.split(lengths) for x, lengths in zip(heads, (queries, keys, keys), strict=True)), strict=True)
        return torch.cat(
            [scaled_dot_product_attention(*(x.transpose(0, 1) for x in part)).transpose(0, 1) for part in parts]
        )

    found = []
    for attention in (theirs, lambda *heads: attend_ragged(*heads, queries, keys, 0.0)):
        heads = [each.clone().requires_grad_() for each in inputs]
        attended = attention(*heads)
        (attended * target).sum().backward()
        found.append([attended, *(each.grad for each in heads)])
    for expected, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.usefixtures("_block_size")
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_backward_pass_agrees_with_numerical_gradients(dropout):
    torch.manual_seed(0)
    heads = [torch.randn(n, 2, 3, dtype=torch.float64, requires_grad=True) for n in (7, 6, 6)]

    def attention(*inputs):
        torch.manual_seed(5)  # the same weights are dropped in every evaluation
        return attend_ragged(*inputs, (3, 4), (2, 4), dropout)

    assert torch.autograd.gradcheck(attention, heads)


def test_dropping_weights_leaves_the_expected_output_as_it_is():
    torch.manual_seed(0)
    query, key, value = (torch.randn(n, 1, 4) for n in (3, 30, 30))
    draws = torch.stack([attend_ragged(query, key, value, (3,), (30,), 0.3) for _ in range(4000)])
    expected = attend_ragged(query, key, value, (3,), (30,), 0.0)
    # Four standard errors of each mean.
    assert ((draws.mean(0) - expected).abs() < 4 * draws.std(0) / 4000**0.5).all()


@pytest.mark.parametrize("n_dropped", [1, LEVELS // 10, LEVELS // 2, LEVELS - 1])
def test_as_many_weights_are_dropped_as_asked_for_and_independently(n_dropped):
    torch.manual_seed(0)
    mask = keep_mask(torch.empty(3, 333, 333), n_dropped)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    share, places = n_dropped / LEVELS, mask.numel()
    assert abs((1 - mask.mean().item()) - share) <= 4 * (share * (1 - share) / places) ** 0.5
    # Neighbours share a random word: they must not share their fate.
    dropped = 1 - mask.flatten()
    together = (dropped[1:] * dropped[:-1]).mean().item()
    assert abs(together - share**2) <= 5 * (share**2 / places) ** 0.5


def naive_attention(query, key, value):
    """One utterance, one head at a time, from the formula softmax(q k / sqrt(width)) v."""
    heads = []
    for h in range(query.shape[1]):
        weights = (query[:, h] @ key[:, h].T / math.sqrt(query.shape[2])).softmax(dim=1)
        heads.append(weights @ value[:, h])
    return torch.stack(heads, dim=1)


def test_each_utterance_attends_to_its_own_frames_only():
    query_lengths, key_lengths = (3, 1, 7), (2, 5, 4)
    query, key = torch.randn(11, 2, 4), torch.randn(11, 2, 4)
    value = torch.randn(11, 2, 4)
    streams = (Stream(torch.zeros(11, 1), lengths) for lengths in (query_lengths, key_lengths))
    attended = attend(query, key, value, *streams)
    parts = zip(query.split(query_lengths), key.split(key_lengths), value.split(key_lengths), strict=True)
    expected = torch.cat([naive_attention(q, k, v) for q, k, v in parts])
    torch.testing.assert_close(attended, expected)


@pytest.mark.parametrize(("queries", "keys"), [((3, 1, 7), (2, 5, 4)), ((1,), (6,)), ((4, 4), (1, 1))])
def test_the_way_of_a_gpu_gives_the_outputs_and_gradients_of_the_other(queries, keys):
    """The kernel of a GPU is from its formulas here; what the way there hands to it, and takes from it, is ours."""
    torch.manual_seed(0)
    inputs = [torch.randn(sum(lengths), 2, 4) for lengths in (queries, keys, keys)]
    aim = torch.randn(sum(queries), 2, 4)

    def found(device):
        heads = [each.to(device).requires_grad_() for each in inputs]
        streams = (Stream(torch.zeros(sum(lengths), 1).to(device), lengths) for lengths in (queries, keys))
        attended = attend(*heads, *streams)
        (attended * aim.to(device)).sum().backward()
        return [each.cpu() for each in (attended, *(head.grad for head in heads))]

    expected = found("cpu")
    with pretended_gpu() as counts:
        theirs = found("cuda")
    assert counts.operations["_efficient_attention_forward"] == 1
    for ours, other in zip(expected, theirs, strict=True):
        torch.testing.assert_close(other.detach(), ours.detach())


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_step_keeps_each_weight_once(dropout):
    lengths, heads = (50, 3, 80), 2
    inputs = [torch.randn(sum(lengths), heads, 4, requires_grad=True) for _ in range(3)]
    kept = {}

    def pack(saved):
        kept[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        attended = attend_ragged(*inputs, lengths, lengths, dropout)
    assert attended.shape == inputs[0].shape
    weights = heads * sum(n * n for n in lengths)
    others = sum(each.numel() for each in inputs) * 3  # inputs, scaled inputs, the output
    assert weights <= sum(kept.values()) / 4 <= weights + others < 2 * weights
