"""What the films of a corpus are like: every utterance's pictures are decoded, and what is wrong becomes a problem."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from study.corpus.alike import occurring_twice
from study.corpus.described import Inspection, Known, OnStep, Pictures, by_id
from study.corpus.media import MediaFault
from study.corpus.utterance import NO_FILE, Utterance
from study.corpus.utterance_film import TOO_LONG_FILM, UNDECODABLE_FILM, UtteranceFilm, read_films


@dataclass(frozen=True)
class FilmSummary:
    """How many utterances have a film and how many have none, the size of their pictures, and of how many each is."""

    n_with: int = 0
    n_without: int = 0
    n_pictures: int = 0
    sizes: Mapping[tuple[int, int], int] = field(default_factory=dict)


def inspect_films(
    utterances: Sequence[Utterance],
    on_step: OnStep = lambda what, done, total: None,
    known: Known | None = None,
) -> Inspection[FilmSummary]:
    """Decode the pictures of every utterance that has a film, and say what is wrong with it.

    Files that do not exist are left out: they are reported as missing. Films that were decoded before are taken from
    `known`, which the others are added to.
    """
    named = [u for u in utterances if u.video.file != NO_FILE]
    with_file = [u for u in named if os.path.isfile(u.video.file)]
    read = _in_threads(with_file, {} if known is None else known)
    found, faults = by_id(read, lambda n_done: on_step("reading films", n_done, len(with_file)))
    seen = [u for u in with_file if u.id in found]
    remarks = tuple(occurring_twice(((utterance, found[utterance.id].content) for utterance in seen), "film"))
    seconds = {utterance.id: found[utterance.id].seconds for utterance in seen}
    return Inspection(_summary(utterances, found), (UNDECODABLE_FILM, TOO_LONG_FILM), faults, remarks, seconds)


def _in_threads(utterances: Sequence[Utterance], known: Known) -> Iterator[tuple[Utterance, Pictures | MediaFault]]:
    """Each file by one thread, which reads it forward."""
    by_file: dict[object, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        by_file[utterance.video.file].append(utterance)
    files = [sorted(own, key=lambda u: u.video.start or 0.0) for own in by_file.values()]
    threads = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        for own, described in zip(files, threads.map(lambda own: _described(own, known), files), strict=True):
            yield from zip(own, described, strict=True)
    finally:
        threads.shutdown(cancel_futures=True)  # after an interrupt, what has not begun is left


def _described(utterances: Sequence[Utterance], known: Known) -> list[Pictures | MediaFault]:
    keys = [_key(utterance) for utterance in utterances]
    found = {key: each for key in keys if isinstance(each := known.get(key), Pictures)}
    new = [number for number, key in enumerate(keys) if key not in found]
    faults: dict[str, MediaFault] = {}
    for number, film in zip(new, read_films([utterances[number] for number in new]), strict=True):
        if isinstance(film, MediaFault):
            faults[keys[number]] = film
        else:
            found[keys[number]] = known[keys[number]] = _pictures(film)
    return [faults.get(key) or found[key] for key in keys]


def _key(utterance: Utterance) -> str:
    """What changes when another film takes the place of the utterance's."""
    video = utterance.video
    file = os.stat(video.file)
    span = f"{video.start}:{video.end}:{video.crop}"
    return f"film:{video.file.absolute()}:{file.st_size}:{file.st_mtime_ns}:{span}"


def _pictures(film: UtteranceFilm) -> Pictures:
    n_pictures, height, width, _ = film.pictures.shape
    content = hashlib.blake2b(film.pictures.tobytes(), digest_size=16).hexdigest()
    return Pictures(n_pictures, height, width, film.seconds, content)


def _summary(utterances: Sequence[Utterance], found: Mapping[str, Pictures]) -> FilmSummary:
    n_without = sum(utterance.video.file == NO_FILE for utterance in utterances)
    sizes = Counter((each.width, each.height) for each in found.values())
    n_pictures = sum(each.n_pictures for each in found.values())
    return FilmSummary(len(found), n_without, n_pictures, dict(sorted(sizes.items())))
