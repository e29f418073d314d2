"""Nested selection: whatever the scores on a block are, nothing that is decided for testing on it changes."""

import json
import random
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.simulator import Memory
from study.record.events import EpochDone, FoldRun, Phase, to_json
from study.samplers.proposer import proposer
from study.search.conductor import Conductor
from study.search.nested import NestedRace
from study.search.pair_runs import pair_uses
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Continue, Rules

BLOCKS, CONFIGS, EPOCHS = 4, 10, 9
PAIRS = list(combinations(range(BLOCKS), 2))
RULES = Rules(n_configs=CONFIGS, n_folds=len(PAIRS), epochs=EPOCHS, rungs=(1, 2, 4), lookahead=6)


@dataclass
class Table:
    """Scores on both blocks of every run after each epoch, and the epoch at which a run diverges, if it does."""

    scores: np.ndarray  # [configuration, pair, epoch, block]
    diverging: dict[tuple[int, int], int] = field(default_factory=dict)

    @staticmethod
    def drawn(seed, n_diverging=0):
        generator = np.random.default_rng(seed)
        quality = generator.random((CONFIGS, 1, 1, 1))  # a true order, so that races differ in a few decisions only
        noise = generator.random((CONFIGS, len(PAIRS), EPOCHS, BLOCKS))
        runs = [(int(c), int(p)) for c, p in generator.integers((CONFIGS, len(PAIRS)), size=(n_diverging, 2))]
        return Table(quality + noise, {run: int(generator.integers(1, EPOCHS + 1)) for run in runs})

    def perturbed(self, block, seed):
        """The same but for every score on `block`."""
        other = np.random.default_rng(seed).normal(0.5, 10.0, self.scores.shape[:3])
        changed = self.scores.copy()
        changed[..., block] = other
        return Table(changed, self.diverging)

    def epoch(self, run, number):
        first, second = PAIRS[run.fold]
        on_first, on_second = (float(self.scores[run.config, run.fold, number - 1, b]) for b in (first, second))
        return epoch_of(run, number, {"UWA": on_second}, {"UWA": on_first})


def epoch_of(run, number, validation, test):
    return EpochDone("cross", run.config, run.fold, run.seed, number, 1.0, validation, test, 0.1, number == EPOCHS)


def study(table, *, slots=1, seed=0, policy="asha", propose=None, events=(), steps=10**6, rules=RULES):
    """Run a nested study on `table`, or go on with `events`; `seed` is for how fast every run is."""
    conductor = Conductor(
        {"cross": NestedRace(rules, POLICIES[policy])},
        Memory(list(events)),
        propose=propose or (lambda variant, tried: {"number": len(tried)}),
        slots=slots,
    )
    rng, busy, speed = random.Random(seed), [], {}
    for _ in range(steps):
        while (run := conductor.next_run()) is not None:
            conductor.busy.add(run)
            busy.append(run)
        if not busy:
            break
        # Some runs a thousand times faster than others: races get far ahead of one another.
        run = rng.choices(busy, [speed.setdefault(each, 10 ** rng.uniform(-3, 0)) for each in busy])[0]
        number = conductor.epochs_known(run) + 1
        if table.diverging.get((run.config, run.fold)) == number:
            conductor.mark_lost(run, Phase.DIVERGED, "the loss is no number")
            busy.remove(run)
        elif not isinstance(conductor.report(table.epoch(run, number)), Continue):
            busy.remove(run)
    return conductor


def facts(conductor):
    """The events of the log, without the order in which workers happened to report."""
    return in_order(conductor._log.events)


def in_order(events):
    return sorted(json.dumps(to_json(event), sort_keys=True) for event in events)


def decided_for(conductor, block):
    """All that was decided for testing on `block`: what it stopped and let go on, why, and what it selected."""
    mine = [event for event in conductor._log.events if getattr(event, "test_block", None) == block]
    return in_order(mine), conductor.searches["cross"].choices()[block]


def epochs_of(conductor):
    return sum(isinstance(event, EpochDone) for event in conductor._log.events)


@settings(deadline=None)
# These two catch a race that is shown epochs before it allows them: other races being ahead matters in one of 150.
@example(Table.drawn(672121, 2), 1, "asha", (27, 11), (301033, 764884))
@example(Table.drawn(194135, 12), 3, "asha", (15, 8), (81709, 600981))
@given(
    table=st.builds(Table.drawn, st.integers(0, 10**6), st.integers(0, 12)),
    block=st.integers(0, BLOCKS - 1),
    policy=st.sampled_from(["asha", "full"]),
    slots=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    seeds=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
)
def test_no_score_on_a_block_changes_what_is_stopped_and_selected_for_it(table, block, policy, slots, seeds):
    """The law: every score on a session replaced, another number of workers, in another order of arrival."""
    before = study(table, slots=slots[0], seed=seeds[0], policy=policy)
    after = study(table.perturbed(block, seeds[1]), slots=slots[1], seed=seeds[1], policy=policy)
    assert decided_for(before, block) == decided_for(after, block)


def test_the_scores_on_a_block_do_matter_to_the_other_blocks():
    """Else the law would hold for a race that reads no score."""
    table = Table.drawn(3)
    before, after = study(table), study(table.perturbed(0, 1))
    assert all(decided_for(before, block) != decided_for(after, block) for block in range(1, BLOCKS))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, BLOCKS - 1))
def test_quasi_random_proposals_read_no_score(seed, block):
    table = Table.drawn(seed)
    before, after = (study(t, propose=proposer(4, "qmc"), slots=3) for t in (table, table.perturbed(block, seed)))
    assert len(before.params) == CONFIGS
    assert before.params == after.params


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(0, 10**6))
def test_the_ledger_does_not_depend_on_the_number_of_slots_or_on_who_is_faster(seed, slots, order):
    assert facts(study(Table.drawn(seed))) == facts(study(Table.drawn(seed), slots=slots, seed=order))


@pytest.mark.parametrize("kill_after", [1, 5, 23, 60, 111])
@pytest.mark.parametrize("n_diverging", [0, 5])
def test_a_study_killed_anywhere_goes_on_to_the_same_ledger(kill_after, n_diverging):
    table = Table.drawn(11, n_diverging)
    whole = study(table)
    broken = study(table, steps=kill_after)
    torn = broken._log.events[: -1 if kill_after % 2 else None]  # also between a result and what follows from it
    assert facts(study(table, events=torn)) == facts(whole)


def test_a_race_is_the_ordinary_race_over_its_block_s_partners():
    """The oracle: for every block, `Race` alone on the scores that it may read takes the same decisions."""
    table = Table.drawn(5)
    nested = study(table, slots=3).searches["cross"]
    for block in range(BLOCKS):
        partners = [other for other in range(BLOCKS) if other != block]

        class Alone(Table):
            def epoch(self, run, number, block=block, partners=partners):
                partner = partners[run.fold]
                pair = PAIRS.index((min(block, partner), max(block, partner)))
                return epoch_of(run, number, {"UWA": float(self.scores[run.config, pair, number - 1, partner])}, {})

        search = Race(replace(RULES, n_folds=BLOCKS - 1), POLICIES["asha"])
        alone = Conductor({"cross": search}, Memory(), propose=lambda variant, tried: {}, slots=1)
        while (run := alone.next_run()) is not None:
            alone.report(Alone(table.scores).epoch(run, alone.epochs_known(run) + 1))
        race = alone.searches["cross"]
        assert [(e.phase, e.reason) for e in race.entries] == [(e.phase, e.reason) for e in nested.races[block].entries]
        assert race.best().number == nested.choices()[block]


def test_five_blocks_cost_twice_the_epochs_of_shared():
    nested, shared = (
        kind(Rules(n_configs=6, n_folds=n_folds, epochs=9), POLICIES["full"])
        for kind, n_folds in ((NestedRace, 10), (Race, 5))
    )
    assert nested.expected_epochs() == 2 * shared.expected_epochs()
    conductor = study(Table.drawn(1), policy="full")
    shared_epochs = CONFIGS * BLOCKS * EPOCHS
    assert epochs_of(conductor) == shared_epochs * (BLOCKS - 1) / 2  # six pairs of four blocks; of five, ten
    assert conductor.searches["cross"].expected_epochs() == epochs_of(conductor)


def test_no_run_is_trained_further_than_one_of_its_two_races_allowed():
    nested = study(Table.drawn(8), slots=5).searches["cross"]
    lengths = set()
    for entry in nested.entries:
        for run, pair in zip(entry.runs, nested.pairs, strict=True):
            allowed = [nested.races[block].entries[entry.number].target(inner) for block, inner, _ in pair_uses(pair)]
            assert len(run.scores) == max(allowed)
            seen = [len(nested.races[block].entries[entry.number].curves[inner]) for block, inner, _ in pair_uses(pair)]
            assert seen == allowed  # and is shown no more than that
            lengths.add(tuple(allowed))
    assert any(first != second for first, second in lengths)  # else equal lengths would prove nothing


def test_a_configuration_is_complete_if_a_block_can_select_it_and_says_for_which():
    conductor = study(Table.drawn(8))
    nested = conductor.searches["cross"]
    for entry in nested.entries:
        phases = {race.entries[entry.number].phase for race in nested.races}
        assert entry.phase is (Phase.COMPLETE if Phase.COMPLETE in phases else Phase.STOPPED)
    mixed = [entry.reason for entry in nested.entries if "; stopped for test block" in entry.reason]
    assert mixed
    assert all(reason.startswith("complete for test block") for reason in mixed)
    assert conductor.finished()


def test_a_run_that_neither_of_its_races_wants_is_given_up():
    conductor = study(Table.drawn(8), slots=4)
    mixed = [entry for entry in conductor.searches["cross"].entries if "; stopped" in entry.reason]
    short = [FoldRun("cross", e.number, fold) for e in mixed for fold, run in enumerate(e.runs) if not run.ended]
    assert short
    assert not any(conductor.is_wanted(run) for run in short)


def test_what_depends_on_who_is_faster_is_refused():
    with pytest.raises(ValueError, match="in order of number"):
        NestedRace(RULES, POLICIES["race"])
