"""Attention bottlenecks: modalities exchange what a few shared tokens can carry."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.fusion import InputLayers
from models.layers import ContextRule
from models.pooling import PoolOverTime, TimePooling
from models.rows_behind import RowsBehind, rows_behind
from models.streams import Stream
from models.transformer import TransformerBlock, with_positions


@dataclass(frozen=True)
class BottleneckConfig:
    """The shape of bottleneck fusion: `n_layers` within each modality, then `n_fusion_layers` with the tokens.

    Two layers of fusion are the fewest: in the first, tokens only read; what they carry is read from the second on.
    """

    n_heads: int = 4
    width_per_head: int = 16
    n_layers: int = 1
    n_fusion_layers: int = 2
    n_tokens: int = 4
    dropout: float = 0.1
    input_dropout: float = 0.0
    context: ContextRule = "linear"
    time_pooling: TimePooling = "mean"

    @property
    def width(self) -> int:
        """Dimensions of a frame and of a token inside the model."""
        return self.n_heads * self.width_per_head


class Bottleneck(nn.Module):
    """A transformer for each modality, whose last layers share tokens: the only way from one modality to another.

    Every modality updates the tokens beside its frames; their mean over modalities goes into the next layer.

    Source: Nagrani et al., "Attention bottlenecks for multimodal fusion", NeurIPS 2021, section 3.2, equations 8 and 9,
    with 4 tokens. Departures: encoders have been trained elsewhere, so there are three layers instead of twelve, behind
    a context layer; positions are waves; and each modality's frames are pooled, where they read a class token.
    """

    def __init__(self, config: BottleneckConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames).

        Raises:
            ValueError: fewer than two layers of fusion.
        """
        super().__init__()
        if config.n_fusion_layers < 2:
            raise ValueError(f"tokens carry nothing in fewer than two layers of fusion; got {config.n_fusion_layers}")
        self.input_layers = InputLayers(config, dims)
        self.own = nn.ModuleList(_layer(config, dims) for _ in range(config.n_layers))
        self.fusion = nn.ModuleList(_layer(config, dims) for _ in range(config.n_fusion_layers))
        self.tokens = nn.Parameter(0.02 * torch.randn(config.n_tokens, config.width))
        self.norm = nn.LayerNorm(config.width)
        self.pools = nn.ModuleDict({name: PoolOverTime(config.time_pooling, config.width) for name in dims})
        self.classify = nn.Linear(config.width, n_classes)

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance: the mean over modalities of those of one linear map."""
        inside = {name: with_positions(stream) for name, stream in self.input_layers(streams).items()}
        for layer in self.own:
            inside = {name: block(inside[name]) for name, block in layer.items()}  # type: ignore[operator]
        batch = len(next(iter(inside.values())).lengths)
        tokens = self.tokens.expand(batch, -1, -1)
        behind = {name: rows_behind(stream, tokens.shape[1]) for name, stream in inside.items()}
        for layer in self.fusion:
            inside, tokens = exchanged(layer, inside, tokens, behind)  # type: ignore[arg-type]
        vectors = torch.stack([self.pools[name](stream.map(self.norm)) for name, stream in inside.items()])
        return self.classify(vectors.mean(0))  # type: ignore[no-any-return]


def exchanged(
    layer: nn.ModuleDict,
    streams: Mapping[str, Stream],
    tokens: Float[Tensor, "batch tokens width"],
    behind: Mapping[str, RowsBehind],
) -> tuple[dict[str, Stream], Float[Tensor, "batch tokens width"]]:
    """Streams and tokens after one layer of fusion, the tokens in their rows `behind` the frames of each stream."""
    inside, updated = {}, []
    for name, block in layer.items():
        both = block(behind[name].joined(streams[name], tokens))
        inside[name], own = behind[name].separated(streams[name], both)
        updated.append(own)
    return inside, torch.stack(updated).mean(0)


def _layer(config: BottleneckConfig, dims: Mapping[str, int]) -> nn.ModuleDict:
    """One transformer block for each modality."""
    return nn.ModuleDict({name: TransformerBlock(config.width, config.n_heads, config.dropout) for name in dims})
