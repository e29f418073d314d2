"""Pretrained speech encoders: wav2vec 2.0 and its relatives on waveforms, and the encoder of Whisper."""

import math
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoConfig, AutoFeatureExtractor

from study.errors import UserError
from study.features.huggingface import frozen_encoder, loaded, model_folder, model_identity
from study.features.spec import OUTPUT
from study.plurals import counted

# Each of Whisper's frames covers two hops of its log-mel spectrogram: its second convolution has stride 2.
WHISPER_STRIDE = 2


def open_speech_model(spec: str, layer: str, trust_remote_code: bool) -> "SpeechModel":
    """The speech encoder in the folder, or of the hub id, `spec`; its weights are read at first use.

    Raises:
        UserError: no such model, files that are not a speech encoder, or no such layer.
    """
    folder = model_folder(spec)
    kind = "a speech encoder (wav2vec 2.0, HuBERT, WavLM, data2vec-audio or Whisper)"
    config, extractor = loaded(
        spec,
        kind,
        lambda: (
            AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code),
            AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=trust_remote_code),
        ),
    )
    if not (config.model_type == "whisper" or hasattr(config, "conv_stride")):
        raise UserError(f"expected {kind} in {spec!r}, found a {config.model_type} model; pass another audio encoder")
    return SpeechModel(
        spec, folder, config, extractor, chosen_layers(layer, config.num_hidden_layers), trust_remote_code
    )


class SpeechModel:
    """Hidden states of a frozen speech encoder, one utterance at a time.

    Encoders with group norm (wav2vec2-base, HuBERT-base) give other frames for a padded waveform even with an
    attention mask, so utterances are never batched. Whisper reads windows of 30 s: longer utterances are cut
    into such windows, and frames of its padding are dropped.
    """

    def __init__(
        self,
        spec: str,
        folder: Path,
        config: Any,
        extractor: Any,
        layers: range | None,
        trust_remote_code: bool,
    ) -> None:
        """Takes what is in `folder`; `layers` are the hidden states to average, None is the model's output."""
        self._spec, self._folder, self._trust = spec, folder, trust_remote_code
        self._extractor, self._layers = extractor, layers
        self.dim: int = config.hidden_size
        self.sample_rate_hz: int = extractor.sampling_rate
        if config.model_type == "whisper":
            self._window: int | None = extractor.n_samples
            self._samples_per_frame = WHISPER_STRIDE * extractor.hop_length
            self._shortest = 1
        else:
            self._window = None
            self._samples_per_frame = math.prod(config.conv_stride)
            self._shortest = _receptive_field(config.conv_kernel, config.conv_stride)
        self.rate_hz: float = self.sample_rate_hz / self._samples_per_frame

    @cached_property
    def identity(self) -> Mapping[str, object]:
        """The model by name and by the digest of its files, the layers averaged, and the arithmetic."""
        layer = OUTPUT if self._layers is None else f"mean:{self._layers[0]}-{self._layers[-1]}"
        return model_identity(self._spec, self._folder, layer)

    def load(self) -> None:
        """Reads the weights.

        Raises:
            UserError: the folder's weights are not those of its configuration.
        """
        _ = self._model

    @cached_property
    def _model(self) -> torch.nn.Module:
        return frozen_encoder(self._spec, self._folder, "a speech encoder", self._trust)

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance; audio shorter than the encoder's first frame is padded with silence."""
        missing = max(0, self._shortest - len(samples))
        samples = torch.nn.functional.pad(samples, (0, missing))
        window = self._window or len(samples)
        return torch.cat([self._frames(samples[start : start + window]) for start in range(0, len(samples), window)])

    @torch.inference_mode()
    def _frames(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        model = self._model
        # A spectrogram in bfloat16 would lose more than the model does, and NumPy knows no such numbers.
        with torch.autocast("cpu", enabled=False):
            inputs = self._extractor(samples.numpy(), sampling_rate=self.sample_rate_hz, return_tensors="pt")
        device = next(model.parameters()).device
        output = model(**inputs.to(device), output_hidden_states=self._layers is not None)
        if self._layers is None:
            frames: Tensor = output.last_hidden_state[0]
        else:
            frames = torch.stack([output.hidden_states[index][0] for index in self._layers]).mean(0)
        if self._window is not None:
            frames = frames[: math.ceil(len(samples) / self._samples_per_frame)]
        return frames.cpu()


def chosen_layers(layer: str, n_layers: int) -> range | None:
    """The hidden states that "last" (None), a number or "mean:a-b" stands for; 0 is the first layer's input.

    Raises:
        UserError: neither of these forms, or a layer that a model of `n_layers` layers does not have.
    """
    if layer == OUTPUT:
        return None
    found = re.fullmatch(r"(\d{1,4})|mean:(\d{1,4})-(\d{1,4})", layer)
    if found is None:
        raise UserError(f"a layer is a number, 'last' or 'mean:a-b', found {layer!r}; for example 'mean:1-{n_layers}'")
    single, low, high = found.groups()
    layers = range(int(low or single), int(high or single) + 1)
    if len(layers) == 0 or layers[-1] > n_layers:
        raise UserError(
            f"layers run from 0 to {n_layers} in an encoder of {counted(n_layers, 'layer')}, found {layer!r}; "
            "choose among them"
        )
    return layers


def _receptive_field(kernels: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """The fewest samples from which the convolutions make one frame."""
    samples = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples
