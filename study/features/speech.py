"""Pretrained speech encoders: whatever AutoModel opens that gives hidden states for waveforms or spectrograms."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoConfig, AutoFeatureExtractor

from study.corpus.lengths import WHOLE_SECONDS
from study.errors import UserError
from study.features.frame_timing import Timing, as_frames
from study.features.huggingface import AUDIO_PARTS, frozen_encoder, loaded, model_folder, model_identity
from study.features.layers import Layers
from study.features.model_faults import encoding_fault
from study.features.spec import OUTPUT
from study.features.speech_inputs import given_inputs, main_input
from study.features.speech_trial import KIND, trial
from study.features.windows import READING, windows


def open_speech_model(spec: str, layers: Sequence[str], trust_remote_code: bool) -> "SpeechModel":
    """The speech encoder in the folder, or of the hub id, `spec`; its weights are read at first use.

    Its frames are `layers` side by side.

    Raises:
        UserError: no such model, files that are not a speech encoder, or no such layer.
    """
    folder = model_folder(spec)
    config, extractor = loaded(
        spec,
        folder,
        KIND,
        lambda: (
            AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code),
            AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=trust_remote_code),
        ),
    )
    # The configurations of these say enough for a start, and importing a model's code takes seconds.
    if config.model_type == "whisper" or hasattr(config, "conv_stride"):
        _require_fit(spec, config, extractor)
        n_layers, reading = config.num_hidden_layers, _declared(config, extractor)
    else:
        found = trial(spec, folder, trust_remote_code)
        n_layers, reading = found.n_layers, Reading(found.window, found.shortest)
        if not n_layers and set(layers) != {OUTPUT}:
            raise UserError(
                f"{spec!r}, a {config.model_type} model, gives its output alone, found layer {', '.join(layers)}; "
                "leave it out"
            )
    return SpeechModel(spec, folder, extractor, Layers.chosen(layers, n_layers), reading, trust_remote_code)


@dataclass(frozen=True)
class Reading:
    """What an encoder takes at once.

    Attributes:
        window: the samples that it reads at once, with silence where there are fewer; None if it reads any number.
        shortest: the fewest samples of which it makes a frame.
        step: of convolutions on a waveform, the samples between two frames; 0 for any other encoder.
        field: of convolutions, the samples that one frame is made of.
    """

    window: int | None
    shortest: int
    step: int = 0
    field: int = 0


class SpeechModel:
    """Hidden states of a frozen speech encoder, one utterance at a time.

    Encoders with group norm (wav2vec2-base, HuBERT-base) give other frames for a padded waveform even with an
    attention mask, so utterances are never batched. Encoders that read one length alone (Whisper 30 s) get longer
    utterances cut into such windows. To others, utterances of more than 40 s are given in windows with context, see
    `study.features.windows`. Frames of padding are dropped.
    """

    def __init__(
        self, spec: str, folder: Path, extractor: Any, layers: Layers, reading: Reading, trust_remote_code: bool
    ) -> None:
        """Takes what is in `folder`."""
        self._spec, self._folder, self._trust = spec, folder, trust_remote_code
        self._extractor, self._layers, self._reading = extractor, layers, reading
        self.sample_rate_hz: int = extractor.sampling_rate

    @cached_property
    def identity(self) -> Mapping[str, object]:
        """The model by name and by the digest of its files, the layers, and the arithmetic."""
        return model_identity(self._spec, self._folder, self._layers.identity)

    @cached_property
    def _timing(self) -> Timing:
        return trial(self._spec, self._folder, self._trust).timing(self._layers)

    @property
    def dim(self) -> int:
        """Dimensions of a frame, measured."""
        return self._timing.dim

    @property
    def rate_hz(self) -> float:
        """Frames per second, measured."""
        return self._timing.rate_hz

    @property
    def long_reading(self) -> str:
        """How it reads utterances of more than WHOLE_SECONDS; empty where as all others."""
        return "" if self._reading.window is not None else READING

    def load(self) -> None:
        """Reads the weights, and encodes a second of noise.

        Raises:
            UserError: the folder's weights are not those of its configuration, or its frames not those of the trial.
        """
        second = 0.1 * torch.randn(self.sample_rate_hz, generator=torch.Generator().manual_seed(0))
        try:
            found = tuple(self.encode(second).shape)
        except UserError:
            raise
        except Exception as error:  # of the model's code, for whatever its files have
            raise encoding_fault(repr(self._spec), "a second of noise", error) from error
        # Convolutions without padding lose a few frames.
        if found[1] != self.dim or abs(found[0] - self.rate_hz) > max(2, self.rate_hz / 5):
            raise UserError(
                f"a second of audio is {self.rate_hz:g} frames of {self.dim} values by the code of {self._spec!r}, and "
                f"with its weights {found[0]} of {found[1]}; choose another layer or encoder"
            )

    @cached_property
    def _model(self) -> torch.nn.Module:
        return frozen_encoder(self._spec, self._folder, KIND, self._trust, AUDIO_PARTS)

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance; audio shorter than the encoder's first frame is padded with silence."""
        if (window := self._reading.window) is not None:
            parts = ((part, self._frames(self._inputs(part))) for part in samples.split(window))
            return torch.cat([frames[: -(-len(part) * len(frames) // window)] for part, frames in parts])
        inputs = self._inputs(samples)
        is_long = len(samples) > WHOLE_SECONDS * self.sample_rate_hz
        frames = torch.cat(list(self._long(inputs))) if is_long else self._frames(inputs)
        if self._reading.step:
            return frames
        return frames[: max(1, math.ceil(len(samples) / self._timing.samples_per_frame))]

    def _long(self, inputs: Mapping[str, Tensor]) -> Iterator[Float[Tensor, "time dim"]]:
        """Frames of the windows of a long utterance, which the extractor has normalised as a whole."""
        n_inputs, one = max(main_input(inputs).shape), self._timing.inputs_per_frame
        step, field = self._reading.step or 1, self._reading.field or 1
        n_frames = math.ceil(((n_inputs - field) // step + 1) * step / one)
        for window in windows(n_frames, self.rate_hz):
            part = slice(int(window.first * one), int(window.last * one) - step + field)
            yield self._frames({name: _cut(values, n_inputs, part) for name, values in inputs.items()})[window.core]

    def _inputs(self, samples: Float[Tensor, " samples"]) -> Mapping[str, Tensor]:
        missing = max(0, self._reading.shortest - len(samples))
        return given_inputs(self._extractor, torch.nn.functional.pad(samples, (0, missing)))

    @torch.inference_mode()
    def _frames(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "time dim"]:
        model = self._model
        device = next(model.parameters()).device
        there = {name: values.to(device) for name, values in inputs.items()}
        output = model(**there, output_hidden_states=self._layers.need_hidden_states)
        return as_frames(model.config, self._layers.of(output)).cpu()


def _cut(values: Tensor, n_inputs: int, part: slice) -> Tensor:
    """A part of the axis of time, which a spectrogram has last or first but one, and its mask has too."""
    axis = values.shape.index(n_inputs) if n_inputs in values.shape else None
    return values if axis is None else values.movedim(axis, 0)[part].movedim(0, axis)


def _declared(config: Any, extractor: Any) -> Reading:
    if config.model_type == "whisper":
        return Reading(extractor.n_samples, 1)
    step, field = math.prod(config.conv_stride), _receptive_field(config.conv_kernel, config.conv_stride)
    # SEW's layers take so many frames as one.
    squeezed = getattr(config, "squeeze_factor", 1)
    return Reading(None, field + (squeezed - 1) * step, step, field)


def _require_fit(spec: str, config: Any, extractor: Any) -> None:
    """Make sure that the feature extractor makes what the model reads.

    Raises:
        UserError: it does not.
    """
    try:
        inputs = extractor(
            np.zeros(extractor.sampling_rate), sampling_rate=extractor.sampling_rate, return_tensors="pt"
        )
        if config.model_type == "whisper":
            fits = inputs["input_features"].shape[1] == config.num_mel_bins and extractor.n_samples > 0
        else:
            fits = inputs["input_values"].ndim == 2
    except Exception:  # of whatever class the folder names
        fits = False
    if not fits:
        raise UserError(
            f"the feature extractor in {spec!r}, a {type(extractor).__name__}, does not fit its {config.model_type} "
            "model; put that model's own preprocessor_config.json there, or pass another model"
        )


def _receptive_field(kernels: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """The fewest samples from which the convolutions make one frame."""
    samples = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples
