"""How the files of each medium are looked at: a row for each of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from study.corpus.described import Inspection
from study.corpus.films import FilmSummary, inspect_films, lack_of_film_decoder
from study.corpus.recordings import AudioSummary, inspect_recordings, lack_of_decoder
from study.corpus.utterance import Utterance


@dataclass(frozen=True)
class InspectionOfMedium:
    """Why some files cannot be decoded here whatever they hold; what is found in all of them, and in none."""

    lack_of_decoder: Callable[[Iterable[Utterance]], str]
    inspect: Callable[..., Inspection[Any]]
    nothing: Any


INSPECTIONS: Mapping[str, InspectionOfMedium] = {
    "audio": InspectionOfMedium(lack_of_decoder, inspect_recordings, AudioSummary()),
    "video": InspectionOfMedium(lack_of_film_decoder, inspect_films, FilmSummary()),
}
