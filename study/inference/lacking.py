"""Which modalities an utterance lacks that a model has learned to do without."""

from __future__ import annotations

from dataclasses import replace

from study.corpus.container import decoding_errors, is_container, media_in
from study.corpus.utterance import NO_FILE, NO_VIDEO, Utterance
from study.errors import UserError
from study.inference.model_config import ModelConfig
from study.modalities import MODALITIES


def without_absent_tracks(utterance: Utterance) -> Utterance:
    """The utterance without the film of a file that has sound alone, as an m4a, or the sound of a silent film.

    Of a file that cannot be opened, its reader says why.
    """
    path = utterance.audio
    if path != utterance.video.file or not is_container(path):
        return utterance
    try:
        found = media_in(path)
    except decoding_errors():
        return utterance
    video = utterance.video if "video" in found else NO_VIDEO
    return replace(utterance, audio=path if "audio" in found else NO_FILE, video=video)


def lacking_of(utterance: Utterance, config: ModelConfig) -> frozenset[str]:
    """The modalities that the utterance lacks and a model of this config has learned vectors for.

    Raises:
        UserError: it lacks all that the model reads.
    """
    lacking = frozenset(
        name for name in config.modalities if config.may_lack(name) and not MODALITIES[name].is_in(utterance)
    )
    if lacking == set(config.modalities):
        raise UserError(
            f"a prediction is from something: variant {config.variant} reads {' and '.join(config.modalities)}, and of "
            f"{utterance.id} there is none; give one of them"
        )
    return lacking
