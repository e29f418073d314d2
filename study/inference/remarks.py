"""What a reader of a prediction has to know of its recording and words: a sure label of silence is no finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from study.corpus.sound import SoundError, open_sound
from study.corpus.utterance import Utterance
from study.corpus.utterance_sound import ROUNDING_SECONDS, beyond_file
from study.errors import UserError
from study.features.audio import has_audio
from study.features.words import has_words
from study.inference.lacking import lacking_of
from study.inference.model_config import ModelConfig
from study.inference.own_samples import own_samples
from study.inference.silence import SILENCE_DB, is_silent
from study.modalities import MODALITIES

# No syllable is shorter.
SHORTEST_SECONDS = 0.1
# Of samples in 16 bits, the largest has a magnitude of 1; conversions between formats overshoot a little.
FULL_SCALE = 1.0


class PredictionWarning(UserWarning):
    """A prediction was made, and something about its recording or its words makes it worth little."""


@dataclass(frozen=True)
class Remark:
    """Something about a recording or its words, of a `kind` that is counted over many, and its details."""

    kind: str
    details: str

    @property
    def sentence(self) -> str:
        """The remark by itself."""
        return f"{self.kind}: {self.details}"


def remarks_of(utterance: Utterance, config: ModelConfig) -> tuple[Remark, ...]:
    """The remarks on what a model of this config reads of an utterance, whose words are given or recognised.

    Raises:
        UserError: the recording cannot be read.
    """
    found = list(_of_sound(utterance)) if config.reads_audio and has_audio(utterance) else []
    for modality in sorted(lacking_of(utterance, config)):
        what = MODALITIES[modality].noun
        found.append(Remark(f"no {what}", f"the model was trained to do without {what}, and does worse without"))
    if config.reads_words and not has_words(utterance) and not config.may_lack("text"):
        found.append(Remark("no words", "the model reads words, and there are none here"))
    return tuple(found)


def _of_sound(utterance: Utterance) -> Iterator[Remark]:
    yield from _of_header(utterance)
    samples, rate_hz = own_samples(utterance)
    seconds, largest = len(samples) / rate_hz, float(samples.abs().max())
    if seconds < SHORTEST_SECONDS:
        yield Remark("very short", f"{seconds:.2g} s, and speech is recognised from {SHORTEST_SECONDS:g} s on")
    if is_silent(samples, rate_hz):
        yield Remark("silence", f"no moment is louder than {SILENCE_DB} dB of full scale")
    if largest > FULL_SCALE:
        yield Remark("beyond full scale", f"samples reach {largest:.3g}, and recordings are in -1 to 1")


def _of_header(utterance: Utterance) -> Iterator[Remark]:
    """A remark on a file that was cut off, or whose header is wrong otherwise, by the law of `ser-study check`."""
    with suppress(SoundError), open_sound(utterance.audio) as sound:  # of a fault, the reader of the file says it
        if sound.rate_hz <= 0:
            return
        stated, held = sound.stated_frames / sound.rate_hz, sound.frames / sound.rate_hz
        if abs(stated - held) > ROUNDING_SECONDS:
            yield Remark("another length", f"its header states {stated:.2f} s, and the file holds {held:.2f} s")


def summary(remarks: Iterable[tuple[Remark, ...]], number: int, noun: str) -> tuple[str, ...]:
    """How many of `number` windows or utterances have a remark of each kind, in sentences."""
    kinds = Counter(remark.kind for own in remarks for remark in own)
    return tuple(f"{kind}: {count} of {number} {noun}" for kind, count in kinds.items())


def require_span(utterance: Utterance) -> None:
    """Make sure that an utterance's span lies in its file, by the law of `ser-study check`.

    Raises:
        UserError: it ends later than the file.
    """
    if utterance.end is None or utterance.end <= (utterance.start or 0.0):  # that it runs forward, the reader says
        return
    try:
        with open_sound(utterance.audio) as sound:
            seconds = sound.frames / sound.rate_hz if sound.rate_hz > 0 else 0.0
    except SoundError:  # whatever it is, the reader of the file says it
        return
    if fault := beyond_file(utterance, seconds):
        raise UserError(f"{fault} (utterance {utterance.id}); correct them")
