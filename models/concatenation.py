"""Concatenation: statistics of every stream over time, side by side, and a multilayer perceptron."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.pooling import mean_and_deviation_over_time
from models.streams import Stream


@dataclass(frozen=True)
class ConcatenationConfig:
    """The shape of concatenation: `n_layers` hidden layers of `width` units each; without any, it is linear."""

    width: int = 128
    n_layers: int = 1
    dropout: float = 0.3
    input_dropout: float = 0.0


class Concatenation(nn.Module):
    """Mean and deviation over time of the encoders' frames, concatenated over modalities and classified.

    Source: no single paper; early fusion of utterance-level statistics is the common baseline, as EF-LSTM's is of
    frames in Liang et al., "MultiBench: Multiscale benchmarks for multimodal representation learning", NeurIPS 2021.
    """

    def __init__(self, config: ConcatenationConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames)."""
        super().__init__()
        self.modalities = tuple(dims)
        sizes = [2 * sum(dims.values()), *[config.width] * config.n_layers]
        self.layers = nn.Sequential(nn.Dropout(config.input_dropout))
        for before, after in pairwise(sizes):
            self.layers.extend([nn.Linear(before, after), nn.ReLU(), nn.Dropout(config.dropout)])
        self.layers.append(nn.Linear(sizes[-1], n_classes))

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        statistics = [mean_and_deviation_over_time(streams[name]) for name in self.modalities]
        return self.layers(torch.cat(statistics, dim=1))  # type: ignore[no-any-return]
