"""Attention and context layers on ragged streams against PyTorch's own modules."""

import pytest
import torch
from torch import nn

from models.layers import BidirectionalGRU, MultiHeadAttention, reversed_order
from models.streams import Stream

LENGTHS = (4, 1, 6)


@pytest.fixture
def stream():
    return Stream(torch.randn(11, 6), LENGTHS)


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


def test_reversing_twice_changes_nothing(stream):
    order = reversed_order(stream)
    assert stream.frames[order].split(LENGTHS)[2].equal(stream.split()[2].flip(0))
    assert stream.frames[order][order].equal(stream.frames)


def test_gru_equals_pytorchs_bidirectional_gru_on_each_utterance_alone(stream):
    ours = BidirectionalGRU(6, 8)
    theirs = nn.GRU(6, 4, bidirectional=True, batch_first=True)
    theirs.load_state_dict(
        {
            **ours.ahead.state_dict(),
            **{f"{name}_reverse": value for name, value in ours.back.state_dict().items()},
        }
    )
    expected = torch.cat([theirs(frames.unsqueeze(0))[0][0] for frames in stream.split()])
    torch.testing.assert_close(ours(stream).frames, expected)
