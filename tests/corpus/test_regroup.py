"""What a study holds out instead of a corpus's own groups."""

from dataclasses import replace
from pathlib import Path

import pytest

from study.corpus.folds import SPEAKER
from study.corpus.regroup import for_folds, groups_of
from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError

PAIRS = [("ann", "s1"), ("bob", "s1"), ("cat", "s2"), ("dan", "s2"), ("eve", "s3")]


def corpus_of(pairs):
    utterances = [
        Utterance(f"u{n}", Path(f"{n}.wav"), "", "sad", speaker, group, where=f"m.csv:{n + 2}")
        for n, (speaker, group) in enumerate(pairs)
    ]
    return Corpus("toy", ("sad",), tuple(utterances))


def test_without_the_option_a_corpus_stays_as_it_is():
    corpus = corpus_of(PAIRS)
    assert for_folds(corpus, None) is for_folds(corpus, 4) is corpus


def test_speakers_become_the_groups_and_the_corpus_stays_the_same_corpus():
    corpus = corpus_of(PAIRS)
    found = for_folds(corpus, SPEAKER)
    assert found.groups() == ("ann", "bob", "cat", "dan", "eve")
    assert [u.home for u in found.utterances] == [group for _, group in PAIRS]
    assert found.digest() == corpus.digest()
    assert groups_of(found).homes["dan"] == {"s2"}


def test_a_speaker_without_a_partner_is_named():
    assert for_folds(corpus_of(PAIRS[:4]), SPEAKER).notes == ()
    (note,) = for_folds(corpus_of(PAIRS), SPEAKER).notes
    assert note.startswith("1 of 5 speakers (eve) have no partner")


def test_unknown_speakers_cannot_be_held_out():
    corpus = corpus_of([*PAIRS, ("unknown in s3", "s3")])
    with pytest.raises(UserError, match=r"1 utterance of toy have none, first m.csv:7; fill in the column speaker"):
        for_folds(corpus, SPEAKER)


def test_a_digest_is_of_the_groups_that_the_corpus_gives():
    corpus = corpus_of(PAIRS)
    moved = replace(corpus, utterances=tuple(replace(u, group="s9") for u in corpus.utterances))
    assert moved.digest() != corpus.digest()
