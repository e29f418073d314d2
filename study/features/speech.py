"""Pretrained speech encoders: wav2vec 2.0 and its relatives on waveforms, and the encoder of Whisper."""

import math
from collections.abc import Iterator, Mapping, Sequence
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
from study.features.huggingface import frozen_encoder, loaded, model_folder, model_identity
from study.features.layers import Layers
from study.features.model_faults import encoding_fault
from study.features.windows import READING, windows

# Each of Whisper's frames covers two hops of its log-mel spectrogram: its second convolution has stride 2.
WHISPER_STRIDE = 2


def open_speech_model(spec: str, layers: Sequence[str], trust_remote_code: bool) -> "SpeechModel":
    """The speech encoder in the folder, or of the hub id, `spec`; its weights are read at first use.

    Its frames are `layers` side by side.

    Raises:
        UserError: no such model, files that are not a speech encoder, or no such layer.
    """
    folder = model_folder(spec)
    kind = "a speech encoder (wav2vec 2.0, HuBERT, WavLM, data2vec-audio or Whisper)"
    config, extractor = loaded(
        spec,
        folder,
        kind,
        lambda: (
            AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code),
            AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=trust_remote_code),
        ),
    )
    if not (config.model_type == "whisper" or hasattr(config, "conv_stride")):
        raise UserError(f"expected {kind} in {spec!r}, found a {config.model_type} model; pass another audio encoder")
    _require_fit(spec, config, extractor)
    chosen = Layers.chosen(layers, config.num_hidden_layers)
    return SpeechModel(spec, folder, config, extractor, chosen, trust_remote_code)


class SpeechModel:
    """Hidden states of a frozen speech encoder, one utterance at a time.

    Encoders with group norm (wav2vec2-base, HuBERT-base) give other frames for a padded waveform even with an
    attention mask, so utterances are never batched. Whisper reads windows of 30 s: longer utterances are cut
    into such windows, and frames of its padding are dropped. To others, utterances of more than 40 s are given in
    windows with context, see `study.features.windows`.
    """

    def __init__(
        self,
        spec: str,
        folder: Path,
        config: Any,
        extractor: Any,
        layers: Layers,
        trust_remote_code: bool,
    ) -> None:
        """Takes what is in `folder`."""
        self._spec, self._folder, self._trust = spec, folder, trust_remote_code
        self._extractor, self._layers = extractor, layers
        self.dim: int = config.hidden_size * layers.width
        self.sample_rate_hz: int = extractor.sampling_rate
        if config.model_type == "whisper":
            self._window: int | None = extractor.n_samples
            self._samples_per_frame = WHISPER_STRIDE * extractor.hop_length
            self._shortest = 1
        else:
            self._window = None
            self._samples_per_frame = math.prod(config.conv_stride)
            self._field = _receptive_field(config.conv_kernel, config.conv_stride)
            # SEW's layers take so many frames as one.
            squeezed = getattr(config, "squeeze_factor", 1)
            self._shortest = self._field + (squeezed - 1) * self._samples_per_frame
        self.rate_hz: float = self.sample_rate_hz / self._samples_per_frame

    @cached_property
    def identity(self) -> Mapping[str, object]:
        """The model by name and by the digest of its files, the layers, and the arithmetic."""
        return model_identity(self._spec, self._folder, self._layers.identity)

    @property
    def long_reading(self) -> str:
        """How it reads utterances of more than WHOLE_SECONDS; empty where as all others."""
        return "" if self._window is not None else READING

    def load(self) -> None:
        """Reads the weights, and encodes a second of noise.

        Raises:
            UserError: the folder's weights are not those of its configuration, or its frames not of the declared rate.
        """
        second = 0.1 * torch.randn(self.sample_rate_hz, generator=torch.Generator().manual_seed(0))
        try:
            found = tuple(self.encode(second).shape)
        except UserError:
            raise
        except Exception as error:  # of the model's code, for whatever its files have
            raise encoding_fault(repr(self._spec), "a second of noise", error) from error
        if found[1] != self.dim or abs(found[0] - self.rate_hz) > 2:
            raise UserError(
                f"a second of audio is {self.rate_hz:g} frames of {self.dim} values by the configuration of "
                f"{self._spec!r}, and the model makes {found[0]} of {found[1]}; choose another layer or encoder"
            )

    @cached_property
    def _model(self) -> torch.nn.Module:
        return frozen_encoder(self._spec, self._folder, "a speech encoder", self._trust)

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance; audio shorter than the encoder's first frame is padded with silence."""
        missing = max(0, self._shortest - len(samples))
        samples = torch.nn.functional.pad(samples, (0, missing))
        if self._window is not None:
            parts = samples.split(self._window)
            counts = [math.ceil(len(part) / self._samples_per_frame) for part in parts]
            return torch.cat([self._frames(self._inputs(part))[:n] for part, n in zip(parts, counts, strict=True)])
        inputs = self._inputs(samples)
        if len(samples) <= WHOLE_SECONDS * self.sample_rate_hz:
            return self._frames(inputs)
        return torch.cat(list(self._long(inputs, len(samples))))

    def _long(self, inputs: Mapping[str, Tensor], n_samples: int) -> Iterator[Float[Tensor, "time dim"]]:
        """Frames of the windows of a long utterance, which the extractor has normalised as a whole."""
        step = self._samples_per_frame
        for window in windows((n_samples - self._field) // step + 1, self.rate_hz):
            part = slice(window.first * step, (window.last - 1) * step + self._field)
            yield self._frames({name: values[:, part] for name, values in inputs.items()})[window.core]

    def _inputs(self, samples: Float[Tensor, " samples"]) -> Mapping[str, Tensor]:
        # A spectrogram in bfloat16 would lose more than the model does, and NumPy knows no such numbers.
        with torch.autocast("cpu", enabled=False):
            inputs = self._extractor(samples.numpy(), sampling_rate=self.sample_rate_hz, return_tensors="pt")
        return dict(inputs)

    @torch.inference_mode()
    def _frames(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "time dim"]:
        model = self._model
        device = next(model.parameters()).device
        there = {name: values.to(device) for name, values in inputs.items()}
        output = model(**there, output_hidden_states=self._layers.need_hidden_states)
        return self._layers.of(output)[0].cpu()


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
