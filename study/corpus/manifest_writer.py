"""A corpus of any layout as a manifest, which gives the same corpus again."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

from study.corpus.readers.manifest import leaves_folder
from study.corpus.utterance import NO_FILE, Corpus, Utterance
from study.files import write_file

RATINGS = ("valence", "arousal", "dominance")
HEADING = (
    *("file_name", "utterance_id", "label", "text", "speaker", "group", "start", "end", "script", "votes", "split"),
    *RATINGS,
    "language",
    *("video", "video_start", "video_end", "video_crop"),
)


def write_manifest(
    path: Path, corpus: Corpus, words: Callable[[Utterance], str] = lambda utterance: utterance.words
) -> bool:
    """Write the utterances of a corpus as the manifest `path`, with `words` in the place of their own.

    Files are named relative to the manifest. Labels are those of the corpus's classes, and what is held out is the
    column `group`. Returns whether a file lies outside the manifest's folder, which a reader has to allow.
    """
    folder, outside = path.absolute().parent, False
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(HEADING)
    for utterance in corpus.utterances:
        name = _relative(utterance.audio, folder)
        film = _relative(utterance.video.file, folder)
        outside |= leaves_folder(name) or leaves_folder(film)
        writer.writerow(
            [
                name,
                utterance.id,
                utterance.label,
                words(utterance),
                utterance.speaker,
                utterance.group,
                _number(utterance.start),
                _number(utterance.end),
                utterance.script,
                json.dumps(dict(utterance.votes), ensure_ascii=False) if utterance.votes else "",
                utterance.split,
                *(_number(getattr(utterance.ratings, name)) for name in RATINGS),
                utterance.language,
                film,
                _number(utterance.video.start),
                _number(utterance.video.end),
                utterance.video.crop,
            ]
        )
    write_file(path, file.getvalue())
    return outside


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _relative(file: Path, folder: Path) -> str:
    return "" if file == NO_FILE else Path(os.path.relpath(file.absolute(), folder)).as_posix()
