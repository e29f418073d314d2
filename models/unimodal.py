"""One modality alone: the baseline of fusion, with its context layer, attention and pooling over time."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from models.fusion import FusionConfig, InputLayers
from models.pooling import PoolOverTime
from models.self_attention import attend_in_turn, self_attention_layers
from models.streams import Stream


class Unimodal(nn.Module):
    """Self-attention over a single stream, pooled over time and classified.

    There is only one stream, so the classifier reads the pooled vector itself; everything before it equals the
    branch of one modality in self-attention fusion.
    """

    def __init__(self, config: FusionConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the one input of `dims` (name -> dimensions of its frames).

        Raises:
            ValueError: more or fewer inputs than one.
        """
        super().__init__()
        if len(dims) != 1:
            raise ValueError(f"a unimodal model has exactly one input; got {sorted(dims)}")
        (self.input,) = dims
        self.input_layers = InputLayers(config, dims)
        self.attention = self_attention_layers(config)
        self.pool = PoolOverTime(config.time_pooling, config.width)
        self.hidden = nn.Linear(config.width, config.width // 2)
        self.classify = nn.Linear(config.width // 2, n_classes)

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        attended = attend_in_turn(self.attention, self.input_layers(streams)[self.input])
        return self.classify(self.hidden(self.pool(attended)))  # type: ignore[no-any-return]
