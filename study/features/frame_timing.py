"""Where a speech encoder's frames lie in time, and how many values they have, from passes over noise of two lengths."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from jaxtyping import Float
from torch import Tensor

from study.errors import UserError
from study.features.layers import Layers

SPECTROGRAM_TRANSFORMER = "audio-spectrogram-transformer"


@dataclass(frozen=True)
class Timing:
    """The frames of some layers: values in each, frames per second, and what a frame takes of samples and of inputs.

    Inputs are positions of what the model reads: samples, or frames of a spectrogram.
    """

    dim: int
    rate_hz: float
    samples_per_frame: Fraction
    inputs_per_frame: Fraction


@dataclass(frozen=True)
class Seen:
    """A pass: how many samples, as how many positions of the model's input, and the output, of which shapes count."""

    n_samples: int
    n_inputs: int
    output: Any


@dataclass(frozen=True)
class Trial:
    """Passes over two lengths of noise, and the fewest samples of which the model makes a frame."""

    spec: str
    config: Any
    sample_rate_hz: int
    short: Seen
    long: Seen
    shortest: int

    @property
    def window(self) -> int | None:
        """How many samples it reads at once, whatever there is; None if it reads any number."""
        return self.long.n_samples if self.long.n_samples == self.short.n_samples else None

    @property
    def n_layers(self) -> int:
        """How many layers can be chosen from; 0 where the model gives its output alone."""
        states = getattr(self.short.output, "hidden_states", None) or ()
        return max(0, len(states) - 1) if all(state.ndim == 3 for state in states) else 0

    def timing(self, layers: Layers) -> Timing:
        """How the frames of `layers` lie in time.

        Raises:
            UserError: they are of different shapes, or no more for longer audio.
        """
        few, many = (as_frames(self.config, layers.of(seen.output)) for seen in (self.short, self.long))
        frames, samples = len(many) - len(few), self.long.n_samples - self.short.n_samples
        if not samples:  # it reads one length alone, whatever there is
            frames, samples = len(many), self.long.n_samples
        if frames < 1:
            raise UserError(
                f"frames follow each other in time, found {len(few)} of some audio and {len(many)} of more "
                f"by {self.spec!r}, a {self.config.model_type} model; pass another audio encoder"
            )
        inputs = self.long.n_inputs - self.short.n_inputs or self.long.n_inputs
        rate_hz = self.sample_rate_hz * frames / samples
        return Timing(many.shape[1], rate_hz, Fraction(samples, frames), Fraction(inputs, frames))


def as_frames(config: Any, states: Float[Tensor, batch * axes]) -> Float[Tensor, "time dim"]:
    """The frames of a model's output for one utterance: what it has of several frequencies at a time is averaged.

    Raises:
        ValueError: a shape that is not of frames.
    """
    if states.ndim not in (3, 4) or len(states) != 1:
        raise ValueError(f"an output of shape {list(states.shape)}, where [1, time, dim] is needed")
    if states.ndim == 4:  # CLAP: [1, dim, frequency, time]
        return states[0].mean(1).T
    if config.model_type != SPECTROGRAM_TRANSFORMER:
        return states[0]
    n_bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    patches = states[0, 2:]  # after the classification and the distillation token, band by band
    averaged: Tensor = patches.unflatten(0, (n_bands, -1)).mean(0)
    return averaged
