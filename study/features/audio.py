"""What speech encoders read of a corpus: the audio of its utterances, decoded, cut to its span, mono, resampled."""

import math
from collections.abc import Iterator, Sequence

import torch
import torchaudio.functional
from jaxtyping import Float
from torch import Tensor

from study.corpus.lengths import MAX_SECONDS, WHOLE_SECONDS
from study.corpus.sound import SoundError, open_sound
from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.content import digest, file_digest
from study.features.encoder import AudioEncoder, Encoded, long_reading, to_half
from study.features.model_faults import encoding_fault

# Resampling builds a table of (rate / gcd) * (target / gcd) values; the usual rates stay far below this.
MAX_RESAMPLING_TABLE = 10_000_000


def read_audio(utterance: Utterance, rate_hz: int = 16_000) -> Float[Tensor, " samples"]:
    """The utterance's samples in -1..1, averaged over channels, at `rate_hz` samples per second.

    Raises:
        UserError: the file cannot be read or decoded, holds nothing in the utterance's span, holds values that
            are not numbers, is longer than ten minutes or has a sample rate no recorder uses.
    """
    _check_span(utterance)
    try:
        with open_sound(utterance.audio) as sound:
            file_rate = sound.rate_hz
            start, stop = _bounds(utterance, file_rate, sound.frames)
            _check_length(utterance, file_rate, stop - start)
            channels = torch.from_numpy(sound.read(start, stop))
    except SoundError as error:
        raise UserError(f"{_where(utterance)} cannot be decoded ({error}); {_REMEDY}") from error
    samples = channels.mean(1)
    if len(samples) == 0:
        raise UserError(f"{_where(utterance)} holds no samples; {_REMEDY}")
    if not bool(samples.isfinite().all()):
        raise UserError(f"{_where(utterance)} holds samples that are not numbers; {_REMEDY}")
    return _resampled(samples, file_rate, rate_hz)


def audio_seconds(utterance: Utterance) -> float:
    """The utterance's length in seconds by its span or its file's header; 0 where the file has no header."""
    try:
        with open_sound(utterance.audio) as sound:
            start, stop = _bounds(utterance, sound.rate_hz, sound.frames)
            return max(0, stop - start) / sound.rate_hz if sound.rate_hz else 0.0
    except SoundError:
        return 0.0


def encode_audio(encoder: AudioEncoder, utterances: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
    """Frames of each utterance, read and encoded one by one; a UserError for each that cannot be."""
    for utterance in utterances:
        try:
            samples = read_audio(utterance, encoder.sample_rate_hz)
            yield Encoded(utterance, to_half(_frames(encoder, utterance, samples), utterance.id))
        except UserError as error:
            yield error


def audio_contents(corpus: Corpus, encoder: AudioEncoder) -> dict[str, str]:
    """By id, a digest of each utterance's span and of the bytes of its file.

    And of how it is read, for one so long that the encoder reads it otherwise than the rest.

    Raises:
        UserError: an audio file cannot be read.
    """
    try:
        files = {path: file_digest(path) for path in sorted({u.audio for u in corpus.utterances})}
    except OSError as error:
        raise UserError(
            f"every utterance needs an audio file that can be read, found {error}; correct the corpus"
        ) from error
    found = {u.id: digest([u.id, str(u.start), str(u.end), files[u.audio]])[:16] for u in corpus.utterances}
    if reading := long_reading(encoder):
        long = (u.id for u in corpus.utterances if audio_seconds(u) > WHOLE_SECONDS)
        found |= {id: digest([found[id], reading])[:16] for id in long}
    return found


def lack_of_audio(corpus: Corpus) -> str:
    """The message for a corpus that lacks audio files, after its variants' names; empty where all are there."""
    if all(utterance.audio.is_file() for utterance in corpus.utterances):
        return ""
    return f"needs audio, and some utterances of {corpus.name} have no file; add a `file_name` column to the manifest"


def _frames(
    encoder: AudioEncoder, utterance: Utterance, samples: Float[Tensor, " samples"]
) -> Float[Tensor, "time dim"]:
    try:
        return encoder.encode(samples)
    except UserError:
        raise
    except Exception as error:  # of a model's code, for whatever its files and this audio have
        seconds = len(samples) / encoder.sample_rate_hz
        where = f"{seconds:.4g} s of {_where(utterance)}"
        raise encoding_fault(str(encoder.identity["name"]), where, error) from error


_REMEDY = "give an audio file that plays, or drop the utterance from the corpus"


def _check_span(utterance: Utterance) -> None:
    start, end = utterance.start or 0.0, utterance.end
    if start < 0 or not math.isfinite(start) or (end is not None and not start < end < math.inf):
        raise UserError(
            f"the span of {utterance.id} must run forward from 0 or later, found {start} to {end} seconds in "
            f"{utterance.audio}; correct its start and end"
        )


def _bounds(utterance: Utterance, rate_hz: int, n_samples: int) -> tuple[int, int]:
    start = 0 if utterance.start is None else round(utterance.start * rate_hz)
    stop = n_samples if utterance.end is None else round(utterance.end * rate_hz)
    return min(start, n_samples), min(stop, n_samples)


def _check_length(utterance: Utterance, rate_hz: int, n_samples: int) -> None:
    if n_samples > MAX_SECONDS * rate_hz:
        raise UserError(
            f"an utterance lasts at most {MAX_SECONDS:.0f} seconds, {utterance.id} lasts "
            f"{n_samples / rate_hz:.0f} in {utterance.audio}; give its start and end in the file"
        )
    if n_samples <= 0:
        raise UserError(f"{_where(utterance)} holds no samples; {_REMEDY}")


def _resampled(samples: Float[Tensor, " samples"], rate_hz: int, wanted_hz: int) -> Float[Tensor, " samples"]:
    if rate_hz == wanted_hz:
        return samples
    common = math.gcd(rate_hz, wanted_hz)
    if (rate_hz // common) * (wanted_hz // common) > MAX_RESAMPLING_TABLE:
        raise UserError(
            f"expected a usual sample rate such as 16000, 44100 or 48000 Hz, found {rate_hz}; "
            f"convert the audio to {wanted_hz} Hz"
        )
    resampled: Tensor = torchaudio.functional.resample(samples, rate_hz, wanted_hz)
    return resampled


def _where(utterance: Utterance) -> str:
    span = "" if utterance.start is None and utterance.end is None else " in its span"
    return f"{utterance.audio} (utterance {utterance.id}){span}"
