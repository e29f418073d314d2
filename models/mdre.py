"""MDRE: two recurrent encoders whose last states are concatenated, the recurrent baseline of multimodal fusion."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from models.streams import Stream


@dataclass(frozen=True)
class MDREConfig:
    """The shape of MDRE; the defaults are the published setting.

    Source: Yoon, Byun, Jung, "Multimodal speech emotion recognition using audio and text", SLT 2018: a GRU of
    200 units per modality, its last valid state mapped to half its width, both halves concatenated and
    classified. Their optional prosody vector is left out: these features have none beside the frames.
    """

    n_units: int = 200
    n_layers: int = 1
    dropout: float = 0.0
    input_dropout: float = 0.0


class MDRE(nn.Module):
    """A recurrent encoder per modality and one linear map over the concatenation of what they end with."""

    def __init__(self, config: MDREConfig, dims: Mapping[str, int], n_classes: int) -> None:
        """For the modalities of `dims` (name -> dimensions of its frames)."""
        super().__init__()
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.encoders = nn.ModuleDict(
            {
                name: nn.GRU(
                    dim,
                    config.n_units,
                    config.n_layers,
                    batch_first=True,
                    dropout=config.dropout if config.n_layers > 1 else 0.0,  # between layers only
                )
                for name, dim in dims.items()
            }
        )
        self.halve = nn.ModuleDict({name: nn.Linear(config.n_units, config.n_units // 2) for name in dims})
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Linear(len(dims) * (config.n_units // 2), n_classes)

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        halves = [
            self.halve[name](last_state(encoder, streams[name].map(self.input_dropout)))  # type: ignore[arg-type]
            for name, encoder in self.encoders.items()
        ]
        return self.classify(self.dropout(torch.cat(halves, dim=1)))  # type: ignore[no-any-return]


def last_state(gru: nn.GRU, stream: Stream) -> Float[Tensor, "batch units"]:
    """The output at each utterance's own last frame; padding comes after it and cannot reach it."""
    outputs, _ = gru(pad_sequence(list(stream.split()), batch_first=True))
    rows = torch.arange(len(stream.lengths), device=outputs.device)
    last = torch.tensor(stream.lengths, device=outputs.device) - 1
    return outputs[rows, last]  # type: ignore[no-any-return]
