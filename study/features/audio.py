"""What speech encoders read of a corpus: the audio of its utterances, decoded, cut to its span, mono, resampled."""

from collections.abc import Iterator, Sequence

import torch
import torchaudio.functional
from jaxtyping import Float
from torch import Tensor

from study.corpus.lengths import WHOLE_SECONDS
from study.corpus.sound import SoundError, open_sound
from study.corpus.utterance import NO_FILE, Corpus, Utterance
from study.corpus.utterance_sound import USUAL_RATE_HZ, place_of, read_sound
from study.errors import UserError
from study.features.content import digest, file_digest
from study.features.encoder import AudioEncoder, Encoded, long_reading, to_half
from study.features.model_faults import encoding_fault


def read_audio(utterance: Utterance, rate_hz: int = USUAL_RATE_HZ) -> Float[Tensor, " samples"]:
    """The utterance's samples in -1..1, averaged over channels, at `rate_hz` samples per second.

    Raises:
        UserError: the audio cannot be used; see `read_sound`.
    """
    sound = read_sound(utterance, rate_hz)
    samples = torch.from_numpy(sound.channels).mean(1)
    if sound.rate_hz == rate_hz:
        return samples
    resampled: Tensor = torchaudio.functional.resample(samples, sound.rate_hz, rate_hz)
    return resampled


def audio_seconds(utterance: Utterance) -> float:
    """The utterance's length in seconds by its span and its file; 0 where the file cannot be read."""
    try:
        with open_sound(utterance.audio) as sound:
            length = sound.frames / sound.rate_hz if sound.rate_hz else 0.0
    except SoundError:
        return 0.0
    end = length if utterance.end is None else min(utterance.end, length)
    return max(0.0, end - (utterance.start or 0.0))


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


def has_audio(utterance: Utterance) -> bool:
    """Whether an utterance's corpus names a recording of it."""
    return utterance.audio != NO_FILE


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
        where = f"{seconds:.4g} s of {place_of(utterance)}"
        raise encoding_fault(str(encoder.identity["name"]), where, error) from error
