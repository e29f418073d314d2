"""The input of every model: the frames of a batch of utterances, end to end and without padding."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Stream:
    """One modality of a batch of utterances.

    `frames` [frames, dim] holds the utterances' frames end to end; `lengths` is the number of frames of each
    utterance, in order, at least 1.
    """

    frames: Float[Tensor, "frames dim"]
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse a stream whose lengths do not cover its frames.

        Raises:
            ValueError: an empty utterance, or lengths that do not sum to the number of frames.
        """
        if min(self.lengths, default=0) < 1:
            raise ValueError(f"every utterance of a stream has at least one frame; lengths {self.lengths}")
        if sum(self.lengths) != len(self.frames):
            raise ValueError(f"lengths sum to {sum(self.lengths)}, but there are {len(self.frames)} frames")

    @cached_property
    def owner(self) -> Int[Tensor, " frames"]:
        """The batch index of the utterance that each frame belongs to."""
        return torch.repeat_interleave(
            torch.arange(len(self.lengths), device=self.frames.device),
            torch.tensor(self.lengths, device=self.frames.device),
            output_size=len(self.frames),
        )

    def with_frames(self, frames: Float[Tensor, "frames width"]) -> "Stream":
        """A stream of these lengths with `frames` in place of its own, one for one."""
        return Stream(frames, self.lengths)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Stream":
        """The stream of `function(frames)`, for a function that treats every frame by itself."""
        return self.with_frames(function(self.frames))

    def split(self) -> tuple[Float[Tensor, "time dim"], ...]:
        """The frames of each utterance, as views."""
        return self.frames.split(self.lengths)  # type: ignore[no-any-return]


def consecutive(first: Int[Tensor, " runs"], lengths: Int[Tensor, " runs"]) -> Int[Tensor, " total"]:
    """The indices first[i], first[i] + 1, ... of every run i, `lengths[i]` of them, end to end."""
    skipped = first - (lengths.cumsum(0) - lengths)
    return torch.arange(int(lengths.sum())) + skipped.repeat_interleave(lengths)
