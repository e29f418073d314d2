"""From what the user names (nothing, a folder, a manifest) to a corpus with its classes in order."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from study.corpus import iemocap, manifest
from study.corpus.demo import MANIFEST
from study.corpus.labels import class_order, iemocap_note, preset, read_label_map, relabel
from study.corpus.utterance import Corpus, Problem, Utterance
from study.errors import UserError

MANIFESTS = (".csv", ".jsonl")


@dataclass(frozen=True)
class Reading:
    """What a source holds before labels are chosen: every utterance that could be read, and every problem."""

    name: str
    place: str
    default_labels: str | None
    utterances: tuple[Utterance, ...]
    problems: tuple[Problem, ...]


def open_corpus(
    source: str | None, labels: str | None = None, label_map: Path | None = None, allow_outside: bool = False
) -> Corpus:
    """The corpus at `source`: None for the demo, an IEMOCAP release folder, or a manifest (.csv, .jsonl).

    `label_map` renames labels first and drops those it does not name; `labels` is a preset and goes second.
    Without a preset IEMOCAP has seven classes and a manifest all labels that it holds.

    Raises:
        UserError: there is no such source, something is fatally wrong with it, or it has fewer than two classes.
    """
    reading = read_source(source, allow_outside)
    fatal = [problem for problem in reading.problems if problem.fatal]
    if fatal:
        more = f"; and {len(fatal) - 1:,} more" if len(fatal) > 1 else ""
        command = f"ser-study check {source}" if source else "ser-study check"
        raise UserError(f"{fatal[0]}{more}; run `{command}` for all")
    return choose_classes(reading, labels, label_map)


def read_source(source: str | None, allow_outside: bool = False) -> Reading:
    """What is at `source`, without judging it.

    Raises:
        UserError: it is neither an IEMOCAP release nor a manifest.
    """
    if source is None:
        return _reading("demo", MANIFEST, None, manifest.scan(MANIFEST))
    path = Path(source)
    if os.path.isdir(path):
        return _reading("IEMOCAP", path, "7", iemocap.scan(path))
    if path.suffix.lower() in MANIFESTS and os.path.isfile(path):
        return _reading(_manifest_name(path), path, None, manifest.scan(path, allow_outside))
    found = "a file of another kind" if os.path.exists(path) else "nothing"
    raise UserError(
        f"--corpus expects an IEMOCAP release folder or a manifest (.csv, .jsonl); found {found} at {source}; "
        "leave it out for the demo"
    )


def choose_classes(reading: Reading, labels: str | None = None, label_map: Path | None = None) -> Corpus:
    """The corpus of the utterances whose labels are wanted, sorted by id, with notes on what was left out.

    A class of the preset without a single utterance is left out too: nothing could be learnt or judged of it.

    Raises:
        UserError: the preset or the map does not fit the labels, or fewer than two classes remain.
    """
    utterances, notes = reading.utterances, _remarks(reading)
    if label_map is not None:
        utterances, changes = _relabelled(utterances, read_label_map(label_map), f"--label-map {label_map}", reading)
        notes += changes
    name = labels if labels is not None else reading.default_labels
    classes = class_order(u.label for u in utterances)
    if name is not None:
        mapping = preset(name).mapping
        utterances, changes = _relabelled(utterances, mapping, f"--labels {name}", reading)
        present = {u.label for u in utterances}
        classes = tuple(c for c in preset(name).classes if c in present)
        absent = [c for c in preset(name).classes if c not in present]
        notes += changes + tuple(f"no utterance is labelled {c}: the class is left out" for c in absent)
    if len(classes) < 2:
        raise UserError(
            f"a study needs at least 2 classes; found {len(classes)} ({', '.join(classes) or 'no utterances'}) "
            f"at {reading.place}; give more labels"
        )
    corpus = Corpus(reading.name, classes, tuple(sorted(utterances, key=lambda u: u.id)), notes)
    checksum = iemocap_note(corpus, name) if reading.name == "IEMOCAP" and name and label_map is None else None
    return Corpus(corpus.name, classes, corpus.utterances, (*notes, checksum)) if checksum else corpus


def _reading(
    name: str, place: Path, default_labels: str | None, scanned: tuple[list[Utterance], list[Problem]]
) -> Reading:
    utterances, problems = scanned
    return Reading(name, str(place), default_labels, tuple(utterances), tuple(problems))


def _manifest_name(path: Path) -> str:
    """A name for the corpus that can also name a folder: that of the file, or of its folder if that says more."""
    name = path.absolute().parent.name if path.stem.lower() in ("manifest", "metadata") else path.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "corpus"


def _relabelled(
    utterances: tuple[Utterance, ...], mapping: dict[str, str], option: str, reading: Reading
) -> tuple[tuple[Utterance, ...], tuple[str, ...]]:
    kept, notes = relabel(utterances, mapping)
    if utterances and not kept:
        found = class_order(u.label for u in utterances)
        raise UserError(
            f"{option} expects labels among {', '.join(sorted(mapping))}; found none of them but "
            f"{', '.join(found[:10])}{' ...' if len(found) > 10 else ''} at {reading.place}; "
            f"{'leave --labels out or ' if option.startswith('--labels') else ''}give a --label-map that names these"
        )
    return kept, notes


def _remarks(reading: Reading) -> tuple[str, ...]:
    mild = [problem for problem in reading.problems if not problem.fatal]
    if not mild:
        return ()
    more = f" (and {len(mild) - 1:,} more, see `ser-study check`)" if len(mild) > 1 else ""
    return (f"{mild[0]}{more}",)
