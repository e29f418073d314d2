"""Opens a corpus: finds the reader of a path, reads it, and chooses its classes."""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from study.corpus.demo import MANIFEST
from study.corpus.described import Known
from study.corpus.inspection import INSPECTIONS
from study.corpus.labels import EMOTIONS, class_order, preset, read_label_map, relabel
from study.corpus.media import MEDIA, require_files, without_missing, without_unusable
from study.corpus.options import CorpusOptions
from study.corpus.quoting import path_text, quoted
from study.corpus.readers.labelled_once import labelled_once
from study.corpus.readers.table import READERS, Reader, descriptions, reader_of
from study.corpus.remarks import notes_on
from study.corpus.utterance import Corpus, Problem, Utterance
from study.errors import UserError
from study.several_paths import expanded, kind_and_path

# Where a corpus is looked for beside a path that is none: a user may have named a folder of it, or the one it lies in.
LEVELS_ABOVE, MOST_LOOKED_AT = 2, 50


@dataclass(frozen=True)
class Reading:
    """A source before its classes are chosen: its reader, every utterance that could be read, and every problem."""

    reader: Reader
    name: str
    place: str
    utterances: tuple[Utterance, ...]
    problems: tuple[Problem, ...]


def open_corpus(
    options: CorpusOptions,
    media: Collection[str] = tuple(MEDIA),
    known: Known | None = None,
) -> Corpus:
    """The corpus that the options name, with the files of these media.

    With `skip_missing`, utterances without file are left out, and those whose audio or film cannot be decoded or is
    longer than an utterance may be; `known` is as in `inspect_recordings`.

    Raises:
        UserError: no reader recognises it, it has a fatal problem, files are missing, or it has fewer than two
            classes.
    """
    reading = read_source(options)
    remarks = notes_on(reading.problems, options)
    corpus = choose_classes(reading, options)
    corpus = replace(corpus, notes=(*remarks, *corpus.notes))
    if not options.skip_missing:
        require_files(corpus, media, reading.place)
        return corpus
    corpus = without_missing(corpus, media)
    for medium in (name for name in INSPECTIONS if name in media):
        found = INSPECTIONS[medium].inspect(corpus.utterances, known=known)
        corpus = without_unusable(corpus, found.skippable, medium)
    return corpus


def read_source(options: CorpusOptions, remedy: str = "leave it out for the demo") -> Reading:
    """Read what the options name, and keep its problems for the caller to act on.

    `remedy` is what to do where no corpus is there.

    A corpus is named by a path, or a key of READERS, a colon and a path: "meld:my/folder" insists on that layout.

    Raises:
        UserError: no reader recognises it, or not the one that is insisted on.
    """
    reader, path = (READERS["manifest"], MANIFEST) if options.corpus is None else _found(options.corpus, remedy)
    utterances, problems = reader.scan(path, options.allow_outside_files)
    # Whatever a layout allows: the same name in two folders, for one.
    utterances, doubled = labelled_once(utterances, "files")
    return Reading(reader, reader.corpus_name(path), str(path), tuple(utterances), (*problems, *doubled))


def _found(source: str, remedy: str) -> tuple[Reader, Path]:
    kind, text = kind_and_path(source)
    path = expanded(text)
    if kind and kind not in READERS:
        known = ", ".join(READERS)
        raise UserError(
            f"--corpus expects a path, or KIND:PATH with a KIND of {known}; found {kind!r} in {quoted(source)}, and "
            "nothing has that name"
        )
    if kind and not READERS[kind].recognises(path):
        lack = READERS[kind].description
        near = _corpus_near(path)
        raise UserError(
            f"{kind}:PATH expects {lack}; found {_what_is_at(path)} at {path_text(path)}{near and f'; {near}'}"
        )
    reader = READERS[kind] if kind else reader_of(path)
    if reader is None:
        law = f"a corpus is {descriptions()}; found {_what_is_at(path)} at {path_text(path)}"
        raise UserError(f"{law}; {_corpus_near(path) or remedy}")
    return reader, path


def choose_classes(reading: Reading, options: CorpusOptions) -> Corpus:
    """The corpus of the utterances whose labels are in the preset and the map, sorted by id, with notes.

    The notes say what was left out. A class of the preset without any utterance is left out too.

    Raises:
        UserError: no label is in the preset or in the map, or fewer than two classes remain.
    """
    utterances, labels, label_map = reading.utterances, options.labels, options.label_map
    notes: tuple[str, ...] = ()
    if label_map is not None:
        utterances, changes = _relabelled(utterances, read_label_map(label_map), f"--label-map {label_map}", reading)
        notes += changes
    name = labels if labels is not None else reading.reader.default_labels
    if name is None and label_map is None and reading.reader.no_emotions:
        emotions = {u.label: u.label for u in utterances if u.label not in reading.reader.no_emotions}
        utterances, changes = relabel(utterances, emotions)
        notes += changes
    classes = class_order(u.label for u in utterances)
    if name is not None:
        mapping = preset(name).mapping
        # Not of emotions that this preset leaves out, nor of labels that a layout with a preset of its own has beside.
        unknown = {u.label for u in utterances}.difference(mapping, EMOTIONS)
        hint = f"; a --label-map gives them classes of --labels {name}"
        remedy = hint if unknown and not reading.reader.default_labels else ""
        utterances, changes = _relabelled(utterances, mapping, f"--labels {name}", reading, remedy)
        present = {u.label for u in utterances}
        classes = tuple(c for c in preset(name).classes if c in present)
        absent = [c for c in preset(name).classes if c not in present]
        notes += changes + tuple(f"no utterance is labelled {c}: the class is left out" for c in absent)
    if len(classes) < 2:
        raise UserError(
            f"a study needs at least 2 classes; found {len(classes)} ({', '.join(classes) or 'no utterances'}) "
            f"at {reading.place}; give more labels"
        )
    notes += _notes_on_release(reading)
    ordered = tuple(sorted(utterances, key=lambda u: u.id))
    return Corpus(reading.name, classes, ordered, notes)


def _notes_on_release(reading: Reading) -> tuple[str, ...]:
    known = (reading.reader.known.note(reading.utterances),) if reading.reader.known else ()
    return (*known, *([reading.reader.words_note] if reading.reader.words_note else []))


def _corpus_near(path: Path) -> str:
    """That a corpus is at `path` in another layout, above it or in it, in words; empty if none is."""
    if not os.path.exists(path):
        return ""
    try:
        inside = sorted(path.iterdir())[:MOST_LOOKED_AT] if os.path.isdir(path) else []
    except OSError:
        inside = []
    above = path.absolute().parents[:LEVELS_ABOVE]
    for place in (path, *above, *inside):
        if (reader := reader_of(place)) is not None:
            return f"{path_text(place)} is {reader.description}"
    return ""


def _what_is_at(path: Path) -> str:
    if os.path.isdir(path):
        return "a folder of another kind"
    return "a file of another kind" if os.path.exists(path) else "nothing"


def _relabelled(
    utterances: tuple[Utterance, ...], mapping: dict[str, str], option: str, reading: Reading, remedy: str = ""
) -> tuple[tuple[Utterance, ...], tuple[str, ...]]:
    kept, notes = relabel(utterances, mapping, remedy)
    if utterances and not kept:
        found = class_order(u.label for u in utterances)
        raise UserError(
            f"{option} expects labels among {', '.join(sorted(mapping))}; found none of them but "
            f"{', '.join(found[:10])}{' ...' if len(found) > 10 else ''} at {reading.place}; "
            f"{'leave --labels out or ' if option.startswith('--labels') else ''}give a --label-map that names these"
        )
    return kept, notes
