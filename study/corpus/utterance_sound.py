"""The sound of an utterance: its file decoded, cut to its span, and refused where it cannot be used.

Checks and extraction read audio through `read_sound`, so what one of them refuses, the other refuses too.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.corpus.container import is_container
from study.corpus.lengths import MAX_SECONDS
from study.corpus.media import MediaFault
from study.corpus.sound import SoundError, open_sound
from study.corpus.utterance import Utterance

# What nearly all speech encoders read.
USUAL_RATE_HZ = 16_000
# Resampling builds a table of (rate / gcd) * (target / gcd) values; the usual rates stay far below this.
MAX_RESAMPLING_TABLE = 10_000_000
# Labelling tools round: an end up to this much after the end of the file is accepted.
ROUNDING_SECONDS = 0.05

UNDECODABLE, TOO_LONG = "audio files that cannot be decoded", "utterances too long"
_REMEDY = "give an audio file that plays, or leave it out"


@dataclass(frozen=True)
class UtteranceSound:
    """The samples of an utterance, [samples, channels] in -1..1 at `rate_hz` a second.

    `file_samples` is the length of its whole file, and `stated_samples` that by the file's header.
    """

    channels: NDArray[np.float32]
    rate_hz: int
    file_samples: int
    stated_samples: int


def read_sound(utterance: Utterance, wanted_hz: int = USUAL_RATE_HZ) -> UtteranceSound:
    """The utterance's samples as they are in its file, which can be resampled to `wanted_hz`.

    Raises:
        MediaFault: the file cannot be decoded, its span lies beyond the file, it holds no samples or samples that are
            not numbers, it lasts more than ten minutes, or its sample rate is one that no recorder uses.
    """
    _check_span(utterance)
    try:
        sound = _decoded(utterance)
    except SoundError as error:
        raise MediaFault(f"{place_of(utterance)} cannot be decoded ({error}); {_REMEDY}", UNDECODABLE) from error
    if not np.isfinite(sound.channels).all():
        raise MediaFault(f"{place_of(utterance)} holds samples that are not numbers; {_REMEDY}", "samples")
    _check_rate(utterance, sound.rate_hz, wanted_hz)
    return sound


def place_of(utterance: Utterance) -> str:
    """File and id of an utterance, for messages; the id is left out where it is the file's name."""
    span = "" if utterance.start is None and utterance.end is None else " in its span"
    id = "" if utterance.id in (str(utterance.audio), utterance.audio.name) else f" (utterance {utterance.id})"
    return f"{utterance.audio}{id}{span}"


def beyond_file(utterance: Utterance, file_seconds: float) -> str:
    """What is wrong with an utterance's span in a file of this length; empty for one that lies in it."""
    start, end = utterance.start or 0.0, utterance.end if utterance.end is not None else file_seconds
    if start < file_seconds and end <= file_seconds + ROUNDING_SECONDS:
        return ""
    return f"start {start:g} and end {end:g} must lie in {utterance.audio}, which lasts {file_seconds:.2f} s"


def _decoded(utterance: Utterance) -> UtteranceSound:
    with open_sound(utterance.audio) as sound:
        if sound.rate_hz <= 0:
            raise SoundError(f"it holds {sound.frames} samples at {sound.rate_hz} Hz")
        start, stop = _bounds(utterance, sound.rate_hz, sound.frames)
        channels = sound.read(start, stop)
        # A container's length is rounded: its reader checks it.
        if len(channels) < stop - start and not is_container(utterance.audio):
            raise SoundError(f"it ends after {(start + len(channels)) / sound.rate_hz:.2f} s")
        return UtteranceSound(channels, sound.rate_hz, sound.frames, sound.stated_frames)


def _bounds(utterance: Utterance, rate_hz: int, n_samples: int) -> tuple[int, int]:
    """Where the utterance starts and stops in a file of `n_samples`, after checking that it can be used."""
    if n_samples and (law := beyond_file(utterance, n_samples / rate_hz)):
        raise MediaFault(law, "spans beyond the file")
    start = 0 if utterance.start is None else round(utterance.start * rate_hz)
    stop = n_samples if utterance.end is None else min(round(utterance.end * rate_hz), n_samples)
    if stop <= start:
        raise MediaFault(f"{place_of(utterance)} holds no samples; {_REMEDY}", UNDECODABLE)
    if stop - start > MAX_SECONDS * rate_hz:
        raise MediaFault(
            f"an utterance lasts at most {MAX_SECONDS:.0f} seconds, {utterance.id} lasts "
            f"{(stop - start) / rate_hz:.0f} s in {utterance.audio}; give its start and end in the file",
            TOO_LONG,
        )
    return start, stop


def _check_span(utterance: Utterance) -> None:
    start, end = utterance.start or 0.0, utterance.end
    if start < 0 or not math.isfinite(start) or (end is not None and not start < end < math.inf):
        raise MediaFault(
            f"the span of {utterance.id} must run forward from 0 or later, found {start} to {end} seconds in "
            f"{utterance.audio}; correct its start and end",
            "start and end",
        )


def _check_rate(utterance: Utterance, rate_hz: int, wanted_hz: int) -> None:
    common = math.gcd(rate_hz, wanted_hz)
    if (rate_hz // common) * (wanted_hz // common) > MAX_RESAMPLING_TABLE:
        raise MediaFault(
            f"expected a usual sample rate such as 16000, 44100 or 48000 Hz, found {rate_hz} in {place_of(utterance)}; "
            f"convert the audio to {wanted_hz} Hz",
            "sample rates",
        )
