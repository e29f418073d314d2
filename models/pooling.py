"""Pooling over time (frames to one vector per utterance) and across streams (several vectors to one)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.kernels.segments import over_utterances
from models.streams import Stream

TimePooling = Literal["mean", "max", "attention"]
StreamPooling = Literal["statistics", "concatenate"]


def mean_over_time(stream: Stream) -> Float[Tensor, "batch dim"]:
    """The mean frame of each utterance."""
    return over_utterances("mean", stream.frames, stream)


def max_over_time(stream: Stream) -> Float[Tensor, "batch dim"]:
    """The largest value of each dimension over each utterance's frames."""
    return over_utterances("max", stream.frames, stream)


def mean_and_deviation_over_time(stream: Stream) -> Float[Tensor, "batch twice_dim"]:
    """The mean frame of each utterance, and beside it the standard deviation of each dimension over its frames.

    The deviation has n in the denominator, so that of a single frame is 0.
    """
    mean, variance = _moments_by_segments(stream) if stream.frames.is_cuda else _moments_in_turn(stream)
    # The square root has no slope at 0: what does not vary is kept out of it.
    varies = variance > 0
    deviation = torch.where(varies, variance, 1.0).sqrt() * varies
    return torch.cat([mean, deviation], dim=1)


def _moments_by_segments(stream: Stream) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
    """Mean and variance over time in a few operations, as a GPU needs."""
    mean = mean_over_time(stream)
    # The sum of squares is least at the mean, so it has no slope there: gradients need not go through the mean.
    centred = stream.frames - mean.detach().index_select(0, stream.owner)
    return mean, over_utterances("mean", centred.square(), stream)


def _moments_in_turn(stream: Stream) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
    """Mean and variance over time, one utterance at a time: several times as fast on a CPU."""
    means = [frames.mean(0) for frames in stream.split()]
    variances = [(frames - mean).square().mean(0) for frames, mean in zip(stream.split(), means, strict=True)]
    return torch.stack(means), torch.stack(variances)


class AttentiveMean(nn.Module):
    """A weighted mean over time whose weights are the softmax of a learnt score per frame."""

    def __init__(self, width: int) -> None:
        """Score frames of `width` dimensions."""
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, stream: Stream) -> Float[Tensor, "batch dim"]:
        """The weighted mean frame of each utterance."""
        score = self.score(stream.frames)
        # Softmax is unchanged by a shift; shifting by each utterance's own maximum keeps exp() finite.
        largest = over_utterances("max", score.detach(), stream)
        weight = (score - largest.index_select(0, stream.owner)).exp()
        total = over_utterances("sum", weight, stream)
        return over_utterances("sum", weight * stream.frames, stream) / total


class PoolOverTime(nn.Module):
    """Pooling over time by the named rule; "mean" is the published one."""

    def __init__(self, rule: TimePooling, width: int) -> None:
        """Pool frames of `width` dimensions by `rule`."""
        super().__init__()
        self.rule = rule
        self.attention = AttentiveMean(width) if rule == "attention" else None

    def forward(self, stream: Stream) -> Float[Tensor, "batch dim"]:
        """One vector per utterance."""
        if self.attention is not None:
            return self.attention(stream)  # type: ignore[no-any-return]
        return max_over_time(stream) if self.rule == "max" else mean_over_time(stream)


def pool_across_streams(
    vectors: Float[Tensor, "batch streams dim"], rule: StreamPooling
) -> Float[Tensor, "batch pooled"]:
    """One vector per utterance from its streams' vectors.

    "statistics" gives mean and standard deviation over the streams, 2 dim wide (the statistical pooling of
    Rajan et al., ICASSP 2022: across streams, not over time). A single stream has no spread: its deviation
    is 0, where the formula with n - 1 would give 0 / 0. "concatenate" is the ablation without it, streams x
    dim wide.
    """
    if rule == "concatenate":
        return vectors.flatten(1)
    mean = vectors.mean(1)
    deviation = vectors.std(1) if vectors.shape[1] > 1 else torch.zeros_like(mean)
    return torch.cat([mean, deviation], dim=1)


def pooled_width(rule: StreamPooling, n_streams: int, width: int) -> int:
    """The width of the result of `pool_across_streams`."""
    return 2 * width if rule == "statistics" else n_streams * width
