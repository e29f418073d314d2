"""The race: decision tables for its rules, and laws that hold whatever the scores and the order of arrival."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.tuning.racing import Continue, Pause, Phase, Race, Rules, Stop, geometric_rungs


def run_race(rules, score, slots=1, choose=None, trace=None):
    """Run a race to its end on `score(config, fold, epoch)` with `slots` runs under way at once.

    `choose` picks which of the busy runs reports next: the order in which workers happen to be fast.
    """
    race = Race(rules)
    done, busy = {}, []
    choose = choose or (lambda runs: runs[0])
    while True:
        for run in list(race.runnable()):
            if len(busy) < slots and run not in busy:
                busy.append(run)
        while len(busy) < slots and race.may_open():
            busy.append((race.open(), 0, 0))
        if not busy:
            return race
        run = choose(busy)
        epoch = done[run] = done.get(run, 0) + 1
        decision = race.record(*run, score(run[0], run[1], epoch), ended=epoch == rules.epochs)
        if trace is not None:
            trace.append((run, epoch, decision))
        if not isinstance(decision, Continue):
            busy.remove(run)


RULES = Rules(n_configs=8, n_folds=3, epochs=9, rungs=(1, 3), lookahead=3)


def by_quality(qualities):
    return lambda config, fold, epoch: qualities[config] + 0.1 * fold + 0.01 * epoch


@pytest.mark.parametrize(("epochs", "rungs"), [(50, (6, 17)), (27, (3, 9)), (12, (2, 4)), (3, (2,)), (2, ()), (1, ())])
def test_rungs_are_thirds_of_the_length(epochs, rungs):
    assert geometric_rungs(epochs) == rungs


def test_a_fold_run_pauses_at_its_rung_until_the_other_folds_have_come_there():
    race = Race(RULES)
    race.open(), race.open()
    assert race.record(1, 0, 0, 0.5, ended=False) == Pause()
    assert (1, 0, 0) not in race.runnable()
    assert (1, 1, 0) in race.runnable()


def test_the_published_setting_never_pauses_and_is_never_stopped():
    trace = []
    race = run_race(RULES, by_quality([0.0] + [0.5] * 7), trace=trace)
    assert race.entries[0].phase is Phase.COMPLETE
    assert not any(isinstance(decision, Pause) for (config, _, _), _, decision in trace if config == 0)


def test_a_config_below_the_top_third_of_those_before_it_stops_with_its_reason():
    race = run_race(RULES, by_quality([0.5, 0.6, 0.1, 0.7, 0.2, 0.3, 0.65, 0.1]))
    phases = [entry.phase for entry in race.entries]
    assert phases[:4] == [Phase.COMPLETE, Phase.COMPLETE, Phase.STOPPED, Phase.COMPLETE]
    assert race.entries[2].epochs_spent() == RULES.n_folds * RULES.rungs[0]
    assert race.entries[2].reason == "epoch 1: mean 0.210 below 0.677, the top 1/3 of 2 before it"


def test_a_hard_fold_is_never_held_against_a_config():
    """Fold 2 scores far below for everybody: the decisions are those of a race without that handicap."""
    qualities = [0.5, 0.6, 0.1, 0.7, 0.2, 0.3, 0.65, 0.1]

    def hard(config, fold, epoch):
        return by_quality(qualities)(config, fold, epoch) - (0.4 if fold == 2 else 0.0)

    plain, handicapped = run_race(RULES, by_quality(qualities)), run_race(RULES, hard)
    assert [e.phase for e in plain.entries] == [e.phase for e in handicapped.entries]


def test_an_early_stopped_fold_stands_with_its_best_score_at_later_rungs():
    race = Race(RULES)
    race.open(), race.open()
    race.record(1, 0, 0, 0.4, ended=True)
    for fold in (1, 2):
        race.record(1, fold, 0, 0.4, ended=False)
    assert race.entries[1].score(3) == pytest.approx(0.4)
    assert (1, 0, 0) not in race.runnable()


def test_scores_are_the_best_so_far_because_the_best_epoch_is_what_will_be_used():
    race = Race(RULES)
    race.open()
    for score in (0.3, 0.6, 0.4):
        race.record(0, 0, 0, score, ended=False)
    assert race.entries[0].curves[0] == [0.3, 0.6, 0.6]


@pytest.mark.parametrize("phase", [Phase.DIVERGED, Phase.FAILED])
def test_a_lost_fold_closes_its_config_and_never_drops_out_of_a_mean(phase):
    race = Race(RULES)
    race.open(), race.open()
    for fold in (0, 1):
        race.record(1, fold, 0, 0.9, ended=False)
    race.lose(1, 0, phase, "fold 2: no memory")
    assert race.entries[1].phase is phase
    assert all(config != 1 for config, _, _ in race.runnable())
    assert isinstance(race.record(1, 0, 0, 0.9, ended=False), Stop)
    assert race.best() is None


def test_three_failures_at_the_start_end_the_race():
    race = Race(RULES)
    for number in range(3):
        assert race.open() == number
        race.lose(number, 0, Phase.FAILED, "no such file")
    assert race.hopeless()
    assert race.closed()
    assert not race.may_open()


def test_only_complete_configs_can_win_and_the_earlier_of_equals_does():
    race = run_race(RULES, by_quality([0.5] * 8))
    assert race.best().number == 0


score_tables = st.lists(st.lists(st.floats(0, 1, width=32), min_size=27, max_size=27), min_size=8, max_size=8)


@settings(max_examples=40, deadline=None)
@given(score_tables, st.integers(1, 7), st.integers(0, 1000))
def test_decisions_do_not_depend_on_the_number_of_slots_or_on_who_is_faster(table, slots, seed):
    """The same scores give the same race with any number of workers in any order of arrival."""

    def score(config, fold, epoch):
        return table[config][fold * 9 + epoch - 1]

    alone = run_race(RULES, score)
    rng = random.Random(seed)
    many = run_race(RULES, score, slots=slots, choose=lambda runs: rng.choice(runs))
    assert [(e.phase, e.reason, e.rung_scores) for e in alone.entries] == [
        (e.phase, e.reason, e.rung_scores) for e in many.entries
    ]


@settings(max_examples=40, deadline=None)
@given(score_tables, st.integers(1, 7))
def test_every_race_ends_closed_with_every_config_judged_on_all_its_folds(table, slots):
    race = run_race(RULES, lambda c, f, e: table[c][f * 9 + e - 1], slots=slots)
    assert race.closed()
    for entry in race.entries:
        lengths = {len(curve) for curve in entry.curves}
        assert len(lengths) == 1  # lockstep: no fold is ahead of another when a config closes
        assert lengths.pop() in (*RULES.rungs, RULES.epochs)


def test_slots_stay_busy_while_a_config_runs_its_last_folds_to_the_end():
    """Two slots, five folds: the odd last fold leaves a slot that later configs' first rungs must fill."""
    rules = Rules(n_configs=12, n_folds=5, epochs=9, rungs=(1, 3), lookahead=4)
    race, busy, done, idle, steps = Race(rules), [], {}, 0, 0
    rng = random.Random(0)
    quality = [rng.random() for _ in range(12)]
    while not race.closed():
        for run in race.runnable():
            if len(busy) < 2 and run not in busy:
                busy.append(run)
        while len(busy) < 2 and race.may_open():
            busy.append((race.open(), 0, 0))
        idle += 2 - len(busy)
        steps += 2
        for run in list(busy):
            done[run] = done.get(run, 0) + 1
            decision = race.record(*run, quality[run[0]] + 0.01 * done[run], ended=done[run] == 9)
            if not isinstance(decision, Continue):
                busy.remove(run)
    assert idle / steps < 0.05


CONFIRMED = Rules(n_configs=8, n_folds=3, epochs=9, rungs=(1, 3), lookahead=3, finalists=2, seeds=2)


def test_finalists_and_the_published_setting_run_again_on_every_fold_with_every_fresh_seed():
    trace = []
    race = run_race(CONFIRMED, by_quality([0.1, 0.6, 0.5, 0.7, 0.2, 0.3, 0.65, 0.1]), trace=trace)
    fresh = {run for run, _, _ in trace if run[2]}
    assert fresh == {(config, fold, seed) for config in (0, 3, 6) for fold in range(3) for seed in (1, 2)}
    assert race.closed()


def test_no_fresh_run_begins_before_the_search_is_over():
    trace = []
    run_race(CONFIRMED, by_quality([0.5] * 8), slots=4, trace=trace)
    seeds = [run[2] for run, _, _ in trace]
    assert seeds == sorted(seeds, key=bool)


def test_the_pick_follows_the_fresh_seeds_and_not_the_search():
    race = run_race(CONFIRMED, by_quality([0.1, 0.6, 0.5, 0.7, 0.2, 0.3, 0.65, 0.1]))
    assert race.ranked()[0].number == 3
    # With fresh seeds, configuration 3 turns out worse than 6.
    for curve in race.confirmation.finalists[3].curves.values():
        curve[-1] -= 0.2
    assert race.best().number == 6


def test_a_finalist_that_loses_a_run_is_out():
    race = run_race(CONFIRMED, by_quality([0.1, 0.6, 0.5, 0.7, 0.2, 0.3, 0.65, 0.1]))
    race.lose(3, 1, Phase.DIVERGED, "the loss is not a number")
    assert race.best().number == 6
