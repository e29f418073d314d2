"""The samples of an utterance as its file has them, at the file's own rate."""

from __future__ import annotations

import soundfile
from jaxtyping import Float
from torch import Tensor

from study.corpus.utterance import Utterance
from study.features.audio import read_audio

# Of a file whose header libsndfile does not read.
USUAL_RATE_HZ = 16_000


def own_samples(utterance: Utterance) -> tuple[Float[Tensor, " samples"], int]:
    """The utterance's samples, where -1 to 1 is full scale, averaged over channels; and their rate in Hz.

    Raises:
        UserError: the recording cannot be read.
    """
    rate_hz = _rate_hz(utterance)
    return read_audio(utterance, rate_hz), rate_hz


def _rate_hz(utterance: Utterance) -> int:
    try:
        return int(soundfile.info(str(utterance.audio)).samplerate)
    except (OSError, RuntimeError, TypeError, ValueError):
        return USUAL_RATE_HZ
