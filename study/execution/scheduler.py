"""Ray Tune's trial scheduler as a thin shell: it passes results to the conductor and carries out its decisions."""

from collections import Counter
from pathlib import Path
from typing import Any

from ray.tune import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.execution.job import Job
from study.execution.jobs import Jobs
from study.execution.places import Place
from study.execution.site import Site
from study.execution.storage_stopper import StorageStopper
from study.execution.worker_result import EpochsTrained, RunDiverged, RunFailed, ShareOutgrown, StorageIsFull, from_tune
from study.files import StorageFull
from study.record.events import FoldRun, Phase
from study.search.conductor import Conductor
from study.search.state import Continue, Pause, RunDecision

FALSE_STARTS = 8


class RaceScheduler(FIFOScheduler):
    """Pauses, resumes and stops fold runs as the conductor decides."""

    def __init__(self, conductor: Conductor, jobs: Jobs, stopper: StorageStopper, site: Site) -> None:
        """Act for `conductor`, whose assignments become `jobs` with places on `site`, until `stopper` has a reason."""
        super().__init__()
        self._conductor = conductor
        self._jobs = jobs
        self._stopper = stopper
        self._site = site
        self._trials: dict[FoldRun, Trial] = {}
        self._places: dict[FoldRun, Place] = {}
        self._false_starts: Counter[FoldRun] = Counter()
        self._outgrown: set[tuple[str, int]] = set()  # configurations that need a whole GPU
        self._n_pauses = 0
        self._swept = (0, 0)  # how many endings and pauses there were at the last sweep

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Accept whatever metric is named: the conductor has its own."""
        return True

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Remember which trial a fold run is."""
        self._trials[fold_run(trial)] = trial
        self._equip(trial, trial.config["job"])

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Record the epochs, then continue, pause or stop their run."""
        trial.run_metadata.num_failures = 0  # what is counted are a worker's deaths in a row
        decision: str = self._stopper.attempt(lambda: self._act(tune_controller, trial, result), TrialScheduler.STOP)
        return decision

    def _act(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        run = fold_run(trial)
        match from_tune(result):
            case EpochsTrained() as trained:
                return self._carry_out(tune_controller, trial, self._conductor.report_all(trained.events(run)))
            case ShareOutgrown(node):
                # One fold has as much to hold as another, so the configuration's other runs need not try.
                self._outgrown.add((run.variant, run.config))
                self._site.hold(node)
                self._conductor.requeue(run)
                return self._pause(tune_controller, trial)
            case StorageIsFull(reason):
                raise StorageFull(reason)
            case RunDiverged(reason):
                self._conductor.mark_lost(run, Phase.DIVERGED, reason)
            case RunFailed(reason):
                self._conductor.mark_lost(run, Phase.FAILED, reason)
        return TrialScheduler.STOP  # type: ignore[no-any-return]

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Close the configuration of a run that failed in its last attempt."""
        if trial.status == Trial.ERROR:
            return  # Tune has stopped it already and is about to try again; after the last attempt it still runs
        run = fold_run(trial)
        if trial.status == Trial.PENDING and self._false_starts[run] < FALSE_STARTS:
            # Its worker died before it began, which Tune never tries again: the run gets a new trial.
            self._false_starts[run] += 1
            self._trials.pop(run, None)
            self._conductor.requeue(run)
            return
        self._stopper.attempt(lambda: self._conductor.mark_lost(run, Phase.FAILED, first_cause(trial)), None)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The paused trial that the conductor wants next, after stopping those that are not wanted any more."""
        self._sweep(tune_controller)
        if self._site.recount():
            self._conductor.slots = self._site.slots.number
            self._release_lost_places(tune_controller)
        self._conductor.held = self._waits_for_gpu() and not self._site.has_others()
        wanted = self._stopper.attempt(self._conductor.next_run, None)
        if wanted is None or wanted not in self._trials:
            return None  # nothing, or a run that the searcher is about to begin
        trial = self._trials[wanted]
        if trial.status != Trial.PAUSED:
            return None
        self._equip(trial, self._jobs(self._conductor.assign(wanted)))
        return trial

    def _sweep(self, tune_controller: Any) -> None:
        """Stop the paused trials that are not wanted any more."""
        # A large study has thousands of them and Tune asks often, so they are looked through when there may be any.
        now = self._conductor.n_endings, self._n_pauses
        if now == self._swept:
            return
        self._swept = now
        for run, trial in list(self._trials.items()):
            if trial.status == Trial.PAUSED and not self._conductor.is_wanted(run):
                del self._trials[run]
                tune_controller.stop_trial(trial)

    def _waits_for_gpu(self) -> bool:
        """Whether a run that has outgrown its share waits for a whole GPU: it would for ever beside new runs there."""
        return bool(self._outgrown) and any(
            trial.status == Trial.PENDING and trial.config["job"].whole_gpu for trial in self._trials.values()
        )

    def _release_lost_places(self, tune_controller: Any) -> None:
        """Let runs that wait for a place that no machine has any more begin anew, as other trials in other places."""
        for run, trial in list(self._trials.items()):
            if trial.status == Trial.PENDING and self._site.is_lost(self._places[run]):
                del self._trials[run]
                self._conductor.requeue(run)
                tune_controller.stop_trial(trial)

    def _equip(self, trial: Trial, job: Job) -> None:
        """Give `trial`, which does not run, its job and its place: a whole GPU if its configuration outgrew a share."""
        whole = (job.run.variant, job.run.config) in self._outgrown
        place = self._site.whole_gpu() if whole else self._site.place(self._n_on_gpus(job.run), self._waits_for_gpu())
        on_cpu = not place.gpus and self._site.slots.gpus_per_run > 0
        self._places[job.run] = place
        trial.set_config({"job": job.at(whole_gpu=whole, on_cpu=on_cpu)})
        trial.update_resources(resources_of(place))

    def _n_on_gpus(self, but: FoldRun) -> int:
        """How many runs under way, `but` one, have places on GPUs."""
        return sum(1 for run in self._conductor.busy if run != but and run in self._places and self._places[run].gpus)

    def _carry_out(self, tune_controller: Any, trial: Trial, decision: RunDecision | None) -> str:
        match decision:
            case None | Continue():
                return TrialScheduler.CONTINUE  # type: ignore[no-any-return]
            case Pause():
                return self._pause(tune_controller, trial)
            case _:
                return TrialScheduler.STOP  # type: ignore[no-any-return]

    def _pause(self, tune_controller: Any, trial: Trial) -> str:
        self._n_pauses += 1
        # The worker keeps its own checkpoint; Ray's would cost twice the time of a switch.
        tune_controller.pause_trial(trial, should_checkpoint=False)
        return TrialScheduler.NOOP  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        """Nothing for Ray's snapshot of the tuner, which is never restored."""
        return {}


def resources_of(place: Place) -> PlacementGroupFactory:
    """What a trial in this place asks of Ray."""
    bundle = {"CPU": 1.0, "GPU": place.gpus}
    if not place.avoid:
        return PlacementGroupFactory([bundle])
    elsewhere = [{"ray.io/node-id": f"!in({','.join(place.avoid)})"}]
    return PlacementGroupFactory([bundle], bundle_label_selector=elsewhere)


def fold_run(trial: Trial) -> FoldRun:
    """The fold run that a trial trains."""
    run: FoldRun = trial.config["job"].run
    return run


def first_cause(trial: Trial) -> str:
    """The last line of a failed trial's traceback, which names the error."""
    path = trial.error_file
    text = Path(path).read_text(encoding="utf-8", errors="replace") if path and Path(path).exists() else ""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return lines[-1] if lines else "the worker died without an error message"
