"""Ray Tune's search algorithm as a thin shell: it hands out the fold runs that the conductor wants begun."""

from typing import Any

from ray.tune.search import Searcher

from study.execution.jobs import Jobs
from study.execution.storage_stopper import StorageStopper
from study.record.events import FoldRun
from study.search.conductor import Conductor


class RaceSearcher(Searcher):
    """Makes a trial of every fold run that has none yet; runs that are paused are the scheduler's business."""

    def __init__(self, conductor: Conductor, jobs: Jobs, stopper: StorageStopper) -> None:
        """Hand out the runs of `conductor` as `jobs`, until the `stopper` has a reason."""
        super().__init__(metric="training_iteration", mode="max")  # required by Ray, and not used
        self._conductor = conductor
        self._jobs = jobs
        self._stopper = stopper
        self._begun: set[FoldRun] = set()
        self._run_of: dict[str, FoldRun] = {}  # by trial

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next fold run to begin; None while there is none; FINISHED when the study is."""
        if self._conductor.finished():
            return Searcher.FINISHED  # type: ignore[no-any-return]
        run = self._stopper.attempt(self._conductor.next_run, None)
        if run is None or run in self._begun:
            return None
        self._begun.add(run)
        self._run_of[trial_id] = run
        return {"job": self._jobs(self._conductor.assign(run))}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Forget a trial that has ended, so that its run can begin again if the scheduler has requeued it."""
        self._begun.discard(self._run_of.pop(trial_id, None))

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Refuse Ray's own limiter: it counts paused trials as live and then waits for ever."""
        return True

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a study is continued from its ledger, never from Ray's snapshot."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing for Ray's snapshot of the tuner, which is never restored."""
        return {}
