"""Self-attention fusion: every modality attends to itself, and the results are pooled together."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from models.fusion import FusionConfig, FusionHead, InputLayers
from models.layers import MultiHeadAttention
from models.streams import Stream


class SelfAttention(nn.Module):
    """One attention per modality and layer, with query, key and value from one stream.

    The first layer has no residual connection, as published; further layers, which the publication does not
    have, add their output to their input.
    """

    def __init__(self, config: FusionConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames)."""
        super().__init__()
        self.input_layers = InputLayers(config, dims)
        self.attention = nn.ModuleDict({name: self_attention_layers(config) for name in dims})
        self.head = FusionHead(config, n_streams=len(dims), n_classes=n_classes)

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        inputs = self.input_layers(streams)
        return self.head([attend_in_turn(self.attention[name], inputs[name]) for name in inputs])  # type: ignore[no-any-return,arg-type]


def self_attention_layers(config: FusionConfig) -> nn.ModuleList:
    """The attention layers of one modality."""
    return nn.ModuleList(
        MultiHeadAttention(config.width, config.n_heads, config.dropout) for _ in range(config.n_layers)
    )


def attend_in_turn(layers: nn.ModuleList, stream: Stream) -> Stream:
    """The stream after every layer of self-attention."""
    first, *further = layers
    attended: Stream = first(stream, stream)
    for layer in further:
        attended = attended.with_frames(attended.frames + layer(attended, attended).frames)
    return attended
