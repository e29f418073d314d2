"""Features of a corpus by one encoder, computed once: the finished pack if there is one, else extraction."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from filelock import FileLock

from study.corpus.encoders import open_audio_encoder, open_text_encoder
from study.corpus.extraction import Encode, Progress, audio_encoding, extract, progress_count, text_encoding
from study.corpus.feature_store import FeatureStore, utterance_contents
from study.corpus.utterance import Corpus
from study.errors import UserError

__all__ = ["Progress", "prepare"]

# A kill loses at most one block per thread: with a base-size model, 15 s of work.
BLOCK = {"audio": 32, "text": 128}
NAMED_FAILURES = 3


def prepare(
    corpus: Corpus,
    modality: str,
    spec: str,
    layer: str,
    folder: Path,
    on_progress: Callable[[Progress], None] | None = None,
    trust_remote_code: bool = False,
    workers: int | None = None,
) -> Path:
    """The pack with the features of all of the corpus's utterances; extracted now unless it is already in `folder`.

    `modality` is "audio" or "text"; `spec` and `layer` name the encoder as in `encoders.open_audio_encoder`.
    `workers` is the number of threads, by default as many as torch may use. A second process that wants features
    of the same encoder waits for the first.

    Raises:
        UserError: no such encoder or layer, utterances that cannot be read (told together, after all others are
            extracted and kept), a folder that cannot be written, or a pack in it that is damaged.
    """
    identity, load, encode = _opened(modality, spec, layer, trust_remote_code)
    try:
        digest = corpus.audio_digest() if modality == "audio" else corpus.words_digest()
    except OSError as error:
        raise UserError(
            f"every utterance needs an audio file that can be read, found {error}; correct the corpus"
        ) from error
    store = FeatureStore(folder, modality, identity)
    if not store.path(digest).exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(store.lock):
                # Another process may have finished it while this one waited.
                if not store.path(digest).exists():
                    contents = utterance_contents(corpus, modality)
                    _extract_missing(store, corpus, contents, load, encode, on_progress, workers)
                    store.finish(corpus, digest, contents)
        except OSError as error:
            raise UserError(
                f"features are kept in {folder}, which does not work ({error}); pass another folder"
            ) from error
    store.check(digest)
    return store.path(digest)


def _opened(
    modality: str, spec: str, layer: str, trust_remote_code: bool
) -> tuple[Mapping[str, object], Callable[[], None], Encode]:
    """An encoder's identity, what reads its weights, and what encodes a block of utterances."""
    if modality == "audio":
        speech = open_audio_encoder(spec, layer, trust_remote_code)
        return speech.identity, speech.load, audio_encoding(speech)
    if modality != "text":
        raise ValueError(f"a modality is 'audio' or 'text', found {modality!r}")
    if layer != "last":
        raise UserError(f"text encoders give their last layer only, found layer {layer!r}; leave the layer out")
    text = open_text_encoder(spec, trust_remote_code)
    return text.identity, text.load, text_encoding(text)


def _extract_missing(
    store: FeatureStore,
    corpus: Corpus,
    contents: Mapping[str, str],
    load: Callable[[], None],
    encode: Encode,
    on_progress: Callable[[Progress], None] | None,
    workers: int | None,
) -> None:
    found = store.find()
    size = BLOCK[store.modality]
    # Blocks are cut before what is there is left out: an utterance is in the same block, and so in the same batch,
    # whether or not the extraction was interrupted.
    cuts = [corpus.utterances[start : start + size] for start in range(0, len(corpus.utterances), size)]
    missing = [block for cut in cuts if (block := [u for u in cut if contents[u.id] not in found])]
    if not missing:
        return
    store.parts.mkdir(exist_ok=True)
    load()
    count = (
        progress_count(corpus.utterances, missing, store.modality == "audio", on_progress)
        if on_progress
        else lambda block: None
    )
    failures = extract(
        missing,
        encode,
        save=lambda encoded: store.save_block(encoded, contents),
        on_block=count,
        workers=workers or torch.get_num_threads(),
    )
    if failures:
        named = " | ".join(failures[:NAMED_FAILURES]) + (" | ..." if len(failures) > NAMED_FAILURES else "")
        raise UserError(
            f"features of every utterance are needed, {len(failures)} of {len(corpus.utterances)} could not be "
            f"encoded, the others are kept: {named}"
        )
