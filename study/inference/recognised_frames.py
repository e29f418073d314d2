"""The text frames of recognised words, in the place of those of the true ones.

Utterances whose recognised words are the true ones keep their stored frames, so that equal words are equal scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from study.corpus.utterance import Utterance
from study.errors import UserError
from study.features.encoder import Encoded
from study.features.pack import Pack
from study.features.spec import FeatureChoice
from study.inference.encoding import Places, opened_encoder
from study.inference.model_config import ModalityConfig
from study.modalities import MODALITIES

TEXT = "text"
# Called with what is being done, how much of it is done, and of how much.
OnProgress = Callable[[str, int, int], None]


class RecognisedFrames:
    """The packs of a study's text features, with the frames of other words for some utterances."""

    def __init__(
        self, changed: Sequence[Utterance], places: Places, trust_remote_code: bool, on_progress: OnProgress
    ) -> None:
        """Encode the words of the `changed` utterances, by encoders that may be elsewhere now (`places`)."""
        self._changed, self._places, self._trust, self._on_progress = changed, places, trust_remote_code, on_progress
        self._packs: dict[str, Pack] = {}

    def pack(self, choice: FeatureChoice) -> Pack:
        """The frames of all utterances of the study by these features; computed once.

        Raises:
            UserError: the pack or the encoder is missing, the encoder is another one now, or it fails on words.
        """
        if choice.label not in self._packs:
            stored = Pack.open(Path(choice.path))
            encoded = self._encoded(choice, stored) if self._changed else {}
            self._packs[choice.label] = with_frames(stored, encoded)
        return self._packs[choice.label]

    def _encoded(self, choice: FeatureChoice, stored: Pack) -> dict[str, Encoded]:
        """The changed utterances by id, each encoded by itself: in a batch, it would depend on those beside it."""
        own = ModalityConfig(choice.spec, dict(stored.metadata["encoder"]))
        encoder = opened_encoder(TEXT, own, self._places.get(TEXT), self._trust)
        encoder.load()
        found = {}
        for number, utterance in enumerate(self._changed, start=1):
            (encoded,) = MODALITIES[TEXT].encode(encoder, [utterance])
            if isinstance(encoded, UserError):
                raise encoded
            found[utterance.id] = encoded
            self._on_progress(f"encoding words by {choice.label}", number, len(self._changed))
        return found


def with_frames(stored: Pack, others: Mapping[str, Encoded]) -> Pack:
    """A pack in memory, which has the frames and vectors of `others` in the place of its own."""

    def frames_of(row: int, id: str) -> Tensor:
        return others[id].frames if id in others else stored.of(row)

    frames = [frames_of(row, id) for row, id in enumerate(stored.ids)]
    offsets = torch.tensor([0, *(len(each) for each in frames)]).cumsum(0)
    vectors = stored.vectors
    if vectors is not None:
        made = [(each.vector if (each := others.get(id)) else None) for id in stored.ids]
        vectors = torch.stack([own if new is None else new for own, new in zip(vectors, made, strict=True)])
    return Pack(stored.path, stored.ids, torch.cat(frames), offsets, vectors, stored.metadata)
