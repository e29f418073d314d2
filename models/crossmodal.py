"""MulT: transformers from every modality to every other one, then one within each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.fusion import InputLayers
from models.layers import ContextRule
from models.pooling import PoolOverTime, TimePooling
from models.streams import Stream
from models.transformer import Transformer, with_positions


@dataclass(frozen=True)
class CrossmodalConfig:
    """The shape of MulT; the defaults are the published setting for IEMOCAP.

    Source: Tsai et al., "Multimodal transformer for unaligned multimodal language sequences", ACL 2019, table 5: 10
    heads over 40 dimensions, 4 crossmodal blocks, dropout .25; the 3 layers of self-attention are their code's.
    """

    n_heads: int = 10
    width_per_head: int = 4
    n_layers: int = 4
    n_self_layers: int = 3
    dropout: float = 0.25
    input_dropout: float = 0.0
    context: ContextRule = "linear"
    time_pooling: TimePooling = "mean"

    @property
    def width(self) -> int:
        """Dimensions of a frame inside a crossmodal transformer."""
        return self.n_heads * self.width_per_head


class Target(nn.Module):
    """One modality: a crossmodal transformer from every other one, and one over their frames side by side."""

    def __init__(self, config: CrossmodalConfig, n_sources: int) -> None:
        """For a modality with `n_sources` others beside it."""
        super().__init__()
        self.crossmodal = nn.ModuleList(
            Transformer(config.width, config.n_heads, config.n_layers, config.dropout) for _ in range(n_sources)
        )
        width = n_sources * config.width
        self.own = Transformer(width, config.n_heads, config.n_self_layers, config.dropout)
        self.pool = PoolOverTime(config.time_pooling, width)

    def forward(self, target: Stream, sources: Sequence[Stream]) -> Float[Tensor, "batch width"]:
        """One vector per utterance."""
        crossed = [blocks(target, source).frames for blocks, source in zip(self.crossmodal, sources, strict=True)]
        return self.pool(self.own(target.with_frames(torch.cat(crossed, dim=1))))  # type: ignore[no-any-return]


class Crossmodal(nn.Module):
    """Crossmodal transformers for every ordered pair of modalities; self-attention, pooling and a residual layer.

    Every block of a pair attends to the source as it came in, not as other blocks have changed it.

    Source: Tsai et al., ACL 2019, section 3 and equations 3 to 5. Departures: a context layer instead of a temporal
    convolution; pooling over time, by default the mean, instead of the last frame; positions are added once; gradients
    are clipped at the norm that all systems share, .8 in their code.
    """

    def __init__(self, config: CrossmodalConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames), at least two of them.

        Raises:
            ValueError: fewer than two modalities.
        """
        super().__init__()
        if len(dims) < 2:
            raise ValueError(f"a crossmodal transformer needs at least two modalities; got {sorted(dims)}")
        width = len(dims) * (len(dims) - 1) * config.width
        self.input_layers = InputLayers(config, dims)
        self.targets = nn.ModuleDict({name: Target(config, len(dims) - 1) for name in dims})
        self.hidden = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(width, width)
        )
        self.classify = nn.Linear(width, n_classes)

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        inputs = {name: with_positions(stream) for name, stream in self.input_layers(streams).items()}
        found = [
            target(inputs[name], [stream for other, stream in inputs.items() if other != name])
            for name, target in self.targets.items()
        ]
        vector = torch.cat(found, dim=1)
        return self.classify(vector + self.hidden(vector))  # type: ignore[no-any-return]
