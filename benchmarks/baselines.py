"""What the product's race is compared with, on the same tables and the same simulated clock."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from benchmarks.curve_table import CurveTable
from benchmarks.simulator import Outcome, Rows
from study.search.policies.full import Full
from study.search.policy import RaceState
from study.search.state import Rules
from study.seeding import derived_seed


class Eager(Full):
    """Full cross-validation as plain tuners do it: a free worker gets a new configuration at once."""

    in_order = False

    def may_open(self, race: RaceState) -> bool:
        """Always."""
        return True

    def n_known_to(self, rules: Rules, number: int) -> int:
        """All of them, as far as they are trained."""
        return number


GRACE, REDUCTION = 1, 4  # the defaults of Ray Tune's ASHAScheduler


@dataclass
class SharedRungs:
    """Ray Tune's ASHA as shipped: one set of rungs for all trials, whatever their fold; stop or go on, no pause."""

    epochs: int
    scores: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def goes_on(self, epoch: int, score: float) -> bool:
        """Whether a trial that has `score` after `epoch` trains another epoch; one without a score always does."""
        if epoch >= self.epochs:
            return False
        milestones = {GRACE * REDUCTION**k for k in range(10)}
        if epoch not in milestones:
            return True
        known = [each for each in self.scores[epoch] if not np.isnan(each)]
        self.scores[epoch].append(score)
        return not known or not score < np.percentile(known, (1 - 1 / REDUCTION) * 100)


def ray_default(table: CurveTable, *, workers: int, seed: int, budget_seconds: float) -> Outcome:
    """OptunaSearch in a Repeater under ASHA, with the defaults they ship with.

    Every fold of a configuration is a trial that ASHA may stop by itself; when all have ended, the sampler is given
    the mean of their last scores as the configuration's final value, NaN left out. The configuration with the best
    such mean is what the user takes.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    n_rows, n_folds, epochs = table.val.shape
    rows, rungs = Rows(table, "tpe", seed), SharedRungs(epochs)
    study = optuna.create_study(direction="maximize", sampler=TPESampler(seed=derived_seed(seed, "ray")))
    waiting: list[tuple[int, int]] = []
    last: dict[int, list[float]] = defaultdict(list)
    arrivals: list[tuple[float, int, int, int, int]] = []
    selected: list[tuple[float, int]] = []
    best, clock, busy, n_begun = -np.inf, 0.0, 0.0, 0
    while True:
        while len(arrivals) < workers and (waiting or len(rows.tried) < n_rows):
            if not waiting:
                row = _ask(study, rows) if rows.tried else rows.first()
                rows.take(row)
                waiting = [(row, fold) for fold in range(n_folds)]
            row, fold = waiting.pop(0)
            n_begun += 1
            heapq.heappush(arrivals, (clock + table.seconds[row], n_begun, row, fold, 1))
        if not arrivals or arrivals[0][0] > budget_seconds:
            break
        clock, order, row, fold, epoch = heapq.heappop(arrivals)
        busy += table.seconds[row]
        score = float(table.best_so_far[row, fold, epoch - 1])
        if rungs.goes_on(epoch, score):
            heapq.heappush(arrivals, (clock + table.seconds[row], order, row, fold, epoch + 1))
            continue
        last[row].append(score)
        if len(last[row]) == n_folds:
            known = [each for each in last[row] if not np.isnan(each)]
            mean = float(np.mean(known)) if known else float("nan")
            _tell(study, rows, row, mean)
            if mean > best:
                best = mean
                selected.append((clock, row))
    for due, _, row, _, _ in arrivals:
        busy += max(0.0, budget_seconds - (due - table.seconds[row]))
    return Outcome(selected, busy, budget_seconds if arrivals else clock, rows.tried, [])


def _ask(study: optuna.Study, rows: Rows) -> int:
    trial = study.ask()
    rows.suggest(trial)
    study.tell(trial, state=TrialState.FAIL)  # Optuna is given the row that runs in its place
    return rows.nearest(trial.params)


def _tell(study: optuna.Study, rows: Rows, row: int, mean: float) -> None:
    distributions = rows.distributions
    params = {name: rows.params(row)[name] for name in distributions}
    if np.isnan(mean):
        study.add_trial(create_trial(state=TrialState.FAIL, params=params, distributions=distributions))
    else:
        study.add_trial(create_trial(value=mean, params=params, distributions=distributions))
