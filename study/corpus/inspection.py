"""How the files of each medium are looked at: a row for each of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.corpus.container import missing_decoder
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

    def lack_of_decoder(self, utterances: Iterable[Utterance]) -> str:
        """Why some files of these utterances cannot be decoded here whatever they hold; empty if all can."""
        suffixes = {file.suffix.lower(): file for file in map(self.file, utterances)}
        return next((lack for file in suffixes.values() if (lack := missing_decoder(file))), "")


INSPECTIONS: Mapping[str, InspectionOfMedium] = {
    "audio": InspectionOfMedium(MEDIA["audio"], inspect_recordings, AudioSummary()),
    "video": InspectionOfMedium(MEDIA["video"], inspect_films, FilmSummary()),
}
