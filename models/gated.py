"""Gated fusion: for every dimension, a learned share of each modality."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.streams import Stream
from models.utterance_vectors import UtteranceVectors, VectorConfig


class Gated(nn.Module):
    """A gated multimodal unit over the modalities' vectors, and a linear map to the classes.

    Source: Arevalo, Solorio, Montes-y-Gómez, González, "Gated multimodal units for information fusion", ICLR workshop
    2017, section 3.1: h_i = tanh(W_i x_i), and for two modalities z = sigmoid(W_z [x_1, x_2]), h = z h_1 + (1 - z) h_2.
    Departures: the gates are a softmax over the modalities, for two of them the same functions and for more one whose
    shares sum to 1, too (theirs are independent sigmoids then); inputs are a context layer's frames, pooled over time;
    and their maxout classifier is one linear map.
    """

    def __init__(self, config: VectorConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames)."""
        super().__init__()
        n_streams, width = len(dims), config.width
        self.vectors = UtteranceVectors(config, dims)
        self.dropout = nn.Dropout(config.dropout)
        self.contents = nn.ModuleList(nn.Linear(width, width) for _ in dims)
        self.gates = nn.Linear(n_streams * width, n_streams * width)
        self.classify = nn.Linear(width, n_classes)

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        return self.fuse(self.vectors(streams))

    def fuse(self, vectors: Float[Tensor, "batch streams width"]) -> Float[Tensor, "batch classes"]:
        """The logits of the modalities' vectors."""
        vectors = self.dropout(vectors)
        contents = [layer(vector).tanh() for layer, vector in zip(self.contents, vectors.unbind(1), strict=True)]
        shares = self.gates(vectors.flatten(1)).view_as(vectors).softmax(1)
        fused = (shares * torch.stack(contents, dim=1)).sum(1)
        return self.classify(self.dropout(fused))  # type: ignore[no-any-return]
