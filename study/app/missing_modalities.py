"""Utterances that lack a modality: which they are, what they keep from being studied, and what is said of them.

`check` reads them of the corpus and a study of its plan; both say and refuse by these functions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from study.corpus.study_faults import not_trained, numbered_folds
from study.corpus.utterance import Corpus
from study.features.prepare import Wanted
from study.modalities import MODALITIES
from study.plurals import counted
from study.variants import VARIANTS

# By modality, the ids of utterances that lack it.
Missing = Mapping[str, Collection[str]]
# By id, the group of every utterance.
Groups = Mapping[str, str]
NAMED = 3
HAS, LACKS = "has", "lacks"


def missing_of(features: Mapping[str, Sequence[Wanted]], corpus: Corpus) -> Missing:
    """The utterances that have no frames in one of a modality's features; modalities that none lacks are left out."""
    found = {name: {id for each in own for id in each.without(corpus)} for name, own in features.items()}
    return {name: ids for name, ids in found.items() if ids}


def unreadable(groups: Groups, missing: Missing, variants: Sequence[str], corpus: str) -> Iterator[str]:
    """A line for every variant that has nothing to read of some utterances; `corpus` is its name.

    A score of the others alone would stand beside scores of all.
    """
    for variant in variants:
        own = VARIANTS[variant].modalities
        blank = [id for id in groups if own and all(id in missing.get(name, ()) for name in own)]
        if not blank:
            continue
        what = " and ".join(MODALITIES[name].noun for name in own)
        yield (
            f"variant {variant} reads {what} alone, and {len(blank):,} of {counted(len(groups), 'utterance')} of "
            f"{corpus} have none ({', '.join(blank[:NAMED])}{', ...' if len(blank) > NAMED else ''}); add it, leave "
            f"these utterances out, or {_instead(variant, variants)}"
        )


def _instead(variant: str, variants: Sequence[str]) -> str:
    """What to type where a variant has nothing to read of some utterances: the others that are asked for, if any."""
    own = set(VARIANTS[variant].modalities)
    if len(variants) < len(VARIANTS) and (others := [n for n in variants if not set(VARIANTS[n].modalities) <= own]):
        return f"study the others: --variant {','.join(others)}"
    more = next((name for name, row in VARIANTS.items() if set(row.modalities) > own), "")
    return f"study a variant that reads more, such as {more}"


def untaught(groups: Groups, missing: Missing, trainings: Sequence[Collection[str]]) -> Iterator[str]:
    """A line for every modality that all training utterances of a fold lack; `trainings` as in `not_trained`."""
    for name, folds in _not_trained(groups, missing, trainings, HAS):
        noun = MODALITIES[name].noun
        yield (
            f"a model learns from training utterances that have {noun}, and in {numbered_folds(folds)} there is none; "
            f"add {noun} in more groups, or leave out the variants that read it"
        )


def notes_on_missing(groups: Groups, missing: Missing, trainings: Sequence[Collection[str]]) -> Iterator[str]:
    """How many utterances lack a modality, and what stands for it, in sentences."""
    unlearned = dict(_not_trained(groups, missing, trainings, LACKS))
    for name, ids in missing.items():
        noun, verb = MODALITIES[name].noun, "has" if len(ids) == 1 else "have"
        yield (f"{len(ids):,} of {counted(len(groups), 'utterance')} {verb} no {noun}: a learned vector stands for it")
        if folds := unlearned.get(name):
            yield (
                f"in {numbered_folds(folds)} every training utterance has {noun}: there, the mean frame of training "
                "stands for it, and nothing is learned unless --modality-dropout trains it"
            )


def _not_trained(
    groups: Groups, missing: Missing, trainings: Sequence[Collection[str]], kind: str
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The modalities that some utterance lacks, with the folds that train no utterance that has it, or lacks it."""
    for name, ids in missing.items():
        members = ((LACKS if id in ids else HAS, group) for id, group in groups.items())
        if folds := not_trained(members, trainings).get(kind):
            yield name, folds
