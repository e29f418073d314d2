"""MDRE: two recurrent encoders whose last states are concatenated, a recurrent baseline of multimodal fusion."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.kernels.gru import scan
from models.layout import taken
from models.streams import Stream


@dataclass(frozen=True)
class MDREConfig:
    """The shape of MDRE; the defaults are the published setting.

    Source: Yoon, Byun, Jung, "Multimodal speech emotion recognition using audio and text", SLT 2018: a GRU of
    200 units per modality, its last valid state mapped to half its width, both halves concatenated and
    classified. Departure: their optional prosody vector is left out, since the features hold frames only.
    """

    n_units: int = 200
    n_layers: int = 1
    dropout: float = 0.0
    input_dropout: float = 0.0


class MDRE(nn.Module):
    """A recurrent encoder per modality, and one linear map over their concatenated last states."""

    def __init__(self, config: MDREConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames)."""
        super().__init__()
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.encoders = nn.ModuleDict(
            {
                name: nn.ModuleList(
                    nn.GRU(config.n_units if layer else dim, config.n_units, batch_first=True)
                    for layer in range(config.n_layers)
                )
                for name, dim in dims.items()
            }
        )
        self.halve = nn.ModuleDict({name: nn.Linear(config.n_units, config.n_units // 2) for name in dims})
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Linear(len(dims) * (config.n_units // 2), n_classes)

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        halves = []
        for name, layers in self.encoders.items():
            stream = streams[name].map(self.input_dropout)
            for number, gru in enumerate(cast(Iterable[nn.GRU], layers)):
                stream = scan(gru, stream.map(self.dropout) if number else stream)
            halves.append(self.halve[name](last_frames(stream)))
        return self.classify(self.dropout(torch.cat(halves, dim=1)))  # type: ignore[no-any-return]


def last_frames(stream: Stream) -> Float[Tensor, "batch units"]:
    """Each utterance's own last frame."""
    return taken(stream.frames, stream.last)
