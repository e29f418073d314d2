"""What is wrong with a corpus for a study: speakers, spellings, and classes that a fold does not train."""

from dataclasses import replace
from pathlib import Path

import pytest

from study.corpus.options import CorpusOptions
from study.corpus.source import open_corpus
from study.corpus.study_faults import not_trained, study_faults, untrained_sentences
from study.corpus.utterance import Corpus, Problem


@pytest.fixture
def corpus(tiny_manifest: Path) -> Corpus:
    return open_corpus(CorpusOptions(corpus=str(tiny_manifest)))


def changed(corpus: Corpus, **names: dict[str, str]) -> Corpus:
    """The corpus with other names, by field and id."""
    utterances = list(corpus.utterances)
    for field, by_id in names.items():
        utterances = [replace(u, **{field: by_id[u.id]}) if u.id in by_id else u for u in utterances]
    return replace(corpus, utterances=tuple(utterances))


def of_kind(corpus: Corpus, kind: str, **options: bool) -> list[Problem]:
    return [problem for problem in study_faults(corpus, "here", **options) if problem.kind == kind]


def test_a_faultless_corpus_has_none(corpus: Corpus) -> None:
    assert list(study_faults(corpus, "here")) == []


@pytest.mark.parametrize(("field", "noun"), [("label", "class"), ("speaker", "speaker"), ("group", "group")])
@pytest.mark.parametrize("spelling", [str.upper, lambda name: name.replace("a", "\uff41")])
def test_a_second_spelling_is_refused_with_both_and_their_numbers(corpus, field, noun, spelling) -> None:
    name = getattr(corpus.utterances[0], field)
    (problem,) = of_kind(changed(corpus, **{field: {"a0": spelling(name)}}), "spellings")
    assert problem.fatal
    assert problem.where.endswith(":2")
    n_others = sum(getattr(u, field) == name for u in corpus.utterances) - 1
    assert f"{spelling(name)} (1 utterance)" in problem.message
    assert f"{name} ({n_others} utterance" in problem.message
    assert problem.message.startswith(f"a {noun} has one spelling")


def test_shared_speakers_are_fatal_unless_they_are_allowed(corpus: Corpus) -> None:
    shared = changed(corpus, speaker={"b0": "a0", "c0": "a0"})
    (problem,) = of_kind(shared, "speakers in two groups")
    assert problem.fatal
    assert "speaker a0 would be in training and test: found in 3 groups" in problem.message
    assert "--protocol split" not in problem.message
    (problem,) = of_kind(shared, "speakers in two groups", allow_shared_speakers=True)
    n_speakers = len({u.speaker for u in shared.utterances})
    assert (problem.fatal, problem.where) == (False, "here")
    assert problem.message.startswith(f"1 of {n_speakers} speakers are in training and test (a0): allowed by")


def test_a_corpus_with_a_division_of_its_own_is_pointed_to_it(corpus: Corpus) -> None:
    shared = changed(corpus, speaker={"b0": "a0"}, split=dict.fromkeys((u.id for u in corpus.utterances), "train"))
    (problem,) = of_kind(shared, "speakers in two groups")
    assert "use the corpus's own division with --protocol split" in problem.message


@pytest.mark.parametrize(
    ("members", "trainings", "expected"),
    [
        ([("x", "1"), ("y", "2")], [{"1", "2"}], {}),
        ([("x", "1"), ("y", "2")], [{"2"}, {"1"}], {"x": (0,), "y": (1,)}),
        ([("x", "1"), ("x", "2"), ("y", "2")], [{"2"}, {"1"}, {"3"}], {"x": (2,), "y": (1, 2)}),
    ],
)
def test_a_class_is_trained_where_a_training_group_has_it(members, trainings, expected) -> None:
    assert not_trained(members, trainings) == expected


def test_untrained_classes_are_said_with_their_folds() -> None:
    assert untrained_sentences({"fear": (0,)}, 1) == [
        "class fear is not trained: all of its utterances are held out, so its recall is 0"
    ]
    assert untrained_sentences({"fear": (0, 4)}, 5) == [
        "class fear is not trained in 2 folds (0, 4): all of its utterances are held out there, so its recall is 0"
    ]


def test_ratings_and_language_change_no_digest(tiny_manifest: Path) -> None:
    digest = open_corpus(CorpusOptions(corpus=str(tiny_manifest))).digest()
    header, *rows = tiny_manifest.read_text().splitlines()
    tiny_manifest.write_text("\n".join([f"{header},valence,language", *(f"{row},2.5,en" for row in rows)]))
    corpus = open_corpus(CorpusOptions(corpus=str(tiny_manifest)))
    assert (corpus.digest(), corpus.utterances[0].ratings.valence) == (digest, 2.5)
