"""What a study holds out of a corpus: its groups, and the folds that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from study.corpus.folds import Fold, Groups, leave_one_group_out
from study.corpus.utterance import Corpus


@dataclass(frozen=True)
class HoldingOut:
    """How a corpus is divided: `regroup` gives it what is held out as its groups, and `divide` the folds of these.

    Either may raise a `UserError`, which says what the corpus lacks.
    """

    regroup: Callable[[Corpus], Corpus]
    divide: Callable[[Groups], Sequence[Fold]]


BY_GROUP = HoldingOut(lambda corpus: corpus, lambda groups: leave_one_group_out(groups.sizes))
