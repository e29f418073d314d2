"""A gated recurrent unit over ragged streams, all directions in one scan and no work on padding.

On a CPU a small GRU is bound by the overhead of its many small operations: PyTorch's own, which is the reference
here, takes about three times as long for two directions.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from models.streams import Stream

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def scan(gru: nn.GRU, stream: Stream) -> Stream:
    """The outputs of a single-layer GRU at every frame."""
    if stream.frames.is_cuda:
        return stream.with_frames(scan_padded(gru, stream))
    return stream.with_frames(scan_together([gru], stream, [torch.arange(len(stream.frames))]))


def scan_padded(gru: nn.GRU, stream: Stream) -> Float[Tensor, "frames hidden"]:
    """The same by PyTorch's layer on a padded batch: the way of a GPU, and the reference for the other one.

    Padding stands after an utterance's last frame and a causal scan never looks ahead, so nothing reaches a frame
    that is kept.
    """
    outputs, _ = gru(pad_sequence(list(stream.split()), batch_first=True))
    lengths = torch.tensor(stream.lengths, device=stream.frames.device)
    kept = torch.arange(outputs.shape[1], device=stream.frames.device) < lengths.unsqueeze(1)
    return outputs[kept]  # type: ignore[no-any-return]


def scan_together(grus: Sequence[nn.GRU], stream: Stream, orders: Sequence[Int[Tensor, " frames"]]) -> Tensor:
    """The outputs of single-layer GRUs of one width, each over the frames in an order of its own.

    `orders[d]` gives, for direction d, the frame that stands at each place of the stream: the identity, or the
    frames of each utterance reversed. The result [frames, directions * hidden] is in the stream's own order.
    """
    place, counts = time_major(stream)
    hidden = grus[0].hidden_size
    gates, recurrent, biases = [], [], []
    for gru, order in zip(grus, orders, strict=True):
        weight_in, weight, bias_in, bias = (getattr(gru, f"{name}_l0") for name in PARAMETERS)
        # Both biases of the reset and update gates in one; the candidate's recurrent bias stays inside its reset.
        combined = bias_in + torch.cat([bias[: 2 * hidden], torch.zeros_like(bias[2 * hidden :])])
        gates.append(nn.functional.linear(stream.frames[order[place]], weight_in, combined))
        recurrent.append(weight.T)
        biases.append(bias[2 * hidden :])
    outputs = RaggedScan.apply(  # type: ignore[no-untyped-call]
        torch.stack(gates), torch.stack(recurrent), torch.stack(biases).unsqueeze(1), counts
    )  # [directions, frames, hidden]
    found = [
        torch.empty_like(each).index_copy(0, order[place], each) for each, order in zip(outputs, orders, strict=True)
    ]
    return torch.cat(found, dim=1)


def time_major(stream: Stream) -> tuple[Int[Tensor, " frames"], tuple[int, ...]]:
    """Frame indices step by step, longest utterance first, and how many utterances still speak at each step."""
    lengths = torch.tensor(stream.lengths)
    ranked = lengths.argsort(descending=True, stable=True)
    first = lengths.cumsum(0) - lengths
    speaking = torch.arange(int(lengths.max())).unsqueeze(1) < lengths[ranked]  # [steps, utterances]
    step, rank = speaking.nonzero(as_tuple=True)
    return (first[ranked[rank]] + step).to(stream.frames.device), tuple(speaking.sum(1).tolist())


class RaggedScan(torch.autograd.Function):
    """The recurrence itself, with the backward pass written out.

    Source: the equations of `torch.nn.GRU`. Of step t only the first `counts[t]` rows exist, so every slice below
    is of utterances that still speak.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, bias: Tensor, counts: tuple[int, ...]) -> Tensor:
        """Hidden states [directions, frames, hidden] from gate inputs [directions, frames, 3 hidden], time-major."""
        width = weight.shape[1]
        hidden = gates.new_zeros(len(gates), counts[0], width)
        steps = []
        for gate in gates.split(counts, dim=1):
            before = hidden[:, : gate.shape[1]]
            recurrent = torch.bmm(before, weight)
            reset, update = (gate[..., : 2 * width] + recurrent[..., : 2 * width]).sigmoid_().split(width, dim=2)
            inner = recurrent[..., 2 * width :] + bias
            candidate = torch.addcmul(gate[..., 2 * width :], reset, inner).tanh_()
            hidden = torch.lerp(candidate, before, update)
            steps.append((before, reset, update, inner, candidate, hidden))
        kept = [torch.cat(column, dim=1) for column in zip(*steps, strict=True)]
        ctx.save_for_backward(weight, *kept[:-1])
        ctx.counts = counts
        return kept[-1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of gate inputs, recurrent weight and candidate bias."""
        weight, before, reset, update, inner, candidate = ctx.saved_tensors
        # What does not depend on the gradient of later steps is computed for all steps at once.
        to_candidate = (1 - update) * (1 - candidate.square())
        to_update = (before - candidate) * update * (1 - update)
        to_reset = inner * reset * (1 - reset)
        pieces = (grad, to_candidate, to_update, to_reset, reset, update)
        steps = list(zip(*(piece.split(ctx.counts, dim=1) for piece in pieces), strict=True))
        transposed = weight.transpose(1, 2).contiguous()
        carried = grad.new_zeros(len(weight), 0, weight.shape[1])
        gate_steps, recurrent_steps = [], []
        for arriving, by_candidate, by_update, by_reset, open_reset, keep in reversed(steps):
            total = arriving.clone()
            total[:, : carried.shape[1]] += carried
            at_candidate = total * by_candidate
            at_gates = torch.cat([at_candidate * by_reset, total * by_update], dim=2)
            at_recurrent = torch.cat([at_gates, at_candidate * open_reset], dim=2)
            carried = torch.baddbmm(total * keep, at_recurrent, transposed)
            gate_steps.append(torch.cat([at_gates, at_candidate], dim=2))
            recurrent_steps.append(at_recurrent)
        at_gates = torch.cat(gate_steps[::-1], dim=1)
        at_recurrent = torch.cat(recurrent_steps[::-1], dim=1)
        at_bias = at_recurrent[..., 2 * weight.shape[1] :].sum(1, keepdim=True)
        return at_gates, torch.bmm(before.transpose(1, 2), at_recurrent), at_bias, None
