"""What a user names to predict on, as items: files, folders of files, and manifests; or words alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from study.corpus.quoting import path_text
from study.corpus.readers.manifest import SUFFIXES
from study.corpus.readers.manifest_cells import seconds_of
from study.corpus.readers.manifest_row import Row
from study.corpus.readers.manifest_rows import read_rows
from study.corpus.readers.manifest_video import video_faults, video_of
from study.corpus.utterance import NO_FILE, Utterance
from study.errors import UserError
from study.inference.model_config import ModelConfig
from study.inference.recording import SOUND, require_sound, utterance_of
from study.plurals import counted


@dataclass(frozen=True)
class Item:
    """One thing to predict on: its file as the user named it, and its utterance, or the reason why there is none."""

    file_name: str
    utterance: Utterance | None
    reason: str = ""


def require_there(inputs: Sequence[str]) -> None:
    """Make sure that everything that `inputs` name exists, which can be said before the model is known.

    Raises:
        UserError: one does not.
    """
    for path in map(Path, inputs):
        if not path.exists():
            require_sound(path)


def items_of(inputs: Sequence[str], text: str | None, config: ModelConfig, *, recognised: bool = False) -> list[Item]:
    """Everything that `inputs` name, in their order; files of a folder by name. `text` are the words of one recording.

    With `recognised`, recordings may be without words. What is wrong with a single file of several is its item's
    reason.

    Raises:
        UserError: an input is none of these, there are none, or the model reads words and there are none.
    """
    if text is not None and not config.reads_words:
        raise UserError(
            f"--text is for variants that read words, and {config.variant} reads {config.reads} alone; leave it out"
        )
    if not inputs:
        if config.needs_files(text is not None):
            raise UserError(
                f"variant {config.variant} reads {config.reads}, and no recording is given; name one, or a folder"
            )
        return [Item("", utterance_of(NO_FILE, _words(text, config, "", config.reads_words)))]
    needs_words = config.reads_words and not recognised and not config.may_lack("text")
    found = [item for one in inputs for item in _items(Path(one), text, config, needs_words)]
    if text is not None and len(found) != 1:
        raise UserError(
            f"--text has the words of one recording, and there are {len(found)}; give a manifest with a column text"
        )
    return found


def _items(path: Path, text: str | None, config: ModelConfig, needs_words: bool) -> Iterator[Item]:
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        yield from _of_manifest(path, config, needs_words)
    elif not config.reads_files:
        raise UserError(f"variant {config.variant} reads words alone: --text, or a manifest; found {path_text(path)}")
    elif path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.suffix.lower() in SOUND and each.is_file())
        if not files:
            raise UserError(f"a folder of recordings is needed, and {path_text(path)} has none ({', '.join(SOUND)})")
        _words(text, config, f"{counted(len(files), 'recording')} in {path_text(path)}", needs_words)
        yield from (Item(str(each.relative_to(path)), utterance_of(each, text)) for each in files)
    else:
        require_sound(path)
        yield Item(str(path), utterance_of(path, _words(text, config, path_text(path), needs_words)))


def _words(text: str | None, config: ModelConfig, what: str, needs_words: bool) -> str | None:
    """The words, after making sure that they are there where the model needs them."""
    if text is None and needs_words:
        lack = f"found {what} without any" if what else "none are given"
        raise UserError(
            f"variant {config.variant} reads words, and {lack}; give them with --text, of several "
            "recordings in a manifest with a column text, or have them recognised with --asr ID; a model trained with "
            "modality dropout needs none"
        )
    return text


def _of_manifest(path: Path, config: ModelConfig, needs_words: bool) -> Iterator[Item]:
    """An item for each row, and one with the reason for each that cannot be used."""
    rows, problems = read_rows(path, ["file_name"] if config.reads_files else ["text"])
    fatal = [problem for problem in problems if problem.fatal]
    if not rows and fatal:
        raise UserError(str(fatal[0]))
    if config.reads_files and not any("file_name" in row.cells for row in rows):
        raise UserError(
            f"variant {config.variant} reads {config.reads}, and {path_text(path)} has no column file_name (file, wav, "
            "path); add it, with a recording's path in each row"
        )
    if needs_words and not any("text" in row.cells for row in rows):
        raise UserError(
            f"variant {config.variant} reads words, and {path_text(path)} has no column text (transcription, "
            "utterance, sentence); add it, or have the words recognised with --asr ID"
        )
    yield from (_of_row(row, path.parent, config) for row in rows)
    yield from (Item(problem.where, None, problem.message) for problem in fatal)


def _of_row(row: Row, folder: Path, config: ModelConfig) -> Item:
    name, file = row["file_name"], NO_FILE
    if config.reads_files and not name:
        return Item(row.where, None, "the row has no file_name; name its recording")
    if config.reads_files:
        file = folder / name
        try:
            require_sound(file)
        except UserError as error:
            return Item(name, None, str(error))
    span = [seconds_of(row[column]) for column in ("start", "end")]
    if any(row[column] and value is None for column, value in zip(("start", "end"), span, strict=True)):
        return Item(name, None, f"start and end are in seconds, 0 or more; found {row['start']!r} and {row['end']!r}")
    utterance = utterance_of(file, row["text"], row["utterance_id"] or name, *span)
    if fault := next(video_faults(row), None):
        return Item(name, None, fault.message)
    return Item(name, replace(utterance, video=video_of(row, folder)) if row["video"] else utterance)
