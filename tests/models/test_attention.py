"""Attention on ragged streams against independent oracles: a naive loop, and PyTorch's own padded module."""

import math

import pytest
import torch
from torch import nn

from models.attention import MultiHeadAttention, attend, attend_padded
from models.ragged_attention import attend_ragged
from models.streams import Stream


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
    attended = attend(query, key, value, query_lengths, key_lengths)
    parts = zip(query.split(query_lengths), key.split(key_lengths), value.split(key_lengths), strict=True)
    expected = torch.cat([naive_attention(q, k, v) for q, k, v in parts])
    torch.testing.assert_close(attended, expected)


@pytest.mark.parametrize(("queries", "keys"), [((3, 1, 7), (2, 5, 4)), ((1,), (6,)), ((4, 4), (1, 1))])
def test_the_way_of_a_gpu_gives_the_outputs_and_gradients_of_the_other(queries, keys):
    torch.manual_seed(0)
    inputs = [torch.randn(sum(lengths), 2, 4) for lengths in (queries, keys, keys)]
    target, found = torch.randn(sum(queries), 2, 4), []
    for attention in (attend_ragged, attend_padded):
        heads = [each.clone().requires_grad_() for each in inputs]
        attended = attention(*heads, queries, keys, 0.0)
        (attended * target).sum().backward()
        found.append([attended, *(each.grad for each in heads)])
    for ragged, padded in zip(*found, strict=True):
        torch.testing.assert_close(padded, ragged)


def test_equals_multihead_attention_on_padded_and_masked_batches():
    width, n_heads, lengths = 12, 3, (5, 2, 8)
    ours = MultiHeadAttention(width, n_heads, dropout=0.0).eval()
    theirs = nn.MultiheadAttention(width, n_heads, batch_first=True).eval()
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.project.weight,
            "in_proj_bias": ours.project.bias,
            "out_proj.weight": ours.output.weight,
            "out_proj.bias": ours.output.bias,
        }
    )
    stream = Stream(torch.randn(15, width), lengths)
    padded = nn.utils.rnn.pad_sequence(list(stream.split()), batch_first=True)
    padding = torch.arange(8) >= torch.tensor(lengths).unsqueeze(1)
    reference, _ = theirs(padded, padded, padded, key_padding_mask=padding)
    torch.testing.assert_close(ours(stream, stream).frames, reference[~padding], atol=1e-6, rtol=1e-5)


def test_starts_with_the_same_spread_of_weights_as_pytorchs_module():
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(120, 6, 0.1), nn.MultiheadAttention(120, 6)
    assert ours.project.weight.std().item() == pytest.approx(theirs.in_proj_weight.std().item(), rel=0.02)
    assert not ours.project.bias.any()


def test_dropout_acts_in_training_only():
    attention = MultiHeadAttention(8, 2, dropout=0.5)
    stream = Stream(torch.randn(6, 8), (6,))
    assert not torch.equal(attention(stream, stream).frames, attention(stream, stream).frames)
    attention.eval()
    assert torch.equal(attention(stream, stream).frames, attention(stream, stream).frames)


def test_a_width_that_does_not_divide_by_the_heads_is_refused():
    with pytest.raises(ValueError, match="multiple of n_heads; got 10 and 4"):
        MultiHeadAttention(10, 4, 0.0)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropping_every_weight_is_refused(dropout):
    with pytest.raises(ValueError, match="below 1; got"):
        MultiHeadAttention(8, 2, dropout)
