"""Low-rank fusion: the outer product of all modalities, weighted by a tensor that is never built."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.streams import Stream
from models.utterance_vectors import Subnetworks, UtteranceVectors, VectorConfig


@dataclass(frozen=True)
class LowRankConfig(VectorConfig):
    """The shape of low-rank fusion; `rank` is the number of products that are summed."""

    rank: int = 4


class LowRank(nn.Module):
    """A sum of `rank` products over modalities of linear maps of their vectors, and a linear map to the classes.

    Source: Liu et al., "Efficient low-rank multimodal fusion with modality-specific factors", ACL 2018, section 3.2:
    h = sum_i prod_m (w_m^(i) z_m), with elementwise products and z_m the vector of modality m with a constant 1.
    Departures: those of `Subnetworks`; h is as wide as the vectors, and a linear map reads it.
    """

    def __init__(self, config: LowRankConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames)."""
        super().__init__()
        width = config.width
        self.vectors = UtteranceVectors(config, dims)
        self.subnetworks = Subnetworks(config, len(dims))
        self.factors = nn.ModuleList(nn.Linear(width + 1, config.rank * width, bias=False) for _ in dims)
        self.bias = nn.Parameter(torch.zeros(width))
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Linear(width, n_classes)
        self.rank = config.rank

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        return self.fuse(self.vectors(streams))

    def fuse(self, vectors: Float[Tensor, "batch streams width"]) -> Float[Tensor, "batch classes"]:
        """The logits of the modalities' vectors."""
        embedded = self.subnetworks(vectors)
        mapped = [factor(each) for factor, each in zip(self.factors, embedded, strict=True)]
        products = torch.stack(mapped).prod(0).unflatten(1, (self.rank, -1))  # [batch, rank, width]
        return self.classify(self.dropout(products.sum(1) + self.bias))  # type: ignore[no-any-return]
