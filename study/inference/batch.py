"""Predictions on many recordings: each once, in threads, with a reason for each that cannot be predicted on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from study.corpus.utterance import NO_FILE
from study.errors import UserError
from study.inference.inputs import Item
from study.inference.predictor import Prediction, Predictor
from study.inference.threads import one_core_each

KEY = 16  # characters of a digest


@dataclass(frozen=True)
class Outcome:
    """What came of an item: its prediction, or the reason why there is none."""

    item: Item
    prediction: Prediction | None
    reason: str = ""


def outcomes(predictor: Predictor, items: Sequence[Item], window_seconds: float | None) -> Iterator[Outcome]:
    """The outcome of every item, in their order; each is computed on one core, several at once."""
    if not items:
        return
    if any(item.utterance is not None for item in items):
        predictor.load()

    def outcome(item: Item) -> Outcome:
        if item.utterance is None:
            return Outcome(item, None, item.reason)
        try:
            return Outcome(item, predictor.predict(item.utterance, window_seconds))
        except UserError as error:
            return Outcome(item, None, str(error))

    with one_core_each() as threads:
        yield from threads.map(outcome, items)


def key_of(item: Item, model_digest: str, window_seconds: float | None) -> str:
    """What an item's prediction depends on, as a short text: equal keys are equal predictions."""
    utterance = item.utterance
    parts = [model_digest, item.file_name, repr(window_seconds)]
    if utterance is not None:
        parts += [utterance.id, utterance.words, repr(utterance.start), repr(utterance.end)]
        parts += _state_of(utterance.audio)
        if utterance.video.file != utterance.audio:
            video = utterance.video
            parts += [repr(video.start), repr(video.end), video.crop, *_state_of(video.file)]
    return hashlib.sha256("\x1f".join(parts).encode(errors="surrogateescape")).hexdigest()[:KEY]


def _state_of(file: Path) -> list[str]:
    """What changes when another file takes the place of this one; empty where there is none."""
    try:
        state = os.stat(file) if file != NO_FILE else None
    except OSError:  # of a film that is not there, the prediction says it
        state = None
    return [str(state.st_size), str(state.st_mtime_ns)] if state else []
