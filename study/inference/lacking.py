"""Which modalities an utterance lacks that a model has learned to do without."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from study.corpus.utterance import NO_FILE, NO_VIDEO, Utterance
from study.errors import UserError
from study.inference.model_config import ModelConfig

# Whether an utterance has a modality. Words that are empty are none.
HAS: Mapping[str, Callable[[Utterance], bool]] = {
    "audio": lambda utterance: utterance.audio != NO_FILE,
    "text": lambda utterance: bool(utterance.words.strip()),
    "video": lambda utterance: utterance.video != NO_VIDEO,
}


def lacking_of(utterance: Utterance, config: ModelConfig) -> frozenset[str]:
    """The modalities that the utterance lacks and a model of this config has learned vectors for.

    Raises:
        UserError: it lacks all that the model reads.
    """
    lacking = frozenset(name for name in config.modalities if config.may_lack(name) and not HAS[name](utterance))
    if lacking == set(config.modalities):
        raise UserError(
            f"a prediction is from something: variant {config.variant} reads {' and '.join(config.modalities)}, and of "
            f"{utterance.id} there is none; give one of them"
        )
    return lacking
