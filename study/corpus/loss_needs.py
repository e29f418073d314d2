"""What losses read of a corpus beside labels: the annotators' votes, and classes that are often confused."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.losses import need_pairs, need_votes
from study.corpus.pairs import CONFUSED_PAIRS, confused_pairs
from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError


def votes_for(corpus: Corpus, utterance: Utterance) -> dict[str, int]:
    """An utterance's votes for the classes of the corpus, by class; votes for other labels do not count."""
    return {name: utterance.votes[name] for name in corpus.classes if utterance.votes.get(name)}


def require_for_losses(corpus: Corpus, losses: Sequence[str], pairs: Sequence[str] = ()) -> list[str]:
    """Make sure that the corpus has what the losses read, and the classes of `pairs`; notes on what utterances lack.

    Raises:
        UserError: it has no votes, no classes that are known to be confused, or none of a name in `pairs`.
    """
    if unknown := sorted({name for pair in confused_pairs(corpus.classes, pairs) for name in pair} - {*corpus.classes}):
        raise UserError(
            f"--pairs expects classes of {corpus.name}, {', '.join(corpus.classes)}; found {', '.join(unknown)}"
        )
    typed = f"--losses {','.join(losses)}"
    if need_pairs(losses) and not confused_pairs(corpus.classes, pairs):
        known = " or ".join(" and ".join(pair) for pair in CONFUSED_PAIRS)
        raise UserError(
            f"{typed} expects two classes that are often confused, {known}; found {', '.join(corpus.classes)} in "
            f"{corpus.name}; name them with --pairs one/other, rename classes with --label-map, or leave that loss out"
        )
    if not need_votes(losses):
        return []
    without = sum(not votes_for(corpus, utterance) for utterance in corpus.utterances)
    if without == len(corpus.utterances):
        raise UserError(
            f"{typed} expects annotators' votes, and {corpus.name} has none for its classes; give its manifest a "
            "column votes, or leave that loss out"
        )
    share = f"{without:,} of {len(corpus.utterances):,} utterances"
    return [f"{share} have no votes for these classes: their labels alone count"] if without else []
