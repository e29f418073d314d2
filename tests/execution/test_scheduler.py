"""The scheduler: trials go on, pause and stop as the conductor decides, and a worker's death is no result."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from benchmarks.simulator import Memory
from study.execution.jobs import jobs_of
from study.execution.scheduler import FALSE_STARTS, fold_run
from study.execution.worker_result import (
    EpochsTrained,
    EpochTrained,
    RunDiverged,
    RunFailed,
    ShareOutgrown,
    StorageIsFull,
)
from study.files import StorageFull
from study.record.events import Closed, EpochDone, Event, FoldRun, Phase, RunLost, to_json
from study.samplers.proposer import published_params
from study.search.conductor import Conductor
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Rules
from study.training.metrics import METRICS
from study.variants import VARIANTS
from tests.plugins.tiny_study import TinyStudy
from tests.plugins.tune import TuneLoop, node

RULES = Rules(n_configs=4, n_folds=3, epochs=4, rungs=(2,), lookahead=3)
QUALITY = (0.5, 0.6, 0.1, 0.7)  # configuration 2 is below the cutoff at the rung
SHARE, WHOLE = {"CPU": 1.0, "GPU": 0.5}, {"CPU": 1.0, "GPU": 1.0}


class SmallDisk(Memory):
    """A log with room for some events."""

    room = 10**6

    def append(self, event: Event) -> None:
        if len(self.events) >= self.room:
            raise StorageFull("no room for the ledger")
        super().append(event)


MakeLoop = Callable[..., TuneLoop]


@pytest.fixture
def make_loop(tiny_study: TinyStudy, tmp_path: Path) -> MakeLoop:
    """The function that begins a study, or goes on with its log: `make_loop(slots=6, policy="asha", log=None)`."""

    def make(
        slots: int = 6, policy: str = "asha", log: Memory | None = None, rules: Rules = RULES, **machines: Any
    ) -> TuneLoop:
        conductor = Conductor(
            {"text": Race(rules, POLICIES[policy])},
            Memory() if log is None else log,
            propose=lambda *_: published_params(VARIANTS["text"]),
            slots=slots,
        )
        return TuneLoop(conductor, jobs_of(tiny_study.plan), tmp_path, **machines)

    return make


def epoch(loop: TuneLoop, trial: Trial) -> EpochsTrained:
    """The next epoch of a trial's run."""
    run = fold_run(trial)
    number = loop.conductor.epochs_known(run) + 1
    scores = dict.fromkeys(METRICS, QUALITY[run.config] + 0.01 * number)
    return EpochsTrained((EpochTrained(number, 1.0, scores, scores, 0.1, number == RULES.epochs),))


def trial_of(loop: TuneLoop, config: int, fold: int) -> Trial:
    """The last trial of a run of the search."""
    return [trial for trial in loop.trials if fold_run(trial) == FoldRun("text", config, fold)][-1]


def train(loop: TuneLoop, config: int, fold: int, n: int) -> list[str]:
    """Report `n` epochs of a run; gives the scheduler's answers."""
    trial = trial_of(loop, config, fold)
    return [loop.report(trial, epoch(loop, trial)) for _ in range(n)]


def work(loop: TuneLoop, seed: int = 0, steps: int = 10**6, deaths: float = 0.0) -> None:
    """Report epochs of running trials in random order until the study stops; workers die with chance `deaths`."""
    rng = random.Random(seed)
    for _ in range(steps):
        loop.fill()
        running = [trial for trial in loop.trials if trial.status == Trial.RUNNING]
        if not running or loop.stopper.stop_all():
            return
        trial = rng.choice(running)
        if rng.random() < deaths:
            loop.die(trial)
        else:
            loop.report(trial, epoch(loop, trial))


def facts(events: list[Event]) -> list[str]:
    """The events without the order in which workers happened to report."""
    return sorted(json.dumps(to_json(event), sort_keys=True) for event in events)


def lost(loop: TuneLoop) -> list[RunLost]:
    return [event for event in loop.events if isinstance(event, RunLost)]


def test_an_epoch_before_the_rung_goes_on_at_the_rung_it_pauses_and_at_the_end_it_stops(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.fill()
    assert train(loop, 1, 0, 2) == [TrialScheduler.CONTINUE, TrialScheduler.NOOP]
    assert trial_of(loop, 1, 0).status == Trial.PAUSED
    assert train(loop, 0, 0, 4) == [TrialScheduler.CONTINUE] * 3 + [TrialScheduler.STOP]
    assert [event.epoch for event in loop.events if isinstance(event, EpochDone)] == [1, 2, 1, 2, 3, 4]


def test_a_paused_run_that_is_promoted_is_resumed_with_what_is_on_record(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.fill()
    for fold in range(3):
        train(loop, 0, fold, 4)
        train(loop, 1, fold, 2)
    resumed = trial_of(loop, 1, 0)
    assert loop.choose() == resumed
    assert resumed.config["job"].epochs_known == 2
    assert resumed.placement_group_factory.required_resources == SHARE


def test_paused_trials_that_are_not_wanted_any_more_are_stopped(make_loop: MakeLoop) -> None:
    loop = make_loop()
    work(loop)
    stopped = [event.config for event in loop.events if isinstance(event, Closed) and event.outcome is Phase.STOPPED]
    assert stopped == [2]
    # The third ran when its configuration was closed, and was stopped by the answer to its epoch.
    assert len(loop.stopped) == 2
    assert {run.config for run in loop.stopped} == {2}


@pytest.mark.parametrize("policy", sorted(POLICIES))
@pytest.mark.parametrize("slots", [1, 2, 7])
def test_a_study_ends_with_one_trial_for_each_run_and_none_left(make_loop: MakeLoop, policy: str, slots: int) -> None:
    rules = replace(RULES, finalists=1, seeds=1)
    loop = make_loop(slots, policy, rules=rules)
    work(loop, seed=slots)
    assert loop.conductor.finished()
    assert loop.searcher.suggest("more") == Searcher.FINISHED
    assert set(Counter(map(fold_run, loop.trials)).values()) == {1}
    assert {trial.status for trial in loop.trials} == {Trial.TERMINATED}


def test_an_epoch_that_is_on_record_goes_on_and_is_not_recorded_twice(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.fill()
    trial = trial_of(loop, 1, 0)
    first = epoch(loop, trial)
    assert [loop.report(trial, first), loop.report(trial, first)] == [TrialScheduler.CONTINUE] * 2
    assert sum(isinstance(event, EpochDone) for event in loop.events) == 1


@pytest.mark.parametrize(
    ("result", "phase"), [(RunDiverged("not finite"), Phase.DIVERGED), (RunFailed("no such file"), Phase.FAILED)]
)
def test_a_run_that_diverges_or_fails_closes_its_configuration_and_its_other_runs_are_stopped(
    make_loop: MakeLoop, result: RunDiverged | RunFailed, phase: Phase
) -> None:
    loop = make_loop()
    loop.fill()
    train(loop, 1, 0, 2)  # pauses
    assert loop.report(trial_of(loop, 1, 1), result) == TrialScheduler.STOP
    assert lost(loop) == [RunLost("text", 1, 1, 0, phase, result.reason)]
    assert loop.events[-1] == Closed("text", 1, phase, result.reason)
    loop.fill()
    assert loop.stopped == [FoldRun("text", 1, 0)]
    assert train(loop, 1, 2, 1) == [TrialScheduler.STOP], "one that still trains is stopped by its next epoch"


# False starts.


def test_a_trial_whose_worker_dies_before_it_begins_gets_a_new_one_eight_times_and_fails_then(
    make_loop: MakeLoop,
) -> None:
    loop = make_loop(slots=1)
    for _ in range(FALSE_STARTS):
        trial = loop.add()
        assert trial is not None
        assert fold_run(trial) == FoldRun("text", 0, 0)
        loop.die(trial)
        assert lost(loop) == []
    trial = loop.add()
    assert trial is not None
    loop.die(trial)
    assert lost(loop) == [RunLost("text", 0, 0, 0, Phase.FAILED, "the worker died without an error message")]
    assert FALSE_STARTS == 8


def test_false_starts_are_counted_run_by_run(make_loop: MakeLoop) -> None:
    loop = make_loop(slots=2)
    for _ in range(FALSE_STARTS):
        for trial in (loop.add(), loop.add()):
            assert trial is not None
            loop.die(trial)
    assert lost(loop) == []


def test_a_false_start_costs_no_epoch(make_loop: MakeLoop) -> None:
    loop, calm = make_loop(slots=2), make_loop(slots=2)
    for _ in range(3):
        trial = loop.add()
        assert trial is not None
        loop.die(trial)
    work(loop)
    work(calm)
    assert facts(loop.events) == facts(calm.events)


# Deaths while training, which Tune repairs.


def test_workers_that_die_while_they_train_leave_no_trace_on_record(make_loop: MakeLoop) -> None:
    loop, calm = make_loop(slots=3), make_loop(slots=3)
    work(loop, seed=4, deaths=0.3)
    work(calm)
    assert loop.conductor.finished()
    assert facts(loop.events) == facts(calm.events)


def test_an_epoch_forgives_the_deaths_before_it(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.fill()
    trial = trial_of(loop, 1, 0)
    trial.run_metadata.num_failures = 7
    train(loop, 1, 0, 1)
    assert trial.num_failures == 0


@pytest.mark.parametrize(
    ("traceback", "reason"),
    [("Failure # 1\nTraceback\n  File x\nMemoryError: 3 GB\n\n", "MemoryError: 3 GB"), ("", None), (None, None)],
)
def test_a_trial_that_fails_in_its_last_attempt_closes_its_configuration_with_the_error(
    make_loop: MakeLoop, traceback: str | None, reason: str | None
) -> None:
    loop = make_loop()
    loop.fill()
    trial = trial_of(loop, 1, 2)
    if traceback is not None:
        trial.run_metadata.error_filename = "error.txt"
        Path(trial.local_path).mkdir(parents=True)
        Path(trial.error_file).write_text(traceback, encoding="utf-8")
    loop.give_up(trial)
    expected = reason or "the worker died without an error message"
    assert lost(loop) == [RunLost("text", 1, 2, 0, Phase.FAILED, expected)]


# Shares of a GPU.


def test_a_run_that_outgrew_its_share_and_all_of_its_configuration_get_a_whole_gpu(make_loop: MakeLoop) -> None:
    loop = make_loop(slots=5)
    loop.fill()  # configuration 0 whole, of configuration 1 folds 0 and 1
    train(loop, 1, 0, 2)  # pauses, with its share
    grown = trial_of(loop, 1, 1)
    assert loop.report(grown, ShareOutgrown("only")) == TrialScheduler.NOOP
    assert grown.status == Trial.PAUSED
    assert lost(loop) == []
    assert loop.choose() == grown
    assert loop.fill() == [grown], "no other begins before it has its GPU"
    loop.fill()
    begun_later = trial_of(loop, 1, 2)
    for trial in (grown, begun_later):
        assert trial.config["job"].whole_gpu
        assert trial.placement_group_factory.required_resources == WHOLE
    assert not trial_of(loop, 0, 0).config["job"].whole_gpu
    for fold in range(3):
        train(loop, 0, fold, 4)
    train(loop, 1, 1, 2), train(loop, 1, 2, 2)
    while loop.fill():
        pass  # those with a whole GPU one by one
    assert trial_of(loop, 1, 0).config["job"].whole_gpu, "the one that had paused before, too"
    assert trial_of(loop, 1, 0).placement_group_factory.required_resources == WHOLE
    assert not trial_of(loop, 2, 0).config["job"].whole_gpu


def test_while_a_run_waits_for_a_whole_gpu_no_other_begins(make_loop: MakeLoop) -> None:
    loop = make_loop(slots=5)
    loop.fill()
    loop.report(trial_of(loop, 1, 1), ShareOutgrown("only"))
    grown = trial_of(loop, 1, 1)
    assert loop.choose() == grown
    for fold in range(3):
        train(loop, 0, fold, 4)  # frees three slots
    assert loop.choose() is None
    assert loop.conductor.held
    assert loop.add() is None
    assert loop.searcher.suggest("another") is None
    grown.set_status(Trial.RUNNING)
    assert loop.fill() == [trial_of(loop, 1, 2)], "it needs a whole GPU as well"
    assert {fold_run(trial).config for trial in loop.fill()} == {2}
    assert not loop.conductor.held


def test_a_study_whose_runs_all_outgrow_their_share_ends_as_any_other(make_loop: MakeLoop) -> None:
    loop, calm = make_loop(slots=3), make_loop(slots=3)
    rng, outgrown = random.Random(0), set()
    for _ in range(1000):
        loop.fill()
        running = [trial for trial in loop.trials if trial.status == Trial.RUNNING]
        if not running:
            break
        trial = rng.choice(running)
        if not trial.config["job"].whole_gpu:
            outgrown.add(fold_run(trial).config)
            loop.report(trial, ShareOutgrown("only"))
        else:
            loop.report(trial, epoch(loop, trial))
    work(calm)
    assert outgrown == {0, 1, 2, 3}
    assert facts(loop.events) == facts(calm.events)


def begun_on(loop: TuneLoop, node: str) -> list[FoldRun]:
    """The runs that may be on this machine, of those that wait."""
    waiting = [trial for trial in loop.trials if trial.status == Trial.PENDING]
    selectors = {trial: str(trial.placement_group_factory._kwargs) for trial in waiting}
    return [fold_run(trial) for trial in waiting if node not in selectors[trial]]


def test_an_outgrown_run_keeps_others_from_its_own_machine_only(make_loop: MakeLoop) -> None:
    loop = make_loop(slots=4, nodes=[node("one", CPU=2, GPU=1), node("two", CPU=2, GPU=1)])
    loop.fill()
    grown = trial_of(loop, 1, 0)
    loop.report(grown, ShareOutgrown("two"))
    assert loop.choose() == grown
    assert begun_on(loop, "two") == [FoldRun("text", 1, 0)]
    for fold in range(3):
        train(loop, 0, fold, 4)
    while loop.choose() or loop.add():
        assert not loop.conductor.held
    assert {run.config for run in begun_on(loop, "one")} == {1, 2}
    assert {run.config for run in begun_on(loop, "two")} == {1}, "only those that need a whole GPU as well"


def test_the_runs_of_machines_that_join_begin_within_seconds_and_those_of_machines_that_leave_wait(
    make_loop: MakeLoop,
) -> None:
    loop = make_loop(slots=2, nodes=[node("a", CPU=2, GPU=1)], may_grow=True)
    assert len(loop.fill()) == 2
    loop.nodes.append(node("b", CPU=8, GPU=1))
    for _ in range(3):
        loop.now += 3.0
        loop.choose()
        assert loop.site._checking is None or not loop.site._checking.join(5)
    assert len(loop.fill()) == 2
    assert loop.said == ["machines have changed: 4 runs at once from now on"]
    loop.nodes.pop()
    loop.now += 3.0
    train(loop, 0, 0, 4)
    assert loop.fill() == [], "three are under way where two have room"


def test_machines_without_a_gpu_train_what_the_gpus_have_no_room_for_if_asked(make_loop: MakeLoop) -> None:
    loop = make_loop(slots=4, nodes=[node("a", CPU=2, GPU=1), node("b", CPU=2)], on_cpus=True)
    loop.fill()
    on_cpu = [trial.config["job"].on_cpu for trial in loop.trials]
    assert on_cpu == [False, False, True, True]
    assert [trial.placement_group_factory.required_resources for trial in loop.trials[1:3]] == [SHARE, {"CPU": 1.0}]
    train(loop, 0, 0, 4)
    assert not loop.fill()[0].config["job"].on_cpu


def test_a_run_whose_machines_have_left_begins_elsewhere(make_loop: MakeLoop) -> None:
    loop = make_loop(slots=3, nodes=[node("a", CPU=2, GPU=1), node("b", CPU=1)], on_cpus=True, may_grow=True)
    waiting = [loop.add() for _ in range(3)][-1]
    assert waiting is not None
    assert waiting.config["job"].on_cpu
    loop.nodes.pop()
    loop.now += 3.0
    loop.choose()
    assert waiting.status == Trial.TERMINATED
    assert loop.conductor.slots == 2
    for trial in loop.trials[:2]:
        trial.set_status(Trial.RUNNING)
    train(loop, 0, 0, 4)
    again = loop.add()
    assert again is not None
    assert (fold_run(again), again.config["job"].on_cpu) == (fold_run(waiting), False)


# A full disk.


@pytest.mark.parametrize("room", [1, 4, 9, 20, 33])
def test_a_ledger_without_room_stops_the_study_which_loses_nothing_and_goes_on(make_loop: MakeLoop, room: int) -> None:
    log, whole = SmallDisk(), make_loop(slots=2)
    work(whole)
    log.room = room
    loop = make_loop(slots=2, log=log)
    work(loop)
    assert loop.stopper.stop_all()
    assert "no room for the ledger" in str(loop.stopper.reason)
    assert len(log.events) == room
    assert loop.choose() is None
    assert loop.add() is None
    log.room = 10**6
    again = make_loop(slots=2, log=log)
    work(again)
    assert again.conductor.finished()
    assert facts(log.events) == facts(whole.events)


def test_a_worker_without_room_stops_the_study_and_its_run_is_not_lost(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.fill()
    before = list(loop.events)
    assert loop.report(trial_of(loop, 1, 0), StorageIsFull("no room for a checkpoint")) == TrialScheduler.STOP
    assert str(loop.stopper.reason) == "no room for a checkpoint"
    assert train(loop, 0, 0, 1) == [TrialScheduler.STOP], "what still arrives is not recorded: it is trained again"
    loop.give_up(trial_of(loop, 0, 1))
    assert loop.events == before


def test_nothing_is_kept_beside_the_ledger(make_loop: MakeLoop) -> None:
    scheduler = make_loop().scheduler
    assert scheduler.__getstate__() == {}
    assert scheduler.set_search_properties("loss", "min")
