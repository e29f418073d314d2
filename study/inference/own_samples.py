"""The samples of an utterance as its file has them, at the file's own rate."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from study.corpus.sound import SoundError, open_sound
from study.corpus.utterance import Utterance
from study.features.audio import read_audio

# Of a file that cannot be opened: reading it says why.
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
        with open_sound(utterance.audio) as sound:
            return sound.rate_hz or USUAL_RATE_HZ
    except SoundError:
        return USUAL_RATE_HZ
