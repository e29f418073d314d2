"""IEMOCAP's class counts against the published totals, and the note that compares a corpus with them."""

from pathlib import Path

import pytest

from study.corpus.labels import EMOTIONS, PRESETS, preset, relabel
from study.corpus.readers.iemocap import CODES
from study.corpus.readers.iemocap_counts import COUNTS, expected_counts, note
from study.corpus.utterance import Corpus, Utterance


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
    counts = expected_counts("4")
    assert sum(counts.values()) == 5531
    sessions = [sum(n for (s, _), n in counts.items() if s == session) for session in COUNTS]
    assert sessions == [1085, 1023, 1151, 1031, 1241]
    assert sum(n for (_, label), n in counts.items() if label == "happy") == 595 + 1041


def test_every_emotion_has_a_code() -> None:
    assert set(EMOTIONS) < set(CODES.values())


@pytest.mark.parametrize("name", PRESETS)
def test_a_full_release_is_confirmed_and_one_missing_utterance_is_reported(name: str) -> None:
    kept, _ = relabel(full_release(), preset(name).mapping)
    corpus = Corpus("IEMOCAP", preset(name).classes, kept)
    assert (note(corpus, name) or "").startswith("class counts of all five sessions are those known")
    short = Corpus("IEMOCAP", preset(name).classes, kept[1:])
    assert "differ from those known of the full release: Session1 angry 228 instead of 229" in (note(short, name) or "")


def test_a_part_of_the_release_is_not_compared() -> None:
    assert note(Corpus("IEMOCAP", EMOTIONS, (utterance("a", "sad"),)), "7") is None
