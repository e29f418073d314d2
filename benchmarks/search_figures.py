"""What simulated searches reached, as figures with standard errors over tables and repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.curve_table import CurveTable
from benchmarks.simulator import Outcome

COSTS_TO = (0.10, 0.05)
# Below so many full cross-validations the race has to lead, not only to keep up: points of 100 on test.
EARLY, LEAD = 5.0, 0.5


@dataclass(frozen=True)
class Figures:
    """What one study reached.

    Attributes:
        regret: by budget, the best validation mean minus that of the selected configuration, by (best - median).
        test_points: by budget, 100 times the test mean of the selected configuration.
        test_regret: by budget, the best test mean of the table minus that, in points.
        cost_to: full cross-validations until the regret stays below each of COSTS_TO.
        idle: the share of the workers' time.
    """

    regret: tuple[float, ...]
    test_points: tuple[float, ...]
    test_regret: tuple[float, ...]
    cost_to: tuple[float, ...]
    idle: float


@dataclass(frozen=True)
class Estimate:
    """A mean over tables and repeats, and its standard error."""

    mean: float
    error: float

    def __str__(self) -> str:
        """For example "-0.42 ±0.10"."""
        return f"{self.mean:.2f} ±{self.error:.2f}"


def figures_of(table: CurveTable, outcome: Outcome, workers: int, budgets: Sequence[float]) -> Figures:
    """The figures of one study.

    Where nothing is selected, or a configuration that diverges on some fold, it counts as the median configuration.
    """
    full, finals, tests = table.full_cost() / workers, table.finals(), table.tests()
    best, median = float(np.nanmax(finals)), float(np.nanmedian(finals))

    def score(row: int | None, scores: np.ndarray) -> float:
        return float(np.nanmedian(scores) if row is None or np.isnan(scores[row]) else scores[row])

    def regret(row: int | None) -> float:
        return (best - score(row, finals)) / (best - median)

    def cost_to(target: float) -> float:
        """The whole budget if it is never reached for good."""
        reached = max(budgets)
        for since, row in reversed(outcome.selected):
            if regret(row) > target:
                break
            reached = since / full
        return reached

    rows = [outcome.selection_at(budget * full) for budget in budgets]
    points = tuple(100 * score(row, tests) for row in rows)
    best_points = 100 * float(np.nanmax(tests))
    return Figures(
        tuple(regret(row) for row in rows),
        points,
        tuple(best_points - each for each in points),
        tuple(cost_to(target) for target in COSTS_TO),
        1 - outcome.busy / (outcome.end * workers),
    )


Results = Mapping[str, Mapping[str, Sequence[Figures]]]
"""By table and policy, one for each repeat."""


def estimate(by_table: Sequence[Sequence[float]]) -> Estimate:
    """The mean over tables of the means over repeats.

    Tables are the larger sample: the error is that of a mean of tables, and holds their repeats' too. With one table
    it is that of the mean of its repeats.
    """
    means = [fmean(repeats) for repeats in by_table]
    sample = means if len(means) > 1 else list(by_table[0])
    return Estimate(fmean(means), stdev(sample) / len(sample) ** 0.5 if len(sample) > 1 else float("nan"))


def of_policy(results: Results, policy: str, figure: str, budget: int) -> Estimate:
    """A figure of one policy at the budget of that index."""
    return estimate([[getattr(run, figure)[budget] for run in each[policy]] for each in results.values()])


def lead(results: Results, policy: str, other: str, budget: int) -> Estimate:
    """Test points of `policy` minus those of `other`, repeat by repeat: these begin with the same configuration."""
    return estimate(
        [
            [
                mine.test_points[budget] - own.test_points[budget]
                for mine, own in zip(each[policy], each[other], strict=True)
            ]
            for each in results.values()
        ]
    )


def regret_ratio(results: Results, policy: str, other: str, budget: int) -> Estimate:
    """The geometric mean over tables of (mean regret + .01) of `policy` by that of `other`; the error is of its log."""
    logs = [[float(np.log(_regret(each[policy], budget) / _regret(each[other], budget)))] for each in results.values()]
    found = estimate(logs)
    return Estimate(float(np.exp(found.mean)), found.error)


def _regret(runs: Sequence[Figures], budget: int) -> float:
    return fmean(run.regret[budget] for run in runs) + 0.01


def missed(results: Results, budgets: Sequence[float], policy: str = "race") -> list[str]:
    """Where `policy` misses its target on test, a line each.

    It is at no budget more than one standard error behind any other, and at EARLY full cross-validations LEAD points
    ahead.
    """
    lines = []
    for other in policies_of(results):
        for index, budget in enumerate(budgets):
            if other == policy:
                continue
            found = lead(results, policy, other, index)
            if found.mean < -found.error:
                lines.append(f"{found} points against {other} at {budget:g}: more than one standard error below")
            if budget == EARLY and found.mean < LEAD:
                lines.append(f"{found} points against {other} at {budget:g}: less than {LEAD}")
    return lines


def policies_of(results: Results) -> list[str]:
    """The policies in the order in which they were compared."""
    return list(next(iter(results.values())))


def as_json(results: Results, budgets: Sequence[float]) -> dict[str, Any]:
    """All figures of all studies."""
    tables = {
        name: {policy: [vars(run) for run in runs] for policy, runs in each.items()} for name, each in results.items()
    }
    return {"budgets": list(budgets), "tables": tables}


def show(console: Console, results: Results, budgets: Sequence[float]) -> None:
    """By policy: regret on validation and test, test points; then the race by each of the others, and its target."""
    names = [f"{budget:g}" for budget in budgets]
    _show_policies(console, results, names)
    for title, compared in (
        ("regret of race by that of another, geometric mean over tables (+ .01), ± of its log", regret_ratio),
        ("test points of race minus those of another", lead),
    ):
        table = _table("", *names)
        for other in policies_of(results):
            if other != "race":
                table.add_row(f"race, {other}", *(str(compared(results, "race", other, i)) for i in range(len(names))))
        console.print(f"\n{title}, by budget:", highlight=False)
        console.print(table)
    lines = missed(results, budgets)
    console.print(
        f"\ntarget (test points at no budget more than a standard error below another's, {LEAD} above at {EARLY:g}): "
        + ("missed" if lines else "met"),
        highlight=False,
    )
    for line in lines:
        console.print(f"  {line}", highlight=False)


def _show_policies(console: Console, results: Results, names: Sequence[str]) -> None:
    sections = (("regret", "validation regret"), ("test_regret", "test regret, points"), ("test_points", "test points"))
    for figure, title in sections:
        table = _table(title, *names, "to .10", "to .05", "idle") if figure == "regret" else _table(title, *names)
        for policy in policies_of(results):
            cells = [str(of_policy(results, policy, figure, index)) for index in range(len(names))]
            if figure == "regret":
                runs = [run for each in results.values() for run in each[policy]]
                cells += [f"{fmean(run.cost_to[i] for run in runs):.1f}" for i in range(len(COSTS_TO))]
                cells.append(f"{fmean(run.idle for run in runs):.1%}")
            table.add_row(policy, *cells)
        console.print(table, "", sep="")


def show_tables(console: Console, results: Results, budgets: Sequence[float]) -> None:
    """Table by table: the means over repeats of validation regret and test points."""
    names = [f"{budget:g}" for budget in budgets]
    table = _table("table", "policy", *(f"regret {n}" for n in names), *(f"test {n}" for n in names))
    for name, each in results.items():
        for policy, runs in each.items():
            figures = [f"{fmean(run.regret[i] for run in runs):.3f}" for i in range(len(names))]
            figures += [f"{fmean(run.test_points[i] for run in runs):.1f}" for i in range(len(names))]
            table.add_row(name, policy, *figures)
    console.print(table)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index == 0 else "right", no_wrap=True)
    return table
