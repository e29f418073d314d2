"""Whether a recording is silent: recognisers write words for silence that were frequent in their training."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

# Speech that a recorder can tell from its own noise has moments above this.
SILENCE_DB = -50
SILENCE = 10 ** (SILENCE_DB / 20)
MOMENT_SECONDS = 0.05


def is_silent(samples: Float[Tensor, " samples"], rate_hz: int) -> bool:
    """Whether no moment of the samples is louder than `SILENCE`, by its root mean square."""
    moment = min(len(samples), round(MOMENT_SECONDS * rate_hz))
    moments = samples[: len(samples) // moment * moment].view(-1, moment)
    return bool(moments.square().mean(1).max().sqrt() < SILENCE)
