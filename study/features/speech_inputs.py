"""What a feature extractor makes of audio: a waveform or a spectrogram, of the audio's length or always of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

INPUTS = ("input_values", "input_features")


def given_inputs(extractor: Any, samples: Float[Tensor, " samples"]) -> dict[str, Tensor]:
    """What the model reads for these samples, by name."""
    # A spectrogram in bfloat16 would lose more than the model does, and NumPy knows no such numbers.
    with torch.autocast("cpu", enabled=False):
        return dict(extractor(samples.numpy(), sampling_rate=extractor.sampling_rate, return_tensors="pt"))


def main_input(inputs: Mapping[str, Tensor]) -> Tensor:
    """The waveform or spectrogram among what a model reads.

    Raises:
        ValueError: there is none.
    """
    for name in INPUTS:
        if name in inputs:
            return inputs[name]
    raise ValueError(f"no {' or '.join(INPUTS)} among {', '.join(inputs)}")


def time_axis(extractor: Any) -> int | None:
    """The axis of the model's input that grows with the audio; None where the extractor pads it to one length."""
    some, more = (main_input(given_inputs(extractor, noise(extractor, seconds))).shape for seconds in (1, 2))
    grown = [axis for axis, (a, b) in enumerate(zip(some, more, strict=True)) if a != b]
    return grown[0] if grown else None


def window_samples(extractor: Any) -> int:
    """How many samples an extractor that pads all audio to one length takes at most.

    Raises:
        ValueError: it does not say.
    """
    for name in ("n_samples", "nb_max_samples"):
        if number := int(getattr(extractor, name, 0) or 0):
            return number
    # The spectrogram transformer counts frames of 10 ms.
    if (length := getattr(extractor, "max_length", None)) is None:
        raise ValueError(f"a {type(extractor).__name__} that does not say how long its windows are")
    return int(length) * int(extractor.sampling_rate) // 100


def noise(extractor: Any, seconds: float) -> Float[Tensor, " samples"]:
    """The same noise every time."""
    n_samples = max(1, round(seconds * extractor.sampling_rate))
    return 0.1 * torch.randn(n_samples, generator=torch.Generator().manual_seed(0))
