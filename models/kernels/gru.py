"""A gated recurrent unit over ragged streams, with all directions in one scan and no work on padding.

On a CPU a small GRU is bound by the overhead of its many small operations: PyTorch's GRU, the reference here, takes
about three times as long for two directions.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.layout import Padding
from models.streams import Stream

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def scan(gru: nn.GRU, stream: Stream) -> Stream:
    """The outputs of a single-layer GRU at every frame."""
    if stream.frames.is_cuda:
        return stream.with_frames(scan_padded(gru, stream.frames, stream.layout.ahead))
    return stream.with_frames(scan_together([gru], stream, [torch.arange(len(stream.frames))]))


def scan_padded(gru: nn.GRU, frames: Float[Tensor, "frames dim"], padding: Padding) -> Float[Tensor, "frames hidden"]:
    """The outputs of PyTorch's layer on a padded batch: fastest on a GPU, and the reference for `scan_together`.

    Padding follows the last frame that is read of an utterance and the scan is causal, so padding affects no frame
    that is kept.
    """
    outputs, _ = gru(padding.pad(frames))
    return padding.unpad(outputs)


def scan_both_ways(ahead: nn.GRU, back: nn.GRU, stream: Stream) -> Float[Tensor, "frames both"]:
    """The outputs of `ahead` and, over each utterance's frames in reverse, of `back`, at the same time on a GPU.

    A small recurrent layer leaves most of a GPU idle, so the second direction has a CUDA stream of its own. PyTorch
    runs the backward pass of an operation on the stream of its forward pass, and orders the streams there itself.
    """
    here = torch.cuda.current_stream(stream.frames.device)
    beside = _second_stream(stream.frames.device)
    beside.wait_stream(here)
    with torch.cuda.stream(beside):
        second = scan_padded(back, stream.frames, stream.layout.back)
    first = scan_padded(ahead, stream.frames, stream.layout.ahead)
    here.wait_stream(beside)
    # Memory goes back to the stream that it was taken on; until then it has a reader on the other one.
    for read_beside in (stream.frames, stream.layout.back.places, stream.layout.back.filled):
        read_beside.record_stream(beside)
    second.record_stream(here)
    return torch.cat([first, second], dim=1)


@cache
def _second_stream(device: torch.device) -> Any:
    """One for a device and process: streams are few, and each has memory of its own."""
    return torch.cuda.Stream(device)


def scan_together(grus: Sequence[nn.GRU], stream: Stream, orders: Sequence[Int[Tensor, " frames"]]) -> Tensor:
    """The outputs of single-layer GRUs of one width, each over the frames in its own order.

    `orders[d]` gives, for direction d, the index of the frame at each place of the stream: the identity, or the
    frames of each utterance reversed. The result [frames, directions * hidden] is in the stream's own order.
    """
    place, counts = time_major(stream)
    hidden = grus[0].hidden_size
    weights, recurrent, biases, candidate_biases = [], [], [], []
    for gru in grus:
        weight_in, weight, bias_in, bias = (getattr(gru, f"{name}_l0") for name in PARAMETERS)
        weights.append(weight_in)
        recurrent.append(weight.T)
        # Both biases of the reset and update gates in one; the candidate's recurrent bias stays inside its reset.
        biases.append(bias_in + torch.cat([bias[: 2 * hidden], torch.zeros_like(bias[2 * hidden :])]))
        candidate_biases.append(bias[2 * hidden :])
    # One product for all directions. Its result is reordered, not the frames, which are wider.
    projected = nn.functional.linear(stream.frames, torch.cat(weights), torch.cat(biases))
    places = [order[place] for order in orders]
    gates = [_Reordered.apply(*each) for each in zip(projected.chunk(len(grus), dim=1), places, strict=True)]  # type: ignore[no-untyped-call]
    outputs = RaggedScan.apply(  # type: ignore[no-untyped-call]
        torch.stack(gates), torch.stack(recurrent), torch.stack(candidate_biases).unsqueeze(1), counts
    )  # [directions, frames, hidden]
    found = [torch.empty_like(each).index_copy(0, where, each) for each, where in zip(outputs, places, strict=True)]
    return torch.cat(found, dim=1)


class _Reordered(torch.autograd.Function):
    """Rows in another order. PyTorch's indexing allows repeated rows, which makes its backward pass slow."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor) -> Tensor:
        """The row `order[i]` at each place i; `order` is a permutation."""
        ctx.save_for_backward(order)
        return rows.index_select(0, order)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """The gradient, each row in its original place."""
        (order,) = ctx.saved_tensors
        return torch.empty_like(grad).index_copy_(0, order, grad), None


def time_major(stream: Stream) -> tuple[Int[Tensor, " frames"], tuple[int, ...]]:
    """Frame indices step by step, longest utterance first, and how many utterances have a frame at each step."""
    lengths = torch.tensor(stream.lengths)
    ranked = lengths.argsort(descending=True, stable=True)
    first = lengths.cumsum(0) - lengths
    present = torch.arange(int(lengths.max())).unsqueeze(1) < lengths[ranked]  # [steps, utterances]
    step, rank = present.nonzero(as_tuple=True)
    return (first[ranked[rank]] + step).to(stream.frames.device), tuple(present.sum(1).tolist())


class RaggedScan(torch.autograd.Function):
    """The recurrence, with a hand-written backward pass.

    Source: the equations of `torch.nn.GRU`. Step t has only the first `counts[t]` rows, so every slice below holds
    utterances that have a frame at that step. The cost of a step is its number of calls: everything that does not
    depend on the step before is computed for all steps at once, though the backward pass then computes gates again.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, bias: Tensor, counts: tuple[int, ...]) -> Tensor:
        """Hidden states [directions, frames, hidden] from gate inputs [directions, frames, 3 hidden], time-major."""
        width = weight.shape[1]
        biases = nn.functional.pad(bias, (2 * width, 0))
        outputs = gates.new_empty(len(gates), gates.shape[1], width)
        hidden = gates.new_zeros(len(gates), counts[0], width)
        learning, kept = any(ctx.needs_input_grad), []
        for gate, output in zip(gates.split(counts, dim=1), outputs.split(counts, dim=1), strict=True):
            before = hidden[:, : gate.shape[1]]
            recurrent = torch.baddbmm(biases, before, weight)
            _, update, _, candidate = _gated(gate, recurrent)
            hidden = torch.lerp(candidate, before, update, out=output)
            if learning:
                kept.append(recurrent)
        if learning:
            ctx.save_for_backward(gates, weight, outputs, torch.cat(kept, dim=1))
            ctx.counts = counts
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of gate inputs, recurrent weight and candidate bias."""
        gates, weight, outputs, recurrent = ctx.saved_tensors
        width, counts = weight.shape[1], ctx.counts
        reset, update, inner, candidate = _gated(gates, recurrent)
        before = _shifted(outputs, counts)
        to_candidate = (1 - update) * (1 - candidate.square())
        to_reset = to_candidate * inner * reset * (1 - reset)
        to_update = (before - candidate) * update * (1 - update)
        # The factors from a hidden state's gradient to the gradients of the three recurrent products.
        factors = torch.stack([to_reset, to_update, to_candidate * reset], dim=2)
        total, at_recurrent = grad.clone(memory_format=torch.contiguous_format), torch.empty_like(factors)
        steps = list(zip(*(each.split(counts, dim=1) for each in (total, factors, update, at_recurrent)), strict=True))
        transposed = weight.transpose(1, 2)
        carried = grad.new_zeros(len(weight), 0, width)
        for arriving, factor, keep, found in reversed(steps):
            arriving[:, : carried.shape[1]] += carried
            torch.mul(arriving.unsqueeze(2), factor, out=found)
            carried = torch.baddbmm(arriving * keep, found.flatten(2), transposed)
        at_recurrent = at_recurrent.flatten(2)
        at_gates = torch.cat([at_recurrent[..., : 2 * width], total * to_candidate], dim=2)
        at_bias = at_recurrent[..., 2 * width :].sum(1, keepdim=True)
        return at_gates, torch.bmm(before.transpose(1, 2), at_recurrent), at_bias, None


def _gated(gates: Tensor, recurrent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Reset, update, the candidate's recurrent part and the candidate, of one step or of all."""
    opened, own = gates.tensor_split([gates.shape[2] // 3 * 2], dim=2)
    arriving, inner = recurrent.tensor_split([gates.shape[2] // 3 * 2], dim=2)
    reset, update = (opened + arriving).sigmoid_().chunk(2, dim=2)
    return reset, update, inner, torch.addcmul(own, reset, inner).tanh_()


def _shifted(outputs: Tensor, counts: tuple[int, ...]) -> Tensor:
    """The hidden state before each frame, time-major: zeros at the first step."""
    steps = outputs.split(counts, dim=1)
    earlier = [step[:, :count] for step, count in zip(steps, counts[1:], strict=False)]
    return torch.cat([torch.zeros_like(steps[0]), *earlier], dim=1)
