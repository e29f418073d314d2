"""Late fusion: every modality has a model of its own, and their probabilities are averaged."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.fusion import FusionConfig
from models.streams import Stream
from models.unimodal import Unimodal


class Late(nn.Module):
    """The mean over modalities of the class probabilities of unimodal models.

    The models are trained together, by the cross-entropy of the mean: one that is wrong costs little where another is
    right. So they are not what each would be alone. Logits are logarithms of the mean probabilities, which makes
    softmax give the mean, and cross-entropy its logarithm.

    Source: no single paper; the sum rule of Kittler, Hatef, Duin, Matas, "On combining classifiers", IEEE TPAMI 1998.
    Departure: they combine classifiers that were trained apart.
    """

    def __init__(self, config: FusionConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames)."""
        super().__init__()
        self.models = nn.ModuleDict({name: Unimodal(config, {name: dim}, n_classes) for name, dim in dims.items()})

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        each = torch.stack([model(streams).log_softmax(1) for model in self.models.values()])
        return each.logsumexp(0) - math.log(len(each))
