"""The input of every model: the frames of a batch of utterances, end to end and without padding."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.layout import Layout, layout_of


@dataclass(frozen=True)
class Stream:
    """One modality of a batch of utterances.

    `frames` [frames, dim] holds the utterances' frames end to end; `lengths` is the number of frames of each
    utterance, in order, at least 1. `known_layout` is the layout of these lengths on the frames' device, where it was
    copied there with the batch. `missing` are the places of frames that stand for utterances without this modality, one
    frame each; None where no utterance lacks it, and behind the entrance of a model.
    """

    frames: Float[Tensor, "frames dim"]
    lengths: tuple[int, ...]
    known_layout: Layout | None = field(default=None, repr=False, compare=False)
    missing: Int[Tensor, " missing"] | None = field(default=None, repr=False, compare=False)

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
    def layout(self) -> Layout:
        """Where the frames are, as indices on their device."""
        return self.known_layout or layout_of(self.lengths).on(self.frames.device)

    @cached_property
    def owner(self) -> Int[Tensor, " frames"]:
        """The batch index of the utterance that each frame belongs to."""
        if self.frames.is_cuda:
            return self.layout.owner
        lengths = torch.tensor(self.lengths)
        return torch.repeat_interleave(torch.arange(len(lengths)), lengths, output_size=len(self.frames))

    @cached_property
    def offsets(self) -> Int[Tensor, " bounds"]:
        """The first frame of each utterance, and the number of all frames."""
        return self.layout.offsets if self.frames.is_cuda else torch.tensor([0, *accumulate(self.lengths)])

    @property
    def last(self) -> Int[Tensor, " utterances"]:
        """The last frame of each utterance."""
        return self.layout.last if self.frames.is_cuda else torch.tensor(self.lengths).cumsum(0) - 1

    @property
    def places(self) -> Int[Tensor, " frames"]:
        """The place of each frame in its utterance, from 0."""
        if self.frames.is_cuda:
            return self.layout.ahead.places - self.owner * max(self.lengths)
        lengths = torch.tensor(self.lengths)
        return consecutive(torch.zeros_like(lengths), lengths)

    def with_frames(self, frames: Float[Tensor, "frames width"]) -> "Stream":
        """A stream of these lengths with `frames` in place of its own, one for one."""
        # A layout that was made for this stream holds for the other one, too.
        return Stream(frames, self.lengths, self.__dict__.get("layout", self.known_layout))

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
