"""A race in rounds: the speed of workers and their number change nothing that is decided."""

import random
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.curve_table import CurveTable
from benchmarks.simulator import VARIANT, Memory, Rows, Timing, rules_of, simulate
from study.record.events import Closed, ConfigAdded, EpochDone, FoldRun, Phase, Promoted, RunLost
from study.search.conductor import Conductor
from study.search.policies import POLICIES
from study.search.replay import Replay
from study.search.rounds import RoundRace, race_of
from study.search.state import Continue, Rules

DECISIONS = (ConfigAdded, Promoted, Closed)
FOLDS, EPOCHS = 4, 9


@pytest.fixture(scope="module")
def table():
    """Rates in random order: the better ones end early with nothing to gain, some diverge on one fold."""
    rng = np.random.default_rng(3)
    n = 40
    rates = rng.random(n)
    rise = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 3)
    val = (0.4 + 0.4 * rates)[:, None, None] * rise + rng.normal(0, 0.03, (n, FOLDS, EPOCHS))
    for row in range(1, n, 4):
        val[row, : 2 + row % 3, row % 3 :] = np.nan
    return CurveTable("rates", val.clip(0, 1), val, rng.uniform(1, 4, n), [{"rate": float(rate)} for rate in rates])


def rules(table, size, n_configs=14):
    return replace(rules_of(table, 4, n_configs), round_size=size)


def decisions(events):
    return [event for event in events if isinstance(event, DECISIONS)]


def scores(events, until_lost):
    """(configuration, fold, epoch) to score; without configurations that were lost, of which runs may get ahead."""
    return {
        (event.config, event.fold, event.epoch): event.validation["UWA"]
        for event in events
        if isinstance(event, EpochDone) and event.config not in until_lost
    }


def lost(events):
    return {event.config for event in events if isinstance(event, RunLost)}


@pytest.mark.parametrize("policy", POLICIES)
def test_jitter_of_epochs_changes_no_decision(table, policy):
    terms = {"policy": policy, "sampler": "random", "workers": 4, "seed": 0, "rules": rules(table, 4)}
    one, *others = (simulate(table, timing=Timing(spread, k), **terms).events for k, spread in enumerate((0, 0.3, 1.5)))
    assert {event.outcome for event in one if isinstance(event, Closed)} >= {Phase.COMPLETE, Phase.DIVERGED}
    for other in others:
        assert decisions(other) == decisions(one)
        assert scores(other, lost(one)) == scores(one, lost(one))


def test_without_rounds_it_does(table):
    terms = {"policy": "race", "sampler": "random", "workers": 4, "seed": 0, "rules": rules(table, 0)}
    one, other = (simulate(table, timing=Timing(0.3, k), **terms).events for k in (0, 1))
    assert decisions(other) != decisions(one)


@pytest.mark.parametrize("workers", [1, 3, 9])
def test_nor_does_the_number_of_workers(table, workers):
    terms = {"policy": "race", "sampler": "tpe", "seed": 2, "rules": rules(table, 4)}
    one, other = (simulate(table, workers=n, **terms).events for n in (4, workers))
    assert decisions(other) == decisions(one)
    assert scores(other, lost(one)) == scores(one, lost(one))


class Workers:
    """A conductor whose runs report in any order, killed and taken up again at will."""

    def __init__(self, table, terms, sampler="random"):
        self.table, self.terms, self.rows, self.log = table, terms, Rows(table, sampler, 0), Memory()
        self.take_up()

    def take_up(self):
        self.running = []
        search = {VARIANT: race_of(self.terms, POLICIES["race"])}
        self.conductor = Conductor(search, self.log, propose=self.rows, slots=3)

    def step(self, choice):
        while run := self.conductor.next_run():
            self.running.append(self.conductor.assign(run).run)
        if not self.running:
            return False
        run = self.running[choice % len(self.running)]
        epoch = self.conductor.epochs_known(run) + 1
        score = float(self.table.best_so_far[self.rows.tried[run.config], run.fold, epoch - 1])
        if np.isnan(score):
            self.conductor.mark_lost(run, Phase.DIVERGED, "a score is not finite")
            self.running.remove(run)
        else:
            at = run.variant, run.config, run.fold, run.seed, epoch
            done = EpochDone(*at, 0.0, {"UWA": score}, {}, 1.0, epoch == self.terms.epochs)
            if not isinstance(self.conductor.report(done), Continue):
                self.running.remove(run)
        return True


@settings(max_examples=5, deadline=None)
@given(choices=st.randoms(use_true_random=False), kill=st.sampled_from([0, 7, 40]))
def test_any_order_of_reports_and_any_kill_gives_one_study(table, choices, kill):
    terms = rules(table, 3, n_configs=8)
    workers, steps = Workers(table, terms), 0
    while workers.step(choices.randrange(1000)):
        steps += 1
        if kill and steps % kill == 0:
            workers.take_up()
    assert workers.conductor.finished()
    straight = simulate(table, policy="race", sampler="random", workers=3, seed=0, rules=terms).events
    assert decisions(workers.log.events) == decisions(straight)


@pytest.mark.parametrize("reported", [9, 5])
def test_the_loss_of_a_run_fails_its_configuration_also_after_its_last_epoch(reported):
    terms = Rules(n_configs=1, n_folds=2, epochs=9, round_size=2)
    race = RoundRace(terms, POLICIES["full"])
    race.apply(ConfigAdded("v", 0, {}))
    for epoch in range(1, reported + 1):
        race.apply(EpochDone("v", 0, 0, 0, epoch, 0.0, {"UWA": 0.5}, {}, 1.0, epoch == 9))
    race.apply(RunLost("v", 0, 0, 0, Phase.FAILED, "its predictions are lost"))
    for epoch in range(1, 10):
        race.apply(EpochDone("v", 0, 1, 0, epoch, 0.0, {"UWA": 0.5}, {}, 1.0, epoch == 9))
        if due := race.due_decision():
            break
    assert due.phase is Phase.FAILED


def test_a_ledger_in_rounds_is_replayed_and_a_decision_out_of_place_is_found(table):
    terms = rules(table, 4)
    events = simulate(table, policy="race", sampler="random", workers=4, seed=0, rules=terms).events
    replay = Replay({VARIANT: race_of(terms, POLICIES["race"])}, ())
    for event in events:
        replay.follow(event)
    assert replay.searches[VARIANT].closed()
    last = max(index for index, event in enumerate(events) if isinstance(event, Promoted))
    shorter = Replay({VARIANT: race_of(terms, POLICIES["race"])}, ())
    with pytest.raises(ValueError, match="due"):
        deque(map(shorter.follow, events[:last] + events[last + 1 :]), maxlen=0)


def test_a_finished_study_goes_on_with_more_configurations(table):
    fewer, more = rules(table, 4, 8), rules(table, 4, 14)
    workers = Workers(table, fewer)
    while workers.step(0):
        pass
    score = {entry.number: entry.score(EPOCHS) for entry in complete(workers.conductor)}
    workers.terms = more
    workers.take_up()
    assert {entry.number: entry.score(EPOCHS) for entry in complete(workers.conductor)} == score
    while workers.step(0):
        pass
    assert workers.conductor.finished()
    assert len(workers.conductor.searches[VARIANT].entries) == 14


def complete(conductor):
    return [entry for entry in conductor.searches[VARIANT].entries if entry.phase is Phase.COMPLETE]


def test_confirmation_runs_do_not_wait_for_rounds(table):
    terms = replace(rules(table, 2, 4), seeds=2, finalists=1)
    workers = Workers(table, terms)
    while workers.step(random.randrange(99)):
        pass
    runs = {event.run for event in workers.log.events if isinstance(event, EpochDone) and event.seed}
    assert workers.conductor.finished()
    best = workers.conductor.searches[VARIANT].best().number
    assert {FoldRun(VARIANT, best, fold, seed) for fold in range(FOLDS) for seed in (1, 2)} <= runs


def test_a_free_worker_waits_for_an_epoch_that_the_next_decision_rests_on():
    """One place more than configurations are allowed to know of: the second waits while the first is trained."""
    terms = Rules(n_configs=3, n_folds=1, epochs=32, round_size=1)
    race = RoundRace(terms, POLICIES["full"])
    assert race.lag == 2
    race.apply(ConfigAdded("v", 0, {}))
    for epoch in range(1, 33):
        assert race.may_open() == (epoch > 30)
        race.apply(EpochDone("v", 0, 0, 0, epoch, 0.0, {"UWA": 0.5}, {}, 1.0, epoch == 32))
    # Its place is free, and the race knows all but the last two epochs.
    assert race.entries[0].phase is Phase.OPEN
    assert len(race.entries[0].curves[0]) == 30
    assert race.may_open()
