"""The written-out scan against PyTorch's GRU and against numerical gradients."""

import pytest
import torch
from torch import nn

from models.kernels.gru import RaggedScan, scan, scan_padded, time_major
from models.layout import layout_of
from models.streams import Stream


def test_time_major_puts_the_longest_first_and_counts_who_still_speaks():
    place, counts = time_major(Stream(torch.zeros(6, 1), (1, 3, 2)))
    assert place.tolist() == [1, 4, 0, 2, 5, 3]
    assert counts == (3, 2, 1)


@pytest.mark.parametrize("lengths", [(4, 1, 6), (1,), (5,), (3, 3, 3), (1, 1)])
def test_outputs_and_gradients_equal_pytorchs_gru(lengths):
    gru = nn.GRU(5, 4, batch_first=True)
    frames = torch.randn(sum(lengths), 5)
    target = torch.randn(sum(lengths), 4)
    found = []
    for run in (lambda s: scan_padded(gru, s.frames, layout_of(lengths).ahead), lambda s: scan(gru, s).frames):
        stream = Stream(frames.clone().requires_grad_(), lengths)
        gru.zero_grad()
        outputs = run(stream)
        (outputs * target).sum().backward()
        found.append([outputs, stream.frames.grad, *(value.grad.clone() for value in gru.parameters())])
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_the_backward_pass_agrees_with_numerical_gradients():
    torch.manual_seed(0)
    gates = torch.randn(2, 6, 9, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, 9, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, 1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *inputs: RaggedScan.apply(*inputs, (3, 2, 1)), (gates, weight, bias))
