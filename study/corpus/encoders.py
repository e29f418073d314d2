"""What turns audio and words into frames: two small interfaces, and the encoder that a name stands for.

Encoders are frozen: nothing in a study trains them, so their output is computed once and kept in a pack.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from study.corpus.frame_rate import slowed, split_rate
from study.corpus.precision import audio_in, split_dtype, text_in
from study.errors import UserError

DEFAULT_AUDIO_ENCODER = "microsoft/wavlm-base-plus"
DEFAULT_TEXT_ENCODER = "bert-base-uncased"
# Encoders without weights: nothing to download, and fast enough for the demo and for tests.
WEIGHTLESS_AUDIO_ENCODER = "logmel"
WEIGHTLESS_TEXT_ENCODER = "hash"


class AudioEncoder(Protocol):
    """Samples in, frames out."""

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything that the frames depend on besides the samples, as plain JSON values: part of the cache key."""

    @property
    def dim(self) -> int:
        """Dimensions of a frame."""

    @property
    def rate_hz(self) -> float:
        """Frames per second."""

    @property
    def sample_rate_hz(self) -> int:
        """Samples per second that `encode` expects."""

    def load(self) -> None:
        """Reads the weights now; after that, threads may share the encoder."""

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance: at least one, however short it is."""


class TextEncoder(Protocol):
    """Texts in; for each, token vectors and one vector of the whole out."""

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything that the vectors depend on besides the text, as plain JSON values: part of the cache key."""

    @property
    def dim(self) -> int:
        """Dimensions of a token vector and of a sentence vector."""

    def load(self) -> None:
        """Reads the weights now; after that, threads may share the encoder."""

    def encode(self, texts: Sequence[str]) -> list[tuple[Float[Tensor, "tokens dim"], Float[Tensor, " dim"]]]:
        """For each text its token vectors, at least one even for an empty text, and its sentence vector."""


def open_audio_encoder(spec: str, layer: str = "last", trust_remote_code: bool = False) -> AudioEncoder:
    """The audio encoder that `spec` names, its weights not yet read.

    `spec` is "logmel", a local model folder or a model of the Hugging Face hub, which is downloaded when it is
    not in the local cache. `layer` is "last" (the model's output), a number (0 is the input of the first layer, 1
    its output; some large models normalise the output of their last layer once more) or "mean:a-b". "@25Hz" at
    the end of `spec` averages frames down to that rate; "@bfloat16" before it computes them in that precision.
    `trust_remote_code` allows a model folder to run its own Python code.

    Raises:
        UserError: no such model, no way to reach it, files that are not a speech encoder, no such layer, a frame
            rate that averaging two or four frames does not give, or a precision for an encoder without weights.
    """
    rest, rate_hz = split_rate(spec)
    name, dtype = split_dtype(rest)
    return slowed(audio_in(_audio_encoder(name, layer, trust_remote_code), dtype), rate_hz)


def _audio_encoder(spec: str, layer: str, trust_remote_code: bool) -> AudioEncoder:
    if spec == WEIGHTLESS_AUDIO_ENCODER:
        from study.corpus.logmel import LogMel

        if layer != "last":
            raise UserError(f"{spec} has no layers to choose from, found layer {layer!r}; leave the layer out")
        return LogMel()
    # Inside the function because transformers takes seconds to import, which logmel need not wait for.
    from study.corpus.speech_models import open_speech_model

    return open_speech_model(spec, layer, trust_remote_code)


def open_text_encoder(spec: str, trust_remote_code: bool = False) -> TextEncoder:
    """The text encoder that `spec` names, its weights not yet read.

    `spec` is "hash", a local model folder or a model of the Hugging Face hub, which is downloaded when it is
    not in the local cache. "@bfloat16" at the end of `spec` computes in that precision. `trust_remote_code` allows a
    model folder to run its own Python code.

    Raises:
        UserError: no such model, no way to reach it, files that are not a text encoder, or a precision for an encoder
            without weights.
    """
    name, dtype = split_dtype(spec)
    return text_in(_text_encoder(name, trust_remote_code), dtype)


def _text_encoder(spec: str, trust_remote_code: bool) -> TextEncoder:
    if spec == WEIGHTLESS_TEXT_ENCODER:
        from study.corpus.hashed_words import HashedWords

        return HashedWords()
    from study.corpus.text_models import open_text_model

    return open_text_model(spec, trust_remote_code)
