"""Padded batches, the way of a GPU: one call for a whole batch is worth the work on padding there."""

import torch
from jaxtyping import Float
from torch import Tensor

from models.streams import consecutive


class Padding:
    """Where the frames of utterances of these `lengths` are in a padded batch; `real` [batch, time] says which are."""

    def __init__(self, lengths: tuple[int, ...], device: torch.device) -> None:
        """Made on the host, then copied to `device`: nothing waits for what the device computes."""
        longest = max(lengths)
        self._places = consecutive(torch.arange(len(lengths)) * longest, torch.tensor(lengths)).to(device)
        self.real = (torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)).to(device)

    def pad(self, frames: Float[Tensor, "frames *dims"]) -> Float[Tensor, "batch time *dims"]:
        """The frames in their places, zeros in the others."""
        empty = frames.new_zeros(self.real.numel(), *frames.shape[1:])
        return empty.index_copy(0, self._places, frames).view(*self.real.shape, *frames.shape[1:])

    def unpad(self, padded: Float[Tensor, "batch time *dims"]) -> Float[Tensor, "frames *dims"]:
        """The real frames, end to end."""
        return padded.flatten(0, 1).index_select(0, self._places)
