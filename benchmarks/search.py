"""How much of a full search's compute the race needs: policies compared on tables of learning curves.

python -m benchmarks.search [--table FILE.npz ...] [--workers 4] [--repeats 12] [--budget-cv 5,10,20,40] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.baselines import Eager, ray_default
from benchmarks.simulator import CurveTable, Outcome, simulate
from benchmarks.tables import GENERATORS
from study.errors import UserError

# What the product does by default is called race, whatever is inside it.
POLICY_NAMES = ("race", "asha", "tpe", "random", "ray-default")
COSTS_TO = (0.10, 0.05)


@dataclass(frozen=True)
class Job:
    """One simulated study: a table by its place in the list, a policy and a repeat."""

    table: str
    policy: str
    repeat: int
    workers: int
    budgets: tuple[float, ...]


@dataclass(frozen=True)
class Figures:
    """What one study reached: regret by budget, cost to reach a regret, test score at the end, idle share."""

    regret: tuple[float, ...]
    cost_to: tuple[float, ...]
    test: float
    idle: float


def study_of(table: CurveTable, policy: str, workers: int, seed: int, budget_seconds: float) -> Outcome:
    """One study of `policy` on `table`."""
    terms: dict[str, Any] = {"workers": workers, "seed": seed, "budget_seconds": budget_seconds}
    match policy:
        case "race":
            return simulate(table, policy="race", sampler="gp", **terms)
        case "asha":
            return simulate(table, policy="asha", sampler="tpe", **terms)
        case "tpe" | "random":
            return simulate(table, policy=Eager(), sampler=policy, **terms)
        case _:
            return ray_default(table, **terms)


def figures(job: Job) -> Figures:
    """Run one job."""
    table = table_of(job.table)
    full, finals = table.full_cost() / job.workers, table.finals()
    outcome = study_of(table, job.policy, job.workers, job.repeat, max(job.budgets) * full)
    best, median = float(np.nanmax(finals)), float(np.nanmedian(finals))

    def regret(row: int | None) -> float:
        """Nothing selected counts as the median configuration, and so does one that diverges on some fold."""
        return 1.0 if row is None or np.isnan(finals[row]) else (best - float(finals[row])) / (best - median)

    def cost_to(target: float) -> float:
        """In full cross-validations; the whole budget if it is never reached for good."""
        reached = max(job.budgets)
        for since, row in reversed(outcome.selected):
            if regret(row) > target:
                break
            reached = since / full
        return reached

    selected = outcome.selection_at(outcome.end)
    tests = table.tests()
    return Figures(
        tuple(regret(outcome.selection_at(budget * full)) for budget in job.budgets),
        tuple(cost_to(target) for target in COSTS_TO),
        float("nan") if selected is None else float(tests[selected]),
        1 - outcome.busy / (outcome.end * job.workers),
    )


@lru_cache(maxsize=2)
def table_of(name: str) -> CurveTable:
    """The table in a file, or the one made by the generator of that name."""
    made = {generator.__name__: generator for generator in GENERATORS}
    return made[name]() if name in made else CurveTable.read(Path(name))


def means(results: Mapping[Job, Figures], budgets: Sequence[float]) -> dict[str, Any]:
    """The figures by table and policy, means over repeats."""
    found: dict[str, Any] = {}
    for table, policy in dict.fromkeys((job.table, job.policy) for job in results):
        runs = [run for job, run in results.items() if (job.table, job.policy) == (table, policy)]
        tests = [run.test for run in runs if not np.isnan(run.test)]
        found.setdefault(Path(table).stem, {})[policy] = {
            "regret": {f"{b:g}": fmean(run.regret[i] for run in runs) for i, b in enumerate(budgets)},
            "cost_to": {f"{t:.2f}": fmean(run.cost_to[i] for run in runs) for i, t in enumerate(COSTS_TO)},
            "test": fmean(tests) if tests else None,
            "idle": fmean(run.idle for run in runs),
        }
    return found


def ratio(found: Mapping[str, Any], policy: str, other: str, budget: str) -> float:
    """The geometric mean over tables of (regret + .01) of `policy` by that of `other`."""
    logs = [
        np.log((each[policy]["regret"][budget] + 0.01) / (each[other]["regret"][budget] + 0.01))
        for each in found.values()
    ]
    return float(np.exp(np.mean(logs)))


def show(console: Console, found: Mapping[str, Any], budgets: Sequence[str]) -> None:
    """The tables of figures, then what the race needs in comparison."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("table", "policy", *(f"regret {b}" for b in budgets), "to .10", "to .05", "test", "idle"):
        table.add_column(heading, justify="left" if heading in ("table", "policy") else "right")
    for name, policies in found.items():
        for policy, each in policies.items():
            regrets = [f"{each['regret'][budget]:.3f}" for budget in budgets]
            costs = [f"{cost:.1f}" for cost in each["cost_to"].values()]
            test = "-" if each["test"] is None else f"{each['test']:.3f}"
            table.add_row(name, policy, *regrets, *costs, test, f"{each['idle']:.1%}")
    console.print(table)
    console.print("\nregret of race by that of another, geometric mean over tables (+ .01), by budget:")
    for other in POLICY_NAMES[1:]:
        line = "  ".join(f"{budget}: {ratio(found, 'race', other, budget):.2f}" for budget in budgets)
        console.print(f"  race / {other:12s} {line}", highlight=False)


def main() -> int:
    """Run the comparison; gives the exit code."""
    parsed = _parser().parse_args()
    budgets = tuple(float(each) for each in parsed.budget_cv.split(","))
    names = [str(path) for path in parsed.table] or [generator.__name__ for generator in GENERATORS]
    console = Console()
    try:
        for name in parsed.table:
            CurveTable.read(name)
    except UserError as error:
        Console(stderr=True).print(f"error: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        return 2
    jobs = [
        Job(name, policy, repeat, parsed.workers, budgets)
        for name in names
        for policy in POLICY_NAMES
        for repeat in range(parsed.repeats)
    ]
    processes = parsed.processes or os.cpu_count() or 1
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # each process is one study's; they read this when they import numpy
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool, Progress(console=console, transient=True) as bar:
        task = bar.add_task("simulated studies", total=len(jobs))
        results = {}
        for job, run in zip(jobs, pool.map(figures, jobs), strict=True):
            results[job] = run
            bar.advance(task)
    found = means(results, budgets)
    show(console, found, [f"{budget:g}" for budget in budgets])
    if parsed.json:
        parsed.json.write_text(json.dumps({"tables": found}, indent=1))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--table", type=Path, nargs="+", default=[], metavar="FILE", help="curve tables (makes its own)"
    )
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="workers on the simulated clock (4)")
    parser.add_argument("--repeats", type=int, default=12, metavar="N", help="studies for each table and policy (12)")
    parser.add_argument(
        "--budget-cv", default="5,10,20,40", metavar="LIST", help="budgets in full cross-validations (5,10,20,40)"
    )
    parser.add_argument("--processes", type=int, metavar="N", help="processes of this machine (all cores)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
