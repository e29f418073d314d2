"""IEMOCAP's class counts against the published totals, and the comparison of a corpus with them."""

import random
from pathlib import Path

from study.corpus.labels import EMOTIONS, preset
from study.corpus.readers.iemocap import CODES
from study.corpus.readers.iemocap_counts import COUNTS, KNOWN
from study.corpus.utterance import Utterance


def utterance(id: str, label: str, group: str = "Session1") -> Utterance:
    return Utterance(id, Path("x.wav"), "words", label, "s", group)


def full_release() -> list[Utterance]:
    """One utterance for each that the table counts."""
    return [
        utterance(f"{session}-{label}-{i}", label, session)
        for session, row in COUNTS.items()
        for label, n in row.items()
        for i in range(n)
    ]


def test_the_table_of_seven_classes_adds_up_to_the_published_totals() -> None:
    # Totals by session and by class come from other tables of the literature than the cells do.
    assert [sum(row.values()) for row in COUNTS.values()] == [1390, 1365, 1561, 1531, 1640]
    by_class = {name: sum(row[name] for row in COUNTS.values()) for name in EMOTIONS}
    assert list(by_class.values()) == [1103, 595, 1041, 1084, 1708, 1849, 107]
    assert sum(by_class.values()) == 7487


def test_four_classes_hold_the_published_5531() -> None:
    mapping = preset("4").mapping
    sessions = [sum(n for label, n in row.items() if label in mapping) for row in COUNTS.values()]
    assert sum(sessions) == 5531
    assert sessions == [1085, 1023, 1151, 1031, 1241]
    assert sum(n for row in COUNTS.values() for label, n in row.items() if mapping.get(label) == "happy") == 595 + 1041


def test_every_emotion_has_a_code() -> None:
    assert set(EMOTIONS) < set(CODES.values())


def test_a_full_release_is_confirmed_and_a_missing_or_extra_utterance_is_reported() -> None:
    full = full_release()
    random.Random(0).shuffle(full)
    others = [utterance("a", "undecided"), utterance("b", "fear")]
    assert KNOWN.note([*full, *others]) == "label counts are those known of the full release (7,487 utterances)"
    short = [one for one in full if one.id != "Session1-angry-0"]
    assert KNOWN.differences(short) == ["Session1 angry 228 instead of 229"]
    more = [*full, utterance("a", "sad", "Session2"), utterance("b", "happy")]
    assert KNOWN.differences(more) == ["Session1 happy 136 instead of 135", "Session2 sad 198 instead of 197"]
    assert KNOWN.note(more).startswith("label counts differ from those known of the full release: Session1 happy 136")


def test_of_a_part_of_the_release_the_sessions_that_are_there_are_compared() -> None:
    part = [one for one in full_release() if one.group in ("Session1", "Session3")]
    assert KNOWN.note(part) == (
        "label counts are those known of the full release (2,951 utterances of Session1, Session3)"
    )
    assert KNOWN.differences(part[1:]) == ["Session1 angry 228 instead of 229"]
