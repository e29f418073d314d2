"""The rivals of the race that stop early: forgiving cross-validation, and TPE with Hyperband on the mean over folds."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import optuna
from optuna.pruners import HyperbandPruner
from optuna.samplers import TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import Trial, TrialState

from benchmarks.baselines import Eager
from benchmarks.curve_table import CurveTable
from benchmarks.simulator import Outcome, Rows
from study.record.events import Phase
from study.search.policy import RaceState, completed
from study.search.state import Close, ConfigDecision, Entry, Promote, Rules, Stage
from study.seeding import derived_seed


class Forgiving(Eager):
    """Cross-validation fold by fold, stopped once the mean so far is worse than the incumbent's worst fold.

    Source: Bergman, Purucker and Hutter, Don't Waste Your Time: Early Stopping Cross-Validation, AutoML 2024, the
    method "Forgiving".
    """

    def stages(self, rules: Rules, number: int) -> tuple[Stage, ...]:
        """One fold more at each, at full length."""
        return tuple(Stage(rules.epochs, tuple(range(n))) for n in range(1, rules.n_folds + 1))

    def first_stage(self, rules: Rules, number: int) -> int:
        """The first fold."""
        return 0

    def due_decision(self, race: RaceState) -> ConfigDecision | None:
        """Goes on with the next fold, or stops."""
        complete = [entry for entry in race.entries if entry.phase is Phase.COMPLETE]
        incumbent = max(complete, key=lambda entry: entry.score(race.rules.epochs), default=None)
        worst = -np.inf if incumbent is None else min(curve[-1] for curve in incumbent.curves)
        for entry in race.entries:
            if entry.phase is Phase.OPEN and entry.at_rest:
                return self._judged(race, entry, worst)
        return None

    def _judged(self, race: RaceState, entry: Entry, worst: float) -> ConfigDecision:
        if entry.allowed_stage == len(entry.stages) - 1:
            return completed(entry)
        mean = entry.score(race.rules.epochs)
        if mean < worst:
            return Close(entry.number, Phase.STOPPED, f"mean {mean:.3f}, incumbent's worst fold {worst:.3f}")
        return Promote(entry.number, entry.allowed_stage + 1, f"mean {mean:.3f}")


@dataclass
class Pruned:
    """An Optuna study with pruning whose trials run the rows of a table in the place of what was proposed."""

    study: optuna.Study
    storage: InMemoryStorage
    rows: Rows

    def ask(self) -> tuple[Trial, int]:
        """The next trial and its row."""
        trial = self.study.ask()
        self.rows.suggest(trial)
        row = self.rows.nearest(trial.params) if self.rows.tried else self.rows.first()
        self.rows.take(row)
        for name, distribution in self.rows.distributions.items():
            value = distribution.to_internal_repr(self.rows.params(row)[name])
            self.storage.set_trial_param(trial._trial_id, name, value, distribution)
        return trial, row


def tpe_hyperband(table: CurveTable, *, workers: int, seed: int, budget_seconds: float) -> Outcome:
    """Optuna's TPE and HyperbandPruner: a trial trains all folds epoch by epoch, and reports their mean after each.

    A worker has a trial for itself, as with `study.optimize(n_jobs=...)`. Taken is the best trial that was not pruned.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    n_rows, n_folds, epochs = table.val.shape
    storage, pruner = InMemoryStorage(), HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)
    sampler = TPESampler(seed=derived_seed(seed, "hyperband"))
    # The pruner deals brackets out by the study's name, which would be random.
    study = optuna.create_study(
        study_name=f"hyperband {seed}", direction="maximize", sampler=sampler, pruner=pruner, storage=storage
    )
    tuner = Pruned(study, storage, Rows(table, "tpe", seed))
    curves, tried = table.best_so_far, tuner.rows.tried
    arrivals: list[tuple[float, int, Trial, int, int]] = []
    selected: list[tuple[float, int]] = []
    best, clock, busy = -np.inf, 0.0, 0.0
    while True:
        while len(arrivals) < workers and len(tried) < n_rows:
            trial, row = tuner.ask()
            heapq.heappush(arrivals, (clock + n_folds * table.seconds[row], trial.number, trial, row, 1))
        if not arrivals or arrivals[0][0] > budget_seconds:
            break
        clock, number, trial, row, epoch = heapq.heappop(arrivals)
        busy += n_folds * table.seconds[row]
        mean = fmean(curves[row, :, epoch - 1])
        if np.isnan(mean):
            study.tell(trial, state=TrialState.FAIL)
            continue
        trial.report(mean, epoch)
        if epoch == epochs:
            study.tell(trial, mean)
            if mean > best:
                best = mean
                selected.append((clock, row))
        elif trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
        else:
            heapq.heappush(arrivals, (clock + n_folds * table.seconds[row], number, trial, row, epoch + 1))
    for due, _, _, row, _ in arrivals:
        busy += max(0.0, budget_seconds - (due - n_folds * table.seconds[row]))
    return Outcome(selected, busy, budget_seconds if arrivals else clock, tried, [])
