"""The searcher: every fold run becomes one trial, unless its worker dies before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.tune.search import Searcher

from benchmarks.simulator import Memory
from study.execution.job import Job
from study.execution.jobs import jobs_of
from study.execution.searcher import RaceSearcher
from study.execution.storage_stopper import StorageStopper
from study.files import StorageFull
from study.record.events import EpochDone, Event, FoldRun
from study.samplers.proposer import published_params
from study.search.conductor import Conductor
from study.search.policies import POLICIES
from study.search.race import Race
from study.search.state import Rules
from study.training.metrics import METRICS
from study.variants import VARIANTS
from tests.plugins.tiny_study import TinyStudy

RULES = Rules(n_configs=2, n_folds=3, epochs=2, lookahead=2)
SCORES = dict.fromkeys(METRICS, 0.5)


def epoch_of(run: FoldRun, epoch: int) -> EpochDone:
    return EpochDone(run.variant, run.config, run.fold, run.seed, epoch, 1.0, SCORES, SCORES, 0.1, epoch == 2)


class SmallDisk(Memory):
    """A log with room for some events."""

    room = 0

    def append(self, event: Event) -> None:
        if len(self.events) >= self.room:
            raise StorageFull("no room for the ledger")
        super().append(event)


def conductor_on(log: Memory, slots: int = 10) -> Conductor:
    search = Race(RULES, POLICIES["full"])
    return Conductor({"text": search}, log, propose=lambda *_: published_params(VARIANTS["text"]), slots=slots)


def searcher_of(study: TinyStudy, conductor: Conductor, stopper: StorageStopper | None = None) -> RaceSearcher:
    return RaceSearcher(conductor, jobs_of(study.plan), stopper or StorageStopper())


def suggested(searcher: RaceSearcher) -> list[Job]:
    """All jobs that it has now; the trial's name is the run's."""
    jobs: list[Job] = []
    while isinstance(config := searcher.suggest(f"trial-{len(jobs)}"), dict):
        assert set(config) == {"job"}
        jobs.append(config["job"])
    return jobs


ALL = [FoldRun("text", config, fold) for config in (0, 1) for fold in range(3)]


def test_every_run_is_handed_out_once(tiny_study: TinyStudy) -> None:
    searcher = searcher_of(tiny_study, conductor_on(Memory()))
    assert [job.run for job in suggested(searcher)] == ALL
    assert searcher.suggest("one-more") is None


def test_no_more_are_handed_out_than_there_are_slots(tiny_study: TinyStudy) -> None:
    assert len(suggested(searcher_of(tiny_study, conductor_on(Memory(), slots=4)))) == 4


def test_it_is_finished_when_the_study_is(tiny_study: TinyStudy) -> None:
    conductor = conductor_on(Memory())
    searcher = searcher_of(tiny_study, conductor)
    for job in suggested(searcher):
        for epoch in (1, 2):
            assert searcher.suggest("another") is None
            conductor.report(epoch_of(job.run, epoch))
    assert conductor.finished()
    assert searcher.suggest("another") == Searcher.FINISHED


@pytest.mark.parametrize(("ended", "begun_again"), [(True, [ALL[0]]), (False, [])])
def test_a_requeued_run_is_handed_out_again_if_its_trial_has_ended(
    tiny_study: TinyStudy, ended: bool, begun_again: list[FoldRun]
) -> None:
    """One that is paused is requeued as well, but its trial lives, and the scheduler resumes it."""
    conductor = conductor_on(Memory(), slots=1)
    searcher = searcher_of(tiny_study, conductor)
    (job,) = suggested(searcher)
    conductor.requeue(job.run)
    if ended:
        searcher.on_trial_complete("trial-0")
    assert [job.run for job in suggested(searcher)] == begun_again


def test_a_job_knows_how_many_epochs_are_on_record(tiny_study: TinyStudy) -> None:
    """A study that goes on: its runs are new trials, which take up their checkpoints."""
    log = Memory()
    first = conductor_on(log, slots=1)
    (job,) = suggested(searcher_of(tiny_study, first))
    first.report(epoch_of(job.run, 1))
    (again,) = suggested(searcher_of(tiny_study, conductor_on(log, slots=1)))
    assert (again.run, again.epochs_known, again.torch_seed) == (job.run, 1, job.torch_seed)


def test_runs_of_one_fold_and_seed_share_their_random_numbers_and_no_others(tiny_study: TinyStudy) -> None:
    seeds = {job.run: job.torch_seed for job in suggested(searcher_of(tiny_study, conductor_on(Memory())))}
    assert len(set(seeds.values())) == 3
    assert all(seeds[run] == seeds[FoldRun("text", 0, run.fold)] for run in ALL)


def test_a_full_disk_stops_it_and_the_run_that_it_could_not_record_is_not_begun(tiny_study: TinyStudy) -> None:
    log, stopper = SmallDisk(), StorageStopper()
    searcher = searcher_of(tiny_study, conductor_on(log), stopper)
    assert searcher.suggest("trial") is None
    assert stopper.stop_all()
    log.room = 100
    assert searcher.suggest("trial") is None, "the study is on its way to stop"
    assert log.events == []


def test_nothing_is_kept_beside_the_ledger(tiny_study: TinyStudy, tmp_path: Path) -> None:
    searcher = searcher_of(tiny_study, conductor_on(Memory()))
    assert searcher.__getstate__() == {}
    searcher.save(str(tmp_path / "state"))
    assert not (tmp_path / "state").exists()
    assert searcher.set_max_concurrency(1), "Ray's own limiter is refused"
