"""Cross-attention fusion: every modality attends to every other one, and the results are pooled together."""

from collections.abc import Mapping
from itertools import permutations

from jaxtyping import Float
from torch import Tensor, nn

from models.fusion import FusionConfig, FusionHead, InputLayers
from models.layers import MultiHeadAttention
from models.streams import Stream


class CrossAttention(nn.Module):
    """One attention per layer and ordered pair of modalities: queries from the target, keys and values from the source.

    Two modalities make two pairs, three make six. The first layer has no residual connection, as published. In
    further layers, which the publication does not have, the attended target attends to the source again, with one.
    """

    def __init__(self, config: FusionConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames), at least two of them.

        Raises:
            ValueError: fewer than two modalities.
        """
        super().__init__()
        if len(dims) < 2:
            raise ValueError(f"cross-attention needs at least two modalities; got {sorted(dims)}")
        self.pairs = tuple(permutations(dims, 2))
        self.input_layers = InputLayers(config, dims)
        self.attention = nn.ModuleList(
            nn.ModuleList(
                MultiHeadAttention(config.width, config.n_heads, config.dropout) for _ in range(config.n_layers)
            )
            for _ in self.pairs
        )
        self.head = FusionHead(config, n_streams=len(self.pairs), n_classes=n_classes)

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        inputs = self.input_layers(streams)
        return self.head(  # type: ignore[no-any-return]
            [
                attend_to_source(layers, inputs[target], inputs[source])  # type: ignore[arg-type]
                for layers, (target, source) in zip(self.attention, self.pairs, strict=True)
            ]
        )


def attend_to_source(layers: nn.ModuleList, target: Stream, source: Stream) -> Stream:
    """The target's stream after every layer of attention to the source."""
    first, *further = layers
    attended: Stream = first(target, source)
    for layer in further:
        attended = attended.with_frames(attended.frames + layer(attended, source).frames)
    return attended
