"""A study on recorded learning curves: the real race and the real samplers on a simulated clock."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from benchmarks.curve_table import CurveTable, ranks
from study.record.events import EpochDone, Event, FoldRun, Phase
from study.record.terms import geometric_rungs
from study.samplers.proposer import propose
from study.search.conductor import Conductor
from study.search.observation import Observation
from study.search.policies import POLICIES
from study.search.policy import Policy
from study.search.rounds import race_of
from study.search.state import Continue, Rules, lookahead_of
from study.seeding import derived_seed

VARIANT = "table"


@dataclass
class Memory:
    """A ledger without a file."""

    events: list[Event] = field(default_factory=list)

    def append(self, event: Event) -> None:
        """Keep one event."""
        self.events.append(event)


class Rows:
    """Proposals on a table: what the sampler proposes becomes the nearest row that was not tried yet."""

    def __init__(self, table: CurveTable, sampler: str, seed: int) -> None:
        """The first row, which stands for the published setting, is drawn by `seed`."""
        self._table, self._sampler, self._seed = table, sampler, seed
        self.distributions = table.distributions()
        self._ranks = ranks(table.params, list(self.distributions))
        self._left = np.ones(len(table.params), dtype=bool)
        self.tried: list[int] = []

    def __call__(self, variant: str, tried: Sequence[Observation]) -> dict[str, Any]:
        """The parameters of the row to try next."""
        row = self.nearest(propose(self.suggest, tried, self._seed, self._sampler)) if tried else self.first()
        self.take(row)
        return self._table.params[row]

    def params(self, row: int) -> dict[str, Any]:
        """The parameters of a row."""
        return self._table.params[row]

    def first(self) -> int:
        """The row that stands for the published setting: one that does not diverge."""
        finite = np.flatnonzero(~np.isnan(self._table.finals()))
        return int(finite[derived_seed(self._seed, "published") % len(finite)])

    def take(self, row: int) -> None:
        """Mark a row as tried."""
        self._left[row] = False
        self.tried.append(row)

    def suggest(self, trial: Any) -> None:
        """Draw the table's parameters by `trial`."""
        for name, each in self.distributions.items():
            if isinstance(each, CategoricalDistribution):
                trial.suggest_categorical(name, each.choices)
            elif isinstance(each, IntDistribution):
                trial.suggest_int(name, each.low, each.high, log=each.log)
            else:
                assert isinstance(each, FloatDistribution)
                trial.suggest_float(name, each.low, each.high, log=each.log)

    def nearest(self, wanted: Mapping[str, Any]) -> int:
        """The row not tried yet that is nearest to `wanted`: differences in rank among the table's values, summed."""
        distance = np.zeros(len(self._left))
        for name, (values, places) in self._ranks.items():
            if isinstance(values[0], str):
                distance += np.array([row.get(name) != wanted[name] for row in self._table.params])
            else:
                distance += np.abs(places - np.interp(wanted[name], values, np.linspace(0, 1, len(values))))
        distance[~self._left] = np.inf
        return int(np.argmin(distance))


@dataclass
class Outcome:
    """What a simulated study did.

    `selected` has, for every moment at which the selection changed, the seconds since the start and the row;
    `busy` the seconds that workers trained up to `end`, when the budget was spent or the study was over.
    """

    selected: list[tuple[float, int]]
    busy: float
    end: float
    rows: list[int]
    events: list[Event]

    def selection_at(self, seconds: float) -> int | None:
        """The row that would be selected `seconds` after the start; None before one is complete."""
        return next((row for since, row in reversed(self.selected) if since <= seconds), None)


@dataclass(frozen=True)
class Timing:
    """How long epochs take: the table's seconds times exp(spread * normal), drawn anew by `seed` for every epoch."""

    spread: float
    seed: int


ON_TIME = Timing(0.0, 0)


def simulate(
    table: CurveTable,
    *,
    policy: str | Policy,
    sampler: str,
    workers: int,
    seed: int,
    budget_seconds: float = float("inf"),
    n_configs: int | None = None,
    rules: Rules | None = None,
    rows: Rows | None = None,
    timing: Timing = ON_TIME,
) -> Outcome:
    """Run a study on `table` with `workers` on a simulated clock until the budget or the table is spent.

    `rows` proposes in the place of `sampler`, if given.
    """
    rows, memory, epochs = rows or Rows(table, sampler, seed), Memory(), table.val.shape[2]
    policy = POLICIES[policy] if isinstance(policy, str) else policy
    race = race_of(rules or rules_of(table, workers, n_configs), policy)
    conductor = Conductor({VARIANT: race}, memory, propose=rows, slots=workers)
    curves = table.best_so_far
    clock = busy = 0.0
    arrivals: list[tuple[float, int, FoldRun, float]] = []
    selected: list[tuple[float, int]] = []
    n_begun = 0
    random = np.random.default_rng(timing.seed)

    def begin(order: int, run: FoldRun) -> None:
        """Train the next epoch of `run`."""
        seconds = float(table.seconds[rows.tried[run.config]]) * math.exp(timing.spread * random.normal())
        heapq.heappush(arrivals, (clock + seconds, order, run, seconds))

    while True:
        while (run := conductor.next_run()) is not None:
            conductor.busy.add(run)
            n_begun += 1
            begin(n_begun, run)
        if not arrivals or arrivals[0][0] > budget_seconds:
            break
        clock, order, run, seconds = heapq.heappop(arrivals)
        row = rows.tried[run.config]
        busy += seconds
        epoch = conductor.epochs_known(run) + 1
        score = float(curves[row, run.fold, epoch - 1])
        if np.isnan(score):
            conductor.mark_lost(run, Phase.DIVERGED, "a score is not finite")
        else:
            scores, ended = {race.rules.metric: score}, epoch == epochs
            done = EpochDone(run.variant, run.config, run.fold, run.seed, epoch, 0.0, scores, {}, seconds, ended)
            if isinstance(conductor.report(done), Continue):
                begin(order, run)
                continue
        best = race.best()
        if best is not None and (not selected or selected[-1][1] != rows.tried[best.number]):
            selected.append((clock, rows.tried[best.number]))
    for due, _, _, seconds in arrivals:  # epochs that the end of the budget cut short
        busy += max(0.0, budget_seconds - (due - seconds))
    return Outcome(selected, busy, budget_seconds if arrivals else clock, rows.tried, memory.events)


def rules_of(table: CurveTable, workers: int, n_configs: int | None = None) -> Rules:
    """The usual terms of a race on `table`, each run with its own best epoch: tables hold scores, and no seeds."""
    n_rows, n_folds, epochs = table.val.shape
    return Rules(
        n_configs=min(n_configs or n_rows, n_rows),
        n_folds=n_folds,
        epochs=epochs,
        rungs=geometric_rungs(epochs),
        epoch_rule="best",
        lookahead=lookahead_of(workers, n_folds),
    )
