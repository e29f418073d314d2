"""The race: decision tables for its rules, and laws that hold whatever the scores and the order of arrival."""

import random
import time
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.record.events import Phase
from study.record.selection import ranked
from study.record.terms import geometric_rungs
from study.search.policies import POLICIES
from study.search.policies.promotion import PromotionByForecast, rotation
from study.search.race import Race
from study.search.state import Continue, Pause, Promote, Rules, Stop


def settle(race):
    while decision := race.due_decision():
        if isinstance(decision, Promote):
            race.promote(decision.number, decision.stage)
        else:
            race.close(decision.number, decision.phase, decision.reason)


def report(race, run, score, ended=False):
    race.record(*run, score, ended)
    settle(race)
    return race.decision(*run)


def next_of(race, busy):
    while True:
        for run in race.runnable():
            if run not in busy:
                return run
        if promotion := race.promotion():
            race.promote(promotion.number, promotion.stage)
        elif race.may_open():
            race.open()
        else:
            return None


def run_race(rules, score, slots=1, choose=None, trace=None, policy="asha"):
    """Run a race to its end on `score(config, fold, epoch)` with `slots` runs under way at once.

    `choose` picks which of the busy runs reports next: the order in which workers happen to be fast.
    """
    race = Race(rules, POLICIES[policy] if isinstance(policy, str) else policy)
    done, busy = {}, []
    choose = choose or (lambda runs: runs[0])
    while True:
        while len(busy) < slots and (run := next_of(race, busy)):
            busy.append(run)
        if not busy:
            return race
        run = choose(busy)
        epoch = done[run] = done.get(run, 0) + 1
        decision = report(race, run, score(run[0], run[1], epoch), ended=epoch == rules.epochs)
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
    race = Race(RULES, POLICIES["asha"])
    race.open(), race.open()
    assert report(race, (1, 0, 0), 0.5, ended=False) == Pause()
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
    """Fold 2 scores far below for every configuration: the decisions are those of a race without that handicap."""
    qualities = [0.5, 0.6, 0.1, 0.7, 0.2, 0.3, 0.65, 0.1]

    def hard(config, fold, epoch):
        return by_quality(qualities)(config, fold, epoch) - (0.4 if fold == 2 else 0.0)

    plain, handicapped = run_race(RULES, by_quality(qualities)), run_race(RULES, hard)
    assert [e.phase for e in plain.entries] == [e.phase for e in handicapped.entries]


def test_an_early_stopped_fold_stands_with_its_best_score_at_later_rungs():
    race = Race(RULES, POLICIES["asha"])
    race.open(), race.open()
    report(race, (1, 0, 0), 0.4, ended=True)
    for fold in (1, 2):
        report(race, (1, fold, 0), 0.4, ended=False)
    assert race.entries[1].score(3) == pytest.approx(0.4)
    assert (1, 0, 0) not in race.runnable()


@pytest.mark.parametrize(("rule", "expected"), [("best", 0.6), ("last", 0.3), ("shared", 0.5)])
def test_a_race_compares_what_counts_by_the_epoch_rule(rule, expected):
    """Means over folds .4 .5 .3 by epoch; each fold's own best is .6."""
    race = Race(replace(RULES, n_folds=2, epoch_rule=rule), POLICIES["asha"])
    race.open()
    for epoch in range(3):
        for fold, curve in enumerate([(0.2, 0.6, 0.2), (0.6, 0.4, 0.4)]):
            report(race, (0, fold, 0), curve[epoch], ended=epoch == 2)
    assert race.entries[0].score(3) == pytest.approx(expected)
    assert race.score_forecast.finals()[0] == pytest.approx(expected)
    assert race.score_forecast.means(9)[0] == pytest.approx(expected), "an ended fold stands at later epochs"


@pytest.mark.parametrize(("rule", "expected"), [("best", 9), ("last", 9), ("shared", 2)])
def test_confirmation_runs_end_at_the_epoch_that_the_search_has_picked_for_all_folds(rule, expected):
    race = Race(replace(RULES, n_configs=1, epoch_rule=rule, finalists=1, seeds=1), POLICIES["full"])
    race.open()
    for fold in range(3):
        for epoch, score in enumerate((0.3, 0.5, 0.4), start=1):
            report(race, (0, fold, 0), score, ended=epoch == 3)
    assert set(race.confirmation.runnable()) == {(0, fold, 1) for fold in range(3)}
    assert race.last_epoch(0, 1) == expected
    assert race.last_epoch(0, 0) == 9
    if rule == "shared":
        assert race.expected_epochs() == 9 + 3 * 2
        for fold in range(3):
            report(race, (0, fold, 1), 0.9)
            report(race, (0, fold, 1), 0.6, ended=True)
        assert race.confirmation.score_of(0) == pytest.approx(0.6), "no score of a confirmation picks an epoch"


@pytest.mark.parametrize("phase", [Phase.DIVERGED, Phase.FAILED])
def test_a_lost_fold_closes_its_config_and_never_drops_out_of_a_mean(phase):
    race = Race(RULES, POLICIES["asha"])
    race.open(), race.open()
    for fold in (0, 1):
        report(race, (1, fold, 0), 0.9, ended=False)
    race.mark_lost(1, 0, phase, "fold 2: no memory")
    settle(race)
    assert race.entries[1].phase is phase
    assert all(config != 1 for config, _, _ in race.runnable())
    assert isinstance(report(race, (1, 0, 0), 0.9, ended=False), Stop)
    assert race.best() is None


def test_three_failures_at_the_start_end_the_race():
    race = Race(RULES, POLICIES["asha"])
    for number in range(3):
        assert race.open() == number
        race.mark_lost(number, 0, Phase.FAILED, "no such file")
        settle(race)
    assert race.hopeless()
    assert race.closed()
    assert not race.may_open()


def test_only_complete_configs_can_win_and_the_earlier_of_equals_does():
    race = run_race(RULES, by_quality([0.5] * 8))
    assert race.best().number == 0


score_tables = st.lists(st.lists(st.floats(0, 1, width=32), min_size=27, max_size=27), min_size=8, max_size=8)


@settings(deadline=None)
@given(score_tables, st.integers(1, 7), st.integers(0, 1000))
def test_decisions_do_not_depend_on_the_number_of_slots_or_on_who_is_faster(table, slots, seed):
    """The same scores give the same race with any number of workers in any order of arrival."""

    def score(config, fold, epoch):
        return table[config][fold * 9 + epoch - 1]

    alone = run_race(RULES, score)
    rng = random.Random(seed)
    many = run_race(RULES, score, slots=slots, choose=lambda runs: rng.choice(runs))
    assert [(e.phase, e.reason, e.allowed_stage) for e in alone.entries] == [
        (e.phase, e.reason, e.allowed_stage) for e in many.entries
    ]


@settings(deadline=None)
@given(score_tables, st.integers(1, 7))
def test_every_race_ends_closed_with_every_config_closed_on_all_its_folds(table, slots):
    race = run_race(RULES, lambda c, f, e: table[c][f * 9 + e - 1], slots=slots)
    assert race.closed()
    for entry in race.entries:
        lengths = {len(curve) for curve in entry.curves}
        assert len(lengths) == 1  # lockstep: no fold is ahead of another when a config closes
        assert lengths.pop() in (*RULES.rungs, RULES.epochs)


@pytest.mark.parametrize("policy", POLICIES)
def test_slots_stay_busy_while_a_config_runs_its_last_folds_to_the_end(policy):
    """Two slots, five folds: the odd last fold leaves a slot that other configurations must fill."""
    rules = Rules(n_configs=40, n_folds=5, epochs=9, rungs=(1, 3), lookahead=4)
    rng = random.Random(0)
    quality = [rng.random() for _ in range(40)]
    race, busy, done, idle, steps = Race(rules, POLICIES[policy]), [], {}, 0, 0
    while not race.closed():
        while len(busy) < 2 and (run := next_of(race, busy)):
            busy.append(run)
        idle += 2 - len(busy)
        steps += 2
        for run in list(busy):
            done[run] = done.get(run, 0) + 1
            if not isinstance(report(race, run, quality[run[0]] + 0.01 * done[run], ended=done[run] == 9), Continue):
                busy.remove(run)
    assert idle / steps < 0.05


CONFIRMED = Rules(n_configs=8, n_folds=3, epochs=9, rungs=(1, 3), lookahead=3, finalists=2, seeds=2)


def test_finalists_and_the_published_setting_run_again_on_every_fold_with_every_new_seed():
    trace = []
    race = run_race(CONFIRMED, by_quality([0.1, 0.6, 0.5, 0.7, 0.2, 0.3, 0.65, 0.1]), trace=trace)
    confirming = {run for run, _, _ in trace if run[2]}
    assert confirming == {(config, fold, seed) for config in (0, 3, 6) for fold in range(3) for seed in (1, 2)}
    assert race.closed()


def test_no_confirmation_run_begins_before_the_search_is_over():
    trace = []
    run_race(CONFIRMED, by_quality([0.5] * 8), slots=4, trace=trace)
    seeds = [run[2] for run, _, _ in trace]
    assert seeds == sorted(seeds, key=bool)


def test_the_selection_follows_the_new_seeds_and_not_the_search():
    race = run_race(CONFIRMED, by_quality([0.1, 0.6, 0.5, 0.7, 0.2, 0.3, 0.65, 0.1]))
    assert ranked(race.candidates())[0].number == 3
    # With new seeds, configuration 3 turns out worse than 6.
    for curve in race.confirmation.finalists[3].curves.values():
        curve[-1] -= 0.2
    assert race.best().number == 6


def test_a_finalist_that_loses_a_run_is_out():
    race = run_race(CONFIRMED, by_quality([0.1, 0.6, 0.5, 0.7, 0.2, 0.3, 0.65, 0.1]))
    race.mark_lost(3, 1, Phase.DIVERGED, "the loss is not a number")
    assert race.best().number == 6


RACE = Rules(n_configs=30, n_folds=5, epochs=27, rungs=(3, 9), finalists=1)


def test_initial_folds_rotate_so_that_no_fold_decides_alone():
    pairs = rotation(5, 2)
    assert len(set(pairs)) == 10
    for n in range(1, 11):
        seen = [sum(fold in pair for pair in pairs[:n]) for fold in range(5)]
        assert max(seen) - min(seen) <= 1


@pytest.mark.parametrize(("n_folds", "n_chosen"), [(5, 2), (12, 2), (7, 3)])
def test_the_rotation_always_takes_the_choice_whose_folds_were_used_least(n_folds, n_chosen):
    """Against the rule written plainly, which takes the square of the number of choices."""
    used, left = [0] * n_folds, list(combinations(range(n_folds), n_chosen))
    for choice in rotation(n_folds, n_chosen):
        assert choice == min(left, key=lambda folds: (sum(used[fold] for fold in folds), folds))
        left.remove(choice)
        for fold in choice:
            used[fold] += 1
    assert not left


def test_ninety_folds_rotate_in_no_time():
    """One for each actor of a corpus of many: 4,005 pairs, asked for at every new configuration."""
    rules = replace(RACE, n_folds=90)
    started = time.perf_counter()
    assert len({POLICIES["race"].stages(rules, number)[0].folds for number in range(200)}) == 200
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize("n_folds", [10, 12])
def test_a_race_over_many_folds_compares_on_two_and_completes_all(n_folds):
    rules = replace(RACE, n_folds=n_folds, seeds=1)
    race = run_race(rules, by_quality([n / 30 for n in range(30)]), policy="race")
    assert race.closed()
    complete = [entry for entry in race.entries if entry.phase is Phase.COMPLETE]
    assert all(len(curve) == rules.epochs for entry in complete for curve in entry.curves)
    first_folds = [entry.stages[0].folds for entry in race.entries if entry.phase is Phase.STOPPED]
    assert all(len(folds) == 2 for folds in first_folds)
    assert {fold for folds in first_folds for fold in folds} == set(range(n_folds))
    assert race.best().number in range(25, 30)


def test_a_config_is_promoted_from_its_initial_folds_to_all_folds_to_the_end():
    stages = POLICIES["race"].stages(RACE, 1)
    assert [(stage.epoch, len(stage.folds)) for stage in stages] == [(3, 2), (9, 2), (9, 5), (27, 5)]
    assert stages[0].folds == stages[1].folds


def test_about_one_in_twenty_goes_to_the_end_at_once():
    always_full = [n for n in range(60) if POLICIES["race"].first_stage(RACE, n) == 3]
    assert always_full == [0, 20, 40]


def test_promotion_goes_by_the_predicted_final_score_and_not_by_the_score_at_the_rung():
    """Even configurations rise slowly to a high end, odd ones are there at once and stay low."""

    def score(config, fold, epoch):
        return 0.1 + 0.02 * epoch if config % 2 == 0 else 0.3 + 0.001 * epoch + 0.001 * config

    race = run_race(RACE, score, policy="race")
    complete = [entry.number for entry in race.entries if entry.phase is Phase.COMPLETE]
    reached_the_end = [number % 2 for number in complete if number > 10]
    assert reached_the_end.count(0) > reached_the_end.count(1)
    assert race.best().number % 2 == 0


def test_the_race_spends_at_least_three_times_less_than_no_stopping_and_finds_as_good_a_config():
    rng = random.Random(3)
    quality = [rng.random() for _ in range(30)]

    def score(config, fold, epoch):
        return quality[config] * (1 - 0.5**epoch) - 0.2 * (fold == 2)

    raced, full = run_race(RACE, score, policy="race"), run_race(RACE, score, policy="full")
    assert 3 * sum(e.epochs_spent() for e in raced.entries) <= sum(e.epochs_spent() for e in full.entries)
    assert raced.best().number == full.best().number


class Watched(PromotionByForecast):
    """The policy, with a look at the race whenever a configuration is promoted to full length."""

    def promotion(self, race):
        found = super().promotion(race)
        if found and found.stage == 3:
            assert race.all_opened()
            assert all(entry.at_rest or entry.allowed_stage == 3 for entry in race.entries)
        return found


@settings(deadline=None)
@given(score_tables, st.integers(1, 7), st.integers(0, 1000))
def test_in_a_short_race_no_config_goes_to_the_end_while_others_are_on_their_way(table, slots, seed):
    rng = random.Random(seed)
    run_race(RULES, lambda c, f, e: table[c][f * 9 + e - 1], slots, lambda runs: rng.choice(runs), policy=Watched())


@settings(deadline=None)
@given(score_tables, st.integers(1, 7), st.integers(0, 1000), st.sampled_from(sorted(POLICIES)))
def test_every_policy_ends_with_every_config_closed_and_one_complete(table, slots, seed, policy):
    rng = random.Random(seed)
    race = run_race(RULES, lambda c, f, e: table[c][f * 9 + e - 1], slots, lambda runs: rng.choice(runs), policy=policy)
    assert race.closed()
    assert race.best().phase is Phase.COMPLETE
    for entry in race.entries:
        assert entry.phase in (Phase.COMPLETE, Phase.STOPPED)
        assert entry.reason
        if entry.phase is Phase.COMPLETE:
            assert all(len(curve) == RULES.epochs for curve in entry.curves)


def test_a_race_with_a_limit_of_time_opens_no_config_that_it_could_not_bring_to_its_end():
    rules = Rules(n_configs=1000, n_folds=3, epochs=9, rungs=(1, 3), finalists=1, seconds=9 * 3 * 10.0)
    race, spent = Race(rules, POLICIES["race"]), 0
    while run := next_of(race, []):
        spent += 1
        epoch = race.epochs_known(*run) + 1
        race.record(*run, (run[0] * 7 % 11) / 11 + 0.01 * epoch, epoch == 9, seconds=1.0)
        settle(race)
    assert race.closed()
    assert 0.75 * rules.seconds <= spent <= 1.1 * rules.seconds


def test_under_policies_in_order_the_sampler_knows_nothing_of_the_latest_configs():
    """Whatever a configuration that is still open scores, what the sampler knows of those before it does not change."""
    race = run_race(
        Rules(n_configs=5, n_folds=3, epochs=9, rungs=(1, 3), lookahead=3), by_quality([0.5, 0.6, 0.1, 0.7, 0.2])
    )
    race.rules = Rules(n_configs=7, n_folds=3, epochs=9, rungs=(1, 3), lookahead=3)
    race.open(), race.open()
    stopped = next(entry for entry in race.entries if entry.phase is Phase.STOPPED)
    before = race.predicted_final(stopped), race.level(stopped)
    for fold in range(2):
        report(race, (6, fold, 0), 0.9)
    assert (race.predicted_final(stopped), race.level(stopped)) == before
