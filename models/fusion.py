"""The parts that fusions share: input layers, and the configuration and head of self- and cross-attention."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.layers import ContextRule, context_layer
from models.pooling import PoolOverTime, StreamPooling, TimePooling, pool_across_streams, pooled_width
from models.streams import Stream


@dataclass(frozen=True)
class FusionConfig:
    """The shape of an attention fusion; the defaults are the published setting.

    Source: Rajan, Brutti, Cavallaro, "Is cross-attention preferable to self-attention for multi-modal emotion
    recognition?", ICASSP 2022: a bidirectional GRU of 60 units per direction, 6 heads over 120 dimensions,
    attention dropout .1, no residual, mean over time, mean and deviation across streams. Its code also drops
    a quarter of the text features' entries; here `input_dropout` treats all streams alike and is off.
    """

    n_heads: int = 6
    width_per_head: int = 20
    n_layers: int = 1
    dropout: float = 0.1
    input_dropout: float = 0.0
    context: ContextRule = "gru"
    time_pooling: TimePooling = "mean"
    stream_pooling: StreamPooling = "statistics"

    @property
    def width(self) -> int:
        """Dimensions of a frame inside the model."""
        return self.n_heads * self.width_per_head


@runtime_checkable
class InputShape(Protocol):
    """What a configuration says of its input layers."""

    @property
    def width(self) -> int:
        """Dimensions of a frame inside the model; even where the context is "gru"."""

    @property
    def context(self) -> ContextRule:
        """The layer that reads the encoder's frames."""

    @property
    def input_dropout(self) -> float:
        """The probability that an entry of the encoder's frames is dropped."""


class InputLayers(nn.Module):
    """One context layer per modality, from the encoder's dimensions to the model's width."""

    def __init__(self, config: InputShape, dims: Mapping[str, int]) -> None:
        """One layer per modality of `dims` (name -> dimensions of its frames)."""
        super().__init__()
        self.dropout = nn.Dropout(config.input_dropout)
        self.layers = nn.ModuleDict(
            {name: context_layer(config.context, dim, config.width) for name, dim in dims.items()}
        )

    def forward(self, streams: Mapping[str, Stream]) -> dict[str, Stream]:
        """The modalities' streams, `width` wide."""
        return {name: layer(streams[name].map(self.dropout)) for name, layer in self.layers.items()}


class FusionHead(nn.Module):
    """From attended streams to logits: pooling over time, pooling across streams, two linear maps.

    There is no activation between the two maps, as published.
    """

    def __init__(self, config: FusionConfig, n_streams: int, n_classes: int) -> None:
        """For `n_streams` attended streams per utterance."""
        super().__init__()
        self.rule = config.stream_pooling
        self.pools = nn.ModuleList(PoolOverTime(config.time_pooling, config.width) for _ in range(n_streams))
        self.hidden = nn.Linear(pooled_width(self.rule, n_streams, config.width), config.width // 2)
        self.classify = nn.Linear(config.width // 2, n_classes)

    def forward(self, attended: list[Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        vectors = torch.stack(
            [pool(stream) for pool, stream in zip(self.pools, attended, strict=True)], dim=1
        )  # [batch, streams, width]
        return self.classify(self.hidden(pool_across_streams(vectors, self.rule)))  # type: ignore[no-any-return]
