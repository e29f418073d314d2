"""Sums, means and maxima over the frames of each utterance."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from models.streams import Stream

Reduction = Literal["sum", "mean", "max"]


def over_utterances(rule: Reduction, frames: Float[Tensor, "frames dim"], stream: Stream) -> Float[Tensor, "batch dim"]:
    """The sum, mean or maximum of `frames` over each utterance of `stream`, whose frames they are one for one.

    PyTorch's reduction of segments adds in a fixed order on a GPU, where `index_add` uses atomic operations and gives
    other last bits in every run. On a CPU `index_add` is in order, and sums three times as fast. Where several frames
    have the maximum, its gradient is divided among them.
    """
    if rule == "max" or frames.is_cuda:
        # What is "unsafe" about it: offsets are not checked, which would let the host wait for the GPU.
        return torch.segment_reduce(frames, rule, offsets=stream.offsets, axis=0, unsafe=True)
    total = frames.new_zeros((len(stream.lengths), frames.shape[1])).index_add(0, stream.owner, frames)
    return total / torch.tensor(stream.lengths, dtype=frames.dtype).unsqueeze(1) if rule == "mean" else total
