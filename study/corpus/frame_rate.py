"""Fewer frames per second: an encoder's frames averaged in twos or fours.

A frame of attention costs as much as all frames of its utterance together, so half the rate is less than half the
work. It is another system, though: the rate is part of the encoder's name and of the cache key.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from study.errors import UserError

if TYPE_CHECKING:
    from study.corpus.encoders import AudioEncoder

# Frames per second that can be asked for, as they are written.
FRAME_RATES = ("50", "25", "12.5")
FRAMES_TOGETHER = (1, 2, 4)


def with_rate(spec: str, rate: str | None) -> str:
    """The name of an encoder at a frame rate: "logmel" and "12.5" give "logmel@12.5Hz"; None leaves its own rate."""
    return spec if rate is None else f"{spec}@{rate}Hz"


def split_rate(spec: str) -> tuple[str, float | None]:
    """The encoder's name and the rate in Hz that `with_rate` joined to it, None if there is none."""
    found = re.fullmatch(f"(.+)@({'|'.join(map(re.escape, FRAME_RATES))})Hz", spec)
    return (found[1], float(found[2])) if found else (spec, None)


def slowed(encoder: "AudioEncoder", rate_hz: float | None) -> "AudioEncoder":
    """The encoder at `rate_hz` frames per second; itself if that, or None, is its own rate.

    Raises:
        UserError: its own rate is not one, two or four times as high.
    """
    together = 1.0 if rate_hz is None else encoder.rate_hz / rate_hz
    if together not in FRAMES_TOGETHER:
        possible = [rate for rate in FRAME_RATES if encoder.rate_hz / float(rate) in FRAMES_TOGETHER]
        raise UserError(
            f"--frame-rate averages one, two or four frames, and {encoder.identity['name']} has "
            f"{encoder.rate_hz:g} per second; found {rate_hz:g}, choose {' or '.join(possible) or 'none'}"
        )
    return encoder if together == 1 else AveragedFrames(encoder, int(together))


class AveragedFrames:
    """An encoder whose every `together` consecutive frames are one."""

    def __init__(self, encoder: "AudioEncoder", together: int) -> None:
        """Averages frames of `encoder`."""
        self._encoder, self._together = encoder, together
        self.dim = encoder.dim
        self.rate_hz = encoder.rate_hz / together
        self.sample_rate_hz = encoder.sample_rate_hz

    @property
    def identity(self) -> Mapping[str, object]:
        """The encoder's own, and how many of its frames make one."""
        return {**self._encoder.identity, "frames_averaged": self._together}

    def load(self) -> None:
        """Reads the weights."""
        self._encoder.load()

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        """The averaged frames of one utterance."""
        return averaged(self._encoder.encode(samples), self._together)


def averaged(frames: Float[Tensor, "many dim"], together: int) -> Float[Tensor, "few dim"]:
    """The means of every `together` consecutive frames; what is left over joins the last of them."""
    n_frames = max(1, len(frames) // together)
    cuts = [together * frame for frame in range(1, n_frames)]
    return torch.stack([part.mean(0) for part in frames.tensor_split(cuts)])
