"""What a speech encoder makes of audio: the dimensions of its frames, its layers, and where its frames lie in time.

That is measured, since configurations do not say: adapters, pooling and squeezed layers change the rate of the output,
of the layers, or of both. What is measured is a pass of the model's own code over a few seconds of noise on PyTorch's
meta device, where tensors have shapes and no values. So no weights are read, and the pass takes a fraction of a second.
Only where a model's code needs values are its weights read for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoConfig, AutoFeatureExtractor

from study.errors import UserError, type_and_line
from study.features.huggingface import AUDIO_PARTS, empty_encoder, frozen_encoder, loaded
from study.features.layers import Layers
from study.features.model_faults import LONGEST_CAUSE

KIND = "a speech encoder"
# Two lengths differ by a whole number of frames of 20, 24, 40, 80, 120 and 160 ms, at every usual sample rate.
SHORT_SECONDS, DIFFERENCE_SECONDS = 1.28, 15.36
SHORTEST_SECONDS = tuple(0.01 * 2**power for power in range(8))
MASK = "attention_mask"
INPUTS = ("input_values", "input_features")
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
                f"frames follow each other in time, found {len(few)} of {SHORT_SECONDS:g} s of audio and as many of "
                f"more by {self.spec!r}, a {self.config.model_type} model; pass another audio encoder"
            )
        inputs = self.long.n_inputs - self.short.n_inputs or self.long.n_inputs
        rate_hz = self.sample_rate_hz * frames / samples
        return Timing(many.shape[1], rate_hz, Fraction(samples, frames), Fraction(inputs, frames))


def as_frames(config: Any, states: Float[Tensor, one * axes]) -> Float[Tensor, "time dim"]:
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
    frames: Tensor = patches.unflatten(0, (n_bands, -1)).mean(0)
    return frames


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


def trial(spec: str, folder: Path, trust_remote_code: bool) -> Trial:
    """What the encoder in `folder` makes of noise. A command asks for it once for every layer and rate.

    Raises:
        UserError: the model gives no frames for what its feature extractor makes of audio.
    """
    state = tuple((path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.json")))
    return _trial_as_of(spec, folder, trust_remote_code, state)


@lru_cache(16)
def _trial_as_of(spec: str, folder: Path, trust_remote_code: bool, state: object) -> Trial:
    how: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    config, extractor = loaded(
        spec,
        folder,
        KIND,
        lambda: (AutoConfig.from_pretrained(folder, **how), AutoFeatureExtractor.from_pretrained(folder, **how)),
    )
    model = empty_encoder(spec, folder, KIND, config, trust_remote_code, AUDIO_PARTS)
    try:
        try:
            return _tried(spec, extractor, model)
        except (NotImplementedError, RuntimeError) as error:
            if "meta" not in str(error).lower():
                raise
        return _tried(spec, extractor, frozen_encoder(spec, folder, KIND, trust_remote_code, AUDIO_PARTS))
    except UserError:
        raise
    except Exception as error:  # of the model's code and the extractor's, for whatever the folder has
        raise UserError(
            f"a speech encoder gives hidden states for what its feature extractor makes of audio; {spec!r}, a "
            f"{config.model_type} model with a {type(extractor).__name__}, does not "
            f"({type_and_line(error)[:LONGEST_CAUSE]}); pass another audio encoder, or the part that reads audio, "
            "saved as a model of its own"
        ) from error


def _tried(spec: str, extractor: Any, model: Any) -> Trial:
    axis = time_axis(extractor)
    if axis is None:
        n_samples = window_samples(extractor)
        seen = _seen(extractor, model, noise(extractor, n_samples / extractor.sampling_rate), 0)
        short = long = seen

        def able(samples: Tensor) -> object:
            return given_inputs(extractor, samples)

    else:
        short, long = (
            _seen(extractor, model, noise(extractor, seconds), axis)
            for seconds in (SHORT_SECONDS, SHORT_SECONDS + DIFFERENCE_SECONDS)
        )

        def able(samples: Tensor) -> object:
            return _seen(extractor, model, samples, axis)

    return Trial(spec, model.config, extractor.sampling_rate, short, long, _shortest(extractor, able, axis))


def _shortest(extractor: Any, able: Callable[[Tensor], object], axis: int | None) -> int:
    """The fewest samples, of some lengths, that extractor and model are `able` to take."""
    error: Exception | None = None
    for seconds in ([0.0] if axis is None else []) + list(SHORTEST_SECONDS):
        samples = noise(extractor, seconds)
        try:
            able(samples)
        except Exception as found:  # of whatever class the extractor and the model raise
            error = found
        else:
            return len(samples)
    raise ValueError(f"not even {SHORTEST_SECONDS[-1]:g} s of audio give a frame") from error


@torch.inference_mode()
def _seen(extractor: Any, model: torch.nn.Module, samples: Float[Tensor, " samples"], axis: int) -> Seen:
    """A pass over one utterance; masks are left out, since some code looks at their values.

    Raises:
        ValueError: no frames.
    """
    inputs = given_inputs(extractor, samples)
    if not bool(main_input(inputs).isfinite().all()):  # normalised by the deviation of a single frame
        raise ValueError("inputs that are not numbers")
    device = next(model.parameters()).device
    there = {name: values.to(device) for name, values in inputs.items() if name != MASK or device.type != "meta"}
    output = model(**there, output_hidden_states=True)
    if getattr(output, "last_hidden_state", None) is None:
        raise ValueError(f"{type(model).__name__} gives no last_hidden_state")
    if not len(as_frames(model.config, output.last_hidden_state)):
        raise ValueError("no frames")
    return Seen(len(samples), main_input(inputs).shape[axis], _shapes(output))


@dataclass(frozen=True)
class _Shapes:
    """The part of a model's output that frames come from, without values."""

    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...]


def _shapes(output: Any) -> _Shapes:
    states = getattr(output, "hidden_states", None) or ()
    return _Shapes(output.last_hidden_state.to("meta"), tuple(state.to("meta") for state in states))
