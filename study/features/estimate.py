"""What an extraction will come to, from a timed sample of its utterances, before anything is extracted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.encoder import Encoded
from study.features.extract import extract
from study.features.modality import Modality
from study.features.prepare import Wanted, having
from study.features.store import FeatureStore

SAMPLED_PER_WORKER = 8
HALF_BYTES = 2


@dataclass(frozen=True)
class Estimate:
    """The features of a whole corpus: frames, values in each, frames per second (None where they are not timed), bytes.

    `n_missing` utterances are not there yet and take about `seconds`; `n_sampled` of them were timed with `workers`
    threads.
    """

    n_frames: int
    dim: int
    rate_hz: float | None
    size: int
    n_missing: int
    seconds: float
    n_sampled: int
    workers: int


def estimate(corpus: Corpus, modality: Modality[Any], wanted: Wanted, workers: int | None = None) -> Estimate:
    """What the features `wanted` of a corpus come to, of the utterances that have the modality; nothing is kept.

    Frames and seconds are in proportion to `Modality.amount`, from utterances of all lengths.

    Raises:
        UserError: an utterance of the sample cannot be encoded, or the encoder's weights do not fit.
    """
    corpus = having(corpus, wanted.contents)
    encoder, threads = wanted.encoder, workers or torch.get_num_threads()
    folder = Path(wanted.choice.path).parent
    known = FeatureStore(folder, modality.name, encoder.identity).find() if folder.is_dir() else {}
    missing = [u for u in corpus.utterances if wanted.contents[u.id] not in known]
    if not missing:
        raise ValueError("an estimate is of features that are not there yet")
    sample = _spread(sorted(missing, key=modality.amount), SAMPLED_PER_WORKER * threads)
    encoder.load()
    encoded: list[Encoded] = []
    begun = time.monotonic()
    blocks = [block for block in (sample[first::threads] for first in range(threads)) if block]
    failures = extract(
        blocks, lambda block: modality.encode(encoder, block), encoded.extend, lambda block: None, threads
    )
    seconds = time.monotonic() - begun
    if failures:
        raise UserError(failures[0])
    sampled = _amount(modality, sample)
    n_frames = round(sum(len(each.frames) for each in encoded) * _amount(modality, corpus.utterances) / sampled)
    n_vectors = len(corpus.utterances) if encoded[0].vector is not None else 0
    return Estimate(
        n_frames=n_frames,
        dim=encoder.dim,
        rate_hz=getattr(encoder, "rate_hz", None),
        size=(n_frames + n_vectors) * encoder.dim * HALF_BYTES,
        n_missing=len(missing),
        seconds=seconds * _amount(modality, missing) / sampled,
        n_sampled=len(sample),
        workers=threads,
    )


def _spread(ordered: Sequence[Utterance], n: int) -> list[Utterance]:
    """`n` of the utterances at equal distances, or all of them."""
    if len(ordered) <= n:
        return list(ordered)
    return [ordered[(2 * place + 1) * len(ordered) // (2 * n)] for place in range(n)]


def _amount(modality: Modality[Any], utterances: Sequence[Utterance]) -> float:
    return sum(map(modality.amount, utterances))
