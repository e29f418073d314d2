"""Learned weights over bands of an encoder's layers, at the entrance of any model."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.streams import Stream

# Adam moves a number by at most the learning rate in a step. In the few hundred steps of a small corpus, logits that
# were learned as they are would stay near zero, and the weights near equal.
GAIN = 10.0


class LayerMix(nn.Module):
    """The weighted mean of bands that stand side by side in a frame.

    The weights are the softmax of one learned number for each band. They begin equal and sum to 1.

    Source: Yang et al., "SUPERB: Speech processing universal performance benchmark", Interspeech 2021: a weighted sum
    of all hidden states. Departures: bands are means of consecutive layers, each dimension of which is standardised on
    the training set, so that weights are comparable; and the logits are `GAIN` times what is learned.
    """

    def __init__(self, bands: Sequence[str]) -> None:
        """For frames of the `bands` of these names, side by side and equally wide."""
        super().__init__()
        self.bands = tuple(bands)
        self.logits = nn.Parameter(torch.zeros(len(bands)))

    def weights(self) -> Float[Tensor, " bands"]:
        """The weight of each band."""
        return (GAIN * self.logits).softmax(0)

    def forward(self, stream: Stream) -> Stream:
        """The stream of [frames, bands*dim] as [frames, dim]."""
        return stream.map(
            lambda frames: torch.einsum("tbd,b->td", frames.unflatten(1, (len(self.bands), -1)), self.weights())
        )


class BehindLayerMix(nn.Module):
    """A model whose streams of several bands are mixed before it reads them."""

    def __init__(self, model: nn.Module, bands: Mapping[str, Sequence[str]]) -> None:
        """Mixes the streams that `bands` names, and leaves the others as they are."""
        super().__init__()
        self.mixes = nn.ModuleDict({name: LayerMix(own) for name, own in bands.items()})
        self.model = model

    def forward(self, streams: Mapping[str, Stream]) -> Float[Tensor, "batch classes"]:
        """One logit per class and utterance."""
        return self.model(  # type: ignore[no-any-return]
            {name: self.mixes[name](each) if name in self.mixes else each for name, each in streams.items()}
        )


def learned_weights(module: nn.Module) -> dict[str, dict[str, float]]:
    """The weights of a module of `models.build`, by stream and band; empty where it mixes none."""
    return {
        name: dict(zip(mix.bands, mix.weights().tolist(), strict=True))
        for part in module.modules()
        if isinstance(part, BehindLayerMix)
        for name, mix in part.mixes.items()
        if isinstance(mix, LayerMix)
    }
