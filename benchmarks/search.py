"""How much of a full search's compute the race needs: policies compared on tables of learning curves.

python -m benchmarks.search [--table FILE.npz ...] [--made 3] [--final-set N] [--policies race,tpe] [--repeats 2]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks.baselines import Eager, ray_default
from benchmarks.curve_table import CurveTable
from benchmarks.freeze_thaw import FreezeThaw
from benchmarks.rivals import Forgiving, tpe_hyperband
from benchmarks.search_figures import Figures, as_json, figures_of, show, show_tables
from benchmarks.simulator import Outcome, simulate
from benchmarks.tables import GENERATORS, seeds
from study.errors import UserError
from study.search.policy import Policy

Searcher = Callable[[CurveTable, int, int, float], Outcome]
"""(table, workers, seed, budget in seconds) to what the study did."""


def _by(policy: str | Policy, sampler: str) -> Searcher:
    def search(table: CurveTable, workers: int, seed: int, seconds: float) -> Outcome:
        return simulate(table, policy=policy, sampler=sampler, workers=workers, seed=seed, budget_seconds=seconds)

    return search


def _freeze_thaw(table: CurveTable, workers: int, seed: int, seconds: float) -> Outcome:
    policy = FreezeThaw(table, seed)
    return simulate(
        table, policy=policy, sampler="", rows=policy.rows, workers=workers, seed=seed, budget_seconds=seconds
    )


def _hyperband(table: CurveTable, workers: int, seed: int, seconds: float) -> Outcome:
    return tpe_hyperband(table, workers=workers, seed=seed, budget_seconds=seconds)


def _ray(table: CurveTable, workers: int, seed: int, seconds: float) -> Outcome:
    return ray_default(table, workers=workers, seed=seed, budget_seconds=seconds)


# What the product does by default is called race, whatever is inside it.
SEARCHERS: dict[str, Searcher] = {
    "race": _by("race", "tpe"),
    "race-gp": _by("race", "gp"),
    "asha": _by("asha", "tpe"),
    "freeze-thaw": _freeze_thaw,
    "forgiving-tpe": _by(Forgiving(), "tpe"),
    "tpe-hyperband": _hyperband,
    "tpe": _by(Eager(), "tpe"),
    "random": _by(Eager(), "random"),
    "ray-default": _ray,
}


@dataclass(frozen=True)
class Job:
    """One simulated study: a table by its name, a policy and a repeat."""

    table: str
    policy: str
    repeat: int
    workers: int
    budgets: tuple[float, ...]


def figures(job: Job) -> Figures:
    """Run one job."""
    table = table_of(job.table)
    seconds = max(job.budgets) * table.full_cost() / job.workers
    outcome = SEARCHERS[job.policy](table, job.workers, job.repeat, seconds)
    return figures_of(table, outcome, job.workers, job.budgets)


@lru_cache(maxsize=2)
def table_of(name: str) -> CurveTable:
    """The table in a file, or the one of "generator:seed"."""
    kind, _, seed = name.rpartition(":")
    made = {generator.__name__: generator for generator in GENERATORS}
    return made[kind](int(seed)) if kind in made else CurveTable.read(Path(name))


def compare(jobs: Sequence[Job], processes: int, console: Console) -> dict[str, dict[str, list[Figures]]]:
    """The figures of all jobs by table and policy."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # each process is one study's; they read this when they import numpy
    context = multiprocessing.get_context("spawn")
    found: dict[str, dict[str, list[Figures]]] = {}
    with ProcessPoolExecutor(processes, mp_context=context) as pool, Progress(console=console, transient=True) as bar:
        task = bar.add_task("simulated studies", total=len(jobs))
        for job, run in zip(jobs, pool.map(figures, jobs), strict=True):
            found.setdefault(Path(job.table).name, {}).setdefault(job.policy, []).append(run)
            bar.advance(task)
    return found


def main() -> int:
    """Run the comparison; gives the exit code."""
    parser = _parser()
    parsed = parser.parse_args()
    budgets = tuple(float(each) for each in parsed.budget_cv.split(","))
    made = [f"{each.__name__}:{seed}" for seed in seeds(parsed.made, parsed.final_set) for each in GENERATORS]
    names = [str(path) for path in parsed.table] or made
    policies = parsed.policies.split(",")
    if unknown := sorted(set(policies) - set(SEARCHERS)):
        parser.error(f"--policies takes {', '.join(SEARCHERS)}; found {', '.join(unknown)}")
    if "race" not in policies:
        parser.error(f"--policies compares race with others, and {parsed.policies} leaves it out")
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
        for policy in policies
        for repeat in range(parsed.repeats)
    ]
    found = compare(jobs, parsed.processes or os.cpu_count() or 1, console)
    if parsed.each:
        show_tables(console, found, budgets)
    show(console, found, budgets)
    if parsed.json:
        parsed.json.write_text(json.dumps(as_json(found, budgets)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--table", type=Path, nargs="+", default=[], metavar="FILE", help="curve tables (makes its own)")
    add("--made", type=int, default=3, metavar="N", help="tables to make of each kind (3)")
    add("--final-set", type=int, metavar="N", help="make tables that nothing was chosen by: set N, not used before")
    add("--policies", default=",".join(SEARCHERS), metavar="LIST", help="of these, race included (all)")
    add("--workers", type=int, default=4, metavar="N", help="workers on the simulated clock (4)")
    add("--repeats", type=int, default=2, metavar="N", help="studies for each table and policy (2)")
    add("--budget-cv", default="5,10,20,40", metavar="LIST", help="in full cross-validations (5,10,20,40)")
    add("--processes", type=int, metavar="N", help="processes of this machine (all cores)")
    add("--each", action="store_true", help="print the figures of every table, too")
    add("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
