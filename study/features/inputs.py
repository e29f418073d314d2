"""The streams that a model can take in, and the modality whose pack each comes from.

A stream bears the name of its modality and is the modality's frames, unless it is listed here. Training workers read
this file; what makes packs is in `study.modalities`, which they do not import. Plans read it too, and a plan is read
without torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.features.pack import Pack


@dataclass(frozen=True)
class Input:
    """A stream of a model: the modality that it comes from, and what of the modality's pack it is."""

    modality: str
    view: Callable[[Pack], Pack]


def input_of(name: str) -> Input:
    """The stream that a variant names among its inputs."""
    return DERIVED.get(name, Input(name, _frames))


def _frames(pack: Pack) -> Pack:
    return pack


def _single_frames(pack: Pack) -> Pack:
    return pack.as_single_frames()


# "sentence" is the text encoder's one vector per utterance (BERT: CLS) as a stream of a single frame.
DERIVED = {"sentence": Input("text", _single_frames)}
