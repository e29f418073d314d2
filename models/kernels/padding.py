"""Padded batches for a GPU, where one call for a whole batch outweighs the work on padding."""

import torch
from jaxtyping import Float
from torch import Tensor

from models.streams import consecutive


class Padding:
    """Places of frames in a padded batch of utterances of these `lengths`; `real` [batch, time] is false at padding."""

    def __init__(self, lengths: tuple[int, ...], device: torch.device) -> None:
        """Compute the places on the host and copy them to `device`, so that the host need not wait for the device."""
        longest = max(lengths)
        self._places = consecutive(torch.arange(len(lengths)) * longest, torch.tensor(lengths)).to(device)
        self.real = (torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)).to(device)

    def pad(self, frames: Float[Tensor, "frames *dims"]) -> Float[Tensor, "batch time *dims"]:
        """The frames in their places, and zeros elsewhere."""
        empty = frames.new_zeros(self.real.numel(), *frames.shape[1:])
        return empty.index_copy(0, self._places, frames).view(*self.real.shape, *frames.shape[1:])

    def unpad(self, padded: Float[Tensor, "batch time *dims"]) -> Float[Tensor, "frames *dims"]:
        """The real frames, end to end."""
        return padded.flatten(0, 1).index_select(0, self._places)
