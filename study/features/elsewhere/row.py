"""A modality whose features come from elsewhere: the row of the table with a source in the place of its encoders.

Extraction, packs and their cache are then those of any encoder. What features are computed from are the features
themselves: the same ones, in whatever form and place, are one pack, and changed ones another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.elsewhere.source import Source, Unusable, content_of
from study.features.elsewhere.survey import survey
from study.features.encoder import Encoded
from study.features.frame_rate import averaged_halves, frames_together
from study.features.modality import Modality

NAME = "features"


@dataclass(frozen=True)
class FoundFeatures:
    """What takes an encoder's place: it reads features that are there; with `may_lack`, not of every utterance."""

    modality: str
    source: Source
    contents: dict[str, str]
    may_lack: bool = False
    together: int = 1

    @property
    def identity(self) -> Mapping[str, object]:
        """Of all features from elsewhere alike, and how many frames make one: their content tells them apart."""
        averaged = {"frames_averaged": self.together, "averaged_dtype": "float16"} if self.together > 1 else {}
        return {"name": NAME, "version": 1, **averaged}

    @property
    def dim(self) -> int:
        """Dimensions of a frame."""
        return self.source.read(next(iter(self.contents)))[0].shape[1]

    def load(self) -> None:
        """Does nothing: there are no weights."""


def from_elsewhere(modality: Modality[Any], rate_hz: float | None = None) -> Modality[FoundFeatures]:
    """The modality with features from a path, the name of its spec, instead of an encoder's.

    They have `rate_hz` frames per second; None where that is not known.
    """
    opened: dict[str, FoundFeatures] = {}

    def open_once(path: str, layers: Sequence[str], trust_remote_code: bool) -> FoundFeatures:
        # What is encoded is compared with what was surveyed, so both are of one object.
        if path not in opened:
            opened[path] = FoundFeatures(modality.name, Source(Path(path)), {}, modality.optional)
        return opened[path]

    def at_rate(found: FoundFeatures, wanted_hz: float) -> FoundFeatures:
        assert rate_hz is not None
        return replace(found, together=frames_together(f"--{modality.name}-features", rate_hz, wanted_hz))

    return Modality(
        name=modality.name,
        default_encoder="",
        demo_encoder="",
        built_in={},
        pretrained=open_once,
        in_half=lambda found: found,
        at_rate=None if rate_hz is None else at_rate,
        encode=_encode,
        contents=_contents,
        lack=lambda corpus: "",
        is_in=modality.is_in,
        block=modality.block,
        amount=lambda utterance: 1.0,
        rate_unit="per second",
        noun=modality.noun,
    )


def _contents(corpus: Corpus, found: FoundFeatures) -> dict[str, str]:
    """By id, a digest of each utterance's features, if it has some.

    Raises:
        UserError: those of some utterances cannot be used, or are not there and needed.
    """
    result = survey(corpus, found.source, found.may_lack)
    result.require(found.modality, found.source.path)
    found.contents.update(result.contents)
    return dict(result.contents)


def _encode(found: FoundFeatures, utterances: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
    for utterance in utterances:
        try:
            frames, vector = found.source.read(utterance.id)
        except Unusable as error:
            yield UserError(f"features of {utterance.id} {error.kind} ({error})")
            continue
        if content_of(utterance.id, frames, vector) != found.contents[utterance.id]:
            yield UserError(f"features of {utterance.id} changed while they were read")
            continue
        if found.together > 1:
            frames = averaged_halves(frames, found.together).half()
        yield Encoded(utterance, frames, vector)
