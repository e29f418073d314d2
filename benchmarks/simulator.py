"""A study on recorded learning curves: the real race and the real samplers on a simulated clock."""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from study.errors import UserError
from study.record.events import EpochDone, Event, FoldRun, Phase
from study.record.terms import geometric_rungs
from study.samplers.proposer import propose
from study.search.conductor import Conductor
from study.search.observation import Observation
from study.search.policies import POLICIES
from study.search.policy import Policy
from study.search.race import Race
from study.search.state import Continue, Rules
from study.seeding import derived_seed

Numbers = NDArray[np.float64]

VARIANT = "table"


@dataclass(frozen=True)
class CurveTable:
    """Learning curves of many configurations.

    `val` and `test` are [configurations, folds, epochs], NaN where a run has diverged; `seconds` is
    [configurations], of one epoch on one fold; `params` one mapping per configuration.
    """

    name: str
    val: Numbers
    test: Numbers
    seconds: Numbers
    params: list[dict[str, Any]]

    @staticmethod
    def read(path: Path) -> CurveTable:
        """The table in an .npz file with `val`, `test`, `seconds` and `params` (JSON).

        Raises:
            UserError: it is not such a file.
        """
        law = "a curve table is an .npz with val, test [configs, folds, epochs], seconds [configs], params (JSON)"
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                val, test, seconds = (np.asarray(file[name], dtype=float) for name in ("val", "test", "seconds"))
                params = json.loads(str(file["params"]))
        except (OSError, EOFError, ValueError, KeyError, AttributeError, TypeError, BadZipFile) as error:
            raise UserError(f"{law}; {path}: {error}") from None
        if val.ndim != 3 or val.shape != test.shape or seconds.shape != val.shape[:1] or len(params) != len(val):
            raise UserError(
                f"{law}; {path} has val {val.shape}, test {test.shape}, seconds {seconds.shape}, {len(params)} params"
            )
        return CurveTable(path.stem, val, test, seconds, params)

    @property
    def best_so_far(self) -> Numbers:
        """Validation scores as a race sees them: the best up to each epoch, NaN from where a run has diverged."""
        return np.asarray(np.maximum.accumulate(self.val, axis=2))

    def finals(self) -> Numbers:
        """The mean over folds at full length, NaN for a configuration that diverges on one."""
        last: Numbers = self.best_so_far[:, :, -1]
        return np.asarray(last.mean(axis=1))

    def tests(self) -> Numbers:
        """The mean over folds of the test score at the epoch that validation picks."""
        alive = np.asarray(~np.isnan(self.val).any(axis=2))
        picked = np.argmax(np.where(alive[:, :, None], self.val, 0.0), axis=2)
        chosen = np.take_along_axis(self.test, picked[:, :, None], axis=2)[:, :, 0]
        return np.asarray(np.where(alive, chosen, np.nan).mean(axis=1))

    def full_cost(self) -> float:
        """Seconds of one full cross-validation, for a configuration of average speed."""
        _, n_folds, epochs = self.val.shape
        return float(self.seconds.mean() * n_folds * epochs)

    def distributions(self) -> dict[str, BaseDistribution]:
        """The space that the rows are a sample of, inferred from their values."""
        names = sorted({name for row in self.params for name in row})
        return {name: distribution([row[name] for row in self.params if name in row]) for name in names}


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
) -> Outcome:
    """Run a study on `table` with `workers` on a simulated clock until the budget or the table is spent."""
    rows, memory, epochs = Rows(table, sampler, seed), Memory(), table.val.shape[2]
    policy = POLICIES[policy] if isinstance(policy, str) else policy
    race = Race(rules or rules_of(table, workers, n_configs), policy)
    conductor = Conductor({VARIANT: race}, memory, propose=rows, slots=workers)
    curves = table.best_so_far
    clock = busy = 0.0
    arrivals: list[tuple[float, int, FoldRun]] = []
    selected: list[tuple[float, int]] = []
    n_begun = 0
    while True:
        while (run := conductor.next_run()) is not None:
            conductor.busy.add(run)
            n_begun += 1
            heapq.heappush(arrivals, (clock + table.seconds[rows.tried[run.config]], n_begun, run))
        if not arrivals or arrivals[0][0] > budget_seconds:
            break
        clock, order, run = heapq.heappop(arrivals)
        row = rows.tried[run.config]
        busy += table.seconds[row]
        epoch = conductor.epochs_known(run) + 1
        score = float(curves[row, run.fold, epoch - 1])
        if np.isnan(score):
            conductor.mark_lost(run, Phase.DIVERGED, "a score is not finite")
        else:
            scores, seconds = {race.rules.metric: score}, float(table.seconds[row])
            decision = conductor.report(
                EpochDone(run.variant, run.config, run.fold, run.seed, epoch, 0.0, scores, {}, seconds, epoch == epochs)
            )
            if isinstance(decision, Continue):
                heapq.heappush(arrivals, (clock + table.seconds[row], order, run))
                continue
        best = race.best()
        if best is not None and (not selected or selected[-1][1] != rows.tried[best.number]):
            selected.append((clock, rows.tried[best.number]))
    for due, _, run in arrivals:  # epochs that the end of the budget cut short
        busy += max(0.0, budget_seconds - (due - table.seconds[rows.tried[run.config]]))
    return Outcome(selected, busy, budget_seconds if arrivals else clock, rows.tried, memory.events)


def rules_of(table: CurveTable, workers: int, n_configs: int | None = None) -> Rules:
    """The usual terms of a race on `table`."""
    n_rows, n_folds, epochs = table.val.shape
    return Rules(
        n_configs=min(n_configs or n_rows, n_rows),
        n_folds=n_folds,
        epochs=epochs,
        rungs=geometric_rungs(epochs),
        lookahead=-(-workers // n_folds) + 3,
    )


def distribution(values: Sequence[Any]) -> BaseDistribution:
    """The distribution that a column of a table looks like: its range, on a log scale where it spans decades."""
    if any(isinstance(value, str | bool) for value in values):
        return CategoricalDistribution(sorted(set(values), key=str))
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return CategoricalDistribution(distinct)
    low, high = distinct[0], distinct[-1]
    log = low > 0 and high / low >= 20
    if all(float(value).is_integer() for value in distinct):
        return IntDistribution(int(low), int(high), log=log and low >= 1)
    return FloatDistribution(float(low), float(high), log=log)


def ranks(params: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, tuple[list[Any], Numbers]]:
    """By parameter: its distinct values in order, and every row's rank among them, scaled to 0-1."""
    found = {}
    for name in names:
        values = sorted({row[name] for row in params if name in row}, key=lambda v: (isinstance(v, str), v))
        place = {value: index / max(1, len(values) - 1) for index, value in enumerate(values)}
        found[name] = values, np.array([place.get(row.get(name), 0.5) for row in params])
    return found
