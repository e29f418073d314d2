"""A speech encoder one of whose layers has the spectrum of the audio, while all others are noise.

`save` writes it as a model folder with code of its own, which a study opens as any other (`--trust-remote-code`).
"""

import zlib
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel, Wav2Vec2FeatureExtractor
from transformers.modeling_outputs import BaseModelOutput

SAMPLES_PER_FRAME = 1280


class PlantedConfig(PretrainedConfig):
    """Which layer has the signal."""

    model_type = "planted"

    def __init__(self, planted_layer: int = 0, hidden_size: int = 24, num_hidden_layers: int = 12, **more: Any) -> None:
        """Hidden state `planted_layer` of 0 to `num_hidden_layers` has it."""
        super().__init__(**more)
        self.planted_layer, self.hidden_size, self.num_hidden_layers = planted_layer, hidden_size, num_hidden_layers
        self.conv_stride, self.conv_kernel = [SAMPLES_PER_FRAME], [SAMPLES_PER_FRAME]


class PlantedModel(PreTrainedModel):
    """Frames of 80 ms at 16 kHz: log energies of the spectrum's bands in the planted layer, noise in the others."""

    config_class = PlantedConfig
    main_input_name = "input_values"

    def __init__(self, config: PlantedConfig) -> None:
        """Has one weight, which every frame is multiplied by, because a model without any is not saved."""
        super().__init__(config)
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.post_init()

    def forward(self, input_values: torch.Tensor, output_hidden_states: bool = False, **more: Any) -> BaseModelOutput:
        """Of `input_values` [batch, samples] the states, each [batch, frames, bands]."""
        frames = input_values.unfold(1, SAMPLES_PER_FRAME, SAMPLES_PER_FRAME)
        power = torch.fft.rfft(frames * torch.hann_window(SAMPLES_PER_FRAME)).abs().square()[..., 4:292]
        bands = (power.unflatten(-1, (self.config.hidden_size, -1)).mean(-1) + 1e-4).log() * self.scale
        # The same audio has the same noise, as with any frozen encoder.
        seed = zlib.crc32(input_values.half().numpy().tobytes())
        states = [
            bands
            if layer == self.config.planted_layer
            else torch.randn(bands.shape, generator=torch.Generator().manual_seed(100 * seed + layer))
            for layer in range(self.config.num_hidden_layers + 1)
        ]
        return BaseModelOutput(
            last_hidden_state=states[-1], hidden_states=tuple(states) if output_hidden_states else None
        )


def save(folder: Path, planted_layer: int) -> None:
    """Write the encoder with its code."""
    PlantedConfig.register_for_auto_class()
    PlantedModel.register_for_auto_class("AutoModel")
    PlantedModel(PlantedConfig(planted_layer)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
