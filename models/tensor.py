"""Tensor fusion: the whole outer product of all modalities."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from jaxtyping import Float
from torch import Tensor, nn

from models.streams import Stream
from models.utterance_vectors import Subnetworks, UtteranceVectors, VectorConfig


@dataclass(frozen=True)
class TensorConfig(VectorConfig):
    """The shape of tensor fusion; the defaults are the published setting.

    Source: Zadeh et al., "Tensor fusion network for multimodal sentiment analysis", EMNLP 2017: 32 units for a
    modality, and two layers of 128 units behind the product. The product has (width + 1) entries to the power of the
    number of modalities: 1,089 for two of 32, 274,625 for three of 64.
    """

    width: int = 32
    n_hidden: int = 128


class TensorFusion(nn.Module):
    """The outer product over modalities of their vectors, and a perceptron of two hidden layers.

    Source: Zadeh et al., EMNLP 2017, sections 4.2 and 4.3: the product of the vectors with a constant 1 holds the
    terms of one, two and all modalities. Departures: those of `Subnetworks`; dropout is before each layer.
    """

    def __init__(self, config: TensorConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames)."""
        super().__init__()
        self.vectors = UtteranceVectors(config, dims)
        self.subnetworks = Subnetworks(config, len(dims))
        self.layers = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear((config.width + 1) ** len(dims), config.n_hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.n_hidden, config.n_hidden),
            nn.ReLU(),
            nn.Linear(config.n_hidden, n_classes),
        )

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        return self.fuse(self.vectors(streams))

    def fuse(self, vectors: Float[Tensor, "batch streams width"]) -> Float[Tensor, "batch classes"]:
        """The logits of the modalities' vectors."""
        return self.layers(reduce(outer_product, self.subnetworks(vectors)))  # type: ignore[no-any-return]


def outer_product(one: Float[Tensor, "batch m"], other: Float[Tensor, "batch n"]) -> Float[Tensor, "batch mn"]:
    """All products of an entry of `one` and an entry of `other`, of each utterance."""
    return (one.unsqueeze(2) * other.unsqueeze(1)).flatten(1)
