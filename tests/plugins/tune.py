"""What Ray Tune's loop does with trials, without a cluster: real `Trial` objects, and their changes of status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from study.execution.places import Slots
from study.execution.scheduler import RaceScheduler
from study.execution.searcher import RaceSearcher
from study.execution.site import Site
from study.execution.storage_stopper import StorageStopper
from study.execution.worker_result import WorkerResult, to_tune
from study.record.events import Event, FoldRun
from study.search.conductor import Conductor


def node(id: str, **resources: float) -> dict[str, Any]:
    """A machine as `ray.nodes()` has it."""
    return {"NodeID": id, "Resources": resources}


@dataclass
class TrialStorage:
    """Where Tune would keep a trial's files, without the folder of a running cluster."""

    trial_driver_staging_path: str


class TuneLoop:
    """The part of Tune's controller that searcher and scheduler meet.

    Source: ray/tune/execution/tune_controller.py: `_maybe_add_actors`, `_requeue_trial`, `_process_trial_failure`,
    `stop_trial`.
    """

    def __init__(self, conductor: Conductor, jobs: Any, folder: Path, nodes: Sequence[Any] = (), **slots: Any) -> None:
        """A loop that has not begun, with our searcher and scheduler for `conductor`, on machines with these `nodes`.

        A machine that joins `nodes` shares the storage; `now` is the time in seconds.
        """
        self.conductor = conductor
        self.stopper = StorageStopper()
        self.nodes = list(nodes or [node("only", CPU=64, GPU=8)])
        self.now = 0.0
        self.said: list[str] = []
        counted = Slots(conductor.slots, 0.5, **slots)
        self.site = Site(counted, lambda: list(self.nodes), lambda new: {}, self.said.append, lambda: self.now)
        self.searcher = RaceSearcher(conductor, jobs, self.stopper)
        self.scheduler = RaceScheduler(conductor, jobs, self.stopper, self.site)
        self.trials: list[Trial] = []
        self.stopped: list[FoldRun] = []
        self._folder = folder

    @property
    def events(self) -> list[Event]:
        """What is on record."""
        return self.conductor._log.events

    def add(self) -> Trial | None:
        """Ask the searcher for a trial; it waits for a worker then."""
        config = self.searcher.suggest(f"trial-{len(self.trials)}")
        if config is None or config == Searcher.FINISHED:
            return None
        trial = Trial(
            "fold_run",
            config=config,
            trial_id=f"trial-{len(self.trials)}",
            storage=TrialStorage(str(self._folder / f"trial-{len(self.trials)}")),
            placement_group_factory={"cpu": 1, "gpu": 0.5},
            stub=True,
            _setup_default_resource=False,
        )
        trial.create_placement_group_factory()
        self.trials.append(trial)
        self.scheduler.on_trial_add(self, trial)
        return trial

    def choose(self) -> Trial | None:
        """Ask the scheduler which paused trial goes on; it waits for a worker then."""
        trial = self.scheduler.choose_trial_to_run(self)
        if trial is not None:
            trial.set_status(Trial.PENDING)
        return trial

    def fill(self) -> list[Trial]:
        """Add and choose until neither has a trial; all that wait get their workers."""
        while self.choose() or self.add():
            pass
        started = [trial for trial in self.trials if trial.status == Trial.PENDING]
        for trial in started:
            trial.set_status(Trial.RUNNING)
        return started

    def report(self, trial: Trial, result: WorkerResult) -> str:
        """A result of a running trial arrives; gives the scheduler's answer."""
        decision: str = self.scheduler.on_trial_result(self, trial, to_tune(result))
        if decision == TrialScheduler.STOP:
            trial.set_status(Trial.TERMINATED)
            self.scheduler.on_trial_complete(self, trial, to_tune(result))
            self.searcher.on_trial_complete(trial.trial_id)
        return decision

    def die(self, trial: Trial) -> None:
        """The worker of a trial dies: while it trains, Tune tries again; before it begins, Tune gives it up."""
        if trial.status == Trial.RUNNING:
            trial.set_status(Trial.ERROR)
            self.scheduler.on_trial_error(self, trial)
            trial.set_status(Trial.PENDING)
            self.scheduler.on_trial_add(self, trial)
        else:
            self.give_up(trial)

    def give_up(self, trial: Trial) -> None:
        """A trial fails in its last attempt."""
        self.scheduler.on_trial_error(self, trial)
        self.searcher.on_trial_complete(trial.trial_id, error=True)
        trial.set_status(Trial.ERROR)

    # What the scheduler calls.

    def pause_trial(self, trial: Trial, should_checkpoint: bool = True) -> None:
        """Keep the trial for later."""
        assert not should_checkpoint, "every epoch has written a checkpoint of its own"
        trial.set_status(Trial.PAUSED)

    def stop_trial(self, trial: Trial) -> None:
        """End the trial, whatever its status."""
        self.stopped.append(trial.config["job"].run)
        trial.set_status(Trial.TERMINATED)
        self.searcher.on_trial_complete(trial.trial_id)
