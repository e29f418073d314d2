"""What text encoders read of a corpus: the words of its utterances."""

from collections.abc import Iterator, Sequence

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.content import digest
from study.features.encoder import Encoded, TextEncoder, to_half
from study.features.model_faults import encoding_fault


def encode_words(encoder: TextEncoder, utterances: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
    """Token and sentence vectors of each utterance, from one call; a UserError for those that have none.

    These are out of float16's range, or the encoder fails on them: then the others have to wait for another call.
    """
    try:
        vectors = encoder.encode([utterance.words for utterance in utterances])
    except UserError:
        raise
    except Exception as error:  # of a model's code, for whatever its files and these texts have
        yield from _failures(encoder, utterances) or [_failure(encoder, utterances[0], error)]
        return
    for utterance, (tokens, sentence) in zip(utterances, vectors, strict=True):
        try:
            yield Encoded(utterance, to_half(tokens, utterance.id), to_half(sentence, utterance.id))
        except UserError as error:
            yield error


def _failures(encoder: TextEncoder, utterances: Sequence[Utterance]) -> list[UserError]:
    """An error for each utterance that the encoder fails on alone."""
    found = []
    for utterance in utterances:
        try:
            encoder.encode([utterance.words])
        except Exception as error:
            found.append(_failure(encoder, utterance, error))
    return found


def _failure(encoder: TextEncoder, utterance: Utterance, error: Exception) -> UserError:
    return encoding_fault(str(encoder.identity["name"]), f"the words of utterance {utterance.id}", error)


def word_contents(corpus: Corpus, encoder: TextEncoder) -> dict[str, str]:
    """By id, a digest of each utterance's words."""
    return {u.id: digest([u.id, u.words])[:16] for u in corpus.utterances}


def has_words(utterance: Utterance) -> bool:
    """Whether an utterance has words; spaces are none."""
    return bool(utterance.words.strip())


def lack_of_words(corpus: Corpus) -> str:
    """The message for a corpus in which no utterance has words, after its variants' names; empty for any other."""
    if any(utterance.words for utterance in corpus.utterances):
        return ""
    return f"needs words, and no utterance of {corpus.name} has any; add a `text` column to the manifest"
