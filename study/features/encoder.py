"""What turns audio, words and pictures into frames: the interfaces, and wrappers that change the rate or precision.

Encoders are frozen: nothing in a study trains them, so their output is computed once and kept in a pack.
`study.modalities` lists them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from study.corpus.utterance import Utterance
from study.errors import UserError
from study.features.frame_rate import averaged_halves, frames_together
from study.features.spec import HALF

HALF_MAX = torch.finfo(torch.float16).max


class Encoder(Protocol):
    """What every encoder has, whatever it reads."""

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything that the features depend on besides what is read, as plain JSON values: part of the cache key."""

    @property
    def dim(self) -> int:
        """Dimensions of a frame."""

    def load(self) -> None:
        """Reads the weights now; after that, threads may share the encoder."""


class AudioEncoder(Encoder, Protocol):
    """Samples in, frames out."""

    @property
    def rate_hz(self) -> float:
        """Frames per second."""

    @property
    def sample_rate_hz(self) -> int:
        """Samples per second that `encode` expects."""

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance: at least one, however short it is."""


class VideoEncoder(Encoder, Protocol):
    """Pictures in, a frame for each of them out."""

    def encode(self, pictures: UInt8[Tensor, "time height width 3"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance, whose pictures are red, green and blue."""


class TextEncoder(Encoder, Protocol):
    """Texts in; for each, token vectors and one vector of the whole out."""

    def encode(self, texts: Sequence[str]) -> list[tuple[Float[Tensor, "tokens dim"], Float[Tensor, " dim"]]]:
        """For each text its token vectors, at least one even for an empty text, and its sentence vector."""


Own = TypeVar("Own", bound=Encoder)


@dataclass(frozen=True)
class TextReading:
    """How much of a text an encoder reads: its tokens, those that it does not know, and those that are cut off."""

    tokens: int
    unknown: int
    cut: int


@dataclass(frozen=True)
class Encoded:
    """The features of one utterance in float16; `vector` is the sentence vector of text, None where there is none."""

    utterance: Utterance
    frames: Float[Tensor, "time dim"]
    vector: Float[Tensor, " dim"] | None = None

    def divided(self, widths: Sequence[int]) -> "list[Encoded]":
        """The choices of layers that stand side by side, each by itself; `widths` are their shares of the whole."""
        if len(widths) == 1:
            return [self]
        one = self.frames.shape[1] // sum(widths)
        sizes = [one * width for width in widths]
        frames = self.frames.split(sizes, dim=1)
        vectors = [None] * len(sizes) if self.vector is None else self.vector.split(sizes)
        return [
            Encoded(self.utterance, own.contiguous(), None if vector is None else vector.contiguous())
            for own, vector in zip(frames, vectors, strict=True)
        ]


def to_half(values: Float[Tensor, "..."], what: str) -> Float[Tensor, "..."]:
    """`values` in float16, the precision of packs.

    Raises:
        UserError: a value is not a number or is too large for float16; `what` names what is encoded.
    """
    largest = float(values.abs().max())
    # A comparison with NaN is false, so this refuses it too.
    if not largest <= HALF_MAX:
        raise UserError(
            f"features must be finite and at most {HALF_MAX:.0f} in size, found {largest:g} in {what}; "
            f"choose another layer or encoder, or drop the utterance"
        )
    return values.half()


def long_reading(encoder: Encoder) -> str:
    """How an encoder reads utterances of more than WHOLE_SECONDS; empty where as all others.

    An encoder that windows them has the attribute `long_reading`.
    """
    found: str = getattr(encoder, "long_reading", "")
    return found


def reading_of(encoder: Encoder) -> Callable[[str], TextReading] | None:
    """What says how much of a text the encoder reads; None where every word is read as any other.

    An encoder that cuts texts, or does not know every word, has the method `reading`.
    """
    found: Callable[[str], TextReading] | None = getattr(encoder, "reading", None)
    return found


def at_rate(encoder: AudioEncoder, rate_hz: float) -> AudioEncoder:
    """The encoder at `rate_hz` frames per second; itself if that is its own rate.

    Raises:
        UserError: its own rate is not one, two or four times as high.
    """
    together = frames_together(str(encoder.identity["name"]), encoder.rate_hz, rate_hz)
    return encoder if together == 1 else AveragedFrames(encoder, together)


class AveragedFrames:
    """An encoder whose every `together` consecutive frames are one.

    Frames are rounded to float16 before they are averaged, so that averaging a pack of `own` gives the frames that
    `encode` gives.
    """

    def __init__(self, own: AudioEncoder, together: int) -> None:
        """Averages frames of `own`."""
        self.own, self.together = own, together
        self.rate_hz = own.rate_hz / together
        self.sample_rate_hz = own.sample_rate_hz

    @property
    def dim(self) -> int:
        """The encoder's own."""
        return self.own.dim

    @property
    def identity(self) -> Mapping[str, object]:
        """The encoder's own, and how many of its frames, in which precision, make one."""
        return {**self.own.identity, "frames_averaged": self.together, "averaged_dtype": "float16"}

    @property
    def long_reading(self) -> str:
        """The encoder's own."""
        return long_reading(self.own)

    def load(self) -> None:
        """Reads the weights."""
        self.own.load()

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        """The averaged frames of one utterance."""
        return averaged_halves(self.own.encode(samples), self.together)


class InHalf(Generic[Own]):
    """An encoder whose matrix products are computed in bfloat16; what it encodes, and how, its subclasses say.

    That is about twice as fast where the processor multiplies bfloat16, and slower elsewhere. Frames differ by 1 or
    2 % from those in float32: they are other features, so the precision is part of the cache key.
    """

    def __init__(self, encoder: Own) -> None:
        """Computes what `encoder` does."""
        self._encoder = encoder

    @property
    def dim(self) -> int:
        """The encoder's own."""
        return self._encoder.dim

    @property
    def identity(self) -> Mapping[str, object]:
        """The encoder's own, in this precision."""
        return {**self._encoder.identity, "dtype": HALF}

    def load(self) -> None:
        """Reads the weights."""
        self._encoder.load()


class HalfAudio(InHalf[AudioEncoder]):
    """A speech encoder in bfloat16."""

    def __init__(self, encoder: AudioEncoder) -> None:
        """Computes what `encoder` does."""
        super().__init__(encoder)
        self.sample_rate_hz = encoder.sample_rate_hz
        self.long_reading = long_reading(encoder)

    @property
    def rate_hz(self) -> float:
        """The encoder's own."""
        return self._encoder.rate_hz

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance, as float32."""
        with halved():
            return self._encoder.encode(samples).float()


class HalfVideo(InHalf[VideoEncoder]):
    """An encoder of pictures in bfloat16."""

    def encode(self, pictures: UInt8[Tensor, "time height width 3"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance, as float32."""
        with halved():
            return self._encoder.encode(pictures).float()


class HalfText(InHalf[TextEncoder]):
    """A text encoder in bfloat16."""

    def __init__(self, encoder: TextEncoder) -> None:
        """Computes what `encoder` does."""
        super().__init__(encoder)
        self.reading = reading_of(encoder)

    def encode(self, texts: Sequence[str]) -> list[tuple[Float[Tensor, "tokens dim"], Float[Tensor, " dim"]]]:
        """For each text its token vectors and its sentence vector, as float32."""
        with halved():
            return [(tokens.float(), sentence.float()) for tokens, sentence in self._encoder.encode(texts)]


def halved() -> torch.autocast:
    """The block in which this thread computes in bfloat16, on the device where encoders are."""
    return torch.autocast("cuda" if torch.cuda.is_available() else "cpu", torch.bfloat16)
