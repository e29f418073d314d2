"""The files that utterances are in: which of them are missing, and the corpus without those that cannot be used."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from study.corpus.quoting import path_text
from study.corpus.utterance import NO_FILE, Corpus, Utterance
from study.errors import UserError
from study.plurals import counted

# By modality, the file of an utterance. A modality that is read from no file of its own, such as text, is not here.
MEDIA: Mapping[str, Callable[[Utterance], Path]] = {
    "audio": lambda utterance: utterance.audio,
    "video": lambda utterance: utterance.video.file,
}
# What to do besides adding the files of a medium that are named and not there.
WITHOUT: Mapping[str, str] = {
    "audio": "leave these utterances out with --skip-missing",
    "video": "name no film where there is none, or leave these utterances out with --skip-missing",
}
NAMED = 3


class MediaFault(UserError):
    """Audio or a film that no encoder can read; problems of one `kind` are listed together."""

    def __init__(self, message: str, kind: str) -> None:
        """Say what is wrong with which file of which utterance."""
        super().__init__(message)
        self.kind = kind


def missing_files(utterances: Iterable[Utterance], medium: str) -> dict[str, Path]:
    """By id, the file of each utterance whose corpus names one of this medium that is not there."""
    files = {utterance.id: MEDIA[medium](utterance) for utterance in utterances}
    return {id: file for id, file in files.items() if file != NO_FILE and not os.path.isfile(file)}


def require_files(corpus: Corpus, media: Collection[str], place: str) -> None:
    """Make sure that the files of these media are there; `place` is where the corpus is.

    Raises:
        UserError: some are not; the line names how many, the first of them, and what to do.
    """
    for medium in _known(media):
        missing = missing_files(corpus.utterances, medium)
        if not missing:
            continue
        everyone = counted(len(corpus.utterances), "utterance")
        law = f"every utterance needs its {medium} file, and {len(missing)} of {everyone} at {place} have none: "
        if len(missing) == len(corpus.utterances):
            raise UserError(f"{law}{_first(missing)}; give the folder or the manifest that these files belong to")
        raise UserError(f"{law}{_first(missing)}; add the files, or {WITHOUT[medium]}")


def without_missing(corpus: Corpus, media: Collection[str]) -> Corpus:
    """The corpus of the utterances whose files of these media are there, with a note on those that are left out.

    Raises:
        UserError: fewer than two classes remain.
    """
    for medium in _known(media):
        missing = missing_files(corpus.utterances, medium)
        if missing:
            corpus = _without(corpus, missing, f"without {medium} file")
    return corpus


def without_unusable(corpus: Corpus, faults: Collection[str], medium: str) -> Corpus:
    """The corpus without the utterances of these ids, whose medium cannot be decoded or is too long, with a note.

    Raises:
        UserError: fewer than two classes remain.
    """
    files = {utterance.id: MEDIA[medium](utterance) for utterance in corpus.utterances if utterance.id in faults}
    return _without(corpus, files, f"whose {medium} cannot be decoded or is too long") if files else corpus


def _without(corpus: Corpus, files: Mapping[str, Path], reason: str) -> Corpus:
    """The corpus without the utterances of these ids, whose files are not there or cannot be used."""
    kept = tuple(utterance for utterance in corpus.utterances if utterance.id not in files)
    left_out = f"{len(files):,} of {counted(len(corpus.utterances), 'utterance')} {reason}"
    classes = tuple(name for name in corpus.classes if any(utterance.label == name for utterance in kept))
    lost = [name for name in corpus.classes if name not in classes]
    notes = [f"no other utterance is labelled {name}: the class is left out" for name in lost]
    if len(classes) < 2:
        raise UserError(
            f"a study needs at least 2 classes; --skip-missing leaves {left_out} out, and then there are "
            f"{len(classes)}; add the files ({_first(files)})"
        )
    skipped = f"left out by --skip-missing: {left_out} ({_first(files)})"
    return replace(corpus, classes=classes, utterances=kept, notes=(*corpus.notes, skipped, *notes))


def _known(media: Collection[str]) -> list[str]:
    return [medium for medium in MEDIA if medium in media]


def _first(missing: Mapping[str, Path]) -> str:
    """The first of the files, each once, and how many more there are."""
    files = list(dict.fromkeys(missing.values()))
    more = f" and {len(files) - NAMED:,} more" if len(files) > NAMED else ""
    return ", ".join(path_text(file) for file in files[:NAMED]) + more
