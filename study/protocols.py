"""The table of protocols: how sessions are held out, searched, selected on and reported. A new one is a row here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.corpus.folds import Fold, Folds, Groups, cross_validation, cross_validation_by_pairs
from study.corpus.given_split import by_split, division
from study.corpus.regroup import for_folds
from study.corpus.utterance import Corpus
from study.plurals import counted
from study.record.divisions import Division, blocks_of, folds_and_swapped, folds_as_planned
from study.record.nested_outcome import block_choices, nested_outcome, seen_by_role, whole_members
from study.record.outcome import (
    Outcome,
    Use,
    as_they_are,
    shared_choices,
    shared_members,
    shared_outcome,
    split_outcome,
)
from study.record.plan import Plan
from study.record.results import ConfigResult
from study.record.search_variance import Choice
from study.search.nested import NestedRace
from study.search.policy import Policy
from study.search.rounds import race_of
from study.search.search import Search
from study.search.state import Rules


@dataclass(frozen=True)
class Refusal:
    """A term that a protocol restricts: the values that may be given, and what is expected instead, in words."""

    term: str
    allowed: Collection[Any]
    why: str


@dataclass(frozen=True)
class Protocol:
    """One way to hold out, search, select and report.

    Attributes:
        regroup: the corpus with what is held out as its groups; its notes say what follows from that.
        divide: the folds of a corpus with such groups.
        search: a variant's search before it begins.
        outcome: what a variant's configurations come to; None while nothing can be selected.
        choices: what a variant's configurations were selected among, for every selection that is reported.
        members: the runs whose models are exported, and the epoch of each.
        viewed: the configurations as pictures and means over folds read them.
        divisions: what was tested, validated and trained together.
        note: the report's sentence on what the figures mean.
        over: what figures are means over, in words.
        held_out: how utterances are held out, as the field names it.
        one_division: whether there is one fold, given by the corpus. Figures are then means over its runs; speakers of
            its test sets are resampled for intervals and comparisons, where others have folds; and the parts may share
            speakers.
        defaults: the values of terms that are not given.
        refusals: what may not be combined with it.
        score_both_blocks: whether each run is used twice, so that both held-out parts select an epoch and
            neither may end the run early.
        adaptive_note: what the sentence of the report adds if the sampler's proposals depend on scores.
        name_suffix: what the default name of a study ends in.
    """

    regroup: Callable[[Corpus, Folds], Corpus]
    divide: Callable[[Groups, Folds], tuple[Fold, ...]]
    search: Callable[[Rules, Policy], Search]
    outcome: Callable[[Plan, Sequence[ConfigResult]], Outcome | None]
    choices: Callable[[Plan, Sequence[ConfigResult]], list[Choice]]
    members: Callable[[Plan, Outcome], tuple[Use, ...]]
    viewed: Callable[[Plan, Sequence[ConfigResult]], list[ConfigResult]]
    divisions: Callable[[Plan], list[Division]]
    note: str
    over: Callable[[Plan], str]
    defaults: Mapping[str, Any]
    refusals: tuple[Refusal, ...] = ()
    score_both_blocks: bool = False
    held_out: str = "leave-one-group-out"
    one_division: bool = False
    adaptive_note: str = ""
    name_suffix: str = ""

    def sentence(self, sampler: str, reads_scores: bool) -> str:
        """The sentence of the report on the protocol; `reads_scores` is what the sampler's row has."""
        is_adaptive = bool(self.adaptive_note) and reads_scores
        return f"{self.note}; {self.adaptive_note.format(sampler=sampler)}" if is_adaptive else self.note


PROTOCOLS: dict[str, Protocol] = {
    "shared": Protocol(
        regroup=for_folds,
        divide=cross_validation,
        search=race_of,
        outcome=shared_outcome,
        choices=shared_choices,
        members=shared_members,
        viewed=as_they_are,
        divisions=folds_as_planned,
        note="not nested: all that is tested has served as validation, too, in the choice of the configuration; "
        "test scores were never read by it",
        over=lambda plan: f"{len(plan.folds)} folds",
        defaults={"policy": "race", "sampler": "tpe"},
    ),
    "nested": Protocol(
        regroup=for_folds,
        divide=cross_validation_by_pairs,
        search=NestedRace,
        outcome=nested_outcome,
        choices=block_choices,
        members=whole_members,
        viewed=seen_by_role,
        divisions=folds_and_swapped,
        note="what was chosen for a test session, configuration and epoch, was chosen from runs and by scores of other "
        "sessions alone; a score is the mean over the runs that held the session out; as each run serves both ways, "
        "validation and test figures are equal where one choice serves all sessions",
        over=lambda plan: f"{len(blocks_of(folds_and_swapped(plan)))} test sessions",
        defaults={"policy": "asha", "sampler": "qmc", "seeds": 0},
        refusals=(
            Refusal("policy", ("asha", "full"), "asha or full, which do not depend on the workers' speed"),
            Refusal("round_size", (0,), "0: its policies depend on no worker's speed"),
            Refusal(
                "folds", range(3, 1000), "a number of blocks, since a speaker's partner cannot be the test set too"
            ),
            Refusal("seeds", (0,), "0, since there is no single choice that could be confirmed"),
            Refusal("wall_seconds", (), "no limit of time, since what it cuts off would depend on all sessions"),
            Refusal("gpu_hours", (), "no limit of time, since what it cuts off would depend on all sessions"),
            Refusal("warm_start", (), "no earlier study, since its scores are those of all sessions"),
        ),
        score_both_blocks=True,
        adaptive_note="but the sampler {sampler} proposed the configurations with a view of all sessions",
        name_suffix="-nested",
    ),
    "split": Protocol(
        regroup=by_split,
        divide=division,
        search=race_of,
        outcome=split_outcome,
        choices=shared_choices,
        members=shared_members,
        viewed=as_they_are,
        divisions=folds_as_planned,
        note="one division, which the corpus gives: its validation part chose configuration and epoch, and test "
        "scores were never read by that; what another division would give is not known",
        over=lambda plan: counted(max(1, plan.terms.seeds), "training run"),
        defaults={"policy": "race", "sampler": "tpe", "seeds": 5},
        refusals=(
            Refusal("folds", (), "no number, since the corpus gives one division"),
            Refusal("n_searches", (1,), "1, since comparisons resample the speakers of one division"),
        ),
        held_out="test",
        one_division=True,
        name_suffix="-split",
    ),
}
