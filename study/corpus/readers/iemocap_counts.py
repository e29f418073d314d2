"""The class counts of the full IEMOCAP release: a checksum of the reader and of the copy that it reads."""

from collections import Counter

from study.corpus.labels import EMOTIONS, preset
from study.corpus.utterance import Corpus

# Utterances of each class, by session.
COUNTS: dict[str, dict[str, int]] = {
    session: dict(zip(EMOTIONS, row, strict=True))
    for session, row in {
        "Session1": (229, 135, 143, 194, 384, 280, 25),
        "Session2": (137, 117, 210, 197, 362, 325, 17),
        "Session3": (240, 135, 151, 305, 320, 382, 28),
        "Session4": (327, 65, 238, 143, 258, 481, 19),
        "Session5": (170, 143, 299, 245, 384, 381, 18),
    }.items()
}


def note(corpus: Corpus, preset_name: str) -> str | None:
    """Whether the class counts are those of the full release; None unless all five sessions are present."""
    if corpus.groups() != tuple(COUNTS):
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
    """Utterances of the full release by (session, class) under a preset."""
    mapping = preset(preset_name).mapping
    counts: Counter[tuple[str, str]] = Counter()
    for session, row in COUNTS.items():
        for label, n in row.items():
            if label in mapping:
                counts[session, mapping[label]] += n
    return dict(counts)
