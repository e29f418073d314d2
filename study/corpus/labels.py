"""Class names and their order, label presets, and label maps."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from study.corpus.names import plain_name
from study.corpus.quoting import one_line, quoted
from study.corpus.utterance import Utterance
from study.errors import UserError
from study.plurals import counted

EMOTIONS = ("angry", "happy", "excited", "sad", "neutral", "frustrated", "surprise")


@dataclass(frozen=True)
class Preset:
    """The classes in the order of the models' outputs, and the labels that are merged into another class."""

    classes: tuple[str, ...]
    merged: Mapping[str, str]

    @property
    def mapping(self) -> dict[str, str]:
        """Label -> class. A label that is not a key is not in the preset."""
        return {**{name: name for name in self.classes}, **self.merged}


PRESETS: dict[str, Preset] = {
    "7": Preset(("angry", "happy", "excited", "sad", "neutral", "frustrated", "surprise"), {}),
    "6": Preset(("angry", "happy", "excited", "sad", "neutral", "frustrated"), {}),
    "5": Preset(("angry", "happy", "excited", "sad", "neutral"), {}),
    "4": Preset(("angry", "happy", "sad", "neutral"), {"excited": "happy"}),
}

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def preset(name: str) -> Preset:
    """The preset called `name`.

    Raises:
        UserError: no preset has that name.
    """
    if name not in PRESETS:
        raise UserError(f"--labels expects one of {', '.join(PRESETS)}; found {name!r}")
    return PRESETS[name]


def relabel(
    utterances: Iterable[Utterance], mapping: Mapping[str, str], remedy: str = ""
) -> tuple[tuple[Utterance, ...], tuple[str, ...]]:
    """The utterances whose label is a key of `mapping`, with their new labels, and notes on the changes.

    Utterances with other labels are dropped; a note counts them, followed by `remedy`. Votes are merged like labels,
    and votes for labels outside the mapping are dropped.
    """
    given = tuple(utterances)
    kept = tuple(
        replace(u, label=mapping[u.label], votes=_merged_votes(u.votes, mapping)) for u in given if u.label in mapping
    )
    found = Counter(u.label for u in given)
    notes = [
        f"read as {mapping[label]}: {n:,} labelled {label}"
        for label, n in sorted(found.items())
        if mapping.get(label, label) != label
    ]
    dropped = {label: n for label, n in found.items() if label not in mapping}
    if dropped:
        total = f"{sum(dropped.values()):,} of {counted(len(given), 'utterance')}"
        notes.append(f"dropped: {total}, for their label: {_listed(dropped)}{remedy}")
    return kept, tuple(notes)


def class_order(labels: Iterable[str]) -> tuple[str, ...]:
    """The distinct labels: in the order of EMOTIONS if all of them are in it, else sorted by name."""
    found = set(labels)
    return tuple(name for name in EMOTIONS if name in found) if found <= set(EMOTIONS) else tuple(sorted(found))


def read_label_map(path: Path) -> dict[str, str]:
    """The label map in a JSON file: an object from the corpus's labels to class names, such as {"exc": "happy"}.

    Raises:
        UserError: the file cannot be read, or is not such an object.
    """
    law = f'{path}: a label map is a JSON object of texts such as {{"exc": "happy"}}'
    if not os.path.isfile(path):
        raise UserError(f"{law}; found no such file")
    try:
        found = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{law}; the file cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, not JSON, or a number of absurd length
        raise UserError(f"{law}; found no valid JSON: {one_line(error)}") from None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{law}; found {'an empty object' if found == {} else type(found).__name__}")
    for label, name in found.items():
        if not isinstance(name, str) or not name.strip() or _UNPRINTABLE.search(label + name):
            raise UserError(f"{law}; found {quoted(name)} for {quoted(label)}")
    return {plain_name(label): plain_name(name) for label, name in found.items()}


def _merged_votes(votes: Mapping[str, int], mapping: Mapping[str, str]) -> dict[str, int]:
    merged: Counter[str] = Counter()
    for label, n in votes.items():
        if label in mapping:
            merged[mapping[label]] += n
    return dict(merged)


def _listed(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = f", and {counted(len(ranked) - 10, 'other label')}" if len(ranked) > 10 else ""
    return ", ".join(f"{n:,} {label}" for label, n in ranked[:10]) + rest
