"""Fewer frames per second: an encoder's frames averaged in twos or fours.

A frame of attention costs as much as all frames of its utterance together, so half the rate is less than half the
work. It is another system, though: the rate is part of an `EncoderSpec` and of the cache key.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from study.errors import UserError

# Frames per second that can be asked for, as they are written.
FRAME_RATES = ("50", "25", "12.5")
FRAMES_TOGETHER = (1, 2, 4)


def frames_together(name: str, own_hz: float, wanted_hz: float) -> int:
    """How many frames of the encoder `name`, which has `own_hz` per second, make one at `wanted_hz`.

    Raises:
        UserError: its own rate is not one, two or four times as high.
    """
    together = own_hz / wanted_hz
    if together not in FRAMES_TOGETHER:
        possible = [rate for rate in FRAME_RATES if own_hz / float(rate) in FRAMES_TOGETHER]
        raise UserError(
            f"--frame-rate averages one, two or four frames, and {name} has {own_hz:g} per second; "
            f"found {wanted_hz:g}, choose {' or '.join(possible) or 'none'}"
        )
    return int(together)


def averaged(frames: Float[Tensor, "many dim"], together: int) -> Float[Tensor, "few dim"]:
    """The means of every `together` consecutive frames; what is left over joins the last of them."""
    n_frames = max(1, len(frames) // together)
    cuts = [together * frame for frame in range(1, n_frames)]
    return torch.stack([part.mean(0) for part in frames.tensor_split(cuts)])


def averaged_halves(frames: Float[Tensor, "many dim"], together: int) -> Float[Tensor, "few dim"]:
    """The means of frames as a pack keeps them, in float16.

    An encoder at a lower rate and a pack at its own rate thus give equal frames, to the bit.
    """
    return averaged(frames.half().float(), together)
