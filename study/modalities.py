"""The table of modalities. A new one is a file with its encoders, a row here, and a variant that takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.features.audio import audio_contents, audio_seconds, encode_audio, has_audio, lack_of_audio
from study.features.encoder import AudioEncoder, HalfAudio, HalfText, HalfVideo, TextEncoder, VideoEncoder, at_rate
from study.features.hashed_words import HashedWords
from study.features.logmel import LogMel
from study.features.modality import Modality
from study.features.pictures import encode_films, film_contents, has_film, lack_of_films
from study.features.pixels import Pixels
from study.features.unread_words import unread_words
from study.features.words import encode_words, has_words, lack_of_words, word_contents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.corpus.utterance import Utterance


def _speech_model(name: str, layers: Sequence[str], trust_remote_code: bool) -> AudioEncoder:
    # Inside the functions because transformers takes a second to import, which built-in encoders need not wait for.
    from study.features.speech import open_speech_model

    return open_speech_model(name, layers, trust_remote_code)


def _text_model(name: str, layers: Sequence[str], trust_remote_code: bool) -> TextEncoder:
    from study.features.text import open_text_model

    return open_text_model(name, layers, trust_remote_code)


def _picture_model(name: str, layers: Sequence[str], trust_remote_code: bool) -> VideoEncoder:
    from study.features.vision import open_vision_model

    return open_vision_model(name, layers, trust_remote_code)


def _one(utterance: Utterance) -> float:
    return 1.0


AUDIO: Modality[AudioEncoder] = Modality(
    name="audio",
    default_encoder="microsoft/wavlm-base-plus",
    demo_encoder="logmel",
    built_in={"logmel": LogMel},
    pretrained=_speech_model,
    in_half=HalfAudio,
    at_rate=at_rate,
    encode=encode_audio,
    contents=audio_contents,
    lack=lack_of_audio,
    is_in=has_audio,
    block=32,
    amount=audio_seconds,
    rate_unit="x real time",
    noun="speech",
    file="a recording with sound, as wav",
)
TEXT: Modality[TextEncoder] = Modality(
    name="text",
    default_encoder="bert-base-uncased",
    demo_encoder="hash",
    built_in={"hash": HashedWords},
    pretrained=_text_model,
    in_half=HalfText,
    encode=encode_words,
    contents=word_contents,
    lack=lack_of_words,
    is_in=has_words,
    unread=unread_words,
    block=128,
    amount=_one,
    rate_unit="per second",
    noun="words",
)
VIDEO: Modality[VideoEncoder] = Modality(
    name="video",
    default_encoder="facebook/dinov2-base",
    demo_encoder="pixels",
    built_in={"pixels": Pixels},
    pretrained=_picture_model,
    in_half=HalfVideo,
    encode=encode_films,
    contents=film_contents,
    lack=lack_of_films,
    is_in=has_film,
    optional=True,
    block=16,
    amount=_one,
    rate_unit="per second",
    noun="film",
    file="a file with pictures, as mp4, or name it in a column video of a manifest",
)
MODALITIES: dict[str, Modality[Any]] = {row.name: row for row in (AUDIO, TEXT, VIDEO)}
