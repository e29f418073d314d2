"""Which emotions are told apart: class names, label presets, label maps, and what IEMOCAP is known to hold."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from study.corpus.quoting import one_line, quoted
from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError

EMOTIONS = ("angry", "happy", "excited", "sad", "neutral", "frustrated", "surprise")

# IEMOCAP's codes. The last four are in no preset; `xxx` marks utterances without a majority of votes.
IEMOCAP_CODES = {
    "ang": "angry",
    "hap": "happy",
    "exc": "excited",
    "sad": "sad",
    "neu": "neutral",
    "fru": "frustrated",
    "sur": "surprise",
    "fea": "fear",
    "dis": "disgust",
    "oth": "other",
    "xxx": "undecided",
}


@dataclass(frozen=True)
class Preset:
    """The classes in the order in which models index them, and the labels that are read as another class."""

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

# How often each class occurs in the full release, by session: a checksum of the reader and of the copy it reads.
IEMOCAP_COUNTS: dict[str, dict[str, int]] = {
    session: dict(zip(EMOTIONS, row, strict=True))
    for session, row in {
        "Session1": (229, 135, 143, 194, 384, 280, 25),
        "Session2": (137, 117, 210, 197, 362, 325, 17),
        "Session3": (240, 135, 151, 305, 320, 382, 28),
        "Session4": (327, 65, 238, 143, 258, 481, 19),
        "Session5": (170, 143, 299, 245, 384, 381, 18),
    }.items()
}

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def preset(name: str) -> Preset:
    """The preset called `name`.

    Raises:
        UserError: there is none of that name.
    """
    if name not in PRESETS:
        raise UserError(f"--labels expects one of {', '.join(PRESETS)}; found {name!r}")
    return PRESETS[name]


def relabel(
    utterances: Iterable[Utterance], mapping: Mapping[str, str]
) -> tuple[tuple[Utterance, ...], tuple[str, ...]]:
    """The utterances whose label is a key of `mapping`, with their new labels, and notes on what changed.

    Utterances with other labels are dropped; a note counts them. Votes are merged in the same way, and votes
    for labels outside the mapping are left out.
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
        total = f"{sum(dropped.values()):,} of {len(given):,} utterances"
        notes.append(f"dropped: {total}, for their label: {_counted(dropped)}")
    return kept, tuple(notes)


def class_order(labels: Iterable[str]) -> tuple[str, ...]:
    """The distinct labels in their fixed order: that of the seven known emotions if all are of them, else sorted."""
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
    return {label.strip(): name.strip() for label, name in found.items()}


def iemocap_note(corpus: Corpus, preset_name: str) -> str | None:
    """Whether a full release holds what it is known to hold; None unless all five sessions are there."""
    if corpus.groups() != tuple(IEMOCAP_COUNTS):
        return None
    found = Counter((u.group, u.label) for u in corpus.utterances)
    known = expected_counts(preset_name)
    different = [
        f"{group} {label} {found[group, label]} instead of {n}"
        for (group, label), n in known.items()
        if found[group, label] != n
    ]
    if not different:
        return f"class counts of all five sessions are those known of the full release ({sum(known.values()):,})"
    rest = f" and {len(different) - 3} more" if len(different) > 3 else ""
    return f"class counts differ from those known of the full release: {', '.join(different[:3])}{rest}"


def expected_counts(preset_name: str) -> dict[tuple[str, str], int]:
    """Utterances of the full IEMOCAP release by (session, class) under a preset."""
    mapping = preset(preset_name).mapping
    counts: Counter[tuple[str, str]] = Counter()
    for session, row in IEMOCAP_COUNTS.items():
        for label, n in row.items():
            if label in mapping:
                counts[session, mapping[label]] += n
    return dict(counts)


def _merged_votes(votes: Mapping[str, int], mapping: Mapping[str, str]) -> dict[str, int]:
    merged: Counter[str] = Counter()
    for label, n in votes.items():
        if label in mapping:
            merged[mapping[label]] += n
    return dict(merged)


def _counted(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = f", and {len(ranked) - 10} more labels" if len(ranked) > 10 else ""
    return ", ".join(f"{n:,} {label}" for label, n in ranked[:10]) + rest
