"""A corpus with what a study holds out as its groups, where that is not the group that the corpus gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from study.corpus.folds import SPEAKER, Folds, Groups
from study.corpus.utterance import UNKNOWN_SPEAKER, Corpus, Utterance
from study.errors import UserError
from study.plurals import counted

SHOWN = 5


def for_folds(corpus: Corpus, folds: Folds) -> Corpus:
    """The corpus as `--folds` holds it out: its own groups, or its speakers.

    Raises:
        UserError: the speaker of an utterance is not known.
    """
    return by_speaker(corpus) if folds == SPEAKER else corpus


def by_speaker(corpus: Corpus) -> Corpus:
    """The corpus with a group for each speaker; a note names those that have no partner in their group.

    Raises:
        UserError: the speaker of an utterance is not known.
    """
    unknown = [u for u in corpus.utterances if u.speaker.startswith(UNKNOWN_SPEAKER)]
    if unknown:
        raise UserError(
            f"--folds {SPEAKER} holds out every speaker, and {counted(len(unknown), 'utterance')} of {corpus.name} "
            f"have none, first {unknown[0].where}; fill in the column speaker, or leave --folds out"
        )
    regrouped = regroup(corpus, lambda utterance: utterance.speaker)
    groups = groups_of(regrouped)
    alone = [speaker for speaker in regrouped.groups() if groups.partner(speaker) is None]
    if not alone:
        return regrouped
    note = (
        f"{len(alone)} of {counted(len(groups.sizes), 'speaker')} ({listed(alone)}) have no partner: their group has "
        "not exactly two speakers, so the next speaker in order of name validates"
    )
    return replace(regrouped, notes=(*regrouped.notes, note))


def regroup(corpus: Corpus, group_of: Callable[[Utterance], str]) -> Corpus:
    """The corpus with other groups; each utterance keeps the one that the corpus gives as its `home`."""
    moved = (replace(u, group=group_of(u), home=u.home or u.group) for u in corpus.utterances)
    return replace(corpus, utterances=tuple(moved))


def groups_of(corpus: Corpus) -> Groups:
    """What is held out of a corpus."""
    return Groups.of((u.group, u.home or u.group) for u in corpus.utterances)


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
