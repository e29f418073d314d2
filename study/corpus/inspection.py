"""How the files of each medium are looked at: a row for each of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.corpus.described import Inspection
from study.corpus.films import FilmSummary, inspect_films
from study.corpus.media import MEDIA
from study.corpus.recordings import AudioSummary, inspect_recordings
from study.corpus.utterance import Utterance


@dataclass(frozen=True)
class InspectionOfMedium:
    """The file of an utterance, what is found in the files of all utterances, and in none."""

    file: Callable[[Utterance], Path]
    inspect: Callable[..., Inspection[Any]]
    nothing: Any


INSPECTIONS: Mapping[str, InspectionOfMedium] = {
    "audio": InspectionOfMedium(MEDIA["audio"], inspect_recordings, AudioSummary()),
    "video": InspectionOfMedium(MEDIA["video"], inspect_films, FilmSummary()),
}
