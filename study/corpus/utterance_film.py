"""The film of an utterance: pictures at even times of its span, of its part of the picture, or why there are none.

Checks and extraction read films through `read_films`, so what one of them refuses, the other refuses too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from study.corpus.film import Film, FilmError, Picture, open_film
from study.corpus.lengths import MAX_SECONDS
from study.corpus.media import MediaFault
from study.corpus.utterance import LEFT, RIGHT, WHOLE, Utterance

# Faces change slowly beside voices; an utterance of more than ten seconds has its pictures farther apart.
PICTURES_PER_SECOND = 3.0
MOST_PICTURES = 32
# Labelling tools round: an end up to this much after the end of the film is accepted.
ROUNDING_SECONDS = 0.5

UNDECODABLE_FILM, TOO_LONG_FILM = "films that cannot be decoded", "films too long"
_REMEDY = "give a film that plays, or drop the utterance from the corpus"


@dataclass(frozen=True)
class UtteranceFilm:
    """Pictures of an utterance, [time, height, width, 3] in red, green and blue, and how long it lasts in seconds."""

    pictures: NDArray[np.uint8]
    seconds: float


def moments(start: float, end: float) -> list[float]:
    """When the pictures of a span are taken: at the centres of thirds of seconds, or of 32 equal parts if it is long.

    A span of less than a third of a second has one, at its centre.
    """
    length = end - start
    n_pictures = min(MOST_PICTURES, max(1, math.floor(length * PICTURES_PER_SECOND + 1e-6)))
    is_even = n_pictures in (1, MOST_PICTURES)
    step = length / n_pictures if is_even else 1 / PICTURES_PER_SECOND
    return [start + (number + 0.5) * step for number in range(n_pictures)]


def read_films(utterances: Sequence[Utterance]) -> Iterator[UtteranceFilm | MediaFault]:
    """The film of each utterance in their order, or what is wrong with it; a file is opened once for all in a row.

    What can be wrong: the file cannot be decoded or has no pictures, its span lies beyond the file, or the utterance
    lasts more than ten minutes.
    """
    for _, together in groupby(utterances, key=lambda utterance: utterance.video.file):
        yield from _of_one_file(list(together))


def film_place(utterance: Utterance) -> str:
    """File and id of an utterance's film, for messages."""
    span = "" if utterance.video.start is None and utterance.video.end is None else " in its span"
    return f"{utterance.video.file} (utterance {utterance.id}){span}"


def _of_one_file(utterances: Sequence[Utterance]) -> Iterator[UtteranceFilm | MediaFault]:
    with ExitStack() as stack:
        film: Film | FilmError
        try:
            film = stack.enter_context(open_film(utterances[0].video.file))
        except FilmError as error:
            film = error
        for utterance in utterances:
            try:
                if isinstance(film, FilmError):
                    raise film
                yield _read(film, utterance)
            except MediaFault as fault:
                yield fault
            except FilmError as error:
                yield MediaFault(f"{film_place(utterance)} cannot be decoded ({error}); {_REMEDY}", UNDECODABLE_FILM)


def _read(film: Film, utterance: Utterance) -> UtteranceFilm:
    start, end = _bounds(utterance, film.seconds)
    cropped = [_cropped(picture, utterance.video.crop) for picture in film.pictures_at(moments(start, end))]
    return UtteranceFilm(np.stack(cropped), end - start)


def _bounds(utterance: Utterance, film_seconds: float) -> tuple[float, float]:
    start = utterance.video.start or 0.0
    end = film_seconds if utterance.video.end is None else utterance.video.end
    if start < 0 or not math.isfinite(start) or not start < end < math.inf:
        raise MediaFault(
            f"the span of the film of {utterance.id} must run forward from 0 or later, found {start:g} to {end:g} "
            f"seconds in {utterance.video.file}; correct its start and end",
            "start and end",
        )
    if start >= film_seconds or end > film_seconds + ROUNDING_SECONDS:
        raise MediaFault(
            f"start {start:g} and end {end:g} must lie in {utterance.video.file}, a film of {film_seconds:.2f} s; "
            "correct them",
            "spans beyond the film",
        )
    if end - start > MAX_SECONDS:
        raise MediaFault(
            f"an utterance lasts at most {MAX_SECONDS:.0f} seconds, {utterance.id} lasts {end - start:.0f} s in "
            f"{utterance.video.file}; give its start and end in the film",
            TOO_LONG_FILM,
        )
    return start, end


def _cropped(picture: Picture, crop: str) -> Picture:
    half = picture.shape[1] // 2
    part = {WHOLE: slice(None), LEFT: slice(None, half), RIGHT: slice(picture.shape[1] - half, None)}[crop]
    return picture[:, part]
