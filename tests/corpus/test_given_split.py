"""The one division that a corpus gives: its parts, who validates without a validation part, and shared speakers."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.corpus.folds import Groups
from study.corpus.given_split import PART_OF_TRAIN, SHARE, by_split, division, part_of, validating_speakers
from study.corpus.regroup import groups_of
from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError

LABELS = ("angry", "sad")


def corpus_of(*said: tuple[str, str], group: str = "show") -> Corpus:
    """Utterances of these speakers and splits, labels in turn."""
    utterances = [
        Utterance(
            f"u{n}", Path(), "", LABELS[n % 2], speaker, f"{group}-{speaker}", split=split, where=f"m.csv:{n + 2}"
        )
        for n, (speaker, split) in enumerate(said)
    ]
    return Corpus("toy", LABELS, tuple(utterances))


@pytest.mark.parametrize(
    ("split", "part"),
    [
        ("train", "train"),
        ("validation", "validation"),
        ("test", "test"),
        ("Test2", "test2"),
        ("TEST-noisy_1", "test-noisy_1"),
        ("", ""),
        ("held out", ""),
        ("contest", ""),
        ("test\n2", ""),
        ("test/2", ""),
        ("tést", ""),
    ],
)
def test_parts_are_train_validation_and_all_that_starts_with_test(split, part):
    assert part_of(split) == part


def test_parts_become_groups_and_every_test_set_is_one():
    corpus = by_split(corpus_of(("a", "train"), ("b", "validation"), ("c", "test"), ("d", "test2")))
    assert [(u.group, u.home) for u in corpus.utterances] == [
        ("train", "show-a"),
        ("validation", "show-b"),
        ("test", "show-c"),
        ("test2", "show-d"),
    ]
    (fold,) = division(groups_of(corpus))
    assert (fold.test, fold.validation, fold.training) == (("test", "test2"), ("validation",), ("train",))
    assert corpus.notes == ("no speaker is in two parts of the split",)


def test_utterances_without_a_part_are_counted_and_named():
    corpus = corpus_of(("a", "train"), ("b", "validation"), ("c", "test"), ("d", ""), ("e", "held out"))
    with pytest.raises(UserError, match=r"2 of 5 utterances have no such part \(m.csv:5 has none, m.csv:6 has 'held"):
        by_split(corpus)


@pytest.mark.parametrize("splits", [("train", "validation"), ("validation", "test"), ("test", "test2")])
def test_there_is_something_to_train_on_and_to_test_with(splits):
    with pytest.raises(UserError, match="needs utterances to train on and to test with; toy has "):
        by_split(corpus_of(*zip("ab", splits, strict=True)))


def test_speakers_in_two_parts_are_counted_and_named():
    corpus = corpus_of(("a", "train"), ("a", "test"), ("b", "train"), ("b", "validation"), ("a", "validation"))
    assert set(by_split(corpus).notes) == {
        "1 speaker in test and train alike: a",
        "1 speaker in test and validation alike: a",
        "2 speakers in train and validation alike: a, b",
    }


def test_unknown_speakers_cannot_be_counted():
    corpus = corpus_of(("unknown in x", "train"), ("b", "validation"), ("c", "test"))
    assert by_split(corpus).notes == (
        "not every speaker is known, so speakers who are in two parts of the split cannot be counted",
    )


def test_whole_speakers_of_train_validate_where_no_part_does_and_a_note_says_so():
    corpus = by_split(corpus_of(*((speaker, "train") for speaker in "abcdef" for _ in range(4)), ("t", "test")))
    held = {u.speaker for u in corpus.utterances if u.group == PART_OF_TRAIN}
    trained = {u.speaker for u in corpus.utterances if u.group == "train"}
    assert held == {"a"}
    assert not held & trained
    assert corpus.notes[0] == (
        "the split has no validation part: 4 of 24 utterances of train validate instead of training, "
        "those of 1 speaker (a)"
    )
    assert division(groups_of(corpus))[0].validation == (PART_OF_TRAIN,)


def test_one_speaker_cannot_train_and_validate():
    with pytest.raises(UserError, match="train of toy has one speaker; give some utterances the split validation"):
        by_split(corpus_of(("a", "train"), ("a", "train"), ("t", "test")))


@given(
    st.dictionaries(
        st.text("abcdefgh", min_size=1, max_size=3),
        st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20)),
        min_size=2,
        max_size=15,
    )
)
def test_who_validates_is_some_and_never_all_and_does_not_depend_on_the_order(counts):
    speakers = {name: Counter(dict(zip("xyz", own, strict=True))) for name, own in counts.items()}
    chosen = validating_speakers(speakers)
    assert 0 < len(chosen) < len(speakers)
    assert chosen == validating_speakers(dict(reversed(speakers.items())))


def test_with_many_speakers_every_class_is_held_out_in_about_its_share():
    """A hundred speakers of whom each says one class most of the time."""
    speakers = {f"s{n:03d}": Counter({"xyz"[n % 3]: 8, "xyz"[(n + 1) % 3]: 2}) for n in range(99)}
    held = sum((speakers[name] for name in validating_speakers(speakers)), Counter())
    assert all(abs(held[label] / 330 - SHARE) < 0.03 for label in "xyz")


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "validation"), ("train", "validation", "test", "x")])
def test_groups_that_are_no_split_are_refused(parts):
    with pytest.raises(UserError, match="a split has train, validation and test; found"):
        division(Groups.of((part, "home") for part in parts))
