"""The parts that gated, low-rank and tensor fusion share: they fuse one vector per modality and utterance."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.fusion import InputLayers
from models.layers import ContextRule
from models.pooling import PoolOverTime, TimePooling
from models.streams import Stream


@dataclass(frozen=True)
class VectorConfig:
    """The shape of the layers from frames to vectors: `width` dimensions of a frame, of a vector and of the fusion."""

    width: int = 64
    dropout: float = 0.3
    input_dropout: float = 0.0
    context: ContextRule = "gru"
    time_pooling: TimePooling = "mean"


class UtteranceVectors(nn.Module):
    """A context layer and pooling over time for every modality."""

    def __init__(self, config: VectorConfig, dims: Mapping[str, int]) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames)."""
        super().__init__()
        self.input_layers = InputLayers(config, dims)
        self.pools = nn.ModuleDict({name: PoolOverTime(config.time_pooling, config.width) for name in dims})

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch streams width"]:
        """One vector per utterance and modality, in the order of `dims`."""
        return torch.stack([self.pools[name](each) for name, each in self.input_layers(streams).items()], dim=1)


class Subnetworks(nn.Module):
    """The last layer of each modality before a product with the others, which a constant 1 is appended to.

    By the constant, a product of all modalities also has the terms of each alone.

    Source: Zadeh et al., EMNLP 2017, sections 4.1 and 4.2. Departures: their subnetworks are three layers for
    speech and a long short-term memory for words; here every modality has a context layer, pooling and one layer.
    """

    def __init__(self, config: VectorConfig, n_streams: int) -> None:
        """For `n_streams` vectors per utterance."""
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.width, config.width), nn.ReLU())
            for _ in range(n_streams)
        )

    def forward(self, vectors: Float[Tensor, "batch streams width"]) -> list[Float[Tensor, "batch width_and_one"]]:
        """One vector per modality, each with a last entry of 1."""
        embedded = [layer(vector) for layer, vector in zip(self.layers, vectors.unbind(1), strict=True)]
        return [nn.functional.pad(each, (0, 1), value=1.0) for each in embedded]
