"""Learned vectors in the place of missing modalities, at the entrance of any model."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.streams import Stream


class WithMissing(nn.Module):
    """A model for utterances that may lack a modality: what is missing is one frame, and that frame is learned.

    A vector begins at zero, which is the mean frame of the training set since frames are scaled. It stays there where
    nothing is missing in training, so a model that never learned a vector reads the mean frame.

    Source: Neverova, Wolf, Taylor, Nebout, "ModDrop: Adaptive multi-modal gesture recognition", IEEE TPAMI 2016, drop
    whole modalities in training. Departure: what is dropped is a learned vector, where they put zeros.
    """

    def __init__(self, model: nn.Module, dims: Mapping[str, int]) -> None:
        """Learns a vector for each of the streams of `dims` (name -> dimensions of its frames), and `model` beside."""
        super().__init__()
        # Nothing random: the model's own numbers are those that it has without vectors.
        self.vectors = nn.ParameterDict({name: nn.Parameter(torch.zeros(dim)) for name, dim in dims.items()})
        self.model = model

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        filled = {
            name: filled_in(each, self.vectors[name]) if name in self.vectors else each
            for name, each in streams.items()
        }
        return self.model(filled)  # type: ignore[no-any-return]


def filled_in(stream: Stream, vector: Float[Tensor, " dim"]) -> Stream:
    """The stream with `vector` as the frame of every utterance that lacks it."""
    if stream.missing is None:
        return stream
    frames = stream.frames.index_copy(0, stream.missing, vector.expand(len(stream.missing), -1))
    return stream.with_frames(frames)
