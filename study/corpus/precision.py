"""Encoders in bfloat16: about twice as fast where the processor multiplies it, and slower elsewhere.

Frames differ by 1 or 2 % from those in float32. They are other features, so the precision is part of the encoder's
name and of the cache key.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from study.errors import UserError

if TYPE_CHECKING:
    from study.corpus.encoders import AudioEncoder, TextEncoder

FULL, HALF = "float32", "bfloat16"
ENCODER_DTYPES = (FULL, HALF)


def with_dtype(spec: str, dtype: str) -> str:
    """The name of an encoder in a precision: "bert" and "bfloat16" give "bert@bfloat16"; "float32" is every own one."""
    return spec if dtype == FULL else f"{spec}@{dtype}"


def split_dtype(spec: str) -> tuple[str, str]:
    """The encoder's name and the precision that `with_dtype` joined to it."""
    name = spec.removesuffix(f"@{HALF}")
    return (name, HALF) if name and name != spec else (spec, FULL)


def audio_in(encoder: "AudioEncoder", dtype: str) -> "AudioEncoder":
    """The encoder in precision `dtype`; itself in its own.

    Raises:
        UserError: it has no weights.
    """
    if dtype == FULL:
        return encoder
    require_weights(encoder.identity)
    return HalfAudio(encoder)


def text_in(encoder: "TextEncoder", dtype: str) -> "TextEncoder":
    """The same for words.

    Raises:
        UserError: it has no weights.
    """
    if dtype == FULL:
        return encoder
    require_weights(encoder.identity)
    return HalfText(encoder)


def require_weights(identity: Mapping[str, object]) -> None:
    """Make sure that an encoder of this identity has weights, which another precision could be meant for.

    Raises:
        UserError: it has none.
    """
    if "weights" not in identity:
        raise UserError(
            f"--encoder-dtype {HALF} is for encoders with weights, and {identity['name']} has none; leave the option "
            "out, or choose another encoder"
        )


class HalfAudio:
    """A speech encoder whose matrix products are computed in bfloat16."""

    def __init__(self, encoder: "AudioEncoder") -> None:
        """Computes what `encoder` does."""
        self._encoder = encoder
        self.dim, self.rate_hz, self.sample_rate_hz = encoder.dim, encoder.rate_hz, encoder.sample_rate_hz

    @property
    def identity(self) -> Mapping[str, object]:
        """The encoder's own, in this precision."""
        return {**self._encoder.identity, "dtype": HALF}

    def load(self) -> None:
        """Reads the weights."""
        self._encoder.load()

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance, as float32."""
        with halved():
            return self._encoder.encode(samples).float()


class HalfText:
    """A text encoder whose matrix products are computed in bfloat16."""

    def __init__(self, encoder: "TextEncoder") -> None:
        """Computes what `encoder` does."""
        self._encoder = encoder
        self.dim = encoder.dim

    @property
    def identity(self) -> Mapping[str, object]:
        """The encoder's own, in this precision."""
        return {**self._encoder.identity, "dtype": HALF}

    def load(self) -> None:
        """Reads the weights."""
        self._encoder.load()

    def encode(self, texts: Sequence[str]) -> list[tuple[Float[Tensor, "tokens dim"], Float[Tensor, " dim"]]]:
        """For each text its token vectors and its sentence vector, as float32."""
        with halved():
            return [(tokens.float(), sentence.float()) for tokens, sentence in self._encoder.encode(texts)]


def halved() -> torch.autocast:
    """The block in which this thread computes in bfloat16, on the device where encoders are."""
    return torch.autocast("cuda" if torch.cuda.is_available() else "cpu", torch.bfloat16)
