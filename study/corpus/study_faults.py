"""What is wrong with a corpus for a study, by its table alone: speakers, groups, classes and words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from study.corpus.names import folded_name, shown_name
from study.corpus.plain_words import plain_words
from study.corpus.utterance import Corpus, Problem, Utterance
from study.plurals import counted

FEWEST_GROUPS = 3
NAMED, NAMED_FOLDS = 3, 5


def study_faults(corpus: Corpus, place: str, allow_shared_speakers: bool = False) -> Iterator[Problem]:
    """Every problem of a corpus whose classes are chosen; `place` is where it is.

    With `allow_shared_speakers`, a speaker in several groups is a remark.
    """
    utterances = corpus.utterances
    yield from _classes_missing(place, class_counts(corpus))
    yield from _spellings(utterances)
    if not corpus.has_given_parts:  # of those, notes count the speakers that are in several
        yield from _shared_speakers(utterances, place, allow_shared_speakers)
    if any(u.words for u in utterances):
        for utterance in utterances:
            if not utterance.words:
                yield Problem(utterance.where, f"{utterance.id} has no words", False, "empty texts")
    if shared := texts_in_two_groups(utterances):
        share = f"{len(shared):,} of {counted(len(utterances), 'utterance')} ({len(shared) / len(utterances):.0%})"
        message = (
            f"{share} have the same words as one in another group; report scores on those separately (column script)"
        )
        yield Problem(place, message, False, "texts in two groups")


def too_few_groups(corpus: Corpus, place: str) -> Iterator[Problem]:
    """The problem of a corpus that cannot be divided into training, validation and test."""
    found = corpus.groups()
    if len(found) < FEWEST_GROUPS:
        law = f"a study needs at least {FEWEST_GROUPS} groups to train, validate and test on"
        hint = "give the `group` column more groups"
        yield Problem(place, f"{law}; found {len(found)}: {', '.join(found)}; {hint}", True, "groups")


def not_trained(members: Iterable[tuple[str, str]], trainings: Sequence[Collection[str]]) -> dict[str, tuple[int, ...]]:
    """By kind, the numbers of the folds that do not train it, since all of its utterances are held out there.

    Args:
        members: kind (a class, most often) and group of every utterance.
        trainings: the groups that each fold trains on.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for kind, group in members:
        groups[kind].add(group)
    without = {
        kind: tuple(number for number, training in enumerate(trainings) if own.isdisjoint(training))
        for kind, own in sorted(groups.items())
    }
    return {kind: folds for kind, folds in without.items() if folds}


def untrained_sentences(untrained: Mapping[str, Sequence[int]], n_folds: int) -> list[str]:
    """What `not_trained` found of classes in so many folds, in words."""
    if n_folds == 1:
        return [
            f"class {label} is not trained: all of its utterances are held out, so its recall is 0"
            for label in untrained
        ]
    return [
        f"class {label} is not trained in {numbered_folds(folds)}: all of its utterances are held out there, so its "
        "recall is 0"
        for label, folds in untrained.items()
    ]


def numbered_folds(folds: Sequence[int]) -> str:
    """How many folds, and which: "2 folds (0, 3)"."""
    more = ", ..." if len(folds) > NAMED_FOLDS else ""
    return f"{counted(len(folds), 'fold')} ({', '.join(map(str, folds[:NAMED_FOLDS]))}{more})"


def class_counts(corpus: Corpus) -> dict[str, dict[str, int]]:
    """Utterances by group and class, both in order, zeros included."""
    found = Counter((u.group, u.label) for u in corpus.utterances)
    return {group: {name: found[group, name] for name in corpus.classes} for group in corpus.groups()}


def texts_in_two_groups(utterances: Iterable[Utterance]) -> tuple[Utterance, ...]:
    """The utterances whose words, without case and punctuation, also occur in another group."""
    by_words: dict[tuple[str, ...], list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        words = plain_words(utterance.words)
        if words:
            by_words[words].append(utterance)
    return tuple(u for sharing in by_words.values() if len({u.group for u in sharing}) > 1 for u in sharing)


def _classes_missing(place: str, counts: Mapping[str, Mapping[str, int]]) -> Iterator[Problem]:
    for group, row in counts.items():
        for name, count in row.items():
            if not count:
                message = f"group {group} has no utterance of class {name}: its recall there is undefined"
                yield Problem(place, message, False, "classes missing in groups")


def _spellings(utterances: Sequence[Utterance]) -> Iterator[Problem]:
    """Names that differ by case or by compatible characters alone: two spellings of one name, most likely."""
    named: Mapping[str, Callable[[Utterance], str]] = {
        "class": lambda u: u.label,
        "speaker": lambda u: u.speaker,
        "group": lambda u: u.group,
    }
    for noun, name_of in named.items():
        spellings: dict[str, dict[str, list[Utterance]]] = defaultdict(lambda: defaultdict(list))
        for utterance in utterances:
            name = name_of(utterance)
            spellings[folded_name(name)][name].append(utterance)
        for alike in (each for each in spellings.values() if len(each) > 1):
            found = ", ".join(
                f"{shown_name(name)} ({counted(len(own), 'utterance')})" for name, own in sorted(alike.items())
            )
            rarest = min(alike.values(), key=len)[0]
            remedy = " or give a --label-map" if noun == "class" else ""
            message = f"a {noun} has one spelling, found {found}; write them alike{remedy}"
            yield Problem(rarest.where, message, True, "spellings")


def _shared_speakers(utterances: Sequence[Utterance], place: str, allowed: bool) -> Iterator[Problem]:
    speakers = _groups_of_speakers(utterances)
    shared = {speaker: groups for speaker, groups in speakers.items() if len(groups) > 1}
    kind = "speakers in two groups"
    if shared and allowed:
        named = ", ".join(list(shared)[:NAMED]) + (", ..." if len(shared) > NAMED else "")
        law = f"{len(shared):,} of {counted(len(speakers), 'speaker')} are in training and test ({named})"
        yield Problem(
            place, f"{law}: allowed by --allow-shared-speakers; scores are not of unknown speakers", False, kind
        )
        return
    official = " use the corpus's own division with --protocol split," if all(u.split for u in utterances) else ""
    remedy = f"put a speaker's utterances in one group,{official} or accept it with --allow-shared-speakers"
    for speaker, groups in shared.items():
        named = ", ".join(f"{group} ({where})" for group, where in sorted(groups.items())[:NAMED])
        more = ", ..." if len(groups) > NAMED else ""
        law = (
            f"speaker {speaker} would be in training and test: found in {counted(len(groups), 'group')}, {named}{more}"
        )
        yield Problem(next(iter(groups.values())), f"{law}; {remedy}", True, kind)


def _groups_of_speakers(utterances: Sequence[Utterance]) -> dict[str, dict[str, str]]:
    """By speaker, in order of name, the groups and where each is first found."""
    first: dict[str, dict[str, str]] = defaultdict(dict)
    for utterance in utterances:
        first[utterance.speaker].setdefault(utterance.group, utterance.where)
    return dict(sorted(first.items()))
