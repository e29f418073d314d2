"""What encoders of pictures read of a corpus: the films of its utterances, at even times of their spans."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from study.corpus.media import MediaFault
from study.corpus.utterance import NO_FILE, Corpus, Utterance
from study.corpus.utterance_film import film_place, read_films
from study.errors import UserError
from study.features.content import digest, file_digest
from study.features.encoder import Encoded, VideoEncoder, to_half
from study.features.model_faults import encoding_fault
from study.plurals import counted


def encode_films(encoder: VideoEncoder, utterances: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
    """Frames of each utterance's pictures, read and encoded one by one; a UserError for each that cannot be."""
    for utterance, film in zip(utterances, read_films(utterances), strict=True):
        if isinstance(film, MediaFault):
            yield film
            continue
        try:
            frames = _frames(encoder, utterance, torch.from_numpy(film.pictures))
            yield Encoded(utterance, to_half(frames, utterance.id))
        except UserError as error:
            yield error


def film_contents(corpus: Corpus, encoder: VideoEncoder) -> dict[str, str]:
    """By id, a digest of each utterance's span and half of the picture, and of the bytes of its film, if it has one.

    Raises:
        UserError: a film cannot be read.
    """
    videos = {u.id: u.video for u in corpus.utterances if has_film(u)}
    try:
        files = {path: file_digest(path) for path in sorted({video.file for video in videos.values()})}
    except OSError as error:
        raise UserError(f"a film has to be a file that can be read, found {error}; correct the corpus") from error
    return {
        id: digest([id, str(video.start), str(video.end), video.crop, files[video.file]])[:16]
        for id, video in videos.items()
    }


def has_film(utterance: Utterance) -> bool:
    """Whether an utterance's corpus names a film of it."""
    return utterance.video.file != NO_FILE


def lack_of_films(corpus: Corpus) -> str:
    """The message for a corpus in which no utterance has a film, after its variants' names; empty for any other."""
    if any(map(has_film, corpus.utterances)):
        return ""
    return f"needs films, and no utterance of {corpus.name} has one; add a `video` column to the manifest"


def _frames(
    encoder: VideoEncoder, utterance: Utterance, pictures: UInt8[Tensor, "time height width 3"]
) -> Float[Tensor, "time dim"]:
    try:
        return encoder.encode(pictures)
    except UserError:
        raise
    except Exception as error:  # of a model's code, for whatever its files and these pictures have
        where = f"{counted(len(pictures), 'picture')} of {film_place(utterance)}"
        raise encoding_fault(str(encoder.identity["name"]), where, error) from error
